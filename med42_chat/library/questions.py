"""Questions that a person's own documents answer, made without a model: does a search find a passage again when other words are used?

Half of them are made of a passage's heading, half of a part of one of its sentences. Words that say nothing go. Of what is left, each word
that the lexicon knows another for is exchanged for that one, and of the rest every third is left out. Nobody talks like that, but a search
by words meets here what it meets with people: some of the words, others in the place of some, and some not at all.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from med42_chat.library.lexicon import lexicon
from med42_chat.library.words import stem, telling

_SENTENCES = re.compile(r"(?<=[.;!?])\s+|\n+")
_LEAST, _MOST = 3, 8  # words of a question; of a sentence a part of this length is taken
_LEFT_OUT = 3  # every third of those that are not exchanged


@dataclass(frozen=True, slots=True)
class Made:
    """A question, and the passages that it was made of: their ids, with 2 for the very one and 1 for others under its heading."""

    text: str
    grades: dict[str, int]


def question(headings: Sequence[str], text: str, number: int) -> str:
    """A question made of a passage, the same for the same `number`; '' where it says too little. `headings` begins with the title."""
    chance = random.Random(number)
    words = telling(" ".join(headings[-2:])) if number % 2 else _part(text, chance)
    if len(words) < _LEAST:
        return ""
    return " ".join(_otherwise(words, chance))


def _part(text: str, chance: random.Random) -> list[str]:
    """Some words in a row that say something, of a sentence that has enough of them."""
    sentences = [words for one in _SENTENCES.split(text) if len(words := telling(one)) >= _LEAST]
    if not sentences:
        return []
    words = chance.choice(sentences)
    start = chance.randrange(max(1, len(words) - _MOST + 1))
    return words[start : start + _MOST]


def _otherwise(words: Sequence[str], chance: random.Random) -> list[str]:
    said, kept = [], 0
    for word in words:
        if others := _others(word):
            said.append(chance.choice(others))
            continue
        kept += 1
        if kept % _LEFT_OUT:
            said.append(word)
    return said


def _others(word: str) -> list[str]:
    """What may be said in the place of a word, in a fixed order."""
    return sorted(other for other in lexicon().others.get(word, ()) if stem(other) != stem(word))
