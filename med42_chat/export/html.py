"""Sheet → one HTML file that needs nothing else: no request, no script, the style inside. Printed, it is a document with pages.

Every tag and attribute is written here or in markup/render.py, and everything else is escaped.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape

from med42_chat.export.narrow import narrow
from med42_chat.export.references import one_line
from med42_chat.export.sheet import SIGNS, Entry, Options, PaperSize, Reference, Row, Sheet, State
from med42_chat.markup import outlined
from med42_chat.markup.render import Pen, to_html

_PAPERS: dict[PaperSize, str] = {"a4": "A4", "letter": "letter"}


def write(sheet: Sheet, options: Options, css: str) -> str:
    """The whole file; `css` is the look, which a designer edits."""
    style = f"{css}\n{_pages(sheet, options)}"
    return (
        f'<!doctype html>\n<html lang="{escape(sheet.language)}" dir="{sheet.direction}">\n{_head(sheet, style)}\n<body>\n'
        f"{_title(sheet)}\n<main>\n{_pinned(sheet)}{_lines(_entry(sheet, entry) for entry in sheet.entries)}"
        f"{_references(sheet)}{_safe_use(sheet)}</main>\n"
        f"<footer>{escape(sheet.quiet)}</footer>\n</body>\n</html>\n"
    )


def _lines(parts: Iterable[str]) -> str:
    return "".join(f"{part}\n" for part in parts)


# ---- head and frame ----


def _head(sheet: Sheet, style: str) -> str:
    """A browser is told to run and to fetch nothing, whatever may stand in the file, and to use this one style."""
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        f'<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        f"<title>{escape(sheet.title)}</title>\n<style>{style}</style>\n</head>"
    )


def _pages(sheet: Sheet, options: Options) -> str:
    """What stands around the text of each printed page: title and patient above, what made it and the page's number below."""
    before, _, rest = sheet.page_of.partition("{page}")
    between, _, after = rest.partition("{pages}")
    number = f"{_css(before)} counter(page) {_css(between)} counter(pages) {_css(after)}"
    return (
        f"@page {{ size: {_PAPERS[options.paper]}; @bottom-left {{ content: {_css(sheet.quiet)}; }} @bottom-right {{ content: {number}; }} "
        f"@top-left {{ content: {_css(sheet.running)}; }} @top-right {{ content: {_css(one_line(options.patient))}; }} }}\n"
        "@page :first { @top-left { content: none; } @top-right { content: none; } }\n"
    )


def _css(text: str) -> str:
    """A string of CSS that says these characters and ends where it should, whatever they are."""
    return '"' + "".join(one if one.isalnum() or one == " " else f"\\{ord(one):x} " for one in text) + '"'


def _title(sheet: Sheet) -> str:
    return (
        f'<header>\n<h1 dir="auto">{escape(sheet.title)}</h1>\n{_rows("head", sheet.head)}\n'
        f'<p class="warning" role="note">{escape(sheet.warning)}</p>\n<p class="signature">{escape(sheet.signature)}</p>\n</header>'
    )


def _rows(name: str, rows: Sequence[Row]) -> str:
    listed = "".join(f'<div><dt>{escape(row.name)}</dt><dd dir="auto">{escape(row.value)}</dd></div>' for row in rows)
    return f'<dl class="{name}">{listed}</dl>'


def _pinned(sheet: Sheet) -> str:
    if not sheet.pinned:
        return ""
    facts = f'<p class="typed" dir="auto">{escape(sheet.pinned)}</p>'
    return f'<section class="pinned">\n<h2>{escape(sheet.names["pinned"])}</h2>\n{facts}\n</section>\n'


def _safe_use(sheet: Sheet) -> str:
    lines = _lines(f"<p>{escape(line)}</p>" for line in sheet.safe_use)
    return f'<section class="safe-use">\n<h2>{escape(sheet.names["safe_use"])}</h2>\n{lines}</section>\n'


# ---- messages ----


class _MarkPen(Pen):
    """Writes a message's marks: each leads to its source in the list at the end, and is a place that the list leads back to."""

    def __init__(self, entry: Entry) -> None:
        self._places = iter(entry.marks)
        self._sources = {one.number: one.anchor for one in entry.references}

    def cite(self, number: int) -> str:
        place, source = next(self._places, ""), self._sources.get(number, "")
        at = f' id="{escape(place)}"' if place else ""
        return f'<a class="cite"{at} href="#{escape(source)}">[{number}]</a>' if source else f'<span class="cite"{at}>[{number}]</span>'


def _entry(sheet: Sheet, entry: Entry) -> str:
    about = " · ".join(filter(None, (entry.who, entry.when)))
    blocks = to_html(outlined(narrow(entry.blocks), 2), _MarkPen(entry))
    said = f'<div class="blocks">\n{blocks}\n</div>\n' if blocks else ""
    return (
        f'<article class="{entry.role}" id="{escape(entry.anchor)}">\n<h2>{escape(entry.heading)}</h2>\n'
        f'<p class="about">{escape(about)}</p>\n'
        f"{said}{_lines(_paragraph('note', note) for note in entry.notes)}"
        f"{_paragraph('checked', entry.checked) if entry.checked else ''}{_told(sheet, entry)}</article>"
    )


def _paragraph(name: str, text: str) -> str:
    return f'<p class="{name}">{escape(text)}</p>'


def _told(sheet: Sheet, entry: Entry) -> str:
    """What is to be known of an answer beside its words."""
    findings = "".join(f'<li class="{state}">{_sign(state)}{escape(told)}</li>' for state, told in entry.findings)
    unseen = "".join(f"<li>{escape(text)}</li>" for text in entry.left_out)
    return (
        _box(sheet, "findings", f"<ul>{findings}</ul>" if findings else "")
        + _box(sheet, "left_out", f"<ul>{unseen}</ul>" if unseen else "")
        + _box(sheet, "evidence", _rows("evidence", entry.evidence) if entry.evidence else "")
    )


def _box(sheet: Sheet, name: str, content: str) -> str:
    return f'<section class="{name.replace("_", "-")}">\n<h3>{escape(sheet.names[name])}</h3>\n{content}\n</section>\n' if content else ""


def _sign(state: State) -> str:
    return f'<span class="sign" aria-hidden="true">{SIGNS[state]}</span> '


# ---- sources ----


def _references(sheet: Sheet) -> str:
    answers = [_listed(sheet, entry) for entry in sheet.entries if entry.references]
    return f'<section class="references">\n<h2>{escape(sheet.names["references"])}</h2>\n{_lines(answers)}</section>\n' if answers else ""


def _listed(sheet: Sheet, entry: Entry) -> str:
    sources = _lines(_reference(one, sheet.names["back"]) for one in entry.references)
    return f'<h3><a href="#{escape(entry.anchor)}">{escape(entry.heading)}</a></h3>\n<ol>\n{sources}</ol>'


def _reference(one: Reference, back: str) -> str:
    place = f'<span class="place">{escape(one.place)}</span>' if one.place else ""
    quote = f'<blockquote dir="auto">{escape(one.quote)}</blockquote>' if one.quote else ""
    status = f'<p class="status {one.state}">{_sign(one.state)}{escape(one.status)}</p>' if one.status else ""
    ways = "".join(_way_back(at, mark, len(one.marks), back) for at, mark in enumerate(one.marks, 1))
    return (
        f'<li id="{escape(one.anchor)}"><span class="number">[{one.number}]</span> <div><p dir="auto">{escape(one.line)} {place}{ways}</p>'
        f"{quote}{status}</div></li>"
    )


def _way_back(at: int, mark: str, many: int, name: str) -> str:
    number = str(at) if many > 1 else ""
    return f' <a class="back" href="#{escape(mark)}" aria-label="{escape(f"{name} {number}".strip())}">↑{number}</a>'
