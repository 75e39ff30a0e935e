"""From runs to the lines that are read: what stands side by side, and the rows of tables with their cells. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from med42_chat.library.runs import SPACE, Glyph, Run, blank, gap

CELL = " | "  # between the cells of a table's row

_EVEN = 1.6  # times the narrowest: a line in which no gap is wider was stretched to both margins, and has no cells
_WORD_GAP = 0.26  # heights of a character; a narrower gap in a script that runs to the left is within a word
_WIDEST_STRETCH = 2.5  # heights of a character
_LABEL = re.compile(r"[^\w\s]|\(?(\d{1,2}|[a-z])[.)]|\d+(\.\d+)*\.?|[A-Z]\.")  # what stands before a heading or a list's entry
_IN_NUMBERS = re.compile(r"[0-9A-Za-z.,/%+µ\u00c0-\u024f-]")
_RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


@dataclass(slots=True)
class Line:
    """One line as it is read. `row`: it is a table's, its cells are parted by CELL."""

    glyphs: list[Glyph]
    left: float
    top: float
    right: float
    bottom: float
    row: bool

    @property
    def text(self) -> str:
        """Its characters."""
        return "".join(glyph.char for glyph in self.glyphs)


def _middle(run: Run) -> float:
    return (run.top + run.bottom) / 2


def clusters(parts: Iterable[Run]) -> list[list[Run]]:
    """Runs that stand side by side, from top to bottom."""
    rows: list[list[Run]] = []
    for run in sorted(parts, key=_middle):
        if rows and _beside(rows[-1][-1], run):
            rows[-1].append(run)
        else:
            rows.append([run])
    return rows


def _beside(one: Run, other: Run) -> bool:
    common = min(one.bottom, other.bottom) - max(one.top, other.top)
    return 2 * common >= min(one.bottom - one.top, other.bottom - other.top)


def line_of(row: list[Run]) -> Line:
    """What stands side by side, as it is read."""
    row = [_leftwards(row)] if runs_to_the_left(row) else sorted(row, key=lambda run: run.left)
    plain = is_plain(row)
    glyphs = list(row[0].glyphs)
    for before, run in pairwise(row):
        between = SPACE if plain else CELL
        glyphs += [blank(char, before.glyphs[-1]) for char in between]
        glyphs += run.glyphs
    return Line(
        glyphs,
        min(run.left for run in row),
        min(run.top for run in row),
        max(run.right for run in row),
        max(run.bottom for run in row),
        row=not plain,
    )


def is_plain(row: Sequence[Run]) -> bool:
    """Whether a row, from left to right, is a line of text and has no cells."""
    return len(row) < 2 or (len(row) == 2 and _LABEL.fullmatch(row[0].text) is not None) or _is_stretched(row)


def _leftwards(row: Sequence[Run]) -> Run:
    """A line of Arabic or Hebrew, put together anew from where its characters stand: PDFium turns some of its words round and others not.

    From right to left, and within it numbers and Latin words from left to right. Its gaps are spaces, or the ends of cells.
    """
    shown = sorted((glyph for run in row for glyph in run.glyphs if glyph.char != SPACE), key=lambda glyph: -(glyph.left + glyph.right))
    turned: list[Glyph] = []
    for leftwards, group in groupby(shown, key=lambda glyph: _IN_NUMBERS.match(glyph.char) is None):
        stretch = list(group)
        turned += stretch if leftwards else stretch[::-1]
    glyphs = turned[:1]
    for last, glyph in pairwise(turned):
        if gap(last, glyph) > _WORD_GAP * max(last.height, glyph.height):
            glyphs.append(blank(SPACE, last))
        glyphs.append(glyph)
    return Run(glyphs)


def _is_stretched(row: Sequence[Run]) -> bool:
    """Whether the gaps between all its words are alike, and no wider than a line is ever stretched."""
    words = [word for run in row for word in _words(run)]
    gaps = [gap(before[-1], word[0]) for before, word in pairwise(words)]
    return len(gaps) > 1 and 0 < max(gaps) <= min(_EVEN * min(gaps), _WIDEST_STRETCH * (row[0].bottom - row[0].top))


def _words(run: Run) -> list[list[Glyph]]:
    words: list[list[Glyph]] = [[]]
    for glyph in run.glyphs:
        if glyph.char == SPACE:
            words.append([])
        else:
            words[-1].append(glyph)
    return [word for word in words if word]


def runs_to_the_left(parts: Iterable[Run]) -> bool:
    text = "".join(run.text for run in parts)
    return 2 * len(_RIGHT_TO_LEFT.findall(text)) > sum(char.isalpha() for char in text)
