"""What the scheduler drives: a model's context with room for several sequences of tokens. Knows nothing of llama.cpp."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from med42_chat.runtime.protocol import Request


class Part(NamedTuple):
    """What one sequence has in a decode: `tokens`, from `position` on. The last `guessed` of them are not known to be right.

    What follows a token that the next one is a guess at can be sampled too. Each place that can be is numbered, over all parts, from 0.
    """

    sequence: int
    position: int
    tokens: Sequence[int]
    guessed: int = 0


class Sampler(Protocol):
    """Chooses tokens for one answer."""

    def sample(self, place: int) -> int:
        """The next token at `place` of the last decode. It counts as written from then on, and that cannot be taken back."""
        ...

    def close(self) -> None:
        """Gives its memory back."""
        ...


class Context(Protocol):
    """Sequences of tokens with a model behind them. They don't see one another."""

    sequences: int  # how many; they are numbered from 0
    size: int  # tokens that each can hold
    batch: int  # tokens that one decode takes
    beside: int  # tokens of a prompt that are read at once while others wait for their next token; at most `batch`
    stop_ids: frozenset[int]
    # Tokens come out alike in all pieces of at least `least` tokens, but for the last `len(piece) % grain`. Both are 1 where
    # that is so, or not to be had, for pieces of any length.
    grain: int
    least: int
    costs: Mapping[int, float]  # the time of a decode of so many tokens of one sequence over that of one; empty: no guesses are worth it

    def decode(self, parts: Sequence[Part]) -> bool:
        """Adds every part to its sequence. False when it was interrupted and nothing of any was kept. Raises RuntimeFailure."""
        ...

    def forget(self, sequence: int, position: int) -> None:
        """Removes everything of a sequence from `position` on. Raises RuntimeFailure where the model's kind cannot."""
        ...

    def copy(self, source: int, target: int, length: int) -> None:
        """Puts the first `length` tokens of one sequence in the place of all that another held. Raises like `forget`."""
        ...

    def state_size(self, sequence: int) -> int:
        """Bytes that `state` gives."""
        ...

    def state(self, sequence: int) -> bytearray:
        """All that a sequence holds, for `restore`. Raises RuntimeFailure where there is no such thing."""
        ...

    def restore(self, sequence: int, state: bytearray) -> None:
        """Puts what a sequence once held in the place of all that this one holds. Raises RuntimeFailure where it does not fit."""
        ...

    def sampler(self, request: Request) -> Sampler:
        """A sampler for one answer. Raises RuntimeFailure where the request's grammar cannot be read."""
        ...

    def log_probability(self, place: int, token: int) -> float:
        """How likely the model itself held `token` at `place` of the last decode: a natural logarithm."""
        ...

    def piece(self, token: int) -> bytes:
        """The bytes that a token writes, perhaps half a character."""
        ...


class Fetch(Protocol):
    """What a keeper has of a conversation, on its way back. For one thread."""

    @property
    def done(self) -> bool:
        """Whether `take` gives what there is; else it is still being read."""
        ...

    @property
    def progress(self) -> float:
        """How much of it has been read, 0 to 1."""
        ...

    def take(self) -> tuple[Sequence[int], bytearray] | None:
        """Tokens, and the state behind them, once; None where that is spoilt, gone or cancelled."""
        ...

    def cancel(self) -> None:
        """Ends the reading: nobody waits for it any more."""
        ...


class Keeper(Protocol):
    """Keeps what a sequence held for a conversation, beyond the context's life."""

    def tokens(self, conversation: str) -> Sequence[int]:
        """What it has of a conversation, which may be nothing."""
        ...

    def fetch(self, conversation: str) -> Fetch:
        """Begins to read what it has of a conversation, and does not wait for it."""
        ...

    def drop(self, conversation: str) -> None:
        """Removes what it has."""
        ...

    def wants(self, size: int) -> bool:
        """Whether it takes a state of so many bytes now."""
        ...

    def keep(self, conversation: str, tokens: Sequence[int], state: bytearray, age_s: float) -> None:
        """Takes a state in the place of what it has. It was last used so long ago."""
        ...
