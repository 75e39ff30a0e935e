"""The trial of how a model is best run, at its first loading on this computer, and what it showed, kept for all later ones."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from med42_chat.records import Health
from med42_chat.runtime.protocol import Load
from med42_chat.runtime.remembered import Remembered
from med42_chat.runtime.tuning import SIZES, Change, Choice, Trials, Tried, Tuning

_MOST = 9  # by which trials that showed nothing may count: a driver that dies of trials is not put to ever new ones
_UNENDED, _BUSY = 3, 1  # what one counts that came to no end, and one on a computer too busy to tell
_BATCH_ON_CARD, _BATCH_ON_CPU = 1024, 256


class Tuned:
    """What is known under `key` in the file `memory`, or is found out with `changes`, unless it is loaded `in_haste`."""

    def __init__(self, memory: Path, key: str, usual: Choice, changes: Sequence[Change], *, in_haste: bool = False) -> None:
        self._memory = Remembered(memory)
        self._key = key
        self._usual = usual
        self._changes = changes
        noted = self._memory.get(key)
        self._in_haste = in_haste
        self._count = noted if isinstance(noted, int) else 0
        self._lock = threading.Lock()  # guards the note of a trial under way
        self._trying = False
        self.known = _read(noted) or (Tuning(usual, ()) if in_haste or self._count >= _MOST else None)

    def found(self, open_context: Callable[[Choice], Tried], progress: Callable[[float], None]) -> Tuning:
        """What is known, else what a trial shows now."""
        if self.known is not None:
            return self.known
        with self._lock:
            self._trying = True
            self._memory.note(self._key, self._count + _UNENDED)
        tuning = Trials(open_context).tune(self._usual, self._changes, progress)
        with self._lock:
            self._trying = False
            self._count += 0 if tuning.costs else _BUSY
            self._memory.note(self._key, tuning if tuning.costs else self._count)
        return tuning

    def leave(self) -> None:
        """The process is to end. That a trial under way comes to no end is not its fault, and does not count. For any thread."""
        with self._lock:
            if self._trying:
                self._trying = False
                self._memory.note(self._key, self._count)

    def finding(self, tuning: Tuning) -> Health:
        """How it came to what the model runs with."""
        if tuning.costs:
            return Health("tuning", "ok", "a trial on this computer showed how it runs best")
        if self._in_haste:
            why = "the model was started again in haste; the next start of the program tries it"
        elif self._count < _MOST:
            why = "the computer was too busy to tell; the next loading tries it again"
        else:
            why = "several trials came to no end, so there are no more"
        return Health("tuning", "ok", f"it runs in the usual way, for which nothing was tried: {why}")


def changes(load: Load, threads: int, cores: int) -> Iterator[Change]:
    """What is worth a trial, where `threads` are usual on a computer with `cores` of them, hyper-threads included.

    A number of threads that a person has set stays. A cache of less than 16 bits needs flash attention, any other is tried the other way.
    """
    if load.cache_type == "f16":
        yield {"flash_attention": not load.gpu_layers}
    if load.threads is None:
        tried = dict.fromkeys((cores, threads - 1, threads // 2))  # with a slow or busy core the others wait for it
        yield from ({"threads": count} for count in tried if count > 0 and count != threads)
    if load.gpu_layers:
        yield {"batch": _BATCH_ON_CARD}
    elif load.cache_type != "f16":  # without flash attention so few are computed at a time anyway
        yield {"batch": _BATCH_ON_CPU}


def _read(noted: Any) -> Tuning | None:
    """A tuning that was noted, None where it is not whole."""
    try:
        (threads, batch, flash_attention), costs = noted
        tuning = Tuning(Choice(int(threads), int(batch), bool(flash_attention)), tuple(float(cost) for cost in costs))
    except (TypeError, ValueError):
        return None
    return tuning if len(tuning.costs) == len(SIZES) and min(tuning.choice[:2]) > 0 else None
