"""Where quoted words stand in a text, layout aside: line ends, spaces, hyphenation, ligatures, kinds of dashes and quotation marks. Pure.

Every letter, digit and sign of them has to stand there. What the checks say about a quotation is their business (checks/text.py); here
only a place is looked for, and it must be the only one.
"""

import re
import unicodedata
from collections.abc import Iterator

# A word broken at a line's end may have had its hyphen before: neither side keeps it.
_LAYOUT = re.compile(r"\u00ad\s*|(?<=[^\W\d_])[-‐‑]\s*(?=[^\W\d_])|\s+")
_SAME = str.maketrans({**dict.fromkeys("‐‑‒–—―−", "-"), **dict.fromkeys("“”„‟«»″", '"'), **dict.fromkeys("‘’‚‛′`´", "'"), "μ": "µ"})
_LIGATURES = re.compile("[\ufb00-\ufb06]")


def find(text: str, words: str, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
    """From where to where in `text` these words stand, when they do so exactly once between `start` and `end`."""
    sought, _ = _folded(words, 0, len(words))
    there, places = _folded(text, start, len(text) if end is None else end)
    found = [(places[at], places[at + len(sought) - 1] + 1) for at in _occurrences(there, sought)] if sought else []
    whole = [place for place in found if not _cuts(text, *place)]
    return whole[0] if len(whole) == 1 else None


def _occurrences(text: str, words: str) -> Iterator[int]:
    at = text.find(words)
    while at >= 0:
        yield at
        at = text.find(words, at + 1)


def _cuts(text: str, start: int, end: int) -> bool:
    """Whether this place begins or ends inside a word or a figure: '5 mg' is not in '25 mg' or '0.5 mg'."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    inside_word = (before[-1:].isalnum() and text[start].isalnum()) or (after[:1].isalnum() and text[end - 1].isalnum())
    inside_figure = (re.fullmatch(r"\d[.,/]", before) and text[start].isdigit()) or (
        re.fullmatch(r"[.,/]\d", after) and text[end - 1].isdigit()
    )
    return inside_word or bool(inside_figure)


def _folded(text: str, start: int, end: int) -> tuple[str, list[int]]:
    """The text without its layout, and for each character the place it comes from."""
    letters: list[str] = []
    places: list[int] = []
    position = start
    for gap in [*_LAYOUT.finditer(text, start, end), None]:
        for at in range(position, gap.start() if gap else end):
            plain = _letters(text[at])
            letters.append(plain)
            places += [at] * len(plain)
        if gap and _parts_figures(text, gap.start(), gap.end()):
            letters.append(" ")
            places.append(gap.start())
        position = gap.end() if gap else end
    return "".join(letters), places


def _letters(character: str) -> str:
    plain = unicodedata.normalize("NFKC", character) if _LIGATURES.match(character) else character
    return plain.translate(_SAME).casefold()


def _parts_figures(text: str, start: int, end: int) -> bool:
    """'1 5' is not '15'."""
    return text[max(0, start - 1) : start].isdigit() and text[end : end + 1].isdigit()
