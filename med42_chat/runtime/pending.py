"""A request between `generate` and its last event, as this side of the pipe knows it."""

import queue
import time
from dataclasses import dataclass, field, replace
from typing import Literal

from med42_chat.records import Timings, Usage
from med42_chat.runtime.process import Process
from med42_chat.runtime.protocol import Finished, Prefill, Queued, Request, RuntimeEvent, Text
from med42_chat.runtime.wire import Happened


@dataclass(slots=True, eq=False)
class Pending:
    """One request. Its events wait in a queue without an end, so that nobody's slowness reaches the process."""

    request: Request
    events: "queue.SimpleQueue[RuntimeEvent]" = field(default_factory=queue.SimpleQueue)
    arrived: float = field(default_factory=time.monotonic)
    process: Process | None = None  # where it was sent
    tries: int = 0  # processes that it was sent to
    fetching: bool = False  # what is kept of its conversation is being read back, and put into the model's memory
    started: bool = False  # the model has begun with it
    read: bool = False  # all of its prompt: the answer is being written
    cancelled: float = 0.0  # when it was asked to stop, 0 where it was not
    cached: int = 0
    completed: int = 0
    first_text: float = 0.0
    last_text: float = 0.0

    def sent_to(self, process: Process | None) -> None:
        """It is this process's from now on, or nobody's."""
        self.process, self.fetching = process, False
        self.tries += process is not None

    def forget(self, conversation: str) -> None:
        """What is read and written for it from now on is not kept, if it belongs to this conversation."""
        if self.request.conversation == conversation:
            self.request = replace(self.request, conversation="")

    def take(self, happened: Happened) -> None:
        """Passes an event on, and remembers what would be lost with the process."""
        event, now = happened.event, time.monotonic()
        self.fetching = isinstance(event, Queued) and event.reason == "fetching"
        if isinstance(event, Prefill) and not self.started:
            self.started, self.cached = True, event.done
        self.read |= isinstance(event, Prefill) and event.done >= event.total
        if isinstance(event, Text):
            self.completed, self.last_text = happened.completed, now
            self.first_text = self.first_text or now
        self.events.put(event)

    def end(self, reason: Literal["cancelled", "died", "failed"], detail: str = "", hint: str = "") -> None:
        """Ends it from this side, with what is known of it."""
        usage = Usage(len(self.request.prompt), self.cached, self.completed)
        elapsed = self.last_text - self.first_text
        speed = (self.completed - 1) / elapsed if elapsed > 0 else 0.0
        timings = Timings(self.first_text - self.arrived, speed) if self.completed else Timings()
        self.events.put(Finished(reason, usage, timings, detail, hint=hint))
