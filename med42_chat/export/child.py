"""The process in which a document is made: `python -m med42_chat.export.child`, what to make of what as JSON (record.py) on its input.

It says how far it is, a line of JSON at a time: {"progress": 0.4, "step": "laying out"}. Then {"size", "notes"} and exactly that many
bytes, the document; or {"fault", "hint"}, in words for a person or with 'memory' for a fault. It writes no file and reads none but the
program's own. Anything else is a crash.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from med42_chat.children import limit
from med42_chat.errors import InputError, Med42Error
from med42_chat.export import record
from med42_chat.export.paper import listed_sources, sheet_of
from med42_chat.export.record import Request
from med42_chat.export.sheet import Sheet
from med42_chat.export.styled import styled
from med42_chat.settings import ASSETS, languages
from med42_chat.words import Words, read_words

_MEMORY = 1_500_000_000  # bytes of address space
_SECONDS = 240  # of processor time, on all cores together
_THREADS = "4"  # that lay pages out: each takes address space, and two hundred pages need no more of them
_TEMPLATES = ASSETS / "export"

Tell = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Made:
    """A document, and what the person who gets it should know of it."""

    document: bytes
    notes: tuple[str, ...] = ()


def main() -> None:
    """Reads standard input, answers on standard output."""
    os.environ["RAYON_NUM_THREADS"] = _THREADS
    limit(_MEMORY, _SECONDS)
    for part in answer(sys.stdin.buffer):
        sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()


def answer(asked: IO[bytes]) -> Iterator[bytes]:
    """What the process says, piece by piece."""
    try:
        yield _progress(0.05, "reading")
        wanted = record.request_of(asked.read())
        for step in _steps(wanted):
            if isinstance(step, Made):
                yield _line({"size": len(step.document), "notes": step.notes})
                yield step.document
            else:
                yield step
    except Med42Error as error:
        yield _line({"fault": error.message, "hint": error.hint})
    except MemoryError:
        yield _line({"fault": "memory", "hint": ""})


def _steps(wanted: Request) -> Iterator[bytes | Made]:
    yield _progress(0.1, "reading")
    words = _words(wanted.language)
    if wanted.format == "json":
        yield _as_json(wanted, words)
        return
    branch = record.branch(wanted.conversation, wanted.messages)
    references = styled(words, wanted.options.csl, listed_sources(branch, wanted.options))
    sheet = sheet_of(wanted.conversation, branch, wanted.options, words, styled=references)
    yield _progress(0.4, "laying out")
    made = _written(wanted, sheet, words)
    yield _progress(0.95, "writing")
    yield replace(made, notes=(*filter(None, [references.trouble]), *made.notes))


def _as_json(wanted: Request, words: Words) -> Made:
    """The conversation's file, with a word of warning where it could not be imported again."""
    document = record.write(wanted.conversation, wanted.messages)
    if len(document) <= record.MOST_BYTES and len(wanted.messages) <= record.MOST_MESSAGES:
        return Made(document)
    limits = {"n": record.MOST_BYTES // 1_000_000, "messages": f"{record.MOST_MESSAGES:,}"}
    return Made(document, (words("export.not_imported", **limits),))


def _words(language: str) -> Words:
    if language not in languages():
        raise InputError(f"There are no words for the language ‘{language}’.", "Choose another language in the settings.")
    return read_words(ASSETS / "words" / f"{language}.toml")


def _written(wanted: Request, sheet: Sheet, words: Words) -> Made:
    """The document, by the writer of its format: each is loaded where it is needed, for they know large libraries."""
    options = wanted.options
    match wanted.format:
        case "pdf":
            from med42_chat.export import pdf

            attached = record.write(wanted.conversation, wanted.messages) if options.attached else b""
            written = pdf.write(sheet, options, words, _TEMPLATES / "export.typ", _TEMPLATES / "fonts", attached)
            return Made(written.document, written.notes)
        case "docx":
            from med42_chat.export import docx

            return Made(docx.write(sheet, options, _TEMPLATES / "template.docx"))
        case "html":
            from med42_chat.export import html

            return Made(html.write(sheet, options, _text(_TEMPLATES / "export.css")).encode())
        case "md":
            from med42_chat.export import markdown

            return Made(markdown.write(sheet, options).encode())
        case "txt":
            from med42_chat.export import plain

            return Made(plain.write(sheet, options).encode())
        case "json":
            return _as_json(wanted, words)


def _text(file: Path) -> str:
    return file.read_text("utf-8")


def _progress(done: float, step: str) -> bytes:
    return _line({"progress": done, "step": step})


def _line(said: object) -> bytes:
    return json.dumps(said).encode() + b"\n"


if __name__ == "__main__":
    main()
