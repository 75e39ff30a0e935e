"""Deletion that can be taken back for a while, with the real store."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from med42_chat.bin import Bin
from med42_chat.errors import NotFound, StoreBusy
from med42_chat.store.conversations import Conversations
from med42_chat.store.database import Store
from tests.store.samples import KEY, asked, decrypted


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store.open(home, KEY) as opened:
        yield opened


def until_gone(store: Store) -> None:
    deadline = time.monotonic() + 5
    while store._connections.rows("select 1 from conversations") and time.monotonic() < deadline:
        time.sleep(0.01)


def test_what_is_in_the_bin_is_out_of_sight_and_can_be_taken_back_as_it_was(store: Store) -> None:
    id, _ = asked(store, "About Quackenbush?")
    before = store.conversations.get(id), store.conversations.branch(id)
    bin = Bin(store.conversations)
    bin.put(id)
    assert store.conversations.recent() == [] and store.conversations.search("Quackenbush") == []
    with pytest.raises(NotFound):
        store.conversations.get(id)
    bin.take_back(id)
    assert (store.conversations.get(id), store.conversations.branch(id)) == before
    bin.close()
    assert store.conversations.total() == 1


def test_when_its_time_is_up_it_is_gone_for_good(store: Store) -> None:
    id, _ = asked(store, "About Quackenbush?")
    bin = Bin(store.conversations, patience_s=0.05)
    bin.put(id)
    until_gone(store)
    bin.close()
    assert b"uackenbush" not in decrypted(store.path)
    with pytest.raises(NotFound) as caught:
        bin.take_back(id)
    assert caught.value.hint


def test_closing_deletes_at_once_what_is_left(store: Store) -> None:
    kept, first, second = (asked(store)[0] for _ in range(3))
    bin = Bin(store.conversations)
    bin.put(first)
    bin.put(second)
    began = time.monotonic()
    bin.close()
    assert time.monotonic() - began < 5
    assert [row["uid"] for row in store._connections.rows("select uid from conversations")] == [kept]


def test_what_was_in_the_bin_when_the_program_died_goes_at_the_next_start(home: Path) -> None:
    with Store.open(home, KEY) as store:
        id, _ = asked(store, "About Quackenbush?")
        Bin(store.conversations).put(id)
    with Store.open(home, KEY) as store:
        assert store._connections.rows("select uid from conversations") == []
        assert b"uackenbush" not in decrypted(store.path)


class Slow:
    """The store's conversations with a deletion that waits until the test says so."""

    def __init__(self, conversations: Conversations) -> None:
        self.hide, self.unhide = conversations.hide, conversations.unhide
        self._delete = conversations.delete
        self.begun, self.go_on = threading.Event(), threading.Event()

    def delete(self, id: str) -> None:
        self.begun.set()
        self.go_on.wait(5)
        self._delete(id)


def test_once_its_deletion_has_begun_it_cannot_be_taken_back(store: Store) -> None:
    id, _ = asked(store)
    slow = Slow(store.conversations)
    bin = Bin(slow, patience_s=0)
    bin.put(id)
    assert slow.begun.wait(5)
    with pytest.raises(NotFound):
        bin.take_back(id)
    slow.go_on.set()
    until_gone(store)
    assert store.conversations.total() == 0


class Busy(Slow):
    """A store that cannot delete now."""

    def delete(self, id: str) -> None:
        raise StoreBusy("locked", "wait")


def test_a_deletion_that_fails_leaves_it_hidden_and_is_logged_without_words(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    id, _ = asked(store, "About Quackenbush?")
    bin = Bin(Busy(store.conversations))
    bin.put(id)
    bin.close()
    assert "put off" in caplog.text and "Quackenbush" not in caplog.text
    assert store.conversations.total() == 0 and store._connections.rows("select 1 from conversations")


def test_what_does_not_exist_is_said(store: Store) -> None:
    with pytest.raises(NotFound):
        Bin(store.conversations).put("nope")
