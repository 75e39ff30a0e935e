"""What a model's context holds of conversations, kept in encrypted files between two starts. Knows nothing of models.

A file's name tells nobody whose it is, and neither it nor its content can be read without the key. Nothing here is needed: what is
missing, damaged, or was made in another way is removed and read anew by the model. A full disk or a slow one costs nobody an answer:
files are written by a thread of their own and read back by another, and what cannot be written is not kept.
"""

import array
import hmac
import os
import shutil
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

import psutil

from med42_chat.private import PART, make_private_folder, new_private_file, put_in_place
from med42_chat.runtime.fetching import Fetch, Fetched, Fetching
from med42_chat.runtime.protocol import Shelf
from med42_chat.runtime.sealing import Damaged, derived, opened, seal

Part = TypeVar("Part")

_KIND = ".kv"
_MOST_WAITING = 512 << 20  # bytes that wait to be written beside what is being written: each is a copy in memory
_SHARE_OF_DISK = 10  # at most one part in so many of what is free
_SYNC_EVERY = 32 << 20  # bytes; all at the end would make a slow disk look like one that stands still
_LOOK_EVERY_S = 0.2  # whether what is being waited for has been written


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """A conversation's cache on its way to the disk. `used` is when it was last used, in seconds since the epoch."""

    tokens: Sequence[int]
    state: bytearray
    used: float


class Archive:
    """The files of one shelf for a model that was loaded in one way, which `made_with` tells. For one thread, but for `drop`."""

    def __init__(self, shelf: Shelf, made_with: str) -> None:
        self._names = _Names(shelf)
        self._key = derived(bytes.fromhex(shelf.key), b"content")
        self._limit = shelf.limit
        self._made_with = made_with.encode()
        self._changed = threading.Condition()  # guards what follows
        self._waiting: dict[str, _Kept] = {}  # by conversation, the first to be written first
        self._written = 0  # bytes, ever
        self._is_writing = False
        self._fetching = Fetching(self._fetched)

    def tokens(self, conversation: str) -> Sequence[int]:
        """What is kept of a conversation; nothing where nothing is, or not for this model."""
        with self._changed:
            if kept := self._waiting.get(conversation):
                return kept.tokens
        return self._read(conversation, lambda file: self._head(conversation, file)[0]) or ()

    def fetch(self, conversation: str) -> Fetch:
        """Begins to read back what is kept of a conversation. What is not whole is removed, and does not come."""
        with self._changed:
            kept = self._waiting.get(conversation)
        if kept is None:
            return self._fetching.begin(conversation)
        fetch = Fetch(conversation)
        fetch.come((kept.tokens, kept.state))
        return fetch

    def wants(self, size: int) -> bool:
        """Whether a cache of so many bytes can be kept now."""
        with self._changed:
            waiting = sum(len(kept.state) for kept in self._waiting.values())
        return size <= self._limit and (not waiting or waiting + size <= _MOST_WAITING) and psutil.virtual_memory().available > 2 * size

    def keep(self, conversation: str, tokens: Sequence[int], state: bytearray, age_s: float) -> None:
        """Writes it as soon as that can be, in the place of what was kept of the conversation. It was last used `age_s` ago."""
        with self._changed:
            self._waiting[conversation] = _Kept(tokens, state, time.time() - age_s)
            self._changed.notify_all()
            if not self._is_writing:
                self._is_writing = True
                threading.Thread(target=self._write_all, name="archive", daemon=True).start()

    def drop(self, conversation: str) -> None:
        """Removes what is kept of it, also what is being written."""
        with self._changed:
            self._waiting.pop(conversation, None)
            with suppress(OSError):
                self._names.path(conversation).unlink(missing_ok=True)
            self._changed.notify_all()

    def wait(self, until: float, still: Callable[[], None] = lambda: None) -> bool:
        """Until all is written, or until then (`time.monotonic`): whether it is. Calls `still` now and then while there is progress."""
        with self._changed:
            while self._waiting and (left := until - time.monotonic()) > 0:
                before = self._written
                self._changed.wait(min(left, _LOOK_EVERY_S))
                if self._written != before:
                    still()
            return not self._waiting

    # Reading

    def _read(self, conversation: str, part: Callable[[BinaryIO], Part]) -> Part | None:
        path = self._names.path(conversation)
        try:
            with path.open("rb") as file:
                return part(file)
        except FileNotFoundError:
            return None
        except (OSError, Damaged):
            self.drop(conversation)
            return None

    def _fetched(self, fetch: Fetch) -> Fetched | None:
        try:
            return self._read(fetch.conversation, partial(self._body, fetch))
        except MemoryError:  # without an end of this kind its conversation would wait for ever
            return None

    def _head(self, conversation: str, file: BinaryIO) -> tuple[Sequence[int], int, Iterator[bytes]]:
        """Its tokens, the size of its state, and the pieces of that."""
        pieces = opened(file, self._key, self._names.label(conversation))
        made_with, tokens, size = _unpacked(next(pieces, b""))
        if made_with != self._made_with:
            raise Damaged("it was made in another way")
        return tokens, size, pieces

    def _body(self, fetch: Fetch, file: BinaryIO) -> Fetched | None:
        """None where nobody waits for it any more, or there is no memory to spare."""
        tokens, size, pieces = self._head(fetch.conversation, file)
        if psutil.virtual_memory().available < 2 * size:
            return None
        state = bytearray()  # which grows: to fill hundreds of megabytes with zeros first would hold all other threads up
        for piece in pieces:
            if fetch.over:
                return None
            state += piece
            fetch.progress = len(state) / size
        if len(state) != size:
            raise Damaged("its parts are not the whole")
        with suppress(OSError):
            os.utime(file.name)  # it was used now, unless it was removed meanwhile
        return tokens, state

    # Writing, on a thread that ends when all is written: while it waited, it would hold the last state, which may be half a gigabyte

    def _write_all(self) -> None:
        while (following := self._next()) is not None:
            conversation, kept = following
            path = self._names.path(conversation)
            part = path.with_name(path.name + PART)
            try:
                if self._has_room(len(kept.state), kept.used, path) and self._write(part, conversation, kept):
                    self._put(part, path, conversation, kept)
            except OSError:  # a full disk, or a folder that may not be written: the model reads it anew
                pass
            with suppress(OSError):
                part.unlink(missing_ok=True)
            with self._changed:
                if self._waiting.get(conversation) is kept:
                    del self._waiting[conversation]
                self._changed.notify_all()

    def _next(self) -> tuple[str, _Kept] | None:
        with self._changed:
            self._is_writing = bool(self._waiting)
            return next(iter(self._waiting.items()), None)

    def _has_room(self, size: int, used: float, path: Path) -> bool:
        """Makes room, if need be by removing files that were last used before this one."""
        make_private_folder(path.parent)
        files = sorted(((file.stat().st_mtime, file.stat().st_size, file) for file in files_of(path.parent) if file != path), reverse=True)
        held = sum(size for _, size, _ in files)
        most = min(self._limit, (shutil.disk_usage(path.parent).free + held) // _SHARE_OF_DISK)
        while files and held + size > most and files[-1][0] < used:
            _, freed, oldest = files.pop()
            oldest.unlink(missing_ok=True)
            held -= freed
        return held + size <= most

    def _write(self, part: Path, conversation: str, kept: _Kept) -> bool:
        """Whether it was written to the end: it may be forgotten, or followed by a newer one."""
        new_private_file(part)
        head, before = _packed(self._made_with, kept.tokens, len(kept.state)), 0
        with part.open("r+b") as file:
            for done in seal(file, self._key, self._names.label(conversation), head, memoryview(kept.state)):
                with self._changed:
                    self._written += done - before
                    if self._waiting.get(conversation) is not kept:
                        return False
                before = done
                if done and not done % _SYNC_EVERY:
                    file.flush()
                    os.fsync(file.fileno())
            file.flush()
            os.fsync(file.fileno())
        os.utime(part, (kept.used, kept.used))
        return True

    def _put(self, part: Path, path: Path, conversation: str, kept: _Kept) -> None:
        with self._changed:  # so that nobody can forget it between the look and the step
            if self._waiting.get(conversation) is kept:
                put_in_place(part, path)


class _Names:
    """Which file is a conversation's. Without the key nobody can tell, nor whether two shelves hold the same one."""

    def __init__(self, shelf: Shelf) -> None:
        self._folder = Path(shelf.folder)
        self._key = derived(bytes.fromhex(shelf.key), b"names")

    def path(self, conversation: str) -> Path:
        return self._folder / (hmac.digest(self._key, conversation.encode(), "sha256").hex()[:40] + _KIND)

    def label(self, conversation: str) -> bytes:
        """What its content is bound to."""
        return self.path(conversation).name.encode()


def remove(shelf: Shelf, conversation: str) -> None:
    """Removes what is kept of a conversation. What a running `Archive` is about to write, its own `forget` stops."""
    with suppress(OSError):
        _Names(shelf).path(conversation).unlink(missing_ok=True)


def tidy(shelf: Shelf, conversations: Iterable[str]) -> None:
    """Leaves files of these conversations alone: neither those of others, nor what a program left that was killed while it wrote."""
    names = _Names(shelf)
    known = {names.path(conversation).name for conversation in conversations}
    for file in _everything(Path(shelf.folder)):
        if file.name not in known:
            with suppress(OSError):
                file.unlink()


def clear(folder: Path) -> None:
    """Removes all that was kept in a shelf's folder."""
    for file in _everything(folder):
        with suppress(OSError):
            file.unlink()


def held(folder: Path) -> tuple[int, int]:
    """How many conversations are kept in a shelf's folder, and in how many bytes."""
    sizes = [file.stat().st_size for file in files_of(folder)]
    return len(sizes), sum(sizes)


def files_of(folder: Path) -> list[Path]:
    """The files of a shelf, without what is not finished."""
    return [file for file in _everything(folder) if file.suffix == _KIND]


def _everything(folder: Path) -> list[Path]:
    return [file for file in folder.glob(f"*{_KIND}*") if file.suffix == _KIND or file.name.endswith(_KIND + PART)]


def _packed(made_with: bytes, tokens: Sequence[int], size: int) -> bytes:
    ids = array.array("i", tokens)
    if sys.byteorder == "big":
        ids.byteswap()
    return struct.pack("<IQ", len(made_with), size) + made_with + ids.tobytes()


def _unpacked(head: bytes) -> tuple[bytes, Sequence[int], int]:
    """What it was made with, its tokens, and the size of its state. It is what `_packed` wrote, or the seal would not have opened."""
    length, size = struct.unpack_from("<IQ", head)
    start = struct.calcsize("<IQ")
    ids = array.array("i", head[start + length :])
    if sys.byteorder == "big":
        ids.byteswap()
    return head[start : start + length], ids, size
