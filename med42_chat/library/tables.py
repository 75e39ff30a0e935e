"""Rows of a table whose cells have several lines, put together again. Pure.

It is done where lines overlap, because a short cell stands in the middle of its row, and else only where two things agree: the lines of a
cell stand closer to each other than the rows do, and each goes on below because the next word had no room beside it. Of a table set as
tight as its text, the lines stay rows of their own: two doses in one would be worse.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from med42_chat.library.rows import Line, clusters, is_plain, line_of, runs_to_the_left
from med42_chat.library.runs import BROKEN, SPACE, Glyph, Run, blank

_CLOSER = 0.67  # times the gap between two rows: the lines of one cell stand that close to each other, at least
_CLEAR = 0.1  # heights: gaps that differ by less are alike, and lines that overlap by more are of one row
_NEAR = 0.5  # heights: two cells that come nearer than this cannot be told apart
_FEWEST = 2  # whole rows, before it is a table
_FULL = 0.95  # of a column's width: a line that the next word would make longer than that ended where it had to

_Row = list[Run]
_Cells = dict[int, Run]  # a line's runs by the number of their column
_Columns = list[tuple[float, float]]  # left and right edges


def rows(parts: Iterable[Run]) -> list[Line]:
    """Runs as lines from top to bottom; those that are one row of a table as one."""
    lines = (line for cluster in clusters(parts) for line in _apart(cluster))
    return [line_of(row) for table in _tables(lines) for row in _with_whole_cells(table)]


def _apart(cluster: Iterable[Run]) -> list[_Row]:
    """What stands side by side, from left to right. Two lines of a cell, beside one in its middle, are two."""
    lines: list[_Row] = []
    for run in sorted(cluster, key=lambda run: run.top):
        line = next((line for line in lines if not any(run.left < other.right and run.right > other.left for other in line)), None)
        if line is None:
            lines.append([run])
        else:
            line.append(run)
    return [sorted(line, key=lambda run: run.left) for line in lines]


def _tables(lines: Iterable[_Row]) -> list[list[_Row]]:
    """Lines that may be of one table, together: as long as columns can be seen, and each run stands in one of them."""
    found: list[list[_Row]] = []
    for line in lines:
        parted = _parted(line, _columns(found[-1])) if found else line
        columns = _columns([*found[-1], parted]) if found else []
        if len(columns) > 1 and all(_cells(one, columns) for one in (found[-1][-1], parted)):
            found[-1].append(parted)
        else:
            found.append([line])
    return found


def _parted(line: _Row, columns: _Columns) -> _Row:
    """The line, its runs parted where a word begins just where a column does: a cell may come very near the next one."""
    lefts = [left for left, _ in columns]
    parted: _Row = []
    for run in line if lefts else []:
        start = 0
        for index in range(1, len(run.glyphs) - 1):
            before, space, glyph = run.glyphs[index - 1 : index + 2]
            wide = space.char == SPACE and glyph.left - before.right > _NEAR * (run.bottom - run.top)
            if wide and any(abs(glyph.left - left) < 1 for left in lefts):
                parted.append(Run(run.glyphs[start:index]))
                start = index + 1
        parted.append(Run(run.glyphs[start:]) if start else run)
    return parted or line


def _columns(lines: Sequence[_Row]) -> _Columns:
    """What is covered in the lines that have cells, and by lines under or over one of those."""
    columns: _Columns = []
    for left, right in sorted((run.left, run.right) for line in lines if not is_plain(line) for run in line):
        if columns and left < columns[-1][1]:
            columns[-1] = columns[-1][0], max(columns[-1][1], right)
        else:
            columns.append((left, right))
    for (run,) in (line for line in lines if len(line) == 1):
        if len(places := _places(run, columns)) == 1:
            left, right = columns[places[0]]
            columns[places[0]] = min(left, run.left), max(right, run.right)
    return columns


def _places(run: Run, columns: _Columns) -> list[int]:
    """The columns in which the run stands, wholly or in part."""
    return [number for number, (left, right) in enumerate(columns) if run.left < right and run.right > left]


def _cells(line: _Row, columns: _Columns) -> _Cells:
    """Empty where a run stands in no column or in several, or two in one."""
    places = [_places(run, columns) for run in line]
    cells = {place[0]: run for place, run in zip(places, line, strict=True) if len(place) == 1}
    return cells if len(cells) == len(line) else {}


def _with_whole_cells(table: list[_Row]) -> list[_Row]:
    columns = _columns(table)
    lines = [_cells(line, columns) for line in table]
    closest = _closest(lines)
    if not all(lines) or any(runs_to_the_left(line) for line in table):
        return table
    if sum(len(line) == len(columns) for line in lines) < _FEWEST:
        return table
    groups = [[lines[0]]]
    for above, line in pairwise(lines):
        if _gap(above, line) <= closest and _goes_on(groups[-1], line, columns):
            groups[-1].append(line)
        else:
            groups.append([line])
    return [[_whole(group, number) for number in sorted({number for line in group for number in line})] for group in groups]


def _closest(lines: Sequence[_Cells]) -> float:
    """The widest gap within a cell, in heights; that of lines that overlap where all gaps are alike, and nothing can be said."""
    gaps = sorted(gap for gap in (_gap(above, line) for above, line in pairwise(lines)) if gap >= -_CLEAR)
    return next((smaller for smaller, larger in pairwise(gaps) if smaller < _CLOSER * larger and larger - smaller > _CLEAR), -_CLEAR)


def _gap(above: _Cells, line: _Cells) -> float:
    """In heights of the lower line; less than 0 where they overlap."""
    top = min((run.top for run in line.values()), default=0)
    height = max((run.bottom - run.top for run in line.values()), default=1)
    return (top - max((run.bottom for run in above.values()), default=top)) / height


def _goes_on(group: Sequence[_Cells], line: _Cells, columns: _Columns) -> bool:
    """Whether the line is the next one of a row's cells: it overlaps them, or each cell that goes on was full."""
    above = group[-1]
    if _gap(above, line) < -_CLEAR:
        return True
    if len(above) == len(line) == len(columns) and not line[0].text[:1].islower():  # two rows: what a row is about is written large
        return False
    before = {number: run for cells in group for number, run in cells.items()}
    both = [number for number in line if number in before]
    return bool(both) and all(_was_full(before[number], line[number], columns[number]) for number in both)


def _was_full(run: Run, below: Run, column: tuple[float, float]) -> bool:
    left, right = column
    word = next((index for index, glyph in enumerate(below.glyphs) if glyph.char == SPACE), len(below.glyphs))
    longer = run.right - run.left + below.glyphs[word - 1].right - below.left
    return left - 1 <= run.left and run.right <= right + 1 and (longer >= _FULL * (right - left) or run.glyphs[-1].char == BROKEN)


def _whole(group: Sequence[_Cells], number: int) -> Run:
    """The column's lines as one run."""
    glyphs: list[Glyph] = []
    for run in (line[number] for line in group if number in line):
        if glyphs and glyphs[-1].char == BROKEN:
            glyphs.pop()
        elif glyphs and glyphs[-1].char not in "-/":
            glyphs.append(blank(SPACE, glyphs[-1]))
        glyphs += run.glyphs
    return Run(glyphs)
