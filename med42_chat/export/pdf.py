"""A sheet as a PDF that can be filed: tagged (PDF/UA-1) and archival (PDF/A-2a, or A-3a with the conversation inside), by typst.

How it looks is the template's business (assets/export/export.typ). The sheet goes to it as data, so that no word in it is ever read as
code; the template may read its own folder and nothing else, and only the fonts that lie beside it are used. The same sheet gives the same
bytes, but for a password, whose encryption is never the same twice.
"""

import io
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from med42_chat.errors import InputError, Med42Error
from med42_chat.export.glyphs import missing
from med42_chat.export.sheet import SIGNS, Entry, Options, Sheet
from med42_chat.export.steps import steps_of
from med42_chat.markup import CodeBlock, plain_text
from med42_chat.words import Words

ATTACHED = "conversation.json"  # what the conversation is called inside the PDF
_PAPER = {"a4": "a4", "letter": "us-letter"}
_DISALLOWED = {0xFEFF: "\u2060"}  # a joiner that archives refuse, and its younger brother
_LAST = 4_102_444_800_000  # the year 2100, in ms
_RUNNING = 90  # characters of the title at the head of each page; half as many of the patient's reference


@dataclass(frozen=True, slots=True)
class Written:
    """A PDF, and what the person who gets it should know of it."""

    document: bytes
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Try:
    """One way to lay a sheet out: with which standards, and what is said where it came to that."""

    sheet: Sheet
    standards: tuple[str, ...]
    note: str = ""


def write(sheet: Sheet, options: Options, words: Words, template: Path, fonts: Path, attached: bytes = b"") -> Written:
    """The PDF, with the conversation's JSON `attached` inside it where there is some. A character that no font has is shown as U+FFFD.

    Raises InputError where this computer has no typst, and Med42Error for what cannot be laid out in any way.
    """
    typst = _typst()
    faces = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[fonts])
    for way in _ways(sheet, options, words, bool(attached)):
        given, notes = _given(way.sheet, options, words, fonts, bool(attached))
        try:
            document = typst.compile(
                template,
                root=template.parent,
                font_paths=faces,
                sys_inputs={"sheet": given, "attached": attached.decode()},
                pdf_standards=list(way.standards),
                timestamp=_changed(sheet),
            )
        except typst.TypstError:
            continue
        return Written(_locked(document, options.password), (*notes, *filter(None, [way.note])))
    raise Med42Error("The PDF could not be laid out.", "Export as HTML, and print that to PDF.")


def _typst() -> Any:
    try:
        import typst
    except ImportError as error:
        raise InputError(
            "PDF files cannot be made on this computer: the package that lays them out is not there.",
            "Export as HTML, open the file in a browser, and print it to PDF.",
        ) from error
    return typst


def _ways(sheet: Sheet, options: Options, words: Words, attached: bool) -> Iterator[_Try]:
    """The ways to try, best first. A locked file must not call itself archival, and what typst refuses may do without the claim."""
    archival = ("a-3a" if attached else "a-2a", "ua-1")
    yield _Try(sheet, ("ua-1",) if options.password else archival)
    yield _Try(sheet, ("1.7",), words("export.not_archival"))
    plain = replace(sheet, entries=tuple(_as_plain(entry, words) for entry in sheet.entries))
    yield _Try(plain, ("1.7",), words("export.undressed"))


def _as_plain(entry: Entry, words: Words) -> Entry:
    """The same words without their dress: nested deeper, or in other ways stranger, than paper takes."""
    return replace(
        entry,
        blocks=(CodeBlock("", plain_text(entry.blocks)),),
        marks=(),
        notes=(*entry.notes, words("export.undressed")),
        references=tuple(replace(one, marks=()) for one in entry.references),
    )


# What the template is given


def _given(sheet: Sheet, options: Options, words: Words, fonts: Path, attached: bool) -> tuple[str, tuple[str, ...]]:
    """The sheet as JSON that the fonts can show, and a note where they could not show all of it. Each message says how many of its own."""
    around = "latin" if sheet.direction == "ltr" else "hebrew" if sheet.language.startswith("he") else "arabic"
    entries = [_entry(entry, around) for entry in sheet.entries]
    whole = {**_head(sheet, options), "attached": attached, "attachment": ATTACHED, "entries": entries}
    unknown = missing(set(_json(whole)), fonts)
    if not unknown:
        return _json(whole).translate(_DISALLOWED), ()
    total = _count(whole, unknown)
    for entry in entries:
        if count := _count(entry, unknown):
            entry["notes"] = [*entry["notes"], words("export.no_glyph", n=count)]
    return _replaced(_json(whole), unknown).translate(_DISALLOWED), (words("export.no_glyph", n=total),)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _count(value: object, unknown: frozenset[str]) -> int:
    text = _json(value)
    return _replaced(text, unknown).count("\ufffd") - text.count("\ufffd")


def _replaced(text: str, unknown: frozenset[str]) -> str:
    """Without the unknown characters, and without the accents on one: those are drawn with what they stand on, or not at all."""
    accents = "".join(one for one in set(text) if unicodedata.category(one).startswith("M"))
    stand = f"[{re.escape(''.join(unknown))}][{re.escape(accents)}]*" if accents else f"[{re.escape(''.join(unknown))}]"
    return re.sub(stand, lambda run: "\ufffd" * len(run[0]), text)


def _head(sheet: Sheet, options: Options) -> dict[str, Any]:
    changed = datetime.fromtimestamp(_changed(sheet), UTC)
    return {
        "title": sheet.title,
        "running": _cut(sheet.title, _RUNNING),
        "patient": _cut(options.patient, _RUNNING // 2),
        "author": options.author,
        "language": sheet.language,
        "direction": sheet.direction,
        "paper": _PAPER[options.paper],
        "changed": {name: getattr(changed, name) for name in ("year", "month", "day", "hour", "minute", "second")},
        "head": [[row.name, row.value] for row in sheet.head],
        "pinned": sheet.pinned,
        "warning": sheet.warning,
        "safe_use": sheet.safe_use,
        "signature": sheet.signature,
        "quiet": sheet.quiet,
        "page_of": sheet.page_of,
        "names": sheet.names,
        "signs": SIGNS,
    }


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _changed(sheet: Sheet) -> int:
    """Seconds since 1970, of a time that a PDF can have: an imported conversation may say anything."""
    return min(max(sheet.changed_at, 0), _LAST) // 1000


def _entry(entry: Entry, around: str) -> dict[str, Any]:
    return {
        "anchor": entry.anchor,
        "role": entry.role,
        "heading": entry.heading,
        "who": entry.who,
        "when": entry.when,
        "steps": steps_of(entry, around),
        "notes": list(entry.notes),
        "checked": entry.checked,
        "findings": entry.findings,
        "left_out": entry.left_out,
        "references": [asdict(one) for one in entry.references],
        "evidence": [[row.name, row.value] for row in entry.evidence],
    }


# The password


def _locked(document: bytes, password: str) -> bytes:
    """The same file, which opens with the password only (AES-256); as it is, where there is none."""
    if not password:
        return document
    from pypdf import PdfWriter

    writer = PdfWriter(clone_from=io.BytesIO(document))
    writer.encrypt(password, algorithm="AES-256")
    locked = io.BytesIO()
    writer.write(locked)
    return locked.getvalue()
