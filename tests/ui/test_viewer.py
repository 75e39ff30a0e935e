"""What is shown of the document behind a citation, without a page: where its words are marked, and when nothing is."""

import zlib
from dataclasses import replace
from typing import Any

from med42_chat.checks import Medicines, check
from med42_chat.records import Citation, Holding, Message, Page, Source
from med42_chat.settings import ASSETS
from med42_chat.ui import viewer
from med42_chat.words import read_words

WORDS = read_words(ASSETS / "words" / "en.toml")
TEXT = "Stop it early. Wait 48 hours. Then start again. Stop it early."
SOURCE = Source(1, "SmPC", TEXT[15:47], 2, document_id="d1", start=15, end=47)
HOLDING = Holding("d1", "ab" * 32, "smpc.pdf", "application/pdf", 100, "SmPC", "", "", "", 1, 7, 3)


def page(text: str = TEXT, number: int | None = 2) -> Page:
    """Letters in one row, each a hundredth of the page wide."""
    edges = [[655 * at, 0, 655 * at + 655, 1311] for at in range(len(text))]
    columns = b"".join(b"".join(edge[side].to_bytes(2, "little") for edge in edges) for side in range(4))
    return Page(number, text, zlib.compress(columns) if number else b"")


def shown(quote: str, source: Source = SOURCE, on: Page | None = None, holding: Holding = HOLDING) -> Any:
    return viewer.shown(WORDS, Citation(source, quote), holding, on or page())


class TestPages:
    def test_quoted_words_are_marked_in_hundredths_of_the_page(self) -> None:
        told = shown("48 hours")
        assert told["kind"] == "pages" and told["page"] == 2 and told["pages"] == 7
        assert [[round(edge) for edge in box] for box in told["marks"]] == [[20, 0, 8, 2]]
        assert told["said"] == "The quoted words are marked."

    def test_without_quoted_words_the_passage_is_tinted_and_that_is_said(self) -> None:
        told = shown("")
        assert told["marks"] and not told["quoted"] and "tinted" in told["said"]

    def test_words_whose_place_is_not_certain_are_not_marked_and_that_is_said(self) -> None:
        told = shown("Stop it early.", replace(SOURCE, text="other words", start=0, end=11))
        assert told["marks"] == [] and "cannot be told" in told["said"]

    def test_a_document_that_was_read_anew_is_searched_for_the_words(self) -> None:
        assert shown("48 hours", replace(SOURCE, start=3, end=30))["quoted"]

    def test_a_newer_version_is_named(self) -> None:
        newer = replace(HOLDING, id="d2", title="SmPC 2027")
        assert "SmPC 2027" in str(viewer.shown(WORDS, Citation(SOURCE), HOLDING, page(), newer)["newer"])


class TestTexts:
    HOLDING = replace(HOLDING, media_type="text/markdown", pages=None)

    def test_a_document_without_pages_is_shown_as_text_with_the_words_marked(self) -> None:
        told = shown("48 hours", replace(SOURCE, page=None), page(number=None), self.HOLDING)
        assert told["kind"] == "text" and "Wait <mark>48 hours</mark>." in told["html"]

    def test_its_words_are_data(self) -> None:
        text = "<img src=x> Wait <b>48</b> hours."
        told = shown("48</b> hours", replace(SOURCE, page=None, text=text, start=0, end=len(text)), page(text, None), self.HOLDING)
        assert "<img" not in told["html"] and "<mark>48&lt;/b&gt; hours</mark>" in told["html"]

    def test_words_that_are_not_there_leave_it_without_a_mark(self) -> None:
        told = shown("72 hours", replace(SOURCE, page=None), page(number=None), self.HOLDING)
        assert "<mark" not in told["html"] and "nothing is marked" in told["said"]

    def test_of_a_long_one_the_part_around_the_passage_is_shown_and_that_is_said(self) -> None:
        text = "x " * 20_000 + TEXT + " y" * 20_000
        source = replace(SOURCE, page=None, start=40_015, end=40_047)
        told = shown("48 hours", source, Page(None, text), self.HOLDING)
        assert len(told["html"]) < 30_000 and "A part of the document is shown." in told["said"]


class TestSentences:
    ANSWER = "Wait for “48 hours” [1]. Then start again [1]. Eat well [1]."
    CITATION = Citation(Source(1, "SmPC", "Wait 48 hours. Then start again. Nothing more."), "Wait 48 hours")

    def quote(self, at: str) -> str:
        findings = check(self.ANSWER, [self.CITATION.source], Medicines())
        answer = Message("a1", "c1", "q1", "assistant", self.ANSWER, "complete", 1, citations=(self.CITATION,), findings=findings)
        return viewer.at_sentence(answer, self.CITATION, self.ANSWER.index(at), Medicines()).quote

    def test_each_sentence_has_its_own_words_of_a_source(self) -> None:
        assert self.quote("48") == "48 hours"
        assert self.quote("start") == "Then start again"

    def test_a_sentence_that_says_something_else_has_none(self) -> None:
        assert self.quote("Eat") == ""

    def test_a_place_outside_of_every_sentence_leaves_the_answers_own_quotation(self) -> None:
        answer = Message("a1", "c1", "q1", "assistant", self.ANSWER, "complete", 1, citations=(self.CITATION,))
        assert viewer.at_sentence(answer, self.CITATION, 999, Medicines()) == self.CITATION


def test_a_removed_document_is_said_to_be_gone_and_its_words_stay() -> None:
    told = viewer.gone(WORDS, Citation(SOURCE, "48 hours"))
    assert "no longer in the library" in str(told["said"]) and "<mark>48 hours</mark>" in str(told["passage"])
