"""The library: files become documents that can be searched. Where `library` (reading a file) and `store` (keeping it) meet."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from med42_chat.errors import InputError, NotFound, UnreadableFile
from med42_chat.library.documents import document_of, read_file
from med42_chat.records import Find, Holding
from med42_chat.store.documents import Documents, is_older, same_work

_KINDS = frozenset((".pdf", ".docx", ".html", ".htm", ".xhtml", ".md", ".markdown", ".txt", ".text"))


@dataclass(frozen=True, slots=True)
class Added:
    """What came of a file. `error` and `hint` where nothing did; `note` says what else happened, in a sentence."""

    name: str
    holding: Holding | None = None
    note: str = ""
    error: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Library:
    """The documents that a person has added. Every method may be called from any thread."""

    documents: Documents

    def add(self, path: Path, collections: Sequence[str] = (), replaces: str = "") -> Added:
        """Reads a file and keeps it with its text. Waits for it: some ten pages a second or faster.

        A file that is here already is not kept twice. One with the title of another, and no different publisher, is taken for a version
        of it: the newer of the two is searched from then on. `replaces` names the older one where the titles differ.
        Raises UnreadableFile; NotFound for what `replaces` names.
        """
        if replaces:
            self.documents.get(replaces)
        data = read_file(path)
        here = self.documents.with_content(hashlib.sha256(data).hexdigest())
        if here is not None:
            return self._here_already(path.name, here, collections)
        document = document_of(data, path.name)
        holding = self.documents.add(document, data, path.name, collections)
        note = self._put_in_order(holding, replaces)
        return Added(path.name, self.documents.get(holding.id), note)

    def add_all(self, paths: Sequence[Path], collections: Sequence[str] = ()) -> Iterator[Added]:
        """Adds files and what is in folders, one after the other; one that cannot be read is said, and the rest goes on."""
        for path in _files(paths):
            try:
                yield self.add(path, collections)
            except UnreadableFile as error:
                yield Added(path.name, error=error.message, hint=error.hint)

    def search(self, question: str, limit: int = 10, collections: Sequence[str] = ()) -> list[Find]:
        """The passages that a question is about, the best first. Raises NotFound for a collection that does not exist."""
        known = {name for name, _ in self.documents.collections()} if collections else set()
        for name in collections:
            if name not in known:
                raise NotFound(f"There is no collection {name}.", f"There are: {', '.join(sorted(known)) or 'none yet'}.")
        return self.documents.search(question, limit, collections)

    def _here_already(self, name: str, here: Holding, collections: Sequence[str]) -> Added:
        missing = [one for one in collections if one not in here.collections]
        if missing:
            here = self.documents.set_collections(here.id, [*here.collections, *missing])
        also = f" It now is in {', '.join(missing)}, too." if missing else ""
        return Added(name, here, f"This file is in the library already, as ‘{here.title}’.{also}")

    def _put_in_order(self, new: Holding, replaces: str) -> str:
        """Which version is searched from now on; a sentence about it, if there are two."""
        if replaces:
            self.documents.supersede(replaces, new.id)
            return f"It takes the place of {_named(self.documents.get(replaces))}, which is kept and no longer searched."
        others = [one for one in self.documents.all() if one.id != new.id and not one.superseded_by and same_work(one, new)]
        older = [one for one in others if not is_older(new, one)]
        newer = next((one for one in others if is_older(new, one)), None)
        if newer is not None:
            self.documents.supersede(new.id, newer.id)
            return f"A newer version is here already, {_named(newer)}: this one is kept and not searched."
        for one in older:
            self.documents.supersede(one.id, new.id)
        names = ", ".join(map(_named, older))
        return f"It takes the place of {names}, which {'is' if len(older) == 1 else 'are'} kept and no longer searched." if older else ""


def _named(holding: Holding) -> str:
    details = ", ".join(part for part in (holding.version and f"version {holding.version}", holding.date) if part)
    return f"‘{holding.title}’ ({details})" if details else f"‘{holding.title}’"


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files, and of folders those whose names end like a document's, by name; nothing hidden, no folder behind a link."""
    for path in paths:
        if path.is_dir():
            inside = (one for one in sorted(path.rglob("*")) if one.suffix.lower() in _KINDS and one.is_file())
            found = [one for one in inside if not any(part.startswith(".") for part in one.relative_to(path).parts)]
            if not found:
                raise InputError(f"There is no document in {path}.", "PDF, DOCX, HTML, Markdown and text files are looked for.")
            yield from found
        else:
            yield path
