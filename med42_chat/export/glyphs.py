"""Which characters no font of a folder can draw, read from the fonts' own tables. Pure but for reading those files."""

import struct
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path

_UNICODE = {(0, 3), (0, 4), (3, 1), (3, 10)}  # platform and encoding of a table that is ordered by Unicode
_SELECTORS = range(0xFE00, 0xFE10)  # choose a variant of the character before them, and draw nothing


def missing(characters: Iterable[str], folder: Path) -> frozenset[str]:
    """Those of the characters that no font in the folder can draw. What draws nothing (spaces, joiners, line feeds) is never missing."""
    left = {ord(one) for one in characters if not _draws_nothing(one)}
    for file in sorted(folder.glob("*.tt[cf]")):
        if left:
            left -= _drawn(file.read_bytes(), left)
    return frozenset(map(chr, left))


def _draws_nothing(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp") or ord(character) in _SELECTORS


def _drawn(font: bytes, wanted: Iterable[int]) -> set[int]:
    (start,) = struct.unpack_from(">L", font, 12) if font.startswith(b"ttcf") else (0,)  # of a collection, the first font
    table = _table(font, start, b"cmap")
    (count,) = struct.unpack_from(">H", font, table + 2)
    found: set[int] = set()
    for at in range(count):
        platform, encoding, offset = struct.unpack_from(">HHL", font, table + 4 + 8 * at)
        if (platform, encoding) in _UNICODE:
            found |= _listed(font, table + offset, wanted)
    return found


def _table(font: bytes, start: int, name: bytes) -> int:
    """Where a table of the font begins."""
    (count,) = struct.unpack_from(">H", font, start + 4)
    entries = (struct.unpack_from(">4sLLL", font, start + 12 + 16 * at) for at in range(count))
    return next(int(offset) for tag, _, offset, _ in entries if tag == name)


def _listed(font: bytes, table: int, wanted: Iterable[int]) -> set[int]:
    """Of the wanted code points, those that the subtable at `table` has a glyph for. Of its formats, 4 and 12 are what fonts have."""
    (format,) = struct.unpack_from(">H", font, table)
    if format == 4:
        return _in_segments(font, table, wanted)
    return _in_groups(font, table, wanted) if format == 12 else set()


def _in_groups(font: bytes, table: int, wanted: Iterable[int]) -> set[int]:
    (count,) = struct.unpack_from(">L", font, table + 12)
    numbers = struct.unpack_from(f">{3 * count}L", font, table + 16)
    starts, ends = numbers[0::3], numbers[1::3]
    found = ((code, bisect_left(ends, code)) for code in wanted)
    return {code for code, at in found if at < count and starts[at] <= code}


def _in_segments(font: bytes, table: int, wanted: Iterable[int]) -> set[int]:
    (twice,) = struct.unpack_from(">H", font, table + 6)
    count = twice // 2
    ends = struct.unpack_from(f">{count}H", font, table + 14)
    starts, deltas, ranges = (struct.unpack_from(f">{count}H", font, table + 16 + twice * part) for part in (1, 2, 3))

    def has_glyph(code: int) -> bool:
        at = bisect_left(ends, code)
        if at == count or starts[at] > code:
            return False
        if ranges[at] == 0:
            return bool((code + deltas[at]) % 65536)
        # The offset counts from where it stands itself, two bytes for each code point of the segment.
        place = table + 16 + 3 * twice + 2 * at + ranges[at] + 2 * (code - starts[at])
        (glyph,) = struct.unpack_from(">H", font, place)
        return bool(glyph)

    return {code for code in wanted if has_glyph(code)}
