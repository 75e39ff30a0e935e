"""Where the characters of a page stand: kept small, and free of any picture's resolution.

A box is left, top, right, bottom in 65,535ths of the page's width and height, from its upper left corner, as the page is shown (turned
pages too). A character that the program put in between (a space between two lines) has an empty box.
"""

import sys
import zlib
from array import array
from collections.abc import Iterable
from typing import NamedTuple

from med42_chat.library.places import find
from med42_chat.records import Page

SCALE = 65_535


class Box(NamedTuple):
    """A rectangle on a page, in 65,535ths of its width and height."""

    left: int
    top: int
    right: int
    bottom: int


NOWHERE = Box(0, 0, 0, 0)


def pack(edges: "array[int]") -> bytes:
    """Left, top, right, bottom of one character after the other, as bytes: all left edges first, which packs to a third of that."""
    parts = [edges[index::4] for index in range(4)]
    if sys.byteorder == "big":
        for part in parts:
            part.byteswap()
    return zlib.compress(b"".join(part.tobytes() for part in parts), 6) if edges else b""


def fits(packed: bytes, characters: int) -> bool:
    """Whether these are boxes for so many characters. It unpacks no more than that, whatever the bytes would grow to."""
    try:
        return len(zlib.decompressobj().decompress(packed, 8 * characters + 1)) == 8 * characters
    except zlib.error:
        return False


def unpack(packed: bytes) -> list[Box]:
    """The boxes that `pack` packed, one for each character. Raises ValueError for anything else."""
    try:
        numbers = array("H", zlib.decompress(packed)) if packed else array("H")
    except zlib.error:
        raise ValueError("these are no boxes") from None
    if sys.byteorder == "big":
        numbers.byteswap()
    count, rest = divmod(len(numbers), 4)
    if rest:
        raise ValueError("these are no boxes")
    return [Box(*numbers[index::count]) for index in range(count)]


def around(boxes: Iterable[Box]) -> list[Box]:
    """One box for each line that these characters stand on: what a highlight needs."""
    lines: list[Box] = []
    for box in boxes:
        if box == NOWHERE:
            continue
        if lines and _on_one_line(lines[-1], box):
            last = lines[-1]
            lines[-1] = Box(min(last.left, box.left), min(last.top, box.top), max(last.right, box.right), max(last.bottom, box.bottom))
        else:
            lines.append(box)
    return lines


def _on_one_line(one: Box, other: Box) -> bool:
    common = min(one.bottom, other.bottom) - max(one.top, other.top)
    return 2 * common >= min(one.bottom - one.top, other.bottom - other.top)


def marks(page: Page, words: str, start: int = 0, end: int | None = None) -> list[Box]:
    """Where these words stand on a page, between `start` and `end` of its text: a box for each line. Layout makes no difference.

    None where they do not stand there, or stand there twice: no mark is better than a wrong one.
    """
    place = find(page.text, words, start, end) if page.boxes else None
    return around(unpack(page.boxes)[slice(*place)]) if place else []
