"""The sources of one answer as a list of references: a line in AMA style, the place, the words, and what was compared. Pure.

A line is made of what a document says of itself and leaves out what it does not. A status never says more than the checks found:
that words or figures stand in a source, never that the answer is right.
"""

import re
from collections.abc import Sequence

from med42_chat.checks.told import cited, counted, is_amber, telling
from med42_chat.export.sheet import Reference, State
from med42_chat.export.styled import AMA, Styled, work
from med42_chat.markup import clean
from med42_chat.records import Citation, Message, Source
from med42_chat.words import Words

_DATE = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")
_ENDED = (".", "?", "!", "…")


def one_line(text: str) -> str:
    """The text on one line, with what no font or file takes replaced."""
    return " ".join(clean(text).split())


def references(
    words: Words, message: Message, anchor: str, marks: Sequence[tuple[int, str]], styled: Styled = AMA
) -> tuple[Reference, ...]:
    """The sources that an answer names. `marks` are number and anchor of each of its marks, in reading order."""
    return tuple(_reference(words, message, one, anchor, marks, styled) for one in cited(message))


def only_given(words: Words, message: Message) -> str:
    """The sources that stood before the model and are not named: title and page alone, since no words of them are in the answer."""
    named = cited(message)
    return "; ".join(_briefly(words, one.source) for one in message.citations if one not in named)


def _briefly(words: Words, source: Source) -> str:
    page = f", {words('evidence.page', n=source.page)}" if source.page is not None else ""
    return f"[{source.number}] {one_line(source.title)}{page}"


def _reference(
    words: Words, message: Message, citation: Citation, anchor: str, marks: Sequence[tuple[int, str]], styled: Styled
) -> Reference:
    source = citation.source
    status, state = _status(words, message, citation)
    return Reference(
        number=source.number,
        anchor=f"{anchor}-source-{source.number}",
        line=styled.lines.get(work(source)) or line(words, source),
        place=place(words, source),
        quote=one_line(citation.quote),
        status=status,
        state=state,
        marks=tuple(name for number, name in marks if number == source.number),
    )


def line(words: Words, source: Source) -> str:
    """'Publisher. Title. Version 6.0. March 2, 2026.', as far as it is known."""
    version = words("export.version", version=one_line(source.version)) if source.version.strip() else ""
    parts = (one_line(source.publisher), one_line(source.title), version, date(words, source.date))
    return " ".join(part if part.endswith(_ENDED) else f"{part}." for part in parts if part)


def date(words: Words, written: str) -> str:
    """'March 2, 2026' for 2026-03-02, shorter for a month or a year; anything else as it is."""
    found = _DATE.fullmatch(written.strip())
    month = int(found[2] or 0) if found else 0
    if not found or not 1 <= month <= 12:
        return one_line(written)
    values = {"year": found[1], "month": words("export.months").split()[month - 1]}
    return words("export.date", day=str(int(found[3])), **values) if found[3] else words("export.date_month", **values)


def place(words: Words, source: Source) -> str:
    """'Page 12, Dosing › Renal impairment'; empty for a whole document without pages and headings."""
    page = words("evidence.page", n=source.page) if source.page is not None else ""
    headings = source.heading_path[source.heading_path[:1] == (source.title,) :]
    return ", ".join(filter(None, (page, " › ".join(map(one_line, headings)))))


def _status(words: Words, message: Message, citation: Citation) -> tuple[str, State]:
    """What was looked for in this source and how it went, and whether a person should look."""
    if message.status == "interrupted" and not message.findings:
        return words("findings.unchecked"), "look"
    findings = [one for one in telling(message) if one.source == citation.source.number]
    quoted = [one for one in findings if one.kind == "quotation" and one.state == "found"] if citation.quote else []
    parts = [part.text for part in counted(words, [one for one in findings if one not in quoted])]
    if quoted:
        page = citation.source.page
        place = words("export.on_page", page=str(page)) if page is not None else words("export.in_source")
        parts.insert(0, words("export.quoted", n=len(quoted), place=place))
    if not parts:
        return words("evidence.unchecked"), "none"
    return "; ".join(parts), "look" if any(map(is_amber, findings)) else "found"
