"""Whether two sentences on the same thing say the opposite: negations, and words such as 'before' and 'after'. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from med42_chat.checks.english import (
    CONTRASTS,
    ENDS_AFTER,
    ENDS_BEFORE,
    HARMLESS,
    NEGATING_BEGINNINGS,
    NEGATIONS,
    OPPOSITE_BEGINNINGS,
    STOP,
)

_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|[<>≤≥,;:.()]")
# A negation is about the words near it, as far as the clause goes.
_REACH = 4
_FAR = 20  # words that are looked at for these


@dataclass(frozen=True, slots=True)
class Wording:
    """A sentence's words: `words` as often as they are written, `stems` of those that carry meaning, for each negation what it is about."""

    words: Counter[str]
    stems: frozenset[str]
    negations: tuple[tuple[str, frozenset[str]], ...]


def wording(text: str) -> Wording:
    """Reads a sentence, in which figures have been left out: they are compared for themselves."""
    tokens = _TOKEN.findall(HARMLESS.sub(" ", text.replace("’", "'")).casefold().replace("i.v.", "iv").replace("i.m.", "im"))
    words = Counter(tokens)
    return Wording(words, frozenset(_stems(list(words))), tuple(_negations(tokens)))


def contradiction(said: Wording, source: Wording, close: bool) -> tuple[str, str] | None:
    """What one has and the other has against it, as two words of which one may be empty; None for no contradiction.

    `close` sentences say nearly the same, and then every negation of one has to have its counterpart in the other.
    """
    shared = said.stems & source.stems
    here, there = ([word for word, about in one.negations if about & shared] for one in (said, source))
    if (bool(here) != bool(there)) or (close and len(here) != len(there)):
        return (_extra(here, there), "") if len(here) > len(there) else ("", _extra(there, here))
    ours, theirs = set(said.words), set(source.words)
    turned = _turned(said.words, source.words) if close else None
    return turned or _contrast(ours, theirs) or _prefixed(ours - theirs, theirs - ours)


def _extra(more: list[str], fewer: list[str]) -> str:
    return next((word for word in more if word not in fewer), more[0])


def negated(text: str) -> str:
    """The last negation of a few words, '' for none."""
    tokens = _TOKEN.findall(HARMLESS.sub(" ", text.replace("’", "'")).casefold())
    ends = [index for index, token in enumerate(tokens) if token in ENDS_AFTER]
    return next((token for token in reversed(tokens[ends[-1] + 1 if ends else 0 :]) if _is_negation(token)), "")


def _is_negation(token: str) -> bool:
    return token in NEGATIONS or token.endswith("n't")


def _negations(tokens: Sequence[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for index, token in enumerate(tokens):
        if _is_negation(token):
            following, before = (
                _near(tokens[index + 1 : index + _FAR], ENDS_AFTER),
                _near(tokens[max(0, index - _FAR) : index][::-1], ENDS_BEFORE),
            )
            yield token, frozenset(following + before)


def _near(tokens: Sequence[str], ends: frozenset[str]) -> list[str]:
    """The stems of the first few meaning words, up to the end of the clause."""
    clause: list[str] = []
    for token in tokens:
        if token in ends or len(clause) == _REACH:
            break
        clause += _stems([token])
    return clause


def _stems(words: Sequence[str]) -> list[str]:
    return [stem(word) for word in words if len(word) > 1 and word not in STOP and not word.endswith("n't")]


def stem(word: str) -> str:
    """Enough for 'measured', 'measure' and 'measurement' to meet; no word of a language."""
    for ending in ("ations", "ation", "ments", "ment", "ings", "ing", "edly", "ed", "en", "es", "ly", "s", "e"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            word = word.removesuffix(ending)
            break
    return word[:-1] if word[-2:-1] == word[-1] else word  # 'stopped', 'stop'


def _turned(said: Counter[str], source: Counter[str]) -> tuple[str, str] | None:
    """'24 hours before … and 48 hours after' beside '… before … and … before': more of a word here, and less of its opposite."""
    for groups in CONTRASTS:
        more = [group for group in groups if _often(said, group) > _often(source, group)]
        less = [group for group in groups if _often(said, group) < _often(source, group)]
        if more and less:
            return min(word for word in more[0] if said[word] > source[word]), min(word for word in less[0] if source[word] > said[word])
    return None


def _often(words: Counter[str], group: frozenset[str]) -> int:
    return sum(words[word] for word in group)


def _contrast(said: set[str], source: set[str]) -> tuple[str, str] | None:
    for groups in CONTRASTS:
        ours = [group for group in groups if group & said]
        theirs = [group for group in groups if group & source]
        if ours and theirs and not any(group in theirs for group in ours):
            return min(ours[0] & said), min(theirs[0] & source)
    return None


def _prefixed(said: set[str], source: set[str]) -> tuple[str, str] | None:
    """'hypokalaemia' beside 'hyperkalaemia', 'stable' beside 'unstable'."""
    for word in sorted(said):
        for opposite in _opposites(word):
            if opposite in source:
                return word, opposite
    return None


def _opposites(word: str) -> Iterator[str]:
    for one, other in (*OPPOSITE_BEGINNINGS, *[pair[::-1] for pair in OPPOSITE_BEGINNINGS]):
        if word.startswith(one):
            yield other + word.removeprefix(one)
    for prefix in NEGATING_BEGINNINGS:
        if len(word) > 4:
            yield prefix + word
        if word.startswith(prefix) and len(word) > len(prefix) + 4:
            yield word.removeprefix(prefix)
