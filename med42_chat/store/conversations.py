"""Conversations and their messages: the owner of the tables conversations, messages, stream_deltas, runs and citations.

Messages form a tree. A conversation's active branch runs from its first question to its active leaf; asking again from an
earlier message makes a sibling and keeps the old version. Knows nothing of models or pages.
"""

import secrets
import time
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

from med42_chat.errors import NotFound
from med42_chat.records import Citation, Conversation, Evidence, Message, SearchHit, Status
from med42_chat.store.audit import Audit
from med42_chat.store.connection import Connections, Row
from med42_chat.store.evidence import to_json
from med42_chat.store.search import search
from med42_chat.store.selects import BRANCH, CONVERSATION, MESSAGE, TEXT, to_conversation, to_message

if TYPE_CHECKING:
    from sqlite_utils import Database

_TITLE_LENGTH = 60
_LONGEST_TITLE = 200
_STEP = 5  # messages deleted in one transaction
_PAUSE_S = 0.005


class Parent(Enum):
    """Where a new question goes when no message is named."""

    LEAF = "leaf"


class Conversations:
    """Every method may be called from any thread; what a method wrote is on the disk when it returns."""

    def __init__(self, connections: Connections, audit: Audit) -> None:
        self._connections = connections
        self._audit = audit

    def create(self, title: str = "", pinned_facts: str = "") -> Conversation:
        """A new, empty conversation. Without a title it gets one from its first question."""
        uid, now = _new_id(), _now()
        with self._connections.write() as db:
            db.conn.execute(
                "insert into conversations(uid, title, pinned_facts, created_at, updated_at) values (?, ?, ?, ?, ?)",
                (uid, _one_line(title), sound_text(pinned_facts), now, now),
            )
            self._audit.append("conversation.created", uid, {})
        return self.get(uid)

    def get(self, id: str) -> Conversation:
        """Raises NotFound."""
        row = self._connections.row(f"{CONVERSATION} where uid = ? and not deleting", (id,))
        if row is None:
            raise _no_conversation(id)
        return to_conversation(row)

    def recent(self, limit: int = 50, offset: int = 0, archived: bool = False) -> list[Conversation]:
        """Pinned ones first, then those with the newest messages."""
        rows = self._connections.rows(
            f"{CONVERSATION} where archived = ? and not deleting order by pinned desc, updated_at desc, id desc limit ? offset ?",
            (int(archived), limit, offset),
        )
        return [to_conversation(row) for row in rows]

    def total(self, archived: bool = False) -> int:
        """How many there are to page through with `recent`."""
        row = self._connections.row("select count(*) as n from conversations where archived = ? and not deleting", (int(archived),))
        return int(row["n"]) if row else 0

    def rename(self, id: str, title: str) -> None:
        """Sets the title, on one line. Raises NotFound."""
        self._set(id, "title", _one_line(title))

    def set_pinned_facts(self, id: str, text: str) -> None:
        """Sets what every prompt of this conversation begins with. Raises NotFound."""
        self._set(id, "pinned_facts", sound_text(text))

    def delete(self, id: str) -> None:
        """Removes the conversation and all that belongs to it, from the search index and the file's free space too. Raises NotFound.

        For everybody else it is gone at once. Cleaning the index takes some 15 ms a message in a very large store: that goes
        in small steps, so that streaming answers are saved meanwhile, and is taken up again after a crash.
        """
        with self._connections.write() as db:
            head = _head(db, id)
            db.conn.execute("update conversations set deleting = 1, title = '', pinned_facts = '' where id = ?", (head["id"],))
            self._audit.append("conversation.deleted", id, {"messages": str(head["n_messages"])})
        self._remove(head["id"])
        self._connections.empty_log()

    def branch(self, id: str, leaf: str | None = None) -> list[Message]:
        """The messages from the first question to `leaf`, or to the active leaf, with evidence and citations. Raises NotFound."""
        sql = "select leaf_id from conversations where uid = ? and not deleting"
        parameters: tuple[str, ...] = (id,)
        if leaf is not None:
            sql = """select m.id as leaf_id from messages m join conversations c on c.id = m.conversation_id
                where c.uid = ? and m.uid = ? and not c.deleting"""
            parameters = (id, leaf)
        end = self._connections.row(sql, parameters)
        if end is None:
            raise _no_conversation(id) if leaf is None else _no_message(leaf)
        return [to_message(row) for row in self._connections.rows(BRANCH, (end["leaf_id"],))]

    def message(self, id: str) -> Message:
        """One message with its evidence and citations. Raises NotFound."""
        row = self._connections.row(f"{MESSAGE} where m.uid = ?", (id,))
        if row is None:
            raise _no_message(id)
        return to_message(row)

    def begin(self, id: str, question: str, parent: str | Parent | None = Parent.LEAF) -> tuple[Message, Message]:
        """Saves the question and its still empty answer, and makes that answer the active leaf.

        `parent` is the message the question follows: the active leaf, a message's id (a sibling of what already follows
        it), or None for a new first question. Raises NotFound.
        """
        with self._connections.write() as db:
            head = _head(db, id)
            above = _parent_id(db, head, parent)
            asked, asked_uid = _insert(db, head["id"], above, "user", "complete", sound_text(question))
            answer, answer_uid = _insert(db, head["id"], asked, "assistant", "streaming", "")
            db.conn.execute(
                "update conversations set leaf_id = ?, updated_at = ?, n_messages = n_messages + 2 where id = ?",
                (answer, _now(), head["id"]),
            )
            if not head["title"]:
                db.conn.execute("update conversations set title = ? where id = ?", (title_of(question), head["id"]))
        return self.message(asked_uid), self.message(answer_uid)

    def append(self, answer_id: str, text: str) -> None:
        """Adds to a streaming answer; on the disk when this returns. Raises NotFound when the answer has ended or is gone."""
        with self._connections.write() as db:
            added = db.conn.execute(
                """insert into stream_deltas(message_id, seq, text)
                select m.id, (select coalesce(max(seq), 0) + 1 from stream_deltas where message_id = m.id), ?
                from messages m where m.uid = ? and m.status = 'streaming'""",
                (sound_text(text), answer_id),
            )
            if added.rowcount != 1:
                raise _not_streaming(answer_id)

    def finish(self, answer_id: str, text: str, status: Status, evidence: Evidence | None, citations: Sequence[Citation] = ()) -> Message:
        """Ends a streaming answer with its whole text, in one transaction. Raises NotFound when it has ended already or is gone."""
        with self._connections.write() as db:
            row = db.conn.execute(
                """select m.id, m.conversation_id, c.uid from messages m join conversations c on c.id = m.conversation_id
                where m.uid = ? and m.status = 'streaming'""",
                (answer_id,),
            ).fetchone()
            if row is None:
                raise _not_streaming(answer_id)
            now = _now()
            db.conn.execute("update messages set text = ?, status = ? where id = ?", (sound_text(text), status, row["id"]))
            db.conn.execute("update conversations set updated_at = ? where id = ?", (now, row["conversation_id"]))
            db.conn.execute("delete from stream_deltas where message_id = ?", (row["id"],))
            if evidence is not None:
                db.conn.execute("insert into runs(message_id, evidence) values (?, ?)", (row["id"], to_json(evidence)))
            _insert_citations(db, row["id"], citations)
            counts = {"message": answer_id, "status": status, "characters": str(len(text)), "citations": str(len(citations))}
            self._audit.append("answer.finished", row["uid"], counts)
        return self.message(answer_id)

    def recover(self) -> int:
        """Ends what a crash cut short: answers keep what was acknowledged and are marked (their number is returned); deletions go on."""
        for row in self._connections.rows("select id from conversations where deleting"):
            self._remove(row["id"])
        with self._connections.write() as db:
            ended = db.conn.execute(f"update messages as m set text = {TEXT}, status = 'interrupted' where status = 'streaming'")
            db.conn.execute("delete from stream_deltas")
        return int(ended.rowcount)

    def search(self, text: str, limit: int = 20) -> list[SearchHit]:
        """Messages and titles with the words of `text`; nothing when it holds no letter or digit. A hit on a title names no message."""
        return search(self._connections, text, limit)

    def _remove(self, conversation: int) -> None:
        """Removes messages from the last to the first, which nothing refers to any more by then, and the conversation in the end."""
        removed = 1
        while removed:
            with self._connections.write() as db:
                removed = db.conn.execute(
                    "delete from messages where id in (select id from messages where conversation_id = ? order by id desc limit ?)",
                    (conversation, _STEP),
                ).rowcount
            time.sleep(_PAUSE_S)  # the lock goes to whoever asks first after it is free, and that would always be this loop
        with self._connections.write() as db:
            db.conn.execute("delete from conversations where id = ?", (conversation,))

    def _set(self, id: str, column: str, value: str) -> None:
        with self._connections.write() as db:
            if db.conn.execute(f"update conversations set {column} = ? where uid = ? and not deleting", (value, id)).rowcount != 1:
                raise _no_conversation(id)


def title_of(question: str) -> str:
    """The question's first line, cut at a word near 60 characters."""
    line = next((words for line in question.splitlines() if (words := _one_line(line))), "")
    if len(line) <= _TITLE_LENGTH:
        return line
    whole_words, _, _ = line[: _TITLE_LENGTH + 1].rpartition(" ")
    return (whole_words or line[:_TITLE_LENGTH]).rstrip(" ,;:.") + "…"


def sound_text(text: str) -> str:
    """The text with half characters (lone surrogates, as broken pastes have) joined or replaced: SQLite takes whole ones only."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _one_line(text: str) -> str:
    return " ".join(sound_text(text).split())[:_LONGEST_TITLE]


def _head(db: "Database", uid: str) -> Row:
    row: Row | None = db.conn.execute(
        "select id, title, leaf_id, n_messages from conversations where uid = ? and not deleting", (uid,)
    ).fetchone()
    if row is None:
        raise _no_conversation(uid)
    return row


def _parent_id(db: "Database", head: Row, parent: str | Parent | None) -> int | None:
    if isinstance(parent, Parent):
        leaf: int | None = head["leaf_id"]
        return leaf
    if parent is None:
        return None
    row = db.conn.execute("select id from messages where uid = ? and conversation_id = ?", (parent, head["id"])).fetchone()
    if row is None:
        raise _no_message(parent)
    return int(row["id"])


def _insert(db: "Database", conversation: int, parent: int | None, role: str, status: str, text: str) -> tuple[int, str]:
    uid = _new_id()
    cursor = db.conn.execute(
        "insert into messages(uid, conversation_id, parent_id, role, status, text, created_at) values (?, ?, ?, ?, ?, ?, ?)",
        (uid, conversation, parent, role, status, text, _now()),
    )
    return int(cursor.lastrowid or 0), uid


def _insert_citations(db: "Database", message: int, citations: Sequence[Citation]) -> None:
    db.conn.executemany(
        "insert into citations values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (message, ordinal, s.number, sound_text(s.title), sound_text(s.text), s.page, s.document_sha256, sound_text(c.quote), c.verdict)
            for ordinal, c in enumerate(citations)
            for s in (c.source,)
        ],
    )


def _new_id() -> str:
    return secrets.token_hex(8)


def _now() -> int:
    return time.time_ns() // 1_000_000


def _no_conversation(id: str) -> NotFound:
    return NotFound(f"There is no conversation {id}.", "It may have been deleted. The list shows those there are.")


def _no_message(id: str) -> NotFound:
    return NotFound(f"There is no message {id} in this conversation.", "Open the conversation again.")


def _not_streaming(id: str) -> NotFound:
    return NotFound(f"The answer {id} is no longer being written.", "It has ended, or its conversation was deleted.")
