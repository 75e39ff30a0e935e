"""The text of a person's file: TXT, Markdown, HTML, PDF.

A file is taken apart in a process of its own (child.py), because a file may be made to harm who reads it, and PDFium is a million lines of
C++: whatever happens there ends as a sentence for the person. The process gets the file's bytes on its standard input and nothing else,
no name or path of it, has limited time and memory (on Windows limited time only), and its answer is not trusted either.
"""

import contextlib
import json
import re
import time
from pathlib import Path, PurePath
from typing import Literal

from med42_chat.children import talk
from med42_chat.errors import UnreadableFile
from med42_chat.library.formats import ENDINGS
from med42_chat.records import Attachment

CHILD = "med42_chat.library.child"  # the process that reads
MOST_BYTES = 20_000_000  # of a file
MOST_CHARACTERS = 1_000_000  # of its text; the largest contexts hold half of that
TIME_S = 20.0
_MOST_ANSWER = 12 * MOST_CHARACTERS + 1000  # bytes: JSON needs up to twelve for a character
_LONGEST_NAME = 120

# What can be wrong, and what to do about it, by the word that the process says. `{name}` is the file's name.
_WORDS = {
    "locked": ("{name} is protected with a password.", "Save a copy without the password, and attach that."),
    "pictures": (
        "{name} holds pictures of pages and no text: it was probably scanned.",
        "Let a program with text recognition (OCR) read it first, or type what matters.",
    ),
    "damaged": (
        "{name} cannot be read: it is damaged, or it takes too much memory.",
        "Get the file anew, or open it in another program and paste its text.",
    ),
    "slow": ("Reading {name} took more than {seconds:g} seconds and was ended.", "Attach only the pages that matter, or paste their text."),
    "long": (
        "{name} holds more text than any model takes: over {characters:,} characters.",
        "Attach only the pages that matter, or paste their text.",
    ),
    "big": ("{name} is larger than {megabytes} MB.", "Attach only the pages that matter, or paste their text."),
    "empty": ("{name} holds no text.", ""),
    "office": ("{name} is a file of an office program, and those cannot be read yet.", "Save it there as PDF or as text, and attach that."),
    "binary": ("{name} is not a text.", "TXT, Markdown, HTML and PDF files can be read."),
    "missing": ("{name} cannot be opened.", "Is it still there?"),
}


def read_text(path: Path, name: str, time_s: float = TIME_S) -> Attachment:
    """The text of the file at `path`, which a person calls `name`. Raises UnreadableFile; waits for `time_s` seconds at most."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError:
        raise _unreadable("missing", plain_name(name)) from None
    return text_of(data, name, time_s)


def text_of(data: bytes | bytearray, name: str, time_s: float = TIME_S) -> Attachment:
    """Like `read_text`, of a file's bytes."""
    name = plain_name(name)
    if len(data) > MOST_BYTES:
        raise _unreadable("big", name)
    began = time.monotonic()
    answer = ask(data, PurePath(name).suffix.lower(), time_s)
    if not answer.endswith(b"\n"):  # it died, or was ended, before all was said
        raise _unreadable("slow" if time.monotonic() - began >= time_s else "damaged", name, time_s)
    return _attachment(answer, name)


def ask(data: bytes | bytearray, suffix: str, time_s: float) -> bytes:
    """What the process says of a text, until it ends or its time has come, and no more than a text can need."""
    return talk(CHILD, task("text", suffix, MOST_CHARACTERS, time_s), data, time_s, _MOST_ANSWER)


def task(what: Literal["text", "document", "recognise"], suffix: str, most_characters: int, time_s: float) -> list[str]:
    """What child.py is told."""
    # A command line can be read by every user of the computer: of 'Letter.John Doe' not even the ending stands on it.
    return [what, suffix if suffix in ENDINGS else "", str(most_characters), str(round(time_s) + 1)]


def _attachment(answer: bytes, name: str) -> Attachment:
    """The answer as a record. Its types are looked at, because the process that wrote it has just read a stranger's file."""
    said: object = None
    with contextlib.suppress(ValueError, RecursionError):
        said = json.loads(answer)
    match said:
        case {"text": str(text), "media_type": str(kind), "pages": int() | None as pages} if len(text) <= MOST_CHARACTERS:
            return Attachment(name, clean(text), kind, pages)
        case {"fault": str(fault)} if fault in _WORDS:
            raise _unreadable(fault, name)
        case _:
            raise _unreadable("damaged", name)


def _unreadable(fault: str, name: str, time_s: float = TIME_S) -> UnreadableFile:
    message, hint = _WORDS[fault]
    figures = {"seconds": time_s, "characters": MOST_CHARACTERS, "megabytes": MOST_BYTES // 1_000_000}
    return UnreadableFile(message.format(name=f"‘{name}’", **figures), hint)


def plain_name(name: str) -> str:
    """The last part of a path of any system, on one line. A long name keeps its ending."""
    plain = clean(re.split(r"[\\/]", name)[-1]).replace("\n", " ").replace("\t", " ").strip() or "file"
    return plain if len(plain) <= _LONGEST_NAME else f"{plain[: _LONGEST_NAME - 20]}…{plain[-19:]}"


def clean(text: str) -> str:
    """Without control characters and halves of characters, which no store and no page takes."""
    whole = text.encode("utf-8", "ignore").decode("utf-8")
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]", "", whole)
