"""Names of collections that are kept as a JSON list in a row: of a conversation, a watched folder, a file that waits."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database


def rename(db: "Database", table: str, name: str, new: str) -> None:
    """Puts `new` in the place of `name` in every row of the table, where the old one would mean nothing. An empty `new` takes it out."""
    db.conn.execute(
        f"""update {table} set collections = (select json_group_array(distinct iif(value = :name, :new, value))
          from json_each(collections) where value <> :name or :new <> '')
        where exists (select 1 from json_each(collections) where value = :name)""",
        {"name": name, "new": new},
    )
