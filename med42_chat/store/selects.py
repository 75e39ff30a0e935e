"""What the tables of conversations say, as records: the queries, and their rows made into values."""

import json

from med42_chat.records import Conversation, Feedback, Message
from med42_chat.store.attachments import from_json as attachments_from_json
from med42_chat.store.connection import Row
from med42_chat.store.evidence import from_json
from med42_chat.store.sources import CITATIONS, citations, findings_from_json

CONVERSATION = """
select c.uid, c.title, c.created_at, c.updated_at, c.pinned_facts, c.n_messages, c.pinned, c.archived, c.folder, c.library, c.collections,
  (select json_group_array(t.tag order by t.tag) from conversation_tags t where t.conversation_id = c.id) as tags,
  (select m.uid from messages m where m.id = c.leaf_id) as leaf
from conversations c
"""

# What a streaming message's deltas say belongs to its text: a reader sees everything that has been acknowledged.
TEXT = """m.text || coalesce(
    (select group_concat(d.text, '' order by d.seq) from stream_deltas d where d.message_id = m.id and m.status = 'streaming'), '')"""

MESSAGE = f"""
select m.uid, c.uid as conversation, p.uid as parent, m.role, {TEXT} as text, m.status, m.created_at, m.imported_at, r.evidence,
  ({CITATIONS} where message_id = m.id) as citations, m.findings,
  (select a.items from attachments a where a.message_id = m.id) as attachments,
  (select json_array(f.kind, f.comment, f.created_at) from feedback f where f.message_id = m.id) as feedback,
  iif(m.parent_id is null,
    (select json_group_array(s.uid order by s.id) from messages s where s.conversation_id = m.conversation_id and s.parent_id is null),
    (select json_group_array(s.uid order by s.id) from messages s where s.parent_id = m.parent_id)) as versions
from messages m
join conversations c on c.id = m.conversation_id
left join messages p on p.id = m.parent_id
left join runs r on r.message_id = m.id
"""

# A message is always younger than its parent: the order of ids is the order from root to leaf.
BRANCH = f"""
with recursive up(id, parent_id) as (
  select id, parent_id from messages where id = ?
  union all
  select above.id, above.parent_id from up join messages above on above.id = up.parent_id
)
{MESSAGE} where m.id in (select id from up) order by m.id
"""


def to_conversation(row: Row) -> Conversation:
    """A row of CONVERSATION."""
    return Conversation(
        id=row["uid"],
        title=row["title"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        pinned_facts=row["pinned_facts"],
        message_count=row["n_messages"],
        pinned=bool(row["pinned"]),
        archived=bool(row["archived"]),
        folder=row["folder"],
        tags=tuple(json.loads(row["tags"])),
        leaf_id=row["leaf"] or "",
        library=row["library"],
        collections=tuple(json.loads(row["collections"])),
    )


def to_message(row: Row) -> Message:
    """A row of MESSAGE or BRANCH."""
    versions = json.loads(row["versions"])
    return Message(
        id=row["uid"],
        conversation_id=row["conversation"],
        parent_id=row["parent"],
        role=row["role"],
        text=row["text"],
        status=row["status"],
        created_at=row["created_at"],
        evidence=from_json(row["evidence"]) if row["evidence"] else None,
        citations=citations(row["citations"]),
        attachments=attachments_from_json(row["attachments"]) if row["attachments"] else (),
        versions=tuple(versions) if len(versions) > 1 else (),
        feedback=Feedback(*json.loads(row["feedback"])) if row["feedback"] else None,
        findings=findings_from_json(row["findings"]),
        imported_at=row["imported_at"],
    )
