"""In which way the model is loaded now, and what follows when its process ends: the same again, a more modest way, or nothing.

Knows no processes and no threads.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Literal

from med42_chat.errors import Med42Error, RuntimeFailure, WorkerDied, places
from med42_chat.runtime.protocol import Load

_log = logging.getLogger(__name__)

# Of a process: 'planning' while it waits for what to load, 'fresh' when it has the model and has done nothing with it, 'over' when
# another way is to be tried.
Phase = Literal["loading", "planning", "fresh", "proven", "over"]

_DEATHS_ALLOWED = 5  # in a row, with no answer finished between them
_DEATHS_IN_ONE_WAY = 2  # in a row while answering, as long as there is a more modest way
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 30.0  # before a new process is started
_KILLED = -9


class Ways:
    """The ways to load a model, the present one first, and what came of those before."""

    def __init__(self) -> None:
        self.backed_off: tuple[str, ...] = ()  # for ModelInfo: what did not work and what was done instead
        self._left: tuple[Load, ...] = ()
        self._deaths = 0

    def present(self, plan: Callable[[], Sequence[Load]]) -> Load:
        """The way to load it now; `plan` gives all, once. Raises RuntimeFailure's kinds."""
        try:
            self._left = self._left or tuple(plan())
        except Exception as error:
            # The edge: without an end of this kind, everybody would wait for ever for a model that nobody loads.
            raise _unplanned(error) from error
        return self._left[0]

    @property
    def pause_s(self) -> float:
        """How long to wait before the next process is started."""
        return min(_FIRST_PAUSE_S * 2 ** (self._deaths - 1), _LONGEST_PAUSE_S) if self._deaths else 0.0

    def worked(self) -> None:
        """An answer has come to its end."""
        self._deaths = 0

    def died(self, phase: Phase, cause: str) -> str:
        """Takes note of a process's end. Gives what the next way gives up where one is taken, as a sentence; else nothing."""
        if phase == "proven":
            when = f"{_DEATHS_IN_ONE_WAY} times in a row while it was answering"
        else:
            # Memory that was promised is only taken at the first work; a system without enough of it kills the process then.
            when = "at its first work" if phase == "fresh" else "while it was loading"
        self._deaths += 1
        if (phase == "proven" and self._deaths < _DEATHS_IN_ONE_WAY) or not self.back_off(f"The model's process ended {when} ({cause})."):
            return ""
        self._deaths = 0
        return self._left[0].note or "It is loaded in a more modest way."

    def back_off(self, reason: str) -> bool:
        """Takes the next way to load the model; False where there is none."""
        if len(self._left) < 2:
            return False
        self._left = self._left[1:]
        self.backed_off = (*self.backed_off, f"{reason} {self._left[0].note}".strip())
        return True

    def hopeless(self, cause: str) -> RuntimeFailure | None:
        """What a person is told where processes end one after the other; None while another one is tried."""
        if self._deaths < _DEATHS_ALLOWED:
            return None
        return WorkerDied(
            f"The model's process ended {_DEATHS_ALLOWED} times in a row ({cause}).",
            "Close other programs if memory is short, choose a smaller model or context, then start the program again.",
        )

    def not_loaded(self, error: RuntimeFailure) -> RuntimeFailure:
        """What a person is told when the last way failed, too."""
        tried = len(self.backed_off) + 1
        more = f" It was tried in {tried} ways, each more modest than the one before." if tried > 1 else ""
        return type(error)(error.message, error.hint + more)


def cause_of(status: int) -> str:
    """How a process ended, in words for a person."""
    if status == _KILLED:
        return "signal 9, as when memory is short"
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def mistaken(error: Exception, when: str) -> RuntimeFailure:
    """What a person is told of a fault of the program."""
    _log.error("the model cannot be loaded for a fault of the program: %s", places(error))
    return RuntimeFailure(f"The program made a mistake {when}.", "Choose another model; the log says where.")


def _unplanned(error: Exception) -> RuntimeFailure:
    if isinstance(error, RuntimeFailure):
        return error
    if isinstance(error, Med42Error):
        return RuntimeFailure(error.message, error.hint)
    if isinstance(error, OSError):
        return RuntimeFailure(f"The model's file or folder cannot be read: {error}.", "Check that it is there, and its permissions.")
    return mistaken(error, "while it looked at the model")
