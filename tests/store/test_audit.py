"""The audit trail: what it holds, and what it notices."""

import pytest

from med42_chat.store.database import Store
from tests.store.samples import asked


def test_creating_answering_and_deleting_are_written_down(store: Store) -> None:
    conversation, _ = asked(store)
    store.conversations.delete(conversation)
    rows = store._connections.rows("select action, subject from audit order by id")
    assert [(row["action"], row["subject"]) for row in rows] == [
        ("conversation.created", conversation),
        ("answer.finished", conversation),
        ("conversation.deleted", conversation),
    ]


def test_no_word_of_a_conversation_is_in_it(store: Store) -> None:
    conversation, _ = asked(store, "About Quackenbush?", "Quackenbush is well.")
    store.conversations.rename(conversation, "Quackenbush")
    store.conversations.delete(conversation)
    rows = store._connections.rows("select action || subject || detail as words from audit")
    assert not any("Quackenbush" in row["words"] for row in rows)


def test_an_unbroken_trail_is_well(store: Store) -> None:
    assert store.audit.verify().state == "ok"
    for number in range(5):
        store.audit.append("test", str(number), {"b": "2", "a": "1"})
    health = store.audit.verify()
    assert (health.state, health.detail["rows"]) == ("ok", "5")


@pytest.mark.parametrize(
    "tampering",
    [
        "update audit set subject = 'other' where id = 2",
        "update audit set detail = '{}' where id = 3",
        "update audit set at = at + 1 where id = 1",
        "update audit set hash = x'00' where id = 5",
        "delete from audit where id = 1",
        "delete from audit where id = 3",
        "delete from audit where id = 5",
        "delete from audit",
    ],
)
def test_tampering_is_noticed(store: Store, tampering: str) -> None:
    for number in range(5):
        store.audit.append("test", str(number), {"n": str(number)})
    with store._connections.write() as db:
        db.conn.execute(tampering)
    health = store.audit.verify()
    assert health.state == "error"
    assert health.hint


def test_a_change_that_is_undone_leaves_no_row(store: Store) -> None:
    with pytest.raises(RuntimeError), store._connections.write():
        store.audit.append("test", "never", {})
        raise RuntimeError
    assert store.audit.verify().detail["rows"] == "0"
