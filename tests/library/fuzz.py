"""PDF files with something wrong in them, and a process that reads one after the other: `python -m tests.library.fuzz FIRST LAST`.

It says a line for each, 'number end', and dies where reading one of them kills it.
"""

import random
import re
import signal
import sys
from pathlib import Path

from tests.library import files, pdfs

EACH_S = 15  # longer than any of them takes; what hangs is killed by the clock
_SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "library"


def wholes() -> list[bytes]:
    """Sound files: text, a picture, packed streams, and the sample library's, which other programs wrote."""
    drawn = files.drawn([(50, 700 - 12 * line, f"Line {line}: give 500 mg.") for line in range(40)])
    made = [pdfs.letter(["Words."], ["More of them."]), pdfs.document([pdfs.PICTURE, drawn]), pdfs.document([drawn] * 3, packed=True)]
    return made + [file.read_bytes() for file in sorted(_SAMPLES.glob("*.pdf"))]


def mutated(number: int) -> bytes:
    """The file of that number: always the same one."""
    draw = random.Random(number)
    whole = wholes()
    content = bytearray(whole[number % len(whole)])
    for _ in range(draw.choice([1, 3, 20])):
        draw.choice([_byte, _number, _piece_out, _piece_twice])(draw, content)
    return bytes(content[: draw.randrange(len(content))] if draw.random() < 0.1 else content)


def _byte(draw: random.Random, content: bytearray) -> None:
    content[draw.randrange(len(content))] = draw.randrange(256)


def _number(draw: random.Random, content: bytearray) -> None:
    """A length, a place, a reference, a size: another, or one that is far too large."""
    places = list(re.finditer(rb"\d+", content))
    place = draw.choice(places)
    content[place.start() : place.end()] = str(draw.choice([0, 1, -1, 7, 65_536, 2**31, 2**40, int(place[0][:9]) + 1])).encode()


def _piece_out(draw: random.Random, content: bytearray) -> None:
    at = draw.randrange(len(content))
    del content[at : min(len(content) - 10, at + draw.randrange(1, 60))]


def _piece_twice(draw: random.Random, content: bytearray) -> None:
    at = draw.randrange(len(content))
    content[at:at] = content[at : at + draw.randrange(1, 400)]


def _read(number: int) -> str:
    from med42_chat.library import whole
    from med42_chat.library.formats import Fault
    from med42_chat.library.pdf import Way

    try:
        return f"{len(whole.read(mutated(number), '.pdf', 1_000_000, Way())['pages'])} pages"
    except (Fault, MemoryError, RecursionError) as fault:  # as child.py does
        return str(fault) or type(fault).__name__


if __name__ == "__main__":
    from med42_chat.children import limit

    limit(3 << 30, 600)
    for one in range(int(sys.argv[1]), int(sys.argv[2])):
        signal.alarm(EACH_S)
        print(one, _read(one), flush=True)
