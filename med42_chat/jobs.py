"""Answers that run on the server's side. Any number of pages look at a job's state; none of them owns it.

A page that reloads, a second tab and a closed tab change nothing here: each reads the newest `JobState`, which always
holds the whole answer so far.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from med42_chat.chat import Chat
from med42_chat.errors import InputError, places
from med42_chat.events import Answered, Asked, Delta, Event, Prompted, Reading, Sources, Waiting
from med42_chat.records import Attachment, Message, Parent, Source

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobState:
    """All that a page shows of a running answer. `version` grows with every change; `answered` is set when `phase` is 'done'."""

    version: int
    question: Message
    answer: Message
    phase: Literal["waiting", "reading", "writing", "done"] = "waiting"
    waiting: Waiting | None = None
    reading: Reading | None = None
    prompted: Prompted | None = None
    sources: tuple[Source, ...] = ()
    text: str = ""
    pieces: int = 0  # that the text came in: nearly one for each token
    answered: Answered | None = None


Begin = Callable[[threading.Event], Iterator[Event]]


class Job:
    """One answer under way in a thread of its own."""

    def __init__(self, chat: Chat, conversation_id: str, begin: Begin) -> None:
        """Returns when the question is stored; raises what `Chat.ask` raises before that."""
        self.conversation_id = conversation_id
        self._chat = chat
        self._stop = threading.Event()
        events = begin(self._stop)
        asked = next(events)
        assert isinstance(asked, Asked)
        self._state = JobState(1, asked.question, asked.answer, text=asked.answer.text)
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, args=(events,), name="answer", daemon=True)
        self._thread.start()

    def state(self) -> JobState:
        """The newest snapshot; never blocks."""
        return self._state

    def wait(self, after: int, timeout_s: float) -> JobState:
        """The newest snapshot, as soon as its version is above `after` or time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self._state.version > after, timeout_s)
        return self._state

    def stop(self) -> None:
        """Ends the answer within a second; what came is kept."""
        self._stop.set()
        self._chat.runtime.cancel(self._state.answer.id)

    def join(self, timeout_s: float) -> None:
        """Waits until the answer is stored, or time is up."""
        self._thread.join(timeout_s)

    def _run(self, events: Iterator[Event]) -> None:
        try:
            for event in events:
                self._take(after(self._state, event))
        except Exception as error:  # noqa: BLE001
            # The edge: a fault of ours must end as a marked answer, not as a page that waits for ever.
            _log.error("an answer ended in a fault of the program: %s", places(error))
            message = replace(self._state.answer, text=self._state.text, status="failed")
            told = Answered(message, "The program made a mistake.", "What was written so far is kept. Ask again.")
            self._take(after(self._state, told))

    def _take(self, state: JobState) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()


def after(state: JobState, event: Event) -> JobState:
    """The state once `event` has happened. Pure."""
    state = replace(state, version=state.version + 1)
    match event:
        case Waiting():
            return replace(state, phase="waiting", waiting=event)
        case Prompted():
            return replace(state, prompted=event)
        case Sources(sources):
            return replace(state, sources=sources)
        case Reading():
            return replace(state, phase="reading", reading=event)
        case Delta(text):
            return replace(state, phase="writing", text=state.text + text, pieces=state.pieces + 1)
        case Answered(message):
            return replace(state, phase="done", answer=message, text=message.text, answered=event)
        case Asked(question, answer):
            return replace(state, question=question, answer=answer)


class Jobs:
    """The answers under way, one for a conversation at most."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._beginning = threading.Lock()  # taken before the other
        self._open = threading.Event()
        self._open.set()

    def start(
        self,
        conversation_id: str,
        question: str,
        *,
        parent: str | Parent | None = Parent.LEAF,
        attachments: Sequence[Attachment] = (),
        library: bool = True,
    ) -> Job:
        """Starts an answer, by default as its conversation uses the library.

        Raises InputError while the last one is still being written, and what `Chat.ask` raises at once.
        """

        def begin(chat: Chat, stop: threading.Event) -> Iterator[Event]:
            return chat.ask(conversation_id, question, stop, parent=parent, attachments=attachments, library=library)

        return self._begin(conversation_id, begin)

    def again(self, conversation_id: str, question_id: str, keep: str = "", *, memory: bool = False) -> Job:
        """Starts a further answer to a question, one that goes on from the words `keep`, or with `memory` the model's own. Raises like
        `start`."""
        return self._begin(conversation_id, lambda chat, stop: chat.again(conversation_id, question_id, stop, keep, memory=memory))

    def _begin(self, conversation_id: str, begin: Callable[[Chat, threading.Event], Iterator[Event]]) -> Job:
        self._open.wait()
        with self._beginning, self._lock:
            if self._is_running(conversation_id):
                raise InputError("The last answer is still being written.", "Wait for it, or stop it; your text stays where it is.")
            self._jobs[conversation_id] = job = Job(self._chat, conversation_id, partial(begin, self._chat))
            return job

    def shut(self) -> None:
        """Lets answers begin only after `reopen`, so that those under way come to an end however many people ask."""
        self._open.clear()

    def reopen(self) -> None:
        """Lets answers begin again."""
        self._open.set()

    @contextmanager
    def held(self) -> Iterator[bool]:
        """For changing the chat: an answer that would begin meanwhile waits, and is then the new one's. Gives whether one is under way."""
        with self._beginning:
            yield self.any_running()

    def running(self, conversation_id: str) -> Job | None:
        """The job that is answering in this conversation, if any."""
        with self._lock:
            return self._jobs[conversation_id] if self._is_running(conversation_id) else None

    def any_running(self) -> bool:
        """Whether an answer is being written in any conversation."""
        with self._lock:
            return any(self._is_running(id) for id in list(self._jobs))

    def turn_to(self, chat: Chat) -> None:
        """Answers that begin from now on are this chat's; those under way stay with the one they began with."""
        self._chat = chat

    def stop(self, conversation_id: str) -> None:
        """Stops the answer in this conversation, if one is running."""
        if job := self.running(conversation_id):
            job.stop()

    def close(self, timeout_s: float = 3.0) -> None:
        """Stops everything and waits until what came is stored."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.stop()
        for job in jobs:
            job.join(timeout_s)

    def _is_running(self, conversation_id: str) -> bool:
        job = self._jobs.get(conversation_id)
        if job is not None and job.state().phase == "done":
            del self._jobs[conversation_id]
            return False
        return job is not None
