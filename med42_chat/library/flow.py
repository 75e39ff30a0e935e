"""From the lines of all pages to their text: running heads out, broken words whole, lines joined to paragraphs, headings known. Pure."""

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from med42_chat.library.boxes import SCALE
from med42_chat.library.rows import Line
from med42_chat.library.runs import BROKEN
from med42_chat.library.sheets import Sheet

_EDGE_LINES = 3  # from the top and from the bottom, in which a running head may stand
_LARGER = 1.18  # times the text's own size: a heading
_LEVELS = 4
_LONGEST_HEADING = 160  # characters
_SOFT = "\xad\u2010"  # put in by a program that broke the line, never part of the word
_PAGE_NUMBER = re.compile(r"[-–—\s]*((page|p\.|seite)\s*)?\d{1,4}(\s*(/|of|von)\s*\d{1,4})?[-–—\s]*", re.IGNORECASE)
_ENTRY = re.compile(r"([•▪●○◦‣⁃∙·–*-]|\(?(\d{1,2}|[a-z])[.)])\s")
# Second halves of compounds that are written with a hyphen, whatever the rest of the document does.
_COMPOUNDS = re.compile(
    r"-(associated|based|dependent|free|hour|induced|like|line|old|only|related|resistant|specific|term|threatening|up|year)"
)
_WORD_END, _WORD_START = re.compile(r"[^\W\d_]+$"), re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Strip:
    """A line, kept small: a large document has a hundred thousand. `edges` has four numbers for each character."""

    text: str
    edges: "array[int]"
    top: float
    bottom: float
    left: float
    right: float
    bold: bool
    row: bool

    @property
    def height(self) -> float:
        """In points."""
        return self.bottom - self.top


def strip(line: Line, width: float, height: float) -> Strip:
    """A line of a page of that size. Ligatures are taken apart, for they are a matter of print."""
    characters: list[str] = []
    edges = array("H")
    across, down = SCALE / width, SCALE / height
    for char, left, top, right, bottom, _ in line.glyphs:
        parts = _parts(char) if char >= _FIRST_PRINTED else char
        characters.append(parts)
        if bottom <= top:  # it is nowhere
            edges.extend([0] * 4 * len(parts))
            continue
        upper, lower = _edge(top * down), _edge(bottom * down)
        share = (right - left) / len(parts)
        for number in range(len(parts)):
            start = left + number * share
            edges.extend((_edge(start * across), upper, _edge((start + share) * across), lower))
    bold = all(glyph.bold for glyph in line.glyphs if glyph.bottom > glyph.top)
    return Strip("".join(characters), edges, line.top, line.bottom, line.left, line.right, bold, line.row)


def _edge(place: float) -> int:
    near = int(place + 0.5)
    return near if 0 <= near <= SCALE else 0 if near < 0 else SCALE


_FIRST_PRINTED = "\ufb00"
_PRINTED = re.compile("[\ufb00-\ufb4f\ufb50-\ufdff\ufe70-\ufefc]")


def _parts(char: str) -> str:
    """Ligatures, and the shapes that Arabic letters have in print, as the letters that they stand for."""
    return unicodedata.normalize("NFKC", char) if _PRINTED.match(char) else char


def sheets(pages: Sequence[Sequence[Strip]]) -> list[Sheet]:
    """The text of each page."""
    pages = without_running_lines(pages)
    every = [line for page in pages for line in page]
    levels = _Levels(every)
    hyphens = _Hyphens(every)
    return [_sheet(number, page, levels, hyphens) for number, page in enumerate(pages, start=1)]


# Running heads


def without_running_lines(pages: Sequence[Sequence[Strip]]) -> list[list[Strip]]:
    """The pages without what stands at the edge of many of them, page numbers aside, and without those numbers."""
    counts = Counter(key for number, page in enumerate(pages) for key in {key for line in _at_edges(page) for key in _keys(line, number)})
    often = {key for key, count in counts.items() if count >= max(3, len(pages) / 4)}

    def running(number: int, page: Sequence[Strip]) -> list[Strip]:
        return [line for line in _at_edges(page) if _is_page_number(page, line) or not often.isdisjoint(_keys(line, number))]

    found = ((page, running(number, page)) for number, page in enumerate(pages))
    return [[line for line in page if line not in out] for page, out in found]


def _at_edges(page: Sequence[Strip]) -> list[Strip]:
    by_height = sorted(page, key=lambda line: line.top)
    return by_height[:_EDGE_LINES] + by_height[_EDGE_LINES:][-_EDGE_LINES:]


def _is_page_number(page: Sequence[Strip], line: Strip) -> bool:
    """A number alone, above or below everything else."""
    return _PAGE_NUMBER.fullmatch(line.text) is not None and line.top in (min(one.top for one in page), max(one.top for one in page))


def _keys(line: Strip, number: int) -> list[tuple[str, int]]:
    """What a line would have in common with its likes on other pages: its words, but for one number that grows with the pages.

    Only such a number: 'Give 10 mg' and 'Give 20 mg' at the top of two pages are no running head.
    """
    height = round(line.top / 4)
    numbers = list(re.finditer(r"\d{1,5}", line.text))
    grown = (f"{line.text[: one.start()]}{int(one[0]) - number}th{line.text[one.end() :]}" for one in {*numbers[:1], *numbers[-1:]})
    return [(text, height) for text in (line.text, *grown)]


# Headings


class _Levels:
    """Which lines are headings: larger than most of the text, or bold and by themselves."""

    def __init__(self, every: Sequence[Strip]) -> None:
        sizes: Counter[float] = Counter()
        for line in every:
            sizes[_size(line)] += len(line.text)
        self._body = sizes.most_common(1)[0][0] if sizes else 0.0
        larger = sorted({_size(line) for line in every if self._may_be(line) and _size(line) > _LARGER * self._body}, reverse=True)
        self._levels = {size: min(_LEVELS, number) for number, size in enumerate(_apart(larger), start=1)}
        self._lowest = min(_LEVELS, len(set(self._levels.values())) + 1)

    def of(self, line: Strip) -> int:
        """1 is the highest, 0 for text."""
        if not self._may_be(line):
            return 0
        nearest = [level for size, level in self._levels.items() if abs(size - _size(line)) <= 0.5]
        if nearest:
            return nearest[0]
        return self._lowest if line.bold and _size(line) >= 0.95 * self._body else 0

    @staticmethod
    def _may_be(line: Strip) -> bool:
        letters = re.search(r"[^\W\d_]{2}", line.text)
        return letters is not None and not line.row and len(line.text) <= _LONGEST_HEADING and not line.text.endswith((".", ",", ";"))


def _size(line: Strip) -> float:
    return round(line.height * 2) / 2


def _apart(sizes: Sequence[float]) -> list[float]:
    """Of sizes that differ by nothing but rounding, one."""
    return [size for index, size in enumerate(sizes) if not index or sizes[index - 1] - size > 0.5]


# Words broken at a line's end


class _Hyphens:
    """Whether a hyphen at a line's end belongs to the word: as the document itself writes it elsewhere, else as it mostly does."""

    def __init__(self, every: Iterable[Strip]) -> None:
        self._words: set[str] = set()
        joined = kept = 0
        lines = list(every)
        for line in lines:
            self._words.update(re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", line.text.lower()))
        for line, following in pairwise(lines):
            whole, parted = self._both(line.text, following.text)
            joined += whole in self._words
            kept += parted in self._words
        self._joins = joined >= kept

    def join(self, before: str, after: str) -> tuple[str, str]:
        """The end of the text so far, and what stands between it and the next line."""
        if before.endswith(tuple(_SOFT)):
            return before[:-1], ""
        if not before.endswith((BROKEN, "-")) or not re.search(r"\w.$", before):
            return before, " "
        if before.endswith("-") and not _WORD_START.match(after):
            return before, ""  # '5-' and '6 mg'
        whole, parted = self._both(before, after)
        guessed = self._joins and whole != "" and after[:1].islower() and not _COMPOUNDS.search(parted)
        soft = whole in self._words or (parted not in self._words and guessed)
        return (before[:-1], "") if soft else (before[:-1] + "-", "")

    @staticmethod
    def _both(before: str, after: str) -> tuple[str, str]:
        end, start = _WORD_END.search(before[:-1]), _WORD_START.match(after)
        if not before.endswith((BROKEN, "-")) or not end or not start:
            return "", ""
        return (end[0] + start[0]).lower(), f"{end[0]}-{start[0]}".lower()


# Paragraphs


def _sheet(number: int, page: Sequence[Strip], levels: _Levels, hyphens: _Hyphens) -> Sheet:
    sheet = Sheet(number)
    for group in _paragraphs(page, levels):
        text, edges = _joined(group, hyphens)
        sheet.add(text, levels.of(group[0]), group[0].row, edges)
    return sheet


def _paragraphs(page: Sequence[Strip], levels: _Levels) -> list[list[Strip]]:
    gaps = [below.top - line.bottom for line, below in pairwise(page) if below.top > line.top and not (line.row or below.row)]
    usual = median(gaps) if gaps else 0.0
    groups: list[list[Strip]] = []
    for index, line in enumerate(page):
        if index and _continues(page[index - 1], line, usual, levels):
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _continues(last: Strip, line: Strip, usual: float, levels: _Levels) -> bool:
    if last.row or line.row or _ENTRY.match(line.text) or levels.of(last) != levels.of(line):
        return False
    if line.top < last.top:  # another column: the sentence goes on, or a new one begins
        return levels.of(line) == 0 and not last.text.endswith((".", ":", "?", "!")) and not line.text[:1].isupper()
    return line.top - last.bottom <= usual + 0.4 * line.height


def _joined(group: Sequence[Strip], hyphens: _Hyphens) -> tuple[str, "array[int]"]:
    text, edges = group[0].text, group[0].edges[:]
    for line in group[1:]:
        text, between = hyphens.join(text, line.text)
        del edges[4 * len(text) :]  # of a hyphen that went
        edges.extend([0] * 4 * len(between))
        text += between + line.text
        edges.extend(line.edges)
    return text.replace(BROKEN, "-"), edges
