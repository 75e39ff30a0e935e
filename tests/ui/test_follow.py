"""What an open page is told, poll by poll."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from med42_chat.services import Services
from med42_chat.settings import ASSETS
from med42_chat.ui.follow import Change, Follower
from med42_chat.words import read_words
from tests.ui.fakes import MED42, PacedRuntime, gate, services

WORDS = read_words(ASSETS / "words" / "en.toml")


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


def test_a_page_without_a_conversation_hears_of_the_model_and_the_library_only(opened: Services) -> None:
    changes = Follower(opened, WORDS, "").poll()
    assert {kind for kind, _ in changes} == {"live", "scope"}
    assert named(changes, "scope") == [{"conversation": "", "shelves": []}]
    assert any("Ready" in str(data["html"]) for data in named(changes, "live"))


def test_nothing_is_told_twice(opened: Services, conversation: str) -> None:
    follower = Follower(opened, WORDS, conversation)
    assert named(follower.poll(), "hello") == [{"leaf": "", "running": None, "facts": ""}]
    assert [change for _ in range(20) for change in follower.poll()] == []


def test_an_answer_is_told_from_its_beginning_to_its_end(opened: Services, conversation: str) -> None:
    follower = Follower(opened, WORDS, conversation)
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
    told = named(Follower(opened, WORDS, conversation).poll(), "blocks")[0]
    assert told["from"] == 0
    assert "One." in str(told["html"])
    assert "Two." in str(told["html"])


def test_only_changed_blocks_are_told(opened: Services, conversation: str, runtime: PacedRuntime) -> None:
    runtime.pause_s = 0.03
    follower = Follower(opened, WORDS, conversation)
    opened.jobs.start(conversation, "What?")
    seen = poll_until(follower, "end")
    later = [data for data in named(seen, "blocks") if "Three" in str(data["html"])]
    assert later
    assert all(data["from"] == 2 for data in later)
    assert not any("One." in str(data["html"]) for data in later)


def test_an_answer_that_came_and_went_between_two_polls_changes_the_leaf(opened: Services, conversation: str) -> None:
    follower = Follower(opened, WORDS, conversation)
    follower.poll()
    opened.jobs.start(conversation, "What?")
    finish(opened, conversation)
    leaf = opened.store.conversations.get(conversation).leaf_id
    assert named([change for _ in range(10) for change in follower.poll()], "hello") == [{"leaf": leaf, "running": None, "facts": ""}]


def test_who_comes_in_the_middle_hears_which_answer_is_running(opened: Services, conversation: str, runtime: PacedRuntime) -> None:
    runtime.gate = gate()
    job = opened.jobs.start(conversation, "What?")
    told = named(Follower(opened, WORDS, conversation).poll(), "hello")
    assert [(one["leaf"], one["running"]) for one in told] == [(job.state().answer.id, job.state().answer.id)]


def test_another_version_chosen_elsewhere_changes_the_leaf(opened: Services, conversation: str) -> None:
    first = opened.jobs.start(conversation, "What?").state()
    finish(opened, conversation)
    opened.jobs.again(conversation, first.question.id)
    finish(opened, conversation)
    follower = Follower(opened, WORDS, conversation)
    follower.poll()
    opened.store.conversations.choose(conversation, first.answer.id)
    assert [one["leaf"] for one in named([change for _ in range(10) for change in follower.poll()], "hello")] == [first.answer.id]


def test_facts_changed_elsewhere_are_told(opened: Services, conversation: str) -> None:
    follower = Follower(opened, WORDS, conversation)
    follower.poll()
    opened.store.conversations.set_pinned_facts(conversation, "CKD 3b")
    assert [one["facts"] for one in named([change for _ in range(10) for change in follower.poll()], "hello")] == ["CKD 3b"]


def test_a_further_answer_stands_after_the_same_message_as_the_first(opened: Services, conversation: str, runtime: PacedRuntime) -> None:
    opened.jobs.start(conversation, "First?")
    finish(opened, conversation)
    second = opened.jobs.start(conversation, "Second?").state()
    finish(opened, conversation)
    runtime.gate = gate()
    opened.jobs.again(conversation, second.question.id)
    begun = named(Follower(opened, WORDS, conversation).poll(), "begin")[0]
    assert begun["after"] == second.question.parent_id
    assert "Second?" in str(begun["html"])
    assert "First?" not in str(begun["html"])


def test_a_running_answer_tells_its_speed_once_it_is_known(
    opened: Services, conversation: str, runtime: PacedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("med42_chat.ui.follow._PACE_S", 0.1)
    runtime.pause_s = 0.03
    follower = Follower(opened, WORDS, conversation)
    opened.jobs.start(conversation, "What?")
    live = [str(data["html"]) for data in named(poll_until(follower, "end"), "part") if data["part"] == "live"]
    assert any("Writing · " in html and "tokens/s" in html for html in live)


def test_a_deleted_conversation_is_gone(opened: Services, conversation: str) -> None:
    follower = Follower(opened, WORDS, conversation)
    follower.poll()
    opened.store.conversations.delete(conversation)
    assert ("gone", {}) in [change for _ in range(10) for change in follower.poll()]


def test_the_meter_follows_the_answer(opened: Services, conversation: str) -> None:
    follower = Follower(opened, WORDS, conversation)
    first = [data["html"] for data in named(follower.poll(), "live") if data["name"] == "meter"]
    opened.jobs.start(conversation, "What?")
    seen = poll_until(follower, "end") + follower.poll()
    assert first
    assert [data["html"] for data in named(seen, "live") if data["name"] == "meter"][-1] != first[0]


def test_there_is_no_meter_while_no_model_is_there(opened: Services, conversation: str, runtime: PacedRuntime) -> None:
    runtime.model, runtime.state = None, "loading"
    meters = [data["html"] for data in named(Follower(opened, WORDS, conversation).poll(), "live") if data["name"] == "meter"]
    assert meters == [""]
