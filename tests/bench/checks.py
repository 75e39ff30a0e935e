"""Checks on answers: how long a sentence takes, what is noticed, what is flagged for nothing.

Run alone with `python -m tests.bench checks`.
The texts are the tests' own templates (tests/checks/cases.py) and the sentences of the sample documents (tests/checks/sampled.py), which
were not written with the checks in mind; docs/checks.md says what either is worth.
"""

import random
import time
from collections.abc import Callable, Iterable

from med42_chat.checks import Medicines, check
from med42_chat.checks.text import plain
from med42_chat.records import Source
from tests.bench.rows import Row
from tests.checks import sampled
from tests.checks.cases import Case, amber, changed, faithful, medicines, quoted, relaid, span

SENTENCES = 20
PASSAGES = 5
QUOTATIONS = 500
MUTATED = 5_500  # some kinds of change have nothing to change in a sentence


def measure() -> list[Row]:
    """Speed, recall, false alarms, and quotations, on texts with another seed than the tests'."""
    listed = medicines()
    return [
        Row("checks: one sentence, its share of five passages", _speed(listed), "ms", 1.0, "<="),
        Row("checks: one thing changed, noticed", _flagged(changed(7, MUTATED), listed), "share", 0.97, ">=", "from templates"),
        Row("checks: the same in other words, flagged", _flagged(faithful(8, 2_000), listed), "share", 0.01, "<=", "from templates"),
        *_sampled(listed),
        Row("checks: quotations changed, rejected", 1 - _found(_altered, listed), "share", 1.0, ">=", "from the sample documents"),
        Row("checks: quotations in another layout, accepted", _found(_relaid, listed), "share", 0.98, ">=", "from the sample documents"),
    ]


def _sampled(listed: Medicines) -> list[Row]:
    """Sentences of the sample documents with one thing changed, and as they stand or in another layout."""
    results, unchanged = sampled.flagged(sampled.altered(), listed), sampled.flagged(sampled.kept(), listed)
    by_kind = ", ".join(f"{kind} {missed} of {of}" for kind, (missed, of) in sampled.missed(results).items())
    noticed, alarms = (sum(seen for _, seen in cases) for cases in (results, unchanged))
    return [
        Row(
            "checks: sample sentences changed, noticed", noticed / len(results), "share", 0.97, ">=", f"{len(results):,}; missed: {by_kind}"
        ),
        Row("checks: sample sentences unchanged, flagged", alarms / len(unchanged), "share", 0.01, "<=", f"{alarms} of {len(unchanged):,}"),
    ]


def _speed(listed: Medicines) -> float:
    """Milliseconds, the best of thirty (the machine may be busy), of a whole check divided by the answer's sentences."""
    cases = list(faithful(9, SENTENCES))
    sources = tuple(Source(number, case.sources[0].title, case.sources[0].text, 1) for number, case in enumerate(cases[:PASSAGES], start=1))
    answer = " ".join(case.answer.replace("[1]", f"[{index % PASSAGES + 1}]") for index, case in enumerate(cases))
    return min(_seconds(lambda: check(answer, sources, listed)) for _ in range(30)) * 1000 / SENTENCES


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _flagged(cases: Iterable[Case], listed: Medicines) -> float:
    results = [bool(amber(check(case.answer, case.sources, listed))) for case in cases]
    return sum(results) / len(results)


def _found(alter: Callable[[random.Random, str], str], listed: Medicines) -> float:
    """The share of quotations that are found. Words that stand on the page after all (another dose in the next line) are none of them."""
    results: list[bool] = []
    chance = random.Random(11)
    paragraphs = [(source, text) for source in sampled.passages() for text in source.text.split("\n") if len(text.split()) > 10]
    while len(results) < QUOTATIONS:
        source, text = chance.choice(paragraphs)
        words = alter(chance, span(chance, text))
        if words:
            stands = alter is _altered and plain(words).strip(".") in plain(source.text)
            results += [] if stands else [quoted(words, source, listed) != "not_found"]
    return sum(results) / len(results)


def _altered(chance: random.Random, words: str) -> str:
    return sampled.CHANGES[chance.choice(["digit", "unit", "negation", "drug"])](chance, words)


def _relaid(chance: random.Random, words: str) -> str:
    return relaid(chance, words)
