"""Deleted conversations, for the seconds in which that can be taken back.

What is put in is out of everybody's sight at once and deleted for good when its time is up, when the program closes, or, if
neither came, at the next start (the store's `recover`).
"""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from med42_chat.errors import NotFound, StoreError, places

PATIENCE_S = 10.0

_log = logging.getLogger(__name__)


class Conversations(Protocol):
    """The part of the store that deletes; see store.conversations.Conversations."""

    def hide(self, id: str) -> None: ...

    def unhide(self, id: str) -> None: ...

    def delete(self, id: str) -> None: ...


class Bin:
    """One for the program. Every method may be called from any thread."""

    def __init__(self, conversations: Conversations, patience_s: float = PATIENCE_S) -> None:
        self._conversations = conversations
        self._patience_s = patience_s
        self.deleted: Callable[[str], None] = lambda id: None  # told of each that was deleted for good
        self._timers: dict[str, threading.Timer] = {}  # until the deletion has ended
        self._undoable: set[str] = set()  # until it begins
        self._lock = threading.Lock()

    def put(self, id: str) -> None:
        """Hides a conversation, and deletes it after `patience_s`. Raises NotFound."""
        self._conversations.hide(id)
        timer = threading.Timer(self._patience_s, self._empty, (id,))
        timer.name, timer.daemon = "bin", True
        with self._lock:
            self._timers[id] = timer
            self._undoable.add(id)
        timer.start()

    def take_back(self, id: str) -> None:
        """Brings a conversation back as it was. Raises NotFound when its time is up."""
        with self._lock:
            if id not in self._undoable:
                raise NotFound("This conversation can no longer be brought back.", "Its time was up, and it was deleted for good.")
            self._conversations.unhide(id)
            self._undoable.remove(id)
            self._timers.pop(id).cancel()

    def close(self) -> None:
        """Deletes at once what is left; returns when it is gone."""
        with self._lock:
            timers = list(self._timers.items())
        for id, timer in timers:
            timer.cancel()
            self._empty(id)
        for _, timer in timers:
            timer.join()

    def _empty(self, id: str) -> None:
        with self._lock:
            if id not in self._undoable:  # taken back, or being emptied by the other thread
                return
            self._undoable.remove(id)
        try:
            self._conversations.delete(id)
            self.deleted(id)
        except NotFound:  # somebody deleted it by another way
            pass
        except StoreError as error:  # a full or busy disk: it stays hidden, and goes at the next start
            _log.error("a deletion is put off until the next start: %s", places(error))
        finally:
            with self._lock:
                self._timers.pop(id, None)
