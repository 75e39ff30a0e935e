"""What has to hold for any passage: a changed figure, unit, negation or medicine never passes, a changed layout always does."""

import random
import re
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from med42_chat.checks import Medicines, check
from med42_chat.checks.text import plain
from med42_chat.records import Source
from tests.checks.cases import Case, amber, change_digit, change_drug, change_negation, change_unit, changed, faithful, medicines

CHANGES = {"digit": change_digit, "unit": change_unit, "negation": change_negation, "drug": change_drug}
LISTED = medicines()


def span(chance: random.Random, text: str) -> str:
    """Five to twenty-five words of a passage."""
    words = [found.span() for found in re.finditer(r"\S+", text)]
    first = chance.randrange(len(words) - 5)
    last = min(len(words) - 1, first + chance.randrange(4, 25))
    return text[words[first][0] : words[last][1]]


def quoted(quotation: str, source: Source, listed: Medicines) -> str:
    """The state of the one quotation of an answer."""
    (state,) = [one.state for one in check(f"The protocol says “{quotation}” [1].", (source,), listed) if one.kind == "quotation"]
    return state


def relaid(chance: random.Random, text: str) -> str:
    """The same words as another page would have them."""
    changes: tuple[Callable[[str], str], ...] = (
        lambda words: words.replace(" ", "\n", 2),
        lambda words: words.replace(" ", "\u00a0 ", 3),
        lambda words: re.sub(r"([a-z]{3})([a-z]{3})", r"\1-\n\2", words, count=2),
        lambda words: re.sub(r"([a-z]{3})([a-z]{3})", "\\1\u00ad\\2", words, count=3),
        lambda words: words.replace("fi", "ﬁ").replace("fl", "ﬂ").replace("ff", "ﬀ"),
        lambda words: words.replace("-", "‑").replace("–", "-"),
        lambda words: re.sub(r"(\d) (mg|g|mL|mmol|%)", r"\1\2", words),
        str.upper,
        lambda words: words.replace("given", "**given**"),
        lambda words: words.replace(". ", ".\n"),
        lambda words: words.replace("e", "e\u200b", 2),
    )
    for change in chance.sample(changes, 3):
        text = change(text)
    return text


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(sorted(CHANGES)))
def test_a_quotation_with_one_thing_changed_is_never_found(seed: int, kind: str) -> None:
    chance = random.Random(seed)
    (case,) = faithful(seed, 1)
    source = case.sources[0]
    original = span(chance, source.text)
    altered = CHANGES[kind](chance, original)
    assume(altered and plain(altered).strip(".") not in plain(source.text))
    assert quoted(altered, source, LISTED) == "not_found"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.booleans())
def test_a_quotation_in_another_layout_is_always_found(seed: int, in_the_answer: bool) -> None:
    chance = random.Random(seed)
    (case,) = faithful(seed, 1)
    source = case.sources[0]
    words = span(chance, source.text)
    if in_the_answer:
        words = relaid(chance, words)
    else:
        source = Source(1, source.title, relaid(chance, source.text), source.page)
    assert quoted(words, source, LISTED) in ("found", "doubtful")  # doubtful: it begins right after a negation


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(sorted(CHANGES)))
def test_a_sentence_of_the_source_with_one_thing_changed_is_always_noticed(seed: int, kind: str) -> None:
    chance = random.Random(seed)
    (case,) = faithful(seed, 1)  # in the source's own words
    altered = CHANGES[kind](chance, case.answer)
    assume(altered)
    assert amber(check(altered, case.sources, LISTED))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_a_source_in_another_layout_says_the_same(seed: int) -> None:
    chance = random.Random(seed)
    (case,) = faithful(seed, 1)
    first, second = case.sources
    assert not amber(check(case.answer, (Source(1, first.title, relaid(chance, first.text), first.page), second), LISTED))


def flagged(cases: list[Case]) -> float:
    return sum(bool(amber(check(case.answer, case.sources, LISTED))) for case in cases) / len(cases)


def test_five_hundred_answers_that_say_what_the_source_says_are_left_in_peace() -> None:
    assert flagged(list(faithful(42, 500))) <= 0.01


@pytest.mark.parametrize("kind", ["digit", "unit", "negation", "drug", "direction", "mark", "reference"])
def test_answers_with_one_thing_changed_are_noticed(kind: str) -> None:
    cases = [case for case in changed(43, 800) if case.changed == kind]
    assert len(cases) > 20
    assert flagged(cases) >= 0.95
