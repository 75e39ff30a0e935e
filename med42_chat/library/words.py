"""The words of a question or a passage, as they are compared: by their stems. Pure."""

import re
import unicodedata
from functools import cache, lru_cache

from med42_chat.library.english import CLASSES, EMPTY, KINDS, SAME, WEAK

_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W_]+")
_ENDED = re.compile(r"(?:n['’]t|['’](?:s|d|m|ll|re|ve))\b")
_ENDINGS = ("ations", "ation", "ments", "ment", "ings", "ing", "edly", "ies", "ied", "ed", "en", "es", "ly", "s", "e", "y")


def words(text: str) -> list[str]:
    """Letters and digits in the order written, in small letters; a decimal number is one word; no 's, no n't."""
    return _WORD.findall(_ENDED.sub("", unicodedata.normalize("NFKC", text).casefold()))


def telling(text: str) -> list[str]:
    """The words that say what a text is about, each once: no question words, no courtesies."""
    return [word for word in dict.fromkeys(words(text)) if word not in EMPTY]


def weak(word: str) -> bool:
    """Whether a word only says what is asked about something, and may well be put otherwise in a document."""
    return word in WEAK


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Enough for 'measured', 'measure' and 'measurement' to meet; no word of a language."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending) + 2:
            word = word.removesuffix(ending)
            break
    return word[:-1] if len(word) > 3 and word[-2] == word[-1] else word  # 'stopped', 'stop'


def stems(text: str) -> frozenset[str]:
    """The stems of all words."""
    return frozenset(map(stem, words(text)))


@cache
def alike(word: str) -> frozenset[str]:
    """The stems of the words that say the same, its own among them, and for a kind of medicine of those of that kind."""
    own = stem(word)
    groups = [group for group in map(_stems, SAME) if own in group] + [_stems(members) for kind, members in KINDS if word in kind]
    return frozenset({own}.union(*groups))


@cache
def called(word: str) -> frozenset[str]:
    """The stems of what a text may call a medicine or a scan: its name, one for the same, its kinds'. None for any other word."""
    kinds = [kind for kind, members in (*KINDS, *CLASSES) if word in members and "fluid" not in kind]  # saline has too many names
    return alike(word).union(*map(_stems, kinds)) if kinds else frozenset()


@cache
def _stems(listed: frozenset[str]) -> frozenset[str]:
    return frozenset(map(stem, listed))
