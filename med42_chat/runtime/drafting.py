"""Guesses at how an answer goes on: one that quotes its sources says again what stands in its prompt. Pure logic.

The end of the text is looked for further up, and what followed there is the guess. It is computed in one decode with the token that is
certain, and the sampler confirms it token by token, or not. Several tokens in one decode cost more than one, by how much depends on the
computer and the model (`costs`); so no more are put in than will probably pay. How likely a guess comes true is learnt from the answer
itself, also while none is made: where nothing is copied, nothing is tried. All of it follows from the prompt, the answer so far and
`costs`, never from a clock, so the same request is always decoded in the same pieces.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from operator import mul

_LOOKED_AT = 16  # places where the last two tokens stand; in a long table of figures there may be hundreds
_LONGEST = 32  # tokens that a match is measured by: beyond it, longer is not surer
# How likely the next token is the guessed one, by how many before it agree (1, 2 to 3, 4 to 7, …), before anything is known of the answer;
# and how many observations that belief is worth. Older ones fade when there are so many.
_BELIEFS = (0.0, 0.1, 0.4, 0.8, 0.93, 0.97, 0.98)
_BELIEF, _WINDOW = 4.0, 64.0
_WORTH = 1.1  # times as many tokens in the same time must be expected: costs are measured in a moment, and on short texts


class Drafter:
    """The text of one answer, prompt included. `costs` is the time of a decode of so many tokens over that of one; empty: no guesses."""

    def __init__(self, prompt: Sequence[int], costs: Mapping[int, float]) -> None:
        self._costs = costs
        self._text = list(prompt)
        self._after: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)  # the places behind each pair of tokens
        self._at = -1  # the place of the guess at the next token; -1 for none
        self._matched = 0  # tokens before it that agree with the end of the text
        self._beliefs = [(belief * _BELIEF, _BELIEF) for belief in _BELIEFS]  # guesses that came true, and all
        if costs:
            for place, pair in enumerate(pairwise(self._text[:-1]), 2):
                self._after[pair].append(place)
            self._look()

    def take(self, token: int) -> None:
        """The next token of the answer."""
        if not self._costs:
            return
        self._judge(token)
        self._after[tuple(self._text[-2:])].append(len(self._text))
        self._text.append(token)
        if self._at < 0:
            self._look()

    def draft(self, most: int) -> list[int]:
        """The next tokens as far as guessing them will probably pay: at most `most`, and often none."""
        if self._at < 0 or most < 1:
            return []
        guessed = self._text[self._at : self._at + min(most, max(self._costs))]
        expected = self._expected(len(guessed))
        sizes = {min(size - 1, len(guessed)): cost for size, cost in sorted(self._costs.items(), reverse=True)}
        gain, length = max((expected[length] / cost, length) for length, cost in sizes.items())
        return guessed[:length] if gain >= _WORTH else []

    def _expected(self, count: int) -> list[float]:
        """Tokens that a decode will probably give with 0, 1, … `count` guesses: the certain one, and each with all before it true."""
        chances = (self._chance(self._matched + ahead) for ahead in range(count))
        return list(accumulate(accumulate(chances, mul), initial=1.0))

    def _chance(self, matched: int) -> float:
        true, all = self._beliefs[_kind(matched)]
        return true / all

    def _judge(self, token: int) -> None:
        """Learns whether the guess was right, and goes on with it or gives it up."""
        if self._at < 0:
            return
        right = self._text[self._at] == token
        true, all = self._beliefs[_kind(self._matched)]
        fade = 0.5 if all >= _WINDOW else 1.0
        self._beliefs[_kind(self._matched)] = (true * fade + right, all * fade + 1)
        self._at, self._matched = (self._at + 1, self._matched + 1) if right else (-1, 0)

    def _look(self) -> None:
        """Finds the place behind the longest stretch that agrees with the end of the text, the latest of several."""
        places = self._after.get(tuple(self._text[-2:]), [])[-_LOOKED_AT:]
        self._matched, self._at = max(((self._agreeing(place), place) for place in places), default=(0, -1))

    def _agreeing(self, place: int) -> int:
        """How many tokens before `place` are those at the end of the text."""
        pairs = zip(reversed(self._text[max(place - _LONGEST, 0) : place]), reversed(self._text[-_LONGEST:]), strict=False)
        return next((length for length, (one, other) in enumerate(pairs) if one != other), min(place, _LONGEST))


def _kind(matched: int) -> int:
    return min(matched.bit_length(), len(_BELIEFS) - 1)
