import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from med42_chat.chat import Chat
from med42_chat.errors import InputError
from med42_chat.jobs import Job, Jobs, JobState
from med42_chat.records import Attachment
from med42_chat.store.database import Store
from tests.scripted import ScriptedRuntime


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path, bytes(32))
    yield opened
    opened.close()


def until_done(job: Job) -> list[JobState]:
    states = [job.state()]
    while states[-1].phase != "done":
        states.append(job.wait(states[-1].version, 5))
    return states


def test_an_answer_goes_on_without_anybody_looking(store: Store) -> None:
    jobs, id = Jobs(Chat(store.conversations, ScriptedRuntime(), "s")), store.conversations.create().id
    jobs.start(id, "Hello?").join(5)
    assert store.conversations.branch(id)[-1].text == "Yes, it is."
    assert jobs.running(id) is None


def test_two_pages_see_the_same_and_each_state_holds_all_that_came(store: Store) -> None:
    gate = threading.Event()
    jobs, id = Jobs(Chat(store.conversations, ScriptedRuntime(gate=gate), "s")), store.conversations.create().id
    job = jobs.start(id, "Hello?")
    assert jobs.running(id) is job
    gate.set()
    states = until_done(job)
    assert [one.version for one in states] == sorted({one.version for one in states})
    assert all("Yes, it is.".startswith(one.text) for one in states)
    assert states[-1].answered is not None and states[-1].answer == store.conversations.branch(id)[-1]


def test_a_second_question_is_refused_while_the_first_is_being_answered(store: Store) -> None:
    gate = threading.Event()
    jobs, id = Jobs(Chat(store.conversations, ScriptedRuntime(gate=gate), "s")), store.conversations.create().id
    job = jobs.start(id, "First?")
    with pytest.raises(InputError, match="still being written"):
        jobs.start(id, "Second?")
    other = store.conversations.create().id
    gate.set()
    jobs.start(other, "Elsewhere?").join(5)
    until_done(job)
    jobs.start(id, "Second?").join(5)
    assert [one.text for one in store.conversations.branch(id) if one.role == "user"] == ["First?", "Second?"]


def test_stop_and_close_keep_what_came(store: Store) -> None:
    jobs, id = Jobs(Chat(store.conversations, ScriptedRuntime(gate=threading.Event()), "s")), store.conversations.create().id
    other = store.conversations.create().id
    stopped, closed = jobs.start(id, "First?"), jobs.start(other, "Second?")
    jobs.stop(id)
    assert until_done(stopped)[-1].answer.status == "stopped"
    jobs.close()
    assert closed.state().answer.status == "stopped"
    jobs.stop("nowhere")


def test_an_empty_question_starts_nothing(store: Store) -> None:
    jobs, id = Jobs(Chat(store.conversations, ScriptedRuntime(), "s")), store.conversations.create().id
    with pytest.raises(InputError):
        jobs.start(id, " ")
    assert jobs.running(id) is None


class Faulty(ScriptedRuntime):
    """A runtime with a mistake in it."""

    def encode(self, turns: object) -> tuple[int, ...]:
        raise ZeroDivisionError


def test_a_mistake_of_ours_ends_the_answer_instead_of_leaving_the_page_waiting(store: Store) -> None:
    jobs, id = Jobs(Chat(store.conversations, Faulty(), "s")), store.conversations.create().id
    end = until_done(jobs.start(id, "Hello?"))[-1]
    assert end.answered is not None and "mistake" in end.answered.error
    assert store.conversations.branch(id)[-1].status != "streaming"


def test_a_conversation_deleted_in_mid_answer_ends_its_job(store: Store) -> None:
    gate = threading.Event()
    jobs, id = Jobs(Chat(store.conversations, ScriptedRuntime(gate=gate), "s")), store.conversations.create().id
    job = jobs.start(id, "Hello?")
    store.conversations.delete(id)
    gate.set()
    until_done(job)
    assert jobs.running(id) is None


def test_a_further_answer_runs_as_a_job_and_one_that_goes_on_begins_with_its_words(store: Store) -> None:
    gate = threading.Event()
    runtime = ScriptedRuntime(answers=[["One"], [" two"]], gate=gate)
    jobs, id = Jobs(Chat(store.conversations, runtime, "s")), store.conversations.create().id
    job = jobs.start(id, "Count?")
    with pytest.raises(InputError, match="still being written"):
        jobs.again(id, job.state().question.id)
    gate.set()
    until_done(job)
    gate.clear()
    more = jobs.again(id, job.state().question.id, keep="One")
    assert more.state().question.id == job.state().question.id and more.state().text == "One"
    gate.set()
    states = until_done(more)
    assert all(state.text.startswith("One") for state in states) and states[-1].text == "One two"
    assert store.conversations.branch(id)[-1] == states[-1].answer


def test_a_question_can_be_asked_anywhere_in_the_tree_with_attachments(store: Store) -> None:
    jobs, id = Jobs(Chat(store.conversations, ScriptedRuntime(), "s")), store.conversations.create().id
    first = jobs.start(id, "First?")
    until_done(first)
    letter = Attachment("letter.txt", "Dear colleague")
    until_done(jobs.start(id, "First, edited?", parent=None, attachments=[letter]))
    question, _ = store.conversations.branch(id)
    assert (question.text, question.attachments) == ("First, edited?", (letter,))
