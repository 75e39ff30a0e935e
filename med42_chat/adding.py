"""Files on their way into the library: one after the other, while the page is used. What waits is in the store and outlives a restart."""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from med42_chat.errors import InputError, Med42Error, NotFound, ScannedFile, StoreError, places
from med42_chat.library.documents import Reading, allowed, can_ocr, checked_ocr
from med42_chat.library.read import plain_name
from med42_chat.reference import Inside, Library, documents_in, files_in, inside
from med42_chat.settings import ASSETS
from med42_chat.store.waiting import Entry, Outcome, State, Waiting
from med42_chat.store.watched import Folder, Mark, Watched

_log = logging.getLogger(__name__)
EXAMPLES = "Examples"  # the collection of the sample library
_SPEED_S = 10.0  # over which pages a second are averaged
_MOST_FILES = 5_000  # of one folder: somebody has named his whole disk
_KINDS_NAMED = 4  # of the files in a folder that are not read
_LOOK_EVERY_S = 4.0  # into the watched folders


@dataclass(frozen=True, slots=True)
class Item:
    """A file on its way into the library. `pages` is None until it is known, and for files that have none.

    `message` and `hint` say what came of it where there is something to say. `older` is the id of a document that this one seems to be a
    newer version of, where only the person can tell: see `Adding.settle`. `scan`: it holds pictures only, and Tesseract, which is
    installed, could be tried: see `Adding.recognise`.
    """

    id: str
    name: str
    state: State
    pages_done: int = 0
    pages: int | None = None
    message: str = ""
    hint: str = ""
    document_id: str = ""
    older: str = ""
    scan: bool = False


@dataclass(frozen=True, slots=True)
class Queue:
    """All that was added and not dismissed, in the order in which it came. `pages_per_s` is 0 while nothing is read.

    `paused` by the person, or because the store would not take more: then `trouble` says why.
    """

    items: tuple[Item, ...] = ()
    pages_per_s: float = 0.0
    paused: bool = False
    trouble: str = ""

    @property
    def running(self) -> bool:
        """Whether something is being read, or will be without anybody doing anything."""
        return not self.paused and any(item.state in ("waiting", "reading") for item in self.items)


@dataclass(slots=True)
class _Underway:
    """What is being read now. `then` is what becomes of it when it is stopped."""

    entry: Entry
    stop: threading.Event = field(default_factory=threading.Event)
    then: Literal["stopped", "waiting"] = "stopped"
    done: int = 0
    pages: int | None = None
    seen: deque[tuple[float, int]] = field(default_factory=deque)  # when so many pages had been read

    def speed(self) -> float:
        """Pages a second, over the last seconds."""
        if len(self.seen) < 2:
            return 0.0
        (since, before), (now, done) = self.seen[0], self.seen[-1]
        return (done - before) / (now - since) if now > since else 0.0


class Adding:
    """The queue. Every method may be called from any thread, and none waits for a file."""

    def __init__(self, library: Library, waiting: Waiting, watched: Watched, look_every_s: float = _LOOK_EVERY_S) -> None:
        self._library, self._waiting, self._watched = library, waiting, watched
        self._look_every_s = look_every_s
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None
        self._watcher: threading.Thread | None = None
        self._underway: _Underway | None = None
        self._changes = 0
        self._paused = False
        self._trouble = ""
        self._closed = threading.Event()
        waiting.recover()
        library.documents.when_removed(self._removed)
        self._work_on()
        self._keep_watch()

    # What the page is told

    def state(self) -> Queue:
        """How it stands now."""
        with self._lock:  # between the store and what is under way nothing may change hands
            now, entries = self._underway, self._waiting.all()
            items = tuple(_item(entry, now) for entry in entries)
            return Queue(items, now.speed() if now else 0.0, self._paused, self._trouble)

    def rests(self) -> bool:
        """Whether nothing is read now, and nobody has paused that: other work on the library may go on."""
        with self._lock:
            return self._worker is None and not self._paused

    def changed(self) -> int:
        """Grows with each visible change."""
        return self._changes

    # What the person wants

    def add(self, paths: Sequence[Path], collections: Sequence[str] = (), ocr: bool = False) -> None:
        """Puts files and folders of this computer at the end. `ocr`: pages without text are read by Tesseract, which must be installed.

        Raises InputError for no full path, and for text recognition where there is none.
        """
        checked_ocr(ocr)
        for path in paths:
            if not path.is_absolute() or not _can_be_kept(path):
                raise InputError(f"{str(path)!a} is not the full path of a file or folder.", "It begins at the disk's root.")
        self._waiting.add_paths([(path.name or str(path), str(path)) for path in paths], collections, ocr)
        self._work_on()

    def take(self, name: str, data: bytes, collections: Sequence[str] = (), ocr: bool = False) -> str:
        """Puts a file that was dropped on the page at the end. Returns the id. Raises UnreadableFile for one that is too large."""
        checked_ocr(ocr)
        # What the store would cut off a long name is its ending, which helps to tell what the file is.
        id = self._waiting.add_content(plain_name(name), allowed(data, name), collections, ocr)
        self._work_on()
        return id

    def read_again(self, document: str, ocr: bool = False) -> str:
        """Puts a document of the library at the end: its file is read anew. Returns the id. Raises NotFound."""
        checked_ocr(ocr)
        id = self._waiting.add_document(document, self._library.documents.get(document).name, ocr)
        self._work_on()
        return id

    def samples(self) -> None:
        """Puts the sample library that comes with the program at the end."""
        self.add(list(files_in([ASSETS / "library"])), [EXAMPLES])

    def recognise(self, id: str) -> None:
        """Tries a scan again, with text recognition. Nothing happens where that is over already."""
        checked_ocr(True)
        entry = self._waiting.get(id)
        if entry and entry.scan:
            self._waiting.put_back(id, ocr=True)
        self._work_on()

    def settle(self, id: str, supersedes: bool) -> None:
        """The person's answer to whether an item is a newer version of its `older`. Raises NotFound when one of them is gone."""
        entry = self._waiting.get(id)
        if entry and entry.older:
            self._waiting.decided(id, self._library.supersede(entry.older, entry.document) if supersedes else "")
        self._change()

    def pause(self) -> None:
        """Reads no more until `go_on`. A file that is half read waits again, and is read from its beginning then."""
        with self._lock:
            self._paused = True
            self._stop("waiting")
        self._change()

    def go_on(self) -> None:
        """Reads what waits, and what the store refused to take."""
        with self._lock:
            self._paused, self._trouble = False, ""
            if self._underway is None:
                self._waiting.put_back_all()
        self._work_on()

    def cancel(self, id: str = "") -> None:
        """Stops this one, or all that waits and is being read. What has been added stays."""
        with self._lock:
            self._stop("stopped", id)
            self._waiting.stop(id)
        self._change()

    def dismiss(self, id: str = "") -> None:
        """Takes what has ended off the list: this one, or all."""
        self._waiting.dismiss(id)
        self._change()

    def _removed(self, document: str) -> None:
        self._waiting.removed(document)
        self._change()

    # Watched folders

    def watch(self, folder: Path, collections: Sequence[str] = ()) -> None:
        """From now on adds the documents in this folder, and those that come or are changed. Raises InputError where it is no folder."""
        if not folder.is_absolute() or not _can_be_kept(folder) or not folder.is_dir():
            raise InputError(f"{str(folder)!a} is not the full path of a folder.", "It begins at the disk's root.")
        self._watched.watch(str(folder), collections)
        self._keep_watch()
        self._change()

    def unwatch(self, folder: Path) -> None:
        """Looks no more into this folder. The library keeps what came from it."""
        self._watched.unwatch(str(folder))
        self._change()

    def watched(self) -> list[Folder]:
        """The folders, by path."""
        return self._watched.folders()

    def close(self) -> None:
        """Ends within a second. What waits, and what is half read, is there at the next start."""
        self._closed.set()
        with self._lock:
            self._stop("waiting")
            threads = [thread for thread in (self._worker, self._watcher) if thread]
        for thread in threads:
            thread.join()

    # Reading

    def _stop(self, then: Literal["stopped", "waiting"], id: str = "") -> None:
        """With the lock held."""
        if self._underway and id in ("", self._underway.entry.id):
            self._underway.then = then
            self._underway.stop.set()

    def _change(self) -> None:
        with self._lock:
            self._changes += 1

    def _work_on(self) -> None:
        """There may be something to do."""
        with self._lock:
            self._changes += 1
            if self._worker is None and not self._idle():
                self._worker = threading.Thread(target=self._work, name="adding", daemon=True)
                self._worker.start()

    def _idle(self) -> bool:
        return self._paused or self._closed.is_set() or not self._waiting.any()

    def _work(self) -> None:
        while underway := self._next():
            try:
                outcome = self._read(underway)
                with self._lock:
                    self._end(underway, outcome)
            except StoreError as error:  # the disk is full, say: each of the others would meet the same
                with self._lock:
                    self._paused, self._trouble, self._underway = True, f"{error.message} {error.hint}".strip(), None
            self._change()

    def _next(self) -> _Underway | None:
        """What is to be read now, begun. With None this thread has ended, and whoever adds something starts another."""
        with self._lock:
            try:
                entry = None if self._idle() else self._waiting.begin()
            except StoreError as error:
                entry, self._paused, self._trouble = None, True, error.message
            self._underway = _Underway(entry) if entry else None
            self._worker = self._worker if entry else None
            self._changes += 1
            return self._underway

    def _end(self, underway: _Underway, outcome: Outcome) -> None:
        """With the lock held, so that nobody sees the item without its outcome and without its progress."""
        if underway.then == "waiting" and outcome.state == "stopped":
            self._waiting.put_back(underway.entry.id)
        else:
            self._waiting.end(underway.entry.id, outcome)
        self._underway = None

    def _read(self, underway: _Underway) -> Outcome:
        entry = underway.entry
        try:
            if entry.kind == "path" and Path(entry.path).is_dir():
                return self._unfold(underway)
            return self._added(underway)
        except StoreError:
            raise
        except Med42Error as error:
            if underway.stop.is_set():
                return Outcome("stopped", pages=underway.pages)
            if entry.kind == "path" and not Path(entry.path).exists():  # the stick was taken out: when it comes back, it is new again
                self._watched.unsee(entry.path)
            return Outcome("failed", error.message, error.hint, underway.pages, scan=isinstance(error, ScannedFile) and can_ocr())
        except OSError:  # a folder that may not be looked into
            return Outcome("failed", f"‘{entry.name}’ cannot be opened.", "May your account read it?")
        except Exception as error:  # noqa: BLE001
            # The edge: with this thread the whole queue would end, and go on looking as if it were at work.
            _log.error("reading a file ended in a fault of the program: %s", places(error))
            return Outcome(
                "failed", f"‘{entry.name}’ could not be read, by a fault of the program.", "Save it in another form, and add that."
            )

    def _unfold(self, underway: _Underway) -> Outcome:
        """Puts a folder's documents at the end, in its place."""
        entry = underway.entry
        looked = documents_in(Path(entry.path), underway.stop)
        if underway.stop.is_set():
            return Outcome("stopped")
        found = [path for path in looked.documents if _can_be_kept(path)]
        taken = found[:_MOST_FILES]
        self._waiting.add_paths([(path.name, str(path)) for path in taken], entry.collections, entry.ocr)
        left = f" Of {len(found):,}, that is as many as are taken at once." if len(found) > len(taken) else ""
        message = f"{len(taken):,} {'documents were' if len(taken) != 1 else 'document was'} found in this folder.{left}"
        return Outcome("done", f"{message}{_left_out(looked)}")

    def _added(self, underway: _Underway) -> Outcome:
        entry = underway.entry
        reading = Reading(entry.ocr, lambda done, pages: self._progress(underway, done, pages), underway.stop)
        if entry.kind == "document":
            holding = self._library.read_again(entry.document, reading)
            return Outcome("done", pages=holding.pages, document=holding.id)
        if entry.kind == "content":
            added = self._library.take(self._waiting.content(entry.id), entry.name, entry.collections, reading=reading)
        else:
            added = self._library.add(Path(entry.path), entry.collections, self._replaced(entry.path), reading)
        assert added.holding is not None  # what could not be read was raised
        self._watched.became(entry.path, added.holding.id)
        return Outcome("done", added.note, pages=added.holding.pages, document=added.holding.id, older=added.older)

    def _replaced(self, path: str) -> str:
        """The document that a watched folder's file was before it was changed; empty where another took that one's place already.

        Empty, too, where another file there still is that document: this one was a copy of it, and has become something else.
        """
        before = self._watched.document_at(path)
        if any(Path(other).exists() for other in self._watched.paths_of(before) if other != path):
            return ""
        try:
            return before if before and not self._library.documents.get(before).superseded_by else ""
        except NotFound:  # it is being removed
            return ""

    def _progress(self, underway: _Underway, done: int, pages: int) -> None:
        with self._lock:
            underway.done, underway.pages = done, pages
            underway.seen.append((time.monotonic(), done))
            while underway.seen[-1][0] - underway.seen[0][0] > _SPEED_S:
                underway.seen.popleft()
            self._changes += 1

    # Watching

    def _keep_watch(self) -> None:
        with self._lock:
            if self._watcher is None and not self._closed.is_set() and self._watched.folders():
                self._watcher = threading.Thread(target=self._watch, name="watching", daemon=True)
                self._watcher.start()

    def _watch(self) -> None:
        before: dict[str, dict[str, Mark]] = {}
        while not self._closed.wait(self._look_every_s):
            with contextlib.suppress(StoreError):  # it is busy, or the disk is full: the next look tries again
                folders = self._watched.folders()
                now = {folder.path: _marks(Path(folder.path), self._closed) for folder in folders}
                for folder in () if self._closed.is_set() else folders:
                    self._look(folder, before.get(folder.path, {}), now[folder.path])
                before = now

    def _look(self, folder: Folder, before: dict[str, Mark], now: dict[str, Mark]) -> None:
        """Takes what is new or changed, and has been as it is for two looks: a file that is still being copied is left alone."""
        seen = self._watched.seen(folder.path)
        settled = [(path, mark) for path, mark in now.items() if before.get(path) == mark and seen.get(path) != mark]
        if settled:
            with self._watched.at_once():  # a crash must not come between the two
                self._watched.see(folder.path, settled)
                self._waiting.add_paths([(Path(path).name, path) for path, _ in settled], folder.collections)
            self._work_on()


def _item(entry: Entry, now: _Underway | None) -> Item:
    done, pages = entry.pages or 0, entry.pages
    state: State = entry.state
    if now and now.entry.id == entry.id:
        done, pages, state = now.done, now.pages, "reading"
    elif state == "reading":  # it was, until the store refused
        state = "waiting"
    return Item(entry.id, entry.name, state, done, pages, entry.message, entry.hint, entry.document, entry.older, entry.scan and can_ocr())


def _left_out(looked: Inside) -> str:
    """What of a folder is not read, in sentences: who believes that all of it is searched would trust a silence."""
    said = ""
    if looked.others:
        kinds = sorted({path.suffix.lower() for path in looked.others} - {""})
        named = f" ({', '.join(kinds[:_KINDS_NAMED])}{' …' if len(kinds) > _KINDS_NAMED else ''})" if kinds else ""
        said += f" Not read there: {len(looked.others):,} {'files' if len(looked.others) != 1 else 'file'} of another kind{named}."
    if looked.closed:
        said += f" May not be looked into: {', '.join(f'‘{path.name}’' for path in looked.closed[:_KINDS_NAMED])}."
    return said


def _marks(folder: Path, stop: threading.Event) -> dict[str, Mark]:
    """The folder's documents as they are now; none where it is not there, as a stick that was taken out."""
    found: dict[str, Mark] = {}
    with contextlib.suppress(OSError):
        for path in filter(_can_be_kept, inside(folder, stop).documents):
            with contextlib.suppress(OSError):  # it went while it was looked at: the next look will tell
                status = path.stat()
                found[str(path)] = (status.st_mtime_ns, status.st_size)
    return found


def _can_be_kept(path: Path) -> bool:
    """Whether the path is whole characters: some systems allow others, and the store does not. No system allows a null."""
    return "\0" not in str(path) and str(path).encode("utf-8", "replace").decode() == str(path)
