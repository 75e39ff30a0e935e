"""The whole program with the real llama.cpp, killed in the middle of things."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from med42_chat import services as opening
from med42_chat.events import Answered, Delta
from med42_chat.jobs import Job, JobState
from med42_chat.records import Message, Sampling
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.watchdog import Patience
from med42_chat.services import Services
from med42_chat.settings import DEMONSTRATION, Settings
from tests.model_files import llama3_shape

pytestmark = pytest.mark.model

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A model that answers nonsense, slowly enough to be caught at it, and never stops by itself."""
    return Settings(home=tmp_path, model=str(llama3_shape()), keyring=False, context=4096, gpu_layers=0, sampling=Sampling(max_tokens=2000))


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    with closing(opening.open_services(settings)) as opened:
        yield opened


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def writing(job: Job) -> JobState:
    until(lambda: len(job.state().text) > 40)
    return job.state()


def finished(job: Job) -> Message:
    until(lambda: job.state().phase == "done")
    return job.state().answer


def test_the_model_dies_in_mid_answer_and_the_next_question_is_answered(services: Services) -> None:
    id = services.store.conversations.create().id
    job = services.jobs.start(id, "Tell me everything.")
    seen = writing(job).text
    os.kill(services.runtime.worker_pid, signal.SIGKILL)  # type: ignore[attr-defined]
    answer = finished(job)
    assert answer.status == "interrupted" and answer.text.startswith(seen) and services.store.conversations.branch(id)[-1] == answer
    again = services.jobs.start(id, "And now?")
    writing(again)
    services.jobs.stop(id)
    assert finished(again).status == "stopped"


@pytest.fixture
def demonstration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The program with the demonstration model, whose process is not allowed to hang for long."""
    monkeypatch.setattr(opening, "LocalRuntime", partial(LocalRuntime, patience=Patience(still_s=1.5, look_every_s=0.1)))
    short = Sampling(max_tokens=40)
    settings = Settings(home=tmp_path, model=DEMONSTRATION, keyring=False, gpu_layers=0, threads=1, sampling=short)
    with closing(opening.open_services(settings)) as opened:
        opened.runtime.wait_until_loaded(60)
        yield opened


def asked_and(services: Services, happens: Callable[[], object]) -> Answered:
    """An answer, in the middle of which something happens."""
    events = services.chat.ask(services.store.conversations.create().id, "What is asthma, and how is it treated?")
    next(event for event in events if isinstance(event, Delta))
    happens()
    last = list(events)[-1]
    assert isinstance(last, Answered)
    return last


@pytest.mark.parametrize(("fault", "said"), [(signal.SIGKILL, "signal 9"), (signal.SIGSTOP, "no sign of life")])
def test_the_demonstration_model_dies_or_hangs_and_its_words_stay_with_one_line_that_says_so(
    demonstration: Services, fault: signal.Signals, said: str
) -> None:
    pid = demonstration.runtime.worker_pid  # type: ignore[attr-defined]
    ended = asked_and(demonstration, lambda: os.kill(pid, fault))
    kept = demonstration.store.conversations.branch(ended.message.conversation_id)[-1]
    assert ended.message.status == "interrupted" and ended.message.text and kept == ended.message
    assert said in ended.error and "started again" in ended.error and "\n" not in ended.error
    assert kept.evidence is not None and any(said in note for note in kept.evidence.notes)
    assert asked_and(demonstration, lambda: None).message.status in ("complete", "length")
    assert not psutil.pid_exists(pid)


def test_a_question_that_meets_a_process_that_hangs_is_answered_by_the_next(demonstration: Services) -> None:
    pid = demonstration.runtime.worker_pid  # type: ignore[attr-defined]
    os.kill(pid, signal.SIGSTOP)
    assert asked_and(demonstration, lambda: None).message.status in ("complete", "length")
    assert demonstration.runtime.worker_pid != pid  # type: ignore[attr-defined]


def test_stop_ends_an_answer_within_a_second_and_keeps_it(services: Services) -> None:
    id = services.store.conversations.create().id
    job = services.jobs.start(id, "Tell me everything.")
    seen = writing(job).text
    started = time.monotonic()
    services.jobs.stop(id)
    answer = finished(job)
    assert time.monotonic() - started < 1.0
    assert answer.status == "stopped" and answer.text.startswith(seen)
    assert answer.evidence is not None and answer.evidence.usage.completion_tokens > 0


def test_a_question_asked_while_the_model_loads_waits_and_is_answered(settings: Settings) -> None:
    with closing(opening.open_services(replace(settings, sampling=Sampling(max_tokens=16)))) as services:
        job = services.jobs.start(services.store.conversations.create().id, "Are you there?")
        phases = {job.state().phase}
        while job.state().phase != "done":
            phases.add(job.wait(job.state().version, 1).phase)
        assert "waiting" in phases and job.state().answer.status == "length"


ASKING = """
import sys
from contextlib import closing
from pathlib import Path
from med42_chat import services
from med42_chat.events import Delta
from med42_chat.records import Sampling
from med42_chat.settings import Settings

home, model = sys.argv[1:]
settings = Settings(home=Path(home), model=model, keyring=False, context=4096, gpu_layers=0, sampling=Sampling(max_tokens=2000))
with closing(services.open_services(settings)) as opened:
    opened.runtime.wait_until_loaded()
    print(opened.runtime.worker_pid, flush=True)
    for event in opened.chat.ask(opened.store.conversations.create().id, "Tell me everything."):
        if isinstance(event, Delta):
            print("delta", flush=True)
"""


def test_the_program_is_killed_in_mid_answer_and_nothing_older_than_a_moment_is_lost(settings: Settings) -> None:
    command = [sys.executable, "-c", ASKING, str(settings.home), settings.model]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as program:
        assert program.stdout is not None
        worker = psutil.Process(int(program.stdout.readline()))
        for _ in range(5):
            program.stdout.readline()
        time.sleep(0.6)  # longer than two savings
        program.kill()
    until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 5)
    with closing(opening.open_store(settings)[0]) as store:
        question, answer = store.conversations.branch(store.conversations.recent()[0].id)
    assert question.text == "Tell me everything."
    assert answer.status == "interrupted" and answer.text


def test_closing_the_program_keeps_a_running_answer_and_leaves_no_process(settings: Settings) -> None:
    services = opening.open_services(settings)
    id = services.store.conversations.create().id
    job = services.jobs.start(id, "Tell me everything.")
    writing(job)
    worker = psutil.Process(services.runtime.worker_pid)  # type: ignore[attr-defined]
    services.close()
    assert job.state().answer.status == "stopped" and job.state().text
    until(lambda: not worker.is_running(), 5)
