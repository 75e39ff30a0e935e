"""The model's own process: `python -m med42_chat.runtime.worker`, started by `local` and spoken to in `wire`'s lines.

It says what devices there are; the first line on standard input then says what to load, and how. After that a reader thread takes
commands, so that a cancel reaches a running decode and texts are tokenised while an answer is written; the main thread runs the
scheduler, which puts a short test question to the model while nobody else asks one. When the input ends, the program that
started us is gone, and so are we, even in mid-decode.
"""

import contextlib
import ctypes
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import BinaryIO

import psutil

from med42_chat.errors import ModelFileError, RuntimeFailure, places
from med42_chat.gguf import Header, read_header
from med42_chat.records import ModelInfo
from med42_chat.runtime import llama
from med42_chat.runtime.archive import Archive
from med42_chat.runtime.examination import UNTRIED, Trial, findings
from med42_chat.runtime.fingerprint import Fingerprints
from med42_chat.runtime.llama_batch import quiet
from med42_chat.runtime.probe import Ggml, features
from med42_chat.runtime.protocol import Found, Load
from med42_chat.runtime.scheduler import Events, Scheduler
from med42_chat.runtime.template import Template, choose_template
from med42_chat.runtime.tuned import Tuned, changes
from med42_chat.runtime.wire import (
    Alive,
    Begin,
    Cancel,
    Command,
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
    pack,
    unpack,
)

_LEAST_CONTEXT = 128  # tokens
_SILENCE_S = 1.0  # that the program need not wonder about
_TUNING = "tuning.json"  # beside the file of hashes
_WEIGHTS_SHARE = 0.7  # of a loading with a trial behind it, for the bar that shows how far it is
# Of all that is known of a loaded model, what does not change what it computes.
_OF_NO_WEIGHT = frozenset({"name", "path", "load_s", "warnings", "backed_off", "findings", "examined", "parallel", "server", "guess_costs"})
_PR_SET_PDEATHSIG = 1


class Reports:
    """The way back to the program. For any thread."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._sent = 0.0  # when

    def live(self) -> None:
        """Says that something was done, where for a moment there was nothing to say: a model may write tokens that are no text."""
        if time.monotonic() - self._sent >= _SILENCE_S:
            self.send(Alive())

    def send(self, *reports: Report) -> None:
        """Writes them in one go. Ends the process when nobody is there to read."""
        self._sent = time.monotonic()
        data = b"".join(map(pack, reports))
        with self._lock:
            try:
                self._pipe.write(data)
                self._pipe.flush()
            except OSError:
                os._exit(0)


class Progress:
    """Reports a loading in steps of a hundredth, over the part of it from `start` to `end`."""

    def __init__(self, reports: Reports, start: float, end: float) -> None:
        self._reports = reports
        self._start = start
        self._span = end - start
        self._said = -1.0

    def split(self, share: float) -> "tuple[Progress, Progress]":
        """One for the first `share` (0 to 1) of this part, one for the rest."""
        middle, end = self._start + self._span * share, self._start + self._span
        return Progress(self._reports, self._start, middle), Progress(self._reports, middle, end)

    def __call__(self, fraction: float) -> None:
        """`fraction` (0 to 1) of this part is done."""
        if fraction - self._said >= 0.01:
            self._said = fraction
            self._reports.send(Loading(round(self._start + self._span * fraction, 3)))


class Loaded:
    """A loaded model with all that is known about it; `try_out` hears what may make a trial, before it does.

    Raises RuntimeFailure's kinds when it cannot be loaded.
    """

    def __init__(self, begin: Begin, found: Found, reports: Reports, try_out: Callable[[Tuned], None]) -> None:
        started = time.monotonic()
        path = Path(begin.load.file)
        header = read_header(path)
        size, warnings = _context_size(begin.load, header)
        threads = begin.load.threads or _physical_cores()
        load = replace(begin.load, context=size, threads=threads)
        sha256, loading = _fingerprint(begin, reports)
        if load.must_be not in ("", sha256):
            raise ModelFileError(
                f"{path.name} is not what its name says: its content has another checksum.",
                "Use another model; then remove this file, and fetch or import it again.",
            )
        if (tuned := _tuned(begin, load, found, sha256)) is not None:
            try_out(tuned)
        model = _load(load, loading, tuned)
        self.context = model.context
        self.template: Template = choose_template(model.vocabulary, header.chat_template)
        stop_ids = tuple(sorted(model.context.stop_ids))
        self.info = ModelInfo(
            name=header.name or path.stem,
            path=load.file,
            sha256=sha256,
            size_bytes=header.size_bytes,
            architecture=header.architecture,
            quantization=model.quantization,
            parameters=model.parameters,
            vocabulary=model.vocabulary.size,
            context_trained=header.context_length,
            context=model.context.size,
            template=self.template.name,
            stop_ids=stop_ids,
            device=_places(model, found),
            layers=model.layers,
            layers_offloaded=sum(model.offloaded.values()),
            threads=model.tuning.choice.threads,
            build=llama.BUILD,
            load_s=round(time.monotonic() - started, 3),
            warnings=(*load.warnings, *warnings, *_card_warnings(load, model)),
            demonstration=load.demonstration,
            parallel=model.context.sequences,
            cache_type=model.cache_type,
            findings=(
                *load.findings,
                *findings(self.template, model.vocabulary, model.vocabulary.size, stop_ids),
                *([tuned.finding(model.tuning)] if tuned else []),
            ),
            examined=False,
            batch=model.tuning.choice.batch,
            flash_attention=model.tuning.choice.flash_attention,
            guess_costs=model.tuning.costs,
        )
        self.made_with = _made_with(self.info, load, found)


def _load(load: Load, progress: Progress, tuned: Tuned | None) -> llama.Model:
    if tuned is None:
        return llama.load(load, llama.Log(), progress)
    loading, trying = (progress, progress) if tuned.known else progress.split(_WEIGHTS_SHARE)
    return llama.load(load, llama.Log(), loading, lambda open_context: tuned.found(open_context, trying))


def _made_with(info: ModelInfo, load: Load, found: Found) -> str:
    """All on which the values in a cache depend, down to their last bits: what was made with something else is not used again."""
    values = {one.name: getattr(info, one.name) for one in fields(info) if one.name not in _OF_NO_WEIGHT}
    overrides = [[one.key, one.value] for one in load.overrides]
    return json.dumps({**values, "processor": found.features, "overrides": overrides}, sort_keys=True)


def _context_size(load: Load, header: Header) -> tuple[int, tuple[str, ...]]:
    """The context to allot. Never more than the model was trained on: beyond it answers fall apart without a sign."""
    trained = header.context_length
    if 0 < trained < _LEAST_CONTEXT:  # llama.cpp would end the process at the first prompt
        raise ModelFileError(
            f"The model file {header.path.name} says that it was trained on {trained:,} tokens, which is too few for any question.",
            "Choose another model file.",
        )
    if not trained or load.context <= trained:
        return load.context, ()
    return trained, (f"The context was set to {load.context:,} tokens; the model was trained on {trained:,}, and these are used.",)


def _tuned(begin: Begin, load: Load, found: Found, sha256: str) -> Tuned | None:
    """What decides how the model is run on this computer; None where the usual way was asked for."""
    if not load.tune:
        return None
    cores = os.cpu_count() or 1
    devices, own = [[device.name, device.description] for device in found.devices], begin.load.threads
    key = [sha256, llama.BUILD, devices, found.features, load.threads, cores, own, load.gpu_layers, load.cache_type]
    tried = list(changes(begin.load, load.threads or 1, cores))
    return Tuned(Path(begin.hashes).with_name(_TUNING), json.dumps(key), llama.usual(load), tried, in_haste=begin.again)


def _places(model: llama.Model, found: Found) -> str:
    """The devices that layers are really on, in words."""
    names = {device.name: f"{device.name} ({device.description})" for device in found.devices}
    return ", ".join(names.get(name, name) for name in model.offloaded) or "CPU"


def _card_warnings(load: Load, model: llama.Model) -> tuple[str, ...]:
    """Layers that were to go to a graphics card, and did not: the model must not be slow without a word."""
    if load.gpu_layers == 0 or model.offloaded:
        return ()
    return ("llama.cpp put no layer of the model on a graphics card, though it was told to. It runs on the processor, which is slower.",)


def _fingerprint(begin: Begin, reports: Reports) -> tuple[str, Progress]:
    """The file's hash, and where to report the rest of the loading: all of it where the hash was known, else its second half."""
    path, fingerprints = Path(begin.load.file), Fingerprints(Path(begin.hashes))
    if known := begin.load.sha256 or fingerprints.known(path):
        return known, Progress(reports, 0, 1)
    return fingerprints.compute(path, Progress(reports, 0, 0.5)), Progress(reports, 0.5, 1)


def _physical_cores() -> int:
    # Hyper-threads slow llama.cpp down. The affinity counts where a container lends fewer cores than the machine has.
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(psutil.cpu_count(logical=False) or usable, usable)


class Worker:
    """Takes commands on one thread and serves them on another."""

    def __init__(self, commands: BinaryIO, reports: Reports) -> None:
        self._commands = commands
        self._reports = reports
        self._inbox: queue.SimpleQueue[Submit | Cancel | Forget | Leave] = queue.SimpleQueue()
        self._leaves_within_s = 0.0  # once the main thread is told to leave
        self._patience_s = 0.0  # how long it may take to do so after the input has ended
        self._loaded: Loaded | None = None
        self._scheduler: Scheduler | None = None
        self._trial: Trial | None = None
        self._tuned: Tuned | None = None

    def run(self) -> None:
        """Says what there is, loads what it is then told to, and serves until the input ends. Returns when the model cannot be loaded."""
        found = _found()
        self._reports.send(found)
        if not (line := self._commands.readline()):
            return
        begin = unpack(line)
        if not isinstance(begin, Begin):  # the program leaves again before it has said what to load
            return
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self._loaded = Loaded(begin, found, self._reports, self._try_out)
        except RuntimeFailure as failure:
            self._reports.send(Failure.of(failure))
            return
        archive = Archive(begin.shelf, self._loaded.made_with) if begin.shelf else None
        self._scheduler, self._trial = Scheduler(self._loaded.context, keeper=archive), Trial(self._loaded.template)
        self._reports.send(Ready(self._loaded.info))
        self._serve(self._scheduler, self._trial, self._loaded.context, archive)

    def _serve(self, scheduler: Scheduler, trial: Trial, context: llama.LlamaContext, archive: Archive | None) -> None:
        while True:
            # In this order: an interruption that is taken back here belongs to a command that is already in the inbox.
            context.resume()
            events = trial.begin(scheduler) if self._inbox.empty() else []
            events += self._take_commands(scheduler, trial)
            if self._leaves_within_s:  # what a step would read again takes time that the keeping needs
                break
            works = scheduler.busy
            events, finding = trial.take(events + scheduler.step())
            if finding is not None:
                self._reports.send(Examined(finding, finding is not UNTRIED))
            if events:
                self._reports.send(*(Happened(name, event, scheduler.completed(name)) for name, event in events))
            elif works:
                self._reports.live()

        until = time.monotonic() + self._leaves_within_s
        while archive is not None and archive.wait(until, lambda: self._reports.send(Alive())) and scheduler.keep_next():
            pass

    def _take_commands(self, scheduler: Scheduler, trial: Trial) -> Events:
        events: Events = []
        while not self._inbox.empty() or not (scheduler.busy or events):
            try:
                command = self._inbox.get(timeout=scheduler.pause())
            except queue.Empty:  # it is time to keep something
                break
            match command:
                case Submit(request):
                    events += trial.give_way(scheduler) + scheduler.submit(request)
                case Cancel(id):
                    events += scheduler.cancel(id)
                case Forget(conversation):
                    scheduler.forget(conversation)
                case Leave(within_s):
                    self._leaves_within_s = within_s
                    scheduler.end()  # nothing is said of it: the program ends what it has not ended itself
                    break
        return events

    def _listen(self) -> None:
        with _Edge():
            for line in self._commands:
                self._take(unpack(line))
            if self._tuned is not None:
                self._tuned.leave()
            time.sleep(self._patience_s)  # if need be: the main thread ends the process when it has kept what is worth it
        os._exit(0)

    def _try_out(self, tuned: Tuned) -> None:
        self._tuned = tuned

    def _take(self, command: Command) -> None:
        if isinstance(command, Tokenise):
            self._reports.send(self._tokenise(command))
        elif isinstance(command, Submit | Cancel | Forget | Leave):
            if isinstance(command, Leave) and self._scheduler is not None:
                self._patience_s = command.within_s
            self._inbox.put(command)
            if isinstance(command, Cancel | Leave) or self._has_time():
                self._interrupt()

    def _has_time(self) -> bool:
        """Whether nobody waits for what is being done."""
        return (self._scheduler is not None and self._scheduler.idle) or (self._trial is not None and self._trial.running)

    def _interrupt(self) -> None:
        """Ends the decode that is running, whatever it is for: one that was not meant is simply done again."""
        if self._loaded is not None:
            self._loaded.context.interrupt()

    def _tokenise(self, command: Tokenise) -> Report:
        if self._loaded is None:
            return Failure("RuntimeFailure", "The model is still loading.", "Try again in a moment.", command.call)
        template = self._loaded.template
        try:
            numbers: Iterable[int] = template.count(command.turns) if command.count else template.encode(command.turns)
        except RuntimeFailure as failure:
            return Failure.of(failure, command.call)
        return Tokens(command.call, tuple(numbers))


class _Edge:
    """The end of the line for an error that nobody foresaw: it is noted, and the process ends, which the program notices.

    Without it the process would hang: Python waits at its end for the thread that is reading the input.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            print(places(error), file=sys.stderr)  # not its message: that may be a patient's words
            os._exit(1)


def _found() -> Found:
    try:
        devices = tuple(Ggml().devices())
    except AttributeError:  # a build that hides ggml's own functions: no card is known then, and none is planned with
        devices = ()
    return Found(devices, tuple(features()))


def _end_with_the_program() -> None:
    """Has the system end this process with the program, even while it stands still and cannot notice. On Linux; elsewhere it notices.

    Linux means the program's thread that started us, which lives as long as we are wanted.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _private_output() -> BinaryIO:
    """The pipe to the program, out of reach of anything that prints: from here on that goes to the log."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(pipe, "wb")


def main() -> None:
    """The process, from its first line to its end."""
    with _Edge(), quiet():
        _end_with_the_program()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the program, which ends us in its own time
        Worker(sys.stdin.buffer, Reports(_private_output())).run()
    os._exit(0)


if __name__ == "__main__":
    main()
