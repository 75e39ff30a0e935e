"""The list of conversations: by archive, folder and tag, a stretch at a time. Reads only."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from med42_chat.records import Conversation
from med42_chat.store.connection import Connections
from med42_chat.store.selects import CONVERSATION, to_conversation

ORDER = "order by c.pinned desc, c.updated_at desc, c.id desc"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Which conversations: those put away or the others, in one folder, with one tag; empty means any."""

    archived: bool = False
    folder: str = ""
    tag: str = ""

    @property
    def condition(self) -> str:
        """The shelf as SQL on `conversations c`, with this record's fields as named parameters."""
        # An empty folder is named in so many words, or SQLite would not use the index that leaves it out.
        folder = " and c.folder = :folder and c.folder <> ''" if self.folder else ""
        tag = " and c.id in (select conversation_id from conversation_tags where tag = :tag)" if self.tag else ""
        return f"where c.archived = :archived and not c.deleting{folder}{tag}"

    @property
    def parameters(self) -> dict[str, str | int]:
        """The values for `condition`."""
        return {"archived": int(self.archived), "folder": self.folder, "tag": self.tag}


def recent(connections: Connections, shelf: Shelf, limit: int, offset: int) -> list[Conversation]:
    """Pinned ones first, then those with the newest messages."""
    rows = connections.rows(
        f"{CONVERSATION} {shelf.condition} {ORDER} limit :limit offset :offset",
        {**shelf.parameters, "limit": limit, "offset": offset},
    )
    return [to_conversation(row) for row in rows]


def total(connections: Connections, shelf: Shelf) -> int:
    """How many the shelf holds."""
    row = connections.row(f"select count(*) as n from conversations c {shelf.condition}", shelf.parameters)
    return int(row["n"]) if row else 0


def periods(connections: Connections, shelf: Shelf, since: Sequence[int]) -> list[int]:
    """How many the shelf holds in each stretch of `recent`: pinned ones, those since each time (the newest first), and all before."""
    moments = {f"t{number}": moment for number, moment in enumerate(since)}
    # Each count is a walk over the few index entries since then; only the last one, of all, is as long as the list.
    counts = [f"(select count(*) from conversations c {shelf.condition} and c.pinned = 0 and c.updated_at >= :{name})" for name in moments]
    pinned = f"(select count(*) from conversations c {shelf.condition} and c.pinned = 1)"
    row = connections.row(f"select json_array({', '.join([pinned, *counts])}) as counts", {**shelf.parameters, **moments})
    first, *until = json.loads(row["counts"]) if row else [0] * (len(since) + 1)
    ends = [0, *until, total(connections, shelf) - first]
    return [first, *(end - start for start, end in pairwise(ends))]


def folders(connections: Connections, archived: bool) -> list[tuple[str, int]]:
    """The folders' names with how many conversations each holds, by name."""
    rows = connections.rows(
        """select folder as name, count(*) as n from conversations
        where archived = ? and not deleting and folder <> '' group by folder order by folder collate nocase, folder""",
        (int(archived),),
    )
    return [(row["name"], row["n"]) for row in rows]


def tags(connections: Connections, archived: bool) -> list[tuple[str, int]]:
    """The tags' names with how many conversations have each, by name."""
    rows = connections.rows(
        """select t.tag as name, count(*) as n from conversation_tags t
        where exists (select 1 from conversations c where c.id = t.conversation_id and c.archived = ? and not c.deleting)
        group by t.tag order by t.tag collate nocase, t.tag""",
        (int(archived),),
    )
    return [(row["name"], row["n"]) for row in rows]
