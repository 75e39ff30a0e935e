"""What is left after the program was killed, the disk was full, or somebody else had the folder."""

import errno
import multiprocessing
import os
import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from med42_chat.errors import DiskFull, StoreBusy, StoreInUse
from med42_chat.store.connection import connect
from med42_chat.store.database import Store
from med42_chat.store.lock import FolderLock
from tests.store.samples import KEY, asked
from tests.store.streamer import stream

ROOT = Path(__file__).parents[2]


def program(module: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def stream_until_killed(home: Path, seconds: float) -> tuple[str, list[str]]:
    """Kills (-9) a process that long after it began to stream; gives its answer's id and the pieces it had acknowledged."""
    # A fork where there is one: a fresh interpreter would spend the test's time on imports.
    context = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn")
    ours, theirs = context.Pipe(duplex=False)
    streamer = context.Process(target=stream, args=(home, theirs.send))
    streamer.start()
    theirs.close()
    answer = ours.recv()
    time.sleep(seconds)
    streamer.kill()
    said = []
    with suppress(EOFError):
        while True:
            said.append(ours.recv())
    streamer.join()
    return answer, said


def test_a_program_killed_while_streaming_loses_nothing_that_was_acknowledged(home: Path) -> None:
    draw = random.Random(42)
    pieces = 0
    for _ in range(15):
        answer, acknowledged = stream_until_killed(home, draw.uniform(0.0, 0.25))
        with Store.open(home, KEY) as store:
            kept = store.conversations.message(answer)
            assert kept.status == "interrupted"
            written = kept.text.split()
            assert written[: len(acknowledged)] == acknowledged
            assert written == [str(number) for number in range(len(written))]
            assert len(written) <= len(acknowledged) + 1
            assert store._connections.rows("select * from stream_deltas") == []
            assert {health.state for health in store.check()} == {"ok"}
        pieces += len(acknowledged)
    assert pieces > 100


def test_an_interrupted_answer_can_be_found(home: Path) -> None:
    with Store.open(home, KEY) as store:
        conversation = store.conversations.create()
        _, answer = store.conversations.begin(conversation.id, "Why?")
        store.conversations.append(answer.id, "Because of haemochromatosis")
        assert store.conversations.search("haemochromatosis") == []
    with Store.open(home, KEY) as store:
        assert [hit.message_id for hit in store.conversations.search("haemochromatosis")] == [answer.id]


def test_a_full_disk_is_said_and_loses_nothing(store: Store) -> None:
    conversation = store.conversations.create()
    _, answer = store.conversations.begin(conversation.id, "Why?")
    store.conversations.append(answer.id, "Because ")
    database = store._connections._writer
    pages = database.conn.execute("pragma page_count").fetchone()[0]
    database.conn.execute(f"pragma max_page_count={pages}").fetchall()
    with pytest.raises(DiskFull) as caught:
        for _ in range(50):
            store.conversations.append(answer.id, "x" * 4000)
    assert caught.value.hint
    kept = store.conversations.message(answer.id).text
    database.conn.execute("pragma max_page_count=100000").fetchall()
    store.conversations.append(answer.id, " so.")
    assert store.conversations.message(answer.id).text == kept + " so."
    assert kept.startswith("Because ")
    assert {health.state for health in store.check()} == {"ok"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file system that can be filled")
def test_a_folder_without_room_is_said_at_the_start(tmp_path: Path) -> None:
    from med42_chat.private import cannot_write

    with pytest.raises(OSError, match="No space") as caught, Path("/dev/full").open("wb", buffering=0) as full:
        full.write(b"x")
    assert isinstance(cannot_write(tmp_path, caught.value), DiskFull)


def test_a_database_locked_by_another_program_is_said_after_the_timeout(home: Path) -> None:
    with Store.open(home, KEY, busy_timeout_s=0.2) as store:
        conversation, _ = asked(store)
        other = connect(store.path, KEY)
        other.execute("begin immediate")
        began = time.monotonic()
        with pytest.raises(StoreBusy) as caught:
            store.conversations.rename(conversation, "x")
        assert time.monotonic() - began < 5
        assert caught.value.hint
        assert store.conversations.recent()[0].id == conversation  # readers go on
        other.execute("rollback")
        other.close()
        store.conversations.rename(conversation, "Renamed")
        assert store.conversations.get(conversation).title == "Renamed"


def test_a_second_program_is_told_who_has_the_folder(home: Path) -> None:
    holder = program("tests.store.streamer", str(home))
    assert holder.stdout
    holder.stdout.readline()
    with pytest.raises(StoreInUse, match=str(holder.pid)) as caught:
        Store.open(home, KEY)
    assert caught.value.hint
    holder.kill()
    holder.communicate()
    Store.open(home, KEY).close()  # the lock died with its holder


def test_one_program_cannot_open_a_folder_twice(store: Store, home: Path) -> None:
    with pytest.raises(StoreInUse):
        Store.open(home, KEY)


def test_a_full_disk_does_not_keep_the_folder_locked_or_shut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with FolderLock(tmp_path), pytest.raises(StoreInUse, match="another process"):
        FolderLock(tmp_path)
    FolderLock(tmp_path).release()


def test_a_started_program_does_not_inherit_the_lock(home: Path) -> None:
    store = Store.open(home, KEY)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    store.close()
    Store.open(home, KEY).close()
    child.communicate(b"\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_keep_the_lock_and_does_not_release_it(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)  # until the parent has looked
        os._exit(0)
    os.close(read)
    time.sleep(0.1)  # the child has closed its copy
    with pytest.raises(StoreInUse):
        FolderLock(tmp_path)
    lock._forget()  # as our death would: closed, and nothing said
    FolderLock(tmp_path).release()
    os.close(write)
    os.waitpid(child, 0)


def test_a_failed_opening_gives_the_folder_free(home: Path) -> None:
    Store.open(home, KEY).close()
    for _ in range(2):
        with pytest.raises(Exception, match="key does not open"):
            Store.open(home, bytes(32))
    Store.open(home, KEY).close()


def test_closing_twice_does_nothing(home: Path) -> None:
    store = Store.open(home, KEY)
    store.close()
    store.close()
