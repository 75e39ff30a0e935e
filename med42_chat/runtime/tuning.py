"""How a model is best run on this computer: found out by a trial of a few seconds when it is first loaded. Knows nothing of llama.cpp.

What is tried are contexts that are opened for it, one after another, and closed again: other numbers of threads, other batches, with and
without flash attention. What llama.cpp does by default stays unless something else is clearly faster. Of what is chosen it is then
measured what a decode of several tokens of one answer costs, which decides how far guesses at its words pay (`drafting`): on a graphics
card, or where memory is what is waited for, sixteen cost little more than one, and on a weak processor nearly sixteen times as much.
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import NamedTuple, Protocol

from med42_chat.errors import RuntimeFailure
from med42_chat.runtime.context import Part

SIZES = (4, 8, 16, 32)  # tokens in one decode: llama.cpp's products go by fours and sixteens
_CHOOSING_S, _COSTS_S = 2.0, 1.0  # for the two parts of it
_CLEARLY = 1.05  # times faster: less may be chance
_READ, _WRITTEN = 1000, 300  # tokens of a usual prompt that are not cached, and of its answer
_PIECE, _LONG = 64, 1024  # tokens that are read for a trial, the longer where that is quick: only then can batches be told apart
_DEPTH = 512  # tokens that stand before guesses on trial, where they are quickly read: in a small model attention to them is much of the work
_ROUNDS = 4
_USEFUL = 0.9  # of what its tokens cost one after another: a decode that costs more is of no use
ROOM = _LONG + SIZES[-1]  # tokens that a context on trial must hold


class Choice(NamedTuple):
    """What can be chosen."""

    threads: int
    batch: int
    flash_attention: bool


class Tuning(NamedTuple):
    """What was chosen, and the time of decodes of SIZES tokens over that of one: 0 where that is not known or of no use."""

    choice: Choice
    costs: tuple[float, ...]


class Tried(Protocol):
    """A context on trial, with an empty sequence 0 of at least ROOM tokens."""

    def decode(self, parts: Sequence[Part]) -> bool:
        """As a context's."""
        ...

    def forget(self, sequence: int, position: int) -> None:
        """As a context's."""
        ...

    def wait(self) -> None:
        """Returns when all is computed: a graphics card works on by itself."""
        ...

    def close(self) -> None:
        """Gives its memory back."""
        ...


class Trials:
    """Trials of one model, whose contexts `open_context` opens; it raises RuntimeFailure where one cannot be had."""

    def __init__(self, open_context: Callable[[Choice], Tried], clock: Callable[[], float] = time.perf_counter) -> None:
        self._open = open_context
        self._clock = clock
        self._reading = 0  # tokens

    def tune(self, usual: Choice, others: Sequence[Choice], progress: Callable[[float], None]) -> Tuning:
        """The best of `usual` and `others`, as far as they can be tried in about three seconds."""
        choice = self._choose(usual, others, progress)
        try:
            costs = self._costs(choice)
        except RuntimeFailure:  # no memory, or one of which no end can be taken back
            costs = (0.0,) * len(SIZES)
        progress(1)
        return Tuning(choice, costs)

    def _choose(self, usual: Choice, others: Sequence[Choice], progress: Callable[[float], None]) -> Choice:
        if not others:
            return usual
        least = self._first(usual, _CHOOSING_S / 2 / (len(others) + 1))
        end, best = self._clock() + _CHOOSING_S, usual
        for number, other in enumerate(others):
            progress(number / len(others))
            if self._clock() < end and (seconds := self._seconds(other)) * _CLEARLY < least:
                least, best = seconds, other
        if best != usual and self._seconds(best) * _CLEARLY >= self._seconds(usual):  # it was chance, or another program came to rest
            return usual
        return best

    def _first(self, usual: Choice, limit_s: float) -> float:
        """What `usual` takes. How much is read for it, and for the others then, is what can be in `limit_s` seconds."""
        with closing(_Stopwatch(self._open(usual), self._clock, usual.batch)) as watch:
            watch.time(1)  # reads the weights from the disk
            if watch.time(1) * _PIECE / 2 < limit_s:  # tokens that are read together cost less
                self._reading = _LONG if watch.time(_PIECE) * _LONG / _PIECE < limit_s else _PIECE
        return self._seconds(usual)

    def _seconds(self, choice: Choice) -> float:
        """What a usual question and its answer take."""
        try:
            with closing(_Stopwatch(self._open(choice), self._clock, choice.batch)) as watch:
                watch.time(1)
                written = min(watch.time(1) for _ in range(_ROUNDS))
                read = min(watch.time(self._reading) for _ in range(2)) / self._reading if self._reading else 0.0
        except RuntimeFailure:
            return math.inf
        return _READ * read + _WRITTEN * written

    def _costs(self, choice: Choice) -> tuple[float, ...]:
        with closing(_Stopwatch(self._open(choice), self._clock, choice.batch)) as watch:
            watch.time(1)
            one = watch.time(1)
            if one * _PIECE / 2 < _COSTS_S / 4 and watch.time(_PIECE) * _DEPTH / _PIECE < _COSTS_S / 4:
                watch.stand_behind(_DEPTH)
            best = watch.best((1, *SIZES), self._clock() + _COSTS_S)
        return tuple(_useful(size, best[size] / best[1]) for size in SIZES)


def _useful(size: int, cost: float) -> float:
    return round(cost, 1) if cost < _USEFUL * size else 0.0


class _Stopwatch:
    """Times decodes in a context on trial. Whatever disturbs makes them slower, so of several the fastest counts."""

    def __init__(self, context: Tried, clock: Callable[[], float], batch: int) -> None:
        self._context = context
        self._clock = clock
        self._batch = batch
        self._depth = 0
        self.close = context.close

    def time(self, count: int) -> float:
        """Seconds for `count` tokens behind those that are there."""
        began = self._clock()
        self._read(count)
        self._context.wait()
        elapsed = self._clock() - began
        self._context.forget(0, self._depth)
        return elapsed

    def stand_behind(self, depth: int) -> None:
        """From here on `depth` tokens stand before what is timed."""
        self._read(depth)
        self._depth = depth

    def best(self, counts: Sequence[int], end: float) -> dict[int, float]:
        """The least time of each count, as far as there is time until `end`; without limit where there is none."""
        least = dict.fromkeys(counts, math.inf)
        for _ in range(_ROUNDS):
            for count in counts:
                shorter = max((seconds for seconds in least.values() if seconds < math.inf), default=0.0)
                if count == counts[0] or self._clock() + min(least[count], 2 * shorter) < end:
                    least[count] = min(least[count], self.time(count))
        return least

    def _read(self, count: int) -> None:
        start, end = self._depth, self._depth + count
        for place in range(start, end, self._batch):
            self._context.decode([Part(0, place, tuple(range(min(self._batch, end - place))))])
