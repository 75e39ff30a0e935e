"""A model's process and the two pipes to it: starts it, writes commands, reads reports, ends it.

Nothing here waits for the process but `reports`, and `end`, which does so for a few seconds: a process that has stopped reading
holds up no one.
"""

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil

from med42_chat.runtime.wire import Command, Report, pack, unpack

GARBLED = "what it reported made no sense"
WORKER = "med42_chat.runtime.worker"
_CLOSE_S = 2.0  # how long a process may take to end by itself, and to end when it is made to
_LONGEST_REPORT = 1 << 26  # bytes; the vectors of many texts have a few millions, and what never ends must not fill the memory
_SPINS = "1000"  # of a thread that waits for another: about a hundredth of a millisecond
_KILLED = -9  # the exit status of a process that was made to end


class Process:
    """One process and the two pipes to it. `module` is what it runs."""

    def __init__(self, log: Path, module: str = WORKER) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as errors:
            self._popen = subprocess.Popen(
                # -P: a file in the current folder must not stand in for a module.
                [sys.executable, "-P", "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(),
                start_new_session=True,  # Ctrl+C in the terminal is for the program alone
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        self._heard = 0.0  # when it last said something
        self.fault = ""  # why it was made to end, in words for a person
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        threading.Thread(target=self._write, name="commands", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def send(self, command: Command) -> None:
        """Has a command written; never waits. One that reaches nobody is no error here: the process's end is noticed by its reports."""
        self._commands.put(command)

    def reports(self) -> Iterator[Report]:
        """What the process says, until it ends. One that says what is no report is made to end."""
        stdout = self._popen.stdout
        assert stdout is not None
        for line in iter(partial(stdout.readline, _LONGEST_REPORT), b""):
            if (report := _report(line)) is not None:
                self._heard = time.monotonic()
                yield report
                continue
            if line.endswith(b"\n") or len(line) == _LONGEST_REPORT:  # else the process's death cut it off
                self.kill(GARBLED)
            return

    def kill(self, why: str = "") -> None:
        """Makes the process end at once."""
        self.fault = self.fault or why
        self._popen.kill()

    def end(self, within_s: float = _CLOSE_S) -> int:
        """Asks the process to end, makes it end if it does not, and gives its exit status.

        It has `within_s` seconds as long as it says that it is doing something, else two.
        """
        self._commands.put(None)
        asked = time.monotonic()
        while (left := min(max(asked, self._heard) + _CLOSE_S, asked + within_s) - time.monotonic()) > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._popen.wait(left)
        self.kill()
        try:
            return self._popen.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:  # it waits within the system, as for a drive that is gone, and ends when that lets go of it
            return _KILLED

    def _write(self) -> None:
        stdin = self._popen.stdin
        assert stdin is not None
        try:
            with stdin:
                while (command := self._commands.get()) is not None:
                    stdin.write(pack(command))
                    stdin.flush()
        except OSError:
            try:
                self._popen.wait(_CLOSE_S)
            except subprocess.TimeoutExpired:  # it lives on and does not listen any more, which would never be noticed
                self.kill("it did not listen any more")


def _report(line: bytes) -> Report | None:
    """The report of a line, None where it is none."""
    try:
        message = unpack(line)
    except (ValueError, LookupError, TypeError, RecursionError):  # no JSON, no such kind, not its fields, or one in another without end
        return None
    return message if isinstance(message, Report) else None


def environment() -> dict[str, str]:
    """What a process is started with that is to hold a model."""
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    # Without our settings, of which one is the passphrase: the process is about to read a stranger's file.
    others = {name: value for name, value in os.environ.items() if not name.startswith("MED42_")}
    # Without the last, a llama.cpp that aborts would wait for a debugger to print its backtrace.
    return {**_patience(), **others, "PYTHONPATH": os.pathsep.join(paths), "GGML_NO_BACKTRACE": "1"}


def _patience() -> dict[str, str]:
    """How long llama.cpp's threads wait awake for one another, hundreds of times for each token, before they sleep.

    By itself (GNU OpenMP, on Linux) that is milliseconds. Where every processor is at work for the model and another program wants one, the
    thread that waits awake keeps it from the one that it waits for: answers were seen to come three to thirty times slower. With no other
    program about, the short wait is as fast.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"GOMP_SPINCOUNT": _SPINS} if (psutil.cpu_count(logical=False) or usable) >= usable else {}
