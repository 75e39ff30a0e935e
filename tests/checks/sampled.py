"""Sentences of the sample documents as answers would repeat them, and with one thing changed. The same seed makes the same.

Unlike those of cases.py these were not written with the checks in mind. `python -m tests.checks.sampled` prints what went wrong.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache

from med42_chat.checks import Medicines, check
from med42_chat.checks.text import sentences
from med42_chat.records import Source
from tests.checks.cases import Case, add_reference, amber, change_digit, change_mark, change_unit, medicines, relaid
from tests.library.judged import documents, protocols

_TRIES = 40  # of one kind of change in one sentence
_MOST = 12  # that are kept
_FEW = {"mark": 1, "reference": 2}  # these are noticed always, and would make the figure look better than it is
_FEWEST_WORDS = 5
_TAKEN_AWAY = ((r" not\b", ""), (r"\b[Nn]ever ", ""), (r"\bNobody\b", "Everybody"), (r"\bNo (\w)", r"A \1"), (r"\bno (?!\w+er\b)", "a "))
_PUT_IN = r"\b(is|are|was|were|may|must|should|can|has|have)\b (?!not\b|no\b)"
_OPPOSITES = (
    ("above", "below"), ("before", "after"), ("more", "less"), ("high", "low"), ("under", "over"), ("first", "last"), ("lowered", "raised"),
    ("stopped", "started"), ("by mouth", "by vein"), ("at least", "at most"), ("higher", "lower"), ("begins", "ends"), ("fewer", "more"),
)  # fmt: skip


@cache
def passages() -> tuple[Source, ...]:
    """Every passage of prose in the sample documents and protocols; a table's rows are no sentences."""
    return tuple(
        Source(1, document.title, passage.text, passage.page, heading_path=passage.heading_path)
        for _, document in [*documents(), *protocols()]
        for passage in document.passages
        if " | " not in passage.text and "Publisher:" not in passage.text
    )


def said() -> Iterator[Case]:
    """Each sentence, with a mark, beside its passage and another one."""
    chance = random.Random(1)
    for source in passages():
        other = chance.choice([one for one in passages() if one.title != source.title])
        for sentence in (" ".join(one.text.split()).lstrip("- ") for one in sentences(source.text)):
            if sentence.endswith(".") and len(sentence.split()) >= _FEWEST_WORDS:
                yield Case(f"{sentence[:-1]} [1].", (source, replace(other, number=2)))


def kept() -> Iterator[Case]:
    """Answers that say what their source says: in its words, in its words with others around them, in another layout."""
    chance = random.Random(2)
    for case in said():
        yield case
        yield Case(f"According to the protocol, {case.answer[0].lower()}{case.answer[1:]}", case.sources)
        first, second = case.sources
        yield Case(case.answer, (replace(first, text=relaid(chance, first.text)), second))


def altered() -> Iterator[Case]:
    """The same sentences with one thing changed, each kind of change in up to four ways."""
    chance = random.Random(3)
    for case in said():
        for kind, change in CHANGES.items():
            changed = dict.fromkeys(change(chance, case.answer) for _ in range(_TRIES))
            different = [answer for answer in changed if answer and answer != case.answer]
            yield from (Case(answer, case.sources, kind) for answer in different[: _FEW.get(kind, _MOST)])


def change_negation(chance: random.Random, answer: str) -> str:
    """Takes a negation away where there is one, else puts one in."""
    for pattern, instead in _TAKEN_AWAY:
        if re.search(pattern, answer):
            return re.sub(pattern, instead, answer, count=1)
    places = list(re.finditer(_PUT_IN, answer))
    one = chance.choice(places) if places else None
    return f"{answer[: one.end(1)]} not{answer[one.end(1) :]}" if one else ""


def change_medicine(chance: random.Random, answer: str) -> str:
    """One medicine becomes another."""
    places = [one for one in re.finditer(r"[A-Za-z]{5,}", answer) if one[0].lower() in _named()]
    if not places:
        return ""
    one = chance.choice(places)
    other = chance.choice([name for name in _named() if name not in answer.lower()])
    return answer[: one.start()] + (other.capitalize() if one[0][0].isupper() else other) + answer[one.end() :]


def change_direction(chance: random.Random, answer: str) -> str:
    """A word or two become their opposite."""
    turned = {one: other for pair in _OPPOSITES for one, other in (pair, pair[::-1])}
    places = list(re.finditer(rf"\b({'|'.join(turned)})\b", answer))
    one = chance.choice(places) if places else None
    return answer[: one.start()] + turned[one[0]] + answer[one.end() :] if one else ""


CHANGES: dict[str, Callable[[random.Random, str], str]] = {
    "digit": change_digit,
    "unit": change_unit,
    "negation": change_negation,
    "drug": change_medicine,
    "direction": change_direction,
    "mark": change_mark,
    "reference": add_reference,
}


@cache
def _named() -> tuple[str, ...]:
    """The medicines that the sample documents name."""
    texts = " ".join(source.text for source in passages())
    return tuple(sorted({one.name for one in medicines().named(texts) if " " not in one.name}))


def flagged(cases: Iterable[Case], listed: Medicines) -> list[tuple[Case, bool]]:
    """Each case, and whether a person is asked to look at it."""
    return [(case, bool(amber(check(case.answer, case.sources, listed)))) for case in cases]


def missed(results: Iterable[tuple[Case, bool]]) -> dict[str, tuple[int, int]]:
    """By kind of change: how many were not noticed, of how many."""
    of, unseen = Counter[str](), Counter[str]()
    for case, noticed in results:
        of[case.changed] += 1
        unseen[case.changed] += not noticed
    return {kind: (unseen[kind], of[kind]) for kind in of}


def main() -> None:
    """Prints the figures by kind of change, and some of what went wrong."""
    listed = medicines()
    unchanged = flagged(kept(), listed)
    print(f"false alarms: {sum(alarm for _, alarm in unchanged)} of {len(unchanged)}")
    for case in [case for case, alarm in unchanged if alarm]:
        print("-", case.answer, "|", *(one.words for one in amber(check(case.answer, case.sources, listed))))
    results = flagged(altered(), listed)
    print(f"noticed: {sum(noticed for _, noticed in results)} of {len(results)}; missed of each kind: {missed(results)}")
    for case in [case for case, noticed in results if not noticed][::5]:
        print("-", case.changed, "|", case.answer)


if __name__ == "__main__":
    main()
