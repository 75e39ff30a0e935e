"""How far a download or an import is: values, and the arithmetic of speed and time left."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

_WINDOW_S = 10.0  # over which the speed is averaged

State = Literal["asking", "fetching", "copying", "waiting", "checking", "done"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an entry is, all its files together. Bytes and seconds; `note` says in words what is waited for."""

    state: State
    done: int
    total: int
    bytes_per_s: float = 0.0
    seconds_left: float | None = None
    note: str = ""


class Meter:
    """Speed and time left, over the last seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()
        self._state: State = "asking"

    def progress(self, state: State, done: int, total: int, note: str = "") -> Progress:
        """A report as of now."""
        now = self._clock()
        if state != self._state or (self._seen and done < self._seen[-1][1]):
            self._seen.clear()  # begun anew, or gone on with: what was here before did not come in this time
        self._state = state
        self._seen.append((now, done))
        while now - self._seen[0][0] > _WINDOW_S:
            self._seen.popleft()
        since, before = self._seen[0]
        speed = (done - before) / (now - since) if now > since else 0.0
        return Progress(state, done, total, speed, (total - done) / speed if speed > 0 else None, note)
