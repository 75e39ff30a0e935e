"""Processes of their own for work that may go wrong: how one is started, spoken with and ended, and what it may use of the computer.

Such a process gets bytes on its standard input and nothing else, answers on its standard output, and writes no file. It has limited time
and memory (on Windows limited time only), and what it says is data: whoever reads it looks at it first.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_LOOK_EVERY_S = 0.1  # whether the process is to be ended


def limit(memory: int, seconds: int) -> None:
    """From here on the system ends this process when it takes more bytes of address space, or seconds of processor time. Not on Windows."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))  # also when the program that asked is gone
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash must not leave a patient's letter in a core file
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # nor has it anything to write


def talk(module: str, arguments: Sequence[str], data: bytes | bytearray, time_s: float, most_answer: int) -> bytes:
    """What a module, by its whole name, says with `data` on its input until it ends: at most so many bytes, for so long."""
    with talking(module, arguments, data, time_s) as said:
        return said.read(most_answer)


@contextmanager
def talking(
    module: str, arguments: Sequence[str], data: bytes | bytearray, time_s: float, stop: threading.Event | None = None
) -> Iterator[IO[bytes]]:
    """What such a process says, while it says it. It is ended with the block, when its time has come, or when `stop` is set."""
    with _child(module, arguments) as child:
        assert child.stdin is not None and child.stdout is not None
        done = threading.Event()
        guard = threading.Thread(target=_guard, args=(child, time_s, stop or done, done), name="guard", daemon=True)
        # A thread of its own: a process that answers before it has read everything would wait for us, and we for it.
        feeder = threading.Thread(target=_feed, args=(child.stdin, data), name="feeder", daemon=True)
        guard.start()
        feeder.start()
        try:
            yield child.stdout
        finally:
            done.set()
            child.kill()
            feeder.join()
            guard.join()


def _guard(child: "subprocess.Popen[bytes]", time_s: float, stop: threading.Event, done: threading.Event) -> None:
    until = time.monotonic() + time_s
    while not done.wait(min(_LOOK_EVERY_S, max(0.0, until - time.monotonic()))):
        if stop.is_set() or time.monotonic() >= until:
            child.kill()
            return


def _feed(pipe: IO[bytes], data: bytes | bytearray) -> None:
    with contextlib.suppress(OSError), pipe:  # a process that has ended reads no more
        pipe.write(data)


def _child(module: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # -P: a file in the current folder must not stand in for a module.
        [sys.executable, "-P", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what a library says of a file may be a patient's
        env=_environment(),
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def _environment() -> dict[str, str]:
    """Without our own settings, of which one is the passphrase: the process is about to read what a stranger or a model has written."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("MED42_")}
    return {**others, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])}
