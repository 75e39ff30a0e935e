"""The model in a process of its own: starts it, speaks with it, starts it again when it dies.

Knows `wire`'s lines and processes, nothing of llama.cpp. A supervisor thread reads what the process reports and hands it to
whoever waits for it; nobody's slowness reaches the process, because every request has an unbounded queue.
"""

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from med42_chat.errors import Med42Error, ModelTooLarge, RuntimeFailure, WorkerDied, places
from med42_chat.records import Health, ModelInfo, Timings, Turn, Usage
from med42_chat.runtime.process import Process
from med42_chat.runtime.protocol import Finished, Found, Load, Prefill, Queued, Request, RuntimeEvent, RuntimeStatus, Text
from med42_chat.runtime.wire import Begin, Cancel, Examined, Failure, Happened, Loading, Ready, Report, Submit, Tokenise, Tokens

_log = logging.getLogger(__name__)

_DEATHS_ALLOWED = 5  # in a row, with no answer finished between them
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 30.0  # before a new process is started
_CLOSE_S = 5.0  # how long the supervisor may take to bury an ended process


@dataclass(slots=True)
class _Job:
    """A request between `generate` and its last event."""

    request: Request
    events: "queue.SimpleQueue[RuntimeEvent]" = field(default_factory=queue.SimpleQueue)
    arrived: float = field(default_factory=time.monotonic)
    process: Process | None = None  # where it was sent
    started: bool = False  # the model has begun with it
    cancelled: bool = False
    cached: int = 0
    completed: int = 0
    first_text: float = 0.0
    last_text: float = 0.0

    def take(self, happened: Happened) -> None:
        """Passes an event on, and remembers what would be lost with the process."""
        event, now = happened.event, time.monotonic()
        if isinstance(event, Prefill) and not self.started:
            self.started, self.cached = True, event.done
        if isinstance(event, Text):
            self.completed, self.last_text = happened.completed, now
            self.first_text = self.first_text or now
        self.events.put(event)

    def end(self, reason: Literal["cancelled", "died", "failed"], detail: str = "") -> None:
        """Ends it from this side, with what is known of it."""
        usage = Usage(len(self.request.prompt), self.cached, self.completed)
        elapsed = self.last_text - self.first_text
        speed = (self.completed - 1) / elapsed if elapsed > 0 else 0.0
        timings = Timings(self.first_text - self.arrived, speed) if self.completed else Timings()
        self.events.put(Finished(reason, usage, timings, detail))


class LocalRuntime:
    """A `Runtime` whose model runs in a child process on this computer.

    `plan` is asked once, when it is known what devices there are, and gives the ways to load the model: the next one is tried where
    memory was short, or where the process died while loading or at its first work. It may raise RuntimeFailure's kinds. `cache` is a
    folder for what may be lost: the files' hashes and the worker's log, neither of which holds a word of any conversation.
    """

    def __init__(self, plan: Callable[[Found], Sequence[Load]], cache: Path) -> None:
        self._plan = plan
        self._hashes, self._log = cache / "model-hashes.json", cache / "worker.log"
        self._changed = threading.Condition()  # guards everything below
        self._state: Literal["loading", "ready", "restarting", "failed", "closed"] = "loading"
        self._progress = 0.0
        self._model: ModelInfo | None = None
        self._error: RuntimeFailure | None = None
        self._process: Process | None = None
        self._deaths = 0
        self._ways: tuple[Load, ...] = ()  # to load the model, the present one first
        self._backed_off: tuple[str, ...] = ()
        # Of the process: 'fresh' when it has the model and has done nothing with it, 'over' when another way is to be tried.
        self._phase: Literal["loading", "fresh", "proven", "over"] = "loading"
        self._jobs: dict[str, _Job] = {}
        self._calls: dict[int, queue.SimpleQueue[Tokens | Failure | WorkerDied]] = {}
        self._call_numbers = itertools.count()
        self._supervisor = threading.Thread(target=self._supervise, name="model", daemon=True)
        self._supervisor.start()

    @property
    def worker_pid(self) -> int | None:
        """The process that holds the model, for diagnosis."""
        process = self._process
        return process.pid if process is not None else None

    def status(self) -> RuntimeStatus:
        """The state now; never blocks."""
        with self._changed:
            started = sum(job.started for job in self._jobs.values())
            state = "busy" if self._state == "ready" and started else self._state
            error = self._error or RuntimeFailure("")
            return RuntimeStatus(state, self._progress, len(self._jobs) - started, self._model, error.message, error.hint)

    def wait_until_loaded(self, timeout_s: float | None = None) -> ModelInfo:
        """Blocks until a model is there. Raises RuntimeFailure's kinds when it cannot be loaded, or when time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self._state not in ("loading", "restarting"), timeout_s)
            if self._state == "ready" and self._model is not None:
                return self._model
            error = self._error or RuntimeFailure("The model is still loading.", "Try again in a moment.")
        # A new one for each thread that raises it: they would write their tracebacks into a shared one.
        raise type(error)(error.message, error.hint)

    def count(self, turns: Sequence[Turn]) -> list[int]:
        """Tokens that each turn takes inside a prompt, its header and end included. Waits for the model like the above."""
        return list(self._tokenise(turns, count=True))

    def encode(self, turns: Sequence[Turn]) -> tuple[int, ...]:
        """The exact prompt: BOS, every turn, the header of the assistant's answer, and what there is of it already."""
        return self._tokenise(turns, count=False)

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
            self._retire(job)

    def cancel(self, request_id: str) -> None:
        """Stops a request within a second, prefill included; its iterator ends with Finished("cancelled"). Unknown ids do nothing."""
        with self._changed:
            job = self._jobs.get(request_id)
            if job is None or job.cancelled:
                return
            job.cancelled = True
            process = job.process
            if process is None:
                del self._jobs[request_id]
                job.end("cancelled")
                self._announce_positions()
        if process is not None:
            process.send(Cancel(request_id))

    def close(self) -> None:
        """Ends the runtime and leaves no process behind."""
        with self._changed:
            if self._error is None:
                self._error = RuntimeFailure("The program is closing.", "Start it again.")
            self._state = "closed"
            process = self._process
            self._changed.notify_all()
        if process is not None:
            process.end()
        self._supervisor.join(_CLOSE_S)

    # Requests

    def _enlist(self, job: _Job) -> None:
        with self._changed:
            if self._state in ("failed", "closed"):
                job.end("failed", _detail(self._error))
                return
            self._jobs[job.request.id] = job
            process = job.process = self._process if self._state == "ready" else None
            if process is None:
                self._announce_positions()
        if process is not None:
            self._submit(job, process)

    def _submit(self, job: _Job, process: Process) -> None:
        process.send(Submit(job.request))
        if job.cancelled:  # asked for before the process knew the request, which it would then not have heard
            process.send(Cancel(job.request.id))

    def _retire(self, job: _Job) -> None:
        if self._jobs.get(job.request.id) is job:
            self.cancel(job.request.id)
            with self._changed:
                self._jobs.pop(job.request.id, None)

    def _announce_positions(self) -> None:
        """Tells those who wait for the model itself. Those who wait for other answers hear it from the process."""
        reason: Literal["loading", "restarting"] = "restarting" if self._state == "restarting" else "loading"
        for position, job in enumerate(self._jobs.values()):
            if job.process is None:
                job.events.put(Queued(reason, position, self._progress))

    # Tokenising

    def _tokenise(self, turns: Sequence[Turn], *, count: bool) -> tuple[int, ...]:
        try:
            return self._ask(turns, count)
        except WorkerDied:
            return self._ask(turns, count)  # the model is loaded again by now

    def _ask(self, turns: Sequence[Turn], count: bool) -> tuple[int, ...]:
        self.wait_until_loaded()
        answer: queue.SimpleQueue[Tokens | Failure | WorkerDied] = queue.SimpleQueue()
        with self._changed:
            if self._state != "ready" or self._process is None:
                raise WorkerDied("The model's process ended.", "Try again in a moment.")
            number, process = next(self._call_numbers), self._process
            self._calls[number] = answer
        process.send(Tokenise(number, tuple(turns), count))
        reply = answer.get()
        if isinstance(reply, Tokens):
            return reply.numbers
        raise reply.error() if isinstance(reply, Failure) else reply

    # The supervisor's thread

    def _supervise(self) -> None:
        while (process := self._start()) is not None:
            for report in process.reports():
                self._take(report, process)
            self._bury(process.end())
        with self._changed:
            self._end_jobs("died", "The program was closed.")

    def _start(self) -> Process | None:
        """The next process, after a pause if others died; None when there is to be no other."""
        pause = min(_FIRST_PAUSE_S * 2 ** (self._deaths - 1), _LONGEST_PAUSE_S) if self._deaths else 0
        with self._changed:
            if self._changed.wait_for(lambda: self._state in ("failed", "closed"), pause):
                return None
            try:
                self._process, self._phase = Process(self._log), "loading"
            except OSError as error:
                self._fail(
                    RuntimeFailure(f"The model's process cannot be started: {error.strerror}.", "Check the data folder and free space.")
                )
                return None
            return self._process

    def _take(self, report: Report, process: Process) -> None:
        match report:
            case Happened():
                self._pass_on(report)
            case Found():
                self._begin(report, process)
            case Ready(model):
                self._welcome(model, process)
            case Examined(finding, tried):
                self._add(finding, tried)
            case Loading(progress):
                self._note_progress(progress)
            case Failure(call=None):
                self._not_loaded(report.error())
            case Tokens(call=int(call)) | Failure(call=int(call)):
                with self._changed:
                    answer = self._calls.pop(call, None)
                if answer is not None:
                    answer.put(report)

    def _begin(self, found: Found, process: Process) -> None:
        """Tells a new process what to load."""
        try:
            self._ways = self._ways or tuple(self._plan(found))
        except Exception as error:  # noqa: BLE001
            # The edge: without an end of this kind, everybody would wait for ever for a model that nobody loads.
            with self._changed:
                self._fail(_unplanned(error))
            process.end()
            return
        process.send(Begin(self._ways[0], str(self._hashes)))

    def _not_loaded(self, error: RuntimeFailure) -> None:
        with self._changed:
            if isinstance(error, ModelTooLarge) and self._back_off(error.message):
                return
            tried = len(self._backed_off) + 1
            more = f" It was tried in {tried} ways, each more modest than the one before." if tried > 1 else ""
            self._fail(type(error)(error.message, error.hint + more))

    def _back_off(self, reason: str) -> bool:
        """Takes the next way to load the model; False where there is none."""
        if len(self._ways) < 2:
            return False
        self._ways = self._ways[1:]
        self._backed_off = (*self._backed_off, f"{reason} {self._ways[0].note}".strip())
        self._phase, self._progress = "over", 0.0
        return True

    def _pass_on(self, happened: Happened) -> None:
        with self._changed:
            job = self._jobs.get(happened.id)
            if job is None:
                return
            job.take(happened)
            self._phase = "proven" if isinstance(happened.event, Text) else self._phase
            if isinstance(happened.event, Finished):
                del self._jobs[happened.id]
                self._deaths = self._deaths if happened.event.reason == "failed" else 0

    def _note_progress(self, progress: float) -> None:
        with self._changed:
            self._progress = progress
            self._announce_positions()

    def _welcome(self, model: ModelInfo, process: Process) -> None:
        """A process has loaded: gives it everything that waited."""
        with self._changed:
            if self._state == "closed":
                return
            self._state, self._progress, self._phase = "ready", 1.0, "fresh"
            self._model = replace(model, backed_off=self._backed_off)
            jobs = list(self._jobs.values())
            for job in jobs:
                job.process = process
            self._changed.notify_all()
        for job in jobs:
            self._submit(job, process)

    def _add(self, finding: Health, tried: bool) -> None:
        with self._changed:
            self._phase = "proven" if tried else self._phase
            if self._model is not None:
                others = (one for one in self._model.findings if one.name != finding.name)
                self._model = replace(self._model, findings=(*others, finding), examined=True)

    def _bury(self, status: int) -> None:
        """A process has ended: its running answer ends with it, the others wait for the next one."""
        with self._changed:
            self._process = None
            for answer in self._calls.values():
                answer.put(WorkerDied("The model's process ended.", "Try again in a moment."))
            self._calls.clear()
            if self._state in ("failed", "closed") or self._phase == "over":
                return
            if self._phase == "loading" and self._back_off(f"The model's process ended while it was loading ({_cause(status)})."):
                return
            # Memory that was promised is only taken at the first work; a system without enough of it kills the process then.
            backs_off = self._phase == "fresh" and self._back_off(f"The model's process ended at its first work ({_cause(status)}).")
            self._deaths += not backs_off
            self._state, self._progress = "restarting", 0.0
            self._end_jobs(
                "died", f"The model's process ended unexpectedly ({_cause(status)}). It is being started again.", started_only=True
            )
            if self._deaths >= _DEATHS_ALLOWED:
                self._fail(_hopeless(status))
            self._announce_positions()

    def _end_jobs(self, reason: Literal["died", "failed"], detail: str, *, started_only: bool = False) -> None:
        for name, job in list(self._jobs.items()):
            job.process = None
            if job.started or job.cancelled or not started_only:
                job.end("cancelled" if job.cancelled else reason, detail)
                del self._jobs[name]

    def _fail(self, error: RuntimeFailure) -> None:
        """Nothing will load without the person."""
        self._state, self._error = "failed", error
        self._end_jobs("failed", _detail(error))
        self._changed.notify_all()


def _detail(error: RuntimeFailure | None) -> str:
    return f"{error.message} {error.hint}".strip() if error is not None else ""


def _unplanned(error: Exception) -> RuntimeFailure:
    """What a person is told of an error that kept the ways to load from being found."""
    if isinstance(error, RuntimeFailure):
        return error
    if isinstance(error, Med42Error):
        return RuntimeFailure(error.message, error.hint)
    if isinstance(error, OSError):
        return RuntimeFailure(f"The model's file or folder cannot be read: {error}.", "Check that it is there, and its permissions.")
    _log.error("no way to load the model was found for a fault of the program: %s", places(error))
    return RuntimeFailure("The program made a mistake while it looked at the model.", "Choose another model; the log says where.")


def _cause(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _hopeless(status: int) -> RuntimeFailure:
    return WorkerDied(
        f"The model's process ended {_DEATHS_ALLOWED} times in a row ({_cause(status)}).",
        "Close other programs if memory is short, choose a smaller model or context, then start the program again.",
    )
