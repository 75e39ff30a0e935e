"""The models folder: unfinished files apart from finished ones, one worker at a time, room on the disk, and new names in one step."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from med42_chat.errors import DiskFull, DownloadFailed, WeightsError
from med42_chat.weights.catalogue import Entry
from med42_chat.weights.progress import Progress

UNFINISHED = ".unfinished"
UNKNOWN = "_unknown-"  # begins the id under which a file is copied that no entry knows; no entry's id can begin so
CHECKSUMS = ".checksums.json"
CHECKSUMS_LOCK = f"{CHECKSUMS}.lock"
SPARE = 200_000_000  # bytes that the disk keeps free beside a new file
_PIECE = 4 << 20  # bytes read at once for a checksum
_REPORT_EVERY = 64 << 20
_PATIENCE_S = 10.0  # how long another program may take to write a few checksums down


@dataclass(frozen=True, slots=True)
class Finished:
    """A file that is whole and verified, before it gets its name."""

    unfinished: Path
    final: Path
    sha256: str


def installed(entry: Entry, folder: Path) -> bool:
    """Whether all files of the entry are in place."""
    return all((folder / name).exists() for name in entry.file_names)


@contextmanager
def workplace(folder: Path, id: str) -> Iterator[Path]:
    """Where the unfinished files of `id` lie, for one process at a time; removed when all went well. Errors of the disk become ours.

    The operating system takes the lock back when its holder dies.
    """
    place = folder / UNFINISHED / id
    with disk_errors(folder):
        place.mkdir(parents=True, exist_ok=True)
        # Beside the folder and not in it: a folder that holds an open file cannot be removed on Windows.
        lock = FileLock(place.with_name(f"{id}.lock"), timeout=0.2, thread_local=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise DownloadFailed(f"Another Med42 Chat is bringing {id} here already.", "Wait for it, or stop it there.") from error
        try:
            yield place
            shutil.rmtree(place, ignore_errors=True)
        finally:
            lock.release()


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turns errors of the disk into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"The disk of {folder} is full.", "Make room and try again: it goes on where it stopped.") from error
        if error.errno == errno.EFBIG:  # FAT32, as many sticks have it
            raise WeightsError(
                f"The file system of {folder} takes no file of more than 4 GB.", "Format the stick as exFAT, or choose another folder."
            ) from error
        raise WeightsError(
            f"The folder {folder} cannot be used: {error.strerror or error}.", "Check that it exists, and its permissions."
        ) from error


def discard(folder: Path, id: str) -> int:
    """Removes what has come of something that was not finished; gives the bytes that are free again."""
    if not (folder / UNFINISHED / id).is_dir():
        return 0
    with workplace(folder, id) as place:
        return sum(file.stat().st_size for file in place.iterdir() if file.is_file())


def sweep(folder: Path) -> None:
    """Removes half copies of unknown files, which a crash left and nobody can go on with. One that is being copied stays."""
    for place in (folder / UNFINISHED).glob(f"{UNKNOWN}*/"):
        with suppress(DownloadFailed):
            discard(folder, place.name)


def check_room(folder: Path, missing: int) -> None:
    """Raises DiskFull where `missing` more bytes would fill the disk."""
    free = shutil.disk_usage(folder).free
    if missing + SPARE > free:
        raise DiskFull(
            f"{missing / 1e9:.1f} GB and {SPARE / 1e9:.1f} to spare are needed: the disk of {folder} has {free / 1e9:.1f} GB free.",
            "Make room, or set MED42_MODELS to a folder on another disk.",
        )


def hashed(file: BinaryIO, start: int, end: int, report: Callable[[int], Progress]) -> Generator[Progress, None, str]:
    """The SHA-256 of a stretch of `file`, with a report of the place now and then."""
    digest = hashlib.sha256()
    file.seek(start)
    reported = start
    while (at := file.tell()) < end and (data := file.read(min(_PIECE, end - at))):
        digest.update(data)
        if at - reported >= _REPORT_EVERY:
            reported = at
            yield report(at)
    return digest.hexdigest()


def put_in_place(folder: Path, files: Sequence[Finished]) -> None:
    """Gives finished files of `folder` their names. The first comes last: with it the parts of a split file count as a model."""
    for file in reversed(files):
        file.unfinished.replace(file.final)
        _sync_folder(folder)
    remember(folder, {file.final.name: file.sha256 for file in files})


def remembered(folder: Path) -> dict[str, str]:
    """The checksums that the files of `folder` had when they got their names."""
    return {name: str(note["sha256"]) for name, note in _notes(folder).items()}


def known_checksum(file: Path) -> str:
    """The checksum that `file` had when it got its name; empty where nobody knows it, or the file was changed or replaced since."""
    note = _notes(file.parent).get(file.name)
    return str(note["sha256"]) if note and file.exists() and note == _note(file, str(note["sha256"])) else ""


def _notes(folder: Path) -> dict[str, dict[str, object]]:
    """A lost or damaged memory is an empty one."""
    try:
        found = json.loads((folder / CHECKSUMS).read_bytes())
    except (OSError, ValueError):
        return {}
    notes = found.items() if isinstance(found, dict) else ()
    return {name: note for name, note in notes if isinstance(note, dict) and isinstance(note.get("sha256"), str)}


def _note(file: Path, sha256: str) -> dict[str, object]:
    """What is kept of a file. Size and time tell whether it is still the one that was hashed."""
    state = file.stat()
    return {"sha256": sha256, "bytes": state.st_size, "changed_ns": state.st_mtime_ns}


def forget(folder: Path, names: Sequence[str]) -> None:
    """Removes files of `folder`, the first one first, so that what is left never counts as a model."""
    with disk_errors(folder):
        for name in names:
            (folder / name).unlink(missing_ok=True)
        remember(folder, {}, without=names)


def remember(folder: Path, more: Mapping[str, str], without: Sequence[str] = ()) -> None:
    """Keeps the checksums of files that lie in `folder`, by name."""
    # One at a time: of two that write down what they have read before, the second would undo the first.
    with FileLock(folder / CHECKSUMS_LOCK, timeout=_PATIENCE_S, thread_local=False):
        notes = {**_notes(folder), **{name: _note(folder / name, digest) for name, digest in more.items()}}
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".", suffix=".tmp", delete=False) as file:
            json.dump({name: note for name, note in notes.items() if name not in without}, file, indent=1)
        Path(file.name).replace(folder / CHECKSUMS)


def _sync_folder(folder: Path) -> None:
    """Makes a new name last through a power cut. Windows does that by itself, and cannot open folders."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
