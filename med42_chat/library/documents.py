"""A document for the library, read from a file in a process of its own (child.py), whose answer is not trusted.

What would make such an answer dangerous is looked at here: its types, its sizes, and that each passage lies on its page. A passage's
words are cut out of the page here and not taken from the answer, so that what is cited always stands there.
"""

import base64
import binascii
import contextlib
import json
import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from med42_chat.children import talking
from med42_chat.errors import InputError, ScannedFile, UnreadableFile
from med42_chat.library.boxes import fits
from med42_chat.library.pdf import MOST_PAGES
from med42_chat.library.read import CHILD, clean, plain_name, task
from med42_chat.records import Document, Page, Passage

MOST_BYTES = 200_000_000  # of a file
MOST_CHARACTERS = 12_000_000  # of its text: some 4,000 full pages
TIME_S = 1_800.0  # it yields to other programs: three thousand pages take a minute or two, or several while a model answers
OCR_TIME_S = 6_000.0  # some three seconds for a page
_MOST_ANSWER = 400_000_000  # bytes
_LONGEST_DETAIL = 200
_SILENT = ("holds no text that can be read.", "hold no text that can be read.")
_RECOGNISED = (
    "was read by text recognition, which makes mistakes: compare figures with the page.",
    "were read by text recognition, which makes mistakes: compare figures with the page.",
)
_PAGE = re.compile(rb"page (\d{1,5}) of (\d{1,5})\n")
_DEEPEST_PATH = 12

# What can be wrong, and what to do about it, by the word that the process says. `{name}` is the file's name.
_WORDS = {
    "locked": ("{name} is protected with a password.", "Save a copy without the password, and add that."),
    "pictures": (
        "{name} is a scan: it holds pictures of pages and no text layer.",
        "Let a program with text recognition (OCR) write the text into it, and add it again.",
    ),
    "scan": (
        "{name} is a scan: it holds pictures of pages and no text layer.",
        "Tesseract, which is installed here, can try to read them: ask for text recognition (OCR).",
    ),
    "unrecognised": ("{name} is a scan, and text recognition found no words in its pictures.", "Scan it anew, upright and in good light."),
    "damaged": ("{name} cannot be read: it is damaged, or it takes too much memory.", "Get the file anew, and add it again."),
    "slow": ("Reading {name} took more than {seconds:g} seconds and was ended.", "Divide it, and add its parts."),
    "long": ("{name} holds over {characters:,} characters, more than the library reads of one document.", "Divide it, and add its parts."),
    "pages": ("{name} has more than {pages:,} pages.", "Divide it, and add its parts."),
    "big": ("{name} is larger than {megabytes} MB.", "Divide it, or save it with smaller pictures."),
    "empty": ("{name} holds no text.", ""),
    "office": ("{name} is a kind of office file that cannot be read.", "Save it as DOCX or PDF, and add that."),
    "binary": ("{name} is not a text.", "PDF, DOCX, HTML, Markdown and text files can be read."),
    "missing": ("{name} cannot be opened.", "Is it still there?"),
    "stopped": ("Reading {name} was stopped.", ""),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read. `ocr`: pages without text are read by Tesseract, which must be installed (`can_ocr`).

    `on_page` is told how many pages have been read, of how many; setting `stop` ends it within a fraction of a second.
    """

    ocr: bool = False
    on_page: Callable[[int, int], None] = lambda done, pages: None
    stop: threading.Event = field(default_factory=threading.Event)


def can_ocr() -> bool:
    """Whether Tesseract is installed."""
    return shutil.which("tesseract") is not None


def checked_ocr(wanted: bool) -> bool:
    """The same, if that can be. Raises InputError."""
    if wanted and not can_ocr():
        raise InputError("Text recognition needs Tesseract, which is not installed here.", "Install 'tesseract-ocr', then try again.")
    return wanted


def read_file(path: Path) -> bytes:
    """A file's bytes. Raises UnreadableFile for one that is gone or too large."""
    try:
        if not path.is_file():  # a pipe would be waited for until somebody writes into it
            raise _unreadable("missing", path.name)
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError:
        raise _unreadable("missing", path.name) from None
    return allowed(data, path.name)


def allowed(data: bytes, name: str) -> bytes:
    """The same bytes. Raises UnreadableFile where there are more than the library takes."""
    if len(data) > MOST_BYTES:
        raise _unreadable("big", name)
    return data


def document_of(data: bytes, name: str, time_s: float = 0, reading: Reading | None = None) -> Document:
    """The document in a file's bytes; the name helps to tell what it is, and is its title where it has none.

    Takes `time_s` seconds at most; where none are given TIME_S, or with text recognition OCR_TIME_S. Raises UnreadableFile.
    """
    reading = reading or Reading()
    time_s = time_s or (OCR_TIME_S if reading.ocr else TIME_S)
    began = time.monotonic()
    answer = ask(data, PurePath(name).suffix.lower(), time_s, reading)
    if not answer.endswith(b"\n"):  # it died, or was ended, before all was said
        raise _unreadable("stopped" if reading.stop.is_set() else "slow" if time.monotonic() - began >= time_s else "damaged", name, time_s)
    said: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        said = json.loads(answer)
    match said:
        case {"fault": "pictures"}:
            raise _unreadable("unrecognised" if reading.ocr else "scan" if can_ocr() else "pictures", name)
        case {"fault": str(fault)} if fault in _WORDS:
            raise _unreadable(fault, name)
        case {"pages": list(), "passages": list()}:
            with contextlib.suppress(ValueError, TypeError, KeyError, IndexError, binascii.Error):
                return _document(said, name)
    raise _unreadable("damaged", name)


def ask(data: bytes, suffix: str, time_s: float, reading: Reading) -> bytes:
    """What the process says at the end. Before that, it says a line for each page."""
    arguments = task("recognise" if reading.ocr else "document", suffix, MOST_CHARACTERS, time_s)
    with talking(CHILD, arguments, data, time_s, reading.stop) as said:
        while page := _PAGE.fullmatch(line := said.readline(_MOST_ANSWER)):
            reading.on_page(int(page[1]), int(page[2]))
    return line


def _document(said: dict[str, Any], name: str) -> Document:
    """Raises one of the errors that values of the wrong kind raise."""
    pages = tuple(_page(*page) for page in said["pages"])
    return Document(
        title=_detail(said["title"]) or clean(PurePath(plain_name(name)).stem),
        media_type=_detail(said["media_type"]),
        pages=pages,
        passages=tuple(_passage(number, pages, *cut) for number, cut in enumerate(said["passages"], start=1)),
        publisher=_detail(said["publisher"]),
        date=_detail(said["date"]),
        version=_detail(said["version"]),
        abbreviations=tuple((_detail(short), _detail(long)) for short, long in said["abbreviations"]),
        notes=(*_notes([int(number) for number in said["silent"]], _SILENT), *_notes([int(number) for number in said["ocr"]], _RECOGNISED)),
    )


def _page(number: int | None, text: str, boxes: str) -> Page:
    # A character for a character, or the boxes would not fit any more.
    sound = re.sub(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]", "\ufffd", text)
    packed = base64.b64decode(boxes, validate=True)
    if (packed and not fits(packed, len(sound))) or (number is not None and not 0 < number <= MOST_PAGES):
        raise ValueError
    return Page(number, sound, packed)


def _passage(number: int, pages: tuple[Page, ...], sheet: int, start: int, end: int, path: list[str]) -> Passage:
    page = pages[sheet]
    if not 0 <= start < end <= len(page.text):
        raise ValueError
    return Passage(number, page.number, tuple(map(_detail, path[:_DEEPEST_PATH])), page.text[start:end], start, end)


def _detail(text: str) -> str:
    return " ".join(clean(text[:_LONGEST_DETAIL]).split())


def _notes(pages: list[int], words: tuple[str, str]) -> tuple[str, ...]:
    if not pages:
        return ()
    numbers = ", ".join(map(str, pages[:20])) + (" …" if len(pages) > 20 else "")
    return (f"Page {numbers} {words[0]}" if len(pages) == 1 else f"Pages {numbers} {words[1]}",)


def _unreadable(fault: str, name: str, time_s: float = TIME_S) -> UnreadableFile:
    message, hint = _WORDS[fault]
    figures = {"seconds": time_s, "characters": MOST_CHARACTERS, "megabytes": MOST_BYTES // 1_000_000, "pages": MOST_PAGES}
    kind = ScannedFile if fault in ("pictures", "scan") else UnreadableFile
    return kind(message.format(name=f"‘{plain_name(name)}’", **figures), hint)
