"""A document for the library, read from a file in a process of its own (child.py), whose answer is not trusted.

What would make such an answer dangerous is looked at here: its types, its sizes, and that each passage lies on its page. A passage's
words are cut out of the page here and not taken from the answer, so that what is cited always stands there.
"""

import base64
import binascii
import contextlib
import json
import re
import time
from pathlib import Path, PurePath
from typing import Any

from med42_chat.errors import UnreadableFile
from med42_chat.library.boxes import fits
from med42_chat.library.pdf import MOST_PAGES
from med42_chat.library.read import ask, clean, plain_name
from med42_chat.records import Document, Page, Passage

MOST_BYTES = 200_000_000  # of a file
MOST_CHARACTERS = 12_000_000  # of its text: some 4,000 full pages
TIME_S = 600.0
_MOST_ANSWER = 400_000_000  # bytes
_LONGEST_DETAIL = 200
_DEEPEST_PATH = 12

# What can be wrong, and what to do about it, by the word that the process says. `{name}` is the file's name.
_WORDS = {
    "locked": ("{name} is protected with a password.", "Save a copy without the password, and add that."),
    "pictures": (
        "{name} is a scan: it holds pictures of pages and no text layer.",
        "Let a program with text recognition (OCR) write the text into it, and add it again.",
    ),
    "damaged": ("{name} cannot be read: it is damaged, or it takes too much memory.", "Get the file anew, and add it again."),
    "slow": ("Reading {name} took more than {seconds:g} seconds and was ended.", "Divide it, and add its parts."),
    "long": ("{name} holds over {characters:,} characters, more than the library reads of one document.", "Divide it, and add its parts."),
    "pages": ("{name} has more than {pages:,} pages.", "Divide it, and add its parts."),
    "big": ("{name} is larger than {megabytes} MB.", "Divide it, or save it with smaller pictures."),
    "empty": ("{name} holds no text.", ""),
    "office": ("{name} is a kind of office file that cannot be read.", "Save it as DOCX or PDF, and add that."),
    "binary": ("{name} is not a text.", "PDF, DOCX, HTML, Markdown and text files can be read."),
    "missing": ("{name} cannot be opened.", "Is it still there?"),
}


def read_file(path: Path) -> bytes:
    """A file's bytes. Raises UnreadableFile for one that is gone or too large."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError:
        raise _unreadable("missing", path.name) from None
    if len(data) > MOST_BYTES:
        raise _unreadable("big", path.name)
    return data


def document_of(data: bytes, name: str, time_s: float = TIME_S) -> Document:
    """The document in a file's bytes; the name helps to tell what it is, and is its title where it has none. Raises UnreadableFile."""
    began = time.monotonic()
    answer = ask("document", data, PurePath(name).suffix.lower(), time_s, MOST_CHARACTERS, _MOST_ANSWER)
    if not answer.endswith(b"\n"):  # it died, or was ended, before all was said
        raise _unreadable("slow" if time.monotonic() - began >= time_s else "damaged", name, time_s)
    said: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        said = json.loads(answer)
    match said:
        case {"fault": str(fault)} if fault in _WORDS:
            raise _unreadable(fault, name)
        case {"pages": list(), "passages": list()}:
            with contextlib.suppress(ValueError, TypeError, KeyError, IndexError, binascii.Error):
                return _document(said, name)
    raise _unreadable("damaged", name)


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
        notes=_notes([int(number) for number in said["silent"]]),
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


def _notes(silent: list[int]) -> tuple[str, ...]:
    if not silent:
        return ()
    numbers = ", ".join(map(str, silent[:20])) + (" …" if len(silent) > 20 else "")
    return (f"{'Page' if len(silent) == 1 else 'Pages'} {numbers} hold{'s' if len(silent) == 1 else ''} no text that can be read.",)


def _unreadable(fault: str, name: str, time_s: float = TIME_S) -> UnreadableFile:
    message, hint = _WORDS[fault]
    figures = {"seconds": time_s, "characters": MOST_CHARACTERS, "megabytes": MOST_BYTES // 1_000_000, "pages": MOST_PAGES}
    return UnreadableFile(message.format(name=f"‘{plain_name(name)}’", **figures), hint)
