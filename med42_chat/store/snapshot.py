"""Checked copies of the database: written by SQLite itself from one moment, readable by the same key."""

from contextlib import suppress
from pathlib import Path

from med42_chat.errors import StoreCorrupt
from med42_chat.private import cannot_write, make_private_folder, new_private_file, put_in_place
from med42_chat.store.connection import connect, plain_errors


def snapshot(path: Path, key: bytes, target: Path) -> None:
    """Copies the database at `path` into the new file `target`, for its owner only, and checks the copy. Writers go on meanwhile.

    A plain copy of the file would lack what is still in the write-ahead log.
    """
    part = target.with_name(target.name + ".part")
    try:
        make_private_folder(target.parent)
        remove_with_logs(part)
        new_private_file(part)
        _vacuum_into(path, key, part)
        check_file(part, key)
        put_in_place(part, target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        remove_with_logs(part)


def check_file(path: Path, key: bytes) -> None:
    """Reads a whole database file that nobody has open. Raises StoreKeyError or StoreCorrupt when it is not whole."""
    connection = connect(path, key)
    try:
        with plain_errors():
            verdict = connection.execute("pragma quick_check(1)").fetchone()[0]
            connection.execute("pragma journal_mode=delete").fetchall()  # one file, no logs beside it
    finally:
        connection.close()
    if verdict != "ok":
        raise StoreCorrupt(f"The database file {path.name} is damaged.", "Check the disk, then try again or take an older backup.")


def keep_newest(folder: Path, pattern: str, count: int) -> None:
    """Removes all but the newest `count` files; their names begin with the time."""
    for old in sorted(folder.glob(pattern))[:-count]:
        remove_with_logs(old)


def remove_with_logs(path: Path) -> None:
    """Removes a database file that is not needed and the logs beside it. Failing to tidy up must not hide why it was not needed."""
    for end in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            path.with_name(path.name + end).unlink()


def _vacuum_into(path: Path, key: bytes, target: Path) -> None:
    connection = connect(path, key)
    try:
        with plain_errors():
            connection.execute("vacuum into ?", (str(target),))
    finally:
        connection.close()
