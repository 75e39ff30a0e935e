"""Vectors of the library's passages, as an embedding model gave them, and what a check said of that model. Knows nothing of models.

A vector goes with its passage, as all of a document does.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from med42_chat.store import tree
from med42_chat.store.connection import Connections
from med42_chat.store.passages import ranked

GAIN = 0.02  # of nDCG@10: with less, vectors are not worth what they cost
_CHANGED = 0.25  # of the passages: beyond that, what a check said was said of another library

_MISSING = """
select p.id, p.headings, p.text from passages p left join vectors v on v.passage_id = p.id and v.model = ?
where p.searched and v.passage_id is null and p.id > ? order by p.id limit ?
"""
_COUNTS = """
select count(*) as passages, count(v.passage_id) as known from passages p
left join vectors v on v.passage_id = p.id and v.model = ? where p.searched
"""
# By documents, whose ids are used again as those of passages are: only when one came tells it from another.
_SINCE = """
select count(*) as n, coalesce(sum(d.added_at > ?), 0) as added from documents d join passages p on p.document_id = d.id
where d.superseded_by is null
"""
# Ids are used again: the passage may have gone and another have come in its place while its words were with the model.
_KEEP = "insert or replace into vectors select id, ?, ? from passages where id = ? and text = ?"


@dataclass(frozen=True, slots=True)
class Unread:
    """A passage whose vector is not known. `headings` begins with the document's title."""

    id: int
    headings: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found: nDCG@10 by words alone and with vectors, on so many questions; `weight` is what the vectors' ranking counts."""

    questions: int
    words: float
    both: float
    weight: float

    @property
    def helps(self) -> bool:
        """Whether the gain is worth it."""
        return self.both - self.words >= GAIN


class Vectors:
    """The only one that writes vectors and what was said of them. Every method may be called from any thread."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._changes = 0

    def changed(self) -> int:
        """Grows with each vector that is kept."""
        return self._changes

    def missing(self, model: str, after: int, limit: int) -> list[Unread]:
        """Passages that are searched and have no vector of this model, by id and beyond `after`."""
        rows = self._connections.rows(_MISSING, (model, after, limit))
        return [Unread(row["id"], tuple(row["headings"].split("\n")), row["text"]) for row in rows]

    def counts(self, model: str) -> tuple[int, int]:
        """How many of the passages that are searched have a vector of this model, and how many there are."""
        (row,) = self._connections.rows(_COUNTS, (model,))
        return row["known"], row["passages"]

    def keep(self, model: str, vectors: Iterable[tuple[Unread, bytes]]) -> None:
        """Keeps a vector for each passage that is still there, in the place of one of another model."""
        with self._connections.write() as db:
            db.conn.executemany(_KEEP, ((model, data, passage.id, passage.text) for passage, data in vectors))
        self._changes += 1

    def all(self, model: str) -> list[tuple[int, bytes]]:
        """The vectors of all passages that are searched, by id."""
        statement = "select v.passage_id, v.data from vectors v join passages p on p.id = v.passage_id where v.model = ? and p.searched"
        return [(row["passage_id"], row["data"]) for row in self._connections.rows(f"{statement} order by v.passage_id", (model,))]

    def within(self, collections: Sequence[str]) -> set[int]:
        """The ids of the passages in these collections."""
        statement = """select p.id from passages p join collections c on c.document_id = p.document_id
          where c.name in (select value from json_each(?))"""
        return {row["id"] for row in self._connections.rows(statement, (json.dumps(list(collections)),))}

    def by_words(self, question: str, limit: int) -> list[int]:
        """The ids of the passages that the words find, the best first."""
        return [row["id"] for row in ranked(self._connections, question, limit)]

    def passages(self) -> list[Unread]:
        """All that are searched, by id."""
        rows = self._connections.rows("select id, headings, text from passages where searched order by id")
        return [Unread(row["id"], tuple(row["headings"].split("\n")), row["text"]) for row in rows]

    def set_verdict(self, model: str, verdict: Verdict) -> None:
        """Keeps what a check found, and of which library."""
        with self._connections.write() as db:
            now = tree.now()
            passages = db.conn.execute(_SINCE, (now,)).fetchone()["n"]
            db.conn.execute("insert or replace into vector_checks values (?, ?, ?, ?)", (model, json.dumps(asdict(verdict)), passages, now))

    def verdict(self, model: str) -> Verdict | None:
        """What the last check found; None where there was none, or where the library has changed much since."""
        row = self._connections.row("select * from vector_checks where model = ?", (model,))
        if row is None:
            return None
        (now,) = self._connections.rows(_SINCE, (row["newest"],))
        changed = now["added"] + abs(row["passages"] - (now["n"] - now["added"]))
        return Verdict(**json.loads(row["verdict"])) if changed <= _CHANGED * row["passages"] else None
