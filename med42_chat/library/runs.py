"""From the characters of a page, each with its place, to runs: text on one line without a wide gap. Pure.

Lengths are in points, from the page's upper left corner.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from med42_chat.library.formats import RAISED

SPACE = " "
BROKEN = "\x02"  # what PDFium says for a hyphen at a line's end

_WIDE = 1.0  # heights of a character: a wider gap parts two cells or columns
_NARROW = 0.08  # a narrower gap is none, whatever space PDFium thinks is there
_RAISED_HEIGHT = 0.85  # of the line's own characters: a raised figure is smaller


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
        elif space and gap(last, glyph) > _NARROW * last.height:
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


def gap(last: Glyph, glyph: Glyph) -> float:
    """What lies between two characters, to either side: some scripts run to the left."""
    return max(glyph.left - last.right, last.left - glyph.right)


def _with_raised(glyphs: list[Glyph]) -> list[Glyph]:
    shown = [glyph for glyph in glyphs if glyph.bottom > glyph.top]
    heights = [one.bottom - one.top for one in shown]
    if min(heights) >= _RAISED_HEIGHT * max(heights):
        return glyphs
    height, bottom = median(heights), median([one.bottom for one in shown])

    def raised(glyph: Glyph) -> bool:
        return 0 < glyph.height < _RAISED_HEIGHT * height and glyph.bottom < bottom - 0.15 * height

    return [glyph._replace(char=glyph.char.translate(RAISED)) if raised(glyph) else glyph for glyph in glyphs]
