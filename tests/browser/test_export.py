"""A conversation leaves as a document and comes back, by mouse and by keyboard: choosing, waiting, saving, what goes wrong, importing.

The document is made by a scripted process that gives back what it was asked for; what a real one looks like is seen in tests/export.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from med42_chat.export import record
from med42_chat.exporting import Exporting
from tests.browser.axe import contrasts, violations
from tests.browser.conftest import Site
from tests.browser.test_library import DROP, WIDTHS
from tests.browser.test_page import here, until
from tests.export.records import spoken
from tests.store.samples import CITATIONS, EVIDENCE

STYLES = Path(__file__).parents[1] / "export" / "styles"
pytestmark = pytest.mark.browser

HEADER = '#header [data-do="export"]'
MAKE, CANCEL, SAVE = (f'#export [data-act="{act}"]' for act in ("make", "cancel", "save"))
DIALOG = "#export dialog[open]"


@dataclass
class Desk:
    """The page, and the exports that it asks for."""

    page: Any
    site: Site

    def talk(self, title: str = "Red flags", exchanges: int = 1) -> str:
        """A conversation in the store."""
        store = self.site.services.store.conversations
        id = store.create(title).id
        for number in range(1, exchanges + 1):
            _, answer = store.begin(id, f"Question number {number}?")
            store.finish(answer.id, f"Answer number {number} [2].", "complete", EVIDENCE, CITATIONS)
        return id

    def show(self, id: str) -> None:
        self.page.evaluate("id => { med42.refreshList(); med42.show(id) }", id)
        self.page.wait_for_selector(f'#transcript .scroll[data-conversation="{id}"] .answer .tools')

    def open(self, title: str = "Red flags", exchanges: int = 1) -> str:
        """The dialog for a conversation that the page shows."""
        id = self.talk(title, exchanges)
        self.show(id)
        self.page.click(HEADER)
        self.page.wait_for_selector(DIALOG)
        return id

    def choose(self, format: str) -> None:
        self.page.locator(f'#export [name="format"][value="{format}"]').check()

    def close(self) -> None:
        self.page.click("#export [data-close]")
        self.page.wait_for_selector(DIALOG, state="detached")

    def saved(self, button: str = MAKE) -> tuple[str, bytes]:
        """What the browser saves when a button is pressed: its name and content."""
        with self.page.expect_download() as download:
            self.page.click(button)
        return download.value.suggested_filename, Path(download.value.path()).read_bytes()

    def asked(self) -> record.Request:
        """What the document would be made of."""
        return record.request_of(self.saved()[1])

    def says(self, words: str) -> None:
        self.page.wait_for_selector(f'#export .problem:has-text("{words}")')


@pytest.fixture
def desk(page: Any, site: Site) -> Iterator[Desk]:
    services = site.services
    services.exporting = Exporting(services.store.conversations, services.store.audit, "tests.export.scripted")
    yield Desk(page, site)
    page.evaluate("document.querySelectorAll('dialog[open]').forEach(one => one.close()); localStorage.clear(); med42.applyLooks()")
    page.evaluate("document.querySelector('#export form').reset()")
    services.exporting.close()


class TestADocument:
    def test_is_made_of_the_conversation_that_is_shown_and_saved_by_the_browser(self, desk: Desk) -> None:
        id = desk.open("Red flags / 1")
        assert "Red flags / 1" in desk.page.inner_text("#export h2")
        name, document = desk.saved()
        assert name.endswith(" Red flags 1.pdf")
        asked = record.request_of(document)
        assert (asked.conversation.id, asked.format, asked.options.messages) == (id, "pdf", frozenset())
        assert asked.options.sources and asked.options.evidence and not asked.options.password
        assert name in desk.page.inner_text("#export .outcome")
        assert desk.page.inner_text("#export .notes") == "One character has no letter."

    def test_can_be_saved_again_without_being_made_again(self, desk: Desk) -> None:
        desk.open()
        first = desk.saved()
        desk.page.wait_for_selector(SAVE, state="visible")
        before = len(desk.site.requests)
        assert desk.saved(SAVE) == first
        assert [one for one in desk.site.requests[before:] if "/v1/export" in one] == []

    def test_is_not_offered_again_once_something_else_is_chosen(self, desk: Desk) -> None:
        desk.open()
        desk.saved()
        desk.page.wait_for_selector(SAVE, state="visible")
        desk.choose("docx")
        assert not desk.page.locator(SAVE).is_visible()
        assert desk.saved()[0].endswith(".docx")

    def test_of_a_conversation_that_is_not_shown_is_asked_for_in_its_menu(self, desk: Desk) -> None:
        other = desk.talk("The other one")
        desk.show(desk.talk("Shown"))
        desk.page.hover('.entry:has-text("The other one")')
        desk.page.click('.entry:has-text("The other one") .more')
        desk.page.click('.menu button:text-is("Export …")')
        desk.page.wait_for_selector(DIALOG)
        assert desk.asked().conversation.id == other

    def test_of_one_answer_has_its_question(self, desk: Desk) -> None:
        id = desk.talk(exchanges=3)
        desk.show(id)
        desk.page.click('.answer >> nth=1 >> [data-do="more"]')
        desk.page.click('.menu button:text-is("Export this answer …")')
        desk.page.wait_for_selector("#export .messages :checked")
        branch = desk.site.services.store.conversations.branch(id)
        assert desk.asked().options.messages == {message.id for message in branch[2:4]}

    def test_of_chosen_messages_has_these(self, desk: Desk) -> None:
        id = desk.open(exchanges=3)
        page = desk.page
        page.locator('#export [value="some"]').check()
        page.click(MAKE)
        desk.says("No message is chosen.")
        page.click('#export .messages label:has-text("Answer 2")')
        assert desk.asked().options.messages == {desk.site.services.store.conversations.branch(id)[3].id}
        page.click('#export [data-mark="all"]')
        assert len(desk.asked().options.messages) == 6
        page.locator('#export [value="all"]').check()
        assert desk.asked().options.messages == frozenset()

    def test_has_what_is_chosen_beside_the_messages(self, desk: Desk) -> None:
        desk.open()
        page = desk.page
        for name in ("sources", "evidence"):
            page.locator(f'#export [name="{name}"]').uncheck()
        page.select_option('#export [name="paper"]', "letter")
        page.fill("#export-author", "Dr A. Example")
        page.fill("#export-patient", "MRN 7")
        options = desk.asked().options
        assert (options.sources, options.evidence, options.paper, options.author, options.patient) == (
            False,
            False,
            "letter",
            "Dr A. Example",
            "MRN 7",
        )

    def test_is_offered_only_what_its_format_knows(self, desk: Desk) -> None:
        desk.open()
        page = desk.page
        shown = {
            format: [name for name in ("sources", "author", "paper", "attached", "ascii", "range") if self.offers(desk, format, name)]
            for format in ("pdf", "docx", "html", "md", "txt", "json")
        }
        assert shown["pdf"] == ["sources", "author", "paper", "attached", "range"]
        assert shown["docx"] == shown["html"] == ["sources", "author", "paper", "range"]
        assert shown["md"] == ["sources", "author", "range"]
        assert shown["txt"] == ["sources", "author", "ascii", "range"]
        assert shown["json"] == [] and "not encrypted" in page.inner_text("#export .whole")

    def offers(self, desk: Desk, format: str, name: str) -> bool:
        desk.choose(format)
        return bool(desk.page.locator(f'#export [name="{name}"]').first.is_visible())

    def test_of_another_format_takes_nothing_along_that_was_chosen_for_a_pdf(self, desk: Desk) -> None:
        desk.open()
        page = desk.page
        page.locator('#export [name="attached"]').check()
        page.click("#export summary")
        page.fill("#export-password", "sesame")
        desk.choose("docx")
        asked = desk.asked()
        assert (asked.format, asked.options.password, asked.options.attached) == ("docx", "", False)


class TestTheRealOne:
    @pytest.fixture
    def real(self, desk: Desk) -> Desk:
        """With the process that makes documents."""
        services = desk.site.services
        services.exporting.close()
        services.exporting = Exporting(services.store.conversations, services.store.audit)
        return desk

    @pytest.mark.parametrize(("format", "beginning"), [("pdf", b"%PDF-"), ("docx", b"PK"), ("html", b"<!doctype html>"), ("json", b"{")])
    def test_makes_files_of_their_kind(self, real: Desk, format: str, beginning: bytes) -> None:
        real.open()
        real.choose(format)
        name, document = real.saved()
        assert name.endswith(f".{format}") and document.lower().startswith(beginning.lower())

    def test_says_in_a_text_what_the_page_says(self, real: Desk) -> None:
        real.open(exchanges=2)
        real.choose("txt")
        text = real.saved()[1].decode()
        assert all(words in text for words in ("Question number 1?", "Answer number 2 [2]", "Headache guideline", "Thunderclap"))

    def test_locks_a_pdf_with_the_password(self, real: Desk) -> None:
        real.open()
        page = real.page
        page.click("#export summary")
        for name in ("password", "again"):
            page.fill(f"#export-{name}", "öpen sesame")
        assert b"/Encrypt" in real.saved()[1]

    def test_writes_json_that_brings_the_conversation_back(self, real: Desk) -> None:
        store = real.site.services.store.conversations
        id = real.open("There and back", exchanges=2)
        before = store.whole(id)
        real.choose("json")
        _, file = real.saved()
        real.close()
        store.delete(id)
        real.page.evaluate(DROP, [[["back.json", file.decode()]], "#conversations .rows"])
        real.page.wait_for_selector('.toast:has-text("“There and back” was imported.")')
        assert spoken(store.whole(id)) == spoken(before)


class TestInTheSettings:
    @pytest.fixture(autouse=True)
    def settings(self, desk: Desk) -> Iterator[None]:
        desk.page.evaluate("med42.openSettings('export')")
        desk.page.wait_for_selector("#settings dialog[open] #style-file", state="visible")
        yield
        desk.site.services.use_style(None)
        desk.site.services.apply({"author": ""})

    def shut(self, desk: Desk) -> None:
        desk.page.click("#settings [data-close]")
        desk.page.wait_for_selector("#settings dialog[open]", state="detached")

    def test_a_style_file_is_chosen_named_and_given_up(self, desk: Desk) -> None:
        page = desk.page
        page.set_input_files("#style-file", STYLES / "numbered.csl")
        page.wait_for_selector('#style-now:has-text("Now: Numbered, for tests.")')
        assert page.inner_text("#said-style") == "Saved."
        self.shut(desk)
        desk.open()
        assert desk.asked().options.csl == (STYLES / "numbered.csl").read_text("utf-8")
        desk.close()
        page.evaluate("med42.openSettings('export')")
        page.click('#settings [data-act="no-style"]')
        page.wait_for_selector('#style-now:has-text("the program’s own")')

    def test_a_file_that_is_no_style_is_said_beside_it(self, desk: Desk, tmp_path: Path) -> None:
        for name, content in (("page.csl", b"<html/>"), ("huge.csl", b"x" * 3_000_000)):
            (tmp_path / name).write_bytes(content)
            desk.page.set_input_files("#style-file", tmp_path / name)
            told = "no CSL style" if name == "page.csl" else "larger than 1 MB"
            desk.page.wait_for_selector(f'#said-style.bad:has-text("{told}")')

    def test_who_exports_is_filled_in_and_can_be_typed_otherwise(self, desk: Desk) -> None:
        page = desk.page
        page.fill("#set-author", "Dr Ada Example")
        page.press("#set-author", "Enter")
        page.wait_for_selector('#said-author:has-text("Saved.")')
        self.shut(desk)
        desk.open()
        assert page.input_value("#export-author") == "Dr Ada Example"
        page.fill("#export-author", "A locum")
        assert desk.asked().options.author == "A locum"


class TestWhatIsTyped:
    def test_a_password_is_typed_twice_and_forgotten_with_the_dialog(self, desk: Desk) -> None:
        id = desk.open()
        page = desk.page
        page.click("#export summary")
        page.fill("#export-password", "open sesame")
        page.fill("#export-again", "open")
        page.click("#export summary")
        page.click(MAKE)
        desk.says("not the same")
        assert page.evaluate("document.activeElement.id") == "export-again"
        page.fill("#export-again", "open sesame")
        assert desk.asked().options.password == "open sesame"
        desk.close()
        page.evaluate("id => med42.openExport(id)", id)
        page.wait_for_selector(DIALOG)
        assert page.input_value("#export-password") == page.input_value("#export-again") == ""

    def test_a_patients_reference_stays_with_its_conversation_and_the_author_everywhere(self, desk: Desk) -> None:
        first = desk.open("Mrs K.")
        page = desk.page
        page.fill("#export-author", "Dr A. Example")
        page.fill("#export-patient", "MRN 7")
        desk.close()
        desk.open("Mr L.")
        assert (page.input_value("#export-author"), page.input_value("#export-patient")) == ("Dr A. Example", "")
        desk.close()
        page.evaluate("id => med42.openExport(id)", first)
        page.wait_for_selector(DIALOG)
        assert page.input_value("#export-patient") == "MRN 7"

    def test_nothing_of_it_is_in_the_browsers_storage_or_in_an_address(self, desk: Desk) -> None:
        before = len(desk.site.requests)
        desk.open("Mrs K.")
        page = desk.page
        page.fill("#export-patient", "MRN7")
        page.click("#export summary")
        for name in ("password", "again"):
            page.fill(f"#export-{name}", "sesame")
        desk.saved()
        kept = page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")
        for secret in ("MRN7", "sesame", "Mrs"):
            assert secret not in kept and not any(secret in one for one in desk.site.requests[before:] if one.startswith("http"))


class TestWaiting:
    def test_shows_how_far_it_is_and_can_be_cancelled(self, desk: Desk) -> None:
        desk.open("slow")
        page = desk.page
        page.click(MAKE)
        page.wait_for_selector('#export .step:has-text("Reading the conversation")')
        until(lambda: page.evaluate("document.querySelector('#export progress').value") == 0.25, "no progress is shown")
        assert page.evaluate("document.querySelector('#export form').inert")
        page.click(CANCEL)
        desk.says("cancelled")
        until(lambda: not self.running(desk), "it goes on")
        assert page.locator(MAKE).is_visible()

    def test_whoever_closes_the_dialog_wants_it_no_more(self, desk: Desk) -> None:
        desk.open("slow")
        desk.page.click(MAKE)
        desk.page.wait_for_selector('#export .step:has-text("Reading")')
        desk.page.keyboard.press("Escape")
        until(lambda: not self.running(desk), "it goes on")

    def running(self, desk: Desk) -> bool:
        return any(one.state.phase == "running" for one in desk.site.services.exporting._exports.values())

    def test_a_double_click_begins_one_and_cancels_nothing(self, desk: Desk) -> None:
        desk.open()
        with desk.page.expect_download():
            desk.page.dblclick(MAKE)
        desk.page.wait_for_selector(SAVE, state="visible")
        assert len(desk.site.services.exporting._exports) == 1


class TestWhatGoesWrong:
    def test_is_said_in_the_dialog_which_stays_as_it_is(self, desk: Desk) -> None:
        desk.open("fault")
        page = desk.page
        page.fill("#export-author", "Dr A. Example")
        page.click(MAKE)
        desk.says("The letters of this language are missing. Choose {HTML}.")
        assert page.input_value("#export-author") == "Dr A. Example"
        assert not page.evaluate("document.querySelector('#export form').inert")

    def test_a_program_that_does_not_answer_is_named(self, desk: Desk) -> None:
        desk.open()
        page = desk.page
        page.route("**/v1/export", lambda route: route.abort())
        page.click(MAKE)
        desk.says("Med42 Chat does not answer.")
        page.unroute("**/v1/export")
        desk.saved()
        assert page.locator("#export .problem").is_hidden()
        desk.site.faults[:] = [one for one in desk.site.faults if "ERR_FAILED" not in one]

    def test_there_is_nothing_to_export_of_an_empty_conversation(self, desk: Desk) -> None:
        page = desk.page
        assert not page.locator(HEADER).is_visible()
        id = desk.site.services.store.conversations.create("Empty").id
        page.evaluate("id => med42.openExport(id)", id)
        page.wait_for_selector('.notice:has-text("nothing to export yet")')
        assert page.locator(DIALOG).count() == 0


class TestImporting:
    def file(self, desk: Desk, title: str = "Red flags") -> tuple[str, str]:
        """A conversation's id, and its file."""
        id = desk.talk(title)
        return id, record.write(*desk.site.services.store.conversations.whole(id)).decode()

    def test_a_conversation_that_is_dropped_on_the_list_comes_back_with_everything(self, desk: Desk) -> None:
        store = desk.site.services.store.conversations
        id, file = self.file(desk, "Come back")
        before = store.whole(id)
        store.delete(id)
        desk.page.evaluate(DROP, [[["back.json", file]], "#conversations .rows"])
        desk.page.wait_for_selector('.toast:has-text("“Come back” was imported.")')
        desk.page.wait_for_selector('.answer:has-text("Answer number 1")')
        assert here(desk.page) == id and spoken(store.whole(id)) == spoken(before)
        desk.page.wait_for_selector('.entry[data-current]:has-text("Come back")')

    def test_one_that_is_here_is_shown_and_changed_in_nothing(self, desk: Desk) -> None:
        id, file = self.file(desk, "Here already")
        count = desk.site.services.store.conversations.total()
        desk.page.evaluate(DROP, [[["same.json", file]], "#conversations .rows"])
        desk.page.wait_for_selector('.toast:has-text("“Here already” is here already")')
        assert here(desk.page) == id and desk.site.services.store.conversations.total() == count

    def test_a_button_below_the_list_takes_one_too(self, desk: Desk, tmp_path: Path) -> None:
        id, file = self.file(desk, "By button")
        desk.site.services.store.conversations.delete(id)
        (tmp_path / "one.json").write_text(file)
        with desk.page.expect_file_chooser() as chooser:
            desk.page.click("#conversations .take-in")
        chooser.value.set_files(tmp_path / "one.json")
        desk.page.wait_for_selector('.toast:has-text("“By button” was imported.")')

    def test_what_is_none_is_named_and_the_others_come(self, desk: Desk) -> None:
        id, file = self.file(desk, "The good one")
        desk.site.services.store.conversations.delete(id)
        desk.page.evaluate(DROP, [[["broken.json", '{"a": 1}'], ["good.json", file]], "#conversations .rows"])
        desk.page.wait_for_selector('.notice:has-text("broken.json: The file is no conversation")')
        assert here(desk.page) == id
        desk.site.faults[:] = [one for one in desk.site.faults if "422" not in one]

    def test_another_file_goes_with_the_question_wherever_it_is_dropped(self, desk: Desk) -> None:
        desk.page.evaluate(DROP, [[["letter.txt", "Dear colleague"]], "#conversations .rows"])
        desk.page.wait_for_selector('#composer .attached:has-text("letter.txt")')


class TestHandsAndEars:
    def test_it_is_opened_filled_in_and_left_by_keyboard(self, desk: Desk) -> None:
        desk.show(desk.talk())
        page = desk.page
        page.focus(HEADER)
        page.keyboard.press("Enter")
        page.wait_for_selector(DIALOG)
        assert page.evaluate("document.activeElement.id") == "export-title"
        for key in ("Tab", "Tab", "ArrowRight"):  # close, the formats, the second of them
            page.keyboard.press(key)
        assert page.locator('#export [value="docx"]').is_checked()
        page.focus("#export-author")
        page.keyboard.type("Dr A. Example")
        with page.expect_download() as download:
            page.keyboard.press("Enter")
        assert download.value.suggested_filename.endswith(".docx")
        page.wait_for_selector(SAVE, state="visible")
        assert page.evaluate("document.activeElement.dataset.act") == "save"
        assert "Your browser saves" in page.inner_text('#export [role="status"]')
        page.keyboard.press("Escape")
        page.wait_for_selector(DIALOG, state="detached")
        assert page.evaluate("document.activeElement.dataset.do") == "export"

    @pytest.mark.parametrize("title", ["Red flags", "slow", "fault"])
    def test_nobody_is_shut_out(self, desk: Desk, title: str) -> None:
        desk.open(title, exchanges=3)
        page = desk.page
        page.locator('#export [value="some"]').check()
        page.click('#export [data-mark="all"]')
        page.click("#export summary")
        assert violations(page) == []
        page.click(MAKE)
        page.wait_for_selector({"Red flags": SAVE, "slow": CANCEL, "fault": "#export .problem:has-text('letters')"}[title], state="visible")
        assert violations(page) == []
        page.evaluate("localStorage.setItem('med42-theme', 'dark'); med42.applyLooks()")
        page.wait_for_timeout(300)
        assert contrasts(page) == []

    @pytest.mark.parametrize("width", WIDTHS)
    @pytest.mark.parametrize("size", ["100", "150"])
    def test_everything_stands_within_the_window(self, desk: Desk, width: str, size: str) -> None:
        page = desk.page
        page.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
        page.evaluate("size => { localStorage.setItem('med42-text_size', size); med42.applyLooks(); }", size)
        desk.open("A title " + "that is quite long " * 9, exchanges=3)
        page.locator('#export [value="some"]').check()
        page.click("#export summary")
        page.locator("#export .messages input").first.check()
        desk.saved()
        page.wait_for_selector(SAVE, state="visible")
        beyond = page.evaluate(
            "[...document.querySelectorAll('#export dialog, #export dialog *')]"
            ".filter(one => !one.closest('.unseen') && one.getBoundingClientRect().right > innerWidth + 1)"
            ".map(one => one.outerHTML.slice(0, 80))"
        )
        assert beyond == []
        assert page.evaluate("(body => body.scrollWidth <= body.clientWidth + 1)(document.querySelector('#export .body'))")
        assert page.evaluate("document.querySelector('#export .closing').getBoundingClientRect().bottom <= innerHeight + 1")

    def test_the_header_has_room_for_its_buttons_in_one_line(self, desk: Desk) -> None:
        page = desk.page
        desk.show(desk.talk())
        page.wait_for_selector(HEADER, state="visible")
        page.evaluate(
            """() => {
              const say = (name, html) => (document.querySelector(`#header [data-live="${name}"]`).innerHTML = html);
              say("model", '<span class="chip demonstration">Demonstration model, not Med42</span>');
              say("adding", "Reading 3 of 12");
              say("state", '<span class="dot" data-state="busy"></span><span>Writing the answer</span>');
            }"""
        )
        boxes = "[...document.querySelectorAll('#header .tool')].map(one => one.getBoundingClientRect()).filter(one => one.width)"
        for width in (390, 562, 600, 719, 840, 1024, 1186, 1280, 1440):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate(f"new Set({boxes}.map(one => one.top)).size") == 1, width
            assert page.evaluate("(head => head.scrollWidth - head.clientWidth)(document.querySelector('#header .head'))") <= 0, width
