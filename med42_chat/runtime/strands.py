"""What the KV cache holds, and where a new prompt goes: which of it is used again, and what has to leave for it. Pure logic."""

from collections.abc import Sequence

from med42_chat.runtime.context import Context, Part

_WORTH_COPYING = 32  # tokens: a copy moves all the room of a sequence, which takes about as long as reading a few tokens


class Strand:
    """One sequence of the cache: the tokens that it holds, and how many of them may be used again."""

    def __init__(self, number: int, context: Context) -> None:
        self.tokens: list[int] = []
        self.alike = 0  # how many of them, from the start, any other way of reading would give too
        self.again: list[int] = []  # the end of the last answer, to be read again when there is time
        self.taken = False  # an answer is being made in it
        self.left = 0  # the higher, the later it was left
        self._number = number
        self._context = context

    def part(self, tokens: Sequence[int]) -> Part:
        """`tokens` as the next of this sequence, for a decode."""
        return Part(self._number, len(self.tokens), tokens)

    def add(self, tokens: Sequence[int]) -> None:
        """They have been decoded."""
        if len(self.tokens) == self.alike and len(tokens) >= self._context.least:
            self.alike += self._whole(len(tokens))
        self.tokens += tokens

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
        self.tokens, self.alike = [], 0
        self._context.copy(source._number, self._number, length)
        self.tokens, self.alike = source.tokens[:length], length

    def shorten(self, length: int) -> None:
        """Forgets what is behind the first `length` tokens."""
        if length < len(self.tokens):
            self._context.forget(self._number, length)
            del self.tokens[length:]
            self.alike = min(self.alike, length)

    def clear(self) -> None:
        """Forgets everything, also what a failed decode may have left."""
        self._context.forget(self._number, 0)
        self.tokens, self.again, self.alike = [], [], 0

    def _whole(self, count: int) -> int:
        return count // self._context.grain * self._context.grain


class Strands:
    """All sequences of a context."""

    def __init__(self, context: Context) -> None:
        self._all = [Strand(number, context) for number in range(context.sequences)]
        self._leavings = 0

    @property
    def free(self) -> list[Strand]:
        """Those in which no answer is being made; the one that was left longest ago first."""
        return sorted((one for one in self._all if not one.taken), key=lambda one: one.left)

    @property
    def unread(self) -> Strand | None:
        """One with something to read again."""
        return next((one for one in self._all if one.again), None)

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

    def leave(self, strand: Strand) -> None:
        """The answer in it has ended."""
        self._leavings += 1
        strand.taken, strand.left = False, self._leavings
        strand.again = strand.tokens[strand.alike :]


def _common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """How many items `left` and `right` begin with in common."""
    length = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        length += 1
    return length
