"""PDF files, read with PDFium: every character with its place, and what the file says of itself. Runs in the child process."""

import ctypes
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from med42_chat.library.flow import Strip, sheets, strip
from med42_chat.library.formats import Fault
from med42_chat.library.layout import lines
from med42_chat.library.recognition import recognised
from med42_chat.library.runs import SPACE, Glyph
from med42_chat.library.sheets import Sheet

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage  # imported where a PDF has come: a text is read without it

MOST_PAGES = 5_000
_FARTHEST = 1e6  # points: a damaged file may put a character anywhere
_LOWEST = 0.5  # points: one whose font has no height is a character all the same
_PASSWORD = 4  # fpdfview.h: FPDF_ERR_PASSWORD
_FINE = 1 << 24  # steps in which PDFium is asked for a place on the page: it answers in whole ones
_BLANK = Glyph(SPACE, 0, 0, 0, 0)
_BOLD = re.compile(rb"bold|black|heavy|semibd|demi", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Way:
    """How a document is read: what is told of each page that has been read, of how many, and whether text recognition is asked for."""

    ocr: bool = False
    on_page: Callable[[int, int], None] = lambda done, pages: None


@dataclass(slots=True)
class Found:
    """What is in a file. `silent`: the numbers of pages that show something without text; `ocr`: of those read by text recognition."""

    sheets: list[Sheet] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    silent: list[int] = field(default_factory=list)
    ocr: list[int] = field(default_factory=list)


def read(data: bytes, most_characters: int, way: Way) -> Found:
    """The pages, and what the file says of itself. Raises Fault."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(data) as document:
            return _read(document, most_characters, way)
    except pypdfium2.PdfiumError as error:
        raise Fault("locked" if error.err_code == _PASSWORD else "damaged") from None


def _read(document: "PdfDocument", most_characters: int, way: Way) -> Found:
    count = len(document)
    if count > MOST_PAGES:
        raise Fault("pages")
    found = Found(said=document.get_metadata_dict(skip_empty=True))
    pages: list[list[Strip]] = []
    for number in range(count):
        pages.append(_page(document, number, way, found))
        most_characters -= sum(len(line.text) for line in pages[-1])
        if most_characters < 0:
            raise Fault("long")
        way.on_page(number + 1, count)
    if not any(pages):
        raise Fault("pictures" if found.silent else "empty")
    found.sheets = sheets(pages)
    return found


def _page(document: "PdfDocument", number: int, way: Way, found: Found) -> list[Strip]:
    """The page's lines. One that shows something and says nothing, or cannot be read, is noted."""
    import pypdfium2

    try:
        with closing(document[number]) as page:
            if strips := _strips(page, glyphs(page)):
                return strips
            if not any(page.get_objects(max_depth=1)):
                return []
            if way.ocr and (strips := _strips(page, recognised(page))):
                found.ocr.append(number + 1)
                return strips
    except pypdfium2.PdfiumError:
        pass
    found.silent.append(number + 1)
    return []


def _strips(page: "PdfPage", found: Iterable[Glyph]) -> list[Strip]:
    width, height = page.get_size()
    return [strip(line, width, height) for line in lines(found)]


def glyphs(page: "PdfPage") -> Iterator[Glyph]:
    """The page's characters in the file's order, in points from the upper left corner of the page as it is shown."""
    import pypdfium2.raw as pdfium

    place = _Place(page)
    with closing(page.get_textpage()) as text:
        raw, box, bold = text.raw, pdfium.FS_RECTF(), _Bold(text.raw)
        # Looked up once and not for each character: a full page has 6,000.
        code_at, box_at, of = pdfium.FPDFText_GetUnicode, pdfium.FPDFText_GetLooseCharBox, place.of
        in_word = is_bold = False
        for index in range(pdfium.FPDFText_CountChars(raw)):
            code = code_at(raw, index)
            if code in (0, 0xFFFE, 0xFFFF) or 0xD800 <= code < 0xE000:
                continue
            char = chr(code)
            if char.isspace():
                in_word = False
                yield _BLANK
            elif box_at(raw, index, box):
                is_bold = is_bold if in_word else bold.at(index)
                in_word = True
                left, top, right, bottom = of(box.left, box.top, box.right, box.bottom)
                if abs(left) + abs(top) + abs(right) + abs(bottom) < _FARTHEST:  # which is false for what is no number, too
                    yield Glyph(char, left, top, right, max(bottom, top + _LOWEST), is_bold)


class _Place:
    """From the file's own coordinates, which a page may turn or crop, to points from its upper left corner as it is shown."""

    def __init__(self, page: "PdfPage") -> None:
        self._page = page
        self._size = page.get_size()
        (x, y), across, up = self._ask(0, 0), self._ask(1000, 0), self._ask(0, 1000)
        self._x, self._y = x, y
        self._across_x, self._across_y = (across[0] - x) / 1000, (across[1] - y) / 1000
        self._up_x, self._up_y = (up[0] - x) / 1000, (up[1] - y) / 1000

    def of(self, left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of a rectangle."""
        x1, y1 = self._x + left * self._across_x + top * self._up_x, self._y + left * self._across_y + top * self._up_y
        x2, y2 = self._x + right * self._across_x + bottom * self._up_x, self._y + right * self._across_y + bottom * self._up_y
        if x1 > x2:
            x1, x2 = x2, x1
        return (x1, y1, x2, y2) if y1 <= y2 else (x1, y2, x2, y1)

    def _ask(self, x: float, y: float) -> tuple[float, float]:
        import pypdfium2.raw as pdfium

        across, down = ctypes.c_int(), ctypes.c_int()
        pdfium.FPDF_PageToDevice(self._page.raw, 0, 0, _FINE, _FINE, 0, x, y, across, down)
        return across.value / _FINE * self._size[0], down.value / _FINE * self._size[1]


class _Bold:
    """Whether a word is bold, as the name of its first character's font says. (PDFium's weight is a guess: 704 for a plain Noto Serif.)"""

    def __init__(self, text: Any) -> None:
        self._text = text
        self._name = ctypes.create_string_buffer(128)
        self._known: dict[bytes, bool] = {}

    def at(self, index: int) -> bool:
        """For the character of that number."""
        import pypdfium2.raw as pdfium

        size = pdfium.FPDFText_GetFontInfo(self._text, index, self._name, len(self._name), None)
        name = self._name.raw[: min(size, len(self._name))]
        if name not in self._known:
            self._known[name] = _BOLD.search(name) is not None
        return self._known[name]
