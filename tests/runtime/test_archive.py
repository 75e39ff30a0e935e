"""What is kept of conversations: only whose key it is can read it, what is not whole is removed, and no disk is filled."""

import array
import errno
import io
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from med42_chat.private import PART
from med42_chat.runtime import archive, sealing
from med42_chat.runtime.archive import Archive, files_of
from med42_chat.runtime.protocol import Shelf
from med42_chat.runtime.sealing import Damaged, opened, seal

KEY = bytes(range(32))
TOKENS = [1, 700_000, 128_009, *range(500)]
STATE = bytearray(os.urandom(600_000))  # three frames


class Memory(NamedTuple):
    available: int


class Disk(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(str(tmp_path / "kept"), KEY.hex(), 1 << 30)


def keep(archive: Archive, conversation: str = "one", state: bytearray = STATE, age_s: float = 0) -> None:
    archive.keep(conversation, TOKENS, state, age_s)
    assert archive.wait(time.monotonic() + 20)


def state_of(archive: Archive, conversation: str) -> bytearray | None:
    """What is read back of a conversation."""
    fetch, end = archive.fetch(conversation), time.monotonic() + 20
    while not fetch.done:
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.001)
    came = fetch.take()
    assert came is None or list(came[0]) == TOKENS
    return came[1] if came else None


def has(archive: Archive, conversation: str) -> bool:
    return list(archive.tokens(conversation)) == TOKENS and state_of(archive, conversation) is not None


def test_what_was_kept_is_given_back_to_whoever_made_it_in_the_same_way(shelf: Shelf) -> None:
    keep(Archive(shelf, "this"))
    again = Archive(shelf, "this")
    assert list(again.tokens("one")) == TOKENS and state_of(again, "one") == STATE
    assert not again.tokens("another") and state_of(again, "another") is None
    other = Archive(shelf, "that")
    assert not other.tokens("one") and not files_of(Path(shelf.folder))


def test_no_thread_is_left_when_all_is_written_for_it_would_hold_what_it_wrote(shelf: Shelf) -> None:
    kept = Archive(shelf, "this")
    for conversation in ("one", "another", "one"):
        keep(kept, conversation)
        end = time.monotonic() + 20
        while any(thread.name == "archive" for thread in threading.enumerate()):
            assert time.monotonic() < end, "it waits for more"
            time.sleep(0.005)


def test_it_can_be_had_while_it_is_still_being_written(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda file: gate.wait(20))
    kept = Archive(shelf, "this")
    kept.keep("one", TOKENS, STATE, 0)
    assert has(kept, "one") and not kept.wait(time.monotonic() + 0.05)
    gate.set()
    assert kept.wait(time.monotonic() + 20) and has(kept, "one")


def test_a_large_one_reaches_the_disk_piece_by_piece_so_that_a_slow_disk_shows_progress(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: sizes.append(os.fstat(file).st_size))
    monkeypatch.setattr(archive, "_SYNC_EVERY", 512 << 10)
    keep(Archive(shelf, "this"), state=bytearray(2_000_000))
    assert sizes[0] < 600_000 and sizes[1] < 1_200_000 and sizes[2] < 1_800_000 and sizes[3] > 2_000_000


def test_file_and_folder_are_the_owners_alone_and_say_nothing(shelf: Shelf) -> None:
    ids = b"".join(token.to_bytes(4, "little") for token in TOKENS)
    keep(Archive(shelf, "made with this"), "a-conversation")
    (file,) = files_of(Path(shelf.folder))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    data = file.read_bytes()
    for told in (b"a-conversation", b"made with this", ids[40:60], bytes(STATE[1000:1016]), KEY):
        assert told not in data and told.hex() not in file.name
    keep(Archive(shelf, "made with this"), "a-conversation")
    assert file.read_bytes()[100:200] != data[100:200]  # no two files are encrypted in the same way


def test_with_another_key_it_can_be_neither_found_nor_read(shelf: Shelf) -> None:
    keep(Archive(shelf, "this"))
    (file,) = files_of(Path(shelf.folder))
    other = Archive(Shelf(shelf.folder, bytes(32).hex(), shelf.limit), "this")
    assert not other.tokens("one")
    shutil.copy(file, other._names.path("one"))
    assert not other.tokens("one") and state_of(other, "one") is None
    assert files_of(Path(shelf.folder)) == [file]  # what could not be read is gone, and the other's is not


def test_a_file_that_is_put_in_anothers_place_is_not_taken_for_it(shelf: Shelf) -> None:
    kept = Archive(shelf, "this")
    keep(kept, "one")
    keep(kept, "two")
    shutil.copy(kept._names.path("one"), kept._names.path("two"))
    assert has(kept, "one") and not kept.tokens("two")


def sealed(head: bytes = b"head", body: bytes = bytes(STATE)) -> bytes:
    file = io.BytesIO()
    assert list(seal(file, KEY, b"label", head, memoryview(body)))[-1] == len(body)
    return file.getvalue()


WHOLE = sealed()


def read(data: bytes, key: bytes = KEY, label: bytes = b"label") -> bytes:
    return b"".join(opened(io.BytesIO(data), key, label))


def test_a_sealed_file_opens_whole() -> None:
    assert read(WHOLE) == b"head" + STATE
    assert read(sealed(b"", b"x")) == b"x"


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
@settings(deadline=None, max_examples=150)
def test_wherever_a_sealed_file_is_changed_it_does_not_open(at: int, by: int) -> None:
    with pytest.raises(Damaged):
        read(WHOLE[:at] + bytes([WHOLE[at] ^ by]) + WHOLE[at + 1 :])


@given(st.integers(0, len(WHOLE) - 1))
@settings(deadline=None, max_examples=150)
def test_wherever_a_sealed_file_is_cut_off_it_does_not_open(length: int) -> None:
    with pytest.raises(Damaged):
        read(WHOLE[:length])


def test_frames_that_are_left_out_exchanged_or_added_do_not_open() -> None:
    start, frames, at = WHOLE[:24], [], 24
    while at < len(WHOLE):
        length = 4 + int.from_bytes(WHOLE[at : at + 4], "little")
        frames.append(WHOLE[at : at + length])
        at += length
    assert len(frames) == 4
    for others in (frames[:-1], frames[1:], [frames[1], frames[0], *frames[2:]], [*frames, frames[-1]], [*frames[:2], frames[3]], []):
        with pytest.raises(Damaged):
            read(start + b"".join(others))
    for key, label in ((bytes(32), b"label"), (KEY, b"another")):
        with pytest.raises(Damaged):
            read(WHOLE, key, label)


@given(st.data())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_never_given_back_and_is_removed(shelf: Shelf, data: st.DataObject) -> None:
    kept = Archive(shelf, "this")
    keep(kept)
    path = kept._names.path("one")
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    path.write_bytes(content[:at] + data.draw(st.binary(max_size=3)))
    if path.read_bytes() == content:
        return
    assert state_of(kept, "one") is None
    assert not path.exists()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.001)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A disk that gives nothing more after the first frames of a file, until this is set."""
    gate, frame = threading.Event(), sealing._frame

    def slowly(file: BinaryIO) -> bytes:
        if file.tell() > 300_000:
            assert gate.wait(20)
        return frame(file)

    monkeypatch.setattr(sealing, "_frame", slowly)
    return gate


def test_nobody_waits_for_what_is_read_back_and_it_says_how_far_it_is(shelf: Shelf, gate: threading.Event) -> None:
    kept = Archive(shelf, "this")
    keep(kept)
    fetch = kept.fetch("one")
    until(lambda: fetch.progress)
    assert not fetch.done and fetch.progress < 0.9
    gate.set()
    until(lambda: fetch.done)
    assert fetch.take() == (array.array("i", TOKENS), STATE) and fetch.take() is None


def test_only_one_is_read_back_at_a_time_and_the_next_when_that_was_taken(shelf: Shelf) -> None:
    kept = Archive(shelf, "this")
    for name in ("one", "two", "three"):
        keep(kept, name)
    fetches = [kept.fetch(name) for name in ("one", "two", "three")]
    until(lambda: fetches[0].done)
    time.sleep(0.1)
    assert not fetches[1].progress
    fetches[1].cancel()
    assert fetches[0].take() is not None
    until(lambda: fetches[2].done)
    assert fetches[2].take() is not None and fetches[1].take() is None


def test_what_is_read_back_for_nobody_any_more_is_given_up_and_the_file_stays(shelf: Shelf, gate: threading.Event) -> None:
    kept = Archive(shelf, "this")
    keep(kept)
    fetch = kept.fetch("one")
    until(lambda: fetch.progress)
    fetch.cancel()
    assert fetch.done and fetch.take() is None
    gate.set()
    until(lambda: not any(thread.name == "fetching" for thread in threading.enumerate()))
    assert fetch.take() is None and has(kept, "one")


def test_one_that_is_removed_while_it_is_read_back_stays_removed(shelf: Shelf, gate: threading.Event) -> None:
    kept = Archive(shelf, "this")
    keep(kept)
    fetch = kept.fetch("one")
    until(lambda: fetch.progress)
    kept.drop("one")
    gate.set()
    until(lambda: fetch.done)
    assert not list(Path(shelf.folder).iterdir())


def test_what_there_is_no_memory_for_is_not_read_back(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Archive(shelf, "this")
    keep(kept)
    with monkeypatch.context() as patched:
        patched.setattr(archive.psutil, "virtual_memory", lambda: Memory(available=len(STATE)))
        assert state_of(kept, "one") is None
    monkeypatch.setattr(archive, "bytearray", none_left, raising=False)
    assert state_of(kept, "one") is None
    monkeypatch.undo()
    assert has(kept, "one")


def none_left() -> bytearray:
    raise MemoryError


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_a_disk_that_cannot_be_written_keeps_nothing_and_disturbs_nobody(shelf: Shelf, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Archive(shelf, "this")
    keep(kept, "before")

    def refuse(file: int) -> None:
        raise OSError(code, "no")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        keep(kept, "one")
    assert not kept.tokens("one") and has(kept, "before")
    assert len(list(Path(shelf.folder).iterdir())) == 1
    keep(kept, "one")
    assert has(kept, "one")


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kept = Archive(Shelf(str(tmp_path / "file" / "kept"), KEY.hex(), 1 << 30), "this")
    keep(kept)
    assert not kept.tokens("one")


def test_where_room_ends_those_that_were_used_longest_ago_go(shelf: Shelf) -> None:
    kept = Archive(Shelf(shelf.folder, shelf.key, 2_000_000), "this")
    for age, name in ((300, "a"), (200, "b"), (100, "c")):
        keep(kept, name, age_s=age)
    assert all(has(kept, name) for name in "abc")  # which has just used them all, in this order
    os.utime(kept._names.path("b"), (0, 0))
    keep(kept, "d")
    assert [name for name in "abcd" if kept.tokens(name)] == ["a", "c", "d"]
    keep(kept, "old", age_s=1e6)  # for which nothing newer makes room
    assert [name for name in ("a", "c", "d", "old") if kept.tokens(name)] == ["a", "c", "d"]
    keep(kept, "d")  # in its own place it needs no other's
    assert [name for name in "acd" if kept.tokens(name)] == ["a", "c", "d"]


def test_it_never_takes_more_than_a_tenth_of_what_is_free(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Archive(shelf, "this")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(1 << 40, 0, 12_500_000))
    keep(kept, "a")
    keep(kept, "b")  # a tenth of 12.5 and 0.6 MB
    assert has(kept, "a") and has(kept, "b")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(1 << 40, 0, 5_000_000))
    keep(kept, "c")
    assert [name for name in "abc" if kept.tokens(name)] == ["c"]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(1 << 40, 0, 1_000_000))
    keep(kept, "d")
    assert not kept.tokens("d")


def test_what_is_too_large_or_comes_too_fast_is_not_wanted(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda file: gate.wait(20))
    kept = Archive(shelf, "this")
    monkeypatch.setattr(archive, "_MOST_WAITING", 2 * len(STATE))
    assert kept.wants(3 * len(STATE)) and not kept.wants(shelf.limit + 1)
    kept.keep("a", TOKENS, STATE, 0)
    assert kept.wants(len(STATE))
    kept.keep("b", TOKENS, STATE, 0)
    assert not kept.wants(1)
    gate.set()
    assert kept.wait(time.monotonic() + 20) and kept.wants(1)


def test_what_is_removed_while_it_is_written_is_not_there_afterwards_and_what_comes_after_that_is_kept(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, reached = threading.Event(), threading.Event()

    def pause(file: int) -> None:
        reached.set()
        gate.wait(20)

    monkeypatch.setattr(os, "fsync", pause)
    kept = Archive(shelf, "this")
    kept.keep("one", TOKENS, STATE, 0)
    assert reached.wait(20)
    kept.drop("one")
    gate.set()
    keep(kept, "two")
    assert not kept.tokens("one") and has(kept, "two") and len(list(Path(shelf.folder).iterdir())) == 1
    keep(kept, "one")
    assert has(kept, "one")


def test_waiting_says_that_there_is_progress_and_ends_when_its_time_is_up(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, said, slow = threading.Event(), [], 0.4
    new_file = archive.new_private_file
    monkeypatch.setattr(archive, "new_private_file", lambda path: (time.sleep(slow), new_file(path)))  # so that it begins while one waits
    monkeypatch.setattr(os, "fsync", lambda file: gate.wait(20))
    kept = Archive(shelf, "this")
    kept.keep("one", TOKENS, STATE, 0)
    began = time.monotonic()
    assert not kept.wait(began + 3 * slow, lambda: said.append(1))
    assert 2.9 * slow < time.monotonic() - began < 3 and 1 <= len(said) <= 3  # and then there was none, so it was not said
    gate.set()
    assert kept.wait(time.monotonic() + 20)


def test_tidying_leaves_the_given_conversations_alone(shelf: Shelf) -> None:
    kept = Archive(shelf, "this")
    for name in ("one", "two", "three"):
        keep(kept, name)
    folder = Path(shelf.folder)
    (folder / f"half.kv{PART}").touch()
    (folder / "notes.txt").touch()  # not ours
    archive.tidy(shelf, ["one", "three", "never kept"])
    assert [name for name in ("one", "two", "three") if kept.tokens(name)] == ["one", "three"]
    assert len(list(folder.iterdir())) == 3
    assert archive.held(folder)[0] == 2 and archive.held(folder)[1] > 2 * len(STATE)
    archive.remove(shelf, "one")
    assert not kept.tokens("one")
    archive.clear(folder)
    assert [file.name for file in folder.iterdir()] == ["notes.txt"]
    assert archive.held(folder / "nowhere") == (0, 0)


def test_keys_for_different_purposes_have_nothing_in_common() -> None:
    made = {sealing.derived(KEY, purpose, salt) for purpose in (b"a", b"b") for salt in (b"", b"1", b"2")}
    assert len(made) == 6 and all(len(key) == 32 for key in made) and KEY not in made
