"""References: lines in AMA style from what is known, and a status that says no more than the checks found."""

from dataclasses import replace

import pytest

from med42_chat.export.references import date, line, place
from med42_chat.export.sheet import Reference, State
from med42_chat.records import Finding, FindingKind, FindingState, Source
from tests.export.golden import SOURCES
from tests.export.sheets import WORDS, answer, answered

BARE = Source(1, "Ward notes", "words")


def reference(*findings: Finding, quote: str = "words of it", source: Source = SOURCES[0]) -> Reference:
    """The one reference of an answer on which the checks found this."""
    made = answered("Stop it [1].", source)
    citations = (replace(made.branch[1].citations[0], quote=quote),)
    (only,) = answer(answered("Stop it [1].", source, findings=findings, citations=citations)).references
    return only


def finding(kind: FindingKind, state: FindingState, source: int | None = 1) -> Finding:
    return Finding(0, 4, kind, state, "words", source)


class TestLine:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            (SOURCES[0], "Northwater Hospital (invented). Anticoagulants around operations. Version 6.0. March 2, 2026."),
            (SOURCES[1], "Northwater Hospital (invented). Delirium in adults. November 2025."),
            (BARE, "Ward notes."),
            (replace(BARE, title="When to stop?", publisher="A. Author, B. Author"), "A. Author, B. Author. When to stop?"),
            (replace(BARE, title="Two\n lines\x00", date="2019"), "Two lines\ufffd. 2019."),
            (replace(BARE, title="", version="7"), "Version 7."),
        ],
    )
    def test_it_has_what_is_known_and_nothing_else(self, source: Source, expected: str) -> None:
        assert line(WORDS, source) == expected

    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("2026-03-02", "March 2, 2026"),
            ("2026-12", "December 2026"),
            ("2026", "2026"),
            ("2026-13", "2026-13"),
            ("spring 2026", "spring 2026"),
            ("", ""),
        ],
    )
    def test_dates_are_written_out_as_far_as_they_are_dates(self, written: str, expected: str) -> None:
        assert date(WORDS, written) == expected

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            (SOURCES[0], "Page 12, Dosing › Renal impairment"),
            (SOURCES[1], "Page 3, Medicines"),
            (replace(BARE, page=1200), "Page 1,200"),
            (replace(BARE, heading_path=("Ward notes",)), ""),
            (BARE, ""),
        ],
    )
    def test_a_place_does_not_repeat_the_title(self, source: Source, expected: str) -> None:
        assert place(WORDS, source) == expected


class TestStatus:
    @pytest.mark.parametrize(
        ("findings", "status", "state"),
        [
            ([finding("quotation", "found")], "quotation found on page 12", "found"),
            ([finding("quotation", "found")] * 2, "2 quotations found on page 12", "found"),
            ([finding("quotation", "found"), finding("figure", "found")], "quotation found on page 12; found: 1 figure", "found"),
            ([finding("quotation", "not_found")], "not found: 1 quotation", "look"),
            ([finding("quotation", "found"), finding("drug", "not_found")], "quotation found on page 12; not found: 1 medicine", "look"),
            ([finding("polarity", "doubtful")], "to look at: 1 possible contradiction", "look"),
            ([finding("mark", "found")], "Given to the model. Nothing in the answer could be compared with it.", "none"),
            ([finding("sentence", "not_checked")], "Given to the model. Nothing in the answer could be compared with it.", "none"),
            ([finding("figure", "found", 2)], "Given to the model. Nothing in the answer could be compared with it.", "none"),
        ],
    )
    def test_it_says_what_was_found_and_no_more(self, findings: list[Finding], status: str, state: State) -> None:
        only = reference(*findings)
        assert (only.status, only.state) == (status, state)

    def test_a_quotation_without_its_words_is_not_said_to_be_found_on_a_page(self) -> None:
        assert reference(finding("quotation", "found"), quote="").status == "found: 1 quotation"

    def test_a_source_without_pages_has_no_page_in_its_status(self) -> None:
        assert reference(finding("quotation", "found"), source=BARE).status == "quotation found in the passage"

    def test_an_answer_that_a_crash_cut_short_was_not_compared(self) -> None:
        (only,) = answer(answered("Stop it [1].", SOURCES[0], status="interrupted", findings=())).references
        assert only.status == "Cut off: nothing in it was compared with its sources." and only.state == "look"


class TestList:
    def test_numbers_are_the_pages_and_only_what_is_named_is_listed(self) -> None:
        listed = answer(answered("Stop it [2].", *SOURCES)).references
        assert [one.number for one in listed] == [2]

    def test_each_has_the_ways_back_to_its_marks_in_their_order(self) -> None:
        first, second = answer(answered("a [1] b [2] c [1]", *SOURCES)).references
        assert first.marks == ("message-2-mark-0", "message-2-mark-2") and second.marks == ("message-2-mark-1",)

    def test_quoted_words_stand_on_one_line(self) -> None:
        assert reference(quote="stopped 48 hours\n  before").quote == "stopped 48 hours before"
