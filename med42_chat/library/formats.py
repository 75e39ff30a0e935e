"""From a file's bytes to its text, by what the bytes are; the name's ending helps only where they do not say. Runs in child.py."""

import codecs
import re
from contextlib import closing
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument  # imported where a PDF has come: a text is read without it

_PDF_PASSWORD = 4  # fpdfview.h: FPDF_ERR_PASSWORD
_CONTROL = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
HTML = (".html", ".htm", ".xhtml")
MARKDOWN = (".md", ".markdown")
OFFICE = (".doc", ".docx", ".odt", ".rtf", ".xls", ".xlsx", ".ods", ".ppt", ".pptx", ".pages")

# The endings that say something. Of any other name's last part nobody need know.
ENDINGS = frozenset((".pdf", *HTML, *MARKDOWN, *OFFICE))

# Tags that begin a line of their own, and tags whose content nobody reads.
_PARAGRAPHS = frozenset(
    ("article", "blockquote", "dl", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "section", "table", "ul")
)
_BLOCKS = _PARAGRAPHS | frozenset(
    (
        "address",
        "aside",
        "body",
        "br",
        "caption",
        "dd",
        "div",
        "dt",
        "figcaption",
        "footer",
        "form",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "tr",
    )
)
RAISED = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")  # 10⁹ must not become 109
_SILENT = frozenset(("script", "style", "template", "title"))


class Fault(Exception):
    """Why there is no text: a word that read.py knows."""


@dataclass(frozen=True, slots=True)
class Extract:
    """The text of a file, and what it was. `pages` of a PDF."""

    text: str
    media_type: str
    pages: int | None = None


def extract(data: bytes, suffix: str, most_characters: int) -> Extract:
    """The text of a file's bytes. Raises Fault where there is none, or more than `most_characters` of it."""
    found = _extract(data, suffix, most_characters)
    if len(found.text) > most_characters:
        raise Fault("long")
    if not found.text.strip():
        raise Fault("empty")
    return found


def _extract(data: bytes, suffix: str, most_characters: int) -> Extract:
    if b"%PDF-" in data[:1024]:  # not always at the very beginning: mail programs put lines before it
        return _pdf(data, most_characters)
    if suffix == ".pdf":
        raise Fault("damaged" if data else "empty")
    if suffix in OFFICE:
        raise Fault("office")
    text = decode(data)
    if suffix in HTML or re.match(r"\s*<(!doctype html|html)\b", text, re.IGNORECASE):
        return Extract(_html(text), "text/html")
    return Extract(tidy(text), "text/markdown" if suffix in MARKDOWN else "text/plain")


# Texts


def decode(data: bytes) -> str:
    """UTF-8 or UTF-16 by their marks, else UTF-8, else what the file says of itself, else what Windows wrote in the west."""
    for mark, encoding in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if b"\0" in data:
        raise Fault("binary")
    text = _first_that_fits(data)
    if len(_CONTROL.findall(text)) > len(text) / 100:
        raise Fault("binary")
    return text


def _first_that_fits(data: bytes) -> str:
    named = re.search(rb"charset=[\"']?([\w-]{2,40})", data[:2048])
    for encoding in ("utf-8", named[1].decode("ascii") if named else "cp1252", "cp1252"):
        try:
            return str(codecs.decode(data, encoding))
        except (UnicodeDecodeError, LookupError):
            continue
    raise Fault("binary")


def tidy(text: str) -> str:
    lines = (line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


# HTML


def _html(text: str) -> str:
    reader = HtmlLines()
    reader.feed(text)
    reader.close()
    return tidy("".join(reader.pieces))


class HtmlLines(HTMLParser):
    """Collects what a reader would see: a line for each block, ' | ' between the cells of a table, a hyphen before a list's entry."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._silent = self._verbatim = self._raised = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._silent += tag in _SILENT
        self._verbatim += tag == "pre"
        self._raised += tag == "sup"
        self._break(tag)
        if tag == "li":
            self.pieces.append("- ")
        elif tag in ("td", "th") and not self._at_line_start():
            self.pieces.append(" | ")

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(0, self._silent - (tag in _SILENT))
        self._verbatim = max(0, self._verbatim - (tag == "pre"))
        self._raised = max(0, self._raised - (tag == "sup"))
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        words = data if self._verbatim else re.sub(r"\s+", " ", data)
        if self._at_line_start() and not self._verbatim:
            words = words.lstrip(" ")
        if self._raised:
            words = words.translate(RAISED)
        if words:
            self.pieces.append(words)

    def _break(self, tag: str) -> None:
        if tag == "br" or (tag in _BLOCKS and not self._at_line_start()):
            self.pieces.append("\n")
        if tag in _PARAGRAPHS:
            self.pieces.append("\n")  # too many in a row are taken out in the end

    def _at_line_start(self) -> bool:
        return not self.pieces or self.pieces[-1].endswith("\n")


# PDF


def _pdf(data: bytes, most_characters: int) -> Extract:
    """Every page's text. A page that shows something and says nothing is named in its place, so that nobody believes it was read."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(data) as document:
            pages = _pages(document, most_characters)
    except pypdfium2.PdfiumError as error:
        raise Fault("locked" if error.err_code == _PDF_PASSWORD else "damaged") from None
    if not any(pages):
        raise Fault("pictures" if None in pages else "empty")
    texts = (f"[Page {number} holds no text that can be read.]" if page is None else page for number, page in enumerate(pages, start=1))
    return Extract("\n\n".join(filter(None, texts)), "application/pdf", len(pages))


def _pages(document: "PdfDocument", most_characters: int) -> list[str | None]:
    pages = []
    for number in range(len(document)):
        pages.append(_page_text(document, number))
        most_characters -= len(pages[-1] or "")
        if most_characters < 0:
            raise Fault("long")
    return pages


def _page_text(document: "PdfDocument", number: int) -> str | None:
    """'' for an empty page, None for one that shows something without text, or cannot be read."""
    import pypdfium2

    try:
        with closing(document[number]) as page:
            text = _without_layout(page.get_textpage().get_text_bounded())
            return text or (None if any(page.get_objects(max_depth=1)) else "")
    except pypdfium2.PdfiumError:
        return None


def _without_layout(text: str) -> str:
    """PDFium writes U+0002 for a hyphen at a line's end and joins the word; whether the hyphen belongs to it, nobody knows: it stays.

    U+2010 comes from automatic hyphenation alone, and goes.
    """
    return tidy(re.sub(r"(?<=\w)\u2010\s*\n\s*(?=\w)", "", text.replace("\x02", "-")))
