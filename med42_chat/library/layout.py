"""From the characters of a page, each with its place, to lines in the order in which a person reads them. Pure.

A file's own order is that in which somebody's program drew: two columns may come line by line across both. So characters become runs (text
on one line without a wide gap), a gutter between two columns of prose is looked for, and what stands beside it is read column by column.
Where there is no prose on both sides it is a table, and read row by row. Lengths are in points, from the page's upper left corner.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from statistics import median

from med42_chat.library.rows import Line, clusters, runs_to_the_left
from med42_chat.library.runs import Glyph, Run, runs
from med42_chat.library.tables import rows

_PROSE = 18  # characters; columns whose lines are shorter, mostly, are a table's
_FILLED = 0.7  # of a column's width: as far as prose goes in many lines, and a table's cells do not
_FILLED_LINES = 0.4
_FEWEST = 3  # lines on either side of a gutter
_LEVEL = 0.15  # heights of a line: cells of one row do not stand further from one line
_HEADING = 1.15  # times the usual height
_BINS = 200  # the page's width is looked at in so many steps
_TRIED = 12  # places for a gutter
_DEEPEST = 6  # columns within columns


def lines(glyphs: Iterable[Glyph]) -> list[Line]:
    """A page's lines in reading order."""
    return _ordered(runs(glyphs), 0)


def _ordered(parts: list[Run], depth: int) -> list[Line]:
    gutter = _gutter(parts) if depth < _DEEPEST else None
    if gutter is None:
        return rows(parts)
    found: list[Line] = []
    for band, in_columns in _bands(parts, gutter):
        sides = list(_sides(band, gutter)) if in_columns else []
        if not all(sides) or not sides:
            found += rows(band)
        else:
            found += [line for side in (reversed(sides) if runs_to_the_left(band) else sides) for line in _ordered(side, depth + 1)]
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
    rows = clusters(side)
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
    for crosses, same in groupby(clusters(parts), key=lambda row: any(run.left < gutter < run.right for run in row)):
        group = [run for row in same for run in row]
        for section in [group] if crosses else _sections(group):
            start = len(bands)
            for stripe in [section] if crosses else _with_whole_tables(_stripes(section)):
                in_columns = not crosses and not _is_table(stripe, gutter)
                if in_columns and bands[start:] and bands[-1][1]:
                    bands[-1][0].extend(stripe)
                else:
                    bands.append((stripe, in_columns))
    return bands


def _sections(band: list[Run]) -> list[list[Run]]:
    """Cut at headings that nothing stands beside: one under both columns begins what comes below, though it looks like the left one's."""
    usual = median(run.bottom - run.top for run in band)
    sections: list[list[Run]] = []
    for stripe in _stripes(band, 0.3):
        alone = len(stripe) <= 2 and len(clusters(stripe)) == 1 and min(run.bottom - run.top for run in stripe) > _HEADING * usual
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
    for stripe, is_row in ((stripe, len(stripe) > 1 and len(clusters(stripe)) == 1) for stripe in stripes):
        if is_row and found and len(found[-1]) > 1 and all(len(row) > 1 for row in clusters(found[-1])):
            found[-1].extend(stripe)
        else:
            found.append(list(stripe))
    return found


def _is_table(band: Sequence[Run], gutter: float) -> bool:
    """Rows of cells: three or more in one, and no prose on one of the sides; or two in two rows, and no prose at all.

    Beside a heading and the short line under it, prose is the other column and no cell.
    """
    several = [cells for cells in map(_cells, clusters(band)) if cells > 1]
    if not several or (len(several) == 1 and several[0] == 2):
        return False
    if not _on_one_line(band, gutter):
        return False
    sides = [bool(side) and _is_prose(side) for side in _facing(*_sides(band, gutter))]
    return not all(sides) if median(several) > 2 else not any(sides)


def _on_one_line(band: Sequence[Run], gutter: float) -> bool:
    """Whether what stands beside each other across the gutter is level, as a table's cells are and two columns' lines need not be."""
    beside = [sides for sides in (_sides(row, gutter) for row in clusters(band)) if all(sides)]
    level = [min(abs(one.bottom - other.bottom) for one in left for other in right) for left, right in beside]
    usual = median(run.bottom - run.top for run in band)
    return 2 * sum(gap < _LEVEL * usual for gap in level) >= len(level)


def _cells(row: Sequence[Run]) -> int:
    """How many of them stand side by side: two lines beside a large heading are one."""
    count, right = 0, float("-inf")
    for run in sorted(row, key=lambda run: run.left):
        count += run.left >= right
        right = max(right, run.right)
    return count
