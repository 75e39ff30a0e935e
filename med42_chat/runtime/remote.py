"""The model on a server: a `Runtime` for those whose model does not fit on their own computer.

A thread of its own looks for the server, again and again with growing pauses while it is not there, so that it may be started late and may
come back. Each answer is a task on the line's thread; to stop it is to close its connection, which every such server takes for a stop.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from med42_chat.errors import RuntimeFailure, places
from med42_chat.records import FinishReason, ModelInfo, Timings, Turn, Usage
from med42_chat.runtime.protocol import Finished, Prefill, Queued, Request, RuntimeEvent, RuntimeStatus, Text
from med42_chat.runtime.remote_address import Address
from med42_chat.runtime.remote_http import Absent, Garbled, Line, NotLetIn, Unreachable
from med42_chat.runtime.remote_meeting import Meeting
from med42_chat.runtime.remote_server import Said, Server, said

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0  # before the server is looked for again
_LONGEST_TOKEN = 256  # characters; a line of spaces or dashes is the longest in any vocabulary
_CLOSE_S = 5.0


@dataclass(slots=True)
class _Job:
    """A request between `generate` and its last event."""

    request: Request
    events: "queue.SimpleQueue[RuntimeEvent]" = field(default_factory=queue.SimpleQueue)
    arrived: float = field(default_factory=time.monotonic)
    started: bool = False
    ended: bool = False
    pieces: int = 0
    characters: int = 0
    first_text: float = 0.0
    last_text: float = 0.0
    reason: str = ""
    usage: Usage | None = None
    speed: float = 0.0

    def take(self, event: Said) -> None:
        """Passes on what is to be passed on, and remembers the rest for the end."""
        if event.read:
            self.events.put(Prefill(*event.read))
        if event.text:
            self.pieces, self.characters, self.last_text = self.pieces + 1, self.characters + len(event.text), time.monotonic()
            self.first_text = self.first_text or self.last_text
            self.events.put(Text(event.text))
        self.reason, self.usage, self.speed = event.reason or self.reason, event.usage or self.usage, event.speed or self.speed

    def is_too_long(self) -> bool:
        """Whether the server does not keep to the number of tokens that was asked for."""
        most = self.request.sampling.max_tokens
        return self.pieces > most or self.characters > most * _LONGEST_TOKEN

    def end(self, reason: FinishReason, detail: str = "", hint: str = "") -> None:
        """Says the last word, once. What the server did not count was counted here: a piece of text is a token, or more."""
        if self.ended:
            return
        self.ended = True
        usage = self.usage or Usage(len(self.request.prompt), 0, self.pieces)
        elapsed = self.last_text - self.first_text
        measured = (max(usage.completion_tokens, self.pieces) - 1) / elapsed if elapsed > 0 else 0.0
        timings = Timings(self.first_text - self.arrived, self.speed or measured) if self.pieces else Timings()
        self.events.put(Finished(reason, usage, timings, detail, hint=hint))


class RemoteRuntime:
    """A `Runtime` whose model runs on the server at `address`, which should have a context of `context` tokens or more.

    `model` is the name of the one to use, where the server has several. `silence_s` is how long it may say nothing at all in an answer.
    """

    def __init__(self, address: Address, context: int, model: str = "", silence_s: float = 600.0) -> None:
        self._line = Line(address, silence_s)
        self._meeting = Meeting(self._line, context, model, busy=lambda: bool(self._jobs))
        self._changed = threading.Condition()  # guards everything below
        self._state: Literal["loading", "ready", "restarting", "failed", "closed"] = "loading"
        self._server: Server | None = None
        self._error = _looking()
        self._jobs: dict[str, tuple[_Job, Future[None]]] = {}
        self._one = asyncio.Lock()  # for a server that does one thing at a time
        self._keeper = threading.Thread(target=self._keep, name="server", daemon=True)
        self._keeper.start()

    def status(self) -> RuntimeStatus:
        """The state now; never blocks."""
        with self._changed:
            started = sum(job.started for job, _ in self._jobs.values())
            state = "busy" if self._state == "ready" and started else self._state
            error = self._error if self._state in ("failed", "closed") else RuntimeFailure("")
            model = self._server.model if self._server else None
            return RuntimeStatus(state, 0.0, len(self._jobs) - started, model, error.message, error.hint)

    def wait_until_loaded(self, timeout_s: float | None = None) -> ModelInfo:
        """Blocks until the server is there. Raises RuntimeFailure's kinds when it is not, or when time is up."""
        return self._met(timeout_s).model

    def count(self, turns: Sequence[Turn]) -> list[int]:
        """Tokens that each turn takes inside a prompt, never too few. Waits for the server like the above."""
        return self._met().form.template.count(turns)

    def encode(self, turns: Sequence[Turn]) -> tuple[int, ...]:
        """The exact prompt, or for a server that takes no token ids what stands for it and is at least as long."""
        return self._met().form.template.encode(turns)

    def generate(self, request: Request) -> Iterator[RuntimeEvent]:
        """Events as they happen, ending with exactly one Finished; raises nothing. Closing the iterator cancels the request."""
        job = _Job(request)
        self._enlist(job)
        try:
            while True:
                event = job.events.get()
                yield event
                if isinstance(event, Finished):
                    return
        finally:
            self.cancel(request.id)

    def cancel(self, request_id: str) -> None:
        """Closes the request's connection; its iterator ends with Finished("cancelled"). Unknown ids do nothing."""
        with self._changed:
            job, future = self._jobs.get(request_id, (None, None))
        if job is not None and future is not None:
            job.end("cancelled")
            future.cancel()

    def forget(self, conversation: str) -> None:
        """Nothing of any conversation is kept on this side, and what a server keeps is the server's business."""

    def close(self) -> None:
        """Ends the runtime, and every connection with it."""
        with self._changed:
            self._state, self._error = (
                "closed",
                RuntimeFailure("This model is no longer in use.", "Ask again in a moment, or start the program again if it is closing."),
            )
            self._changed.notify_all()
        self._line.close()
        self._keeper.join(_CLOSE_S)

    def _met(self, timeout_s: float | None = None) -> Server:
        with self._changed:
            self._changed.wait_for(lambda: self._state not in ("loading", "restarting"), timeout_s)
            if self._state == "ready" and self._server is not None:
                return self._server
            # A new one for each thread that raises it: they would write their tracebacks into a shared one.
            raise type(self._error)(self._error.message, self._error.hint)

    # Looking for the server

    def _keep(self) -> None:
        """Meets the server, and again whenever `_state` says that it was lost, until the runtime is closed."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                server = self._meet()
            except RuntimeFailure as error:
                if not self._rest("failed", error, None if isinstance(error, NotLetIn) else pause):
                    return
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                self._server, pause = server, _FIRST_PAUSE_S
                if not self._rest("ready", _looking(), None):
                    return

    def _meet(self) -> Server:
        try:
            return self._meeting.meet()
        except RuntimeFailure:
            raise
        except Exception as error:
            # The edge: without an end of this kind, everybody would wait for ever for a server that nobody looks for any more.
            _log.error("the server was not met for a fault of the program: %s", places(error))
            raise RuntimeFailure("The program made a mistake while it met the server.", "The log says where.") from error

    def _rest(self, state: Literal["ready", "failed"], error: RuntimeFailure, pause_s: float | None) -> bool:
        """Takes a state, and waits until the server is to be looked for again; False when the runtime is closed."""
        with self._changed:
            if self._state != "closed":
                self._state, self._error = state, error
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._state != state, pause_s)
            return self._state != "closed"

    def _lose(self) -> None:
        """Something was wrong with the server: it is looked for again before anything else is asked of it."""
        with self._changed:
            if self._state == "ready":
                self._state = "restarting"
                self._changed.notify_all()

    # Answers

    def _enlist(self, job: _Job) -> None:
        try:
            with self._changed:
                future = self._line.begin(self._answer(job, self._met(timeout_s=0)))
                self._jobs[job.request.id] = job, future
        except RuntimeFailure as error:
            job.end("failed", error.message, error.hint)
            return
        future.add_done_callback(lambda ended: self._retire(job, ended))

    def _retire(self, job: _Job, ended: "Future[None]") -> None:
        with self._changed:
            self._jobs.pop(job.request.id, None)
        if not ended.cancelled() and (error := ended.exception()) is not None:
            _log.error("an answer of the server was lost by a fault of the program: %s", places(error))
            job.end("failed", "The program made a mistake while it heard the server.")  # nobody may wait for ever for an answer
        job.end("cancelled")  # where the last word was not said yet, the task was cut off

    async def _answer(self, job: _Job, server: Server) -> None:
        """One answer, from the check that it is still the same model to the last word."""
        try:
            if server.kind.alone:
                job.events.put(Queued("queue", self._before(job)))
                async with self._one:
                    await self._stream(job, server)
            else:
                await self._stream(job, server)
        except RuntimeFailure as error:
            if isinstance(error, Unreachable | Garbled | NotLetIn | Absent):
                self._lose()
            job.end("died" if job.pieces else "failed", error.message, error.hint)

    def _before(self, job: _Job) -> int:
        with self._changed:
            return sum(other is not job for other, _ in self._jobs.values())

    async def _stream(self, job: _Job, server: Server) -> None:
        if not server.is_still(await self._line.get("/v1/models")):
            self._lose()
            raise RuntimeFailure(f"{server.model.server} has another model now.", "Ask again: the question then goes to that one.")
        job.started = True
        job.events.put(Prefill(0, len(job.request.prompt)))
        async with aclosing(self._line.events(server.form.path, server.body(job.request))) as events:
            async for event in events:
                job.take(_understood(event, server))
                if job.is_too_long():
                    job.end("length")
                    return
        self._end(job, server)

    def _end(self, job: _Job, server: Server) -> None:
        """The last word of an answer that the server has ended."""
        if job.reason in ("stop", "length"):
            job.end("stop" if job.reason == "stop" else "length")
            return
        why = f" ({job.reason})" if job.reason else ""
        raise RuntimeFailure(f"{server.model.server} ended the answer before its end{why}.", "Ask again.")


def _looking() -> RuntimeFailure:
    return RuntimeFailure("The server is being looked for.", "Try again in a moment.")


def _understood(event: dict[str, object], server: Server) -> Said:
    try:
        return said(event)
    except ValueError as error:
        raise Garbled(f"{server.model.server} answers with what no such server says.", "Ask who runs the server.") from error
