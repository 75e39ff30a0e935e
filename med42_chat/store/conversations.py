"""Conversations and their messages: the owner of all tables but documents, passages and audit.

Messages form a tree. A conversation's active branch runs from its first question to its active leaf; asking again from an
earlier message makes a sibling and keeps the old version. Knows nothing of models or pages.
"""

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from med42_chat.errors import NotFound
from med42_chat.records import (
    Attachment,
    Citation,
    Conversation,
    Draft,
    Evidence,
    Feedback,
    Finding,
    LibraryUse,
    Message,
    Parent,
    SearchHit,
    Status,
)
from med42_chat.store import attachments as attached
from med42_chat.store import shelves, sources, transfer, tree
from med42_chat.store.audit import Audit
from med42_chat.store.connection import Connections, Row
from med42_chat.store.evidence import to_json
from med42_chat.store.search import search, titles
from med42_chat.store.selects import BRANCH, CONVERSATION, MESSAGE, TEXT, to_conversation, to_message
from med42_chat.store.shelves import Shelf
from med42_chat.store.texts import names, one_line, sound_text, title_of
from med42_chat.store.transfer import Restored

if TYPE_CHECKING:
    from sqlite_utils import Database

__all__ = ["Conversations", "Parent"]

_STEP = 5  # messages deleted in one transaction
_PAUSE_S = 0.005
_SHOWN, _DELETING, _HIDDEN = range(3)  # what `conversations.deleting` says


class Conversations:
    """Every method may be called from any thread; what a method wrote is on the disk when it returns."""

    def __init__(self, connections: Connections, audit: Audit) -> None:
        self._connections = connections
        self._audit = audit

    # The list

    def recent(self, limit: int = 50, offset: int = 0, archived: bool = False, folder: str = "", tag: str = "") -> list[Conversation]:
        """Pinned ones first, then those with the newest messages."""
        return shelves.recent(self._connections, Shelf(archived, folder, tag), limit, offset)

    def total(self, archived: bool = False, folder: str = "", tag: str = "") -> int:
        """How many there are to page through with `recent`."""
        return shelves.total(self._connections, Shelf(archived, folder, tag))

    def folders(self, archived: bool = False) -> list[tuple[str, int]]:
        """The folders' names with how many conversations each holds, by name."""
        return shelves.folders(self._connections, archived)

    def tags(self, archived: bool = False) -> list[tuple[str, int]]:
        """The tags' names with how many conversations have each, by name."""
        return shelves.tags(self._connections, archived)

    def periods(self, since: Sequence[int], archived: bool = False, folder: str = "", tag: str = "") -> list[int]:
        """How many of `recent` are pinned, then how many are of each period: since each of these times (milliseconds, the newest
        first), and before all of them. Together they are `total`."""
        return shelves.periods(self._connections, Shelf(archived, folder, tag), since)

    def titles(self, text: str, limit: int = 20) -> list[tuple[Conversation, tuple[str, ...]]]:
        """Conversations with the words of `text` in their title, the newest first, archived ones too; beside each its title in pieces,
        plain and matching in turn."""
        return titles(self._connections, text, limit)

    def search(self, text: str, limit: int = 20) -> list[SearchHit]:
        """Messages and titles with the words of `text`; nothing when it holds no letter or digit. A hit on a title names no message."""
        return search(self._connections, text, limit)

    # A conversation

    def create(self, title: str = "", pinned_facts: str = "") -> Conversation:
        """A new, empty conversation. Without a title it gets one from its first question."""
        uid, now = tree.new_id(), tree.now()
        with self._connections.write() as db:
            db.conn.execute(
                "insert into conversations(uid, title, pinned_facts, created_at, updated_at) values (?, ?, ?, ?, ?)",
                (uid, one_line(title), sound_text(pinned_facts), now, now),
            )
            self._audit.append("conversation.created", uid, {})
        return self.get(uid)

    def ids(self) -> list[str]:
        """Of all that are here, those that are hidden among them."""
        return [row["uid"] for row in self._connections.rows("select uid from conversations")]

    def get(self, id: str) -> Conversation:
        """Raises NotFound."""
        row = self._connections.row(f"{CONVERSATION} where c.uid = ? and not c.deleting", (id,))
        if row is None:
            raise _no_conversation(id)
        return to_conversation(row)

    def rename(self, id: str, title: str) -> None:
        """Sets the title, on one line. Raises NotFound."""
        self._set(id, "title", one_line(title))

    def set_pinned_facts(self, id: str, text: str) -> None:
        """Sets what every prompt of this conversation begins with. Raises NotFound."""
        self._set(id, "pinned_facts", sound_text(text))

    def set_pinned(self, id: str, pinned: bool) -> None:
        """Keeps it at the top of the list, or no longer. Raises NotFound."""
        self._set(id, "pinned", int(pinned))

    def set_archived(self, id: str, archived: bool) -> None:
        """Puts it away into the archive, or takes it back out. Raises NotFound."""
        with self._connections.write():
            self._set(id, "archived", int(archived))
            self._audit.append("conversation.archived" if archived else "conversation.unarchived", id, {})

    def set_folder(self, id: str, folder: str) -> None:
        """Puts it into a folder, which is there as long as something is in it; an empty name takes it out. Raises NotFound."""
        self._set(id, "folder", one_line(folder))

    def set_tags(self, id: str, tags: Sequence[str]) -> None:
        """Sets all of its tags, each on one line and once. Raises NotFound."""
        with self._connections.write() as db:
            head = _head(db, id)
            db.conn.execute("delete from conversation_tags where conversation_id = ?", (head["id"],))
            db.conn.executemany("insert into conversation_tags values (?, ?)", [(head["id"], name) for name in names(tags)])

    def set_library(self, id: str, use: LibraryUse, collections: Sequence[str] = ()) -> None:
        """Sets how its questions use the library, and which collections are searched: all when none is named. Raises NotFound."""
        with self._connections.write():
            self._set(id, "library", use)
            self._set(id, "collections", json.dumps(names(collections)))

    # A whole one, out of the store and into it

    def whole(self, id: str) -> tuple[Conversation, list[Message]]:
        """It with all its messages, all versions, parents before what follows them. Raises NotFound."""
        return self.get(id), transfer.everything(self._connections, id)  # in this order: the branch's end is among the messages

    def restore(self, conversation: Conversation, messages: Sequence[Message]) -> Restored:
        """Takes in what `whole` gave, here or elsewhere, under its own ids where they are free; what is there already is left as it is."""
        return transfer.restore(self._connections, self._audit, conversation, messages)

    # Deletion

    def hide(self, id: str) -> None:
        """Takes it out of everybody's sight, searches too, until `unhide`; `delete` or the next start removes it. Raises NotFound."""
        with self._connections.write() as db:
            db.conn.execute("update conversations set deleting = ? where id = ?", (_HIDDEN, _head(db, id)["id"]))
            self._audit.append("conversation.hidden", id, {})

    def unhide(self, id: str) -> None:
        """Brings a hidden one back as it was. Raises NotFound when its deletion has begun."""
        with self._connections.write() as db:
            shown = db.conn.execute("update conversations set deleting = ? where uid = ? and deleting = ?", (_SHOWN, id, _HIDDEN))
            if shown.rowcount != 1:
                raise _no_conversation(id)
            self._audit.append("conversation.unhidden", id, {})

    def delete(self, id: str) -> None:
        """Removes it, hidden or not, with all that belongs to it, from the index and the file's free space too. Raises NotFound.

        For everybody else it is gone at once. Cleaning the index takes some 15 ms a message in a very large store: that goes
        in small steps, so that streaming answers are saved meanwhile, and is taken up again after a crash.
        """
        with self._connections.write() as db:
            head = db.conn.execute("select * from conversations where uid = ? and deleting <> ?", (id, _DELETING)).fetchone()
            if head is None:
                raise _no_conversation(id)
            self._begin_deletion(db, head)
        self._remove(head["id"])
        self._connections.empty_log()

    def recover(self) -> int:
        """Ends what a crash or a closing cut short: answers keep what was acknowledged and are marked (their number is returned);
        deletions go on, those of hidden conversations too."""
        for row in self._connections.rows("select * from conversations where deleting"):
            if row["deleting"] == _HIDDEN:
                with self._connections.write() as db:
                    self._begin_deletion(db, row)
            self._remove(row["id"])
        with self._connections.write() as db:
            ended = db.conn.execute(f"update messages as m set text = {TEXT}, status = 'interrupted' where status = 'streaming'")
            db.conn.execute("delete from stream_deltas")
        return int(ended.rowcount)

    # Messages

    def branch(self, id: str, leaf: str | None = None) -> list[Message]:
        """The messages from the first question to `leaf`, or to the active leaf, with all that belongs to them. Raises NotFound."""
        sql = "select leaf_id from conversations where uid = ? and not deleting"
        parameters: tuple[str, ...] = (id,)
        if leaf is not None:
            sql = """select m.id as leaf_id from messages m join conversations c on c.id = m.conversation_id
                where c.uid = ? and m.uid = ? and not c.deleting"""
            parameters = (id, leaf)
        end = self._connections.row(sql, parameters)
        if end is None:
            raise _no_conversation(id) if leaf is None else tree.no_message(leaf)
        return [to_message(row) for row in self._connections.rows(BRANCH, (end["leaf_id"],))]

    def message(self, id: str) -> Message:
        """One message with all that belongs to it. Raises NotFound."""
        row = self._connections.row(f"{MESSAGE} where m.uid = ? and not c.deleting", (id,))
        if row is None:
            raise tree.no_message(id)
        return to_message(row)

    def choose(self, id: str, message_id: str) -> None:
        """Shows the branch through this message, down to the end at which it was last shown. Raises NotFound."""
        with self._connections.write() as db:
            head = _head(db, id)
            tree.show(db, head["id"], tree.last_shown(db, tree.message_row(db, head["id"], message_id)))

    def set_feedback(self, message_id: str, feedback: Feedback | None) -> None:
        """Keeps what the reader thought of an answer, in the place of what was kept before; None forgets it. Raises NotFound."""
        answer = self.message(message_id)
        with self._connections.write() as db:
            (row,) = db.conn.execute("select id from messages where uid = ?", (message_id,)).fetchone()
            db.conn.execute("delete from feedback where message_id = ?", (row,))
            if feedback:
                at = feedback.created_at or tree.now()
                db.conn.execute(
                    "insert into feedback(message_id, kind, comment, created_at) values (?, ?, ?, ?)",
                    (row, feedback.verdict, sound_text(feedback.reason), at),
                )
            verdict = feedback.verdict if feedback else "none"
            self._audit.append("answer.rated", answer.conversation_id, {"message": message_id, "verdict": verdict})

    # Drafts

    def draft(self, id: str) -> Draft:
        """What was typed in this conversation and not sent; with an empty id, on the page that has none yet."""
        row = self._connections.row("select text, attachments from drafts where owner = ?", (id,))
        return Draft(row["text"], attached.from_json(row["attachments"])) if row else Draft()

    def set_draft(self, id: str, draft: Draft) -> None:
        """Keeps what is typed and not sent; an empty draft forgets it. What is taken out of it is gone from the file. Raises NotFound."""
        with self._connections.write() as db:
            if id:
                _head(db, id)
            before = self.draft(id)
            db.conn.execute("delete from drafts where owner = ?", (id,))
            if draft != Draft():
                db.conn.execute(
                    "insert into drafts values (?, ?, ?, ?)",
                    (id, sound_text(draft.text), attached.to_json(draft.attachments), tree.now()),
                )
        # Not at each key: cutting the log takes as long as a commit.
        if (draft == Draft() and before != draft) or not set(before.attachments) <= set(draft.attachments):
            self._connections.empty_log(wait_ms=0)

    # Asking and answering

    def begin(
        self, id: str, question: str, parent: str | Parent | None = Parent.LEAF, attachments: Sequence[Attachment] = ()
    ) -> tuple[Message, Message]:
        """Saves the question and its still empty answer, makes that answer the active leaf, and forgets the conversation's draft.

        `parent` is the message the question follows: the active leaf, a message's id (a sibling of what already follows
        it), or None for a new first question. Raises NotFound.
        """
        with self._connections.write() as db:
            head = _head(db, id)
            asked, asked_uid = tree.insert(db, head["id"], tree.parent_row(db, head, parent), "user", "complete", question)
            if attachments:
                db.conn.execute("insert into attachments values (?, ?)", (asked, attached.to_json(attachments)))
            answer_uid = _open_answer(db, head, asked, "")
            db.conn.execute("delete from drafts where owner = ?", (id,))
            if not head["title"]:
                db.conn.execute("update conversations set title = ? where id = ?", (title_of(question), head["id"]))
        return self.message(asked_uid), self.message(answer_uid)

    def begin_again(self, id: str, question_id: str, text: str = "") -> tuple[Message, Message]:
        """Begins a further answer to a question that is already there, with `text` as its first words, and makes it the active leaf.

        Raises NotFound.
        """
        with self._connections.write() as db:
            head = _head(db, id)
            answer_uid = _open_answer(db, head, tree.message_row(db, head["id"], question_id, "user"), text)
        return self.message(question_id), self.message(answer_uid)

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

    def record(self, answer_id: str, evidence: Evidence, citations: Sequence[Citation] = ()) -> None:
        """Keeps how a streaming answer comes about, and its sources, before it is there: both outlive a crash then.

        Raises NotFound like `finish`.
        """
        with self._connections.write() as db:
            row = _streaming(db, answer_id)
            _set_evidence(db, row["id"], evidence)
            _set_citations(db, row["id"], citations)

    def finish(
        self,
        answer_id: str,
        text: str,
        status: Status,
        evidence: Evidence | None,
        citations: Sequence[Citation] = (),
        findings: Sequence[Finding] = (),
    ) -> Message:
        """Ends a streaming answer with its whole text, in one transaction. Raises NotFound when it has ended already or is gone."""
        with self._connections.write() as db:
            row = _streaming(db, answer_id)
            db.conn.execute(
                "update messages set text = ?, status = ?, findings = ? where id = ?",
                (sound_text(text), status, sources.findings_to_json(findings), row["id"]),
            )
            db.conn.execute("update conversations set updated_at = ? where id = ?", (tree.now(), row["conversation_id"]))
            db.conn.execute("delete from stream_deltas where message_id = ?", (row["id"],))
            if evidence is not None:
                _set_evidence(db, row["id"], evidence)
            _set_citations(db, row["id"], citations)
            counts = {"message": answer_id, "status": status, "characters": str(len(text)), "citations": str(len(citations))}
            self._audit.append("answer.finished", row["uid"], counts)
            # Here and not by `message`: its conversation may be hidden meanwhile.
            return to_message(db.conn.execute(f"{MESSAGE} where m.id = ?", (row["id"],)).fetchone())

    def _begin_deletion(self, db: "Database", head: Row) -> None:
        """Forgets at once what is short: title, facts, draft."""
        db.conn.execute(
            "update conversations set deleting = ?, title = '', pinned_facts = '', folder = '', collections = '[]' where id = ?",
            (_DELETING, head["id"]),
        )
        db.conn.execute("delete from drafts where owner = ?", (head["uid"],))
        self._audit.append("conversation.deleted", head["uid"], {"messages": str(head["n_messages"])})

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

    def _set(self, id: str, column: str, value: str | int) -> None:
        with self._connections.write() as db:
            if db.conn.execute(f"update conversations set {column} = ? where uid = ? and not deleting", (value, id)).rowcount != 1:
                raise _no_conversation(id)


def _head(db: "Database", uid: str) -> Row:
    row: Row | None = db.conn.execute(
        "select id, title, leaf_id, n_messages from conversations where uid = ? and not deleting", (uid,)
    ).fetchone()
    if row is None:
        raise _no_conversation(uid)
    return row


def _open_answer(db: "Database", head: Row, question: int, text: str) -> str:
    """A streaming answer to `question`, shown from now on; its id."""
    answer, uid = tree.insert(db, head["id"], question, "assistant", "streaming", text)
    tree.show(db, head["id"], answer)
    db.conn.execute(
        """update conversations set updated_at = :now, n_messages = (select count(*) from messages where conversation_id = :id)
        where id = :id""",
        {"now": tree.now(), "id": head["id"]},
    )
    return uid


def _streaming(db: "Database", answer_id: str) -> Row:
    row: Row | None = db.conn.execute(
        """select m.id, m.conversation_id, c.uid from messages m join conversations c on c.id = m.conversation_id
        where m.uid = ? and m.status = 'streaming'""",
        (answer_id,),
    ).fetchone()
    if row is None:
        raise _not_streaming(answer_id)
    return row


def _set_evidence(db: "Database", message: int, evidence: Evidence) -> None:
    db.conn.execute("insert or replace into runs(message_id, evidence) values (?, ?)", (message, to_json(evidence)))


def _set_citations(db: "Database", message: int, citations: Sequence[Citation]) -> None:
    db.conn.execute("delete from citations where message_id = ?", (message,))
    db.conn.executemany(sources.INSERT, sources.rows(message, citations))


def _no_conversation(id: str) -> NotFound:
    return NotFound(f"There is no conversation {id}.", "It may have been deleted. The list shows those there are.")


def _not_streaming(id: str) -> NotFound:
    return NotFound(f"The answer {id} is no longer being written.", "It has ended, or its conversation was deleted.")
