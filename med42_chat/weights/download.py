"""A download in a process of its own, and the program's side of it: `python -m med42_chat.weights.download`.

A process, because the one that serves the page has told huggingface_hub to stay offline, which cannot be taken back there; and
because stopping it is then simply ending it, which is what a crash does too, and both are resumed in the same way.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from med42_chat import errors
from med42_chat.errors import ConnectionLost, Med42Error
from med42_chat.weights import catalogue
from med42_chat.weights.progress import Meter, Progress

_OFFLINE = "HF_HUB_OFFLINE"
# Says that the program has set it, and not the person, whose word would hold for downloads, too. No setting: it does not begin with MED42_.
_OURS = "HF_HUB_OFFLINE_BY_MED42"
_REPORT_S = 0.25  # seconds between two reports


@dataclass(frozen=True, slots=True)
class Order:
    """What to fetch and where to. `own` is the person's own catalogue, if there is one."""

    id: str
    catalogue: str
    own: str
    folder: str


class Download:
    """One running download. Iterating over it gives its progress, and raises what went wrong."""

    def __init__(self, order: Order) -> None:
        self._popen = subprocess.Popen(
            # -P: a file in the current folder must not stand in for a module.
            [sys.executable, "-P", "-m", "med42_chat.weights.download"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=_environment(),
            start_new_session=True,  # Ctrl+C in the terminal is for the program, which then stops this
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps(asdict(order)) + "\n")
        self._popen.stdin.flush()  # and left open: when it closes, this program has ended

    def __iter__(self) -> Iterator[Progress]:
        for found in self._lines():
            if "error" in found:
                self._popen.wait()
                raise _raised(**found)
            progress = Progress(**found)
            yield progress
            if progress.state == "done":
                self._popen.wait()
                return
        self._popen.wait()
        raise ConnectionLost("The download was stopped.", "What has come is kept. Fetch it again to go on.")

    def _lines(self) -> Iterator[dict[str, Any]]:
        """What the process says, until it ends; a line that its end cut off is none."""
        with suppress(ValueError):
            for line in self._popen.stdout or ():
                yield json.loads(line)

    def stop(self) -> None:
        """Ends it at once; what came is kept. Whoever iterates sees ConnectionLost."""
        self._popen.terminate()
        self._popen.wait()
        assert self._popen.stdin is not None
        self._popen.stdin.close()


def stay_offline() -> None:
    """Tells huggingface-hub, before it is imported, that this process asks no network; downloads in their own processes still may.

    Where the person has said that already, it holds for downloads as well.
    """
    if _OFFLINE not in os.environ:
        os.environ |= {_OFFLINE: "1", _OURS: "1"}


def _raised(error: str, message: str, hint: str) -> Med42Error:
    kind = getattr(errors, error, Med42Error)
    made: Med42Error = kind(message, hint)
    return made


def _environment() -> dict[str, str]:
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    # Without our settings either, of which one is the passphrase: the process is about to speak with a stranger.
    ours = {_OFFLINE, _OURS} if _OURS in os.environ else set()
    kept = {name: value for name, value in os.environ.items() if name not in ours and not name.startswith("MED42_")}
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_DISABLE_TELEMETRY": "1"}


def main() -> None:
    """Fetches what standard input's first line orders, and says how it goes, a line of JSON each. Ends when nobody listens any more."""
    order = Order(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_the_program, daemon=True).start()
    try:
        try:
            _run(order)
        except Med42Error as error:
            known = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
            _say({"error": known, "message": error.message, "hint": error.hint})
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001
            # The edge: ending without a word would be taken for a person's stop.
            fault = f"The download ended with a fault of the program ({errors.places(error)})."
            _say({"error": "DownloadFailed", "message": fault, "hint": "What has come is kept. Try again, or import the file."})
    except BrokenPipeError:
        os._exit(0)  # the program that asked for this is gone; a normal end would stumble over the pipe once more


def _end_with_the_program() -> None:
    """Ends this process when the program that gave the order has, however it did: the place is then free for its next start.

    A connection that is silent would keep it for half a minute. Not through `sys.stdin`, whose lock would be in the way of a normal end.
    """
    while os.read(0, 1):
        pass
    os._exit(0)


def _run(order: Order) -> None:
    # Here and not above: they bring huggingface_hub along, which only this process may load.
    from med42_chat.weights.fetch import fetch
    from med42_chat.weights.hub import Hub

    entries = catalogue.read(Path(order.catalogue), Path(order.own) if order.own else None)
    with closing(_Teller()) as teller:
        for progress in fetch(catalogue.find(entries, order.id), Path(order.folder), Hub()):
            teller.tell(progress)


class _Teller:
    """Says how it goes: a new state at once, and how far it is a few times a second.

    In a thread: when a server falls silent, nothing else would say how much had come by then.
    """

    def __init__(self) -> None:
        self._meter = Meter()
        self._newest: Progress | None = None
        self._said: Progress | None = None
        self._saying = threading.Lock()  # guards all of it
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._now_and_then)
        self._thread.start()

    def tell(self, progress: Progress) -> None:
        """Takes the newest report."""
        with self._saying:
            self._newest = progress
            if self._said is None or progress.state != self._said.state:
                self._say_newest()

    def close(self) -> None:
        """Says no more."""
        self._closed.set()
        self._thread.join()

    def _now_and_then(self) -> None:
        try:
            while not self._closed.wait(_REPORT_S):
                with self._saying:
                    self._say_newest()
        except BrokenPipeError:
            os._exit(0)  # as in `main`

    def _say_newest(self) -> None:
        if (new := self._newest) is not None and new is not self._said:
            self._said = new
            _say(asdict(self._meter.progress(new.state, new.done, new.total, new.note)))


def _say(value: dict[str, object]) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
