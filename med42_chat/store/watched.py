"""The folders that are watched for new documents, and which of their files have been seen."""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from med42_chat.store.connection import Connections
from med42_chat.store.naming import rename
from med42_chat.store.texts import names, one_line

Mark = tuple[int, int]  # when a file was last changed, in nanoseconds since 1970, and its size in bytes


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, and the collections that its documents are put into."""

    path: str
    collections: tuple[str, ...]


class Watched:
    """The only writer of the tables `watched` and `watched_files`. Every method may be called from any thread."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def folders(self) -> list[Folder]:
        """All, by path."""
        rows = self._connections.rows("select * from watched order by path")
        return [Folder(row["path"], tuple(json.loads(row["collections"]))) for row in rows]

    def watch(self, path: str, collections: Sequence[str]) -> None:
        """From now on; a folder that is watched already has these collections from now on."""
        with self._connections.write() as db:
            db.conn.execute(
                "insert into watched(path, collections) values (?, ?) on conflict(path) do update set collections = excluded.collections",
                (path, json.dumps(names(collections))),
            )

    def unwatch(self, path: str) -> None:
        """Forgets the folder and what was seen in it. The library keeps what came from it."""
        with self._connections.write() as db:
            db.conn.execute("delete from watched where path = ?", (path,))
        self._connections.empty_log()

    def seen(self, folder: str) -> dict[str, Mark]:
        """The folder's files that were taken, as they were then."""
        rows = self._connections.rows(
            "select f.path, f.changed, f.bytes from watched_files f join watched w on w.id = f.watched_id where w.path = ?", (folder,)
        )
        return {row["path"]: (row["changed"], row["bytes"]) for row in rows}

    def rename_collection(self, name: str, new: str) -> None:
        """What was to go into the one goes into the other; with an empty name, into none."""
        with self._connections.write() as db:
            rename(db, "watched", name, one_line(new))

    def at_once(self) -> AbstractContextManager[object]:
        """What is written within the block is written together or not at all."""
        return self._connections.write()

    def see(self, folder: str, files: Sequence[tuple[str, Mark]]) -> None:
        """These files have been taken as they are now."""
        with self._connections.write() as db:
            db.conn.executemany(
                """insert into watched_files(watched_id, path, changed, bytes) select id, ?, ?, ? from watched where path = ?
                on conflict(watched_id, path) do update set changed = excluded.changed, bytes = excluded.bytes""",
                [(path, *mark, folder) for path, mark in files],
            )

    def became(self, path: str, document: str) -> None:
        """The file at `path` is this document of the library; nothing happens where no watched folder has that file."""
        with self._connections.write() as db:
            db.conn.execute("update watched_files set document = ? where path = ?", (document, path))

    def document_at(self, path: str) -> str:
        """The document that this file of a watched folder was, when it was last read; else empty."""
        row = self._connections.row("select document from watched_files where path = ? and document is not null", (path,))
        return row["document"] if row else ""

    def paths_of(self, document: str) -> list[str]:
        """The files of watched folders that were this document when they were last read."""
        return [row["path"] for row in self._connections.rows("select path from watched_files where document = ?", (document,))]

    def unsee(self, path: str) -> None:
        """The file at `path` is taken anew when it is there again."""
        with self._connections.write() as db:
            db.conn.execute("update watched_files set bytes = -1 where path = ?", (path,))
