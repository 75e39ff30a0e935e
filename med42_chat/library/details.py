"""Title, publisher, date and version, where a document says them. Pure.

Lines such as 'Version: 2.1' on the first page count before what a program wrote into the file's properties, where the author is whoever
owned the computer and the title is 'Microsoft Word - Document1'.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from med42_chat.library.sheets import Sheet

_FIRST = 4_000  # characters in which a document says what it is
_LONGEST = 200
_LABELS = {
    "title": r"title",
    "publisher": r"publisher|published by|issued by|organi[sz]ation",
    "date": r"date(?: of issue)?|issued|issue date|published|effective(?: from)?|valid from|last updated|updated|reviewed",
    "version": r"version|revision|edition",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NO_TITLE = re.compile(r"untitled|microsoft word|document\s?\d*$|\.(docx?|pdf|indd|html?|qxd)$|^\W*$", re.IGNORECASE)
_NAMED_DATE = re.compile(r"(?:(\d{1,2})(?:st|nd|rd|th)?\s+)?([A-Za-z]{3})[a-z]*\.?,?\s+(\d{4})")


@dataclass(frozen=True, slots=True)
class Details:
    """What the document says of itself; empty where it says nothing."""

    title: str
    publisher: str
    date: str
    version: str


def details(sheets: Sequence[Sheet], properties: Mapping[str, str]) -> Details:
    """From the first page, then the file's properties ('title', 'publisher', 'date', 'version')."""
    text = sheets[0].text[:_FIRST] if sheets else ""
    said = {name: _labelled(text, label) for name, label in _LABELS.items()}
    own_title = _one_line(properties.get("title", ""))
    title = said["title"] or _heading(sheets) or ("" if _NO_TITLE.search(own_title) else own_title)
    return Details(
        title,
        said["publisher"] or _one_line(properties.get("publisher", "")),
        iso_date(said["date"]) or iso_date(properties.get("date", "")),
        _version(said["version"]) or _version(properties.get("version", "")) or _version_in_passing(text),
    )


def iso_date(text: str) -> str:
    """'2024-03-01', '2024-03' or '2024' for a date as people and programs write it; empty for none. Of 3/4/2024 only the year is sure."""
    if match := re.search(r"(\d{4})-(\d{2})(?:-(\d{2}))?|D:(\d{4})(\d{2})(\d{2})", text):
        return "-".join(part for part in match.groups() if part)
    if (match := _NAMED_DATE.search(text)) and match[2].lower() in _MONTHS:
        month = f"{match[3]}-{_MONTHS.index(match[2].lower()) + 1:02}"
        return f"{month}-{int(match[1]):02}" if match[1] else month
    year = re.search(r"\b(19|20)\d{2}\b", text)
    return year[0] if year else ""


def _labelled(text: str, label: str) -> str:
    """What follows 'Label:' up to the line's end or the next label."""
    labels = "|".join(_LABELS.values())
    value = rf"(.+?)(?=\s+[|*]*\s*(?:{labels})\s*:|\s*[|*]*$)"
    match = re.search(rf"(?:^|[\s|*])(?:{label})\b\**\s*:\**\s*{value}", text, re.IGNORECASE | re.MULTILINE)
    return _one_line(match[1]) if match else ""


def _heading(sheets: Sequence[Sheet]) -> str:
    """The first of the highest headings on the first page that has one."""
    for sheet in sheets[:2]:
        headings = [block for block in sheet.blocks if block.level]
        if headings:
            first = min(headings, key=lambda block: block.level)
            return _one_line(sheet.text[first.start : first.end].strip("# "))
    return ""


def _version(text: str) -> str:
    match = re.search(r"\d+(?:\.\d+)*", text)
    return match[0] if match else ""


def _version_in_passing(text: str) -> str:
    match = re.search(r"\bversion\s+(\d+(?:\.\d+)*)", text, re.IGNORECASE)
    return match[1] if match else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]
