"""Checked copies of the database: written by SQLite itself from one moment, readable by the same key."""

import os
from pathlib import Path

from med42_chat.errors import DiskFull, StoreCorrupt, StoreError
from med42_chat.store.connection import connect, plain_errors


def snapshot(path: Path, key: bytes, target: Path) -> None:
    """Copies the database at `path` into the new file `target`, for its owner only, and checks the copy. Writers go on meanwhile.

    A plain copy of the file would lack what is still in the write-ahead log.
    """
    part = target.with_name(target.name + ".part")
    try:
        make_private_folder(target.parent)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _vacuum_into(path, key, part)
        check_file(part, key)
        flush(part)
        part.replace(target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        remove_with_logs(part)


def _vacuum_into(path: Path, key: bytes, target: Path) -> None:
    connection = connect(path, key)
    try:
        with plain_errors():
            connection.execute("vacuum into ?", (str(target),))
    finally:
        connection.close()


def check_file(path: Path, key: bytes) -> None:
    """Reads the whole database file. Raises StoreKeyError or StoreCorrupt when it is not whole."""
    connection = connect(path, key)
    try:
        with plain_errors():
            verdict = connection.execute("pragma quick_check(1)").fetchone()[0]
            connection.execute("pragma journal_mode=delete").fetchall()  # leaves one file, no logs beside it
    finally:
        connection.close()
    if verdict != "ok":
        raise StoreCorrupt(f"The copy {path.name} is damaged.", "Check the disk, then try again.")


def keep_newest(folder: Path, pattern: str, count: int) -> None:
    """Removes all but the newest `count` files; their names begin with the time."""
    for old in sorted(folder.glob(pattern))[:-count]:
        remove_with_logs(old)


def make_private_folder(folder: Path) -> None:
    """Makes the folder for its owner only. One that exists is left as it is: it may be someone's Documents."""
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def remove_with_logs(path: Path) -> None:
    """Removes a database file and the logs beside it. A log left behind would be replayed into the next file of that name."""
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Returns when the file's content is on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def cannot_write(target: Path, error: OSError) -> StoreError:
    """What to tell the person when a file could not be written."""
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"There is no room to write {target}.", "Free some space, or choose another place.")
    return StoreError(f"{target} cannot be written ({error.strerror}).", "Check the folder, and that your account may write in it.")
