"""Which tokens go into the next decode, and what is said about it. Pure logic: no threads, no pipes, no llama.cpp.

Requests come in by `submit` and `cancel`; `step` decodes once and gives what happened. As many answers as the context has sequences
are made at once, the others wait in the order in which they came. One decode takes the next token of every answer that is being
written; between two of these a piece of a prompt is read, one prompt after the other, so nobody who reads his answer waits longer
than that piece takes. What of a prompt stands in the cache is not read again (`strands`); while it is fetched from a disk, the others go
on. Where an answer seems to copy, guesses at how it
goes on are decoded behind its last token (`drafting`), and kept as far as its sampler chooses the same.

The same request gives the same tokens whether or not its beginning was cached, as long as its answer is written alone. That is not
free: on a CPU llama.cpp's last bits depend on how many tokens are computed together. Prompts are therefore read in pieces of their
own, of which only those parts are kept for reuse that come out alike however the rest was cut (`Context.grain` and `least`), and an
answer, which was written one token at a time, is read once more in pieces while nobody asks for anything. What was written together
with other answers says so (`Finished.together`).
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from med42_chat.errors import RuntimeFailure
from med42_chat.records import FinishReason, Timings, Usage
from med42_chat.runtime.context import Context, Fetch, Keeper, Part
from med42_chat.runtime.drafting import Drafter
from med42_chat.runtime.protocol import Finished, Prefill, Queued, Request, RuntimeEvent, Text
from med42_chat.runtime.strands import Strand, Strands
from med42_chat.runtime.writer import Writer

Events = list[tuple[str, RuntimeEvent]]  # request ids with what happened to them, in order

_LOOK_EVERY_S = 0.01  # whether what is fetched has come, while nothing else is to be done
_SAY_EVERY = 0.1  # of what is fetched
_FETCH_S = 20.0  # for each such part: a disk that takes longer may never answer


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request from its arrival on."""

    request: Request
    arrived: float

    @property
    def id(self) -> str:
        return self.request.id


@dataclass(slots=True, eq=False)
class _Answer(_Waiting):
    """A request whose turn it is, to its end."""

    strand: Strand
    fetch: Fetch | None  # until what is kept of the conversation has come
    fetched: float = 0.0  # how much of that was said to be there
    fetched_at: float = 0.0  # and when
    cached: int = 0
    restored: int = 0
    writer: Writer | None = None  # once the prompt is read
    together: bool = False  # some of it was written in one decode with other answers
    log_probabilities: list[float] = field(default_factory=list)

    def finished(self, reason: FinishReason, detail: str) -> Finished:
        completed = self.writer.completed if self.writer is not None else 0
        guessed = self.writer.guessed if self.writer is not None else 0
        usage = Usage(len(self.request.prompt), self.cached, completed, self.restored, guessed)
        return Finished(reason, usage, self._timings(), detail, self.together, tuple(self.log_probabilities))

    def _timings(self) -> Timings:
        if self.writer is None or not self.writer.completed:
            return Timings()
        return Timings(self.writer.first_at - self.arrived, self.writer.speed())


class Scheduler:
    """Runs requests on a context. For one thread, but for the properties."""

    def __init__(self, context: Context, clock: Callable[[], float] = time.monotonic, keeper: Keeper | None = None) -> None:
        self._context = context
        self._clock = clock
        self._strands = Strands(context, keeper, clock)
        self._running: list[_Answer] = []  # the oldest first
        self._waiting: deque[_Waiting] = deque()
        self._has_read = False  # the last decode was a piece of a prompt, so the next is for the answers

    @property
    def busy(self) -> bool:
        """Whether `step` has anything to do now."""
        if self.idle:
            return self._strands.unread is not None
        return any(answer.fetch is None or answer.fetch.done for answer in self._running) or bool(self._waiting and self._strands.free)

    @property
    def idle(self) -> bool:
        """Whether nobody waits for what `step` does."""
        return not self._running and not self._waiting

    def completed(self, request_id: str) -> int:
        """Tokens of a running answer so far; 0 of any other."""
        writers = (answer.writer for answer in self._running if answer.id == request_id)
        return sum(writer.completed for writer in writers if writer is not None)

    def submit(self, request: Request) -> Events:
        """Takes a request in line."""
        if problem := self._impossible(request):
            return [(request.id, _unstarted(request, "failed", problem))]
        self._waiting.append(_Waiting(request, self._clock()))
        return self._positions()[-1:]

    def cancel(self, request_id: str) -> Events:
        """Ends a request, running or waiting. Unknown ids do nothing."""
        for answer in self._running:
            if answer.id == request_id:
                return self._finish(answer, "cancelled")
        for waiting in self._waiting:
            if waiting.id == request_id:
                self._waiting.remove(waiting)
                return [(request_id, _unstarted(waiting.request, "cancelled")), *self._positions()]
        return []

    def forget(self, conversation: str) -> None:
        """Nothing that was read or written for it is used again, and nothing that those who asked by now read and write is kept."""
        for one in [*self._running, *self._waiting]:
            if one.request.conversation == conversation:
                one.request = replace(one.request, conversation="")
        for answer in self._running:
            if answer.fetch is not None and not answer.request.conversation:
                answer.fetch.cancel()
        self._strands.forget(conversation)

    def pause(self) -> float | None:
        """Seconds after which a `step` has something to do though nobody asked for anything; None for never."""
        return self._strands.pause() if self.idle else _LOOK_EVERY_S

    def keep_next(self) -> bool:
        """Hands over the conversation that was left last of those that are worth keeping. False where there is none."""
        return self._strands.keep_next()

    def end(self) -> Events:
        """Ends all requests."""
        ids = [*(one.id for one in self._waiting), *(one.id for one in self._running)]
        return [event for id in ids for event in self.cancel(id)]

    def step(self) -> Events:
        """Decodes once, for those running or next in line. May do nothing if it was interrupted: call it again."""
        if self.idle:
            self._rest()
            return []
        events = self._fetch() + self._start()
        writing = [(answer, answer.writer) for answer in self._running if answer.writer is not None]
        reading = self._reading
        if reading is not None and not (writing and self._has_read):
            return events + self._read(reading, beside=bool(writing))
        return events + self._write(writing) if writing else events

    def _impossible(self, request: Request) -> str:
        size, length = self._context.size, len(request.prompt)
        if not length:
            return "The prompt is empty."
        if request.sampling.max_tokens < 1:
            return "The request leaves no room for an answer."
        return f"The prompt is {length:,} tokens long, and the model's context holds {size:,}." if length > size else ""

    @property
    def _reading(self) -> _Answer | None:
        """Whose prompt is being read."""
        return next((answer for answer in self._running if answer.fetch is None and answer.writer is None), None)

    def _start(self) -> Events:
        """Gives a free sequence to the next in line, but not before the last prompt is read: theirs may begin in the same way."""
        if not self._waiting or not self._strands.free or self._reading is not None:
            return []
        waiting = self._waiting.popleft()
        answer = _Answer(waiting.request, waiting.arrived, *self._strands.take(waiting.request.prompt, waiting.request.conversation))
        self._running.append(answer)
        answer.fetched_at = self._clock()
        # Said before anything is put into the context: should that end the process, it is known of what.
        begun = self._begin(answer) if answer.fetch is None else [(answer.id, Queued("fetching"))]
        return [*begun, *self._positions()]

    def _fetch(self) -> Events:
        """Begins with those for whom what is kept has come; the others hear how much of it has."""
        return [event for answer in self._running if answer.fetch for event in self._look(answer, answer.fetch)]

    def _look(self, answer: _Answer, fetch: Fetch) -> Events:
        now, progress = self._clock(), fetch.progress
        if not fetch.done and now - answer.fetched_at > _FETCH_S:
            fetch.cancel()
        if fetch.done:
            return self._begin(answer)
        if progress < answer.fetched + _SAY_EVERY:
            return []
        answer.fetched, answer.fetched_at = progress, now
        return [(answer.id, Queued("fetching", progress=progress))]

    def _begin(self, answer: _Answer) -> Events:
        """Begins an answer on top of whatever its prompt shares with the cache."""
        request, fetch = answer.request, answer.fetch
        answer.fetch = None
        answer.cached, answer.restored = self._strands.begin(answer.strand, request.prompt, request.conversation, fetch)
        return [(answer.id, Prefill(answer.cached, len(request.prompt)))]

    def _read(self, answer: _Answer, *, beside: bool) -> Events:
        """One piece of a prompt; after the last one, the first token."""
        prompt, done = answer.request.prompt, len(answer.strand.tokens)
        piece = prompt[done : done + self._piece_length(len(prompt) - done, beside)]
        try:
            if not self._decode([(answer.strand, piece)]):
                return []
            self._has_read = True
            events: Events = [(answer.id, Prefill(done + len(piece), len(prompt)))]
            if done + len(piece) < len(prompt):
                return events
            answer.writer = Writer(self._context.sampler(answer.request), Drafter(prompt, self._context.costs))
        except RuntimeFailure as failure:
            return self._give_up(answer, failure)
        return events + self._choose(answer, answer.writer, 0)

    def _write(self, writing: Sequence[tuple[_Answer, Writer]]) -> Events:
        """Puts the last chosen token of each into its sequence and chooses the next. A failure is that of all."""
        drafts = self._drafts(writing)
        guessed = len(drafts[0])
        try:
            added = [(answer.strand, (writer.token, *draft)) for (answer, writer), draft in zip(writing, drafts, strict=True)]
            if not self._decode(added, guessed):
                return []
        except RuntimeFailure as failure:
            return [event for answer, _ in writing for event in self._give_up(answer, failure)]
        self._has_read = False
        events: Events = []
        for number, (answer, writer) in enumerate(writing):
            answer.together |= len(writing) > 1
            events += self._choose(answer, writer, number * (1 + guessed))
        return events

    def _drafts(self, writing: Sequence[tuple[_Answer, Writer]]) -> list[list[int]]:
        """Guesses at how each goes on, all of one length: llama.cpp would compute what is longer than another's in a go of its own."""
        share = self._context.beside // len(writing)  # for another's guesses nobody waits longer than for a piece of a prompt
        drafts = [writer.drafter.draft(min(share, self._room(answer, writer)) - 1) for answer, writer in writing]
        length = min(map(len, drafts))
        return [draft[:length] for draft in drafts]

    def _room(self, answer: _Answer, writer: Writer) -> int:
        """How many tokens may still be chosen before the answer or its sequence is full."""
        return min(answer.request.sampling.max_tokens - writer.completed, self._context.size - len(answer.strand.tokens))

    def _choose(self, answer: _Answer, writer: Writer, place: int) -> Events:
        """The next token of an answer, and those behind it as long as they are what was guessed."""
        events = self._take(answer, writer, place)
        while answer in self._running and answer.strand.confirm(writer.token):
            place, writer.guessed = place + 1, writer.guessed + 1
            events += self._take(answer, writer, place)
        return events

    def _take(self, answer: _Answer, writer: Writer, place: int) -> Events:
        token = writer.sampler.sample(place)
        if token in self._context.stop_ids:
            return self._finish(answer, "stop")
        if answer.request.log_probabilities:
            answer.log_probabilities.append(self._context.log_probability(place, token))
        text = writer.take(token, self._context.piece(token), self._clock())
        events: Events = [(answer.id, Text(text))] if text else []
        full = writer.completed >= answer.request.sampling.max_tokens or len(answer.strand.tokens) >= self._context.size
        return events + self._finish(answer, "length") if full else events

    def _decode(self, additions: Sequence[tuple[Strand, Sequence[int]]], guessed: int = 0) -> bool:
        """Whether all are in the context now. If not, the decode was interrupted and the context is as it was before.

        The last `guessed` tokens of each are guesses.
        """
        parts: list[Part] = [strand.part(tokens, guessed) for strand, tokens in additions]
        if not self._context.decode(parts):
            return False
        for strand, tokens in additions:
            strand.add(tokens, guessed)
        return True

    def _piece_length(self, remaining: int, beside: bool) -> int:
        """How much to read at once, so that the last piece is not shorter than `least`."""
        batch, least = self._context.batch, self._context.least
        most = self._context.beside if beside else batch
        if remaining <= most or remaining >= most + least:
            return min(remaining, most)
        return remaining if remaining <= batch else (remaining - least) // self._context.grain * self._context.grain

    def _rest(self) -> None:
        """What there is to do while nobody waits for anything."""
        if (strand := self._strands.unread) is not None:
            self._read_again(strand)
        else:
            self._strands.keep_due()

    def _read_again(self, strand: Strand) -> None:
        """A piece of an answer that has ended, small enough that whoever asks now hardly waits for it."""
        piece = strand.again[: max(self._context.least, self._context.beside)]
        try:
            strand.shorten(strand.alike)
            if len(piece) < self._context.least:
                strand.again.clear()
            elif self._decode([(strand, piece)]):
                del strand.again[: len(piece)]
        except RuntimeFailure:
            strand.clear()

    def _give_up(self, answer: _Answer, failure: RuntimeFailure) -> Events:
        """Ends it, and what its sequence holds is not known any more, so nothing of it is used again."""
        answer.strand.clear()
        return self._finish(answer, "failed", f"{failure.message} {failure.hint}".strip())

    def _finish(self, answer: _Answer, reason: FinishReason, detail: str = "") -> Events:
        events: Events = []
        if answer.writer is not None:
            if text := answer.writer.rest():
                events.append((answer.id, Text(text)))
            answer.writer.sampler.close()
        if answer.fetch is not None:
            answer.fetch.cancel()
        self._running.remove(answer)
        self._strands.leave(answer.strand)
        return [*events, (answer.id, answer.finished(reason, detail))]

    def _positions(self) -> Events:
        """Where each stands that has to wait: how many must end or begin before it can."""
        free = len(self._strands.free)
        return [(one.id, Queued("queue", place)) for place, one in enumerate(self._waiting, 1 - free) if place > 0]


def _unstarted(request: Request, reason: FinishReason, detail: str = "") -> Finished:
    return Finished(reason, Usage(len(request.prompt), 0, 0), Timings(), detail)
