"""The library: files become documents that can be searched. Where `library` (reading a file) and `store` (keeping it) meet."""

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from med42_chat.errors import InputError, NotFound, UnreadableFile
from med42_chat.library.documents import Reading, allowed, document_of, read_file
from med42_chat.records import Document, Find, Holding
from med42_chat.store.documents import Documents, is_older, same_publisher, same_title

_KINDS = frozenset((".pdf", ".docx", ".html", ".htm", ".xhtml", ".md", ".markdown", ".txt", ".text"))


@dataclass(frozen=True, slots=True)
class Added:
    """What came of a file. `error` and `hint` where nothing did; `note` says what else happened, in a sentence.

    `older` is the id of a document of which this one may be a newer version: only the person can tell.
    """

    name: str
    holding: Holding | None = None
    note: str = ""
    error: str = ""
    hint: str = ""
    older: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a new document stands among its versions: ids, and a sentence about it."""

    older: tuple[str, ...] = ()
    newer: str = ""
    unsure: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Library:
    """The documents that a person has added. Every method may be called from any thread."""

    documents: Documents

    def add(self, path: Path, collections: Sequence[str] = (), replaces: str = "", reading: Reading | None = None) -> Added:
        """Reads a file and keeps it with its text. Waits for it: some ten pages a second or faster.

        A file that is here already is not kept twice. One with the title and publisher of another is taken for a version of it: the
        newer of the two is searched from then on. `replaces` names the older one where that cannot be seen.
        Raises UnreadableFile; NotFound for what `replaces` names.
        """
        return self.take(read_file(path), path.name, collections, replaces, reading)

    def take(self, data: bytes, name: str, collections: Sequence[str] = (), replaces: str = "", reading: Reading | None = None) -> Added:
        """Like `add`, of a file's bytes."""
        here = self.documents.with_content(hashlib.sha256(allowed(data, name)).hexdigest())
        if here is not None:
            return self._here_already(name, here, collections, replaces)
        if replaces:
            self.documents.get(replaces)
        document = document_of(data, name, reading=reading)
        place = self._place(document, replaces)
        holding = self.documents.add(document, data, name, collections, place.older, place.newer)
        return Added(name, holding, place.note, older=place.unsure)

    def read_again(self, id: str, reading: Reading | None = None) -> Holding:
        """Reads a document's own file anew, as the program does it now. Raises NotFound, UnreadableFile; all stays as it was then."""
        holding = self.documents.get(id)
        return self.documents.replace(id, document_of(self.documents.original(id), holding.name, reading=reading))

    def add_all(self, paths: Sequence[Path], collections: Sequence[str] = (), reading: Reading | None = None) -> Iterator[Added]:
        """Adds files and what is in folders, one after the other; one that cannot be read is said, and the rest goes on."""
        for path in files_in(paths):
            try:
                yield self.add(path, collections, reading=reading)
            except UnreadableFile as error:
                yield Added(path.name, error=error.message, hint=error.hint)

    def search(self, question: str, limit: int = 10, collections: Sequence[str] = ()) -> list[Find]:
        """The passages that a question is about, the best first. Raises NotFound for a collection that does not exist."""
        known = {name for name, _ in self.documents.collections()} if collections else set()
        for name in collections:
            if name not in known:
                raise NotFound(f"There is no collection {name}.", f"There are: {', '.join(sorted(known)) or 'none yet'}.")
        return self.documents.search(question, limit, collections)

    def supersede(self, old: str, new: str) -> str:
        """From now on `new` is searched in the place of `old`; a sentence that says so. Raises NotFound, InputError."""
        self.documents.supersede(old, new)
        return _takes_the_place([self.documents.get(old)])

    def _here_already(self, name: str, here: Holding, collections: Sequence[str], replaces: str) -> Added:
        missing = [one for one in collections if one not in here.collections]
        if missing:
            here = self.documents.set_collections(here.id, [*here.collections, *missing])
        notes = [f"This file is in the library already, as ‘{here.title}’."]
        notes += [f"It now is in {', '.join(missing)}, too."] if missing else []
        if replaces and replaces != here.id:
            if here.superseded_by:
                here = self.documents.search_again(here.id)
            notes.append(self.supersede(replaces, here.id))
        elif here.superseded_by:
            notes.append("A newer version is searched in its place.")
        return Added(name, here, " ".join(notes))

    def _place(self, new: Document, replaces: str) -> _Place:
        if replaces:
            return _Place(older=(replaces,), note=_takes_the_place([self.documents.get(replaces)]))
        alike = [one for one in self.documents.all() if not one.superseded_by and same_title(one, new)]
        versions = [one for one in alike if same_publisher(one, new)]
        newer = next((one for one in versions if is_older(new, one)), None)
        if newer is not None:
            return _Place(newer=newer.id, note=f"A newer version is here already, {_named(newer)}: this one is kept and not searched.")
        if versions:
            return _Place(older=tuple(one.id for one in versions), note=_takes_the_place(versions))
        unsure = next((one for one in alike if same_publisher(one, new) is None and not is_older(new, one)), None)
        return _Place(unsure=unsure.id, note=f"It may be a newer version of {_named(unsure)}. Both are searched.") if unsure else _Place()


def _takes_the_place(older: Sequence[Holding]) -> str:
    names = ", ".join(map(_named, older))
    return f"It takes the place of {names}, which {'is' if len(older) == 1 else 'are'} kept and no longer searched."


def _named(holding: Holding) -> str:
    details = ", ".join(part for part in (holding.version and f"version {holding.version}", holding.date) if part)
    return f"‘{holding.title}’ ({details})" if details else f"‘{holding.title}’"


@dataclass(slots=True)
class Inside:
    """The files in a folder and in those inside it, by path: whose names end like a document's, and the others. Nothing hidden.

    `closed` are the folders that may not be looked into.
    """

    documents: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    closed: list[Path] = field(default_factory=list)


def inside(folder: Path, stop: threading.Event | None = None) -> Inside:
    """What is in a folder, and in no folder behind a link. Ends early when `stop` is set. Raises OSError where it cannot be looked into."""
    found = Inside()

    def refused(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise error
        found.closed.append(Path(error.filename))

    for place, folders, names in os.walk(folder, onerror=refused):
        if stop is not None and stop.is_set():
            break
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files = (Path(place, name) for name in names if not name.startswith("."))
        for path in filter(os.path.isfile, files):  # no pipe and no device, whatever its name
            (found.documents if path.suffix.lower() in _KINDS else found.others).append(path)
    found.documents.sort()
    return found


def documents_in(folder: Path, stop: threading.Event | None = None) -> Inside:
    """The same, where there is a document. Raises InputError where there is none."""
    found = inside(folder, stop)
    if not found.documents and not (stop and stop.is_set()):
        raise InputError(f"There is no document in {folder}.", "PDF, DOCX, HTML, Markdown and text files are looked for.")
    return found


def files_in(paths: Sequence[Path]) -> Iterator[Path]:
    """The files, and of folders their documents. Raises InputError for a folder without one."""
    for path in paths:
        yield from documents_in(path).documents if path.is_dir() else [path]
