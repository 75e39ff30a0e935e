"""What is on its way into the library, kept until it is there: it goes on after a restart, and after a crash."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from med42_chat.store import tree
from med42_chat.store.connection import Connections, Row
from med42_chat.store.naming import rename
from med42_chat.store.texts import names, one_line

State = Literal["waiting", "reading", "done", "failed", "stopped"]

_MOST_TRIES = 3  # times that the program may end while it reads one file, before it leaves that one alone
_COLUMNS = """id, uid, kind, name, path, collections, ocr, state, tries, pages, message, hint, scan,
  coalesce(document, '') as document, coalesce(older, '') as older"""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that is to be read: a file or folder at `path`, bytes that were dropped, or a `document` that is read again."""

    id: str
    kind: Literal["path", "content", "document"]
    name: str
    path: str
    collections: tuple[str, ...]
    ocr: bool
    state: State
    pages: int | None
    message: str
    hint: str
    scan: bool  # it failed because it holds pictures of pages only, and is kept so that text recognition can be tried
    document: str  # made of it, or to be read again
    older: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the reading of an entry ended."""

    state: State
    message: str = ""
    hint: str = ""
    pages: int | None = None
    document: str = ""
    older: str = ""
    scan: bool = False


class Waiting:
    """The only writer of the table `waiting`. Every method may be called from any thread."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def all(self) -> list[Entry]:
        """Everything that was not dismissed, in the order in which it came."""
        return [_entry(row) for row in self._connections.rows(f"select {_COLUMNS} from waiting order by id")]

    def get(self, id: str) -> Entry | None:
        """None for what was dismissed, or never there."""
        row = self._connections.row(f"select {_COLUMNS} from waiting where uid = ?", (id,))
        return _entry(row) if row else None

    def any(self) -> bool:
        """Whether something waits."""
        return self._connections.row("select 1 from waiting where state = 'waiting' limit 1") is not None

    def unread(self) -> int:
        """How many files and folders are not read yet."""
        (row,) = self._connections.rows("select count(*) as n from waiting where state in ('waiting', 'reading')")
        return int(row["n"])

    def content(self, id: str) -> bytes:
        """The bytes that were dropped; empty when they are not kept any more."""
        row = self._connections.row("select content from waiting where uid = ?", (id,))
        return bytes(row["content"] or b"") if row else b""

    def add_paths(self, paths: Sequence[tuple[str, str]], collections: Sequence[str], ocr: bool = False) -> None:
        """Puts files and folders at the end, each by name and path."""
        values = [(tree.new_id(), one_line(name), path, _json(collections), ocr) for name, path in paths]
        with self._connections.write() as db:
            db.conn.executemany("insert into waiting(uid, kind, name, path, collections, ocr) values (?, 'path', ?, ?, ?, ?)", values)

    def add_content(self, name: str, data: bytes, collections: Sequence[str], ocr: bool = False) -> str:
        """Puts bytes at the end. Returns the id."""
        id = tree.new_id()
        with self._connections.write() as db:
            db.conn.execute(
                "insert into waiting(uid, kind, name, collections, ocr, content) values (?, 'content', ?, ?, ?, ?)",
                (id, one_line(name), _json(collections), ocr, data),
            )
        return id

    def add_document(self, document: str, name: str, ocr: bool = False) -> str:
        """Puts a document of the library at the end, to be read again. Returns the id."""
        id = tree.new_id()
        with self._connections.write() as db:
            db.conn.execute(
                "insert into waiting(uid, kind, name, ocr, document) values (?, 'document', ?, ?, ?)", (id, one_line(name), ocr, document)
            )
        return id

    def begin(self) -> Entry | None:
        """The first of those that wait, which is being read from now on; None when nothing waits."""
        with self._connections.write() as db:
            row = db.conn.execute(f"select {_COLUMNS} from waiting where state = 'waiting' order by id limit 1").fetchone()
            if row:
                db.conn.execute("update waiting set state = 'reading', tries = tries + 1 where id = ?", (row["id"],))
        return _entry(row) if row else None

    def end(self, id: str, outcome: Outcome) -> None:
        """What came of an entry. Dropped bytes are forgotten, but for a scan's."""
        with self._connections.write() as db:
            db.conn.execute(
                """update waiting set state = ?, message = ?, hint = ?, pages = ?, scan = ?, older = ?, document = coalesce(?, document),
                content = iif(?, content, null) where uid = ?""",
                (
                    *(outcome.state, outcome.message, outcome.hint, outcome.pages, outcome.scan, outcome.older or None),
                    *(outcome.document or None, outcome.scan, id),
                ),
            )
        if outcome.state != "done":  # what became a document stays in the store anyway
            self._connections.empty_log()

    def put_back(self, id: str, ocr: bool = False) -> None:
        """It waits again, in its old place; with text recognition from now on, if that is asked for."""
        with self._connections.write() as db:
            db.conn.execute(
                "update waiting set state = 'waiting', tries = 0, scan = 0, message = '', hint = '', ocr = max(ocr, ?) where uid = ?",
                (ocr, id),
            )

    def put_back_all(self) -> None:
        """What was being read waits again: it was not put back because the store would not take it."""
        with self._connections.write() as db:
            db.conn.execute("update waiting set state = 'waiting', tries = 0 where state = 'reading'")

    def stop(self, id: str = "") -> None:
        """What waits will not be read: this one, or everything."""
        with self._connections.write() as db:
            db.conn.execute(
                "update waiting set state = 'stopped', content = null where state = 'waiting' and (uid = :id or :id = '')", {"id": id}
            )
        self._connections.empty_log()

    def decided(self, id: str, message: str) -> None:
        """Whether it is a newer version is not asked any more."""
        with self._connections.write() as db:
            db.conn.execute("update waiting set older = null, message = ? where uid = ?", (message, id))

    def removed(self, document: str) -> None:
        """A document is not in the library any more: notes that may name it are taken back, and nothing is asked about it."""
        with self._connections.write() as db:
            db.conn.execute(
                "update waiting set message = '', older = null where state = 'done' and document is not null and coalesce(older, ?1) = ?1",
                (document,),
            )

    def dismiss(self, id: str = "") -> None:
        """Forgets what has ended: this one, or everything."""
        with self._connections.write() as db:
            db.conn.execute("delete from waiting where state not in ('waiting', 'reading') and (uid = :id or :id = '')", {"id": id})
        self._connections.empty_log()

    def rename_collection(self, name: str, new: str) -> None:
        """What was to go into the one goes into the other; with an empty name, into none."""
        with self._connections.write() as db:
            rename(db, "waiting", name, one_line(new))

    def recover(self) -> None:
        """After a restart: what was being read waits again, unless the program ended over it each time; what went well is forgotten."""
        with self._connections.write() as db:
            db.conn.execute("delete from waiting where state = 'done' and older is null")
            db.conn.execute(
                "update waiting set state = 'failed', message = ?, hint = ?, content = null where state = 'reading' and tries >= ?",
                ("The program ended each time it read this file.", "Leave it out, or save it anew and add that.", _MOST_TRIES),
            )
            db.conn.execute("update waiting set state = 'waiting' where state = 'reading'")


def _entry(row: Row) -> Entry:
    same = ("kind", "name", "path", "state", "pages", "message", "hint", "document", "older")
    values = {name: row[name] for name in same}
    collections = tuple(json.loads(row["collections"]))
    return Entry(id=row["uid"], collections=collections, ocr=bool(row["ocr"]), scan=bool(row["scan"]), **values)


def _json(collections: Sequence[str]) -> str:
    return json.dumps(names(collections))
