"""What belongs to a whole DOCX file and not to one paragraph: its bookmarks, the links between them and outward, its lists."""

from collections.abc import Iterable
from typing import Literal

from docx.document import Document
from docx.opc.constants import RELATIONSHIP_TYPE

from med42_chat.export.docx_xml import Face, Node, bookmarked, inward, named, outward, runs, w

_LONGEST = 40  # characters of a bookmark's name in Word
_MARK = Face(style="Mark")
_OUTWARD = ("http://", "https://", "mailto:")


class Ways:
    """Makes each of them once, under a name and number of its own."""

    def __init__(self, document: Document) -> None:
        self._part = document.part
        self._numbering = document.part.numbering_part.element
        self._kinds = {kind: _abstract(self._numbering, kind) for kind in ("bullets", "numbers")}
        self._lists = 0
        self._bullets: dict[int, int] = {}
        self._names: dict[str, str] = {}
        self._addresses: dict[str, str] = {}
        self._placed = 0

    def numbering(self, ordered: bool, level: int, start: int) -> int:
        """A list of the template's kind. Each ordered one is new: Word goes on counting from the one before otherwise, and a second
        list's first step would be step 3."""
        if ordered:
            return self._list("numbers", level, start)
        if level not in self._bullets:
            self._bullets[level] = self._list("bullets", level, 1)
        return self._bullets[level]

    def _list(self, kind: Literal["bullets", "numbers"], level: int, start: int) -> int:
        self._lists += 1
        override = w("lvlOverride", w("startOverride", val=str(start)), ilvl=str(level))
        self._numbering.append(w("num", w("abstractNumId", val=self._kinds[kind]), override, numId=str(self._lists)))
        return self._lists

    def place(self, anchor: str, content: Iterable[Node]) -> list[Node]:
        """The content as what links to the anchor lead to; as it is where the anchor is empty."""
        if not anchor:
            return list(content)
        self._placed += 1
        return bookmarked(self._placed, self._name(anchor), content)

    def to(self, anchor: str, text: str, face: Face, tip: str = "") -> Node:
        """A link within the document; `tip` says where it leads, for who hears it or points at it."""
        return inward(self._name(anchor), runs(text, face), tip)

    def out(self, href: str, content: Iterable[Node]) -> list[Node]:
        """A link to another place; only the words where that is not one that a document may lead to."""
        if not href.lower().startswith(_OUTWARD):
            return list(content)
        return [outward(self._relationship(href), content)]

    def _relationship(self, href: str) -> str:
        """The id under which the document keeps an address. Numbered here: the library looks at all of them to find the next number."""
        if href not in self._addresses:
            self._addresses[href] = f"link{len(self._addresses) + 1}"
            self._part.rels.add_relationship(RELATIONSHIP_TYPE.HYPERLINK, href, self._addresses[href], is_external=True)
        return self._addresses[href]

    def mark(self, number: int, anchor: str, target: str) -> list[Node]:
        """A mark that names a source, and leads to it where it is in the document."""
        words = f"[{number}]"
        return self.place(anchor, [self.to(target, words, _MARK)] if target else runs(words, _MARK))

    def _name(self, anchor: str) -> str:
        """The bookmark's name: Word takes letters, digits and underscores."""
        name = anchor.replace("-", "_")
        if len(name) > _LONGEST:
            name = f"place_{len(self._names)}"
        return self._names.setdefault(anchor, name)


def _abstract(numbering: Node, kind: str) -> str:
    """The id of the template's list of this name, which is a style of lists that a designer edits."""
    for one in numbering.iter(named("abstractNum")):
        name = one.find(named("name"))
        if name is not None and name.get(named("val")) == kind:
            return str(one.get(named("abstractNumId")))
    raise ValueError(f"the template has no list named '{kind}'")
