"""`library` and what follows it, without a screen. With `--json` the result is one JSON value on standard output.

How far it is goes to standard error, where that is a terminal.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from med42_chat.commands import evaluate, vectors
from med42_chat.commands.common import Command, opened_store
from med42_chat.errors import InputError, Med42Error
from med42_chat.library.documents import Reading, checked_ocr
from med42_chat.loading import open_embedder
from med42_chat.meaning import Meaning
from med42_chat.records import Find, Holding
from med42_chat.reference import Added, Library
from med42_chat.settings import Settings
from med42_chat.store.database import Store
from med42_chat.terminal import say, say_json

_WAIT_S = 60.0  # for an embedding model to be loaded: whoever types a command would rather wait than miss what it finds

OfStore = Callable[[Any, Store], int | None]
OfLibrary = Callable[[Any, Library], int | None]


def add_commands(command: Command) -> None:
    """Makes the subcommands of `library`."""

    def of_store(name: str, run: OfStore, text: str) -> argparse.ArgumentParser:
        def opened(options: Any, chosen: Settings) -> int | None:
            with opened_store(chosen) as store, closing(Meaning(store.documents, store.vectors, open_embedder(chosen), wait_s=_WAIT_S)):
                return run(options, store)

        return command(name, opened, text)

    def of_library(name: str, run: OfLibrary, text: str) -> argparse.ArgumentParser:
        return of_store(name, lambda options, store: run(options, Library(store.documents)), text)

    _adding_commands(of_library)
    _looking_commands(of_library)
    _folder_commands(of_store)
    evaluate.add_command(command)
    vectors.add_command(command)


def _adding_commands(command: Callable[[str, OfLibrary, str], argparse.ArgumentParser]) -> None:
    adding = command("add", add, "add files, or all documents in folders: PDF, DOCX, HTML, Markdown, text")
    adding.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    adding.add_argument("--collection", metavar="NAME", action="append", default=[], help="put them into this collection")
    adding.add_argument("--replaces", metavar="ID", default="", help="the document of which the one file is a newer version")
    again = command("read-again", read_again, "read the kept files of documents anew, as this version of the program does it")
    again.add_argument("id", nargs="+")
    for one in (adding, again):
        one.add_argument("--ocr", action="store_true", help="let Tesseract read pages that hold no text; it must be installed")
    command("remove", remove, "remove documents for good, from the search and from the disk").add_argument("id", nargs="+")


def _looking_commands(command: Callable[[str, OfLibrary, str], argparse.ArgumentParser]) -> None:
    listing = command("list", list_, "the documents")
    listing.add_argument("--collection", metavar="NAME", default="", help="only those in this collection")
    searching = command("search", search, "the passages that a question is about, the best first")
    searching.add_argument("question")
    searching.add_argument("--collection", metavar="NAME", action="append", default=[], help="only in this collection")
    searching.add_argument("--embedding", metavar="FILE", help="an embedding model, used where 'check-vectors' found that it helps")
    searching.add_argument("--limit", type=int, choices=range(1, 101), metavar="N", default=5, help="at most this many, 1 to 100")
    showing = command("show", show, "a document with its passages")
    showing.add_argument("id")
    showing.add_argument("--original", metavar="FILE", type=Path, help="write the file as it was added to this new file")


def _folder_commands(command: Callable[[str, Callable[[Any, Store], int | None], str], argparse.ArgumentParser]) -> None:
    collecting = command("collections", collections, "the collections with how many documents each holds; rename or remove one")
    change = collecting.add_mutually_exclusive_group()
    change.add_argument("--rename", nargs=2, metavar=("NAME", "NEW"), help="give it another name; where that one exists, they become one")
    change.add_argument("--remove", metavar="NAME", help="remove it; its documents stay in the library")
    watching = command(
        "watch", watch, "folders whose new and changed documents are added while the program runs; without FOLDER, which there are"
    )
    watching.add_argument("folder", nargs="?", type=Path, metavar="FOLDER")
    watching.add_argument("--collection", metavar="NAME", action="append", default=[], help="put its documents into this collection")
    watching.add_argument("--stop", action="store_true", help="look no more into it; what came from it stays")


def add(options: Any, library: Library) -> int:
    """A line for each file while they are read; 1 when one of them could not be."""
    reading = _reading(options)
    each: Iterator[Added]
    if options.replaces:
        if len(options.paths) > 1 or options.paths[0].is_dir():
            raise InputError("--replaces goes with one file.", "Add the others without it.")
        each = iter([library.add(options.paths[0], options.collection, options.replaces, reading)])
    else:
        each = library.add_all(options.paths, options.collection, reading)
    results = []
    for result in each:
        results.append(result)
        _say(options, result)
    if options.json:
        say_json([asdict(result) for result in results])
    return int(any(result.error for result in results))


def read_again(options: Any, library: Library) -> int:
    """A line for each document; 1 when one of them could not be read."""
    results = []
    for id in options.id:
        name = library.documents.get(id).name
        try:
            results.append(Added(name, library.read_again(id, _reading(options))))
        except Med42Error as error:
            results.append(Added(name, error=error.message, hint=error.hint))
        _say(options, results[-1])
    if options.json:
        say_json([asdict(result) for result in results])
    return int(any(result.error for result in results))


def _reading(options: Any) -> Reading:
    return Reading(checked_ocr(options.ocr), _say_page if sys.stderr.isatty() else Reading().on_page)


def _say_page(done: int, pages: int) -> None:
    print(f"\rpage {done} of {pages}", end="\r" if done == pages else "", file=sys.stderr, flush=True)


def _say(options: Any, result: Added) -> None:
    if options.json:
        return
    if result.holding is None:
        say(f"error: {result.error}" + (f" {result.hint}" if result.hint else ""), to=sys.stderr)
        return
    say(_line(result.holding))
    hint = f"If it is, add it again with '--replaces {result.older}'." if result.older else ""
    for note in (result.note, hint, *result.holding.notes):
        if note:
            say(f"{'':18}{note}")


def list_(options: Any, library: Library) -> None:
    """One line a document."""
    found = library.documents.all(options.collection)
    if options.json:
        say_json([asdict(holding) for holding in found])
    for holding in () if options.json else found:
        say(_line(holding))


def _line(holding: Holding) -> str:
    count, unit = (holding.pages, "page") if holding.pages else (holding.passages, "passage")
    size = f"{count:,} {unit}{'s' if count != 1 else ''}"
    version = holding.version and f"version {holding.version}"
    about = filter(None, [holding.publisher, version, holding.date, size, *(f"#{name}" for name in holding.collections)])
    return f"{holding.id}  {holding.title} ({', '.join(about)}){' · superseded' if holding.superseded_by else ''}"


def search(options: Any, library: Library) -> None:
    """Number, document, place and words of each passage."""
    found = library.search(options.question, options.limit, options.collection)
    if options.json:
        say_json([asdict(find) for find in found])
        return
    for number, find in enumerate(found, start=1):
        say(f"[{number}] {_place(find)}\n{find.passage.text}\n")
    if not found:
        print("Nothing in your library has the words of this question.")


def _place(find: Find) -> str:
    page = f"page {find.passage.page}" if find.passage.page is not None else ""
    return " · ".join(filter(None, [find.holding.title, page, " › ".join(find.passage.heading_path)]))


def show(options: Any, library: Library) -> None:
    """All that is known of a document; its passages as they are searched."""
    holding, passages = library.documents.get(options.id), library.documents.passages(options.id)
    if options.original:
        with options.original.open("xb") as file:
            file.write(library.documents.original(options.id))
    if options.json:
        say_json({**asdict(holding), "passages": [asdict(passage) for passage in passages]})
        return
    say(_line(holding))
    for passage in passages:
        page = f"page {passage.page}" if passage.page is not None else ""
        say(f"\n— {' · '.join(filter(None, [str(passage.number), page, ' › '.join(passage.heading_path)]))}\n{passage.text}")


def remove(options: Any, library: Library) -> None:
    """Each of them; what cannot be found ends it."""
    for id in options.id:
        title = library.documents.get(id).title
        library.documents.remove(id)
        if not options.json:
            say(f"Removed: {title}")
    if options.json:
        say_json({"removed": options.id})


def collections(options: Any, store: Store) -> None:
    """Name and number of documents, a line each."""
    if options.rename:
        store.rename_collection(*options.rename)
    if options.remove:
        store.remove_collection(options.remove)
    found = store.documents.collections()
    if options.json:
        say_json([{"name": name, "documents": count} for name, count in found])
    for name, count in () if options.json else found:
        say(f"{count:>6}  {name}")


def watch(options: Any, store: Store) -> None:
    """The folders, a line each, after the change."""
    folder = options.folder and options.folder.absolute()
    if options.stop and not folder:
        raise InputError("Which folder?", "'library watch FOLDER --stop' looks no more into that one.")
    if folder and options.stop:
        store.watched.unwatch(str(folder))
    elif folder:
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder.", "Name one that is there.")
        store.watched.watch(str(folder), options.collection)
    found = store.watched.folders()
    if options.json:
        say_json([asdict(one) for one in found])
    for one in () if options.json else found:
        say("  ".join([one.path, *(f"#{name}" for name in one.collections)]))
