"""The sheet as Markdown: read by eye as it stands, and by every program that knows CommonMark and GFM's tables. Pure.

Ways lead from each mark to its source and back to the answer; that takes anchors, the only HTML in it.
"""

from collections.abc import Iterable, Iterator

from med42_chat.export.commonmark import escaped, to_markdown
from med42_chat.export.sheet import Entry, Options, Reference, Row, Sheet


def write(sheet: Sheet, options: Options) -> str:
    """The document. What `options` leaves out is not on the sheet."""
    return "\n\n".join(_parts(sheet)) + "\n"


def _parts(sheet: Sheet) -> Iterator[str]:
    names = sheet.names
    yield f"# {_line(sheet.title)}"
    yield _rows(sheet.head)
    yield _quote(f"**{_line(sheet.warning)}**")
    yield _line(sheet.signature)
    if sheet.pinned:
        yield f"## {names['pinned']}"
        yield _typed(sheet.pinned)
    for entry in sheet.entries:
        yield from _entry(entry, names)
    if any(entry.references for entry in sheet.entries):
        yield f"## {names['references']}"
        for entry in sheet.entries:
            yield from _references(entry, names)
    yield f"## {names['safe_use']}"
    yield from map(_line, sheet.safe_use)
    yield "___"
    yield _line(sheet.quiet)


def _entry(entry: Entry, names: dict[str, str]) -> Iterator[str]:
    places = {reference.number: reference.anchor for reference in entry.references}
    yield f"## {_anchor(entry.anchor)}{_line(entry.heading)}"
    yield f"*{_line(entry.who)} · {_line(entry.when)}*"
    yield from (f"*{_line(note)}*" for note in entry.notes)
    if entry.blocks:
        yield to_markdown(entry.blocks, lambda number: f"[[{number}]](#{places[number]})", headings=2)
    if entry.checked:
        yield _line(entry.checked)
    yield from _listed(names["findings"], [told for _, told in entry.findings])
    yield from _listed(names["left_out"], entry.left_out)
    if entry.evidence:
        yield f"**{names['evidence']}**"
        yield _rows(entry.evidence)


def _references(entry: Entry, names: dict[str, str]) -> Iterator[str]:
    if entry.references:
        yield f"### {_line(entry.heading)}"
    for reference in entry.references:
        yield f"{_anchor(reference.anchor)}[{reference.number}] {_line(reference.line)}{_place(reference)}"
        if reference.quote:
            yield _quote(_line(reference.quote))
        yield f"{_line(reference.status)} · [{names['back']}](#{entry.anchor})"


def _place(reference: Reference) -> str:
    return f" *{_line(reference.place)}.*" if reference.place else ""


def _rows(rows: Iterable[Row]) -> str:
    return "\n".join(f"- **{_line(row.name)}:** {_line(row.value)}" for row in rows)


def _listed(name: str, lines: Iterable[str]) -> Iterator[str]:
    items = "\n".join(f"- {_line(line)}" for line in lines)
    if items:
        yield f"**{name}**"
        yield items


def _typed(text: str) -> str:
    """Lines as they were typed."""
    return escaped(text).replace("\n", "\\\n")


def _line(text: str) -> str:
    return escaped(text)


def _quote(text: str) -> str:
    return f"> {text}"


def _anchor(name: str) -> str:
    return f'<a id="{name}"></a>'
