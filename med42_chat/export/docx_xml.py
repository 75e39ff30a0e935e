"""What a paragraph, a run, a link and a table are in a DOCX file: elements of WordprocessingML, in the order that its schema asks for.

Word calls a file damaged whose properties stand in another order, and lxml refuses text that XML cannot hold: both are seen to here.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lxml import etree

Node = Any  # an lxml element: the library comes without types

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_NAMES = {"w": _W[1:-1], "r": _R[1:-1]}

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_RTL = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
# Letters that run to the left, and what stands between two of them: spaces, digits and marks belong to their line.
_RTL_STRETCH = re.compile(rf"([{_RTL}](?:[{_RTL}\W\d_]*[{_RTL}])?)")
_FIRST_LETTER = re.compile(rf"(?P<rtl>[{_RTL}])|[^\W\d_]")


@dataclass(frozen=True, slots=True)
class Face:
    """How words look: `style` is the id of a character style of the template, empty for none."""

    bold: bool = False
    italic: bool = False
    struck: bool = False
    style: str = ""


PLAIN = Face()


def w(name: str, /, *children: Node, **attributes: str) -> Node:
    """The element `w:name`, its attributes in the same namespace."""
    made = etree.Element(_W + name, {_W + key: value for key, value in attributes.items()}, nsmap=_NAMES)
    made.extend(children)
    return made


def named(name: str) -> str:
    """The full name of an element `w:name`, as searches in a tree ask for it."""
    return _W + name


def xml_text(text: str) -> str:
    """The text with what no XML file can hold replaced."""
    return _NOT_XML.sub("\ufffd", text)


def is_rtl(text: str, otherwise: bool) -> bool:
    """Whether a line runs to the left, as its first letter says; `otherwise` for one without letters."""
    first = _FIRST_LETTER.search(text)
    return bool(first["rtl"]) if first else otherwise


def runs(text: str, face: Face = PLAIN, lines: bool = False) -> Iterator[Node]:
    """The words as runs, those that run to the left apart; a line feed is a space, or the end of a line where `lines` is set."""
    for at, piece in enumerate(_RTL_STRETCH.split(xml_text(text if lines else text.replace("\n", " ")))):
        if piece:
            yield w("r", *_face(face, rtl=at % 2 == 1), *_pieces(piece))


def line_break() -> Node:
    """A line ends here, on purpose."""
    return w("r", w("br"))


def _face(face: Face, rtl: bool) -> list[Node]:
    marks = [w("rStyle", val=face.style)] if face.style else []
    marks += [w("b"), w("bCs")] if face.bold else []
    marks += [w("i"), w("iCs")] if face.italic else []
    marks += [w("strike")] if face.struck else []
    marks += [w("rtl")] if rtl else []
    return [w("rPr", *marks)] if marks else []


def _pieces(text: str) -> Iterator[Node]:
    for piece in re.split(r"([\t\n])", text):
        if piece == "\t":
            yield w("tab")
        elif piece == "\n":
            yield w("br")
        elif piece:
            made = w("t")
            made.text = piece
            made.set(_SPACE, "preserve")
            yield made


@dataclass(frozen=True, slots=True)
class Shape:
    """How a paragraph stands: `indent` and `hanging` in twentieths of a point, `number` is (level, list) of one that has a number.

    `style` is the id of a paragraph style of the template; `align` is 'left', 'center', 'right', or empty for the style's own.
    """

    style: str
    indent: int = 0
    hanging: int = 0
    number: tuple[int, int] | None = None
    rtl: bool = False
    align: str = ""


def paragraph(shape: Shape, content: Iterable[Node]) -> Node:
    """A paragraph of runs, links and bookmarks."""
    properties = [w("pStyle", val=shape.style)]
    if shape.number:
        level, number = shape.number
        properties.append(w("numPr", w("ilvl", val=str(level)), w("numId", val=str(number))))
    if shape.rtl:
        properties.append(w("bidi"))
    if shape.indent or shape.number:
        properties.append(w("ind", left=str(shape.indent), hanging=str(shape.hanging)))
    if shape.align:
        properties.append(w("jc", val=_reading(shape.align, shape.rtl)))
    return w("p", w("pPr", *properties), *content)


def _reading(align: str, rtl: bool) -> str:
    """Left and right as Word means them: the beginning and the end of a line, whichever way that runs."""
    return {"left": "right", "right": "left"}.get(align, align) if rtl else align


def outward(relationship: str, content: Iterable[Node]) -> Node:
    """A link to the address that the document keeps under this relationship."""
    made = w("hyperlink", *content, history="1")
    made.set(_R + "id", relationship)
    return made


def inward(bookmark: str, content: Iterable[Node], tip: str = "") -> Node:
    """A link to a bookmark of the document; `tip` is shown where it is pointed at."""
    tips = {"tooltip": xml_text(tip)} if tip else {}
    return w("hyperlink", *content, anchor=bookmark, history="1", **tips)


def bookmarked(number: int, name: str, content: Iterable[Node]) -> list[Node]:
    """The content as the place that links to `name` lead to; `number` is used once in a document."""
    return [w("bookmarkStart", id=str(number), name=name), *content, w("bookmarkEnd", id=str(number))]


def field(instruction: str) -> Node:
    """A number that Word fills in: PAGE, NUMPAGES."""
    return w("fldSimple", w("r", *_pieces("1")), instr=f" {instruction} ")


def table(widths: list[int], rows: Iterable[Node], indent: int, rtl: bool) -> Node:
    """A table of rows whose first repeats on every page; widths and indent in twentieths of a point."""
    properties = [w("tblStyle", val="Table")]
    properties += [w("bidiVisual")] if rtl else []
    properties += [w("tblW", w=str(sum(widths)), type="dxa"), w("tblInd", w=str(indent), type="dxa"), w("tblLayout", type="fixed")]
    properties.append(w("tblLook", val="0020", firstRow="1", lastRow="0", firstColumn="0", lastColumn="0", noHBand="1", noVBand="1"))
    grid = w("tblGrid", *(w("gridCol", w=str(width)) for width in widths))
    return w("tbl", w("tblPr", *properties), grid, *rows)


def row(cells: Iterable[tuple[int, Node]], head: bool, whole: bool) -> Node:
    """A row of (width, paragraph). `head` repeats it on every page; `whole` keeps it from being parted between pages."""
    properties = [w("cantSplit")] if whole else []
    properties += [w("tblHeader")] if head else []
    made = [w("tc", w("tcPr", w("tcW", w=str(width), type="dxa")), content) for width, content in cells]
    return w("tr", *([w("trPr", *properties)] if properties else []), *made)
