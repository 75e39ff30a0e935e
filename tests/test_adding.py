"""The queue before the library: it reads one after the other, can be paused and cancelled, and goes on after a crash."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from med42_chat import adding as adding_module
from med42_chat import reference as reference_module
from med42_chat.adding import Adding, Item
from med42_chat.errors import InputError, NotFound, StoreBusy, UnreadableFile
from med42_chat.library.documents import Reading, document_of
from med42_chat.records import Document
from med42_chat.reference import Inside, Library
from med42_chat.store.database import Store
from med42_chat.store.watched import Folder
from tests.library import pdfs
from tests.store.samples import KEY, decrypted

PATIENCE_S = 180.0  # on a busy computer everything takes its time


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store.open(home, KEY) as store:
        yield store


@pytest.fixture
def adding(store: Store) -> Iterator[Adding]:
    made = opened(store)
    yield made
    made.close()


def opened(store: Store) -> Adding:
    return Adding(Library(store.documents), store.waiting, store.watched, look_every_s=0.05)


def until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not there():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def ended(adding: Adding) -> tuple[Item, ...]:
    """The items, when nothing is read any more."""
    until(lambda: not adding.state().running)
    return adding.state().items


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def long_pdf(pages: int = 1500) -> bytes:
    """Takes seconds to read."""
    return pdfs.letter(*[[f"Line {line} of page {page}: give 500 mg and look again." for line in range(40)] for page in range(pages)])


def titles(store: Store) -> list[str]:
    return [holding.title for holding in store.documents.all()]


class TestAQueue:
    def test_files_and_folders_are_read_and_a_bad_one_does_not_stop_the_rest(self, store: Store, adding: Adding, tmp_path: Path) -> None:
        written(tmp_path / "in" / "a.md", "# Alpha\n\nWords.")
        (tmp_path / "in" / "b.pdf").write_bytes(b"%PDF-1.4 not really")
        adding.add([tmp_path / "in", written(tmp_path / "c.txt", "Words of c.")], ["Ward"])
        items = ended(adding)
        assert [(item.name, item.state) for item in items] == [("in", "done"), ("c.txt", "done"), ("a.md", "done"), ("b.pdf", "failed")]
        assert items[0].message == "2 documents were found in this folder." and "damaged" in items[3].message
        assert titles(store) == ["Alpha", "c"] and items[2].document_id == store.documents.all()[0].id
        assert store.documents.all()[0].collections == ("Ward",)

    def test_a_dropped_file_is_kept_until_it_is_read_and_no_longer(self, store: Store, adding: Adding) -> None:
        adding.pause()
        id = adding.take("a.md", b"# Alpha\n\nWords.")
        assert store.waiting.content(id) == b"# Alpha\n\nWords."
        adding.go_on()
        assert [item.state for item in ended(adding)] == ["done"] and titles(store) == ["Alpha"]
        assert store.waiting.content(id) == b""

    def test_pages_are_told_while_they_are_read(self, adding: Adding) -> None:
        adding.take("long.pdf", long_pdf(40))
        seen = []
        while (state := adding.state()).running:
            seen.append((state.items[0].pages_done, state.items[0].pages, state.pages_per_s > 0))
        assert ended(adding)[0].pages == ended(adding)[0].pages_done == 40 and adding.state().pages_per_s == 0
        assert {pages for _, pages, _ in seen} == {None, 40} and len(set(seen)) > 5 and seen == sorted(seen, key=lambda one: one[0])
        assert any(is_fast for _, _, is_fast in seen)

    def test_each_visible_change_is_counted(self, adding: Adding) -> None:
        before = adding.changed()
        adding.pause()
        assert adding.changed() > before

    def test_a_path_that_depends_on_the_current_folder_is_refused(self, adding: Adding) -> None:
        with pytest.raises(InputError, match="full path"):
            adding.add([Path("here.md")])
        assert adding.state().items == ()

    def test_a_file_that_is_too_large_is_refused_at_once(self, adding: Adding, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("med42_chat.library.documents.MOST_BYTES", 3)
        with pytest.raises(UnreadableFile, match="larger"):
            adding.take("a.md", b"1234")

    def test_a_folder_without_documents_and_a_file_that_is_gone_are_told(self, adding: Adding, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        adding.add([tmp_path / "empty", tmp_path / "gone.pdf"])
        assert ["no document in" in item.message or "cannot be opened" in item.message for item in ended(adding)] == [True, True]
        adding.dismiss()
        assert adding.state().items == ()

    def test_a_folder_that_may_not_be_read_is_told_and_the_rest_goes_on(
        self, store: Store, adding: Adding, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        def refused(folder: Path, _: object) -> Inside:
            raise PermissionError(folder)

        monkeypatch.setattr(adding_module, "documents_in", refused)
        adding.pause()
        adding.add([tmp_path, written(tmp_path / "a.md", "# Alpha\n\nWords.")])
        adding.go_on()
        assert [item.state for item in ended(adding)] == ["failed", "done"] and "cannot be opened" in adding.state().items[0].message

    def test_what_of_a_folder_is_not_read_is_said(self, adding: Adding, tmp_path: Path) -> None:
        for name in ("a.md", "b.doc", "c.DOC", "d.xlsx", ".hidden.doc"):
            written(tmp_path / "in" / name, "Words.")
        adding.add([tmp_path / "in"])
        message = ended(adding)[0].message
        assert message == "1 document was found in this folder. Not read there: 3 files of another kind (.doc, .xlsx)."

    def test_a_pipe_is_no_file_and_holds_nothing_up(self, adding: Adding, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.md")
        adding.add([tmp_path / "pipe.md", written(tmp_path / "a.md", "Words.")])
        assert [item.state for item in ended(adding)] == ["failed", "done"]

    def test_a_long_name_keeps_the_ending_that_says_what_the_file_is(self, store: Store, adding: Adding) -> None:
        adding.take("a\0" + "b" * 240 + ".html", b"<p>Rails <b>up</b>.</p>")
        (item,) = ended(adding)
        assert item.name.startswith("ab") and item.name.endswith(".html")
        assert [one.text for one in store.documents.passages(item.document_id)] == ["Rails up."]

    def test_a_path_with_a_null_is_refused(self, adding: Adding) -> None:
        with pytest.raises(InputError, match="full path"):
            adding.add([Path("/a\0b.md")])

    def test_a_mistake_of_the_program_fails_one_file_and_the_rest_goes_on(
        self, adding: Adding, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        honest = document_of

        def mistaken(data: bytes, name: str, reading: Reading | None = None) -> Document:
            if name != "a.md":
                raise ValueError(name)
            return honest(data, name, reading=reading)

        monkeypatch.setattr(reference_module, "document_of", mistaken)
        adding.add([written(tmp_path / name, f"Words of {name}.") for name in ("b.md", "a.md")])
        first, second = ended(adding)
        assert (first.state, second.state) == ("failed", "done") and "fault of the program" in first.message

    def test_a_store_that_takes_no_more_pauses_the_queue_and_says_why(
        self, store: Store, adding: Adding, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from med42_chat.errors import DiskFull

        def full(*_: object) -> None:
            raise DiskFull("There is no room left.", "Make some.")

        with monkeypatch.context() as patched:
            patched.setattr(type(store.documents), "add", full)
            adding.take("a.md", b"# Alpha\n\nWords.")
            until(lambda: adding.state().paused)
        state = adding.state()
        assert state.trouble == "There is no room left. Make some." and [item.state for item in state.items] == ["waiting"]
        adding.go_on()
        assert [item.state for item in ended(adding)] == ["done"] and adding.state().trouble == ""


class TestStopping:
    def test_what_is_being_read_is_cancelled_within_a_second_and_the_rest_goes_on(self, store: Store, adding: Adding) -> None:
        first = adding.take("long.pdf", long_pdf())
        second = adding.take("b.md", b"# Beta\n\nWords.")
        until(lambda: adding.state().items[0].pages_done > 0)
        began = time.monotonic()
        adding.cancel(first)
        until(lambda: adding.state().items[0].state == "stopped")
        assert time.monotonic() - began < 1
        assert [item.state for item in ended(adding)] == ["stopped", "done"] and titles(store) == ["Beta"]
        assert store.waiting.content(first) == b"" and second

    def test_a_pause_puts_back_what_is_half_read_and_going_on_reads_it(self, store: Store, adding: Adding) -> None:
        adding.take("long.pdf", long_pdf(40))
        until(lambda: adding.state().items[0].pages_done > 0)
        adding.pause()
        until(lambda: adding.state().items[0].state == "waiting")
        assert adding.state().paused and not adding.state().running and titles(store) == []
        adding.go_on()
        assert [(item.state, item.pages) for item in ended(adding)] == [("done", 40)]

    def test_all_is_cancelled_at_once(self, adding: Adding) -> None:
        adding.pause()
        for name in ("a.md", "b.md"):
            adding.take(name, b"Words.")
        adding.cancel()
        adding.go_on()
        assert [item.state for item in ended(adding)] == ["stopped", "stopped"]


class TestRestarts:
    def test_what_waits_is_read_by_the_next_start(self, store: Store) -> None:
        first = opened(store)
        first.take("long.pdf", long_pdf(40))
        until(lambda: first.state().items[0].pages_done > 0)
        first.close()
        assert titles(store) == []
        second = opened(store)
        assert [(item.state, item.pages) for item in ended(second)] == [("done", 40)]
        second.close()
        third = opened(store)
        assert third.state().items == ()  # what went well is not told twice
        third.close()

    def test_a_killed_program_loses_nothing(self, home: Path) -> None:
        program = f"""
import sys, time
from pathlib import Path
from tests.test_adding import KEY, Store, opened, long_pdf
with Store.open(Path({str(home)!r}), KEY) as store:
    adding = opened(store)
    adding.take("long.pdf", long_pdf(40))
    adding.take("b.md", b"# Beta\\n\\nWords.")
    while not adding.state().items[0].pages_done:
        time.sleep(0.01)
    print("reading", flush=True)
    time.sleep(60)
"""
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None and child.stdout.readline() == b"reading\n"
            os.kill(child.pid, signal.SIGKILL)
        with Store.open(home, KEY) as store:
            adding = opened(store)
            assert [item.state for item in ended(adding)] == ["done", "done"] and titles(store)[0] == "Beta"
            adding.close()

    def test_a_file_over_which_the_program_ends_each_time_is_left_alone(self, store: Store) -> None:
        id = store.waiting.add_content("a.md", b"Words.", [])
        for _ in range(3):
            store.waiting.begin()
            store.waiting.recover()
        assert [(item.state, item.message) for item in store.waiting.all()] == [
            ("failed", "The program ended each time it read this file.")
        ]
        assert store.waiting.content(id) == b""


class TestVersions:
    def test_the_person_is_asked_where_a_publisher_is_not_known(self, store: Store, adding: Adding) -> None:
        adding.take("old.md", b"# Sepsis\n\nMeropenem 1 g.")
        adding.take("new.md", b"# Sepsis\n\nMeropenem 2 g.")
        old, new = ended(adding)
        assert new.older == old.document_id and new.message == "It may be a newer version of ‘Sepsis’. Both are searched."
        assert len(store.documents.search("meropenem")) == 2
        adding.settle(new.id, supersedes=True)
        assert [find.holding.id for find in store.documents.search("meropenem")] == [new.document_id]
        assert adding.state().items[1].older == "" and "takes the place of" in adding.state().items[1].message

    @pytest.mark.parametrize("settled", [True, False])
    def test_what_was_said_of_a_document_goes_with_it(self, store: Store, adding: Adding, settled: bool) -> None:
        for dose in (b"1", b"2"):
            adding.take("fluids.md", b"# Zubenel\n\nMeropenem %b g." % dose)
        old, new = ended(adding)
        if settled:
            adding.settle(new.id, supersedes=True)
        assert "Zubenel" in adding.state().items[1].message
        store.documents.remove(old.document_id)
        assert [(one.id, one.message, one.older) for one in adding.state().items] == [(new.id, "", "")]

    def test_who_says_no_keeps_both(self, store: Store, adding: Adding) -> None:
        for name, dose in (("old.md", b"1"), ("new.md", b"2")):
            adding.take(name, b"# Sepsis\n\nMeropenem %b g." % dose)
        adding.settle(ended(adding)[1].id, supersedes=False)
        assert [(item.older, item.message) for item in adding.state().items] == [("", "")] * 2
        assert len(store.documents.search("meropenem")) == 2

    def test_what_is_said_of_a_file_goes_with_its_document(self, store: Store, adding: Adding) -> None:
        adding.take("Canary Jane Doe.md", b"# Sepsis\n\nMeropenem 1 g.")
        (item,) = ended(adding)
        store.documents.remove(item.document_id)
        assert adding.state().items == ()


class TestTraces:
    def test_nothing_is_left_of_files_that_were_removed_that_failed_or_that_were_stopped(
        self, store: Store, adding: Adding, tmp_path: Path
    ) -> None:
        words = b"# Zebediah Quackenbush\n\nZebediah Quackenbush is given meropenem. " * 300
        adding.take("Quackenbush.md", words)
        adding.take("Quackenbush.pdf", b"%PDF-1.4 " + words)
        adding.watch(written(tmp_path / "Quackenbush" / "q.md", "Quackenbush in a folder.").parent)
        until(lambda: len(adding.state().items) == 3)
        ended(adding)
        adding.pause()
        adding.take("Quackenbush again.md", words + b"!")
        assert b"Quackenbush" in decrypted(store.path)
        adding.cancel()
        adding.unwatch(tmp_path / "Quackenbush")
        for holding in store.documents.all():
            store.documents.remove(holding.id)
        assert [item.state for item in adding.state().items] == ["failed", "stopped"]
        adding.dismiss()
        assert b"Quackenbush" not in decrypted(store.path)


class TestScans:
    def test_a_scan_is_kept_and_tried_again_with_recognition(self, store: Store, adding: Adding, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shutil.which", lambda name: f"/somewhere/{name}")
        id = adding.take("scan.pdf", pdfs.document([pdfs.PICTURE]))
        (item,) = ended(adding)
        assert item.state == "failed" and item.scan and "Tesseract" in item.hint and store.waiting.content(id)
        adding.recognise(id)
        (item,) = ended(adding)  # the program that was found is not there, after all
        assert item.state == "failed" and not item.scan and "found no words" in item.message and not store.waiting.content(id)

    def test_without_tesseract_a_scan_is_not_kept(self, store: Store, adding: Adding, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shutil.which", lambda name: None)
        id = adding.take("scan.pdf", pdfs.document([pdfs.PICTURE]))
        (item,) = ended(adding)
        assert item.state == "failed" and not item.scan and "OCR" in item.hint and not store.waiting.content(id)
        with pytest.raises(InputError, match="not installed"):
            adding.take("scan.pdf", b"", ocr=True)


class TestReadingAgain:
    def test_a_document_is_read_anew_and_keeps_what_a_person_put_right(
        self, store: Store, adding: Adding, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        adding.take("a.md", b"# Sepsis\n\nPublisher: Northwater\n\nMeropenem 1 g.")
        id = ended(adding)[0].document_id
        store.documents.set_details(id, "Sepsis of adults", "", "2024", "3")
        adding.read_again(id)
        assert ended(adding)[1].state == "done"
        holding = store.documents.get(id)
        assert (holding.title, holding.publisher, holding.date, holding.version) == ("Sepsis of adults", "Northwater", "2024", "3")
        (found,) = store.documents.search("adults meropenem")
        assert found.passage.text.endswith("Meropenem 1 g.") and found.holding.passages == 1
        with pytest.raises(NotFound):
            adding.read_again("nothing")

    def test_a_superseded_document_is_not_searched_for_being_read_again(self, store: Store, adding: Adding) -> None:
        for version in (b"1", b"2"):
            adding.take(f"{version!r}.md", b"# Sepsis\n\nPublisher: N\nVersion: %b\n\n## Dose\n\nMeropenem %b g." % (version, version))
        old, new = ended(adding)
        adding.read_again(old.document_id)
        ended(adding)
        assert {find.holding.id for find in store.documents.search("meropenem")} == {new.document_id}


class TestWatchedFolders:
    def test_new_and_changed_files_are_added_and_a_changed_one_takes_its_own_place(
        self, store: Store, adding: Adding, tmp_path: Path
    ) -> None:
        folder = tmp_path / "watched"
        written(folder / "a.md", "# Sepsis\n\nMeropenem 1 g.")
        adding.watch(folder, ["Ward"])
        until(lambda: titles(store) == ["Sepsis"])
        written(folder / "b.md", "# Stroke\n\nAlteplase.")
        until(lambda: len(titles(store)) == 2)
        written(folder / "a.md", "# Sepsis in adults\n\nMeropenem 2 g, not one.")
        until(lambda: len(titles(store)) == 3)
        ended(adding)
        assert [find.passage.text for find in store.documents.search("meropenem")] == ["Meropenem 2 g, not one."]
        assert store.documents.all()[0].collections == ("Ward",)

    def test_what_was_seen_stays_seen_over_a_restart_and_a_removal(self, store: Store, tmp_path: Path) -> None:
        first = opened(store)
        folder = written(tmp_path / "watched" / "a.md", "# Sepsis\n\nMeropenem 1 g.").parent
        first.watch(folder)
        until(lambda: titles(store) == ["Sepsis"])
        ended(first)
        first.close()
        store.documents.remove(store.documents.all()[0].id)
        second = opened(store)
        written(folder / "b.md", "# Stroke\n\nAlteplase.")
        until(lambda: titles(store) != [])
        assert titles(store) == ["Stroke"] and [one.path for one in second.watched()] == [str(folder)]
        second.unwatch(folder)
        assert second.watched() == []
        second.close()

    def test_a_file_that_still_grows_is_left_alone(self, store: Store, tmp_path: Path) -> None:
        folder = written(tmp_path / "watched" / "a.md", "# Sepsis").parent
        marks = adding_module._marks(folder, threading.Event())
        store.watched.watch(str(folder), [])
        adding = opened(store)
        (watching,) = adding.watched()
        grown = {path: (changed + 1, size + 1) for path, (changed, size) in marks.items()}
        adding.close()
        adding._look(watching, marks, grown)
        assert store.waiting.all() == []
        adding._look(watching, grown, grown)
        assert [entry.name for entry in store.waiting.all()] == ["a.md"]

    def test_a_folder_that_is_none_is_refused_and_one_that_goes_is_waited_for(self, adding: Adding, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="full path of a folder"):
            adding.watch(tmp_path / "nothing")
        (tmp_path / "stick").mkdir()
        adding.watch(tmp_path / "stick")
        (tmp_path / "stick").rmdir()
        time.sleep(0.2)  # some looks
        written(tmp_path / "stick" / "a.md", "# Sepsis\n\nMeropenem 1 g.")
        until(lambda: [item.state for item in adding.state().items] == ["done"])

    def test_a_copy_that_is_changed_does_not_take_the_place_of_what_it_was_copied_from(
        self, store: Store, adding: Adding, tmp_path: Path
    ) -> None:
        folder = tmp_path / "watched"
        first = written(folder / "sepsis.md", "# Template\n\nMeropenem 1 g.")
        adding.watch(folder)
        until(lambda: titles(store) == ["Template"])
        copy = written(folder / "stroke.md", first.read_text("utf-8"))
        until(lambda: len(adding.state().items) == 2)
        ended(adding)
        written(copy, "# Stroke\n\nAlteplase 50 mg, and no meropenem.")
        until(lambda: len(titles(store)) == 2)
        assert len(store.documents.search("meropenem")) == 2

    def test_what_went_before_it_was_read_is_taken_when_it_comes_back(self, store: Store, tmp_path: Path) -> None:
        adding = opened(store)
        adding.pause()
        file = written(tmp_path / "stick" / "a.md", "# Sepsis\n\nMeropenem 1 g.")
        adding.watch(file.parent)
        until(lambda: len(adding.state().items) == 1)
        file.parent.rename(tmp_path / "out")
        adding.go_on()
        assert [item.state for item in ended(adding)] == ["failed"]
        (tmp_path / "out").rename(file.parent)  # with its time and size as they were
        until(lambda: titles(store) == ["Sepsis"])
        adding.close()

    def test_a_store_that_is_busy_for_once_does_not_end_the_watching(
        self, store: Store, adding: Adding, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "watched").mkdir()
        adding.watch(tmp_path / "watched")
        honest, calls = store.watched.folders, []

        def busy() -> list[Folder]:
            calls.append(1)
            if len(calls) < 3:
                raise StoreBusy("It is busy.")
            return honest()

        monkeypatch.setattr(store.watched, "folders", busy)
        until(lambda: len(calls) > 3)
        written(tmp_path / "watched" / "a.md", "# Sepsis\n\nMeropenem 1 g.")
        until(lambda: titles(store) == ["Sepsis"])
