"""The golden conversations, out as a file and in again: the long, the strange and the hostile ones."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import process_time

import pytest

from med42_chat.export import record
from med42_chat.store.database import Store
from tests.export import golden
from tests.export.golden import Golden
from tests.store.samples import KEY


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store.open(home, KEY) as opened:
        yield opened


@pytest.mark.parametrize("name", golden.everything())
def test_a_golden_conversation_comes_back_exactly_and_leaves_as_the_same_bytes(store: Store, name: str) -> None:
    made = golden.everything()[name]()
    data = record.write(made.conversation, made.messages)
    found = record.read(data)
    assert (found.conversation, found.messages) == (made.conversation, made.messages)
    assert store.conversations.restore(found.conversation, found.messages).outcome == "new"
    kept, messages = store.conversations.whole(found.conversation.id)
    assert (kept, messages) == (made.conversation, list(made.messages))
    assert store.conversations.branch(kept.id) == list(made.branch)
    assert record.write(kept, messages) == data
    assert store.conversations.restore(found.conversation, found.messages).outcome == "same"


@pytest.mark.parametrize("made", golden.hostile().values(), ids=golden.hostile().keys())
def test_a_hostile_conversation_comes_in_and_from_then_on_nothing_changes(store: Store, made: Golden) -> None:
    found = record.read(record.write(made.conversation, made.messages))
    assert (found.conversation, found.messages) == (made.conversation, made.messages)
    assert store.conversations.restore(found.conversation, found.messages).outcome == "new"
    kept, messages = store.conversations.whole(found.conversation.id)
    again = record.read(record.write(kept, messages))
    assert (again.conversation, list(again.messages)) == (kept, messages)
    assert [_letters(one.text) for one in messages] == [_letters(one.text) for one in made.messages]


def _letters(text: str) -> str:
    """What a store can hold of it: a half character has no letter."""
    return "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in text)


def test_a_file_of_three_hundred_messages_is_read_in_a_moment() -> None:
    made = golden.three_hundred()
    data = record.write(made.conversation, made.messages)
    began = process_time()
    record.read(data)
    assert process_time() - began < 5  # half a second on a slow core


def test_a_title_that_has_changed_here_makes_a_copy_and_not_a_loss(store: Store) -> None:
    made = golden.demonstration()
    store.conversations.restore(made.conversation, made.messages)
    store.conversations.rename(made.conversation.id, "Renamed here")
    copy = store.conversations.restore(made.conversation, made.messages)
    assert copy.outcome == "copy" and store.conversations.get(made.conversation.id).title == "Renamed here"
    assert replace(copy.conversation, id="", leaf_id="") == replace(made.conversation, id="", leaf_id="")
