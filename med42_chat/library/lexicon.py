"""What words mean: which say the same, which belong to one matter, and what a medicine may be called. Knows nothing of questions.

The words are data, every file in `assets/lexicon`, to which a department adds its own. They are read once, when first asked for.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from med42_chat.library.english import ALTERNATIVES, EMPTY
from med42_chat.library.words import stem, words
from med42_chat.settings import ASSETS

_LONGEST = 5  # words of an expression that is looked for in a question
_SIGNS = ("~", ":", ">", "<", "^")

Expression = tuple[str, ...]  # its words


@dataclass(frozen=True, slots=True)
class Meaning:
    """What may stand in the place of an expression: the stems of single words, and those of several that must stand together.

    `near` are those of words of the same matter.
    """

    words: frozenset[str] = frozenset()
    together: frozenset[frozenset[str]] = frozenset()
    near: frozenset[str] = frozenset()

    @classmethod
    def of(cls, expressions: Iterable[Expression]) -> "Meaning":
        """Nothing of those of several words of which only one says something, 'put on': that one alone says something else."""
        single, several = set[str](), set[frozenset[str]]()
        for one in expressions:
            telling = frozenset(stem(word) for word in one if word not in EMPTY)
            if len(one) == 1:
                single.add(stem(one[0]))
            elif len(telling) > 1:
                several.add(telling)
        return cls(frozenset(single), frozenset(several))

    @property
    def stems(self) -> frozenset[str]:
        """All of them."""
        return self.words.union(*self.together)

    def stands(self, have: frozenset[str]) -> bool:
        """Whether any of it stands in a text with these stems."""
        return not self.words.isdisjoint(have) or any(one <= have for one in self.together)

    def __or__(self, other: "Meaning") -> "Meaning":
        return Meaning(self.words | other.words, self.together | other.together, self.near | other.near)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """By the stems of an expression's words its `meanings`; by a medicine's stem those of its `kinds`; by a word the `others` for it."""

    meanings: Mapping[Expression, Meaning] = field(default_factory=dict)
    kinds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    others: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, lines: Iterable[str]) -> "Lexicon":
        """Reads lines of expressions joined by commas; '#' begins a remark.

        `a, b` say the same; `~ a, b` are of one matter; `a, b ^ c` fall under c, and so are of its matter. `a: b, c` is a kind of medicine
        with its members; `a > b, c` is only a name for them, who asks for it is not answered by one of them; `a < b, c` is answered by each
        of them, and is no name for them.
        """
        meanings: defaultdict[Expression, Meaning] = defaultdict(Meaning)
        kinds: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
        others: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
        for line in lines:
            names, sign, members = _parted(line.partition("#")[0])
            for name in names if sign != ">" else ():
                meanings[tuple(map(stem, name))] |= _meaning(name, names, sign, members)
            for member in Meaning.of(members).words if sign in (":", ">") else ():
                kinds[member] |= Meaning.of(names).words
            single = frozenset(name[0] for name in names if len(name) == 1)
            for word in single if not sign else ():
                others[word] |= single - {word}
        return cls(dict(meanings), dict(kinds), dict(others))

    def means(self, word: str) -> Meaning:
        """What may stand in the place of a word, itself among it; in that of a kind of medicine those of that kind."""
        own = stem(word)
        return Meaning(frozenset([own])) | self.meanings.get((own,), Meaning())

    def alike(self, word: str) -> frozenset[str]:
        """The stems of the single words among these."""
        return self.means(word).words

    def called(self, word: str) -> frozenset[str]:
        """The stems of what a text may call a medicine or a scan: its name, one for the same, its kinds'. None for any other word."""
        return self.alike(word) | self.kinds[stem(word)] if stem(word) in self.kinds else frozenset()

    def listed(self, word: str) -> bool:
        """Whether a word is in one of the lists, and so no other one misspelt."""
        return stem(word) in self.kinds or word in ALTERNATIVES[0] or len(self.alike(word)) > 1 or bool(self.means(word).near)

    def expressions(self, said: list[str]) -> Iterator[tuple[list[str], Meaning]]:
        """The expressions of several words among those said, one after the other, each with what may stand in its place."""
        stemmed = list(map(stem, said))
        for start in range(len(said)):
            for end in range(start + 2, min(start + _LONGEST, len(said)) + 1):
                if meant := self.meanings.get(tuple(stemmed[start:end])):
                    yield said[start:end], meant


@cache
def lexicon() -> Lexicon:
    """The words that came with the program and those that a department has added."""
    texts = (path.read_text("utf-8", errors="replace") for path in sorted((ASSETS / "lexicon").glob("*.txt")))
    return Lexicon.parse(line for text in texts for line in text.splitlines())


def _parted(text: str) -> tuple[list[Expression], str, list[Expression]]:
    """The expressions before a line's sign, the sign, '' where there is none, and those after it; before a '~' stands nothing."""
    sign = next((one for one in _SIGNS if one in text), "")
    left, _, right = text.partition(sign) if sign else (text, "", "")
    return (_expressions(right), sign, []) if sign == "~" else (_expressions(left), sign, _expressions(right))


def _meaning(name: Expression, names: Sequence[Expression], sign: str, members: Sequence[Expression]) -> Meaning:
    """What a line says of one of its names."""
    if sign in ("~", "^", ">"):
        near = Meaning.of(names if sign == "~" else members if sign == "^" else ()).words
        return Meaning.of([name]) | Meaning(near=near - {stem(one) for one in name})
    return Meaning.of([name, *members] if sign else names)


def _expressions(text: str) -> list[Expression]:
    return [tuple(found) for one in text.split(",") if (found := words(one))]
