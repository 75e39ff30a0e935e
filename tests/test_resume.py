"""A conversation that goes on at once after the program was closed, or killed, with the whole program and the demonstration model."""

import os
import signal
import stat
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from med42_chat import resume
from med42_chat import services as opening
from med42_chat.records import Message, Sampling
from med42_chat.runtime.archive import files_of
from med42_chat.services import Services
from med42_chat.settings import DEMONSTRATION, Settings

pytestmark = pytest.mark.model

QUESTION = "A long story: " + "she took aspirin, then slept, then woke and ate an apple. " * 12 + "What is aspirin?"
NEXT = "And what is insulin? Please tell me in a few words what it does in the body."


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(home=home, model=DEMONSTRATION, keyring=False, gpu_layers=0, threads=1, seed=3, sampling=Sampling(max_tokens=60))


def kept(settings: Settings) -> list[Path]:
    return files_of(settings.home / "cache" / "conversations")


def ask(services: Services, id: str, question: str) -> Message:
    job = services.jobs.start(id, question)
    job.join(120)
    answer = job.state().answer
    assert answer.status in ("complete", "length"), answer
    return answer


def begun(settings: Settings) -> str:
    """A conversation of one question, in a program that was closed since."""
    with closing(opening.open_services(settings)) as services:
        id = services.store.conversations.create().id
        ask(services, id, QUESTION)
    return id


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_after_a_restart_a_conversation_goes_on_at_once_with_the_words_it_would_have_had(settings: Settings, tmp_path: Path) -> None:
    answers = []
    for resumed, home in ((4.0, settings.home), (0.0, tmp_path / "other")):
        chosen = replace(settings, home=home, resume_gb=resumed)
        id = begun(chosen)
        with closing(opening.open_services(chosen)) as services:
            answers.append(ask(services, id, NEXT))
        assert bool(kept(chosen)) == bool(resumed)
    warm, cold = answers
    assert warm.text == cold.text
    assert warm.evidence and cold.evidence and warm.evidence.prompt_sha256 == cold.evidence.prompt_sha256
    assert cold.evidence.usage.restored_tokens == 0
    assert warm.evidence.usage.restored_tokens > 0.6 * warm.evidence.usage.prompt_tokens


def test_a_program_that_is_closed_in_mid_answer_knows_what_it_had_read(settings: Settings) -> None:
    services = opening.open_services(replace(settings, sampling=Sampling(max_tokens=1000, temperature=2.0, top_k=0, top_p=1.0)))
    id = services.store.conversations.create().id
    job = services.jobs.start(id, QUESTION)
    until(lambda: bool(job.state().text))
    assert not kept(settings)
    services.close()
    assert job.state().answer.status == "stopped" and len(kept(settings)) == 1
    with closing(opening.open_services(settings)) as again:
        question = again.store.conversations.branch(id)[0]
        answer = again.jobs.again(id, question.id)
        answer.join(120)
        evidence = answer.state().answer.evidence
    assert evidence and evidence.usage.restored_tokens > evidence.usage.prompt_tokens - 64 - 4


def test_what_is_kept_is_for_its_owner_alone_and_says_nothing_in_the_open(settings: Settings) -> None:
    id = begun(settings)
    (file,) = kept(settings)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    data = file.read_bytes()
    assert id not in file.name and id.encode() not in data and b"aspirin" not in data and b"llama" not in data
    assert "1 conversation " in resume.health(settings).text


def test_after_a_kill_too_when_it_had_a_moment_to_rest(settings: Settings) -> None:
    services = opening.open_services(settings)
    id = services.store.conversations.create().id
    ask(services, id, QUESTION)
    until(lambda: bool(kept(settings)))
    worker = services.runtime.worker_pid  # type: ignore[attr-defined]
    os.kill(worker, signal.SIGKILL)
    until(lambda: services.runtime.worker_pid not in (worker, None))  # type: ignore[attr-defined]
    with closing(services):
        answer = ask(services, id, NEXT)
    assert answer.evidence and answer.evidence.usage.restored_tokens > 0


def test_a_conversation_that_is_deleted_takes_what_is_kept_of_it_along_and_one_in_the_bin_does_not(settings: Settings) -> None:
    id, other = begun(settings), begun(settings)
    assert len(kept(settings)) == 2
    with closing(opening.open_services(settings)) as services:
        services.bin.put(id)
        services.bin.take_back(id)
        assert len(kept(settings)) == 2
        ask(services, id, NEXT)  # so that the process holds it, and could write it down again
        services.bin.put(id)
    assert len(kept(settings)) == 1
    with closing(opening.open_services(settings)) as services:
        assert ask(services, other, NEXT).evidence.usage.restored_tokens > 0  # type: ignore[union-attr]
        services.bin._patience_s = 0.01
        services.bin.put(other)
        until(lambda: not kept(settings))
    assert not kept(settings)


def test_a_conversation_that_was_deleted_and_is_imported_again_is_kept_again_by_the_same_process(settings: Settings) -> None:
    with closing(opening.open_services(settings)) as services:
        store = services.store.conversations
        id = store.create().id
        ask(services, id, QUESTION)
        head, messages = store.get(id), store.branch(id)
        services.bin._patience_s = 0.01
        services.bin.put(id)
        until(lambda: not services.bin._timers and not kept(settings))
        assert store.restore(head, messages).conversation.id == id
        ask(services, id, NEXT)
    assert len(kept(settings)) == 1


def test_what_belongs_to_no_conversation_and_what_a_kill_left_is_gone_at_the_next_start(settings: Settings) -> None:
    id = begun(settings)
    (file,) = kept(settings)
    file.with_name("0" * 40 + ".kv").write_bytes(b"another's")
    file.with_name(file.name + ".part").write_bytes(b"half")
    with closing(opening.open_services(settings)):
        assert list(file.parent.iterdir()) == [file]
    with closing(opening.open_store(settings)[0]) as store:
        store.conversations.delete(id)  # by another way
    opening.open_services(settings).close()
    assert not list(file.parent.iterdir())


def test_with_no_room_for_it_nothing_is_kept_and_what_was_goes(settings: Settings) -> None:
    begun(settings)
    assert kept(settings)
    off = replace(settings, resume_gb=0.0)
    id = begun(off)
    assert not kept(settings) and "Nothing" in resume.health(off).text
    with closing(opening.open_services(off)) as services:
        assert ask(services, id, NEXT).evidence.usage.restored_tokens == 0  # type: ignore[union-attr]
