"""A conversation's messages as a tree: which branch is shown, and what is remembered of the others. Works inside a transaction.

Each message remembers which of its followers was last shown, so that coming back to a branch leads to the same end of it.
"""

import secrets
import time
from typing import TYPE_CHECKING

from med42_chat.errors import NotFound
from med42_chat.records import Parent, Role, Status
from med42_chat.store.connection import Row
from med42_chat.store.texts import sound_text

if TYPE_CHECKING:
    from sqlite_utils import Database

_REMEMBER = """
with recursive up(id, parent_id) as (
  select id, parent_id from messages where id = ?
  union all
  select above.id, above.parent_id from up join messages above on above.id = up.parent_id
)
update messages set shown_id = (select up.id from up where up.parent_id = messages.id)
where id in (select parent_id from up) and shown_id is not (select up.id from up where up.parent_id = messages.id)
"""

_LAST_SHOWN = """
with recursive down(id) as (
  select ?
  union all
  select coalesce(m.shown_id, (select max(f.id) from messages f where f.parent_id = m.id)) from down join messages m on m.id = down.id
)
select max(id) as id from down
"""


def new_id() -> str:
    """An id for others to see."""
    return secrets.token_hex(8)


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def insert(db: "Database", conversation: int, parent: int | None, role: Role, status: Status, text: str) -> tuple[int, str]:
    """Adds a message; its row and its id."""
    uid = new_id()
    cursor = db.conn.execute(
        "insert into messages(uid, conversation_id, parent_id, role, status, text, created_at) values (?, ?, ?, ?, ?, ?, ?)",
        (uid, conversation, parent, role, status, sound_text(text), now()),
    )
    return int(cursor.lastrowid or 0), uid


def message_row(db: "Database", conversation: int, uid: str, role: Role | None = None) -> int:
    """The row of a message of this conversation. Raises NotFound, also when somebody else is speaking in it than `role`."""
    row = db.conn.execute(
        "select id from messages where uid = ? and conversation_id = ? and role = coalesce(?, role)", (uid, conversation, role)
    ).fetchone()
    if row is None:
        raise no_message(uid)
    return int(row["id"])


def parent_row(db: "Database", head: Row, parent: str | Parent | None) -> int | None:
    """The row that a new question follows; None for a new first question. Raises NotFound."""
    if isinstance(parent, Parent):
        leaf: int | None = head["leaf_id"]
        return leaf
    return None if parent is None else message_row(db, head["id"], parent)


def show(db: "Database", conversation: int, leaf: int) -> None:
    """Makes the branch that ends at `leaf` the one that is shown."""
    db.conn.execute(_REMEMBER, (leaf,))
    db.conn.execute("update conversations set leaf_id = ? where id = ?", (leaf, conversation))


def last_shown(db: "Database", message: int) -> int:
    """The end of the branch through this message that was shown last; of branches never shown again, the newest."""
    # A message is always younger than its parent: the highest id on the way down is its end.
    return int(db.conn.execute(_LAST_SHOWN, (message,)).fetchone()["id"])


def no_message(id: str) -> NotFound:
    """The error for a message that is not there."""
    return NotFound(f"There is no message {id} in this conversation.", "Open the conversation again.")
