"""Pages of a PDF as pictures, drawn in a process of its own (draw.py), and kept in memory for a while: never in a file."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from med42_chat.children import talk
from med42_chat.errors import UnreadableFile

WIDTHS = (600, 900, 1300, 1900, 2600)  # points across: few sizes, so that what was drawn can be shown again
TIME_S = 15.0
_MOST_ANSWER = 80_000_000  # bytes
_PNG = b"\x89PNG\r\n\x1a\n"
Key = tuple[str, int, int]  # document, page, width
_END = b"IEND\xaeB`\x82"


def render(original: bytes, page: int, width: int) -> bytes:
    """The page of that number (from 1) of a PDF as a PNG about `width` points wide. Raises UnreadableFile where there is none."""
    png = talk("med42_chat.library.draw", [str(page), str(width), str(round(TIME_S) + 1)], original, TIME_S, _MOST_ANSWER)
    if not (png.startswith(_PNG) and png.endswith(_END)):
        raise UnreadableFile(f"Page {page} cannot be shown as a picture.", "Open the original file to see it.")
    return png


def fitting(width: int) -> int:
    """The smallest of `WIDTHS` that is at least `width`, or the largest."""
    return next((one for one in WIDTHS if one >= width), WIDTHS[-1])


class Kept:
    """The pictures shown last, up to so many bytes of them, each of a page of a document, in a width.

    Of those that are not there, a few are made at a time.
    """

    def __init__(self, most_bytes: int = 96_000_000, at_once: int = 2) -> None:
        self._most, self._bytes = most_bytes, 0
        self._pictures: OrderedDict[Key, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(at_once)

    def get(self, key: Key, make: Callable[[], bytes]) -> bytes:
        """The picture under this key, made now where it is not here. Raises what `make` raises."""
        found = self._known(key)
        if found is not None:
            return found
        with self._turns:
            # Somebody else may have made it while this one waited for its turn.
            found = self._known(key)
            return found if found is not None else self._keep(key, make())

    def forget(self, document: str) -> None:
        """Drops the pictures of this document."""
        with self._lock:
            for key in [key for key in self._pictures if key[0] == document]:
                self._bytes -= len(self._pictures.pop(key))

    def _known(self, key: Key) -> bytes | None:
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
            return self._pictures.get(key)

    def _keep(self, key: Key, picture: bytes) -> bytes:
        with self._lock:
            self._bytes += len(picture) - len(self._pictures.pop(key, b""))
            self._pictures[key] = picture
            while self._bytes > self._most:
                self._bytes -= len(self._pictures.popitem(last=False)[1])
        return picture
