"""Which tokens go into the next batch, and what is said about it. Pure logic: no threads, no pipes, no llama.cpp.

Requests come in by `submit` and `cancel`; `step` decodes once and gives what happened. One answer at a time, the others wait
in the order in which they came. The KV cache keeps the last sequence, so that a prompt that begins like it is not read again.

The same request gives the same tokens whether or not its beginning was cached. That is not free: on a CPU llama.cpp's last
bits depend on how many tokens are computed together. Prompts are therefore read in pieces of which only those parts are kept
for reuse that come out alike however the rest was cut (`Context.grain` and `least`), and an answer, which was written one
token at a time, is read once more in pieces while nobody asks for anything.
"""

import codecs
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from med42_chat.errors import RuntimeFailure
from med42_chat.records import FinishReason, Timings, Usage
from med42_chat.runtime.protocol import Finished, Prefill, Queued, Request, RuntimeEvent, Text

Events = list[tuple[str, RuntimeEvent]]  # request ids with what happened to them, in order

_TEXT_PAUSE_S = 0.025  # text is gathered this long: an event per token would cost the decoding more than it shows anyone


class Sampler(Protocol):
    """Chooses tokens for one answer."""

    def sample(self) -> int:
        """The next token, from the last decode's logits."""
        ...

    def close(self) -> None:
        """Gives its memory back."""
        ...


class Context(Protocol):
    """One sequence of tokens with a model behind it."""

    size: int  # tokens it can hold
    batch: int  # tokens that one decode takes
    stop_ids: frozenset[int]
    # Tokens come out alike in all pieces of at least `least` tokens, but for the last `len(piece) % grain`. Both are 1 where
    # that is so, or not to be had, for pieces of any length.
    grain: int
    least: int

    def decode(self, tokens: Sequence[int], position: int) -> bool:
        """Adds `tokens` at `position`. False when it was interrupted and nothing of them was kept. Raises RuntimeFailure."""
        ...

    def forget(self, position: int) -> None:
        """Removes everything from `position` on."""
        ...

    def sampler(self, request: Request) -> Sampler:
        """A sampler for one answer. Raises RuntimeFailure where the request's grammar cannot be read."""
        ...

    def piece(self, token: int) -> bytes:
        """The bytes that a token writes, perhaps half a character."""
        ...


@dataclass(slots=True)
class _Answer:
    """A request from its arrival to its end."""

    request: Request
    arrived: float
    cached: int = 0
    writer: "_Writer | None" = None  # once the prompt is read

    @property
    def id(self) -> str:
        return self.request.id

    def usage(self) -> Usage:
        return Usage(len(self.request.prompt), self.cached, self.writer.completed if self.writer else 0)

    def timings(self) -> Timings:
        if self.writer is None or not self.writer.completed:
            return Timings()
        return Timings(self.writer.first_at - self.arrived, self.writer.speed())


@dataclass(slots=True)
class _Writer:
    """The tokens of an answer as they come, and the text that they make."""

    sampler: Sampler
    token: int = -1  # chosen, and not yet in the context
    completed: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    _said_at: float = -math.inf
    _held: str = ""
    # Holds back the bytes of a character whose rest has not come; what never comes whole is shown as U+FFFD.
    _characters: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))

    def take(self, token: int, piece: bytes, now: float) -> str:
        """Adds a token; gives the text that is due now, which may be none."""
        self.token = token
        self.completed += 1
        self.first_at = self.first_at if self.completed > 1 else now
        self.last_at = now
        self._held += self._characters.decode(piece)
        return self._say(now) if now - self._said_at >= _TEXT_PAUSE_S else ""

    def rest(self) -> str:
        """What has not been said, for good."""
        self._held += self._characters.decode(b"", final=True)
        return self._say(self.last_at)

    def speed(self) -> float:
        """Tokens per second after the first."""
        elapsed = self.last_at - self.first_at
        return (self.completed - 1) / elapsed if elapsed > 0 else 0.0

    def _say(self, now: float) -> str:
        text, self._held = self._held, ""
        self._said_at = now if text else self._said_at
        return text


class Scheduler:
    """Runs requests on a context. For one thread, but for the properties."""

    def __init__(self, context: Context, clock: Callable[[], float] = time.monotonic) -> None:
        self._context = context
        self._clock = clock
        self._cache: list[int] = []  # the tokens whose keys and values are in the context
        self._alike = 0  # how many of them, from the start, any other way of reading would give too
        self._again: list[int] = []  # the end of the last answer, to be read again when there is time
        self._running: _Answer | None = None
        self._waiting: deque[_Answer] = deque()

    @property
    def busy(self) -> bool:
        """Whether `step` has anything to do."""
        return not self.idle or bool(self._again)

    @property
    def idle(self) -> bool:
        """Whether nobody waits for what `step` does."""
        return self._running is None and not self._waiting

    @property
    def completed(self) -> int:
        """Tokens of the running answer so far."""
        return self._running.usage().completion_tokens if self._running is not None else 0

    def submit(self, request: Request) -> Events:
        """Takes a request in line."""
        answer = _Answer(request, self._clock())
        if problem := self._impossible(request):
            return [(request.id, Finished("failed", answer.usage(), Timings(), problem))]
        self._waiting.append(answer)
        ahead = len(self._waiting) - 1 + (self._running is not None)
        return [(request.id, Queued("queue", ahead))] if ahead else []

    def cancel(self, request_id: str) -> Events:
        """Ends a request, running or waiting. Unknown ids do nothing."""
        if self._running is not None and self._running.request.id == request_id:
            return self._finish(self._running, "cancelled")
        for answer in self._waiting:
            if answer.id == request_id:
                self._waiting.remove(answer)
                return [(request_id, Finished("cancelled", answer.usage(), Timings())), *self._positions()]
        return []

    def step(self) -> Events:
        """Decodes once, for the running answer or the next in line. May do nothing if it was interrupted: call it again."""
        if self.idle:
            self._read_again()
            return []
        events = self._start(self._waiting.popleft()) if self._running is None else []
        answer = self._running
        if answer is None:
            return events
        try:
            return events + (self._read(answer) if answer.writer is None else self._write(answer, answer.writer))
        except RuntimeFailure as failure:
            return events + self._give_up(answer, failure)

    def _impossible(self, request: Request) -> str:
        size, length = self._context.size, len(request.prompt)
        if not length:
            return "The prompt is empty."
        if request.sampling.max_tokens < 1:
            return "The request leaves no room for an answer."
        return f"The prompt is {length:,} tokens long, and the model's context holds {size:,}." if length > size else ""

    def _start(self, answer: _Answer) -> Events:
        """Makes `answer` the running one, on top of whatever its prompt shares with the cache."""
        self._running = answer
        self._again.clear()
        prompt = answer.request.prompt
        # The last `least` tokens are read again even when all are known: sampling needs logits, and alike ones.
        reusable = min(_common_prefix(self._cache, prompt), self._alike, len(prompt) - self._context.least)
        answer.cached = max(self._whole(reusable), 0)
        try:
            self._shorten(answer.cached)
        except RuntimeFailure as failure:
            return self._give_up(answer, failure)
        return [(answer.id, Prefill(answer.cached, len(prompt))), *self._positions()]

    def _read(self, answer: _Answer) -> Events:
        """One piece of the prompt; after the last one, the first token."""
        prompt, done = answer.request.prompt, len(self._cache)
        piece = prompt[done : done + self._piece_length(len(prompt) - done)]
        if not self._decode(piece):
            return []
        events: Events = [(answer.id, Prefill(len(self._cache), len(prompt)))]
        if len(self._cache) < len(prompt):
            return events
        answer.writer = _Writer(self._context.sampler(answer.request))
        return events + self._choose(answer, answer.writer)

    def _write(self, answer: _Answer, writer: _Writer) -> Events:
        """Puts the last chosen token into the context and chooses the next."""
        return self._choose(answer, writer) if self._decode((writer.token,)) else []

    def _choose(self, answer: _Answer, writer: _Writer) -> Events:
        token = writer.sampler.sample()
        if token in self._context.stop_ids:
            return self._finish(answer, "stop")
        text = writer.take(token, self._context.piece(token), self._clock())
        events: Events = [(answer.id, Text(text))] if text else []
        full = writer.completed >= answer.request.sampling.max_tokens or len(self._cache) >= self._context.size
        return events + self._finish(answer, "length") if full else events

    def _decode(self, tokens: Sequence[int]) -> bool:
        """Whether `tokens` are in the context now. If not, the decode was interrupted and the context is as it was before."""
        position = len(self._cache)
        if not self._context.decode(tokens, position):
            return False
        self._cache += tokens
        if position == self._alike and len(tokens) >= self._context.least:
            self._alike += self._whole(len(tokens))
        return True

    def _piece_length(self, remaining: int) -> int:
        """How much to read at once, so that the last piece is not shorter than `least`."""
        batch, least = self._context.batch, self._context.least
        return self._whole(remaining - least) if batch < remaining < batch + least else min(remaining, batch)

    def _whole(self, count: int) -> int:
        return count // self._context.grain * self._context.grain

    def _read_again(self) -> None:
        """A piece of the last answer, small enough that whoever asks now hardly waits for it."""
        piece = self._again[: self._context.least]
        try:
            self._shorten(self._alike)
            if len(piece) < self._context.least:
                self._again.clear()
            elif self._decode(piece):
                del self._again[: len(piece)]
        except RuntimeFailure:
            self._start_afresh()

    def _shorten(self, length: int) -> None:
        if length < len(self._cache):
            self._context.forget(length)
            del self._cache[length:]
            self._alike = min(self._alike, length)

    def _give_up(self, answer: _Answer, failure: RuntimeFailure) -> Events:
        self._start_afresh()
        return self._finish(answer, "failed", f"{failure.message} {failure.hint}".strip())

    def _start_afresh(self) -> None:
        """What the context holds after a failed decode is not known, so nothing of it is used again."""
        self._context.forget(0)
        self._cache.clear()
        self._again.clear()
        self._alike = 0

    def _finish(self, answer: _Answer, reason: FinishReason, detail: str = "") -> Events:
        events: Events = []
        if answer.writer is not None:
            if text := answer.writer.rest():
                events.append((answer.id, Text(text)))
            answer.writer.sampler.close()
        self._running = None
        self._again = self._cache[self._alike :]
        return [*events, (answer.id, Finished(reason, answer.usage(), answer.timings(), detail))]

    def _positions(self) -> Events:
        """Where each waiting request stands now."""
        ahead = int(self._running is not None)
        return [(answer.id, Queued("queue", ahead + index)) for index, answer in enumerate(self._waiting)]


def _common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """How many items `left` and `right` begin with in common."""
    length = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        length += 1
    return length
