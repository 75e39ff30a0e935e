"""The store: opening and closing the one database of a data folder, and looking after its health."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from med42_chat.errors import StoreCorrupt, StoreError
from med42_chat.private import cannot_write, keep_private, make_private_folder
from med42_chat.records import Health
from med42_chat.store.audit import Audit
from med42_chat.store.connection import DATABASE, RESTORING, Connections, engine
from med42_chat.store.conversations import Conversations
from med42_chat.store.documents import Documents
from med42_chat.store.lock import FolderLock
from med42_chat.store.migrations import STEPS, migrate, schema_version
from med42_chat.store.snapshot import remove_with_logs
from med42_chat.store.vectors import Vectors
from med42_chat.store.waiting import Waiting
from med42_chat.store.watched import Watched


class Store:
    """An open data folder. Made by `open`; every part may be used from any thread until `close`."""

    conversations: Conversations
    documents: Documents
    vectors: Vectors
    waiting: Waiting
    watched: Watched
    audit: Audit

    def __init__(self, home: Path, key: bytes, connections: Connections, lock: FolderLock) -> None:
        self.home = home
        self.path = home / DATABASE
        self.key = key
        self.audit = Audit(connections)
        self.conversations = Conversations(connections, self.audit)
        self.documents = Documents(connections, self.audit)
        self.vectors = Vectors(connections)
        self.waiting = Waiting(connections)
        self.watched = Watched(connections)
        self._connections = connections
        self._lock = lock

    @classmethod
    def open(cls, home: Path, key: bytes, readers: int = 4, busy_timeout_s: float = 10.0) -> "Store":
        """Opens `home`/med42.db with its 32-byte key, making folder and file (for their owner only) where they are missing.

        Takes the folder's lock, brings the schema up to date after a checked backup, and ends the answers that a crash cut
        short. Raises StoreInUse, StoreKeyError, StoreTooNew, StoreCorrupt, StoreBusy, DiskFull, or StoreError.
        """
        path = home / DATABASE
        with ExitStack() as undo:
            _make_private(home, path)
            lock = FolderLock(home)
            undo.callback(lock.release)
            remove_with_logs(home / RESTORING)  # of a restore that was cut short: it holds what is deleted from now on
            connections = Connections(path, key, readers, busy_timeout_s)
            undo.callback(connections.close)
            with connections.alone() as db:
                migrate(db, path, key)
            store = cls(home, key, connections, lock)
            store.conversations.recover()
            store.documents.recover()
            connections.empty_log()  # a crash may have come between a deletion and this
            undo.pop_all()
        return store

    def rename_collection(self, name: str, new: str) -> None:
        """Gives a collection of the library another name, for documents, conversations and watched folders.

        Where there is one of that name, they become one. Raises InputError for an empty name.
        """
        with self._connections.write():
            self.documents.rename_collection(name, new)
            self.watched.rename_collection(name, new)
            self.waiting.rename_collection(name, new)

    def remove_collection(self, name: str) -> None:
        """Removes a collection; its documents stay in the library, and watched folders put no more into it.

        A conversation that is kept to it still is, and says that it is gone: a search of all documents would be another question.
        """
        with self._connections.write():
            self.documents.remove_collection(name)
            self.watched.rename_collection(name, "")
            self.waiting.rename_collection(name, "")

    def check(self) -> list[Health]:
        """Reads the whole database: pages, search index, audit trail, schema. Seconds at a million messages; writers wait meanwhile."""
        looks = {"schema": self._check_schema, "database": self._check_pages, "search": self._check_index, "audit": self.audit.verify}
        return [_looked_at(name, look) for name, look in looks.items()]

    def close(self) -> None:
        """Lets running reads and writes end, then gives the folder free. Closing twice does nothing."""
        self._connections.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _check_schema(self) -> Health:
        with self._connections.alone() as db:
            version = schema_version(db)
        cipher = engine().sqlite_version
        return Health("schema", "ok", f"The database has schema {version} of {len(STEPS)} and is encrypted.", detail={"sqlite": cipher})

    def _check_pages(self) -> Health:
        verdict = self._connections.rows("pragma quick_check(1)")
        if verdict[0]["quick_check"] != "ok":
            return Health("database", "error", "The database is damaged.", "Restore the newest backup.")
        return Health("database", "ok", f"The database is whole ({self.path.stat().st_size / 1e6:,.1f} MB).")

    def _check_index(self) -> Health:
        try:
            self._tell_indexes("insert into {0}({0}, rank) values ('integrity-check', 1)")
        except StoreCorrupt:
            self._tell_indexes("insert into {0}({0}) values ('rebuild')")
            return Health("search", "warning", "The search index did not agree with what is stored. It has been made anew.")
        return Health("search", "ok", "The search index agrees with the messages and the library.")

    def _tell_indexes(self, command: str) -> None:
        with self._connections.write() as db:
            for index in ("messages_fts", "titles_fts", "passages_fts", "headings_fts"):
                db.conn.execute(command.format(index))


def _looked_at(name: str, look: Callable[[], Health]) -> Health:
    try:
        return look()
    except StoreError as error:  # one damaged part must not hide how the others are
        return Health(name, "error", error.message, error.hint)


def _make_private(home: Path, path: Path) -> None:
    """Folder and file for their owner only. SQLite gives the logs beside the file the file's own permissions."""
    try:
        make_private_folder(home)
        if not path.exists():
            path.touch(mode=0o600)
            keep_private(path)
    except OSError as error:
        raise cannot_write(path, error) from error
