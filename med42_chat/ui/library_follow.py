"""What an open Library page has to be told: the parts of it that have changed."""

import time

from med42_chat.services import Services
from med42_chat.ui.follow import Change
from med42_chat.ui.library_view import Sheet, Situation
from med42_chat.ui.parts import Parts
from med42_chat.words import Words

_PACE_S = 0.4  # between two readings of the documents while small files come in one after the other


class LibraryFollower:
    """One page's view of the library. Not thread-safe: polled by one stream, one poll at a time."""

    def __init__(self, services: Services, words: Words) -> None:
        self._services, self._words = services, words
        self._seen: tuple[int, ...] = ()
        self._read_at = 0.0
        self._parts = Parts()

    def poll(self) -> list[Change]:
        """The parts that have changed since the last poll; all of them at the first."""
        services, now = self._services, time.monotonic()
        seen = (services.adding.changed(), services.library.documents.changed())
        if seen == self._seen or now - self._read_at < _PACE_S:
            return []
        self._seen, self._read_at = seen, now
        situation = Situation(services.library.documents.all(), services.adding.state(), services.adding.watched())
        return self._parts.news(Sheet(self._words, situation).parts())
