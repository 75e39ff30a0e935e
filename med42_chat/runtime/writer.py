"""The tokens of one answer as they come, and the text that they make. Pure logic."""

import codecs
import math
from dataclasses import dataclass, field

from med42_chat.runtime.context import Sampler
from med42_chat.runtime.drafting import Drafter

_TEXT_PAUSE_S = 0.025  # text is gathered this long: an event per token would cost the decoding more than it shows anyone


@dataclass(slots=True)
class Writer:
    """One answer in the making."""

    sampler: Sampler
    drafter: Drafter
    token: int = -1  # chosen, and not yet in the context
    completed: int = 0
    guessed: int = 0  # of them, those that were computed as a guess
    first_at: float = 0.0
    last_at: float = 0.0
    _said_at: float = -math.inf
    _held: str = ""
    # Holds back the bytes of a character whose rest has not come; what never comes whole is shown as U+FFFD.
    _characters: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))

    def take(self, token: int, piece: bytes, now: float) -> str:
        """Adds a token; gives the text that is due now, which may be none."""
        self.token = token
        self.drafter.take(token)
        self.completed += 1
        self.first_at = self.first_at if self.completed > 1 else now
        self.last_at = now
        self._held += self._characters.decode(piece)
        return self._say(now) if now - self._said_at >= _TEXT_PAUSE_S else ""

    def rest(self) -> str:
        """What has not been said, for good."""
        self._held += self._characters.decode(b"", final=True)
        return self._say(self.last_at)

    def speed(self) -> float:
        """Tokens per second after the first."""
        elapsed = self.last_at - self.first_at
        return (self.completed - 1) / elapsed if elapsed > 0 else 0.0

    def _say(self, now: float) -> str:
        text, self._held = self._held, ""
        self._said_at = now if text else self._said_at
        return text
