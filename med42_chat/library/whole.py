"""From a file's bytes to everything that is kept of a document, as values for JSON. Runs in the child process."""

import base64
import re
from dataclasses import replace
from typing import Any

from med42_chat.library import flat, pdf
from med42_chat.library.abbreviations import pairs
from med42_chat.library.boxes import pack
from med42_chat.library.cutting import cuts
from med42_chat.library.details import details
from med42_chat.library.formats import HTML, MARKDOWN, OFFICE, Fault, decode, tidy
from med42_chat.library.pdf import Found, Way

_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def read(data: bytes, suffix: str, most_characters: int, way: Way) -> dict[str, Any]:
    """The document. Raises Fault where there is no text, or more than `most_characters` of it."""
    media_type, found = _found(data, suffix, most_characters, way)
    sheets = found.sheets
    if sum(len(sheet.text) for sheet in sheets) > most_characters:
        raise Fault("long")
    if not any(sheet.text.strip() for sheet in sheets):
        raise Fault("empty")
    about = details(sheets, found.said)
    return {
        "media_type": media_type,
        "title": about.title,
        "publisher": about.publisher,
        "date": about.date,
        "version": about.version,
        "silent": found.silent,
        "ocr": found.ocr,
        "abbreviations": pairs("\n".join(sheet.text for sheet in sheets)),
        "pages": [[sheet.number, sheet.text, base64.b64encode(pack(sheet.edges)).decode("ascii")] for sheet in sheets],
        "passages": [[cut.sheet, cut.start, cut.end, cut.path] for cut in cuts(sheets)],
    }


def _found(data: bytes, suffix: str, most_characters: int, way: Way) -> tuple[str, Found]:
    if b"%PDF-" in data[:1024]:
        return "application/pdf", _pdf(data, most_characters, way)
    if suffix == ".pdf":
        raise Fault("damaged" if data else "empty")
    if suffix == ".docx" or (data.startswith(b"PK\x03\x04") and b"word/" in data[:4096]):
        if not data.startswith(b"PK"):  # with a password, a DOCX is another kind of file altogether
            raise Fault("locked" if data.startswith(b"\xd0\xcf\x11\xe0") else "damaged" if data else "empty")
        return _DOCX, _one(flat.docx(data))
    if suffix in OFFICE:
        raise Fault("office")
    text = decode(data)
    if suffix in HTML or re.match(r"\s*<(!doctype html|html)\b", text, re.IGNORECASE):
        return "text/html", _one(flat.html(text))
    return "text/markdown" if suffix in MARKDOWN else "text/plain", _one(flat.markdown(tidy(text)))


def _one(read: flat.Read) -> Found:
    return Found([read[0]], read[1])


def _pdf(data: bytes, most_characters: int, way: Way) -> Found:
    found = pdf.read(data, most_characters, way)
    # The author is not taken for the publisher: it is whoever owned the computer.
    said = {"title": found.said.get("Title", ""), "date": found.said.get("ModDate", "") or found.said.get("CreationDate", "")}
    return replace(found, said=said)
