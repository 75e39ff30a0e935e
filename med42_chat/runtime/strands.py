"""What the KV cache holds, and where a new prompt goes: which of it is used again, and what has to leave for it. Pure logic.

What was read and written for a conversation is handed to a keeper when its place is given to another, before the program ends, and in
between when nothing else is to be done: a small one at once, a large one after the longer a rest, so that not every answer writes half a
gigabyte. A prompt that shares more with what the keeper has than with anything here begins from that, as soon as it has come.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from med42_chat.errors import RuntimeFailure
from med42_chat.runtime.context import Context, Fetch, Keeper, Part

_WORTH_COPYING = 32  # tokens: a copy moves all the room of a sequence, which takes about as long as reading a few tokens
_WORTH_KEEPING = 32  # tokens more than the keeper has, or than are cached
_BYTES_PER_IDLE_S = 4 << 20  # of a second in which a sequence rests: what keeping it may write


class Strand:
    """One sequence of the cache: the tokens that it holds, and how many of them may be used again."""

    def __init__(self, number: int, context: Context) -> None:
        self.tokens: list[int] = []
        self.alike = 0  # how many of them, from the start, any other way of reading would give too
        self.guesses: list[int] = []  # what stands behind `tokens` in the context, until it is known whether it is right
        self.again: list[int] = []  # the end of the last answer, to be read again when there is time
        self.taken = False  # an answer is being made in it
        self.left = 0  # the higher, the later it was left
        self.left_at = 0.0
        self.conversation = ""  # for which it was read and written; empty where nothing of it is to be kept
        self.kept = 0  # how many of its tokens, from the start, the keeper has
        self._number = number
        self._context = context

    def part(self, tokens: Sequence[int], guessed: int = 0) -> Part:
        """`tokens` as the next of this sequence, for a decode; the last `guessed` are guesses."""
        return Part(self._number, len(self.tokens), tokens, guessed)

    def add(self, tokens: Sequence[int], guessed: int = 0) -> None:
        """They have been decoded. The last `guessed` wait to be confirmed."""
        known = len(tokens) - guessed
        if len(self.tokens) == self.alike and known >= self._context.least:
            self.alike += self._whole(known)
        self.tokens += tokens[:known]
        self.guesses += tokens[known:]

    def confirm(self, token: int) -> bool:
        """Whether the next guess is `token`, which is then held like any other. If not, all guesses are wrong, and forgotten."""
        if self.guesses[:1] != [token]:
            self._give_up_guesses()
            return False
        if len(self.tokens) == self.alike and self._context.least == 1:
            self.alike += 1
        self.tokens.append(self.guesses.pop(0))
        return True

    def leave(self, turn: int, now: float) -> None:
        """The answer in it has ended, as the `turn`th."""
        self._give_up_guesses()
        self.taken, self.left, self.left_at = False, turn, now
        self.again = self.tokens[self.alike :]

    def reusable(self, prompt: Sequence[int]) -> int:
        """How many tokens of `prompt` need not be read because they stand here.

        The last `least` are read again even when all are known: sampling needs logits, and alike ones.
        """
        most = min(self.alike, len(prompt) - self._context.least)
        return self._whole(min(_common_prefix(self.tokens, prompt), most)) if most > 0 else 0

    def begin(self, source: "Strand", length: int) -> None:
        """Holds the first `length` tokens of `source` from now on, which may be this one, and nothing else."""
        self.again.clear()
        if source is self or not length:
            self.shorten(length)
            return
        self.tokens, self.alike, self.kept = [], 0, 0
        self._context.copy(source._number, self._number, length)
        self.tokens, self.alike = source.tokens[:length], length

    def shorten(self, length: int) -> None:
        """Forgets what is behind the first `length` tokens."""
        if length < len(self.tokens):
            self._context.forget(self._number, length)
            del self.tokens[length:]
            self.alike, self.kept = min(self.alike, length), min(self.kept, length)

    def clear(self) -> None:
        """Forgets everything, also what a failed decode may have left."""
        self._context.forget(self._number, 0)
        self.tokens, self.guesses, self.again, self.alike, self.kept = [], [], [], 0, 0

    @property
    def size(self) -> int:
        """Bytes that a keeper is asked to take."""
        return self._context.state_size(self._number)

    def state(self) -> bytearray:
        """What a keeper takes: of the tokens that may be used again, and no others. Raises RuntimeFailure where there is no such thing."""
        self.shorten(self.alike)
        return self._context.state(self._number)

    def restore(self, tokens: Sequence[int], state: bytearray) -> None:
        """Holds what was kept, and nothing else. Raises RuntimeFailure, and holds nothing then."""
        self.clear()
        try:
            self._context.restore(self._number, state)
        except RuntimeFailure:
            self.clear()
            raise
        self.tokens, self.alike, self.kept = list(tokens), len(tokens), len(tokens)

    def _give_up_guesses(self) -> None:
        if self.guesses:
            self._context.forget(self._number, len(self.tokens))
            self.guesses.clear()

    def _whole(self, count: int) -> int:
        return count // self._context.grain * self._context.grain


class Start(NamedTuple):
    """How an answer begins: `cached` tokens of its prompt stand in its sequence, of which `restored` came from the keeper."""

    cached: int
    restored: int


class Strands:
    """All sequences of a context."""

    def __init__(self, context: Context, keeper: Keeper | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._all = [Strand(number, context) for number in range(context.sequences)]
        self._least = context.least
        self._leavings = 0
        self._keeper = keeper
        self._clock = clock

    @property
    def free(self) -> list[Strand]:
        """Those in which no answer is being made; the one that was left longest ago first."""
        return sorted((one for one in self._all if not one.taken), key=lambda one: one.left)

    @property
    def unread(self) -> Strand | None:
        """One with something to read again."""
        return next((one for one in self._all if one.again), None)

    def take(self, prompt: Sequence[int], conversation: str) -> tuple[Strand, Fetch | None]:
        """The sequence in which an answer to `prompt` is to be made, and what is to come from the keeper first. One must be free."""
        strand, _, cached = self.find(prompt)
        if strand.conversation != conversation:
            self._keep(strand)
            strand.conversation, strand.kept = "", 0  # it holds another's still, which must not be kept as this one's
        strand.taken = True
        return strand, self._fetch(prompt, conversation, cached)

    def begin(self, strand: Strand, prompt: Sequence[int], conversation: str, fetch: Fetch | None) -> Start:
        """Puts all of the prompt that need not be read into a sequence that was taken, once what was fetched is there."""
        restored = self._restore(strand, prompt, conversation, fetch) if fetch else 0
        source, cached = (strand, restored) if restored else self._source(strand, prompt)
        self._begin(strand, source, cached)
        self._own(strand, conversation)
        return Start(len(strand.tokens), min(restored, len(strand.tokens)))

    def find(self, prompt: Sequence[int]) -> tuple[Strand, Strand, int]:
        """A free one for `prompt`, one to begin it from, and with how many tokens. One must be free.

        A prompt that shares most of what stands in a free one goes on there. Else the one that was left longest ago is given up,
        and takes a copy of what is shared: another conversation's cache is not lost for a system prompt.
        """
        free = self.free
        source = max(self._all, key=lambda one: (one.reusable(prompt), not one.taken))
        length = source.reusable(prompt)
        if not source.taken and (source is free[0] or 2 * length > len(source.tokens)):
            return source, source, length
        return free[0], source, length if length >= _WORTH_COPYING else 0

    def _source(self, strand: Strand, prompt: Sequence[int]) -> tuple[Strand, int]:
        """The one to begin an answer from that is made in `strand`, as things stand now, and with how many tokens."""
        source = max(self._all, key=lambda one: (one.reusable(prompt), one is strand))
        length = source.reusable(prompt)
        return source, length if source is strand or length >= _WORTH_COPYING else 0

    def leave(self, strand: Strand) -> None:
        """The answer in it has ended."""
        self._leavings += 1
        strand.leave(self._leavings, self._clock())

    def forget(self, conversation: str) -> None:
        """Nothing of what was read for it until now is kept, here or by the keeper."""
        if self._keeper is not None:
            self._keeper.drop(conversation)
        for strand in self._all:
            if conversation and strand.conversation == conversation:
                strand.conversation = ""
                if not strand.taken:
                    strand.clear()

    def pause(self) -> float | None:
        """Seconds until there is something to keep, if nobody asks anything meanwhile; None where there is nothing."""
        return min((max(0.0, self._due(strand)) for strand in self.free if self._is_worth_keeping(strand)), default=None)

    def keep_due(self) -> None:
        """Keeps what has rested long enough for its size."""
        for strand in self.free:
            if self._is_worth_keeping(strand) and self._due(strand) <= 0:
                self._keep(strand)

    def keep_next(self) -> bool:
        """Keeps the one that was left last of those that are worth it; False where there is none."""
        strand = next((one for one in reversed(self.free) if self._is_worth_keeping(one)), None)
        if strand is not None:
            self._keep(strand)
        return strand is not None

    def _is_worth_keeping(self, strand: Strand) -> bool:
        return self._keeper is not None and bool(strand.conversation) and strand.alike >= strand.kept + _WORTH_KEEPING

    def _due(self, strand: Strand) -> float:
        """Seconds until it has rested long enough."""
        return strand.left_at + strand.size / _BYTES_PER_IDLE_S - self._clock()

    def _keep(self, strand: Strand) -> None:
        if self._keeper is None or not self._is_worth_keeping(strand):
            return
        try:
            if self._keeper.wants(strand.size):
                state = strand.state()
                self._keeper.keep(strand.conversation, tuple(strand.tokens), state, self._clock() - strand.left_at)
        except RuntimeFailure:  # this model's kind of memory cannot be cut, or not be given out
            pass
        strand.kept = strand.alike  # also where it was not wanted: it is not offered again and again

    def _fetch(self, prompt: Sequence[int], conversation: str, cached: int) -> Fetch | None:
        """What the keeper has, where that is clearly more than is cached."""
        if self._keeper is None or not conversation:
            return None
        tokens = self._keeper.tokens(conversation)
        worth = min(_common_prefix(tokens, prompt), len(prompt) - self._least) >= cached + _WORTH_KEEPING
        return self._keeper.fetch(conversation) if worth else None

    def _restore(self, strand: Strand, prompt: Sequence[int], conversation: str, fetch: Fetch) -> int:
        """Puts what has come from the keeper into a sequence. How many tokens of `prompt` that gives."""
        if (kept := fetch.take()) is None:
            return 0
        try:
            strand.restore(*kept)
        except RuntimeFailure:
            if self._keeper is not None:
                self._keeper.drop(conversation)
            return 0
        return strand.reusable(prompt)

    def _begin(self, strand: Strand, source: Strand, length: int) -> None:
        try:
            strand.begin(source, length)
        except RuntimeFailure:  # this model's kind of memory holds a whole text or none: all of it is read
            strand.clear()

    def _own(self, strand: Strand, conversation: str) -> None:
        """The one sequence of this conversation from here on: what another still holds of it is not kept."""
        for one in self._all:
            if one.conversation == conversation:
                one.conversation = ""
        strand.conversation, strand.taken = conversation, True


def _common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """How many items `left` and `right` begin with in common."""
    length = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        length += 1
    return length
