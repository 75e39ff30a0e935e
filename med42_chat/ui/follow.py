"""What an open page has to be told, since it was last told: the changes of one conversation and of the model's state.

A page holds no truth. It opens the stream with the id of its conversation and hears first how things stand, then each
change: of a growing answer only the blocks that changed.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from med42_chat.errors import Med42Error, NotFound
from med42_chat.events import Prompted
from med42_chat.jobs import Job, JobState
from med42_chat.records import ContextUse, Conversation
from med42_chat.services import Services
from med42_chat.ui import findings, gauges, view
from med42_chat.ui.scope import LibraryWatch
from med42_chat.words import Words

Change = tuple[str, dict[str, object]]

_PARTS = ("live", "leftout", "mark")  # of an answer that is being written
_UNSEEN = "unseen"
_LOOK_EVERY = 8  # polls between two looks into the store for what other pages changed
_PACE_S = 1.0  # over which the speed of a running answer is measured: a number that changes more often cannot be read


@dataclass
class _Pace:
    """How fast a running answer is being written."""

    since: float = 0.0
    pieces: int = 0
    per_second: float = 0.0

    def take(self, pieces: int) -> float:
        """The speed, now that so many pieces have come; 0 while it is not known."""
        now = time.monotonic()
        if not self.since:
            self.since, self.pieces = now, pieces
        elif now - self.since >= _PACE_S:
            self.per_second = (pieces - self.pieces) / (now - self.since)
            self.since, self.pieces = now, pieces
        return self.per_second


@dataclass
class Follower:
    """One page's view of one conversation; `conversation_id` is empty on a page that has none yet.

    Not thread-safe: polled by one stream, one poll at a time.
    """

    services: Services
    words: Words
    conversation_id: str
    _job: Job | None = None
    _version: int = 0
    _blocks: list[str] = field(default_factory=list)
    _pace: _Pace = field(default_factory=_Pace)
    _told: dict[str, str] = field(default_factory=dict)
    _shown: tuple[str, str] | None = None  # the branch and the facts that the page knows of
    _polls: int = 0
    _meter_key: tuple[object, ...] = ()
    _head: Conversation | None = None
    _library: LibraryWatch = field(init=False)

    def __post_init__(self) -> None:
        self._library = LibraryWatch(self.services, self.words)

    def poll(self) -> list[Change]:
        """The changes since the last poll. Raises StoreError when the store cannot be read."""
        try:
            changes = [*self._conversation(), *self._answer()] if self.conversation_id else []
        except NotFound:
            return [("gone", {})]
        scope = self._library.scope(self._head)
        return [*changes, *([("scope", scope)] if scope else []), *self._live()]

    def _conversation(self) -> list[Change]:
        """Which branch is shown, and the facts: a page that shows others reads them anew."""
        self._polls += 1
        if self._job is None:
            self._job = self.services.jobs.running(self.conversation_id)
            if self._job:
                self._version, self._blocks, self._pace = 0, [], _Pace()
                return [*self._hello(), ("begin", view.begun(self.words, self._job.state()))]
        return [] if self._polls % _LOOK_EVERY != 1 else self._hello()

    def _hello(self) -> list[Change]:
        conversation = self._head = self.services.store.conversations.get(self.conversation_id)
        before, self._shown = self._shown, (conversation.leaf_id, conversation.pinned_facts)
        if before == self._shown:
            return []
        running = self._job.state().answer.id if self._job else None
        if before and running == conversation.leaf_id and before[1] == conversation.pinned_facts:
            return []  # a running answer's place is told by its own beginning
        return [("hello", {"leaf": conversation.leaf_id, "running": running, "facts": conversation.pinned_facts})]

    def _answer(self) -> list[Change]:
        if self._job is None:
            return []
        state = self._job.state()
        if state.version == self._version:
            return []
        self._version = state.version
        return self._end(state) if state.phase == "done" else self._growth(state)

    def _growth(self, state: JobState) -> list[Change]:
        blocks = view.blocks(self.words, view.growing(state.text), [source.number for source in state.sources])
        first = _first_difference(self._blocks, blocks)
        is_news = not self._blocks or first < max(len(blocks), len(self._blocks))
        self._blocks = blocks
        growth: list[Change] = [("blocks", {"message": state.answer.id, "from": first, "html": blocks[first:]})] if is_news else []
        return growth + self._parts(state)

    def _parts(self, state: JobState) -> list[Change]:
        model = self.services.status().model
        html = (
            gauges.progress(self.words, state, self._pace.take(state.pieces) if state.pieces else 0.0),
            view.left_out(self.words, state.prompted.left_out if state.prompted else ()),
            view.mark(self.words, model is not None and model.demonstration),
        )
        news = [(part, words) for part, words in zip(_PARTS, html, strict=True) if self._is_news(part, words)]
        parts: list[Change] = [("part", {"message": state.answer.id, "part": part, "html": words}) for part, words in news]
        return parts + self._unseen(state.prompted)

    def _unseen(self, prompted: Prompted | None) -> list[Change]:
        """The turns that the model does not see, once it is known: those that the page marked before may have been others."""
        ids = view.unseen(prompted.left_out) if prompted else []
        return [(_UNSEEN, {"ids": ids})] if prompted and self._is_news(_UNSEEN, " ".join(ids)) else []

    def _end(self, state: JobState) -> list[Change]:
        self._job, self._blocks = None, []
        for part in (*_PARTS, _UNSEEN):
            self._told.pop(part, None)
        problem = f"{state.answered.error} {state.answered.hint}".strip() if state.answered else ""
        conversation = self.services.store.conversations.get(self.conversation_id)
        html = view.answer(self.words, state.answer, problem, findings.offers(conversation))
        return [
            ("end", {"message": state.answer.id, "html": html, "status": state.answer.status}),
            ("live", {"name": "speed", "html": gauges.speed(self.words, state.answer.evidence)}),
        ]

    def _live(self) -> list[Change]:
        status = self.services.status()
        parts = {
            "state": gauges.state(self.words, status),
            "model": gauges.model(self.words, status.model),
            "fetching": gauges.fetching(self.words, self.services.models.works()),
            "adding": self._library.adding(),
            "trouble": gauges.trouble(status),
        }
        key = (status.model is not None, self._shown, self._job is not None, self._prompted())
        if key != self._meter_key:
            self._meter_key = key
            parts["meter"] = gauges.meter(self.words, self._use())
        return [("live", {"name": name, "html": html}) for name, html in parts.items() if self._is_news(name, html)]

    def _prompted(self) -> ContextUse | None:
        prompted = self._job.state().prompted if self._job else None
        return prompted.context if prompted else None

    def _use(self) -> ContextUse | None:
        if self._job is not None:
            return self._prompted()
        try:
            return self.services.meter(self.conversation_id)
        except Med42Error:  # a meter is no reason to trouble anybody: what is wrong is said where it matters
            return None

    def _is_news(self, name: str, html: str) -> bool:
        if self._told.get(name) == html:
            return False
        self._told[name] = html
        return True


def _first_difference(old: Sequence[str], new: Sequence[str]) -> int:
    """The index from which two lists differ; the shorter one's length if one begins the other."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((index for index, (before, after) in pairs if before != after), min(len(old), len(new)))
