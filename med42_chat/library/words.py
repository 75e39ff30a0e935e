"""The words of a question or a passage, as they are compared: by their stems. Pure."""

import re
import unicodedata
from functools import lru_cache

from med42_chat.library.english import EMPTY, WEAK

_UNITS = (
    "mg mls? kg gm mcg mmol meq iu units? kcal litres? cm mm fr times st nd rd th am pm"
    " hrs? hours? mins? days? wks? weeks? months? yrs? years? yo"
)
# A name that begins with a figure ('4AT', and not '5mg' or '2nd'), a figure, or letters.
_WORD = re.compile(rf"\b\d(?!(?:{_UNITS.replace(' ', '|')})\b)[^\W\d_]{{2,}}\b|\d+(?:[.,]\d+)*|[^\W_]+")
_ENDED = re.compile(r"(?:\b(?:wo|ca|sha|ai)n['’]t|n['’]t|['’](?:s|d|m|ll|re|ve))\b")
# What a figure counts: 'ng' after one is no nasogastric tube, and 'mg' no magnesium.
_COUNTED = re.compile(r"(?<=\d)\s*(?:[mnµμ]?g|mcg|kg|m?l|mmol)\b(?:/\w+)*", re.IGNORECASE)
_ROOT = 5  # letters that words of one root begin with alike
_ROOT_SHARE = 0.65  # and of the longer one's
_ENDINGS = ("ations", "ation", "ments", "ment", "ings", "ing", "edly", "ies", "ied", "ed", "en", "es", "ly", "s", "e", "y")


def words(text: str) -> list[str]:
    """Letters and digits in the order written, in small letters; a decimal number is one word; no 's, no n't, no can't."""
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
    """The stems of all words of a text but the units of its figures."""
    return frozenset(map(stem, words(_COUNTED.sub(" ", text))))


def same_root(word: str, there: frozenset[str], misspelt: bool) -> frozenset[str]:
    """Of these stems those of the word's root ('delirious', 'delirium'); if it may be misspelt, those that are one letter off, too."""
    own = stem(word)
    alike_begun = (one for one in there if one[:3] == own[:3] and len(one) >= _ROOT)
    return frozenset(one for one in alike_begun if _rooted(own, one) or (misspelt and _one_off(own, one)))


def _rooted(one: str, other: str) -> bool:
    common = _begun(one, other)
    return common >= max(_ROOT, _ROOT_SHARE * max(len(one), len(other)))


def _begun(one: str, other: str) -> int:
    """How many letters two words begin with alike."""
    return next((place for place, (left, right) in enumerate(zip(one, other, strict=False)) if left != right), min(len(one), len(other)))


def _one_off(one: str, other: str) -> bool:
    """Whether one letter is another, missing or too many, or two have changed places. Of short words nothing is said."""
    start = _begun(one, other)
    end = _begun(one[start:][::-1], other[start:][::-1])
    left, right = one[start : len(one) - end], other[start : len(other) - end]
    return min(len(one), len(other)) > _ROOT and (max(len(left), len(right)) <= 1 or (len(left) == 2 and left == right[::-1]))
