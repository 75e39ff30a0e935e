"""Requests for tests of the runtime, and those who follow what becomes of them."""

import queue
import threading
from collections.abc import Callable, Iterator

from med42_chat.records import Sampling
from med42_chat.runtime.protocol import Finished, Request, RuntimeEvent, Text
from med42_chat.runtime.scheduler import Scheduler

LONG = Sampling(max_tokens=4000)


def request(name: str, prompt: tuple[int, ...], sampling: Sampling = LONG, seed: int = 1) -> Request:
    return Request(name, prompt, sampling, seed)


def prompt_of(length: int, salt: int = 0) -> tuple[int, ...]:
    """A prompt of bytes, in the small vocabulary."""
    return (257, *((index * 7 + salt) % 250 for index in range(length - 1)))


def text(events: list[RuntimeEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def ending(events: list[RuntimeEvent]) -> Finished:
    assert [type(event) for event in events].count(Finished) == 1
    assert isinstance(events[-1], Finished)
    return events[-1]


def written(scheduler: Scheduler) -> tuple[str, Finished]:
    """Steps until the one request that was submitted has ended: its text, and how it ended."""
    events: list[RuntimeEvent] = []
    while not (events and isinstance(events[-1], Finished)):
        events += [event for _, event in scheduler.step()]
    return text(events), ending(events)


def is_text(event: RuntimeEvent) -> bool:
    return isinstance(event, Text)


class Follower:
    """Reads a request's events on a thread of its own. `patience_s` is how long it waits for the next one."""

    def __init__(self, events: Iterator[RuntimeEvent], patience_s: float = 20) -> None:
        self.events: list[RuntimeEvent] = []
        self._patience_s = patience_s
        self._incoming: queue.SimpleQueue[RuntimeEvent] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._follow, args=(events,), daemon=True)
        self._thread.start()

    def _follow(self, events: Iterator[RuntimeEvent]) -> None:
        for event in events:
            self._incoming.put(event)

    def until(self, wanted: Callable[[RuntimeEvent], bool]) -> RuntimeEvent:
        while True:
            self.events.append(self._incoming.get(timeout=self._patience_s))
            if wanted(self.events[-1]):
                return self.events[-1]

    def finish(self) -> Finished:
        if not (self.events and isinstance(self.events[-1], Finished)):
            self.until(lambda event: isinstance(event, Finished))
        return ending(self.events)
