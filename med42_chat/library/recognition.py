"""Text recognition: a page's picture through Tesseract, which the person has installed. Runs in the child process.

Tesseract gets the picture on its standard input and answers on its output: neither it nor we write a file. It is under the child's limits.
When the child is ended, Tesseract ends with the page that it has begun.
"""

import csv
import io
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

from med42_chat.library.runs import SPACE, Glyph

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

_RESOLUTION = 300  # dots an inch, which Tesseract was made for
_MOST_PIXELS = 50_000_000  # a larger page is drawn coarser: a poster must not take all memory
_LEAST_SURE = 20.0  # percent; below this it is dirt on the paper, mostly
_PAGE_S = 180.0  # of patience for one page: mostly it takes three seconds
_LINE, _WORD = "4", "5"  # levels of Tesseract's table


def recognised(page: "PdfPage") -> Iterator[Glyph]:
    """What can be read in the page's picture, in points like pdf.glyphs; nothing where Tesseract cannot do it."""
    scale = min(_RESOLUTION / 72, (_MOST_PIXELS / max(1.0, page.get_width() * page.get_height())) ** 0.5)
    return words(_tesseract(_picture(page, scale)), scale)


def words(table: str, scale: float) -> Iterator[Glyph]:
    """Tesseract's table as characters: each word's box divided among them, all of a line's of one height. Pure."""
    top = bottom = 0.0
    for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        left, upper, width, height = (int(row[name]) / scale for name in ("left", "top", "width", "height"))
        if row["level"] == _LINE:
            top, bottom = upper, upper + height
        if row["level"] != _WORD or float(row["conf"]) < _LEAST_SURE or not (text := (row["text"] or "").strip()):
            continue
        share = width / len(text)
        yield from (Glyph(char, left + share * at, top, left + share * (at + 1), bottom) for at, char in enumerate(text))
        yield Glyph(SPACE, 0, 0, 0, 0)


def _picture(page: "PdfPage", scale: float) -> bytes:
    """The page in grey, as the plainest kind of picture file there is."""
    drawn = page.render(scale=scale, grayscale=True)
    try:
        rows = bytes(drawn.buffer)
        lines = (rows[number * drawn.stride : number * drawn.stride + drawn.width] for number in range(drawn.height))
        return b"P5 %d %d 255\n" % (drawn.width, drawn.height) + b"".join(lines)
    finally:
        drawn.close()


def _tesseract(picture: bytes) -> str:
    program = shutil.which("tesseract")
    if program is None:
        return ""
    command = [program, "stdin", "stdout", "--dpi", str(_RESOLUTION), "tsv"]
    # Of one page it makes four threads, which wait for each other: on a busy computer it then took twenty times as long.
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    try:
        done = subprocess.run(command, input=picture, capture_output=True, timeout=_PAGE_S, check=True, env=environment)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")
