"""The library's documents: their originals, pages and passages, and the search in them. Knows nothing of files or their formats."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from med42_chat.errors import InputError, NotFound
from med42_chat.records import Document, Find, Holding, Page, Passage
from med42_chat.store import tree
from med42_chat.store.audit import Audit
from med42_chat.store.connection import Connections, Row
from med42_chat.store.naming import rename
from med42_chat.store.passages import DEEP, abbreviations, joined, ranked, rarity
from med42_chat.store.texts import names, one_line

if TYPE_CHECKING:
    from sqlite_utils import Database

Near = Callable[[str, Sequence[str]], Mapping[int, float]]  # of a question and the collections that are searched

_STEP = 50  # passages removed in one transaction: streaming answers are saved between them

_HOLDING = """
select d.*, n.uid as newer,
  (select count(*) from passages p where p.document_id = d.id) as passages,
  (select max(number) from pages p where p.document_id = d.id) as pages,
  (select json_group_array(name) from (select name from collections c where c.document_id = d.id order by name)) as collections
from documents d left join documents n on n.id = d.superseded_by
"""
_LISTED = "where d.sha256 not like 'removed %'"  # what is being removed has no place in any list


class Documents:
    """Every method may be called from any thread; what a method wrote is on the disk when it returns."""

    def __init__(self, connections: Connections, audit: Audit) -> None:
        self._connections = connections
        self._audit = audit
        self._changes = 0
        self._near: Near = lambda question, collections: {}
        self._told: list[Callable[[str], None]] = []

    def rank_by(self, near: Near) -> None:
        """From now on another ranking counts beside that of the words: `near` gives points for passages, by id. See passages.points."""
        self._near = near

    def when_removed(self, told: Callable[[str], None]) -> None:
        """From now on this is told the id of each document that is removed, as soon as it is in no list."""
        self._told.append(told)

    def changed(self) -> int:
        """Grows with each change of the documents, or of what is said of them."""
        return self._changes

    @contextmanager
    def _write(self) -> Iterator["Database"]:
        with self._connections.write() as db:
            yield db
        self._changes += 1  # afterwards: whoever looks then sees what was written

    # Reading

    def all(self, collection: str = "") -> list[Holding]:
        """All, or those in a collection, by title; superseded ones too."""
        within = " and d.id in (select document_id from collections where name = :collection)" if collection else ""
        rows = self._connections.rows(
            f"{_HOLDING} {_LISTED}{within} order by d.title collate nocase, d.added_at desc, d.id desc", {"collection": collection}
        )
        return [_holding(row) for row in rows]

    def get(self, id: str) -> Holding:
        """Raises NotFound."""
        row = self._connections.row(f"{_HOLDING} {_LISTED} and d.uid = ?", (id,))
        if row is None:
            raise NotFound(f"There is no document {id} in the library.", "'library list' shows those that are there.")
        return _holding(row)

    def with_content(self, sha256: str) -> Holding | None:
        """The document made from exactly this file, if it is here."""
        row = self._connections.row(f"{_HOLDING} where d.sha256 = ?", (sha256,))
        return _holding(row) if row else None

    def collections(self) -> list[tuple[str, int]]:
        """The collections' names with how many documents each holds, by name."""
        rows = self._connections.rows("select name, count(*) as n from collections group by name order by name collate nocase, name")
        return [(row["name"], row["n"]) for row in rows]

    def passages(self, id: str) -> list[Passage]:
        """All passages of a document, in its order. Raises NotFound."""
        self.get(id)
        rows = self._connections.rows(
            "select p.* from passages p join documents d on d.id = p.document_id where d.uid = ? order by p.number", (id,)
        )
        return [_passage(row) for row in rows]

    def page(self, id: str, number: int | None) -> Page:
        """One page with its characters' boxes; None for a document without pages. Raises NotFound."""
        row = self._connections.row(
            "select p.* from pages p join documents d on d.id = p.document_id where d.uid = ? and p.number is ?", (id, number)
        )
        if row is None:
            raise NotFound(f"The document {id} has no page {number}.")
        return Page(row["number"], row["text"], row["boxes"])

    def original(self, id: str) -> bytes:
        """The file as it was added. Raises NotFound."""
        self.get(id)
        row = self._connections.row("select o.content from originals o join documents d on d.id = o.document_id where d.uid = ?", (id,))
        return bytes(row["content"]) if row else b""

    def count(self, collections: Sequence[str] = ()) -> int:
        """How many documents are searched: all, or those in any of these collections; superseded ones are not."""
        within = "and id in (select document_id from collections where name in (select value from json_each(?)))" if collections else ""
        chosen = (json.dumps(list(collections)),) if collections else ()
        (row,) = self._connections.rows(f"select count(*) as n from documents d {_LISTED} and superseded_by is null {within}", chosen)
        return int(row["n"])

    def rarity(self, words: Sequence[str]) -> dict[str, float]:
        """How rare each word is in the library: the natural logarithm of how many passages there are for each that holds it."""
        return rarity(self._connections, words)

    def abbreviations(self, question: str) -> list[tuple[str, str]]:
        """Of what documents explain, the short and the long form of everything that the question names in either way."""
        return abbreviations(self._connections, question)

    def search(self, question: str, limit: int = 10, collections: Sequence[str] = ()) -> list[Find]:
        """The passages that the question is about, the best first; superseded documents are left out.

        What was found by another ranking only has a score of 0.
        """
        near = self._near(question, collections)
        best = {row["id"]: row["score"] for row in ranked(self._connections, question, max(limit, DEEP) if near else limit, collections)}
        if near:
            best = {id: best.get(id, 0.0) for id in joined(list(best), near)[:limit]}
        chosen = (json.dumps(list(best)),)
        rows = self._connections.rows("select * from passages where id in (select value from json_each(?))", chosen)
        among = "select document_id from passages where id in (select value from json_each(?))"
        holdings = {row["id"]: _holding(row) for row in self._connections.rows(f"{_HOLDING} {_LISTED} and d.id in ({among})", chosen)}
        passages = {row["id"]: row for row in rows if row["document_id"] in holdings}
        return [Find(holdings[passages[id]["document_id"]], _passage(passages[id]), best[id]) for id in best if id in passages]

    # Writing

    def add(
        self,
        document: Document,
        original: bytes,
        name: str,
        collections: Sequence[str] = (),
        older: Sequence[str] = (),
        newer: str = "",
    ) -> Holding:
        """Keeps a document with the file it was read from. It supersedes the documents `older`, or is superseded by `newer`.

        Raises InputError when that very file is here already, NotFound for a version that is not.
        """
        sha256, uid = hashlib.sha256(original).hexdigest(), tree.new_id()
        with self._write() as db:
            if db.conn.execute("select 1 from documents where sha256 = ?", (sha256,)).fetchone():
                raise InputError("This file is in the library already.", "'library list' shows it.")
            id = _insert(db, document, (uid, sha256, one_line(name), len(original)))
            db.conn.execute("insert into originals values (?, ?)", (id, original))
            _insert_parts(db, id, one_line(document.title), document)
            _set_collections(db, id, collections)
            self._audit.append("document.added", uid, {"passages": str(len(document.passages))})
            for old, new in [*((one, uid) for one in older), *([(uid, newer)] if newer else [])]:
                self.supersede(old, new)
        return self.get(uid)

    def replace(self, id: str, document: Document) -> Holding:
        """Puts what was read anew from a document's file in the place of what was read before. Raises NotFound.

        Title, publisher, date and version stay as they are where there are any: a person may have put them right.
        """
        with self._write() as db:
            row = _row(db, id)
            for table in ("pages", "passages", "abbreviations"):
                db.conn.execute(f"delete from {table} where document_id = ?", (row["id"],))
            _insert_parts(db, row["id"], row["title"], document, searched=row["superseded_by"] is None)
            details = [row[name] or one_line(said) for name, said in _details(document)]
            db.conn.execute(
                "update documents set publisher = ?, dated = ?, version = ?, notes = ? where id = ?",
                (*details, json.dumps(document.notes), row["id"]),
            )
            self._audit.append("document.read_again", id, {"passages": str(len(document.passages))})
        return self.get(id)

    def set_details(self, id: str, title: str, publisher: str, date: str, version: str) -> Holding:
        """Puts right what was read of a document. A title cannot be empty. Raises NotFound, InputError."""
        if not one_line(title):
            raise InputError("A document needs a title.")
        with self._write() as db:
            row = _row(db, id)
            db.conn.execute(
                "update documents set title = ?, publisher = ?, dated = ?, version = ? where id = ?",
                (*map(one_line, (title, publisher, date, version)), row["id"]),
            )
            if one_line(title) != row["title"]:
                db.conn.execute(
                    "update passages set headings = ? || substr(headings, ?) where document_id = ?",
                    (one_line(title), len(row["title"]) + 1, row["id"]),
                )
                # They were made of the old title, too, and are made anew.
                db.conn.execute("delete from vectors where passage_id in (select id from passages where document_id = ?)", (row["id"],))
        return self.get(id)

    def set_collections(self, id: str, collections: Sequence[str]) -> Holding:
        """Sets all of the collections that a document is in. Raises NotFound."""
        with self._write() as db:
            _set_collections(db, _row(db, id)["id"], collections)
        return self.get(id)

    def rename_collection(self, name: str, new: str) -> None:
        """Gives a collection another name; where there is one of that name, they become one. Raises InputError for an empty name."""
        if not one_line(new):
            raise InputError("A collection needs a name.")
        with self._write() as db:
            db.conn.execute(
                "insert or ignore into collections select document_id, ? from collections where name = ?", (one_line(new), name)
            )
            db.conn.execute("delete from collections where name = ? and name <> ?", (name, one_line(new)))
            rename(db, "conversations", name, one_line(new))

    def remove_collection(self, name: str) -> None:
        """Removes the collection; its documents stay in the library. Conversations still name it: kept to it, they don't search all."""
        with self._write() as db:
            db.conn.execute("delete from collections where name = ?", (name,))

    def supersede(self, old: str, new: str) -> None:
        """From now on `new` is searched in the place of `old`, in its collections too. `old` stays and can be read.

        Raises NotFound, InputError.
        """
        with self._write() as db:
            older, newer = _row(db, old), _row(db, new)
            if older["id"] == newer["id"] or newer["superseded_by"] is not None:
                raise InputError("A document is superseded by another one that is in use itself.")
            both = "update documents set superseded_by = :new where id = :old or superseded_by = :old"
            db.conn.execute(both, {"new": newer["id"], "old": older["id"]})
            db.conn.execute("update passages set searched = 0 where document_id = ? and searched", (older["id"],))
            # Whoever searches in the older one's collections only would from now on find neither.
            db.conn.execute(
                "insert or ignore into collections select ?, name from collections where document_id = ?", (newer["id"], older["id"])
            )
            self._audit.append("document.superseded", old, {"by": new})

    def search_again(self, id: str) -> Holding:
        """From now on a superseded document is searched, too, as one of its own. Raises NotFound."""
        with self._write() as db:
            row = _row(db, id)
            _search_again(db, row["id"])
            self._audit.append("document.searched_again", id, {})
        return self.get(id)

    def remove(self, id: str) -> None:
        """Removes a document with all that belongs to it, from the indexes and the file's free space too. Raises NotFound.

        Of what it superseded, the newest is searched again. The document is gone from every list and search at once; its parts go in
        small steps, so that answers are saved meanwhile, and go on after a crash.
        """
        with self._write() as db:
            row = _row(db, id)
            self._hide(db, row)
            self._audit.append("document.removed", id, {})
        for told in self._told:
            told(id)
        self._remove(row["id"])
        self._connections.empty_log()

    def recover(self) -> None:
        """Ends the removals that a crash cut short."""
        for row in self._connections.rows("select id from documents where sha256 like 'removed %'"):
            self._remove(row["id"])

    def _hide(self, db: "Database", row: Row) -> None:
        older = db.conn.execute("select * from documents where superseded_by = ?", (row["id"],)).fetchall()
        if older:
            newest = max(older, key=lambda one: (_numbers(one["version"]), one["dated"], one["id"]))
            _search_again(db, newest["id"])
            db.conn.execute("update documents set superseded_by = ? where superseded_by = ?", (newest["id"], row["id"]))
        # Its place is free at once: the same file can be added again while this one is still being removed.
        db.conn.execute("update documents set sha256 = 'removed ' || uid, superseded_by = null where id = ?", (row["id"],))
        db.conn.execute("delete from abbreviations where document_id = ?", (row["id"],))
        db.conn.execute("delete from collections where document_id = ?", (row["id"],))

    def _remove(self, id: int) -> None:
        removed = _STEP
        while removed == _STEP:
            with self._write() as db:
                statement = "delete from passages where id in (select id from passages where document_id = ? limit ?)"
                removed = db.conn.execute(statement, (id, _STEP)).rowcount
        with self._write() as db:
            db.conn.execute("delete from documents where id = ?", (id,))


def same_title(one: Holding | Document, other: Holding | Document) -> bool:
    """Whether two documents have one title, but for case, years and version numbers."""
    return _work(one.title) == _work(other.title) != ""


def same_publisher(one: Holding | Document, other: Holding | Document) -> bool | None:
    """None where one of them does not say who published it."""
    return one.publisher.casefold() == other.publisher.casefold() if one.publisher and other.publisher else None


def is_older(one: Holding | Document, other: Holding | Document) -> bool:
    """Whether `one` says that it is of an earlier version or date than `other`, where both say it."""
    mine, others = _numbers(one.version), _numbers(other.version)
    if mine and others and mine != others:
        return mine < others
    # What only one of them says does not tell them apart: '2024' is not before '2024-03'.
    return next((before < after for before, after in zip(_day(one.date), _day(other.date), strict=False) if before != after), False)


def _work(title: str) -> str:
    # No other number: 'Chapter 1' and 'Chapter 2' are no versions of each other.
    plain = re.sub(r"\b(version|edition|revision|v|ed)\.?\s*\d[\d.]*\b|\b(19|20)\d\d\b", " ", title.casefold())
    return " ".join(re.findall(r"[^\W_]+", plain))


def _numbers(version: str) -> list[int]:
    """[2, 1] for '2.1' and for '2.1.0'."""
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers


def _day(date: str) -> list[str]:
    """Year, month and day, as far as they are said; nothing of a date in words, as a person may type it."""
    return date.split("-") if re.fullmatch(r"\d{4}(-\d\d){0,2}", date) else []


def _row(db: "Database", id: str) -> Row:
    found: Row | None = db.conn.execute("select * from documents where uid = ? and sha256 not like 'removed %'", (id,)).fetchone()
    if found is None:
        raise NotFound(f"There is no document {id} in the library.", "'library list' shows those that are there.")
    return found


def _insert(db: "Database", document: Document, file: tuple[str, str, str, int]) -> int:
    uid, sha256, name, size = file
    details = map(one_line, (document.media_type, document.title, *(said for _, said in _details(document))))
    cursor = db.conn.execute(
        """insert into documents(uid, sha256, name, bytes, media_type, title, publisher, dated, version, notes, added_at)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (uid, sha256, name, size, *details, json.dumps(document.notes), tree.now()),
    )
    return int(cursor.lastrowid or 0)


def _details(document: Document) -> list[tuple[str, str]]:
    """Columns and values."""
    return [("publisher", document.publisher), ("dated", document.date), ("version", document.version)]


def _insert_parts(db: "Database", id: int, title: str, document: Document, searched: bool = True) -> None:
    db.conn.executemany(
        "insert into pages(document_id, number, text, boxes) values (?, ?, ?, ?)",
        ((id, page.number, page.text, page.boxes) for page in document.pages),
    )
    db.conn.executemany(
        "insert into passages(document_id, number, page, headings, text, char_from, char_to, searched) values (?, ?, ?, ?, ?, ?, ?, ?)",
        ((id, one.number, one.page, _headings(title, one), one.text, one.start, one.end, searched) for one in document.passages),
    )
    db.conn.executemany("insert or ignore into abbreviations values (?, ?, ?)", ((id, *pair) for pair in document.abbreviations))


def _headings(title: str, passage: Passage) -> str:
    return "\n".join([title, *passage.heading_path])


def _search_again(db: "Database", id: int) -> None:
    db.conn.execute("update documents set superseded_by = null where id = ?", (id,))
    db.conn.execute("update passages set searched = 1 where document_id = ? and not searched", (id,))


def _set_collections(db: "Database", id: int, collections: Sequence[str]) -> None:
    db.conn.execute("delete from collections where document_id = ?", (id,))
    db.conn.executemany("insert into collections values (?, ?)", [(id, name) for name in names(collections)])


def _holding(row: Row) -> Holding:
    return Holding(
        id=row["uid"],
        sha256=row["sha256"],
        name=row["name"],
        media_type=row["media_type"],
        size_bytes=row["bytes"],
        title=row["title"],
        publisher=row["publisher"],
        date=row["dated"],
        version=row["version"],
        added_at=row["added_at"],
        pages=row["pages"],
        passages=row["passages"],
        superseded_by=row["newer"] or "",
        collections=tuple(json.loads(row["collections"])),
        notes=tuple(json.loads(row["notes"])),
    )


def _passage(row: Row) -> Passage:
    path = tuple(row["headings"].split("\n")[1:])
    return Passage(row["number"], row["page"], path, row["text"], row["char_from"], row["char_to"])
