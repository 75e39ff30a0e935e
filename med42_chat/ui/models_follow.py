"""What an open Models page has to be told: the parts of it that have changed, and the numbers of a speed test that runs for it."""

import threading
import time
from collections.abc import Sequence

from med42_chat.errors import Med42Error
from med42_chat.records import Speed
from med42_chat.services import Services
from med42_chat.ui import models_view
from med42_chat.ui.follow import Change
from med42_chat.ui.models_view import Sheet, Situation
from med42_chat.ui.parts import Parts
from med42_chat.weights.models import Overview, Work
from med42_chat.words import Words

_QUIET_S = 3.0  # without a byte, after which a speed would be a memory


class _Watch:
    """Which downloads bring nothing at the moment."""

    def __init__(self) -> None:
        self._moved: dict[str, tuple[int, float]] = {}  # how far each was, and since when

    def quiet(self, works: Sequence[Work]) -> frozenset[str]:
        """The ids of those that have stood still for a while, as of now."""
        now = time.monotonic()
        self._moved = {work.id: self._since(work, now) for work in works if work.state == "running" and work.phase == "fetching"}
        return frozenset(id for id, (_, since) in self._moved.items() if now - since > _QUIET_S)

    def _since(self, work: Work, now: float) -> tuple[int, float]:
        done, since = self._moved.get(work.id, (-1, now))
        return (done, since) if done == work.done else (work.done, now)


class ModelsFollower:
    """One page's view of the models. Not thread-safe: polled by one stream, one poll at a time."""

    def __init__(self, services: Services, words: Words) -> None:
        self._services, self._words = services, words
        self._seen: tuple[object, ...] = ()
        self._parts = Parts()
        self._watch = _Watch()

    def poll(self) -> list[Change]:
        """The parts that have changed since the last poll; all of them at the first."""
        quiet = self._watch.quiet(self._services.models.works())
        seen = (*self._key(), quiet)
        if seen == self._seen:
            return []
        self._seen = seen
        return self._parts.news(Sheet(self._words, _situation(self._services, quiet)).parts())

    def _key(self) -> tuple[object, ...]:
        """Changes with everything that the page shows."""
        services = self._services
        wrong = services.not_switched
        return services.models.changed(), services.status(), services.switching, wrong, services.in_use


def _situation(services: Services, quiet: frozenset[str]) -> Situation:
    try:
        seen, trouble = services.models.overview(), ""
    except Med42Error as error:
        seen, trouble = Overview([], services.models.works()), f"{error.message} {error.hint}"
    return Situation(
        cards=seen.cards,
        works=seen.works,
        quiet=quiet,
        hardware=seen.hardware,
        advice=seen.advice,
        status=services.status(),
        in_use=services.in_use,
        demonstration=services.is_demonstration(),
        switching=services.switching if services.jobs.any_running() else "",
        not_switched=services.not_switched,
        trouble=trouble,
        server=services.server,
    )


class SpeedTest:
    """A speed test for one page: begins with the first poll, ends when it is closed. Not thread-safe, as above."""

    def __init__(self, services: Services, words: Words) -> None:
        self._services, self._words = services, words
        self._stop = threading.Event()
        self._newest, self._told = Speed(), ""
        self._wrong: Med42Error | None = None
        # A thread, because numbers come as fast as the model writes, and a page is told a few times a second.
        self._thread = threading.Thread(target=self._run, name="speed test", daemon=True)

    def poll(self) -> list[Change]:
        """The newest numbers where they have changed, and whether that was all. Raises what `Services.speed_test` raises."""
        if self._thread.ident is None:
            self._thread.start()
        over = not self._thread.is_alive()  # asked first: what was its last word is then known below
        if self._wrong:
            raise self._wrong
        html = models_view.speed(self._words, self._newest)
        news: list[Change] = [("part", {"name": "speed", "html": html})] if html != self._told else []
        self._told = html
        return [*news, ("over", {})] if over else news

    def close(self) -> None:
        """Ends the test within a second."""
        self._stop.set()

    def _run(self) -> None:
        try:
            for speed in self._services.speed_test(self._stop):
                self._newest = speed
        except Med42Error as error:
            self._wrong = error
