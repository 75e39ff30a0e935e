"""The list of conversations by archive, folder and tag."""

import pytest

from med42_chat.store import shelves
from med42_chat.store.conversations import Conversations
from med42_chat.store.database import Store
from med42_chat.store.shelves import Shelf
from tests.store.samples import asked


@pytest.fixture
def talks(store: Store) -> Conversations:
    return store.conversations


@pytest.fixture
def ids(store: Store) -> list[str]:
    """Four conversations, the newest last."""
    return [asked(store, f"Question {number}")[0] for number in range(4)]


def listed(talks: Conversations, **shelf: object) -> list[str]:
    found = [head.id for head in talks.recent(**shelf)]  # type: ignore[arg-type]
    assert len(found) == talks.total(**shelf)  # type: ignore[arg-type]
    return found


def test_a_folder_is_there_as_long_as_something_is_in_it(talks: Conversations, ids: list[str]) -> None:
    talks.set_folder(ids[0], "  Ward\n3 ")
    talks.set_folder(ids[1], "Ward 3")
    talks.set_folder(ids[2], "audit")
    assert talks.folders() == [("audit", 1), ("Ward 3", 2)]
    assert listed(talks, folder="Ward 3") == [ids[1], ids[0]]
    assert talks.get(ids[0]).folder == "Ward 3"
    talks.set_folder(ids[2], "")
    assert talks.folders() == [("Ward 3", 2)] and len(listed(talks)) == 4


def test_tags_are_set_whole_and_each_once(talks: Conversations, ids: list[str]) -> None:
    talks.set_tags(ids[0], ["to check", " \n", "Cardiology", "to\tcheck"])
    talks.set_tags(ids[1], ["to check"])
    assert talks.get(ids[0]).tags == ("Cardiology", "to check")
    assert talks.tags() == [("Cardiology", 1), ("to check", 2)]
    assert listed(talks, tag="to check") == [ids[1], ids[0]]
    talks.set_tags(ids[0], [])
    assert talks.get(ids[0]).tags == () and talks.tags() == [("to check", 1)]


def test_archive_folder_and_tag_narrow_the_list_together(talks: Conversations, ids: list[str]) -> None:
    for id in ids[:3]:
        talks.set_folder(id, "Ward 3")
    for id in ids[1:]:
        talks.set_tags(id, ["x"])
    talks.set_archived(ids[1], True)
    assert listed(talks, folder="Ward 3", tag="x") == [ids[2]]
    assert listed(talks, archived=True, folder="Ward 3", tag="x") == [ids[1]]
    assert listed(talks, archived=True) == [ids[1]] and talks.get(ids[1]).archived
    assert (talks.folders(), talks.folders(archived=True)) == ([("Ward 3", 2)], [("Ward 3", 1)])
    assert (talks.tags(), talks.tags(archived=True)) == ([("x", 2)], [("x", 1)])
    talks.set_archived(ids[1], False)
    assert len(listed(talks)) == 4


def test_pinned_ones_come_first_in_every_list(talks: Conversations, ids: list[str]) -> None:
    for id in ids:
        talks.set_folder(id, "Ward 3")
        talks.set_tags(id, ["x"])
    talks.set_pinned(ids[1], True)
    expected = [ids[1], ids[3], ids[2], ids[0]]
    assert listed(talks) == listed(talks, folder="Ward 3") == listed(talks, tag="x") == expected
    assert [head.id for head in talks.recent(2, 1, folder="Ward 3")] == expected[1:3]
    talks.set_pinned(ids[1], False)
    assert listed(talks)[0] == ids[3]


def test_names_of_folders_and_tags_are_words_to_the_database(talks: Conversations, ids: list[str]) -> None:
    hostile = "'; drop table conversations; --"
    talks.set_folder(ids[0], hostile)
    talks.set_tags(ids[0], [hostile, "%"])
    assert listed(talks, folder=hostile, tag=hostile) == [ids[0]] == listed(talks, tag="%")


@pytest.mark.parametrize("shelf", [Shelf(), Shelf(folder="x")])
def test_the_lists_are_read_in_order_from_an_index(store: Store, shelf: Shelf) -> None:
    sql = f"explain query plan select uid from conversations c {shelf.condition} {shelves.ORDER}"
    plan = " ".join(row["detail"] for row in store._connections.rows(sql, shelf.parameters))
    assert "USING INDEX" in plan and "TEMP B-TREE" not in plan, plan


def test_putting_away_is_in_the_audit_trail_without_words(store: Store, ids: list[str]) -> None:
    store.conversations.set_folder(ids[0], "Quackenbush")
    store.conversations.set_archived(ids[0], True)
    store.conversations.set_archived(ids[0], False)
    rows = store._connections.rows("select action, detail from audit where subject = ? order by id desc limit 2", (ids[0],))
    assert [(row["action"], row["detail"]) for row in rows] == [("conversation.unarchived", "{}"), ("conversation.archived", "{}")]
    assert store.audit.verify().state == "ok"
