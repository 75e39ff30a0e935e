"""The hand-written paraphrases. `python -m tests.checks.paraphrases` prints the figures of docs/checks.md and what went wrong."""

import tomllib
from pathlib import Path

from med42_chat.checks import check
from med42_chat.records import Source
from tests.checks.cases import ROOT, Case, amber, medicines
from tests.library.judged import documents

_HERE = Path(__file__).resolve().parent


def paraphrases() -> list[Case]:
    """Each sentence with the passage it is about; `changed` is 'wrong' for those that do not say what it says."""
    passages = tomllib.loads((_HERE / "paraphrases.toml").read_text("utf-8"))["passage"]
    texts = {**_protocols(), **_samples()}
    return [
        Case(f"{sentence[:-1]} [1].", (texts[passage.get("document", ""), passage.get("title") or passage["heading"]],), changed)
        for passage in passages
        for key, changed in (("right", ""), ("wrong", "wrong"))
        for sentence in passage[key]
    ]


def _protocols() -> dict[tuple[str, str], Source]:
    """Those of the demonstration model's examination, by title."""
    protocols = tomllib.loads((ROOT / "models/demo/corpus/protocols.toml").read_text("utf-8"))["protocol"]
    return {("", one["title"]): Source(1, one["title"], one["text"].strip()) for one in protocols}


def _samples() -> dict[tuple[str, str], Source]:
    """The first passage under each heading of the sample documents, by file and heading."""
    found: dict[tuple[str, str], Source] = {}
    for name, document in documents():
        for passage in document.passages:
            if passage.heading_path:
                source = Source(1, document.title, passage.text, passage.page, heading_path=passage.heading_path)
                found.setdefault((name, passage.heading_path[-1]), source)
    return found


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
