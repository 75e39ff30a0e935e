"""Whether a process still works while somebody waits for it, judged from outside: by what it reports and what it uses of the computer.

It hangs in one of two ways. It stands still: no time on the processor, nothing read from the disk. Or it turns in circles: it
works, and for far longer than one step of this model could take here nothing comes of it. Slow is neither: a large model on a
processor, a first look at a file on a slow disk, a computer that is busy with something else or was asleep.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from med42_chat.records import ModelInfo

_LATE_S = 5.0  # a look that comes so much later than it should: this process stood still too, so nothing is to be concluded
_LONGEST_STEP = 512  # tokens that are computed in one go
_LONGEST_BESIDE = 128  # and while somebody's answer is being written
_FAR = 20  # times the longest step that was ever seen


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a process is waited for, in seconds. `slowest` is what a processor's core computes of a model in one, at the very least."""

    still_s: float = 30.0  # that it stands still
    loading_s: float = 600.0  # that it works on loading with nothing to say: a graphics card's driver may compile its programs first
    step_s: float = 60.0  # that it works on one step, on top of what the model's size asks for
    cancel_s: float = 0.7  # that it does not answer a request to stop, of which a person shall not wait for the end
    look_every_s: float = 0.25
    slowest: float = 2e9  # multiplications with an addition each


@dataclass(frozen=True, slots=True)
class Signs:
    """What the system says of a process at a moment. `held` when it waits within the system, mostly for a disk or a network drive."""

    processor_s: float
    read: int  # bytes, as far as the system counts them
    held: bool = False


def signs_of(pid: int) -> Signs | None:
    """What the system says of a process; None where there is none, or where that is kept secret."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            used = process.cpu_times()
            return Signs(used.user + used.system, _read_by(process), process.status() == psutil.STATUS_DISK_SLEEP)
    except psutil.Error:
        return None


def _read_by(process: psutil.Process) -> int:
    try:
        return int(process.io_counters().read_bytes)
    except (psutil.AccessDenied, AttributeError):  # macOS counts nothing of the kind
        return 0


class Watchdog:
    """Watches one process after the other. For one thread at a time."""

    def __init__(self, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._looked = clock()
        self._before: Signs | None = None
        self._alive = 0.0  # when it last did anything
        self._worked = 0.0  # seconds without a report in which it did something
        self._writing = False  # an answer was being written at the last look
        self._longest = {False: 0.0, True: 0.0}  # such a stretch that did end with a report, once the model was loaded; by `_writing`

    def heard(self, loading: bool = False) -> None:
        """It has reported something. How long it took for that while it was loading says nothing of a step."""
        if not loading:
            self._longest[self._writing] = max(self._longest[self._writing], self._worked)
        self._alive, self._worked = self._clock(), 0.0

    def rest(self) -> None:
        """Nobody waits for it, or it is another one: what it did before counts for nothing."""
        self._before, self._worked = None, 0.0

    def look(self, signs: Signs | None, model: ModelInfo | None, *, writing: bool = False) -> str:
        """Why it must be taken for hanging, in words for a person; empty where it need not.

        `model` is None while it is loaded. Steps are shorter while an answer is being written (`writing`).
        """
        now, before, looked = self._clock(), self._before, self._looked
        self._looked, self._before, self._writing = now, signs, writing
        if signs is None or before is None or now - looked > self._patience.look_every_s + _LATE_S:
            self._alive, self._worked = now, 0.0
            return ""
        used = signs.processor_s - before.processor_s
        if used > 0 or signs.read != before.read or signs.held:
            self._alive = now
        self._worked += min(used, now - looked)  # that several cores worked must not make it the longer
        return self._judgement(now, model)

    def _judgement(self, now: float, model: ModelInfo | None) -> str:
        if now - self._alive >= self._patience.still_s:
            return f"it gave no sign of life for {_in_words(now - self._alive)}"
        if self._worked >= self._most(model):
            return f"it worked for {_in_words(self._worked)} and nothing came of it"
        return ""

    def _most(self, model: ModelInfo | None) -> float:
        """Seconds that one step may take."""
        if model is None:
            return self._patience.loading_s
        tokens = _LONGEST_BESIDE if self._writing else _LONGEST_STEP
        by_size = model.parameters * tokens / (self._patience.slowest * max(model.threads, 1))
        return max(self._patience.step_s + by_size, _FAR * self._longest[self._writing])


def _in_words(seconds: float) -> str:
    return f"{math.floor(seconds)} seconds" if seconds < 120 else f"{math.floor(seconds / 60)} minutes"
