"""Sheet → DOCX. The look, the running head and foot and the kinds of lists are the template's, which a designer edits in Word."""

import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Literal

import docx
from docx.document import Document
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.shared import Twips

from med42_chat.export.docx_blocks import Blocks, Place
from med42_chat.export.docx_ways import Ways
from med42_chat.export.docx_xml import PLAIN, Face, Node, Shape, field, is_rtl, named, paragraph, runs, w, xml_text
from med42_chat.export.narrow import narrow
from med42_chat.export.references import one_line
from med42_chat.export.sheet import SIGNS, Entry, Options, PaperSize, Reference, Row, Sheet, State
from med42_chat.markup import outlined

_PAPERS: dict[PaperSize, tuple[int, int]] = {"a4": (11_906, 16_838), "letter": (12_240, 15_840)}  # twentieths of a point
_LONGEST = 255  # characters of a core property
_STATES: dict[State, str] = {"found": "Found", "look": "Look", "none": "Note"}
_LINK = Face(style="Hyperlink")
_NAME = Face(style="Name")
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # a ZIP knows no earlier time


def write(sheet: Sheet, options: Options, template: Path) -> bytes:
    """The document as Word reads it; the same sheet gives the same bytes."""
    document = docx.Document(str(template))
    width = _set_paper(document, sheet, options.paper)
    end = document.element.body.sectPr
    for node in _Writer(sheet, Ways(document), width).body():
        end.addprevious(node)
    _fill_frame(document, sheet, one_line(options.patient), width)
    _set_properties(document, sheet, options)
    return _packed(document)


class _Writer:
    """The paragraphs of the sheet, from its title to the safe-use text."""

    def __init__(self, sheet: Sheet, ways: Ways, width: int) -> None:
        self._sheet = sheet
        self._ways = ways
        self._width = width
        self._rtl = sheet.direction == "rtl"

    def body(self) -> Iterator[Node]:
        sheet = self._sheet
        yield self._said("Title", sheet.title)
        yield from self._facts("Fact", sheet.head)
        yield self._words("Warning", sheet.warning)
        yield self._words("Signature", sheet.signature)
        if sheet.pinned:
            yield self._words("Heading1", sheet.names["pinned"])
            yield self._said("Pinned", sheet.pinned)
        for entry in sheet.entries:
            yield from self._entry(entry)
        yield from self._sources()
        yield self._words("Heading1", sheet.names["safe_use"])
        yield from (self._words("SmallPrint", text) for text in sheet.safe_use)

    def _words(self, style: str, text: str) -> Node:
        """A paragraph of the program's own words, which runs as its language does, whatever is quoted in it."""
        return paragraph(Shape(style, rtl=self._rtl), runs(text, lines=True))

    def _said(self, style: str, text: str) -> Node:
        """A paragraph of a person's or a document's words, each line of them a line."""
        return paragraph(Shape(style, rtl=is_rtl(text, self._rtl)), runs(text, lines=True))

    def _facts(self, style: str, rows: Sequence[Row]) -> Iterator[Node]:
        for one in rows:
            content = [*runs(f"{one.name}\t", _NAME), *runs(one.value, lines=True)]
            yield paragraph(Shape(style, rtl=self._rtl), content)

    # ---- messages ----

    def _entry(self, entry: Entry) -> Iterator[Node]:
        yield paragraph(Shape("Heading1", rtl=self._rtl), self._ways.place(entry.anchor, runs(entry.heading)))
        yield self._words("Who", " · ".join(filter(None, (entry.who, entry.when))))
        style = "Question" if entry.role == "user" else "BodyText"
        blocks = outlined(narrow(entry.blocks), 2)
        yield from Blocks(self._ways, self._width, entry).tree(blocks, Place(style, rtl=self._rtl))
        yield from (self._words("Note", note) for note in entry.notes)
        if entry.checked:
            yield self._words("Checked", entry.checked)
        yield from self._listed("findings", entry.findings)
        yield from self._listed("left_out", [("none", text) for text in entry.left_out])
        if entry.evidence:
            yield self._words("Label", self._sheet.names["evidence"])
            yield from self._facts("Evidence", entry.evidence)

    def _listed(self, name: Literal["findings", "left_out"], lines: Sequence[tuple[State, str]]) -> Iterator[Node]:
        if lines:
            yield self._words("Label", self._sheet.names[name])
        for state, text in lines:
            yield self._words(_STATES[state], f"{SIGNS[state]} {text}")

    # ---- at the end ----

    def _sources(self) -> Iterator[Node]:
        answers = [entry for entry in self._sheet.entries if entry.references]
        if answers:
            yield self._words("Heading1", self._sheet.names["references"])
        for entry in answers:
            yield paragraph(Shape("Heading2", rtl=self._rtl), [self._ways.to(entry.anchor, entry.heading, _LINK)])
            for reference in entry.references:
                yield from self._reference(reference)

    def _reference(self, one: Reference) -> Iterator[Node]:
        number = self._ways.place(one.anchor, runs(f"[{one.number}]", _NAME))
        text = " ".join(filter(None, (one.line, one.place)))
        yield paragraph(Shape("Source", rtl=is_rtl(text, self._rtl)), [*number, *runs(f"\t{text}"), *self._ways_back(one)])
        if one.quote:
            yield self._said("SourceQuote", one.quote)
        if one.status:
            yield self._words(f"Source{_STATES[one.state]}", f"{SIGNS[one.state]} {one.status}")

    def _ways_back(self, one: Reference) -> Iterator[Node]:
        """An arrow to each mark that names the source, numbered where there are several."""
        for at, mark in enumerate(one.marks, 1):
            yield from runs(" ", PLAIN)
            yield self._ways.to(mark, f"↑{at}" if len(one.marks) > 1 else "↑", _LINK, self._sheet.names["back"])


# ---- the frame ----


def _set_paper(document: Document, sheet: Sheet, size: PaperSize) -> int:
    """Sets the paper, the way that the language runs, and the language; gives the width of the text in twentieths of a point."""
    section = document.sections[0]
    width, height = _PAPERS[size]
    section.page_width, section.page_height = Twips(width), Twips(height)
    if sheet.direction == "rtl":
        document.element.body.sectPr.find(named("titlePg")).addnext(w("bidi"))
    for language in document.styles.element.iter(named("lang")):
        language.set(named("val"), sheet.language)
    margins: int = sum(margin.twips for margin in (section.left_margin, section.right_margin) if margin is not None)
    return width - margins


def _fill_frame(document: Document, sheet: Sheet, patient: str, width: int) -> None:
    """Puts words into the fields of the template's heads and feet: content controls tagged 'title', 'quiet' and 'page'."""
    for relation in document.part.rels.values():
        if relation.reltype in (RELATIONSHIP_TYPE.HEADER, RELATIONSHIP_TYPE.FOOTER):
            part = relation.target_part.element
            for control in list(part.iter(named("sdt"))):
                _fill(control, sheet, patient)
            for stop in part.iterfind(f".//{named('tab')}[@{named('val')}='right']"):
                stop.set(named("pos"), str(width))  # where the text ends on this paper


def _fill(control: Node, sheet: Sheet, patient: str) -> None:
    """Replaces a content control by what its tag stands for: left as it is, readers would be asked to type into it."""
    tag = control.find(f"{named('sdtPr')}/{named('tag')}").get(named("val"))
    title = f"{sheet.running}\t{patient}" if patient else sheet.running  # a page on its own says whose it is
    content = {"title": lambda: runs(title), "quiet": lambda: runs(sheet.quiet), "page": lambda: _page_of(sheet.page_of)}[tag]()
    for node in content:
        control.addprevious(node)
    control.getparent().remove(control)


def _page_of(text: str) -> Iterator[Node]:
    """'Page {page} of {pages}' with numbers that the reader's program fills in."""
    before, _, rest = text.partition("{page}")
    between, _, after = rest.partition("{pages}")
    yield from runs(before)
    yield field("PAGE")
    yield from runs(between)
    yield field("NUMPAGES")
    yield from runs(after)


def _set_properties(document: Document, sheet: Sheet, options: Options) -> None:
    changed = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=sheet.changed_at)
    properties = document.core_properties
    properties.title = xml_text(sheet.title)[:_LONGEST]
    properties.author = properties.last_modified_by = xml_text(options.author)[:_LONGEST]
    properties.language = sheet.language
    properties.created = properties.modified = changed.replace(microsecond=0, tzinfo=None)


def _packed(document: Document) -> bytes:
    """The file with the times of its parts left out, which would be those of this moment."""
    written, packed = BytesIO(), BytesIO()
    document.save(written)
    with zipfile.ZipFile(written) as parts, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as stable:
        for name in parts.namelist():
            stable.writestr(zipfile.ZipInfo(name, _EARLIEST), parts.read(name), zipfile.ZIP_DEFLATED)
    return packed.getvalue()
