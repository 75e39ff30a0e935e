"""Every pair breaks the rule that it names, and only the rejected answer does."""

import random
import re

import pytest
from dialogues import Corpus, normal
from grounded import NOT_COVERED, Stock, right_numbers
from preferences import Pair, Preferences, without_format

RULES = {
    "another topic",
    "refused",
    "wrong format",
    "too long",
    "changed number",
    "cut short",
    "answered outside",
    "invented dose",
    "answered a pinned fact",
    "wrong source",
    "no mark",
    "covered but refused",
    "answered without a source",
}


@pytest.fixture(scope="module")
def pairs(corpus: Corpus, stock: Stock) -> list[Pair]:
    return Preferences(corpus, stock, random.Random(5), grounded=0.5).pairs(1500)


def of_rule(pairs: list[Pair], rule: str) -> list[Pair]:
    return [pair for pair in pairs if pair.rule == rule]


def test_every_rule_occurs(pairs: list[Pair]) -> None:
    assert {pair.rule for pair in pairs} == RULES


def test_the_two_answers_of_a_pair_always_differ(pairs: list[Pair]) -> None:
    assert not [pair for pair in pairs if pair.chosen == pair.rejected]


def test_the_same_seed_makes_the_same_pairs(corpus: Corpus, stock: Stock) -> None:
    first, again = (Preferences(corpus, stock, random.Random(9), grounded=0.3).pairs(50) for _ in range(2))
    assert first == again


def test_a_wrong_source_changes_what_names_it_and_nothing_else(pairs: list[Pair]) -> None:
    for pair in of_rule(pairs, "wrong source"):
        assert right_numbers(pair.chosen)[0] not in right_numbers(pair.rejected)[:1]
        chosen, rejected = (re.sub(r"\[\d+\]|Source \d+", "", text) for text in (pair.chosen, pair.rejected))
        assert chosen == rejected


def test_a_changed_number_is_one_number_and_no_mark(pairs: list[Pair]) -> None:
    for pair in of_rule(pairs, "changed number"):
        before, after = (re.split(r"\d+", text) for text in (pair.chosen, pair.rejected))
        assert before == after and right_numbers(pair.chosen) == right_numbers(pair.rejected)
        figures = [re.findall(r"\d+", text) for text in (pair.chosen, pair.rejected)]
        assert sum(one != other for one, other in zip(*figures, strict=True)) == 1


def test_what_lies_outside_is_refused_and_not_answered(pairs: list[Pair], corpus: Corpus) -> None:
    answers = {topic.answer for topic in corpus.topics}
    for pair in of_rule(pairs, "answered outside"):
        assert "I don't know" in pair.chosen and pair.rejected in answers


def test_an_answer_without_a_source_is_worse_than_saying_so(pairs: list[Pair]) -> None:
    for pair in of_rule(pairs, "answered without a source"):
        assert pair.chosen == NOT_COVERED and right_numbers(pair.rejected)


def test_a_wrong_format_keeps_the_words(pairs: list[Pair]) -> None:
    for pair in of_rule(pairs, "wrong format"):
        assert "**" not in pair.rejected and "\n" not in pair.rejected
        assert set(re.findall(r"[a-z]{4,}", pair.chosen)) == set(re.findall(r"[a-z]{4,}", pair.rejected))


def test_a_table_without_format_has_no_bars() -> None:
    assert without_format("**Bold.**\n\n| A | B |\n| --- | --- |\n| c | d |") == "Bold. A B c d"


def test_held_out_pairs_ask_in_forms_that_training_never_sees(corpus: Corpus, stock: Stock) -> None:
    held_out = {form for topic in corpus.topics for form in topic.held_out}
    covered = {topic.answer for topic in corpus.topics}
    made = Preferences(corpus, stock, random.Random(1), grounded=0, held_out=True).pairs(200)
    asked = [pair.question for pair in made if pair.chosen in covered]
    assert asked and set(asked) <= held_out
    trained = {normal(form) for topic in corpus.topics for form in corpus.forms[topic.id]}
    assert not {normal(question) for question in asked} & trained


def test_a_pair_s_row_has_the_roles_that_trl_and_a_department_s_file_use(pairs: list[Pair]) -> None:
    for pair in pairs[:50]:
        row = pair.row()
        assert [turn["role"] for turn in row["prompt"]] == (["system", "user"] if pair.system else ["user"])
        assert row["chosen"] == [{"role": "assistant", "content": pair.chosen}] and row["rejected"][0]["role"] == "assistant"
