"""The process in which a page is drawn: `python -m med42_chat.library.draw PAGE WIDTH SECONDS`, the PDF on its input.

The answer is a PNG file, or nothing where there is no such page.
"""

import struct
import sys
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

from med42_chat.children import limit

if TYPE_CHECKING:
    from pypdfium2 import PdfBitmap, PdfPage

_MEMORY = 2 << 30  # bytes of address space
_MOST_POINTS = 16_000_000  # of a picture: a page of any shape must not take all memory


def main(page: int, width: int, seconds: int) -> None:
    """Reads standard input, answers on standard output."""
    limit(_MEMORY, seconds)
    sys.stdout.buffer.write(picture(sys.stdin.buffer.read(), page, width))


def picture(data: bytes, page: int, width: int) -> bytes:
    """The page of that number (from 1) as a PNG about `width` points wide, turned and cropped as it is shown; empty for none."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(data) as document:
            if not 1 <= page <= len(document):
                return b""
            with closing(document[page - 1]) as found:
                return _drawn(found, width)
    except pypdfium2.PdfiumError:
        return b""


def _drawn(page: "PdfPage", width: int) -> bytes:
    across, down = page.get_size()
    scale = min(width / across, (_MOST_POINTS / across / down) ** 0.5)
    bitmap = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False, may_draw_forms=False)
    with closing(bitmap):
        return _png(bitmap)


def _png(bitmap: "PdfBitmap") -> bytes:
    """Written here: a library for pictures would take longer to load than this takes to run."""
    rows, length = bytes(bitmap.buffer), bitmap.width * bitmap.n_channels
    raw = b"".join(b"\0" + rows[at : at + length] for at in range(0, bitmap.stride * bitmap.height, bitmap.stride))
    kind = {1: 0, 3: 2, 4: 6}[bitmap.n_channels]
    head = struct.pack(">IIBBBBB", bitmap.width, bitmap.height, 8, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(raw, 1)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
