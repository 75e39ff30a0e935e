"""What has to hold for any passage: a changed figure, unit, negation or medicine never passes, a changed layout always does."""

import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from med42_chat.checks import check
from med42_chat.checks.text import plain
from med42_chat.records import Source
from tests.checks import sampled
from tests.checks.cases import (
    Case,
    amber,
    change_digit,
    change_drug,
    change_negation,
    change_unit,
    changed,
    faithful,
    medicines,
    quoted,
    relaid,
    span,
)
from tests.checks.paraphrases import paraphrases

WORDS = {"digit": change_digit, "unit": change_unit, "negation": change_negation, "drug": change_drug}
LISTED = medicines()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(sorted(WORDS)))
def test_a_quotation_with_one_thing_changed_is_never_found(seed: int, kind: str) -> None:
    chance = random.Random(seed)
    (case,) = faithful(seed, 1)
    source = case.sources[0]
    original = span(chance, source.text)
    altered = WORDS[kind](chance, original)
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
@given(st.integers(0, 10**9), st.sampled_from(sorted(WORDS)))
def test_a_sentence_of_the_source_with_one_thing_changed_is_always_noticed(seed: int, kind: str) -> None:
    chance = random.Random(seed)
    (case,) = faithful(seed, 1)  # in the source's own words
    altered = WORDS[kind](chance, case.answer)
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


def test_hand_written_paraphrases_do_no_worse_than_docs_say() -> None:
    right, wrong = ([case for case in paraphrases() if case.changed == kind] for kind in ("", "wrong"))
    assert len(right) == len(wrong) == 73
    assert flagged(right) * len(right) <= 8
    assert flagged(wrong) * len(wrong) >= 51


def test_sentences_of_the_sample_documents_are_left_in_peace_and_one_thing_changed_in_them_is_noticed() -> None:
    assert flagged(list(sampled.kept())[::5]) <= 0.02
    assert flagged(list(sampled.altered())[::25]) >= 0.95
