"""Which words of a text are names of medicines. The list is data (assets/medicines.txt). Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from med42_chat.checks.text import level

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_MOST_WORDS = 3  # of one name


@dataclass(frozen=True, slots=True)
class Named:
    """A medicine at `start` to `end` of a text. `name` is the same for paracetamol and acetaminophen."""

    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True)
class Medicines:
    """Names, each with the one it is known by here, and the endings by which a name that is not listed is known."""

    names: dict[str, str] = field(default_factory=dict)
    endings: tuple[str, ...] = ()

    @classmethod
    def parse(cls, content: str) -> "Medicines":
        """Reads the list: a name on each line, names of the same medicine joined by '=', '-pril' for an ending, '#' for a remark."""
        names: dict[str, str] = {}
        endings: list[str] = []
        for line in content.lower().splitlines():
            entry = line.partition("#")[0].strip()
            if entry.startswith("-"):
                endings.append(entry[1:])
            elif entry:
                same = [" ".join(name.split()) for name in entry.split("=")]
                names.update(dict.fromkeys(same, same[0]))
        return cls(names, tuple(endings))

    def named(self, text: str) -> Iterator[Named]:
        """Every medicine in the text, the longest name where several fit."""
        words = list(_WORD.finditer(level(text).lower()))
        index = 0
        while index < len(words):
            count, name = self._at(words, index)
            if name:
                yield Named(words[index].start(), words[index + count - 1].end(), name)
            index += count

    def _at(self, words: list[re.Match[str]], index: int) -> tuple[int, str]:
        """The name that begins with this word, '' for none, and of how many words it is."""
        for count in range(min(_MOST_WORDS, len(words) - index), 1, -1):
            name = self.names.get(" ".join(word[0] for word in words[index : index + count]))
            if name:
                return count, name
        word = words[index][0]
        for single in (word, word.removesuffix("s")):
            if single in self.names:
                return 1, self.names[single]
            # An ending alone is a class of medicines ('statins'), or no medicine at all ('April').
            if single.endswith(self.endings) and any(single[3:].endswith(ending) for ending in self.endings):
                return 1, single
        return 1, ""
