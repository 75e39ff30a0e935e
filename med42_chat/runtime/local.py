"""The model in a process of its own: starts it, speaks with it, starts it again when it dies, ends it when it hangs.

Knows `wire`'s lines and processes, nothing of llama.cpp. A supervisor thread reads what the process reports and hands it to
whoever waits for it; another one looks now and then whether a process that is waited for still does anything (`watchdog`).
"""

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from med42_chat.errors import ModelTooLarge, RuntimeFailure, WorkerDied, places
from med42_chat.records import Health, ModelInfo, Turn
from med42_chat.runtime.archive import remove
from med42_chat.runtime.pending import Pending
from med42_chat.runtime.process import GARBLED, WORKER, Process
from med42_chat.runtime.protocol import Finished, Found, Load, Queued, Request, RuntimeEvent, RuntimeStatus, Shelf, Text
from med42_chat.runtime.watchdog import Patience, Signs, Watchdog, signs_of
from med42_chat.runtime.ways import Phase, Ways, cause_of, mistaken
from med42_chat.runtime.wire import (
    Begin,
    Cancel,
    Examined,
    Failure,
    Forget,
    Happened,
    Leave,
    Loading,
    Ready,
    Report,
    Submit,
    Tokenise,
    Tokens,
)

_log = logging.getLogger(__name__)

_KEEP_S = 6.0  # how long a process that is to end may take to write down what is worth keeping
_CLOSE_S = 5.0  # how long the supervisor may take to bury an ended process
_TRIES = 3  # processes that may end over a request before any has begun to answer it


class LocalRuntime:
    """A `Runtime` whose model runs in a child process on this computer.

    `plan` is asked once, when it is known what devices there are, and gives the ways to load the model: the next one is tried where
    memory was short, or where the process died while loading or at its first work. It may raise RuntimeFailure's kinds. `cache` is a
    folder for what may be lost: the files' hashes and the worker's log, neither of which holds a word of any conversation. `patience`
    says how long the process may seem to hang; `module` is what runs in it. On the `shelf` conversations' caches outlive the process;
    without one they don't.
    """

    def __init__(
        self,
        plan: Callable[[Found], Sequence[Load]],
        cache: Path,
        patience: Patience | None = None,
        module: str = WORKER,
        shelf: Shelf | None = None,
    ) -> None:
        self._plan = plan
        self._shelf = shelf
        self._patience, self._module = patience or Patience(), module
        self._hashes, self._log = cache / "model-hashes.json", cache / "worker.log"
        self._begun = False  # a process has been told what to load
        self._changed = threading.Condition()  # guards everything below
        self._state: Literal["loading", "ready", "restarting", "failed", "closed"] = "loading"
        self._progress = 0.0
        self._model: ModelInfo | None = None
        self._error: RuntimeFailure | None = None
        self._process: Process | None = None
        self._ways = Ways()
        self._phase: Phase = "loading"
        self._watchdog = Watchdog(self._patience)
        self._jobs: dict[str, Pending] = {}
        self._owed: set[str] = set()  # ids of requests of which the process has not said the last word
        self._calls: dict[int, queue.SimpleQueue[Tokens | Failure | WorkerDied]] = {}
        self._call_numbers = itertools.count()
        self._supervisor = threading.Thread(target=self._supervise, name="model", daemon=True)
        self._supervisor.start()
        self._closing = threading.Event()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

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
        job = Pending(request)
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
            job.cancelled = time.monotonic()
            process = job.process
            if process is None:
                del self._jobs[request_id]
                job.end("cancelled")
                self._announce_positions()
            else:
                process.send(Cancel(request_id))

    def forget(self, conversation: str) -> None:
        """Nothing that was read or written for this conversation is kept from here on. Does not wait for that."""
        with self._changed:
            for job in self._jobs.values():  # which another process may get
                job.forget(conversation)
            if self._state == "ready" and self._process is not None:  # before that it has nothing, and waits to be told what to load
                self._process.send(Forget(conversation))

    def close(self) -> None:
        """Ends the runtime and leaves no process behind. What is worth keeping is written first, which may take some seconds."""
        with self._changed:
            if self._error is None:
                self._error = RuntimeFailure(
                    "This model is no longer in use.", "Ask again in a moment, or start the program again if it is closing."
                )
            self._state = "closed"
            process = self._process
            self._changed.notify_all()
        self._closing.set()
        if process is not None:
            process.send(Leave(_KEEP_S))
            process.end(_KEEP_S)
        self._supervisor.join(_CLOSE_S)

    # Requests

    def _enlist(self, job: Pending) -> None:
        with self._changed:
            if self._state in ("failed", "closed"):
                error = self._error or RuntimeFailure("")
                job.end("failed", error.message, error.hint)
                return
            self._jobs[job.request.id] = job
            if self._state == "ready" and self._process is not None:
                self._submit(job, self._process)
            else:
                self._announce_positions()

    def _submit(self, job: Pending, process: Process) -> None:
        job.sent_to(process)
        self._owed.add(job.request.id)
        process.send(Submit(job.request))

    def _retire(self, job: Pending) -> None:
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
            number = next(self._call_numbers)
            self._calls[number] = answer
            self._process.send(Tokenise(number, tuple(turns), count))
        reply = answer.get()
        if isinstance(reply, Tokens):
            return reply.numbers
        raise reply.error() if isinstance(reply, Failure) else reply

    # The supervisor's thread

    def _supervise(self) -> None:
        try:
            while (process := self._start()) is not None:
                self._listen(process)
                status = process.end()
                self._remove_suspect()
                self._bury(process.fault or cause_of(status))
        except Exception as error:  # noqa: BLE001
            # The edge: without this thread everybody would wait for ever.
            self._give_up(mistaken(error, "while it started the model"))
        with self._changed:
            self._end_jobs("died", "The program was closed.")

    def _start(self) -> Process | None:
        """The next process, after a pause if others died; None when there is to be no other."""
        with self._changed:
            if self._changed.wait_for(lambda: self._state in ("failed", "closed"), self._ways.pause_s):
                return None
            try:
                self._process, self._phase = Process(self._log, self._module), "loading"
            except OSError as error:
                self._fail(
                    RuntimeFailure(f"The model's process cannot be started: {error.strerror}.", "Check the data folder and free space.")
                )
                return None
            self._watchdog.rest()
            return self._process

    def _listen(self, process: Process) -> None:
        """Takes what a process reports, until it ends."""
        try:
            for report in process.reports():
                with self._changed:
                    self._watchdog.heard(loading=self._state != "ready")
                self._take(report, process)
        except Exception as error:  # noqa: BLE001
            # The edge: what a process says that has lost its mind can be wrong in any way. Another one is started.
            _log.error("the model's process reported what cannot be taken: %s", places(error))
            process.kill(GARBLED)

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
        self._phase = "planning"
        try:
            load = self._ways.present(lambda: self._plan(found))
        except RuntimeFailure as error:
            self._give_up(error)
            process.end()
            return
        process.send(Begin(load, str(self._hashes), self._shelf, self._begun))
        self._begun = True
        self._phase = "loading"

    def _not_loaded(self, error: RuntimeFailure) -> None:
        with self._changed:
            if isinstance(error, ModelTooLarge) and self._ways.back_off(error.message):
                self._phase, self._progress = "over", 0.0
            else:
                self._fail(self._ways.not_loaded(error))

    def _pass_on(self, happened: Happened) -> None:
        with self._changed:
            if isinstance(happened.event, Finished):
                self._owed.discard(happened.id)
            job = self._jobs.get(happened.id)
            if job is None:
                return
            job.take(happened)
            self._phase = "proven" if isinstance(happened.event, Text) else self._phase
            if isinstance(happened.event, Finished):
                del self._jobs[happened.id]
                if happened.event.reason != "failed":
                    self._ways.worked()

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
            self._model = replace(model, backed_off=self._ways.backed_off)
            for job in self._jobs.values():
                self._submit(job, process)
            self._changed.notify_all()

    def _add(self, finding: Health, tried: bool) -> None:
        with self._changed:
            self._phase = "proven" if tried else self._phase
            if self._model is not None:
                others = (one for one in self._model.findings if one.name != finding.name)
                self._model = replace(self._model, findings=(*others, finding), examined=True)

    def _remove_suspect(self) -> None:
        """What was being read back when a process died may be why, by its size if nothing else: no other one shall die of it."""
        with self._changed:
            suspect = [job.request.conversation for job in self._jobs.values() if job.fetching and not job.cancelled]
        if self._shelf is not None and self._state != "closed":
            for conversation in suspect:
                remove(self._shelf, conversation)

    def _bury(self, cause: str) -> None:
        """A process has ended: its running answers end with it, the others wait for the next one."""
        with self._changed:
            self._process = None
            self._end_calls()
            self._owed.clear()
            if self._state in ("failed", "closed") or self._phase == "over":
                return
            modest = self._ways.died(self._phase, cause)
            if modest and self._phase == "loading":
                self._progress = 0.0
                return
            self._state, self._progress = "restarting", 0.0
            self._end_jobs("died", f"The model's process ended unexpectedly ({cause}). {_next_one(modest)}", begun_only=True)
            if (hopeless := self._ways.hopeless(cause)) is not None:
                self._fail(hopeless)
            self._announce_positions()

    def _end_calls(self) -> None:
        for answer in self._calls.values():
            answer.put(WorkerDied("The model's process ended.", "Try again in a moment."))
        self._calls.clear()

    def _end_jobs(self, reason: Literal["died", "failed"], detail: str, hint: str = "", *, begun_only: bool = False) -> None:
        """Ends requests; with `begun_only` not those that another process may answer. One that none has survived is not tried for ever."""
        for name, job in list(self._jobs.items()):
            job.sent_to(None)
            if job.started or job.cancelled or job.tries >= _TRIES or not begun_only:
                job.end("cancelled" if job.cancelled else reason, detail, hint)
                del self._jobs[name]

    def _fail(self, error: RuntimeFailure) -> None:
        """Nothing will load without the person."""
        self._state, self._error = "failed", error
        self._end_jobs("failed", error.message, error.hint)
        self._end_calls()
        self._changed.notify_all()

    def _give_up(self, error: RuntimeFailure) -> None:
        with self._changed:
            self._fail(error)

    # The watchdog's thread

    def _watch(self) -> None:
        """Looks after those who wait for a process that does not answer; ends with the runtime."""
        while not self._closing.wait(self._patience.look_every_s):
            with self._changed:
                process, waited_for = self._process, self._is_waited_for()
            signs = signs_of(process.pid) if process is not None and waited_for else None
            with self._changed:
                if process is not None and process is self._process:
                    self._look_at(process, signs)
                self._release_cancelled()

    def _is_waited_for(self) -> bool:
        loading = self._state in ("loading", "restarting") and self._phase != "planning"
        return loading or bool(self._owed or self._calls)

    def _is_writing(self) -> bool:
        return any(job.read and not job.cancelled for job in self._jobs.values())

    def _look_at(self, process: Process, signs: Signs | None) -> None:
        if signs is None or not self._is_waited_for():
            self._watchdog.rest()
        elif why := self._watchdog.look(signs, self._model if self._state == "ready" else None, writing=self._is_writing()):
            _log.warning("the model's process hung and was ended: %s", why)
            process.kill(why)

    def _release_cancelled(self) -> None:
        """Ends those that were stopped, and that the process does not let go of: no one shall wait for that."""
        now = time.monotonic()
        for name, job in list(self._jobs.items()):
            if job.cancelled and now - job.cancelled > self._patience.cancel_s:
                job.end("cancelled")
                del self._jobs[name]


def _next_one(modest: str) -> str:
    """What happens now that a process has ended. `modest` says what its follower gives up, if anything."""
    return f"It is being started again, with less: {modest}" if modest else "It is being started again."
