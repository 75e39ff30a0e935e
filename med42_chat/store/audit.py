"""What was done to the store, as a chain of rows in which every row carries the hash of the one before.

A changed, removed or inserted row breaks the chain; rows cut off the end are noticed by the table's counter. Whoever holds
the key could rewrite everything: the chain shows damage and careless tampering, it does not stop an owner. Rows carry ids and
counts, never words of a patient, a question or an answer.
"""

import hashlib
import json
import time
from collections.abc import Mapping

from med42_chat.records import Health
from med42_chat.store.connection import Connections, Row

_PAGE = 20_000


class Audit:
    """The only writer of the table `audit`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def append(self, action: str, subject: str, detail: Mapping[str, str]) -> None:
        """Adds a row: what was done ('conversation.deleted'), to which id, with a few counts. Joins the transaction that is open."""
        with self._connections.write() as db:
            last = db.conn.execute("select hash from audit order by id desc limit 1").fetchone()
            previous = last["hash"] if last else b""
            at, words = time.time_ns() // 1_000_000, json.dumps(dict(detail), sort_keys=True, separators=(",", ":"))
            db.conn.execute(
                "insert into audit(at, action, subject, detail, hash) values (?, ?, ?, ?, ?)",
                (at, action, subject, words, _link(previous, at, action, subject, words)),
            )

    def verify(self) -> Health:
        """Walks the whole chain. About half a second for 100,000 rows."""
        previous, last, count = b"", 0, 0
        while page := self._connections.rows("select * from audit where id > ? order by id limit ?", (last, _PAGE)):
            for row in page:
                if row["hash"] != _row_hash(previous, row):
                    return _broken(f"Row {row['id']} of the audit trail does not follow from the row before it.")
                previous, last, count = row["hash"], row["id"], count + 1
        counter = self._connections.row("select seq from sqlite_sequence where name = 'audit'")
        if (counter["seq"] if counter else 0) != last:
            return _broken("Rows are missing at the end of the audit trail.")
        return Health("audit", "ok", f"The audit trail is unbroken ({count} rows).", detail={"rows": str(count)})


def _row_hash(previous: bytes, row: Row) -> bytes:
    return _link(previous, row["at"], row["action"], row["subject"], row["detail"])


def _link(previous: bytes, at: int, action: str, subject: str, detail: str) -> bytes:
    words = json.dumps([at, action, subject, detail], separators=(",", ":"))
    return hashlib.sha256(previous + words.encode()).digest()


def _broken(text: str) -> Health:
    return Health("audit", "error", text, "The database was changed outside the program. Compare it with a backup.")
