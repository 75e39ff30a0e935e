"""How a model is best run on this computer: found out by a trial of a few seconds when it is first loaded. Knows nothing of llama.cpp.

What is tried are contexts that are opened for it, one after another, and closed again: other numbers of threads, other batches, with and
without flash attention. What llama.cpp does by default stays unless something else is clearly faster. Of what is chosen it is then
measured what a decode of several tokens of one answer costs, which decides how far guesses at its words pay (`drafting`): on a graphics
card, or where memory is what is waited for, sixteen cost little more than one, and on a weak processor nearly sixteen times as much.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple, Protocol

from med42_chat.errors import RuntimeFailure
from med42_chat.runtime.context import Part

SIZES = (4, 8, 16, 32)  # tokens in one decode: llama.cpp's products go by fours and sixteens
_CHOOSING_S, _COSTS_S = 2.0, 1.0  # for the two parts of it
_CLEARLY = 1.05  # times faster: less may be chance
_READ, _WRITTEN = 1000, 300  # tokens of a usual prompt that are new, and of its answer
_PIECE, _LONG = 64, 1024  # tokens that are read for a trial, the longer where that is quick: only then can batches be told apart
_DEPTH = 512  # tokens that stand before guesses on trial, where they are quickly read: of a small model's work attention is much
_ROUNDS = 4
_USEFUL = 0.9  # of what its tokens cost one after another: a decode that costs more is of no use
ROOM = _LONG + SIZES[-1]  # tokens that a context on trial must hold


class Choice(NamedTuple):
    """What can be chosen."""

    threads: int
    batch: int
    flash_attention: bool


Change = Mapping[str, Any]  # of a choice: some of its fields


class Tuning(NamedTuple):
    """What was chosen, and the time of decodes of SIZES tokens over that of one: 0 where that is not known or of no use.

    Empty where none was measured.
    """

    choice: Choice
    costs: tuple[float, ...]

    @property
    def useful(self) -> dict[int, float]:
        """The costs that are of use, by size."""
        return {size: cost for size, cost in zip(SIZES, self.costs, strict=False) if cost}


class Tried(Protocol):
    """A context on trial, with an empty sequence 0 of at least ROOM tokens."""

    least: int  # as a context's

    def decode(self, parts: Sequence[Part]) -> bool:
        """As a context's."""
        ...

    def forget(self, sequence: int, position: int) -> None:
        """As a context's."""
        ...

    def interrupt(self) -> None:
        """Ends the decode that is running, and all that come, from any thread."""
        ...

    def resume(self) -> None:
        """Lets decodes run again."""
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

    def tune(self, usual: Choice, changes: Sequence[Change], progress: Callable[[float], None]) -> Tuning:
        """`usual` with those changes that make it faster, as far as they can be tried in about three seconds."""
        choice = self._choose(usual, changes, progress)
        costs = self._costs(choice)
        progress(1)
        return Tuning(choice, costs)

    def _choose(self, usual: Choice, changes: Sequence[Change], progress: Callable[[float], None]) -> Choice:
        self._reading = self._readable(usual, _CHOOSING_S / 4 / (len(changes) + 1))
        end = self._clock() + _CHOOSING_S
        best, least = usual, self.seconds(usual, end)
        if least == math.inf:
            return usual
        for number, change in enumerate(changes):
            progress(number / (len(changes) + 1))
            other = best._replace(**change)
            if (seconds := self.seconds(other, end)) * _CLEARLY < least:
                best, least = other, seconds
        if best != usual:  # was it chance, or has another program come to rest meanwhile?
            end += _CHOOSING_S / 2
            return best if self.seconds(best, end) * _CLEARLY < self.seconds(usual, end) else usual
        return usual

    def _readable(self, usual: Choice, limit_s: float) -> int:
        """How many tokens can be read for each trial in `limit_s` seconds. The first decode reads the weights from the disk."""
        try:
            with closing(_Stopwatch(self._open, usual, self._clock)) as watch:
                watch.time(1)
                watch.limit(_CHOOSING_S)
                if watch.time(1) * _PIECE / 2 >= limit_s:  # tokens that are read together cost less than each alone
                    return 0
                return _LONG if watch.time(_PIECE) * _LONG / _PIECE < limit_s else _PIECE
        except RuntimeFailure:
            return 0

    def seconds(self, choice: Choice, end: float) -> float:
        """What a usual question and its answer take; infinity where that cannot be found out until `end`."""
        if self._clock() >= end:
            return math.inf
        try:
            with closing(_Stopwatch(self._open, choice, self._clock)) as watch:
                watch.limit(end - self._clock())
                watch.time(1)  # in a new context the first is slower than others
                written = min(watch.time(1) for _ in range(_ROUNDS))
                read = min(watch.time(self._reading) for _ in range(2)) / self._reading if self._reading else 0.0
        except RuntimeFailure:
            return math.inf
        return (_READ + watch.least) * read + _WRITTEN * written

    def _costs(self, choice: Choice) -> tuple[float, ...]:
        least = dict.fromkeys((1, *SIZES), math.inf)
        try:
            with closing(_Stopwatch(self._open, choice, self._clock)) as watch:
                watch.limit(_COSTS_S)
                watch.time(1)
                if watch.time(1) * _PIECE / 2 < _COSTS_S / 8 and watch.time(_PIECE) * _DEPTH / _PIECE < _COSTS_S / 4:
                    watch.stand_behind(_DEPTH)
                for _ in range(_ROUNDS):
                    for size in least:
                        least[size] = min(least[size], watch.time(size, size - 1))
        except RuntimeFailure:  # time is up, or it is no memory of which an end can be taken back
            pass
        known = math.inf not in (least[1], least[SIZES[0]])
        return tuple(_cost(size, least[size] / least[1]) for size in SIZES) if known else ()


def _cost(size: int, cost: float) -> float:
    return round(cost, 1) if cost < _USEFUL * size else 0.0


class _Stopwatch:
    """Times decodes in a context on trial. Whatever disturbs makes them slower, so of several the fastest counts."""

    def __init__(self, open_context: Callable[[Choice], Tried], choice: Choice, clock: Callable[[], float]) -> None:
        self._context = open_context(choice)
        self.least = self._context.least  # tokens of a prompt that are read though they are known
        self._clock = clock
        self._batch = choice.batch
        self._depth = 0
        self._end = math.inf
        self._alarm = threading.Timer(0, self._context.interrupt)

    def limit(self, seconds: float) -> None:
        """What goes on for longer, from now on, is broken off with a RuntimeFailure."""
        self._end = self._clock() + seconds
        self._alarm = threading.Timer(max(seconds, 0), self._context.interrupt)
        self._alarm.start()

    def time(self, count: int, guessed: int = 0) -> float:
        """Seconds for `count` tokens behind those that are there, the last of them guesses, which cost a choice each."""
        began = self._clock()
        self._read(count, guessed)
        self._context.wait()
        elapsed = self._clock() - began
        self._context.forget(0, self._depth)
        return elapsed

    def stand_behind(self, depth: int) -> None:
        """From here on `depth` tokens stand before what is timed."""
        self._read(depth)
        self._depth = depth

    def close(self) -> None:
        """Ends the trial."""
        self._alarm.cancel()
        if self._alarm.is_alive():
            self._alarm.join()  # it must not reach into the next one's time
        self._context.resume()
        self._context.close()

    def _read(self, count: int, guessed: int = 0) -> None:
        start, end = self._depth, self._depth + count
        for place in range(start, end, self._batch):
            part = Part(0, place, tuple(range(min(self._batch, end - place))), guessed)
            if self._clock() >= self._end or not self._context.decode([part]):
                raise RuntimeFailure("The time for the trial is over.", "")
