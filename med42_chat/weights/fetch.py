"""Fetches the files of a catalogue's entry: resumable after anything, verified, and under their final names only when right.

What has come lies in `.unfinished/ID/` inside the models folder; its length says where to go on, after a crash too. Pieces
of one file (`.part1of2`) are written straight behind each other, so that joining takes neither time nor a second copy's room.
When a file is whole, every piece is read back from the disk and compared with its SHA-256, the header is checked, and only then
does the file get its name, in one step.

`fetch` is a generator: it works while it is asked for progress, which it gives for every few bytes, and closing it stops it. Nothing here
starts by itself.
"""

import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import psutil

from med42_chat.errors import ConnectionLost, ModelFileError, WrongContent
from med42_chat.gguf import read_header
from med42_chat.weights.catalogue import Entry, Part
from med42_chat.weights.hub import Body, Busy, Hub, Remote
from med42_chat.weights.place import Finished, check_room, hashed, installed, put_in_place, workplace
from med42_chat.weights.progress import Progress

_TRIES, _TRIES_TO_ASK = 6, 3  # without a single new byte in between
_LONGEST_PAUSE_S = 30.0
_SYNC_EVERY = 64 << 20  # bytes after which what has come is brought to the disk for certain
_LEEWAY, _WIDE_LEEWAY = 0.02, 0.15  # by which a rounded size may differ: with a hash, and without


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of the repository, and where it begins in the file that it belongs to."""

    part: Part
    remote: Remote
    start: int

    @property
    def end(self) -> int:
        return self.start + self.remote.size_bytes

    @property
    def sha256(self) -> str:
        """The catalogue's word, or else the server's."""
        return self.part.sha256 or self.remote.sha256


@dataclass(frozen=True, slots=True)
class Target:
    """One file to be: the pieces it is made of, where it grows, and its name at the end."""

    pieces: tuple[Piece, ...]
    unfinished: Path
    final: Path

    @property
    def size_bytes(self) -> int:
        return self.pieces[-1].end

    def length(self) -> int:
        """Bytes that are here already; a file that is longer than it may be counts as nothing."""
        try:
            length = self.unfinished.stat().st_size
        except FileNotFoundError:
            return 0
        return length if length <= self.size_bytes else 0

    def take_back(self) -> None:
        """Takes a part of a split file that has its name already back among the unfinished, where it is read again like the others.

        A crash may have fallen between two names, but somebody may just as well have put it there.
        """
        if self.final.exists() and not self.unfinished.exists():
            self.final.replace(self.unfinished)

    def cut_back(self) -> None:
        """After the computer was started anew: keeps what was on the disk for certain.

        A power cut can leave a file with its length but without its last bytes; at the end all of it would be found wrong.
        """
        if self.unfinished.exists() and self.unfinished.stat().st_mtime < psutil.boot_time():
            os.truncate(self.unfinished, self.length() // _SYNC_EVERY * _SYNC_EVERY)


def fetch(entry: Entry, folder: Path, hub: Hub, sleep: Callable[[float], object] = time.sleep) -> Iterator[Progress]:
    """Fetches what is missing of `entry` into `folder`. Raises WeightsError's kinds and DiskFull; what came is kept for the next time."""
    if installed(entry, folder):
        yield Progress("done", entry.size_bytes, entry.size_bytes)
        return
    yield Progress("asking", 0, entry.size_bytes)
    with workplace(folder, entry.id) as place:
        if not installed(entry, folder):  # another process may have finished it just before it gave the place free
            remotes = yield from _looked_up(entry, hub, sleep)
            targets = _targets(entry, folder, place, remotes)
            for target in targets:
                target.take_back()
                target.cut_back()
            check_room(folder, sum(target.size_bytes - target.length() for target in targets))
            finished = yield from _Fetching(entry, targets, hub, sleep).run()
            put_in_place(folder, finished)
    total = sum((folder / name).stat().st_size for name in entry.file_names)
    yield Progress("done", total, total)


def _looked_up(entry: Entry, hub: Hub, sleep: Callable[[float], object]) -> Generator[Progress, None, list[Remote]]:
    """Asks the hub about every part, some times where that fails, and compares its answers with the catalogue."""
    remotes: list[Remote] = []
    tries = 0
    while len(remotes) < len(entry.parts):
        part = entry.parts[len(remotes)]
        try:
            remotes.append(_agreed(part, hub.look_up(entry, part)))
        except ConnectionLost as error:
            tries += 1
            if tries >= _TRIES_TO_ASK:
                raise
            pause = _pause(error, tries)
            yield Progress("waiting", 0, entry.size_bytes, note=_patience(error, pause))
            sleep(pause)
    return remotes


def _targets(entry: Entry, folder: Path, place: Path, remotes: Sequence[Remote]) -> tuple[Target, ...]:
    """Lays out the files to be."""
    if not entry.joined:
        triples = zip(entry.file_names, entry.parts, remotes, strict=True)
        targets = (Target((Piece(part, remote, 0),), place / name, folder / name) for name, part, remote in triples)
        return tuple(targets)
    pieces, start = [], 0
    for part, remote in zip(entry.parts, remotes, strict=True):
        pieces.append(Piece(part, remote, start))
        start = pieces[-1].end
    name = entry.file_names[0]
    return (Target(tuple(pieces), place / name, folder / name),)


def _agreed(part: Part, remote: Remote) -> Remote:
    """What the server says, where it agrees with the catalogue."""
    leeway = 0 if part.exact else part.size_bytes * (_LEEWAY if part.sha256 else _WIDE_LEEWAY)
    wrong_size = abs(remote.size_bytes - part.size_bytes) > leeway
    if wrong_size or (part.sha256 and remote.sha256 and part.sha256 != remote.sha256):
        raise WrongContent(
            f"The server's {part.name} is another file than the catalogue's ({remote.size_bytes:,} bytes there, "
            f"{part.size_bytes:,} here{', and another checksum' if not wrong_size else ''}).",
            "Nothing was fetched. The repository was changed, or a page of the network stands in for the file: choose another file.",
        )
    if not part.sha256 and not remote.sha256:
        raise WrongContent(
            f"Neither the catalogue nor the server has a checksum for {part.name}, so it cannot be verified.",
            "Fetch it by other means and import it, if you trust where it comes from.",
        )
    return remote


class _Fetching:
    """One run over all files of an entry."""

    def __init__(self, entry: Entry, targets: Sequence[Target], hub: Hub, sleep: Callable[[float], object]) -> None:
        self._entry = entry
        self._targets = targets
        self._hub = hub
        self._sleep = sleep
        self._total = sum(target.size_bytes for target in targets)
        self._before = 0  # bytes of the files that are finished

    def run(self) -> Generator[Progress, None, list[Finished]]:
        """Every file until it is whole and right."""
        finished = []
        for target in self._targets:
            for piece in target.pieces:
                yield from self._piece(target, piece)
            sha256 = yield from self._check(target)
            finished.append(Finished(target.unfinished, target.final, sha256))
            self._before += target.size_bytes
        return finished

    def _piece(self, target: Target, piece: Piece) -> Iterator[Progress]:
        """Goes on until the piece is here, trying again after whatever may pass."""
        tries = 0
        while (length := target.length()) < piece.end:
            try:
                yield from self._attempt(target, piece, length)
            except ConnectionLost as error:
                tries = 0 if target.length() > length else tries + 1
                if tries >= _TRIES:
                    raise
                pause = _pause(error, tries)
                yield Progress("waiting", self._before + target.length(), self._total, note=_patience(error, pause))
                self._sleep(pause)

    def _attempt(self, target: Target, piece: Piece, length: int) -> Iterator[Progress]:
        with (
            self._hub.open(self._entry, piece.part, piece.remote, length - piece.start) as body,
            target.unfinished.open("r+b" if target.unfinished.exists() else "w+b") as file,
        ):
            if body.total not in (None, piece.remote.size_bytes):
                raise ConnectionLost(f"The server gives {piece.part.name} another size than before.", "Try again later.")
            # A server that cannot go on in the middle sends all of it again, and what is here is overwritten.
            file.truncate(file.seek(piece.start + body.start))
            yield from self._write(file, piece, body)

    def _write(self, file: BinaryIO, piece: Piece, body: Body) -> Iterator[Progress]:
        at = file.tell()
        for data in body.pieces:
            if at == 0:
                _check_start(data, piece.part.name)
            if at + len(data) > piece.end:
                raise ConnectionLost(f"The server sent more of {piece.part.name} than there is.", "Try again.")
            file.write(data)
            file.flush()  # whoever ends this process loses nothing of what it has told
            at += len(data)
            if at // _SYNC_EVERY > (at - len(data)) // _SYNC_EVERY:
                os.fsync(file.fileno())
            yield Progress("fetching", self._before + at, self._total)
        if at < piece.end:
            raise ConnectionLost(f"The connection ended before all of {piece.part.name} was here.", "Try again.")

    def _check(self, target: Target) -> Generator[Progress, None, str]:
        """Reads the file back; gives its checksum. One that is wrong is cut off at the first wrong piece, where the next attempt begins."""
        with target.unfinished.open("r+b") as file:
            os.fsync(file.fileno())
            for piece in target.pieces:
                found = yield from hashed(file, piece.start, piece.end, self._checking)
                if found != piece.sha256:
                    file.truncate(piece.start)
                    raise WrongContent(
                        f"What came for {piece.part.name} is not the right file: its checksum is wrong. It was thrown away.",
                        "Try again; if it happens again, something on the way changes files, such as a proxy.",
                    )
            if len(target.pieces) > 1:  # the pieces have their checksums, the file that they make has another
                found = yield from hashed(file, 0, target.size_bytes, self._checking)
        _check_header(target)
        return found

    def _checking(self, at: int) -> Progress:
        return Progress("checking", self._before + at, self._total)


def _pause(error: ConnectionLost, tries: int) -> float:
    return error.wait_s if isinstance(error, Busy) else min(2.0**tries, _LONGEST_PAUSE_S)


def _patience(error: ConnectionLost, pause: float) -> str:
    return f"{error.message} Next try in {pause:.0f} s."


def _check_start(data: bytes, name: str) -> None:
    """Looks at a file's first bytes, so that a web page is noticed before its checksum is."""
    if not b"GGUF".startswith(data[:4]):
        raise WrongContent(
            f"What the server sends for {name} is no model file.", "It may be a page of the network in its place: sign in, and try again."
        )


def _check_header(target: Target) -> None:
    """Of a split file only the first part has a header that says anything; the others were compared by checksum."""
    if "-of-" in target.final.name and "-00001-of-" not in target.final.name:
        return
    try:
        read_header(target.unfinished)
    except ModelFileError as error:
        target.unfinished.unlink()
        raise WrongContent(error.message, "The file on the server is damaged: choose another one.") from error
