"""What an open Models page has to be told: the parts of it that have changed, and the numbers of a speed test that runs for it."""

import threading
from collections.abc import Iterator

from med42_chat.errors import Med42Error
from med42_chat.loading import model_file
from med42_chat.records import Speed
from med42_chat.services import Services
from med42_chat.ui import models_view
from med42_chat.ui.follow import Change
from med42_chat.ui.models_view import Sheet, Situation
from med42_chat.ui.words import Words

_INSIDE = "work:"  # parts that stand inside others


class ModelsFollower:
    """One page's view of the models. Not thread-safe: polled by one stream, one poll at a time."""

    def __init__(self, services: Services, words: Words) -> None:
        self._services, self._words = services, words
        self._seen: tuple[object, ...] = ()
        self._told: dict[str, str] = {}

    def poll(self) -> list[Change]:
        """The parts that have changed since the last poll; all of them at the first."""
        seen = self._key()
        if seen == self._seen:
            return []
        self._seen = seen
        before, self._told = self._told, Sheet(self._words, _situation(self._services)).parts()
        news = [name for name, html in self._told.items() if before.get(name) != html]
        if not all(name.startswith(_INSIDE) for name in news):  # what stands inside was put there anew, and is empty
            news += [name for name in self._told if name.startswith(_INSIDE) and name not in news]
        return [("part", {"name": name, "html": self._told[name]}) for name in news]

    def _key(self) -> tuple[object, ...]:
        """Changes with everything that the page shows."""
        services = self._services
        wrong = services.not_switched
        return services.models.changed(), services.runtime.status(), services.switching, wrong, services.settings.model


def _situation(services: Services) -> Situation:
    models = services.models
    try:
        cards, advice, trouble = models.cards(), models.recommendation(), ""
    except Med42Error as error:
        cards, advice, trouble = [], "", f"{error.message} {error.hint}"
    return Situation(
        cards=cards,
        works=models.works(),
        hardware=models.hardware(),
        advice=advice,
        status=services.runtime.status(),
        in_use=model_file(services.settings),
        demonstration=services.is_demonstration(),
        switching=services.switching if services.jobs.any_running() else "",
        not_switched=services.not_switched,
        trouble=trouble,
    )


class SpeedTest:
    """A speed test for one page, which runs while somebody polls it. Closing it ends it."""

    def __init__(self, services: Services, words: Words) -> None:
        self._services, self._words = services, words
        self._stop = threading.Event()
        self._speeds: Iterator[Speed] | None = None

    def poll(self) -> list[Change]:
        """The next numbers. Raises what `Services.speed_test` raises."""
        if self._speeds is None:
            self._speeds = self._services.speed_test(self._stop)
        speed = next(self._speeds, None)
        if speed is None:
            return [("over", {})]
        return [("part", {"name": "speed", "html": models_view.speed(self._words, speed)})]

    def close(self) -> None:
        """Ends the test."""
        self._stop.set()
