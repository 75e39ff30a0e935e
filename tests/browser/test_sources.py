"""From a mark in an answer to the page that it came from: cards, the marked page, what the checks found, by mouse, keys and finger."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from med42_chat.checks import Medicines, check
from med42_chat.checks.quotes import cited
from med42_chat.library.boxes import SCALE, marks
from med42_chat.lookup import Lookup
from med42_chat.records import Basis, Source
from med42_chat.services import Services
from med42_chat.settings import ASSETS
from tests.browser.axe import contrasts, violations
from tests.browser.conftest import Site
from tests.browser.test_page import ask
from tests.store.samples import EVIDENCE

pytestmark = pytest.mark.browser

QUOTE = "the last tablet is taken 24 hours before a procedure of low risk"
APIXABAN = f"With good kidneys, “{QUOTE}” [1]. With a clearance between 30 and 49 ml/min, the times are 36 hours and 96 hours [1]."
PLAIN = "Outreach team within 15 minutes [1]."
READY = "document.querySelector('.viewer img')?.naturalWidth > 0 && !document.querySelector('.frame[aria-busy]')"


@dataclass
class Shelf:
    """A library with sample documents, and answers on them as the program would store them."""

    services: Services
    medicines: Medicines

    def source(self, question: str, holding: str) -> Source:
        """The passage that answers a question, as it stands before the model."""
        find = next(one for one in self.services.library.search(question, 10) if one.holding.name == holding)
        passage, kept = find.passage, find.holding
        where = {"heading_path": passage.heading_path, "start": passage.start, "end": passage.end}
        return Source(1, kept.title, passage.text, passage.page, kept.sha256, kept.id, publisher=kept.publisher, **where)  # type: ignore[arg-type]

    def answer(self, text: str, *sources: Source, basis: Basis = "sources", quote: str = "", question: str = "Question?") -> str:
        """A conversation with this answer, resting on other words than the program would find where they are given."""
        store = self.services.store.conversations
        id = store.create("Question").id
        _, answer = store.begin(id, question)
        found = check(text, sources, self.medicines)
        evidence = replace(EVIDENCE, basis=basis, left_out=(), notes=())
        citations = cited(text, sources, found, self.medicines)
        if quote:
            citations = tuple(replace(one, quote=quote) for one in citations)
        store.finish(answer.id, text, "complete", evidence, citations, found)
        return id


@pytest.fixture(scope="module")
def shelf(site: Site) -> Shelf:
    for name in ("anticoagulants.pdf", "early-warning.md"):
        site.services.library.add(ASSETS / "library" / name)
    medicines = Medicines.parse((ASSETS / "medicines.txt").read_text("utf-8"))
    lookup = Lookup(site.services.store.documents)
    site.services.jobs.turn_to(replace(site.services.chat, lookup=lookup, medicines=medicines))
    return Shelf(site.services, medicines)


@pytest.fixture
def opened(page: Any, site: Site, shelf: Shelf) -> Iterator[Any]:
    """The page with an answer on a PDF, at rest: nothing that comes late takes the focus."""
    show(page, shelf.answer(APIXABAN, apixaban(shelf)))
    site.answered(page)
    yield page
    page.evaluate("med42.closeDrawers()")


def apixaban(shelf: Shelf) -> Source:
    return shelf.source("How long before an operation is apixaban stopped?", "anticoagulants.pdf")


def warning(shelf: Shelf) -> Source:
    return shelf.source("Who is told when the score is 7 or more, observations how often?", "early-warning.md")


def show(page: Any, id: str) -> None:
    page.evaluate("id => med42.show(id)", id)
    page.wait_for_function("id => document.querySelector('.scroll').dataset.conversation === id", arg=id)
    page.wait_for_selector("#evidence [data-answer]")


def look(page: Any, theme: str) -> None:
    page.evaluate("theme => { localStorage.setItem('med42-theme', theme); med42.applyLooks() }", theme)
    page.wait_for_timeout(300)


def open_page(page: Any, cite: int = 0) -> None:
    page.click(f".answer .cite >> nth={cite}")
    page.wait_for_function(READY)


class TestFromAQuestion:
    def test_an_answer_with_a_mark_leads_to_the_marked_page(self, page: Any, site: Site, shelf: Shelf) -> None:
        site.runtime.text = f"With good kidneys, “{QUOTE}” [1]."
        ask(page, "How long before an operation is apixaban stopped?")
        page.wait_for_selector(".answer[data-status='complete'] .sign[data-mood='fine']")
        assert page.inner_text(".answer .checked").startswith("1 of 1 sentence carries a source")
        open_page(page)
        assert page.inner_text(".card.open .whole mark") == QUOTE and page.locator(".marks i").count() > 0

    def test_a_question_outside_the_library_is_told_so_and_the_model_is_not_asked(self, page: Any, site: Site, shelf: Shelf) -> None:
        asked = len(site.runtime.requests)
        ask(page, "How is a fractured mandible wired in Antarctica?")
        page.wait_for_selector(".answer[data-status='complete'] .offer")
        assert "Nothing in your library answers this." in page.inner_text(".answer .blocks")
        assert len(site.runtime.requests) == asked


class TestMarkedPage:
    def test_a_click_on_a_mark_shows_the_cited_page_with_the_words_marked(self, opened: Any, shelf: Shelf) -> None:
        open_page(opened)
        source = apixaban(shelf)
        assert opened.inner_text(".viewer .count") == f"Page {source.page} of 3"
        assert opened.inner_text(".card.open .whole mark") == QUOTE

    def test_another_sentence_on_the_same_source_has_its_own_words_marked(self, opened: Any) -> None:
        open_page(opened, cite=1)
        assert "36 hours and 72 hours" in opened.inner_text(".card.open .whole mark")
        assert opened.locator(".marks i").count() > 0

    def test_each_mark_lies_on_the_words(self, opened: Any, shelf: Shelf) -> None:
        open_page(opened)
        source = apixaban(shelf)
        true = marks(shelf.services.library.documents.page(source.document_id, source.page), QUOTE, source.start, source.end)
        drawn = opened.evaluate(
            """() => { const all = document.querySelector('.viewer img').getBoundingClientRect();
            return [...document.querySelectorAll('.marks i')].map((one) => { const box = one.getBoundingClientRect();
              return [box.left - all.left, box.top - all.top, box.right - all.left, box.bottom - all.top]
                .map((edge, at) => edge / (at % 2 ? all.height : all.width)); }); }"""
        )
        assert len(drawn) == len(true) > 1
        for found, box in zip(drawn, true, strict=True):
            assert overlap(found, [edge / SCALE for edge in box]) > 0.5

    def test_the_marked_words_are_in_sight(self, opened: Any) -> None:
        open_page(opened)
        in_sight = """() => { const all = document.querySelector('.frame').getBoundingClientRect();
            return [...document.querySelectorAll('.marks i')].every((one) => { const box = one.getBoundingClientRect();
              return box.top >= all.top && box.bottom <= all.bottom && box.left >= all.left - 4 && box.right <= all.right + 4; }); }"""
        assert opened.evaluate(in_sight)

    def test_other_pages_are_turned_to_and_back(self, opened: Any) -> None:
        open_page(opened)
        cited = opened.inner_text(".viewer .count")
        opened.click(".viewer [title='Next page']")
        opened.wait_for_function(READY)
        assert opened.inner_text(".viewer .count") != cited and opened.locator(".marks i").count() == 0
        opened.click("text=Back to the cited page")
        opened.wait_for_function(READY)
        assert opened.inner_text(".viewer .count") == cited and opened.locator(".marks i").count() > 0

    def test_it_is_made_larger_and_whole(self, opened: Any) -> None:
        open_page(opened)
        width = "document.querySelector('.viewer .leaf').clientWidth"
        before = opened.evaluate(width)
        opened.click(".viewer [title='Larger']")
        assert opened.evaluate(width) > before
        opened.click(".viewer [title='Whole page']")
        assert opened.evaluate("document.querySelector('.viewer .leaf').clientHeight <= document.querySelector('.frame').clientHeight + 2")

    def test_the_original_is_given_as_it_was_added(self, opened: Any) -> None:
        open_page(opened)
        with opened.expect_download() as download:
            opened.click("text=Original file")
        file = download.value
        assert file.suggested_filename == "anticoagulants.pdf"
        assert Path(file.path()).read_bytes() == (ASSETS / "library" / "anticoagulants.pdf").read_bytes()

    def test_keys_lead_to_the_source_and_back(self, opened: Any) -> None:
        opened.press(".answer .cite >> nth=0", "Enter")
        opened.wait_for_function(READY)
        assert opened.evaluate("document.activeElement.matches('.card .head')")
        opened.keyboard.press("Escape")
        assert opened.evaluate("document.activeElement.matches('.answer .cite')")
        assert opened.locator(".card.open").count() == 0

    def test_words_that_stand_twice_are_not_marked_and_that_is_said(self, page: Any, shelf: Shelf) -> None:
        source = apixaban(shelf)
        twice = next(word for word in ("hours", "clearance") if source.text.count(word) > 1)
        id = shelf.answer(APIXABAN, source, quote=twice)
        show(page, id)
        page.click(".card .head")
        page.wait_for_function(READY)
        assert page.locator(".marks i").count() == 0
        assert "nothing is marked" in page.inner_text(".viewer .said")


def overlap(one: list[float], other: list[float]) -> float:
    """What both rectangles cover, as a share of what either covers."""

    def area(box: list[float]) -> float:
        return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])

    both = area([max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])])
    return both / (area(one) + area(other) - both)


class TestTexts:
    def test_a_document_without_pages_is_shown_as_text_with_the_words_in_sight(self, page: Any, shelf: Shelf) -> None:
        show(page, shelf.answer(PLAIN, warning(shelf)))
        page.click(".answer .cite")
        page.wait_for_selector(".viewer .words")
        assert page.is_hidden(".viewer .bar")
        mark, frame = page.locator(".viewer mark").bounding_box(), page.locator(".viewer .frame").bounding_box()
        assert frame["y"] <= mark["y"] < frame["y"] + frame["height"]

    def test_a_removed_document_leaves_its_words_and_says_that_it_is_gone(self, page: Any, shelf: Shelf, tmp_path: Path) -> None:
        file = tmp_path / "short.txt"
        file.write_text("Zinc syrup\n\nZinc syrup is kept in the fridge for 40 days after opening.", "utf-8")
        holding = shelf.services.library.add(file).holding
        assert holding
        source = shelf.source("zinc syrup fridge", "short.txt")
        id = shelf.answer("Zinc syrup is kept in the fridge for 40 days after opening [1].", source)
        shelf.services.library.documents.remove(holding.id)
        show(page, id)
        page.click(".answer .cite")
        page.wait_for_selector(".viewer .said:has-text('no longer in the library')")
        assert "kept in the fridge for 40 days" in page.inner_text(".card.open .whole mark")
        assert page.is_hidden(".viewer .frame")

    def test_a_document_that_is_removed_while_its_page_is_open_is_said_to_be_gone(self, page: Any, site: Site, shelf: Shelf) -> None:
        holding = site.services.library.add(ASSETS / "library" / "delirium.pdf").holding
        assert holding
        show(page, shelf.answer("Opioids are halved and not stopped [1].", shelf.source("opioids halved in delirium", "delirium.pdf")))
        open_page(page)
        site.services.library.documents.remove(holding.id)
        page.click(".viewer .tool[aria-label='Next page']")
        page.wait_for_selector(".viewer .said:has-text('no longer in the library')")
        assert page.is_hidden(".viewer .original") and page.is_hidden(".viewer .frame")
        site.faults[:] = [one for one in site.faults if "404" not in one]  # the picture that was asked for


class TestFindings:
    def test_what_is_not_in_the_source_is_underlined_and_says_why_when_it_is_touched(self, opened: Any) -> None:
        assert opened.locator(".answer .flag").all_inner_texts() == ["96 hours"]
        opened.hover(".answer .flag")
        opened.wait_for_selector(".note")
        assert "“96 hours” does not stand" in opened.inner_text(".note")
        opened.mouse.move(5, 5)
        opened.wait_for_selector(".note", state="detached")

    def test_a_sign_tells_by_keys_and_escape_closes_only_that(self, opened: Any) -> None:
        opened.keyboard.press("Tab")
        opened.focus(".answer .sign[data-mood='look']")
        opened.wait_for_selector(".note")
        opened.keyboard.press("Escape")
        opened.wait_for_selector(".note", state="detached")
        assert opened.evaluate("document.activeElement.matches('.sign')")

    def test_a_note_that_was_clicked_stays_until_the_next_click(self, opened: Any) -> None:
        opened.click(".answer .sign[data-mood='look']")
        opened.mouse.move(5, 5)
        opened.wait_for_timeout(200)
        assert opened.is_visible(".note")
        opened.click(".answer .checked")
        opened.wait_for_selector(".note", state="detached")

    def test_a_pointer_over_a_mark_shows_the_quoted_words(self, opened: Any) -> None:
        opened.hover(".answer .cite >> nth=0")
        opened.wait_for_selector(".note [data-state='quote']")
        assert QUOTE in opened.inner_text(".note")
        opened.hover(".answer .cite >> nth=1")
        opened.wait_for_selector(".note [data-state='quote']:has-text('72 hours')")

    def test_the_line_below_says_what_was_looked_at(self, opened: Any) -> None:
        line = opened.inner_text(".answer .checked")
        assert line.startswith("2 of 2 sentences carry a source") and "not found: 1 figure" in line

    def test_what_came_nearest_is_shown_where_the_library_has_nothing(self, page: Any, shelf: Shelf) -> None:
        asked = f"Who repeats '{QUOTE}' to visitors?"
        show(page, shelf.answer("Nothing in your library answers this.", basis="nothing", question=asked))
        page.click("text=See which passages come nearest")
        page.wait_for_selector("dialog.reference[open] .finds .passage")
        assert page.input_value("dialog.reference .find") == asked
        page.wait_for_function("document.querySelector('dialog.reference .finds .passage').getBoundingClientRect().top < innerHeight - 100")
        page.keyboard.press("Escape")

    def test_the_model_is_asked_from_its_memory_where_the_library_has_nothing(self, page: Any, shelf: Shelf) -> None:
        id = shelf.answer("Nothing in your library answers this.", basis="nothing")
        show(page, id)
        page.click("text=Answer from the model's memory")
        page.wait_for_selector(".answer[data-status='complete'] .checked.memory")
        assert page.inner_text(".checked.memory") == "From the model's memory, no source."

    def test_a_strict_conversation_does_not_offer_that(self, page: Any, shelf: Shelf) -> None:
        id = shelf.answer("Nothing in your library answers this.", basis="nothing")
        shelf.services.store.conversations.set_library(id, "only", ())
        show(page, id)
        assert page.locator(".offer button").all_inner_texts() == ["See which passages come nearest"]


class TestEverybody:
    @pytest.mark.parametrize("width", [(1440, 900), (1024, 768), (390, 844)], ids=["wide", "laptop", "phone"])
    def test_axe_finds_nothing_on_an_open_source(self, opened: Any, width: tuple[int, int]) -> None:
        opened.set_viewport_size({"width": width[0], "height": width[1]})
        open_page(opened)
        opened.wait_for_timeout(400)
        found = violations(opened)
        look(opened, "dark")
        found += [f"dark: {one}" for one in contrasts(opened)]
        look(opened, "light")
        assert not found, "\n".join(found)

    def test_on_a_phone_the_source_fills_the_window_and_goes_again(self, opened: Any) -> None:
        opened.set_viewport_size({"width": 390, "height": 844})
        open_page(opened)
        box = opened.locator("#right").bounding_box()
        assert box["width"] >= 380 and opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
        opened.keyboard.press("Escape")
        opened.wait_for_selector("#right", state="hidden")
        assert opened.evaluate("document.activeElement.matches('.answer .cite')")

    def test_nothing_of_a_page_may_be_kept_by_the_browser(self, opened: Any, site: Site, shelf: Shelf) -> None:
        document = apixaban(shelf).document_id
        answers = [opened.request.get(f"{site.root}v1/{path}") for path in (f"page/{document}/1", f"original/{document}")]
        assert [(one.status, one.headers["cache-control"]) for one in answers] == [(200, "no-store")] * 2

    @pytest.mark.parametrize("path", ["page/nobody/1", "page/{id}/99", "original/nobody", "source/nobody/1"])
    def test_what_is_not_there_is_said_in_words(self, opened: Any, site: Site, shelf: Shelf, path: str) -> None:
        answer = opened.request.get(f"{site.root}v1/{path.format(id=apixaban(shelf).document_id)}")
        assert answer.status in (404, 422) and answer.json()["message"]

    def test_the_pages_scripts_made_no_mistake(self, opened: Any, site: Site) -> None:
        assert [fault for fault in site.faults if "404" not in fault and "422" not in fault] == []
