"""The Library page and what it is for the conversation, by mouse and by keyboard: adding, sorting, finding, removing, choosing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from med42_chat.records import Holding
from med42_chat.settings import ASSETS
from tests.browser.axe import contrasts, violations
from tests.browser.conftest import Site
from tests.browser.test_page import ask, here, until, wait_for_answer

pytestmark = pytest.mark.browser

WIDTHS = {"wide": (1440, 900), "laptop": (1024, 700), "phone": (390, 844)}
FALLS = "# Falls\n\nPublisher: A hospital\nVersion: {version}\n\n## Bed rails\n\nRails are raised for patients who ask for them.\n"

# What a file manager hands over when files are dropped.
DROP = """([files, place]) => {
  const data = new DataTransfer();
  for (const [name, text] of files) data.items.add(new File([text], name));
  for (const type of ['dragover', 'drop']) {
    document.querySelector(place).dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
  }
}"""


@dataclass
class Shelf:
    """A library, a folder beside it, and the page."""

    page: Any
    site: Site
    folder: Path

    def open(self) -> None:
        # What was drawn when it was open last, by the test before, must not be taken for what is there now.
        self.page.evaluate("document.querySelectorAll('#library .lead, #library .document').forEach(one => one.remove())")
        self.page.evaluate("med42.openLibrary()")
        self.page.wait_for_selector("#library .lead")

    def close(self) -> None:
        self.page.click("#library [data-close]")
        self.page.wait_for_selector("#library dialog.reference[open]", state="detached")

    def documents(self) -> list[Holding]:
        return self.site.services.library.documents.all()

    def drop(self, *files: tuple[str, str], place: str = "#library .body") -> None:
        self.page.evaluate(DROP, [list(files), place])

    def put(self, name: str = "falls.md", text: str = FALLS.format(version=1), collections: tuple[str, ...] = ()) -> str:
        """Adds a document past the page."""
        file = self.folder / name
        file.write_text(text)
        holding = self.site.services.library.add(file, collections).holding
        assert holding is not None
        return holding.id

    def article(self, title: str) -> Any:
        return self.page.locator("#library .document", has_text=title).first

    def unfold(self, title: str) -> Any:
        article = self.article(title)
        article.locator("summary").first.click()
        return article

    def says(self, words: str, place: str = ".queue") -> None:
        self.page.wait_for_selector(f'#library {place}:has-text("{words}")')


@pytest.fixture
def shelf(page: Any, site: Site, tmp_path: Path) -> Iterator[Shelf]:
    page.evaluate("document.dispatchEvent(new CustomEvent('med42:conversation'))")  # what was chosen before the first question goes
    yield Shelf(page, site, tmp_path)
    page.evaluate("document.querySelectorAll('dialog[open]').forEach(one => one.close()); localStorage.clear(); med42.applyLooks()")
    adding, documents = site.services.adding, site.services.library.documents
    for folder in adding.watched():
        adding.unwatch(Path(folder.path))
    adding.go_on()
    adding.cancel()
    until(lambda: not adding.state().running, "nothing is read any more")
    adding.dismiss()
    for one in documents.all():
        documents.remove(one.id)
    page.wait_for_timeout(200)


class TestAnEmptyLibrary:
    def test_from_the_empty_page_to_questions_that_the_examples_answer(self, shelf: Shelf) -> None:
        page = shelf.page
        page.click('.greeting [data-do="samples"]')
        page.wait_for_selector("#library .document >> nth=5", timeout=90_000)
        assert {one.collections for one in shelf.documents()} == {("Examples",)}
        shelf.close()
        page.wait_for_selector('.greeting .from:has-text("example documents")')
        page.click('.example:has-text("apixaban")')
        page.wait_for_selector(".answer")
        page.wait_for_selector('#composer .scope:has-text("6 documents")')

    def test_the_first_document_of_ones_own_takes_the_offer_away(self, shelf: Shelf) -> None:
        page = shelf.page
        page.click('.greeting [data-do="library"]')
        page.wait_for_selector('#library [data-act="samples"]')
        assert not page.locator("#library .holdings").is_visible()
        shelf.drop(("falls.md", FALLS.format(version=1)))
        shelf.says("1 document is searched.", ".lead")
        shelf.close()
        page.wait_for_selector(".greeting:not(:has(.begin))")


class TestAdding:
    def test_what_is_dropped_is_read_and_goes_into_the_collection_that_was_named(self, shelf: Shelf) -> None:
        shelf.open()
        shelf.page.fill("#library-into", "Ward 3")
        shelf.drop(("falls.md", FALLS.format(version=1)), ("sepsis.txt", "Sepsis\n\nBlood cultures come before antibiotics.\n"))
        shelf.article("Falls").wait_for()
        until(lambda: [one.collections for one in shelf.documents()] == [("Ward 3",)] * 2, "both are in the collection")
        shelf.says("2 files have been looked at.")

    def test_a_folder_that_is_dropped_brings_the_documents_in_it(self, shelf: Shelf) -> None:
        folder = shelf.folder / "protocols"
        (folder / "wards").mkdir(parents=True)
        (folder / "falls.md").write_text(FALLS.format(version=1))
        (folder / "wards" / "sepsis.txt").write_text("Sepsis\n\nBlood cultures first.\n")
        (folder / "program.exe").write_text("no document")
        shelf.open()
        devtools = shelf.page.context.new_cdp_session(shelf.page)
        for type_ in ("dragEnter", "dragOver", "drop"):
            data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
            devtools.send("Input.dispatchDragEvent", {"type": type_, "x": 700, "y": 500, "data": data})
        # Not what the dialog shows: that may still be the list of the last time it was open.
        until(lambda: len(shelf.documents()) == 2, "both are in the library")
        assert sorted(one.name for one in shelf.documents()) == ["falls.md", "sepsis.txt"]
        shelf.page.wait_for_selector("#library .problem:has-text('1 file was left out: program.exe.')")

    def test_a_reload_asks_while_files_are_still_being_sent(self, shelf: Shelf) -> None:
        shelf.open()
        asks = "dispatchEvent(new Event('beforeunload', { cancelable: true })) === false"
        held: list[Any] = []
        shelf.page.route("**/v1/document", lambda route: held.append(route))
        shelf.drop(("falls.md", FALLS.format(version=1)))
        assert shelf.page.evaluate(asks)
        until(lambda: bool(shelf.page.evaluate("1") and held), "it is being sent")
        held[0].abort()
        shelf.page.wait_for_function(f"!({asks})")
        shelf.page.unroute("**/v1/document")

    def test_a_wrong_guess_at_versions_is_undone(self, shelf: Shelf) -> None:
        old = shelf.put(text=FALLS.format(version=1))
        shelf.site.services.library.supersede(old, shelf.put("stroke.md", "# Stroke\n\nAlteplase.\n"))
        shelf.open()
        article = shelf.unfold("Stroke")
        article.locator(".older summary").click()
        article.locator("[data-act=search_too]").click()
        until(lambda: all(not one.superseded_by for one in shelf.documents()), "both are searched")
        shelf.page.wait_for_function("document.querySelectorAll('#library .document').length === 2")

    def test_what_is_dropped_on_the_question_stays_with_it(self, shelf: Shelf) -> None:
        shelf.drop(("letter.txt", "Potassium 5.9"), place="#question")
        shelf.page.wait_for_selector(".attached .open:not(:disabled)")
        assert shelf.documents() == []

    def test_one_that_cannot_be_read_is_said_and_the_rest_goes_on(self, shelf: Shelf) -> None:
        shelf.open()
        shelf.drop(("broken.pdf", "%PDF-1.7 nothing"), ("falls.md", FALLS.format(version=1)))
        shelf.article("Falls").wait_for()
        shelf.says("Not added.", ".outcome.bad")
        shelf.close()
        shelf.page.click('#header .fetching:has-text("please look")')
        shelf.page.click('#library .queue [data-act="dismiss"].tool >> nth=0')
        shelf.page.wait_for_selector("#library .outcome.bad", state="detached")
        shelf.page.wait_for_selector("#header [data-live=adding]:empty", state="attached")

    def test_how_far_it_is_outlives_the_dialog_and_a_reload(self, shelf: Shelf) -> None:
        page = shelf.page
        shelf.site.services.adding.pause()
        shelf.open()
        shelf.drop(("falls.md", FALLS.format(version=1)))
        shelf.says("Paused: 0 of 1 are read")
        shelf.close()
        page.reload()
        page.click('#header .fetching:has-text("Adding is paused")')
        shelf.says("Waits")
        page.click('#library [data-act="go_on"]')
        shelf.article("Falls").wait_for()

    def test_what_waits_can_be_stopped(self, shelf: Shelf) -> None:
        shelf.site.services.adding.pause()
        shelf.open()
        shelf.drop(("falls.md", FALLS.format(version=1)), ("sepsis.txt", "Sepsis"))
        shelf.page.click('#library .queue li >> nth=1 >> [data-act="cancel"]')
        shelf.says("Stopped.")
        shelf.page.click('#library .queue [data-act="cancel"].secondary')
        shelf.page.click('#library .queue [data-act="dismiss"].secondary')
        shelf.page.wait_for_selector("#library .queue", state="detached")
        assert shelf.documents() == []

    def test_a_path_and_a_watched_folder(self, shelf: Shelf) -> None:
        page = shelf.page
        shelf.site.services.adding._look_every_s = 0.2
        (shelf.folder / "falls.md").write_text(FALLS.format(version=1))
        shelf.open()
        page.click('#library details[data-open="path"] > summary')
        page.fill("#library-path", str(shelf.folder / "nowhere.md"))
        page.press("#library-path", "Enter")
        shelf.says("Not added.")
        page.fill("#library-path", f'"{shelf.folder}"')
        page.click('#library [data-act="watch"]')
        page.wait_for_selector("#library-path:placeholder-shown")
        assert str(shelf.folder) in page.inner_text("#library .watched")
        shelf.article("Falls").wait_for(timeout=60_000)
        page.click('#library [data-act="unwatch"]')
        page.wait_for_selector("#library .watched", state="detached")

    def test_only_the_reader_says_whether_it_is_a_newer_version(self, shelf: Shelf) -> None:
        first = shelf.put("old.md", "# Falls\n\nRails up.\n")
        shelf.open()
        shelf.drop(("new.md", "# Falls\n\nRails down.\n"))
        shelf.says("Is this a newer version of Falls?")
        shelf.page.click('#library [data-act="newer"]')
        shelf.says("1 earlier version, not searched", ".document")
        assert [one.superseded_by != "" for one in shelf.documents() if one.id == first] == [True]


class TestDocuments:
    def test_details_are_put_right_in_a_form(self, shelf: Shelf) -> None:
        id = shelf.put()
        shelf.open()
        shelf.unfold("Falls").get_by_role("button", name="Edit").click()
        page = shelf.page
        page.fill("#library-field-title", "")
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector("#library .problem:has-text('needs a title')")
        page.fill("#library-field-title", "Falls on the ward")
        page.fill("#library-field-further", "Ward 3")
        page.keyboard.press("Enter")
        page.wait_for_selector("#library .form", state="detached")
        shelf.article("Falls on the ward").wait_for()
        now = shelf.site.services.library.documents.get(id)
        assert (now.title, now.publisher, now.collections) == ("Falls on the ward", "A hospital", ("Ward 3",))

    def test_removing_asks_first_and_is_for_good(self, shelf: Shelf) -> None:
        shelf.put()
        shelf.open()
        shelf.unfold("Falls").get_by_role("button", name="Remove").click()
        page = shelf.page
        assert "for good" in page.inner_text("#library .sure")
        page.keyboard.press("Escape")
        assert len(shelf.documents()) == 1
        shelf.article("Falls").get_by_role("button", name="Remove").click()
        page.click("#library .sure .danger")
        shelf.says("There are no documents here yet.", ".lead")
        assert shelf.documents() == []

    def test_it_is_read_again_and_what_is_unfolded_stays_so(self, shelf: Shelf) -> None:
        shelf.put()
        shelf.open()
        shelf.unfold("Falls").get_by_role("button", name="Read again").click()
        shelf.says("In the library.")
        assert shelf.article("Falls").get_by_role("button", name="Edit").is_visible()

    def test_the_file_can_be_saved_as_it_was_added(self, shelf: Shelf) -> None:
        shelf.put()
        shelf.open()
        with shelf.page.expect_download() as saving:
            shelf.unfold("Falls").get_by_role("link", name="Save the file").click()
        assert Path(saving.value.path()).read_text() == FALLS.format(version=1)
        assert saving.value.suggested_filename == "falls.md"


class TestCollections:
    def test_one_is_made_shown_renamed_and_deleted(self, shelf: Shelf) -> None:
        shelf.put()
        shelf.put("sepsis.md", "# Sepsis\n\nBlood cultures first.\n")
        shelf.open()
        page = shelf.page
        page.get_by_role("button", name="New collection").click()
        page.fill("#library-field-name", "Ward 3")
        page.get_by_role("checkbox", name="Sepsis").check()
        page.get_by_role("button", name="Save").click()
        page.click('#library .shelf:has-text("Ward 3")')
        assert shelf.article("Sepsis").is_visible() and not shelf.article("Falls").is_visible()
        page.get_by_role("button", name="Change this collection").click()
        page.fill("#library-field-name", "Ward 4")
        page.get_by_role("checkbox", name="Falls").check()
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector('#library .shelf[aria-pressed="true"]:has-text("Ward 4 2")')
        assert shelf.article("Falls").is_visible()
        page.get_by_role("button", name="Change this collection").click()
        page.get_by_role("button", name="Delete the collection").click()
        page.wait_for_selector('#library .shelf:has-text("Ward 4")', state="detached")
        assert len(shelf.documents()) == 2


class TestFinding:
    def test_a_question_shows_the_passages_that_would_be_taken(self, shelf: Shelf) -> None:
        for name in ("refeeding.html", "early-warning.md"):
            shelf.site.services.library.add(ASSETS / "library" / name)
        shelf.open()
        page, documents = shelf.page, shelf.page.locator("#library .document").first
        page.fill("#library .find", "How is low phosphate replaced in refeeding syndrome?")
        page.wait_for_selector("#library .passage:not(.weak)")
        assert "phosphate" in page.locator("#library .passage").first.inner_text()
        assert not documents.is_visible()
        page.fill("#library .find", "zzyzx")
        page.wait_for_selector("#library .finds:has-text('Nothing in these documents answers this.')")
        page.fill("#library .find", "")
        documents.wait_for()

    def test_what_a_document_says_is_only_text(self, shelf: Shelf) -> None:
        shelf.put("hostile.txt", "Rails <img src=x onerror=alert(1)> are raised for patients who ask for them.\n")
        shelf.open()
        shelf.page.fill("#library .find", "rails raised for patients")
        shelf.page.wait_for_selector("#library .finds:has-text('onerror')")
        assert shelf.page.locator("#library img").count() == 0


class TestWhatAConversationIsAnsweredFrom:
    def scope(self, shelf: Shelf) -> Any:
        return shelf.page.locator("#composer .scope")

    def choose(self, shelf: Shelf, name: str) -> None:
        if not shelf.page.locator(".scope-panel").is_visible():
            self.scope(shelf).click()
        shelf.page.locator(".scope-panel .choice", has_text=name).first.click()

    def test_the_button_says_how_many_documents_are_searched(self, shelf: Shelf) -> None:
        assert self.scope(shelf).inner_text().strip() == "Library first"
        shelf.put(collections=("A",))
        shelf.put("sepsis.md", "# Sepsis\n\nBlood cultures first.\n", ("A", "B"))
        shelf.page.wait_for_selector('#composer .scope:has-text("2 documents")')
        self.choose(shelf, "B ·")
        shelf.page.wait_for_selector('#composer .scope:has-text("1 document")')

    def test_what_was_chosen_before_the_first_question_holds_from_it_on(self, shelf: Shelf) -> None:
        shelf.put(collections=("Ward 3",))
        shelf.page.wait_for_selector('#composer .scope:has-text("1 document")')
        self.choose(shelf, "Only with sources")
        self.choose(shelf, "Ward 3")
        ask(shelf.page, "What is the meaning of zzyzx?")
        shelf.page.wait_for_selector(".answer")
        kept = shelf.site.services.store.conversations.get(here(shelf.page))
        assert (kept.library, kept.collections) == ("only", ("Ward 3",))
        shelf.page.wait_for_selector('#composer .scope[data-use="only"]')

    def test_pinned_facts_that_begin_a_conversation_take_it_along(self, shelf: Shelf) -> None:
        self.choose(shelf, "Library off")
        page = shelf.page
        page.click("#facts .link")
        page.fill("#facts textarea", "CKD 3b")
        page.get_by_role("button", name="Save").click()
        until(lambda: here(page), "there is a conversation")
        until(lambda: shelf.site.services.store.conversations.get(here(page)).library == "off", "it is off there")
        page.wait_for_selector('#composer .scope[data-use="off"]')

    def test_each_conversation_has_its_own_and_a_new_one_begins_afresh(self, shelf: Shelf) -> None:
        page = shelf.page
        ask(page, "First?")
        wait_for_answer(page)
        first = here(page)
        self.choose(shelf, "Library off")
        until(lambda: shelf.site.services.store.conversations.get(first).library == "off", "it is kept")
        page.click("#conversations .new")
        page.wait_for_selector('#composer .scope[data-use="first"]')
        page.evaluate("id => med42.show(id)", first)
        page.wait_for_selector('#composer .scope[data-use="off"]')
        page.reload()
        page.wait_for_selector('#composer .scope[data-use="off"]')

    def test_another_window_sees_the_choice(self, shelf: Shelf, browser: Any) -> None:
        ask(shelf.page, "First?")
        wait_for_answer(shelf.page)
        other = shelf.site.open(browser, f"#c={here(shelf.page)}")
        self.choose(shelf, "Only with sources")
        other.wait_for_selector('#composer .scope[data-use="only"]')
        other.context.close()

    def test_by_keyboard_alone(self, shelf: Shelf) -> None:
        page = shelf.page
        self.scope(shelf).focus()
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowDown")
        page.wait_for_selector('#composer .scope[data-use="only"]')
        page.keyboard.press("Escape")
        assert not page.locator(".scope-panel").is_visible()
        assert page.evaluate("document.activeElement.dataset.act") == "scope"

    def test_a_collection_that_is_gone_is_named_and_can_be_left(self, shelf: Shelf) -> None:
        page = shelf.page
        id = shelf.put(collections=("Ward 3",))
        page.wait_for_selector('#composer .scope:has-text("1 document")')
        self.choose(shelf, "Ward 3")
        shelf.site.services.library.documents.set_collections(id, ["Ward 4"])
        page.wait_for_selector('.scope-panel .choice:has-text("Ward 3 (not there any more)")')
        assert "0 documents" in self.scope(shelf).inner_text()
        self.choose(shelf, "All ·")
        assert "1 document" in self.scope(shelf).inner_text()


class TestHandsAndEars:
    def fill(self, shelf: Shelf) -> None:
        """Everything that the page can show at once."""
        shelf.put("old.md", "# Sepsis\n\nCultures first.\n")
        shelf.put(collections=("A collection with quite a long name, as some wards have", "B"))
        shelf.site.services.library.documents.set_details(shelf.put("x.txt", "word " * 40), "A title " * 20, "p" * 90, "2024", "1")
        shelf.site.services.adding.watch(shelf.folder)
        shelf.open()
        shelf.drop(("broken.pdf", "%PDF-1.7 nothing"), ("new.md", "# Sepsis\n\nCultures last.\n"))
        shelf.says("Is this a newer version")
        shelf.says("Not added.")

    def test_nobody_is_shut_out(self, shelf: Shelf) -> None:
        self.fill(shelf)
        page = shelf.page
        page.evaluate("document.querySelectorAll('#library details').forEach(one => one.open = true)")
        assert violations(page) == []
        page.evaluate("localStorage.setItem('med42-theme', 'dark'); med42.applyLooks()")
        assert contrasts(page) == []
        shelf.close()
        page.click("#composer .scope")
        assert contrasts(page) == []
        page.evaluate("localStorage.setItem('med42-theme', 'light'); med42.applyLooks()")
        assert violations(page) == []

    def test_a_form_shuts_nobody_out(self, shelf: Shelf) -> None:
        shelf.put(collections=("Ward 3",))
        shelf.open()
        shelf.page.get_by_role("button", name="New collection").click()
        assert violations(shelf.page) == []

    @pytest.mark.parametrize("width", WIDTHS)
    @pytest.mark.parametrize("size", ["100", "150"])
    def test_everything_stands_within_the_window(self, shelf: Shelf, width: str, size: str) -> None:
        page = shelf.page
        page.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
        page.evaluate("size => { localStorage.setItem('med42-text_size', size); med42.applyLooks(); }", size)
        self.fill(shelf)
        page.evaluate("document.querySelectorAll('#library details').forEach(one => one.open = true)")
        beyond = page.evaluate(
            "[...document.querySelectorAll('#library dialog, #library dialog *')]"
            ".filter(one => one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 80))"
        )
        assert beyond == []
        assert page.evaluate("(body => body.scrollWidth <= body.clientWidth + 1)(document.querySelector('#library .body'))")

    def test_a_closed_dialog_asks_for_nothing(self, shelf: Shelf) -> None:
        shelf.open()
        shelf.close()
        shelf.page.wait_for_timeout(2000)
        before = len(shelf.site.requests)
        shelf.page.wait_for_timeout(1500)
        assert shelf.site.requests[before:] == []

    def test_it_is_opened_from_the_list_and_left_by_keyboard(self, shelf: Shelf) -> None:
        page = shelf.page
        page.focus('#conversations [data-do="library"]')
        page.keyboard.press("Enter")
        page.wait_for_selector("#library .lead")
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.dataset.do") == "library"

    def test_on_a_phone_it_is_reached_from_the_drawer(self, shelf: Shelf) -> None:
        page = shelf.page
        page.set_viewport_size({"width": 390, "height": 844})
        page.click('#header [data-do="left"]')
        page.click('#conversations [data-do="library"]')
        page.wait_for_selector("#library .lead")
        shelf.close()
        assert not page.evaluate("document.documentElement.classList.contains('left-open')")
