"""Work that may hang, done beside, so that whoever wants to stop need not wait for its end."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

Result = TypeVar("Result")

_LOOK_EVERY_S = 0.1  # whether it is to stop


def unless_stopped(stop: threading.Event, work: Callable[[], Result]) -> Result | None:
    """What `work` gives or raises. None when `stop` is set before: then the work is left to itself, and what it gives is lost."""
    done: Future[Result] = Future()
    threading.Thread(target=_do, args=(work, done), name="aside", daemon=True).start()
    while not stop.is_set():
        if wait((done,), _LOOK_EVERY_S).done:
            return done.result()
    return None


def _do(work: Callable[[], Result], done: "Future[Result]") -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001
        # The edge of a thread: whatever it is, it is raised where it is waited for.
        done.set_exception(error)
