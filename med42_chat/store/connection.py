"""How the program talks to its one encrypted SQLite file: one writer, a few readers, and errors in plain words.

The only file that knows SQLCipher's connection settings. It knows no table.
"""

import queue
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from med42_chat.errors import DiskFull, StoreBusy, StoreCorrupt, StoreError, StoreKeyError

if TYPE_CHECKING:
    from sqlite_utils import Database

DATABASE = "med42.db"  # in the data folder
RESTORING = f"{DATABASE}.restoring"  # what is about to take its place
KEY_BYTES = 32

Parameters = Sequence[Any] | Mapping[str, Any]

_PRAGMAS = (
    "journal_mode=wal",
    "synchronous=full",  # NORMAL lost acknowledged commits in every simulated power cut
    "fullfsync=on",  # macOS: a plain fsync leaves the data in the drive's cache
    "checkpoint_fullfsync=on",
    "foreign_keys=on",
    "secure_delete=on",
    "temp_store=memory",  # no unencrypted scratch files
    "cache_size=-32000",
    "journal_size_limit=67108864",
    "trusted_schema=off",
)


class Row(Protocol):
    """One row of a result: columns by name."""

    def __getitem__(self, column: str, /) -> Any: ...


def engine() -> Any:
    """SQLCipher's DB-API module. Imported late: naming the store must stay cheap.

    sqlite-utils takes whatever is called pysqlite3 as its SQLite; without the alias it would not recognise SQLCipher's exceptions.
    """
    import sqlcipher3
    import sqlcipher3.dbapi2

    sys.modules.setdefault("pysqlite3", sqlcipher3)
    sys.modules.setdefault("pysqlite3.dbapi2", sqlcipher3.dbapi2)
    return sqlcipher3.dbapi2


def _explained(error: Any) -> StoreError:
    """The store error for an SQLite error. SQLite's own text stays in the cause: it may quote what was being written."""
    name = getattr(error, "sqlite_errorname", "")
    match "_".join(name.split("_")[:2]):
        case "SQLITE_FULL":
            return DiskFull("There is no room left on the disk to save this.", "Free some space on the disk, then try again.")
        case "SQLITE_BUSY" | "SQLITE_LOCKED":
            return StoreBusy(
                "The database is locked by another program.",
                "Close other programs that use the data folder (backup, sync), then try again.",
            )
        case "SQLITE_NOTADB":
            return StoreKeyError(
                "The key does not open this database, or the file is not a Med42 Chat database.",
                "Put the matching key or passphrase in place, or restore a backup.",
            )
        case "SQLITE_CORRUPT":
            return StoreCorrupt("The database is damaged.", "Restore the newest backup; the folder 'backups' beside the database has some.")
        case "SQLITE_READONLY" | "SQLITE_CANTOPEN" | "SQLITE_PERM":
            return StoreError(
                "The data folder cannot be written to.", "Check that the folder exists and that your account may write in it."
            )
        case "SQLITE_IOERR":
            return StoreError("The disk could not be read or written.", "Check that the disk is connected, healthy and not full.")
    return StoreError(f"The database refused ({name or type(error).__name__}).", "Restart the program; if it stays, run its check.")


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turns every SQLite error that leaves the block into one of ours, cause kept."""
    database_error = engine().Error
    try:
        yield
    except database_error as error:
        raise _explained(error) from error


def connect(path: Path, key: bytes, *, read_only: bool = False, busy_timeout_s: float = 10.0) -> Any:
    """A keyed connection whose rows are read by column name. Raises StoreKeyError when the key (32 bytes) does not fit."""
    if len(key) != KEY_BYTES:
        raise StoreKeyError("The key has the wrong length.", "Put the matching key or passphrase in place.")
    sqlite = engine()
    with plain_errors():
        connection = sqlite.connect(str(path), isolation_level=None, check_same_thread=False, timeout=busy_timeout_s)
        try:
            _configure(connection, key, read_only)
        except sqlite.Error:
            connection.close()
            raise
    connection.row_factory = sqlite.Row
    return connection


def _configure(connection: Any, key: bytes, read_only: bool) -> None:
    # A wrong key would otherwise print lines of its own on standard error.
    connection.execute("pragma cipher_log_level=none").fetchall()
    # A raw key: a passphrase here would cost half a second of key derivation for every connection.
    connection.execute(f"pragma key=\"x'{key.hex()}'\"").fetchall()
    for pragma in (*_PRAGMAS, *(["query_only=on"] if read_only else [])):
        connection.execute(f"pragma {pragma}").fetchall()
    connection.execute("select count(*) from sqlite_master").fetchone()


def writer(path: Path, key: bytes, busy_timeout_s: float = 10.0) -> "Database":
    """A connection as sqlite-utils' Database, which migrations are written for."""
    connection = connect(path, key, busy_timeout_s=busy_timeout_s)
    from sqlite_utils import Database

    return Database(connection, execute_plugins=False)


class Connections:
    """One writer behind a lock and a pool of readers on the same file. Every method may be called from any thread.

    A single writer that begins IMMEDIATE never meets SQLite's 'locked' half-way through a transaction, and results
    are handed out as lists: a half-read cursor would hold the write-ahead log and keep deleted text in it.
    """

    def __init__(self, path: Path, key: bytes, readers: int, busy_timeout_s: float = 10.0) -> None:
        self._lock = threading.RLock()
        self._size = readers
        self._log_not_empty = False
        self._busy_timeout_s = busy_timeout_s
        self._writer = writer(path, key, busy_timeout_s)
        self._readers: queue.LifoQueue[Any] = queue.LifoQueue()
        for _ in range(readers):
            self._readers.put(connect(path, key, read_only=True, busy_timeout_s=busy_timeout_s))

    @contextmanager
    def write(self) -> Iterator["Database"]:
        """One transaction on the writer: durable when the block ends, undone when it raises. Nested blocks join the outer one."""
        with self._lock, plain_errors():
            if self._writer.conn.in_transaction:
                yield self._writer
                return
            self._writer.conn.execute("begin immediate")
            try:
                yield self._writer
                self._writer.conn.commit()
            except BaseException:
                self._writer.conn.rollback()
                raise
            if self._log_not_empty:
                self._checkpoint(wait_ms=0)

    @contextmanager
    def alone(self) -> Iterator["Database"]:
        """The writer outside any transaction, for commands that manage their own."""
        with self._lock, plain_errors():
            yield self._writer

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of a query, from a reader of the pool."""
        reader = self._borrow()
        try:
            with plain_errors():
                found: list[Row] = reader.execute(sql, parameters).fetchall()
                return found
        finally:
            self._readers.put(reader)

    def row(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """The first row of a query, or None."""
        return next(iter(self.rows(sql, parameters)), None)

    def empty_log(self, wait_ms: int = 500) -> bool:
        """Moves the write-ahead log into the file and cuts it to nothing, so that deleted text is not left in it.

        False when a reader stood in the way for `wait_ms`: it is then tried again after every later write, and at the end.
        """
        with self._lock, plain_errors():
            return self._checkpoint(wait_ms)

    def close(self) -> None:
        """Waits for the readers at work, empties the log and closes everything. Closing twice does nothing."""
        while self._size:
            self._borrow().close()
            self._size -= 1
        with self._lock:
            self._writer.conn.close()

    def _checkpoint(self, wait_ms: int) -> bool:
        self._writer.conn.execute(f"pragma busy_timeout={wait_ms}").fetchall()
        self._log_not_empty = bool(self._writer.conn.execute("pragma wal_checkpoint(truncate)").fetchone()[0])
        self._writer.conn.execute(f"pragma busy_timeout={int(self._busy_timeout_s * 1000)}").fetchall()
        return not self._log_not_empty

    def _borrow(self) -> Any:
        try:
            return self._readers.get(timeout=self._busy_timeout_s)
        except queue.Empty:
            raise StoreBusy("The database is busy or closed.", "Wait a moment, then try again.") from None
