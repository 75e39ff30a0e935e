"""The model's process killed, stopped, deaf, mad or in circles, in the middle of anything: nothing hangs, nothing is lost, nothing stays.

Real processes with the real llama.cpp; `faulty` brings out what no signal of the system's can.
"""

import contextlib
import gc
import os
import queue
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from med42_chat.errors import RuntimeFailure
from med42_chat.records import Sampling, Turn
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import Finished, Load, Prefill, Request
from med42_chat.runtime.watchdog import Patience
from tests.runtime.asking import Follower, ending, is_text, prompt_of, request, text
from tests.runtime.faulty import CIRCLES, DEADLY, GARBLES, HANGS_UP, MODULE, STANDS
from tests.runtime.ways import one_way

pytestmark = pytest.mark.model
LITTLE = Patience(still_s=1.0, loading_s=30.0, step_s=0.5, look_every_s=0.1, slowest=1e12)
SHORT = Sampling(max_tokens=3)
Faulty = Callable[..., LocalRuntime]
_T = TypeVar("_T")


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[Faulty]:
    """Starts runtimes whose process can be made to go wrong, and closes them after the test."""
    runtimes = []

    def make(model: Path, *more: Load, parallel: int = 1, patience: Patience = LITTLE) -> LocalRuntime:
        ways = [Load(str(model), 8192, 1, parallel=parallel), *more]
        runtimes.append(LocalRuntime(lambda found: ways, tmp_path / "cache", patience, MODULE))
        return runtimes[-1]

    yield make
    for runtime in runtimes:
        runtime.close()


def pid_of(runtime: LocalRuntime) -> int:
    pid = runtime.worker_pid
    assert pid is not None
    return pid


def writing(runtime: LocalRuntime, name: str = "a") -> Follower:
    """An answer in the middle of being written."""
    runtime.wait_until_loaded(20)
    follower = Follower(runtime.generate(request(name, prompt_of(100))))
    for _ in range(3):
        follower.until(is_text)
    return follower


def answers(runtime: LocalRuntime) -> bool:
    return ending(list(runtime.generate(request("next", prompt_of(80), SHORT)))).reason == "length"


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (signal.SIGSTOP, "no sign of life"),
        (STANDS, "no sign of life"),
        (CIRCLES, "nothing came of it"),
        (GARBLES, "made no sense"),
        (HANGS_UP, "exit status 0"),
        (signal.SIGKILL, "signal 9"),
        (signal.SIGSEGV, "signal 11"),
        (signal.SIGABRT, "signal 6"),
    ],
)
def test_whatever_becomes_of_the_process_its_answer_is_kept_and_the_next_question_is_answered(
    faulty: Faulty, medium: Path, fault: signal.Signals, said: str
) -> None:
    runtime = faulty(medium)
    follower, before = writing(runtime), pid_of(runtime)
    os.kill(before, fault)
    finished = follower.finish()
    assert finished.reason == "died" and said in finished.detail and "started again" in finished.detail
    assert text(follower.events) and finished.usage.completion_tokens >= 3
    assert answers(runtime)
    assert runtime.worker_pid != before and not psutil.pid_exists(before)


@pytest.mark.parametrize("fault", [signal.SIGSTOP, CIRCLES])
def test_stopping_an_answer_of_a_process_that_hangs_takes_no_longer_than_a_second(
    faulty: Faulty, medium: Path, fault: signal.Signals
) -> None:
    runtime = faulty(medium, patience=Patience())
    follower = writing(runtime)
    os.kill(pid_of(runtime), fault)
    time.sleep(0.1)
    asked = time.monotonic()
    runtime.cancel("a")
    assert follower.finish().reason == "cancelled"
    assert time.monotonic() - asked < 1.2
    assert text(follower.events)


def test_a_question_to_a_process_that_stands_still_is_answered_by_the_next_one(faulty: Faulty, medium: Path) -> None:
    runtime = faulty(medium)
    runtime.wait_until_loaded(20)
    os.kill(pid_of(runtime), signal.SIGSTOP)
    assert answers(runtime)
    os.kill(pid_of(runtime), signal.SIGSTOP)
    assert runtime.count([Turn("user", "Hi")]) == [11]


def test_a_process_that_nobody_waits_for_may_stand_still(faulty: Faulty, medium: Path) -> None:
    runtime = faulty(medium)
    assert answers(runtime)
    stopped = pid_of(runtime)
    os.kill(stopped, signal.SIGSTOP)
    time.sleep(2)
    os.kill(stopped, signal.SIGCONT)
    assert answers(runtime) and pid_of(runtime) == stopped


@pytest.mark.parametrize("fault", ["stands", "deaf", "babbles"])
def test_a_process_that_never_comes_to_loading_is_given_up_in_plain_words(
    faulty: Faulty, tiny: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("FAULT", fault)
    runtime = faulty(tiny, patience=Patience(still_s=1.0, loading_s=1.0, look_every_s=0.1))
    asked = Follower(runtime.generate(request("a", prompt_of(80))), patience_s=60)
    with pytest.raises(RuntimeFailure, match="5 times in a row"):
        runtime.wait_until_loaded(60)
    assert asked.finish().reason == "failed"
    assert runtime.worker_pid is None


def test_a_model_that_dies_twice_while_it_answers_is_loaded_more_modestly_and_that_is_said(faulty: Faulty, medium: Path) -> None:
    runtime = faulty(medium, Load(str(medium), 2048, 1, note="The context is 2,048 tokens."))
    details = []
    for _ in range(2):
        follower = writing(runtime)
        os.kill(pid_of(runtime), signal.SIGKILL)
        details.append(follower.finish().detail)
    assert "with less" not in details[0]
    assert details[1].endswith("It is being started again, with less: The context is 2,048 tokens.")
    info = runtime.wait_until_loaded(20)
    assert info.context == 2048 and "2 times in a row while it was answering" in info.backed_off[0]


def test_a_question_over_which_every_process_ends_is_given_up_and_those_after_it_are_answered(faulty: Faulty, medium: Path) -> None:
    runtime = faulty(medium)
    runtime.wait_until_loaded(20)
    finished = ending(list(runtime.generate(request(DEADLY, prompt_of(80)))))
    assert finished.reason == "died" and "exit status 3" in finished.detail
    assert answers(runtime)


def test_a_reader_who_takes_his_time_holds_nobody_up(faulty: Faulty, medium: Path) -> None:
    runtime = faulty(medium, parallel=2)
    runtime.wait_until_loaded(20)
    slow = runtime.generate(request("slow", prompt_of(60), Sampling(max_tokens=200)))
    next(slow)
    assert answers(runtime)
    assert ending(list(slow)).reason in ("stop", "length")


def processor_time(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def test_a_process_that_was_stopped_in_a_long_prompt_has_nothing_to_do_a_second_later(faulty: Faulty, medium: Path) -> None:
    runtime = faulty(medium, patience=Patience())  # a busy computer may take longer for a step than the others have
    runtime.wait_until_loaded(20)
    follower = Follower(runtime.generate(request("a", prompt_of(4000))))
    follower.until(lambda event: isinstance(event, Prefill) and event.done > 0)
    runtime.cancel("a")
    assert follower.finish().reason == "cancelled"
    time.sleep(1)
    worker = psutil.Process(pid_of(runtime))
    before = processor_time(worker)
    time.sleep(1)
    assert processor_time(worker) - before < 0.1


def test_an_answer_that_is_no_text_for_long_is_not_taken_for_hanging(medium: Path, tmp_path: Path) -> None:
    patience = Patience(step_s=3.0, look_every_s=0.1, slowest=1e12)
    runtime = LocalRuntime(lambda found: [Load(str(medium), 8192, 1)], tmp_path / "cache", patience, "tests.runtime.silent")
    try:
        finished = ending(list(runtime.generate(request("a", prompt_of(80), Sampling(max_tokens=800)))))
        assert finished.reason == "length" and finished.usage.completion_tokens == 800
    finally:
        runtime.close()


def test_a_process_without_anything_to_do_uses_less_than_a_hundredth_of_the_processor(faulty: Faulty, medium: Path) -> None:
    runtime = faulty(medium)
    assert answers(runtime)
    worker = psutil.Process(pid_of(runtime))

    def rests() -> bool:  # what was written is read again first
        before = processor_time(worker)
        time.sleep(0.5)
        return processor_time(worker) == before

    until(rests)
    before = processor_time(worker)
    time.sleep(3)
    assert processor_time(worker) - before <= 0.03


PARENT = """
import os, signal, sys, time
from pathlib import Path
from med42_chat.records import Sampling
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import Load, Request, Text
from tests.runtime.asking import is_text, prompt_of, request
model, cache, phase = sys.argv[1:]

def ready():
    print(runtime.worker_pid, flush=True)
    time.sleep(60)

def plan(found):
    if phase == "planning":
        ready()
    return [Load(model, 8192, 1)]

runtime = LocalRuntime(plan, Path(cache))
if phase == "starting":
    while runtime.worker_pid is None:
        time.sleep(0.001)
    ready()
if phase == "loading":
    while not runtime.status().progress:
        time.sleep(0.001)
    ready()
runtime.wait_until_loaded()
events = runtime.generate(request("a", prompt_of(6000 if phase == "reading" else 100)))
next(events)
if phase == "writing":
    while not is_text(next(events)):
        pass
if phase == "stopped":
    os.kill(runtime.worker_pid, signal.SIGSTOP)
ready()
"""


@pytest.mark.parametrize("phase", ["starting", "planning", "loading", "reading", "writing", "stopped"])
def test_whenever_the_program_is_killed_its_process_is_gone_in_a_moment(medium: Path, tmp_path: Path, phase: str) -> None:
    if phase == "stopped" and sys.platform != "linux":
        pytest.skip("only Linux ends a stopped process with its parent")
    model = medium
    if phase == "loading":  # one that takes a while: most of it is a hole behind the model's end, which is read all the same
        model = tmp_path / "long.gguf"
        model.write_bytes(medium.read_bytes())
        os.truncate(model, 1 << 36)
    command = [sys.executable, "-c", PARENT, str(model), str(tmp_path), phase]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        psutil.wait_procs([worker], 2 if phase != "starting" else 10)  # at its very start it does not listen yet
        assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


# 300 faults, one after the other, in four runtimes side by side

SEED, ROUNDS, LANES = 8, 75, 4
PATIENCE_S = 60.0  # for the next event
QUESTIONS = {
    "short": (prompt_of(70), Sampling(temperature=0.7, max_tokens=60)),
    "greedy": (prompt_of(203, 1), Sampling(temperature=0.0, max_tokens=150)),
    "middle": (prompt_of(640, 2), Sampling(temperature=0.7, max_tokens=80)),
    "long": (prompt_of(2000, 3), Sampling(temperature=0.7, max_tokens=40)),
    "longest": (prompt_of(3000, 4), Sampling(temperature=0.7, max_tokens=20)),
    "much": (prompt_of(96, 5), Sampling(temperature=0.7, max_tokens=400)),
}


@dataclass
class Lane:
    """One runtime, what goes wrong with it, and what must hold all the same. Its choices come from the seed alone."""

    start: Callable[[], LocalRuntime]
    choices: random.Random
    whole: dict[str, str]  # each question's answer where nothing goes wrong
    pids: set[int] = field(default_factory=set)
    asked: int = 0
    happened: str = ""  # the last fault, for the message of a test that fails

    def run(self, rounds: int) -> None:
        self.runtime = self.start()
        try:
            for _ in range(rounds):
                self._round()
        except queue.Empty:
            raise AssertionError(f"nothing happened any more after {self.happened}: {self.runtime.status()}") from None
        finally:
            self.runtime.close()

    def request(self, question: str) -> Request:
        """A new one; `asked` is its number."""
        self.asked += 1
        return Request(f"{self.asked}", *QUESTIONS[question], seed=5)

    def _round(self) -> None:
        fault = self.choices.choices(FAULTS, [fault.weight for fault in FAULTS])[0]
        names = self.choices.choices(list(QUESTIONS), k=self.choice(1, 1, 2))
        followers = [Follower(self.runtime.generate(self.request(name)), PATIENCE_S) for name in names]
        self.choice(*MOMENTS)(followers[0])
        self.happened = f"{fault.name} before request {self.asked}"
        if self.runtime.worker_pid is not None:
            self.pids.add(self.runtime.worker_pid)
        for _ in range(self.choice(1, 1, 1, 2)):
            fault.happens(self)
        for name, follower in zip(names, followers, strict=True):
            self._hold(name, follower, alone=len(names) == 1 and not fault.asks)
        self._is_answered()

    def choice(self, *options: _T) -> _T:
        return self.choices.choice(options)

    def _hold(self, question: str, follower: Follower, alone: bool) -> None:
        """It has come to one end, and what came of the answer is how it begins: nothing twice, nothing left out."""
        finished, said = follower.finish(), text(follower.events)
        assert bool(said) <= bool(finished.usage.completion_tokens), self.happened
        assert finished.reason != "failed", (self.happened, finished)
        if finished.reason in ("stop", "length") and not finished.together:
            assert said == self.whole[question], self.happened
        elif alone:  # with half a character where it was cut off
            assert self.whole[question].startswith(said.rstrip("\ufffd")), self.happened

    def _is_answered(self) -> None:
        """The next question is answered; one that the fault still reaches, such as a signal that comes late, is asked again."""
        for _ in range(3):
            follower = Follower(self.runtime.generate(self.request("short")), PATIENCE_S)
            if follower.finish().reason in ("stop", "length"):
                self._hold("short", follower, alone=False)
                return
        raise AssertionError(f"{self.happened}: {follower.events[-1]}")


@dataclass(frozen=True)
class Fault:
    name: str
    weight: int
    happens: Callable[[Lane], object]
    asks: bool = False  # something else, so that two answers are made at once


def sending(number: int) -> Callable[[Lane], None]:
    def happens(lane: Lane) -> None:
        pid = lane.runtime.worker_pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    return happens


def cancels(lane: Lane) -> None:
    lane.runtime.cancel(f"{lane.asked}")


def reads_slowly(lane: Lane) -> None:
    for count, event in enumerate(lane.runtime.generate(lane.request("short"))):
        time.sleep(0.02 if count < 10 else 0)
        last = event
    assert isinstance(last, Finished)


def goes_away(lane: Lane) -> None:
    events = lane.runtime.generate(lane.request("longest"))
    next(event for event in events if isinstance(event, Prefill | Finished))
    events.close()  # type: ignore[attr-defined]


def is_forgotten(lane: Lane) -> None:
    next(lane.runtime.generate(lane.request("much")))
    gc.collect()


def closes(lane: Lane) -> None:
    events = lane.runtime.generate(lane.request("longest"))
    next(events)
    lane.runtime.close()
    assert ending(list(events)).reason in ("died", "failed", "stop", "length")
    lane.runtime = lane.start()


FAULTS = [
    Fault("killed", 12, sending(signal.SIGKILL)),
    Fault("a segmentation fault", 6, sending(signal.SIGSEGV)),
    Fault("aborted", 6, sending(signal.SIGABRT)),
    Fault("stopped by the system", 6, sending(signal.SIGSTOP)),
    Fault("stands still", 5, sending(STANDS)),
    Fault("turns in circles", 2, sending(CIRCLES)),
    Fault("talks nonsense", 8, sending(GARBLES)),
    Fault("hangs up", 6, sending(HANGS_UP)),
    Fault("cancelled", 16, cancels),
    Fault("a slow reader", 8, reads_slowly, asks=True),
    Fault("a reader goes away while his prompt is read", 10, goes_away, asks=True),
    Fault("an answer is forgotten", 10, is_forgotten, asks=True),
    Fault("closed while a prompt is read", 4, closes, asks=True),
]
MOMENTS: list[Callable[[Follower], object]] = [
    lambda follower: None,
    lambda follower: time.sleep(0.02),
    lambda follower: follower.until(lambda event: True),
    lambda follower: follower.until(lambda event: isinstance(event, Prefill | Finished)),
    lambda follower: follower.until(lambda event: is_text(event) or isinstance(event, Finished)),
]


def test_three_hundred_faults_leave_nothing_hanging_nothing_lost_and_no_process(small: Path, tmp_path: Path) -> None:
    def start() -> LocalRuntime:
        return LocalRuntime(one_way(small, parallel=2), tmp_path / "cache", LITTLE, MODULE)

    whole = {}
    for name, (prompt, sampling) in QUESTIONS.items():
        with contextlib.closing(start()) as alone:
            whole[name] = text(list(alone.generate(Request(name, prompt, sampling, seed=5))))
    lanes = [Lane(start, random.Random(f"{SEED} {number}"), whole) for number in range(LANES)]
    with ThreadPoolExecutor(LANES) as pool:
        for done in [pool.submit(lane.run, ROUNDS) for lane in lanes]:
            done.result()
    left = [process for process in psutil.Process().children(recursive=True) if MODULE in process.cmdline()]
    assert left == []
    seen = {pid for lane in lanes for pid in lane.pids}
    assert len(seen) > 50  # the faults were real
