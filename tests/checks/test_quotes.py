"""Which words of a source an answer rests on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med42_chat.checks import Medicines, check, cited
from med42_chat.checks.quotes import verbatim
from med42_chat.records import Citation, Source

MEDICINES = Medicines.parse("warfarin\nheparin")
TEXT = "Warfarin is stopped on the sixth day before the opera-\ntion. Heparin, at 2.5 mg, is not needed [4]. Take blood: it costs 25 mg."


def citation(answer: str, text: str = TEXT) -> Citation:
    source = Source(1, "Protocol", text)
    (one,) = cited(answer, [source], check(answer, [source], MEDICINES), MEDICINES)
    return one


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("the sixth day before the operation", "the sixth day before the opera-\ntion"),
        ("HEPARIN at 2.5 mg", "Heparin, at 2.5 mg"),
        ("stopped on … the operation", "stopped on the sixth day before the opera-\ntion"),
        ("is not needed. Take blood", "is not needed [4]. Take blood"),
        ("is not needed [1]", "is not needed"),
        ("5 mg", ""),
        ("2.5 mg", "2.5 mg"),
        ("25 mg", "25 mg"),
        ("sixth day after", ""),
        ("before … Warfarin", ""),
        ("", ""),
        ("…", ""),
    ],
)
def test_words_are_found_as_they_stand_whatever_the_layout_and_never_cut_out_of_a_word_or_figure(words: str, place: str) -> None:
    assert verbatim(words, TEXT) == place


@given(st.text(), st.text())
def test_what_is_found_always_stands_in_the_text(words: str, text: str) -> None:
    assert verbatim(words, text) in text
    assert verbatim(words, words + " " + text) in words + " " + text


def test_the_longest_quotation_that_was_found_is_the_sources_quote() -> None:
    one = citation("It is “stopped on the sixth day” [1]. So it is “stopped on the sixth day before the operation” [1].")
    assert (one.quote, one.verdict) == ("stopped on the sixth day before the opera-\ntion", "found")


def test_the_longest_row_of_a_table_that_is_said_is_the_sources_quote() -> None:
    table = "Reversal\n\nDrug | Reversal\nWarfarin | Vitamin K\nDabigatran | Idarucizumab 5 g"
    said = "Source 1 says:\n\n| Drug | Reversal |\n|---|---|\n| Warfarin | Vitamin K [1] |\n| Dabigatran | Idarucizumab 5 g [1] |"
    assert citation(said, table).quote == "Dabigatran | Idarucizumab 5 g"


def test_without_a_quotation_it_is_the_sentence_that_says_nearly_the_same() -> None:
    assert citation("Warfarin is stopped on the sixth day before the operation [1].").quote.startswith("Warfarin is stopped on the sixth")
    assert citation("Blood is taken from everybody in the morning [1].").quote == ""
    assert citation("Warfarin is stopped on the sixth day before the operation.").quote == ""


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("Warfarin is stopped [1].", "found"),
        ("Warfarin 7 mg is stopped [1].", "not_found"),
        ("Rest is good [1].", "unchecked"),
        ("Rest is good.", "unchecked"),
        ("Warfarin is not stopped on the sixth day before the operation [1].", "unchecked"),
    ],
)
def test_the_verdict_is_the_worst_of_what_was_looked_for_and_a_mark_alone_is_none(answer: str, verdict: str) -> None:
    assert citation(answer).verdict == verdict
