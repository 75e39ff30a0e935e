"""Brings model files in from a stick or a folder: known by their content, whatever they are called.

A file is hashed, looked up in the catalogue, copied, and the copy is hashed again before it gets its name, since sticks fail too.
A file that no entry knows is taken under a name of its own with a warning, if it is a whole model file at all.
"""

import os
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from med42_chat.errors import WeightsError, WrongContent
from med42_chat.gguf import read_header
from med42_chat.weights.catalogue import Entry, is_split_part
from med42_chat.weights.place import (
    UNKNOWN,
    Finished,
    check_room,
    discard,
    disk_errors,
    hashed,
    known_checksum,
    put_in_place,
    remember,
    remembered,
    sweep,
    workplace,
)
from med42_chat.weights.progress import Progress

_PIECE = 4 << 20  # bytes copied at once
_MOST_OF_A_NAME = 150  # bytes of an unknown file's own name that are kept; systems take 255 in all
_UNKNOWN = "This file is not in the catalogue: what it is and where it comes from is not known. Use it only if you trust its giver."


@dataclass(frozen=True, slots=True)
class Imported:
    """One model that is in place now. `entry` is None for a file that the catalogue does not know."""

    entry: Entry | None
    files: tuple[Path, ...]
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Recognised:
    """The entry whose files are copied from now on."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that was read again and found right. `entry` is None where nobody knows it; `sentence` says what it was compared with."""

    entry: Entry | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Identified:
    """What was found: whole models by their files in order, models of which parts are missing, and files that nobody knows."""

    whole: Mapping[str, tuple[Path, ...]]  # by the entry's id
    partial: Mapping[str, int]  # how many parts of an entry are there
    unknown: tuple[Path, ...]
    hashes: Mapping[Path, str] = field(repr=False)


def bring(source: Path, entries: Sequence[Entry], folder: Path, used: Path | None = None) -> Iterator[Progress | Recognised | Imported]:
    """Imports `source`, a file or a folder of files; says how it goes, each entry that it finds, and each model that is in place.

    `used` is the model in use. Raises WeightsError's kinds, and ModelFileError for a file that is no whole model; what was said to be
    in place stays there.
    """
    sweep(folder)
    with disk_errors(source):
        refuse_used(source, folder, used)
        candidates = _candidates(source)
    found = yield from identify(candidates, entries)
    known = {entry.id: entry for entry in entries}
    for id, files in found.whole.items():
        yield from _bring_known(known[id], files, folder)
    for file in found.unknown:
        yield from _bring_unknown(file, found.hashes[file], folder, entries)
    if found.partial:
        raise _incomplete(known, found.partial)


def refuse_used(source: Path, folder: Path, used: Path | None) -> None:
    """Raises WeightsError where importing `source` might give the model in use, which lies in `folder`, another name."""
    if used is None or not used.exists() or not source.exists() or not _lies_in(used, folder):
        return
    if source.samefile(used) or source.samefile(folder):
        raise WeightsError(f"{used.name} is in use, and keeps its name.", "Use another model first, or import other files one by one.")


def _candidates(source: Path) -> list[Path]:
    """The files to look at: the one that was named, or everything in a folder that may be a model or a piece of one."""
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise WeightsError(f"There is nothing at {source}.", "Check the path; for a stick, that it is plugged in.")
    # Hidden ones are no models: macOS leaves a '._NAME' beside every file on a stick.
    named = (path for path in source.iterdir() if ".gguf" in path.name.lower() and not path.name.startswith("."))
    files = sorted(path for path in named if path.is_file())
    if not files:
        raise WeightsError(f"The folder {source} holds no model files.", "Their names end in .gguf, or .gguf.part1of2 for pieces.")
    return files


def identify(files: Sequence[Path], entries: Sequence[Entry]) -> Generator[Progress, None, Identified]:
    """Hashes `files` and looks them up. Names play no part. Where several entries have the same content, the first is meant."""
    hashes: dict[Path, str] = {}
    for path in files:
        hashes[path] = yield from _hashed(path)
    by_hash = {digest: path for path, digest in reversed(hashes.items())}
    whole: dict[str, tuple[Path, ...]] = {}
    partial: dict[str, int] = {}
    used: set[str] = set()
    for entry in entries:
        wanted = [part.sha256 for part in entry.parts]
        here = [digest for digest in wanted if digest in by_hash and digest not in used]
        if entry.hashed and len(here) == len(wanted):
            whole[entry.id] = tuple(by_hash[digest] for digest in wanted)
            used |= set(wanted)
        elif here:
            partial[entry.id] = len(here)
            used |= set(here)
    unknown = tuple(path for digest, path in by_hash.items() if digest not in used)
    return Identified(whole, partial, unknown, hashes)


def _hashed(path: Path) -> Generator[Progress, None, str]:
    size = _size(path)
    with _reading(path), path.open("rb") as file:
        digest = yield from hashed(file, 0, size, lambda at: Progress("checking", at, size, note=path.name))
    return digest


def _size(path: Path) -> int:
    with _reading(path):
        return path.stat().st_size


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Errors of the stick, which are not the models folder's."""
    try:
        yield
    except OSError as error:
        hint = "If it lies on a stick, plug that in again; then import it once more."
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.", hint) from error


def _incomplete(known: Mapping[str, Entry], partial: Mapping[str, int]) -> WeightsError:
    id, count = next(iter(partial.items()))
    return WeightsError(
        f"{count} of the {len(known[id].parts)} parts of {known[id].title} are here, and the others are missing.",
        "Put all parts into one folder and import the folder.",
    )


def _bring_known(entry: Entry, files: Sequence[Path], folder: Path) -> Iterator[Progress | Recognised | Imported]:
    yield Recognised(entry)
    finals = tuple(folder / name for name in entry.file_names)
    pairs = [(file, part.sha256) for file, part in zip(files, entry.parts, strict=True)]
    groups = [pairs] if entry.joined else [[pair] for pair in pairs]
    with disk_errors(folder):
        there = yield from _there(groups, finals)
    if not there:
        yield from _placed(groups, finals, entry.id)
    yield Imported(entry, finals)


def _there(groups: Sequence[Sequence[tuple[Path, str]]], finals: Sequence[Path]) -> Generator[Progress, None, bool]:
    """Whether `finals` hold just what the groups would make of them. That they have their names does not tell."""
    for group, final in zip(groups, finals, strict=True):
        if len(group) == 1:
            if known_checksum(final) != group[0][1]:
                return False
        elif not final.exists() or not (yield from _made_of(group, final)):
            return False
    return True


def _made_of(group: Sequence[tuple[Path, str]], final: Path) -> Generator[Progress, None, bool]:
    """Whether a file is the pieces of `group` behind each other."""
    size, at = final.stat().st_size, 0
    with final.open("rb") as file:
        for path, digest in group:
            end = at + _size(path)
            if (yield from hashed(file, at, end, lambda place: Progress("checking", place, size))) != digest:
                return False
            at = end
    return at == size


def _bring_unknown(file: Path, digest: str, folder: Path, entries: Sequence[Entry]) -> Iterator[Progress | Imported]:
    """Takes an unknown model file. Its name gets a piece of its checksum, so that it can never stand for a model of the catalogue."""
    if is_split_part(file.name):
        raise WeightsError(
            f"{file.name} is one part of a split model that the catalogue does not know.",
            "Add an entry for it to your own catalogue, with the names and checksums of all its parts, and import the folder again.",
        )
    read_header(file)
    known = {name for entry in entries for name in entry.file_names}
    keeps_its_name = _lies_in(file, folder) and file.name not in known
    final = file if keeps_its_name else folder / f"{_plain(file.name.removesuffix('.gguf'))}.{digest[:8]}.gguf"
    if file == final or not final.exists():
        try:
            yield from _placed([[(file, digest)]], [final], f"{UNKNOWN}{digest[:16]}")
        finally:
            discard(folder, f"{UNKNOWN}{digest[:16]}")  # half a copy that nobody would ask for again
    yield Imported(None, (final,), _UNKNOWN)


def _plain(name: str) -> str:
    """The name in characters that every system, page and terminal can write; what a stick calls a file may be no text at all."""
    text = re.sub(r"[^\w.()+ -]+", "_", name).strip(" .")
    return text.encode()[:_MOST_OF_A_NAME].decode(errors="ignore") or "model"


def _lies_in(file: Path, folder: Path) -> bool:
    return file.parent.resolve() == folder.resolve()


def _placed(groups: Sequence[Sequence[tuple[Path, str]]], finals: Sequence[Path], id: str) -> Iterator[Progress]:
    """Makes each of `finals` out of one group of sources with their checksums. Files of the same folder are not copied."""
    folder, finished = finals[0].parent, []
    if all(len(group) == 1 and _lies_in(group[0][0], folder) for group in groups):
        pairs = [(*group[0], final) for group, final in zip(groups, finals, strict=True)]
        with disk_errors(folder):
            put_in_place(folder, [Finished(path, final, digest) for path, digest, final in pairs])
        return
    with workplace(folder, id) as place:
        check_room(folder, sum(_size(path) for group in groups for path, _ in group))
        for group, final in zip(groups, finals, strict=True):
            digest = yield from _copied(group, place / final.name)
            finished.append(Finished(place / final.name, final, digest))
        put_in_place(folder, finished)


def _copied(sources: Sequence[tuple[Path, str]], target: Path) -> Generator[Progress, None, str]:
    """Copies the sources behind each other, reads the copy back, and gives its checksum. Raises WrongContent where it differs."""
    total = sum(_size(path) for path, _ in sources)
    with target.open("w+b") as copy:
        for path, digest in sources:
            start = copy.tell()
            yield from _appended(path, copy, total)
            copied = yield from hashed(copy, start, copy.tell(), lambda at: Progress("checking", at, total))
            if copied != digest:
                raise WrongContent(f"The copy of {path.name} differs from it.", "The stick or the disk is failing: try another one.")
        if len(sources) > 1:
            copied = yield from hashed(copy, 0, total, lambda at: Progress("checking", at, total))
    return copied


def _appended(path: Path, copy: BinaryIO, total: int) -> Iterator[Progress]:
    for data in _pieces(path):
        copy.write(data)
        yield Progress("copying", copy.tell(), total)
    copy.flush()
    os.fsync(copy.fileno())


def _pieces(path: Path) -> Iterator[bytes]:
    with _reading(path), path.open("rb") as file:
        while data := file.read(_PIECE):
            yield data


def check(file: Path, entries: Sequence[Entry]) -> Generator[Progress, None, Checked]:
    """Reads a file of the models folder again, and compares it with the catalogue, or else with what it was before.

    Raises WrongContent for a file that is not what its name says or has changed since, and ModelFileError for one that is no
    whole model.
    """
    found = yield from identify([file], entries)
    digest = found.hashes[file]
    named = next((entry for entry in entries if file.name in entry.file_names), None)
    meant = next((entry for entry in entries if digest in {part.sha256 for part in entry.parts}), None)
    wanted = checksum(file, named)
    if wanted and digest != wanted:
        what = f"it is {meant.title}" if meant is not None else "its content has another checksum"
        again = f"Remove it, and fetch {named.id} again." if named is not None else "Remove it, and import it again."
        raise WrongContent(f"{file.name} is not what it should be: {what}.", again)
    if named is None or file.name == named.file_names[0]:  # later parts of a split file have no header worth reading
        read_header(file)
    with suppress(OSError):  # a folder that cannot be written to: it is read again the next time
        remember(file.parent, {file.name: digest})
    return Checked(meant or named, _compared(meant, named, wanted))


def _compared(meant: Entry | None, named: Entry | None, wanted: str) -> str:
    if meant is not None:
        return f"{'' if named else f'This is {meant.title}. '}The checksum is the catalogue's."
    if wanted:
        return "The checksum is the one that the file had before."
    return "The file is whole. There was no checksum to compare it with; from now on there is."


def checksum(file: Path, named: Entry | None) -> str:
    """The checksum that a file of the models folder must have: by the catalogue, or else the one it had before."""
    if named is not None and not named.joined and named.hashed:
        return named.parts[named.file_names.index(file.name)].sha256
    return remembered(file.parent).get(file.name, "")
