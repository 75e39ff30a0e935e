"""Sentences, marks and quotations; and that layout, and nothing but layout, makes no difference."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med42_chat.checks.text import marked, plain, quotations, sentences, unbroken


def texts(text: str) -> list[str]:
    return [sentence.text for sentence in sentences(text)]


class TestSentences:
    def test_a_mark_after_the_full_stop_belongs_to_the_sentence_before(self) -> None:
        assert texts("Stop it. [1] Give that [2]. [3]") == ["Stop it. [1]", "Give that [2]. [3]"]

    def test_abbreviations_and_decimals_end_nothing(self) -> None:
        assert len(texts("Give e.g. 2.5 mg i.v. Then Dr. Low is told, vs. the usual 3.0 mg.")) == 1

    def test_a_quotation_is_never_cut(self) -> None:
        assert texts("It says “Stop. Then wait.” Do so.") == ["It says “Stop. Then wait.”", "Do so."]

    def test_list_items_headings_and_rows_are_sentences_without_what_stands_in_front(self) -> None:
        assert texts("# Dose\n- 5 mg [1]\n2. then 10 mg\n\n| a | b |\n| c | d |\nLast") == [
            "Dose",
            "5 mg [1]",
            "then 10 mg",
            "a | b |",
            "c | d |",
            "Last",
        ]

    def test_more_than_is_no_sign_of_a_quotation(self) -> None:
        assert texts("- > 50 ml/min: 24 hours\n>30: 36 hours\n| > 5 | x |\n> Five it is") == [
            "> 50 ml/min: 24 hours",
            ">30: 36 hours",
            "> 5 | x |",
            "Five it is",
        ]

    def test_a_line_that_is_only_wrapped_goes_on(self) -> None:
        assert texts("Give five\nmilligrams.") == ["Give five\nmilligrams."]

    @given(st.text(max_size=300))
    def test_each_stands_where_it_says(self, text: str) -> None:
        found = list(sentences(text))
        assert all(text[one.start : one.end] == one.text for one in found)
        assert all(one.end <= following.start for one, following in pairwise(found))

    def test_no_word_is_lost(self) -> None:
        text = "# One\ntwo three. Four! [1]\n\n- five\n| six | seven |\n> eight"
        assert " ".join(texts(text)).replace("|", "") == "One two three. Four! [1] five six  seven  eight"


class TestMarks:
    @pytest.mark.parametrize(("mark", "numbers"), [("1", {1}), ("1, 3", {1, 3}), ("2-4", {2, 3, 4}), ("4–2;7", {2, 3, 4, 7})])
    def test_lists_and_ranges_are_read(self, mark: str, numbers: set[int]) -> None:
        assert marked(mark) == numbers


class TestQuotations:
    @pytest.mark.parametrize("text", ["“give it now”", '"give it now"', "«give it now»", "‘give it now’", "say 'give it now'."])
    def test_every_pair_of_marks_is_known(self, text: str) -> None:
        assert [one.text for one in quotations(text)] == ["give it now"]

    def test_an_asterisk_between_figures_is_not_left_out(self) -> None:
        assert plain("2*500 mg of **it**") == plain("2×500 mg of it") != plain("2500 mg of it")

    def test_an_apostrophe_is_no_quotation(self) -> None:
        assert not list(quotations("The patient's drug isn't the ward's."))


class TestPlain:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("hyphen-\nated words", "hyphenated words"),
            ("soft\u00ad\nly", "softly"),
            ("the ﬁrst ﬂow", "the first flow"),
            ("5 mg", "5\u00a0mg"),
            ("5 mg", "5mg"),
            ("5–10 mg", "5 - 10 mg"),
            ("non-steroidal", "non‑\nsteroidal"),
            ("“so”  it\tis", '"so" it is'),
            ("Dose [3] of it", "dose of it"),
            ("**never** give", "never give"),
            ("5 μg", "5 µg"),
            ("1.73 m²", "1.73 m2"),
            ("e\u0301tude", "étude"),
        ],
    )
    def test_layout_makes_no_difference(self, one: str, other: str) -> None:
        assert plain(one) == plain(other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("10⁹", "109"),
            ("5 mg", "5 µg"),
            ("not able", "notable"),
            ("1.0 mg", "10 mg"),
            ("1 0 mg", "10 mg"),
            ("-5 °C", "5 °C"),
            ("<5", ">5"),
            ("½", "1/2"),
        ],
    )
    def test_digits_signs_units_and_words_do(self, one: str, other: str) -> None:
        assert plain(one) != plain(other)

    def test_a_passage_is_read_with_its_broken_words_joined(self) -> None:
        assert unbroken("amoxi-\ncillin, ﬁve days, 5-\n10 mg") == "amoxicillin, five days, 5-\n10 mg"
