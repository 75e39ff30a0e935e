"""How fast the loaded model reads and writes here: made-up notes are read and gone on with, for about twenty seconds.

Knows what a runtime is, and nothing of whose it is. Nothing of it is kept.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from med42_chat.errors import RuntimeFailure
from med42_chat.records import Sampling, Speed, Turn
from med42_chat.runtime.protocol import Finished, Request, Runtime

_TIME_S = 20.0
# Tokens to read and to write in one round. Small ones first, so that there is a figure soon on a slow computer, too.
_ROUNDS = ((64, 16), (128, 32), (256, 64), (512, 128), (512, 128), (512, 128))
_WORDS_PER_TOKEN = 0.75  # in English
_NOTE_WORDS = (
    "seen today walks with help sleeps well eats half of lunch pulse regular lungs clear ankle swelling less weight down pain at night "
    "dose halved since Monday wound dry stitches out potassium repeated daughter informed review in two weeks"
)


@dataclass(slots=True)
class _Meter:
    """What was read and written so far. Tokens and seconds."""

    begun: float = field(default_factory=time.monotonic)
    read: int = 0
    read_s: float = 0.0
    written: int = 0
    write_s: float = 0.0

    def take(self, end: Finished) -> None:
        """Counts a round, or what there is of one that was stopped. The first token belongs to the reading."""
        usage, timings = end.usage, end.timings
        if usage.completion_tokens:
            self.read += usage.prompt_tokens - usage.cached_tokens
            self.read_s += timings.first_token_s
        if timings.tokens_per_s:
            self.written += usage.completion_tokens - 1
            self.write_s += (usage.completion_tokens - 1) / timings.tokens_per_s

    def elapsed(self) -> float:
        return time.monotonic() - self.begun

    def has_time_for(self, read: int, write: int) -> bool:
        """Whether a round of this size can be expected to end in time."""
        rates = self.speed()
        needed = sum(count / rate for count, rate in ((read, rates.read_tokens_s), (write, rates.write_tokens_s)) if rate)
        return self.elapsed() + needed < _TIME_S

    def speed(self, done: bool = False) -> Speed:
        written = self.written / self.write_s if self.write_s else 0.0
        read = self.read / self.read_s if self.read_s else 0.0
        return Speed(read, written, written * _WORDS_PER_TOKEN, self.elapsed(), done)


def measure(runtime: Runtime, stopped: Callable[[], bool]) -> Iterator[Speed]:
    """Speeds as they become known, the last one `done`. Ends within a second once `stopped` says so.

    Raises RuntimeFailure's kinds when no model is there.
    """
    size = runtime.wait_until_loaded().context
    meter = _Meter()
    for number, (read, write) in enumerate(_ROUNDS):
        if stopped() or not meter.has_time_for(read, write):
            break
        try:
            note = _note(runtime, number, min(read, size // 2))
        except RuntimeFailure:  # the model was changed, or has ended: what was measured until now stands
            break
        request = Request(f"speed-{number}", note, Sampling(max_tokens=write), number)
        yield from _round(runtime, request, meter, stopped)
    yield meter.speed(done=True)


def _round(runtime: Runtime, request: Request, meter: _Meter, stopped: Callable[[], bool]) -> Iterator[Speed]:
    cancelled = False
    for event in runtime.generate(request):
        if not cancelled and (stopped() or meter.elapsed() > _TIME_S):
            runtime.cancel(request.id)
            cancelled = True
        if isinstance(event, Finished):
            meter.take(event)
        yield meter.speed()


def _note(runtime: Runtime, number: int, length: int) -> tuple[int, ...]:
    """A prompt of `length` tokens that begins like no other, so that nothing of it is known yet. It ends in the middle of the note."""
    words = random.Random(number).choices(_NOTE_WORDS.split(), k=length)
    return tuple(runtime.encode([Turn("user", " ".join(words))])[:length])
