"""From the characters of a page, each with its place, to lines in the order in which a person reads them. Pure.

A file's own order is that in which somebody's program drew: two columns may come line by line across both. So characters become runs (text
on one line without a wide gap), a gutter between two columns of prose is looked for, and what stands beside it is read column by column.
Where there is no prose on both sides it is a table, and read row by row. Lengths are in points, from the page's upper left corner.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from operator import itemgetter
from statistics import median
from typing import NamedTuple

CELL = " | "  # between the cells of a table's row
BROKEN = "\x02"  # what PDFium says for a hyphen at a line's end
SPACE = " "

_WIDE = 1.0  # heights of a character: a wider gap parts two cells or columns
_EVEN = 1.6  # times the narrowest: a line in which no gap is wider was stretched to both margins, and has no cells
_WORD_GAP = 0.26  # the same; a narrower gap in a script that runs to the left is within a word
_WIDEST_STRETCH = 2.5  # heights of a character
_NARROW = 0.08  # a narrower gap is none, whatever space PDFium thinks is there
_PROSE = 18  # characters; columns whose lines are shorter, mostly, are a table's
_FILLED = 0.7  # of a column's width: as far as prose goes in many lines, and a table's cells do not
_FILLED_LINES = 0.4
_FEWEST = 3  # lines on either side of a gutter
_HEADING = 1.15  # times the usual height
_BINS = 200  # the page's width is looked at in so many steps
_TRIED = 12  # places for a gutter
_DEEPEST = 6  # columns within columns
_LABEL = re.compile(r"[^\w\s]|\(?(\d{1,2}|[a-z])[.)]|\d+(\.\d+)*\.?|[A-Z]\.")  # what stands before a heading or a list's entry
_IN_NUMBERS = re.compile(r"[0-9A-Za-z.,/%+µ\u00c0-\u024f-]")
_RAISED_HEIGHT = 0.85  # of the line's own characters: a raised figure is smaller
_RAISED = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
_RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


class Glyph(NamedTuple):
    """A character and its place; `bold` as far as the file's fonts say so."""

    char: str
    left: float
    top: float
    right: float
    bottom: float
    bold: bool = False

    @property
    def height(self) -> float:
        """In points: nearly the size of its font."""
        return self.bottom - self.top


@dataclass(slots=True)
class Run:
    """Text on one line without a wide gap. Spaces are glyphs without a place."""

    glyphs: list[Glyph]
    left: float = field(init=False)
    top: float = field(init=False)
    right: float = field(init=False)
    bottom: float = field(init=False)

    def __post_init__(self) -> None:
        shown = [glyph for glyph in self.glyphs if glyph.bottom > glyph.top]
        self.left, self.right = min([one.left for one in shown]), max([one.right for one in shown])
        # The middle ones: a raised figure or one large bracket does not make the line higher.
        self.top, self.bottom = median([one.top for one in shown]), median([one.bottom for one in shown])

    @property
    def text(self) -> str:
        """Its characters."""
        return "".join(glyph.char for glyph in self.glyphs)


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


def lines(glyphs: Iterable[Glyph]) -> list[Line]:
    """A page's lines in reading order."""
    return _ordered(runs(glyphs), 0)


# Runs


def runs(glyphs: Iterable[Glyph]) -> list[Run]:
    """Glyphs in the file's order, cut where the line changes or a wide gap comes. Raised figures are written as such: 10⁹, not 109."""
    found: list[list[Glyph]] = []
    last: Glyph | None = None
    space = False
    for glyph in glyphs:
        if glyph.char == SPACE:
            space = True
            continue
        if last is None or not _goes_on(last, glyph):
            found.append([])
        elif space and _gap(last, glyph) > _NARROW * last.height:
            found[-1].append(blank(SPACE, last))
        found[-1].append(glyph)
        last, space = glyph, False
    return [Run(_with_raised(one)) for one in found]


def blank(char: str, after: Glyph) -> Glyph:
    """A character that is nowhere on the page."""
    return Glyph(char, after.right, after.top, after.right, after.top)


def _goes_on(last: Glyph, glyph: Glyph) -> bool:
    """Asked for each character of a page, and so without calls."""
    _, left, top, right, bottom, _ = glyph
    _, last_left, last_top, last_right, last_bottom, _ = last
    height, last_height = bottom - top, last_bottom - last_top
    smaller, larger = (height, last_height) if height < last_height else (last_height, height)
    common = (bottom if bottom < last_bottom else last_bottom) - (top if top > last_top else last_top)
    return common >= 0.4 * smaller and left - last_right < _WIDE * larger and last_left - right < _WIDE * larger


def _gap(last: Glyph, glyph: Glyph) -> float:
    """To either side: some scripts run to the left."""
    return max(glyph.left - last.right, last.left - glyph.right)


def _with_raised(glyphs: list[Glyph]) -> list[Glyph]:
    shown = [glyph for glyph in glyphs if glyph.bottom > glyph.top]
    heights = [one.bottom - one.top for one in shown]
    if min(heights) >= _RAISED_HEIGHT * max(heights):
        return glyphs
    height, bottom = median(heights), median([one.bottom for one in shown])

    def raised(glyph: Glyph) -> bool:
        return 0 < glyph.height < _RAISED_HEIGHT * height and glyph.bottom < bottom - 0.15 * height

    return [glyph._replace(char=glyph.char.translate(_RAISED)) if raised(glyph) else glyph for glyph in glyphs]


# Order


def _ordered(parts: list[Run], depth: int) -> list[Line]:
    gutter = _gutter(parts) if depth < _DEEPEST else None
    if gutter is None:
        return _rows(parts)
    found: list[Line] = []
    for band, in_columns in _bands(parts, gutter):
        sides = list(_sides(band, gutter)) if in_columns else []
        if not all(sides) or not sides:
            found += _rows(band)
        else:
            found += [line for side in (reversed(sides) if _runs_to_the_left(band) else sides) for line in _ordered(side, depth + 1)]
    return found


def _sides(parts: Iterable[Run], x: float) -> tuple[list[Run], list[Run]]:
    """What stands wholly on either side."""
    parts = list(parts)
    return [run for run in parts if run.right <= x], [run for run in parts if run.left >= x]


def _gutter(parts: Sequence[Run]) -> float | None:
    """The x at which a gutter runs between two columns of prose, or None."""
    if len(parts) < 2 * _FEWEST:
        return None
    left, right = min(run.left for run in parts), max(run.right for run in parts)
    step = (right - left) / _BINS
    places = [left + step * number for number in range(_BINS // 10, _BINS * 9 // 10)]
    lefts, rights = sorted(run.left for run in parts), sorted(run.right for run in parts)
    crossed = [(bisect_left(lefts, x) - bisect_right(rights, x), x) for x in places]  # begun, and not yet ended
    stretches = [(count, [x for _, x in same]) for count, same in groupby(crossed, key=itemgetter(0)) if count <= len(parts) / 3]
    emptiest = sorted(stretches, key=lambda stretch: (stretch[0], -len(stretch[1])))[:_TRIED]
    middles = (stretch[len(stretch) // 2] for _, stretch in emptiest)
    return next((x for x in middles if all(_is_prose(side, _FEWEST) for side in _facing(*_sides(parts, x)))), None)


def _facing(left: list[Run], right: list[Run]) -> tuple[list[Run], list[Run]]:
    """Of both sides, what has something of the other beside it: not the title above, nor what follows below."""
    if not (left and right):
        return [], []
    top, bottom = (
        max(min(run.top for run in side) for side in (left, right)),
        min(max(run.bottom for run in side) for side in (left, right)),
    )
    return [run for run in left if run.bottom > top and run.top < bottom], [run for run in right if run.bottom > top and run.top < bottom]


def _is_prose(side: Sequence[Run], fewest_lines: int = 1) -> bool:
    rows = _clusters(side)
    if len(rows) < fewest_lines:
        return False
    width = max(run.right for run in side) - min(run.left for run in side)
    filled = sum(max(run.right for run in row) - min(run.left for run in row) >= _FILLED * width for row in rows)
    # Not most of the lines: between short paragraphs stand headings and last lines.
    return filled >= _FILLED_LINES * len(rows) and median(sum(len(run.glyphs) for run in row) for row in rows) >= _PROSE


def _bands(parts: Sequence[Run], gutter: float) -> list[tuple[list[Run], bool]]:
    """From top to bottom: what stands beside the gutter, and whether it is columns; and the runs that cross it, which are not.

    A band is cut at a white stripe across the page, too, when there is a table or a lone heading on one side of the stripe.
    """
    bands: list[tuple[list[Run], bool]] = []
    for crosses, rows in groupby(_clusters(parts), key=lambda row: any(run.left < gutter < run.right for run in row)):
        group = [run for row in rows for run in row]
        for section in [group] if crosses else _sections(group):
            start = len(bands)
            for stripe in [section] if crosses else _with_whole_tables(_stripes(section)):
                in_columns = not crosses and not _is_table(stripe, gutter)
                if in_columns and bands[start:] and bands[-1][1]:
                    bands[-1][0].extend(stripe)
                else:
                    bands.append((stripe, in_columns))
    return bands


def _middle(run: Run) -> float:
    return (run.top + run.bottom) / 2


def _sections(band: list[Run]) -> list[list[Run]]:
    """Cut at headings that nothing stands beside: one under both columns begins what comes below, though it looks like the left one's."""
    usual = median(run.bottom - run.top for run in band)
    sections: list[list[Run]] = []
    for stripe in _stripes(band, 0.3):
        alone = len(stripe) <= 2 and len(_clusters(stripe)) == 1 and min(run.bottom - run.top for run in stripe) > _HEADING * usual
        if alone or not sections:
            sections.append([])
        sections[-1].extend(stripe)
    return sections


def _stripes(band: Sequence[Run], gap: float = 0.5) -> list[list[Run]]:
    """The band cut where nothing stands across the whole width, for `gap` times a line's height."""
    pieces: list[list[Run]] = []
    bottom = 0.0
    for run in sorted(band, key=lambda run: run.top):
        if not pieces or run.top - bottom > gap * (run.bottom - run.top):
            pieces.append([])
        pieces[-1].append(run)
        bottom = max(bottom, run.bottom)
    return pieces


def _with_whole_tables(stripes: Sequence[list[Run]]) -> list[list[Run]]:
    """A table set with white between its rows is a stripe for each: those that follow each other become one."""
    found: list[list[Run]] = []
    for stripe, is_row in ((stripe, len(stripe) > 1 and len(_clusters(stripe)) == 1) for stripe in stripes):
        if is_row and found and len(found[-1]) > 1 and all(len(row) > 1 for row in _clusters(found[-1])):
            found[-1].extend(stripe)
        else:
            found.append(list(stripe))
    return found


def _is_table(band: Sequence[Run], gutter: float) -> bool:
    """Rows of cells: three or more in one, and no prose on one of the sides; or two in two rows, and no prose at all.

    Beside a heading and the short line under it, prose is the other column and no cell.
    """
    several = [cells for cells in map(_cells, _clusters(band)) if cells > 1]
    if not several or (len(several) == 1 and several[0] == 2):
        return False
    sides = [bool(side) and _is_prose(side) for side in _facing(*_sides(band, gutter))]
    return not all(sides) if median(several) > 2 else not any(sides)


def _cells(row: Sequence[Run]) -> int:
    """How many of them stand side by side: two lines beside a large heading are one."""
    count, right = 0, float("-inf")
    for run in sorted(row, key=lambda run: run.left):
        count += run.left >= right
        right = max(right, run.right)
    return count


# Rows


def _rows(parts: Sequence[Run]) -> list[Line]:
    return [_line(row) for row in _clusters(parts)]


def _clusters(parts: Iterable[Run]) -> list[list[Run]]:
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


def _line(row: list[Run]) -> Line:
    row = [_leftwards(row)] if _runs_to_the_left(row) else sorted(row, key=lambda run: run.left)
    plain = (len(row) == 2 and _LABEL.fullmatch(row[0].text) is not None) or _is_stretched(row)
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
        row=len(row) > 1 and not plain,
    )


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
        if _gap(last, glyph) > _WORD_GAP * max(last.height, glyph.height):
            glyphs.append(blank(SPACE, last))
        glyphs.append(glyph)
    return Run(glyphs)


def _is_stretched(row: Sequence[Run]) -> bool:
    """Whether the gaps between all its words are alike, and no wider than a line is ever stretched."""
    words = [word for run in row for word in _words(run)]
    gaps = [_gap(before[-1], word[0]) for before, word in pairwise(words)]
    return len(gaps) > 1 and 0 < max(gaps) <= min(_EVEN * min(gaps), _WIDEST_STRETCH * (row[0].bottom - row[0].top))


def _words(run: Run) -> list[list[Glyph]]:
    words: list[list[Glyph]] = [[]]
    for glyph in run.glyphs:
        if glyph.char == SPACE:
            words.append([])
        else:
            words[-1].append(glyph)
    return [word for word in words if word]


def _runs_to_the_left(parts: Iterable[Run]) -> bool:
    text = "".join(run.text for run in parts)
    return 2 * len(_RIGHT_TO_LEFT.findall(text)) > sum(char.isalpha() for char in text)
