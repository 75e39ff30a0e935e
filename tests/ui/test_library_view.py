"""What the Library page shows of documents, of what is being added, and of what a question finds; and what its handlers do."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from med42_chat.adding import Item, Queue
from med42_chat.records import Document, Find, Holding, Page, Passage, Source
from med42_chat.services import Services
from med42_chat.settings import ASSETS
from med42_chat.store.watched import Folder
from med42_chat.ui.desk import Desk, typed_path
from med42_chat.ui.gauges import adding
from med42_chat.ui.greeting import Greeting
from med42_chat.ui.library import LibraryDialog
from med42_chat.ui.library_follow import LibraryFollower
from med42_chat.ui.library_found import found
from med42_chat.ui.library_view import Sheet, Situation
from med42_chat.ui.scope import LibraryWatch, Scope, scope_of
from med42_chat.words import read_words
from tests.ui.fakes import MED42, PacedRuntime, services

WORDS = read_words(ASSETS / "words" / "en.toml")
ONE = Holding("d1", "ab" * 32, "falls.pdf", "application/pdf", 41_200, "Falls", "A hospital", "2024-05", "2", 0, 12, 30)


def parts(*holdings: Holding, items: tuple[Item, ...] = (), watched: tuple[Folder, ...] = (), **queue: Any) -> dict[str, str]:
    return Sheet(WORDS, Situation(holdings, Queue(items, **queue), watched)).parts()


class TestDocuments:
    def test_one_says_its_publisher_version_date_pages_collections_and_file(self) -> None:
        html = parts(replace(ONE, collections=("Ward 3",)))["documents"]
        assert "<bdi>A hospital</bdi> · version 2 · <time>2024-05</time> · 12 pages" in html and "Ward 3" in html
        assert "falls.pdf · 42\u00a0kB · 30 passages" in html

    def test_without_pages_its_passages_are_counted(self) -> None:
        assert "2024-05</time> · 30 passages" in parts(replace(ONE, pages=None))["documents"]

    def test_what_was_noted_while_reading_is_told(self) -> None:
        html = parts(replace(ONE, notes=("Page 7 holds no text that can be read.",)))["documents"]
        assert "Page 7 holds no text" in html and 'class="badge note"' in html

    def test_a_superseded_one_is_folded_into_the_newer_one(self) -> None:
        old = replace(ONE, id="d0", version="1", date="2020", superseded_by="d1")
        shown = parts(ONE, old)
        assert shown["documents"].count("<article") == 1
        assert "1 earlier version, not searched" in shown["documents"] and "Falls (version 1, 2020)" in shown["documents"]
        assert "1 document with 12 pages is searched." in shown["start"]
        assert 'data-act="search_too" data-id="d0" aria-label="Search Falls (version 1, 2020), too"' in shown["documents"]

    def test_what_a_document_says_is_never_markup(self) -> None:
        hostile = "<img src=x onerror=alert(1)>\"'"
        shown = parts(replace(ONE, title=hostile, publisher=hostile, name=hostile, collections=(hostile,), notes=(hostile,)))
        assert "<img" not in "".join(shown.values())

    def test_removing_asks_with_the_title(self) -> None:
        assert 'data-sure="Remove ‘Falls’?' in parts(ONE)["documents"]

    def test_collections_are_counted_with_what_is_searched_of_them(self) -> None:
        first, second = replace(ONE, collections=("A", "b")), replace(ONE, id="d2", collections=("b",))
        old = replace(ONE, id="d0", superseded_by="d1", collections=("b", "Old"))
        chips = re.findall(r"<bdi>(.*?)</bdi> <span>(\d+)</span>", parts(first, second, old)["shelves"])
        assert chips == [("All", "2"), ("A", "1"), ("b", "2")]


class TestAnEmptyLibrary:
    def test_it_offers_the_samples(self) -> None:
        assert 'data-act="samples"' in parts()["start"]
        assert parts()["documents"] == parts()["shelves"] == ""

    def test_while_something_is_on_its_way_it_does_not(self) -> None:
        assert 'data-act="samples"' not in parts(items=(Item("i1", "falls.pdf", "waiting"),))["start"]


class TestAdding:
    def test_a_file_that_is_read_says_its_page_and_the_whole_how_fast(self) -> None:
        items = (Item("i1", "a.pdf", "done", document_id="d1"), Item("i2", "b.pdf", "reading", 3, 12), Item("i3", "c.pdf", "waiting"))
        shown = parts(items=items, pages_per_s=14.2)
        assert "Page 3 of 12" in shown["work:i2"] and 'value="0.2500"' in shown["work:i2"]
        assert "Reading file 2 of 3 · 14 pages a second" in shown["work:all"]
        assert 'data-act="pause"' in shown["queue"] and 'data-act="go_on"' not in shown["queue"]

    def test_how_far_a_file_is_changes_nothing_but_its_own_part(self) -> None:
        before, after = (parts(items=(Item("i1", "a.pdf", "reading", done, 12),)) for done in (3, 4))
        assert {name for name in after if before[name] != after[name]} == {"work:i1"}

    def test_paused_it_can_go_on(self) -> None:
        shown = parts(items=(Item("i1", "a.pdf", "waiting"),), paused=True)
        assert "Paused: 0 of 1" in shown["work:all"] and 'data-act="go_on"' in shown["queue"]

    def test_why_the_store_takes_no_more_is_said(self) -> None:
        assert "The disk is full." in parts(items=(Item("i1", "a.pdf", "waiting"),), paused=True, trouble="The disk is full.")["work:all"]

    def test_what_failed_says_why_and_what_to_do(self) -> None:
        shown = parts(items=(Item("i1", "a.pdf", "failed", message="It is damaged.", hint="Get it anew."),))["work:i1"]
        assert "Not added. It is damaged. Get it anew." in shown and 'data-act="recognise"' not in shown

    def test_a_scan_can_be_tried_with_text_recognition(self) -> None:
        assert 'data-act="recognise"' in parts(items=(Item("i1", "a.pdf", "failed", message="A scan.", scan=True),))["work:i1"]

    def test_a_folder_is_no_file(self) -> None:
        items = (Item("i0", "protocols", "done", message="1 documents were found in this folder."), Item("i1", "a.pdf", "waiting"))
        shown = parts(items=items)
        assert "Reading file 1 of 1" in shown["work:all"] and "In the library" not in shown["work:i0"]

    def test_only_the_person_can_say_whether_it_is_a_newer_version(self) -> None:
        old = replace(ONE, id="d0", version="1", date="")
        shown = parts(ONE, old, items=(Item("i1", "a.pdf", "done", document_id="d1", older="d0"),))["work:i1"]
        assert "Is this a newer version of Falls (version 1)?" in shown
        assert {"newer", "both"} <= set(re.findall(r'data-act="(\w+)"', shown))

    def test_nothing_is_asked_about_a_document_that_is_gone(self) -> None:
        assert "asks" not in parts(ONE, items=(Item("i1", "a.pdf", "done", document_id="d1", older="d0"),))["work:i1"]

    def test_of_a_thousand_files_some_are_shown_and_the_rest_is_counted(self) -> None:
        items = tuple(Item(f"i{n}", f"{n}.pdf", "failed" if n == 999 else "waiting") for n in range(1000))
        shown = parts(items=items)
        assert shown["queue"].count("<li") == 30 and "and 970 more files" in shown["queue"]
        assert "999.pdf" in shown["queue"], "what went wrong stands before what waits"

    def test_a_watched_folder_can_be_left_alone(self) -> None:
        shown = parts(watched=(Folder("/home/me/<b>", ("Ward 3",)),))["watched"]
        assert "/home/me/&lt;b&gt;" in shown and "into Ward 3" in shown and 'data-act="unwatch"' in shown


class TestTheHeader:
    def test_it_says_how_far_the_files_are(self) -> None:
        items = (Item("i1", "a.pdf", "done", document_id="d1"), Item("i2", "b.pdf", "reading"))
        assert adding(WORDS, Queue(items)) == "Adding 2 of 2"
        assert adding(WORDS, Queue(items, paused=True)) == "Adding is paused"

    def test_it_says_when_somebody_has_to_look_and_nothing_when_all_is_well(self) -> None:
        assert adding(WORDS, Queue((Item("i1", "a.pdf", "failed"),))) == "Library: please look"
        assert adding(WORDS, Queue((Item("i1", "a.pdf", "done", document_id="d1"),))) == ""


class TestWhatIsFound:
    def find(self, start: int, text: str) -> Find:
        return Find(ONE, Passage(1, 3, ("Bed rails", "When"), text, start, start + len(text)), 1.0)

    def test_what_the_model_would_see_stands_apart_from_what_it_would_not(self) -> None:
        sources = (Source(1, "Falls", "Rails up.", 3, document_id="d1", heading_path=("Bed rails", "When"), start=0, end=9),)
        html = found(WORDS, sources, [self.find(0, "Rails up."), self.find(50, "Rails <b>down</b>.")])
        before, after = html.split("<details")
        assert "Rails up." in before and "page 3 · Bed rails › When" in before and "Rails up." not in after
        assert "1 more passage has some of its words" in after and "&lt;b&gt;down" in after

    def test_where_nothing_answers_what_came_nearest_is_not_folded_away(self) -> None:
        source = Source(1, "Falls", "Rails up.", 3, document_id="d1", start=0, end=9)
        assert '<details data-open="weak" open>' in found(WORDS, (), [self.find(50, "Rails down.")])
        assert '<details data-open="weak">' in found(WORDS, (source,), [self.find(50, "Rails down.")])

    def test_it_says_when_nothing_answers(self) -> None:
        assert found(WORDS, (), []) == "<p>Nothing in these documents answers this.</p>"


def document(title: str) -> Document:
    return Document(title, "text/plain", (Page(None, "Rails up."),), (Passage(1, None, (), "Rails up.", 0, 9),))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Services]:
    made = services(tmp_path / "home", PacedRuntime(model=MED42))
    yield made
    made.close()


@pytest.fixture
def dialog(opened: Services) -> LibraryDialog:
    made = LibraryDialog(Desk(opened, WORDS))
    made.build()
    return made


def add(opened: Services, title: str, *collections: str) -> str:
    return opened.library.documents.add(document(title), title.encode(), f"{title}.txt", collections).id


def do(dialog: LibraryDialog, what: str, **more: object) -> Any:
    return dialog.act(gr.EventData(None, {"do": what, **more}))[dialog.component]


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


class TestWhatIsDone:
    def test_details_and_collections_are_put_right(self, opened: Services, dialog: LibraryDialog) -> None:
        id = add(opened, "Fals")
        do(dialog, "edit", id=id, title="Falls", publisher="A hospital", date="2024", version="2", collections=["Ward 3", " "])
        now = opened.library.documents.get(id)
        assert (now.title, now.publisher, now.date, now.version, now.collections) == ("Falls", "A hospital", "2024", "2", ("Ward 3",))

    def test_a_document_without_a_title_is_refused(self, opened: Services, dialog: LibraryDialog) -> None:
        assert "title" in do(dialog, "edit", id=add(opened, "Falls"), title=" ")["message"]

    def test_a_collection_is_made_with_its_documents(self, opened: Services, dialog: LibraryDialog) -> None:
        ids = [add(opened, title) for title in ("Falls", "Sepsis", "Stroke")]
        do(dialog, "shelve", was="", name="  Ward   3 ", ids=ids[:2])
        assert opened.library.documents.collections() == [("Ward 3", 2)]

    def test_a_collection_is_renamed_with_the_conversations_that_use_it(self, opened: Services, dialog: LibraryDialog) -> None:
        first, second = add(opened, "Falls", "Ward 3"), add(opened, "Sepsis", "Ward 3", "Acute")
        conversation = opened.store.conversations.create().id
        opened.store.conversations.set_library(conversation, "only", ["Ward 3", "Acute"])
        do(dialog, "shelve", was="Ward 3", name="Ward 4", ids=[first])
        assert opened.library.documents.get(first).collections == ("Ward 4",)
        assert opened.library.documents.get(second).collections == ("Acute",)
        assert set(opened.store.conversations.get(conversation).collections) == {"Ward 4", "Acute"}

    def test_what_was_wrongly_taken_for_an_older_version_is_searched_again(self, opened: Services, dialog: LibraryDialog) -> None:
        old, new = add(opened, "Falls"), add(opened, "Falls on the stairs")
        opened.library.documents.supersede(old, new)
        do(dialog, "search_too", id=old)
        assert opened.library.documents.get(old).superseded_by == ""

    def test_an_older_version_stays_in_a_collection_that_is_changed(self, opened: Services, dialog: LibraryDialog) -> None:
        old, new = add(opened, "Falls", "Ward 3"), add(opened, "Falls again", "Ward 3")
        opened.library.documents.supersede(old, new)
        do(dialog, "shelve", was="Ward 3", name="Ward 3", ids=[new])
        opened.library.documents.remove(new)
        assert opened.library.documents.get(old).collections == ("Ward 3",)

    def test_a_collection_needs_a_name(self, opened: Services, dialog: LibraryDialog) -> None:
        assert "needs a name" in do(dialog, "shelve", was="", name=" ", ids=[add(opened, "Falls")])["message"]

    def test_a_deleted_collection_leaves_its_documents(self, opened: Services, dialog: LibraryDialog) -> None:
        id = add(opened, "Falls", "Ward 3")
        do(dialog, "unshelve", name="Ward 3")
        assert opened.library.documents.get(id).collections == ()

    def test_a_path_is_added_as_a_file_manager_gives_it(self, opened: Services, dialog: LibraryDialog, tmp_path: Path) -> None:
        file = tmp_path / "my falls.txt"
        file.write_text("# Falls\n\nRails up.\n")
        do(dialog, "add", where=f' "{file.as_uri()}" ', collections=["Ward 3"])
        until(lambda: [one.collections for one in opened.library.documents.all()] == [("Ward 3",)])

    def test_no_path_is_asked_for(self, dialog: LibraryDialog) -> None:
        assert do(dialog, "add", where=' "" ')["message"] == "There is no path yet."
        assert typed_path(" '/a b' ") == Path("/a b") and typed_path("") is None


class TestWhatAPageIsTold:
    def test_everything_at_first_and_then_what_has_changed(self, opened: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("med42_chat.ui.library_follow._PACE_S", 0.0)
        follower = LibraryFollower(opened, WORDS)
        assert {data["name"] for _, data in follower.poll()} == {"start", "queue", "watched", "shelves", "documents", "names", "work:all"}
        assert follower.poll() == []
        add(opened, "Falls", "Ward 3")
        assert {data["name"] for _, data in follower.poll()} >= {"start", "shelves", "documents", "names"}

    def test_how_many_documents_are_in_which_collections_and_how_the_conversation_uses_them(self, opened: Services) -> None:
        add(opened, "Falls", "A", "B")
        add(opened, "Sepsis", "A", "B")
        add(opened, "Stroke")
        id = opened.store.conversations.create().id
        opened.store.conversations.set_library(id, "only", ["A"])
        watch = LibraryWatch(opened, WORDS)
        told: Any = watch.scope(opened.store.conversations.get(id))
        assert sorted(told["shelves"]) == [((), 1), (("A", "B"), 2)]
        assert (told["conversation"], told["use"], told["collections"]) == (id, "only", ("A",))
        assert watch.scope(opened.store.conversations.get(id)) is None
        opened.store.conversations.set_library(id, "off")
        assert watch.scope(opened.store.conversations.get(id)) is not None

    def test_what_a_page_sends_of_its_choice_is_looked_at(self) -> None:
        assert scope_of({"use": "only", "collections": ["A"]}) == Scope("only", ("A",))
        assert scope_of({"use": "everything"}) == scope_of({}) == Scope()


class TestTheEmptyPage:
    def test_it_leads_to_a_library_while_there_is_none(self, opened: Services) -> None:
        greeting = Greeting(opened, WORDS, ASSETS / "examples.toml", ASSETS / "library")
        assert 'data-do="library"' in greeting.html() and 'data-do="samples"' in greeting.html()
        add(opened, "Falls")
        assert 'data-do="library"' not in greeting.html() and "red flags of headache" in greeting.html()

    def test_it_offers_the_questions_of_those_samples_that_are_here(self, opened: Services) -> None:
        greeting = Greeting(opened, WORDS, ASSETS / "examples.toml", ASSETS / "library")
        data = (ASSETS / "library" / "refeeding.html").read_bytes()
        opened.library.documents.add(document("Refeeding"), data, "refeeding.html")
        assert greeting.offered() == ["Which dose of thiamine is given before feeding starts?"]
        assert "dose of thiamine" in greeting.html() and "red flags of headache" not in greeting.html()
