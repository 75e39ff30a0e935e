"""A model's process and the two pipes to it: starts it, writes commands, reads reports, ends it."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from med42_chat.runtime.wire import Command, Report, pack, unpack

_CLOSE_S = 2.0  # how long a process may take to end by itself


class Process:
    """One process and the two pipes to it. `module` is what it runs."""

    def __init__(self, log: Path, module: str = "med42_chat.runtime.worker") -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as errors:
            self._popen = subprocess.Popen(
                # -P: a file in the current folder must not stand in for a module.
                [sys.executable, "-P", "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=_environment(),
                start_new_session=True,  # Ctrl+C in the terminal is for the program alone
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        self._lock = threading.Lock()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def send(self, command: Command) -> None:
        """Writes a command. One that reaches nobody is no error here: the end of the process is noticed where its reports are read."""
        stdin = self._popen.stdin
        with self._lock, contextlib.suppress(OSError, ValueError):
            if stdin is not None:
                stdin.write(pack(command))
                stdin.flush()

    def reports(self) -> Iterator[Report]:
        """What the process says, until it ends."""
        with contextlib.suppress(ValueError):  # a line that the process's death cut off, or one that is none
            for line in self._popen.stdout or ():
                yield unpack(line)

    def end(self) -> int:
        """Asks the process to end, makes it end if it does not, and gives its exit status."""
        if self._lock.acquire(timeout=_CLOSE_S):  # not to be had when a send is stuck in a full pipe
            with contextlib.suppress(OSError):
                if self._popen.stdin is not None:
                    self._popen.stdin.close()
            self._lock.release()
        try:
            return self._popen.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self._popen.wait()


def _environment() -> dict[str, str]:
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    # Without our settings, of which one is the passphrase: the process is about to read a stranger's file.
    others = {name: value for name, value in os.environ.items() if not name.startswith("MED42_")}
    # Without the second, a llama.cpp that aborts would wait for a debugger to print its backtrace.
    return {**others, "PYTHONPATH": os.pathsep.join(paths), "GGML_NO_BACKTRACE": "1"}
