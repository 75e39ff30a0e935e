"""The hand-written paraphrases. `python -m tests.checks.paraphrases` prints the figures of docs/checks.md and what went wrong."""

import tomllib
from pathlib import Path

from med42_chat.checks import check
from med42_chat.records import Source
from tests.checks.cases import ROOT, Case, amber, medicines

_HERE = Path(__file__).resolve().parent


def paraphrases() -> list[Case]:
    """Each sentence with the passage it is about; `changed` is 'wrong' for those that do not say what it says."""
    protocols = tomllib.loads((ROOT / "models/demo/corpus/protocols.toml").read_text("utf-8"))["protocol"]
    texts = {protocol["title"]: protocol["text"].strip() for protocol in protocols}
    passages = tomllib.loads((_HERE / "paraphrases.toml").read_text("utf-8"))["passage"]
    return [
        Case(f"{sentence[:-1]} [1].", (Source(1, passage["title"], texts[passage["title"]]),), changed)
        for passage in passages
        for key, changed in (("right", ""), ("wrong", "wrong"))
        for sentence in passage[key]
    ]


def main() -> None:
    """Prints how many of each kind were flagged."""
    listed = medicines()
    flagged = {case: amber(check(case.answer, case.sources, listed)) for case in paraphrases()}
    for changed, name in (("", "false alarms"), ("wrong", "noticed")):
        cases = [case for case in flagged if case.changed == changed]
        print(f"{name}: {sum(bool(flagged[case]) for case in cases)} of {len(cases)}")
    for case, findings in flagged.items():
        if bool(findings) != bool(case.changed):
            print("-", case.answer, "|", *(finding.words for finding in findings))


if __name__ == "__main__":
    main()
