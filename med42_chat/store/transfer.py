"""A whole conversation out of the store, and one from elsewhere into it: every version of every message, with all that belongs to it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from med42_chat.records import Citation, Conversation, Evidence, LeftOut, Message
from med42_chat.store import attachments as attached
from med42_chat.store import sources, tree
from med42_chat.store.audit import Audit
from med42_chat.store.connection import Connections
from med42_chat.store.evidence import to_json
from med42_chat.store.selects import CONVERSATION, MESSAGE, to_conversation, to_message
from med42_chat.store.texts import names, one_line, sound_text

if TYPE_CHECKING:
    from sqlite_utils import Database

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of a conversation that came from elsewhere.

    'new': it has its own ids. 'copy': it has new ids, since other words stand under its own. 'same': it is there already, nothing was done.
    """

    conversation: Conversation
    outcome: Literal["new", "copy", "same"]


def everything(connections: Connections, id: str) -> list[Message]:
    """All messages of a conversation, all versions, parents before what follows them; none where it is not there."""
    found = connections.rows(f"{MESSAGE} where c.uid = ? and not c.deleting order by m.id", (id,))
    return [to_message(row) for row in found]


def restore(connections: Connections, audit: Audit, conversation: Conversation, messages: Sequence[Message]) -> Restored:
    """Puts a conversation with its tree into the store, in one transaction. Parents stand before what follows them, and each is there."""
    conversation, messages = _fit_head(conversation), [_fit(message) for message in messages]
    with connections.write() as db:
        if _is_there(connections, conversation, messages):
            return Restored(_head(connections, conversation.id), "same")
        taken = _is_taken(db, conversation, messages)
        if taken:
            conversation, messages = _under_new_ids(conversation, messages)
        _insert(db, conversation, messages)
        audit.append("conversation.imported", conversation.id, {"messages": str(len(messages))})
    return Restored(_head(connections, conversation.id), "copy" if taken else "new")


def _head(connections: Connections, id: str) -> Conversation:
    (row,) = connections.rows(f"{CONVERSATION} where c.uid = ?", (id,))
    return to_conversation(row)


# As the store keeps it


def _sound(value: _Value) -> _Value:
    """The value with every text in it as `sound_text` has it: SQLite takes no half characters."""
    found: Any = value
    if isinstance(value, str):
        found = sound_text(value)
    elif isinstance(value, tuple):
        found = tuple(_sound(one) for one in value)
    elif is_dataclass(value) and not isinstance(value, type):
        found = replace(value, **{field.name: _sound(getattr(value, field.name)) for field in fields(value)})
    whole: _Value = found
    return whole


def _fit_head(conversation: Conversation) -> Conversation:
    sound = _sound(conversation)
    return replace(
        sound,
        title=one_line(sound.title),
        folder=one_line(sound.folder),
        tags=tuple(names(sound.tags)),
        collections=tuple(names(sound.collections)),
    )


def _fit(message: Message) -> Message:
    """Nobody is writing it any more, wherever that was, and its versions are what stands beside it here."""
    return replace(_sound(message), status="interrupted" if message.status == "streaming" else message.status, versions=())


def _is_there(connections: Connections, conversation: Conversation, messages: Sequence[Message]) -> bool:
    """Whether this conversation says the same here already.

    Where it is filed and which branch is shown is no part of that, nor what its answers were compared with and when it came: that is
    found anew with each program, and another one may have found something else.
    """
    row = connections.row(f"{CONVERSATION} where c.uid = ? and not c.deleting", (conversation.id,))
    if row is None or (row["title"], row["pinned_facts"]) != (conversation.title, conversation.pinned_facts):
        return False
    return list(map(_said, everything(connections, conversation.id))) == list(map(_said, messages))


def _said(message: Message) -> Message:
    """The message without what is found out about it."""
    given = tuple(Citation(citation.source) for citation in message.citations)
    return replace(message, citations=given, findings=(), versions=(), imported_at=0)


def _is_taken(db: "Database", conversation: Conversation, messages: Sequence[Message]) -> bool:
    """Whether one of the ids is somebody's, a hidden or half deleted one's too."""
    ids = json.dumps([message.id for message in messages])
    found = db.conn.execute(
        """select exists (select 1 from conversations where uid = ?)
          or exists (select 1 from messages where uid in (select value from json_each(?)))""",
        (conversation.id, ids),
    )
    return bool(found.fetchone()[0])


# New ids


def _under_new_ids(conversation: Conversation, messages: Sequence[Message]) -> tuple[Conversation, list[Message]]:
    ids = {message.id: tree.new_id() for message in messages}
    copy = replace(conversation, id=tree.new_id(), leaf_id=ids.get(conversation.leaf_id, ""))
    return copy, [_copied(message, copy.id, ids) for message in messages]


def _copied(message: Message, conversation_id: str, ids: Mapping[str, str]) -> Message:
    return replace(
        message,
        id=ids[message.id],
        conversation_id=conversation_id,
        parent_id=ids[message.parent_id] if message.parent_id is not None else None,
        evidence=_pointing(message.evidence, ids) if message.evidence else None,
    )


def _pointing(evidence: Evidence, ids: Mapping[str, str]) -> Evidence:
    """The evidence with what it says of other messages under their new ids."""
    left_out = tuple(_left(one, ids) for one in evidence.left_out)
    return replace(evidence, seen=tuple(ids.get(id, id) for id in evidence.seen), left_out=left_out)


def _left(left: LeftOut, ids: Mapping[str, str]) -> LeftOut:
    return replace(left, id=ids.get(left.id, left.id)) if left.kind == "message" else left


# Rows


def _insert(db: "Database", conversation: Conversation, messages: Sequence[Message]) -> None:
    head = _insert_head(db, conversation, len(messages))
    rows: dict[str, int] = {}
    for message in messages:
        rows[message.id] = _insert_message(db, head, rows[message.parent_id] if message.parent_id is not None else None, message)
        _insert_parts(db, rows[message.id], message)
    if conversation.leaf_id:
        tree.show(db, head, tree.last_shown(db, rows[conversation.leaf_id]))


def _insert_head(db: "Database", conversation: Conversation, messages: int) -> int:
    cursor = db.conn.execute(
        """insert into conversations(
          uid, title, pinned_facts, created_at, updated_at, pinned, archived, folder, library, collections, n_messages)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            conversation.id,
            conversation.title,
            conversation.pinned_facts,
            conversation.created_at,
            conversation.updated_at,
            int(conversation.pinned),
            int(conversation.archived),
            conversation.folder,
            conversation.library,
            json.dumps(conversation.collections),
            messages,
        ),
    )
    row = int(cursor.lastrowid or 0)
    db.conn.executemany("insert into conversation_tags values (?, ?)", [(row, tag) for tag in conversation.tags])
    return row


def _insert_message(db: "Database", conversation: int, parent: int | None, message: Message) -> int:
    findings = sources.findings_to_json(message.findings)
    cursor = db.conn.execute(
        """insert into messages(uid, conversation_id, parent_id, role, status, text, created_at, findings, imported_at)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            message.id,
            conversation,
            parent,
            message.role,
            message.status,
            message.text,
            message.created_at,
            findings,
            message.imported_at,
        ),
    )
    return int(cursor.lastrowid or 0)


def _insert_parts(db: "Database", row: int, message: Message) -> None:
    if message.evidence is not None:
        db.conn.execute("insert into runs(message_id, evidence) values (?, ?)", (row, to_json(message.evidence)))
    if message.attachments:
        db.conn.execute("insert into attachments values (?, ?)", (row, attached.to_json(message.attachments)))
    db.conn.executemany(sources.INSERT, sources.rows(row, message.citations))
    if message.feedback is not None:
        kept = (row, message.feedback.verdict, message.feedback.reason, message.feedback.created_at)
        db.conn.execute("insert into feedback(message_id, kind, comment, created_at) values (?, ?, ?, ?)", kept)
