"""What an open page is told, poll by poll."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from med42_chat.services import Services
from med42_chat.ui.follow import Change, Follower
from tests.ui.fakes import MED42, PacedRuntime, gate, services


@pytest.fixture
def runtime() -> PacedRuntime:
    return PacedRuntime(model=MED42, text="One.\n\nTwo.\n\nThree comes last of all.", pause_s=0.0, piece=4)


@pytest.fixture
def opened(home: Path, runtime: PacedRuntime) -> Iterator[Services]:
    made = services(home, runtime)
    yield made
    if runtime.gate:
        runtime.gate.set()
    made.close()


@pytest.fixture
def conversation(opened: Services) -> str:
    return opened.store.conversations.create().id


def named(changes: list[Change], name: str) -> list[dict[str, object]]:
    return [data for kind, data in changes if kind == name]


def finish(opened: Services, conversation: str) -> None:
    job = opened.jobs.running(conversation)
    if job:
        job.join(5)


def poll_until(follower: Follower, name: str) -> list[Change]:
    seen: list[Change] = []
    end = time.monotonic() + 10
    while time.monotonic() < end:
        seen += follower.poll()
        if named(seen, name):
            return seen
        time.sleep(0.01)
    raise AssertionError(f"never told: {name}")


def test_a_page_without_a_conversation_hears_of_the_model_only(opened: Services) -> None:
    changes = Follower(opened, "").poll()
    assert {kind for kind, _ in changes} == {"live"}
    assert any("Ready" in str(data["html"]) for data in named(changes, "live"))


def test_nothing_is_told_twice(opened: Services, conversation: str) -> None:
    follower = Follower(opened, conversation)
    assert named(follower.poll(), "hello") == [{"count": 0, "running": None}]
    assert [change for _ in range(20) for change in follower.poll()] == []


def test_an_answer_is_told_from_its_beginning_to_its_end(opened: Services, conversation: str) -> None:
    follower = Follower(opened, conversation)
    follower.poll()
    opened.jobs.start(conversation, "What?")
    seen = poll_until(follower, "end")
    assert [kind for kind, _ in seen if kind in ("begin", "end")] == ["begin", "end"]
    assert "What?" in str(named(seen, "begin")[0]["html"])
    assert "Three comes last of all." in str(named(seen, "end")[0]["html"])
    assert named(seen, "end")[0]["status"] == "complete"


def test_a_page_that_comes_later_hears_all_that_was_written(opened: Services, conversation: str, runtime: PacedRuntime) -> None:
    runtime.pause_s = 0.05
    job = opened.jobs.start(conversation, "What?")
    while "Two." not in job.state().text:
        job.wait(job.state().version, 1)
    told = named(Follower(opened, conversation).poll(), "blocks")[0]
    assert told["from"] == 0
    assert "One." in str(told["html"])
    assert "Two." in str(told["html"])


def test_only_changed_blocks_are_told(opened: Services, conversation: str, runtime: PacedRuntime) -> None:
    runtime.pause_s = 0.03
    follower = Follower(opened, conversation)
    opened.jobs.start(conversation, "What?")
    seen = poll_until(follower, "end")
    later = [data for data in named(seen, "blocks") if "Three" in str(data["html"])]
    assert later
    assert all(data["from"] == 2 for data in later)
    assert not any("One." in str(data["html"]) for data in later)


def test_an_answer_that_came_and_went_between_two_polls_changes_the_count(opened: Services, conversation: str) -> None:
    follower = Follower(opened, conversation)
    follower.poll()
    opened.jobs.start(conversation, "What?")
    finish(opened, conversation)
    assert named([change for _ in range(10) for change in follower.poll()], "hello") == [{"count": 2, "running": None}]


def test_who_comes_in_the_middle_hears_which_answer_is_running(opened: Services, conversation: str, runtime: PacedRuntime) -> None:
    runtime.gate = gate()
    job = opened.jobs.start(conversation, "What?")
    assert named(Follower(opened, conversation).poll(), "hello") == [{"count": 2, "running": job.state().answer.id}]


def test_a_deleted_conversation_is_gone(opened: Services, conversation: str) -> None:
    follower = Follower(opened, conversation)
    follower.poll()
    opened.store.conversations.delete(conversation)
    assert ("gone", {}) in [change for _ in range(10) for change in follower.poll()]


def test_the_meter_follows_the_answer(opened: Services, conversation: str) -> None:
    follower = Follower(opened, conversation)
    first = [data["html"] for data in named(follower.poll(), "live") if data["name"] == "meter"]
    opened.jobs.start(conversation, "What?")
    seen = poll_until(follower, "end") + follower.poll()
    assert first
    assert [data["html"] for data in named(seen, "live") if data["name"] == "meter"][-1] != first[0]


def test_there_is_no_meter_while_no_model_is_there(opened: Services, conversation: str, runtime: PacedRuntime) -> None:
    runtime.model, runtime.state = None, "loading"
    meters = [data["html"] for data in named(Follower(opened, conversation).poll(), "live") if data["name"] == "meter"]
    assert meters == [""]
