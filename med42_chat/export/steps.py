"""What the PDF's template builds a message from: its tree in the order in which a stack builds it, the inside before what holds it. Pure.

A step is a text, which is data wherever it lands, or `[name, count, values]`: take the last `count` things that were made and make this
of them. So the template calls nothing within itself, and its depth of calls does not limit how deep lists and formulas may go.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from xml.etree.ElementTree import Element

from med42_chat.export.body import cites
from med42_chat.export.narrow import narrow
from med42_chat.export.sheet import Entry
from med42_chat.markup import (
    Block,
    Cite,
    Code,
    CodeBlock,
    Emphasis,
    Heading,
    Inline,
    LineBreak,
    Link,
    List,
    ListItem,
    Math,
    MathBlock,
    Paragraph,
    Quote,
    Rule,
    Strike,
    Strong,
    Table,
    Text,
    inline_text,
    outlined,
    plain_text,
)
from med42_chat.markup.formula import mathml

Step = str | list[object]

_LONGEST_HEAD = 600  # characters of a table's head that stands again on the next page
_SCRIPTS = {"L": "latin", "R": "hebrew", "AL": "arabic"}  # by the kinds of letters that Unicode's bidirectional algorithm knows
_OPENING, _CLOSING = frozenset("([{|‖⌊⌈⟨"), frozenset(")]}|‖⌋⌉⟩")
# How many parts an element has whose parts have each their own place. A formula that was half written may have made it without.
_PARTS = {"mfrac": 2, "msub": 2, "msup": 2, "mroot": 2, "munder": 2, "mover": 2, "msubsup": 3, "munderover": 3}
_ANY_PARTS = ("mmultiscripts", "mtr", "mtable")
# MathML's signs over and under something: those that combine with a letter, and those that grow with what they span.
_ACCENTS = {"^": "\u0302", "~": "\u0303", "˙": "\u0307", "¨": "\u0308", "ˇ": "\u030c", "→": "\u20d7"}
_SPANS = {
    **dict.fromkeys("¯―‾", "overline"),
    "_": "underline",
    "⏞": "overbrace",
    "⏟": "underbrace",
    "⎴": "overbracket",
    "⎵": "underbracket",
}


def steps_of(entry: Entry, around: str = "latin") -> list[Step]:
    """The steps that build all blocks of a message, in a document written `around` them: they leave one thing for each block."""
    steps = _Steps(entry, around)
    for block in outlined(narrow(entry.blocks), 2):
        steps.block(block)
    return steps.made


def script(text: str, around: str = "latin") -> str:
    """'arabic' or 'hebrew' where the first letter that has a direction is written from the right so, 'latin' where from the left.

    A text without such a letter goes the way of what is around it.
    """
    kinds = (unicodedata.bidirectional(letter) for letter in text)
    return next((_SCRIPTS[kind] for kind in kinds if kind in _SCRIPTS), around)


class _Steps:
    """The steps so far, and where in the message they are: which mark comes next, and what it is written in."""

    def __init__(self, entry: Entry, around: str) -> None:
        self.made: list[Step] = []
        self._marks = iter(entry.marks)
        self._targets: Mapping[int, str] = {one.number: one.anchor for one in entry.references}
        self._around = around

    def block(self, block: Block) -> None:
        match block:
            case Paragraph(children):
                self._words("paragraph", children)
            case Heading(level, children):
                self._words("heading", children, level=level)
            case List():
                self._list(block)
            case Quote(blocks):
                with self._within(plain_text(blocks)) as way:
                    count = self._blocks(blocks)
                self._make("quote", count, **way)
            case CodeBlock(_, text):
                self._make("code_block", 0, text=text)
            case Table():
                self._table(block)
            case Rule():
                self._make("rule", 0)
            case MathBlock(tex):
                self._math(tex, True)

    @contextmanager
    def _within(self, text: str) -> Iterator[dict[str, object]]:
        """What is made meanwhile stands in something written as `text` is. Gives the value that says so, where it has to be said."""
        outside, self._around = self._around, script(text, self._around)
        yield {"script": self._around} if self._around != outside else {}
        self._around = outside

    def _make(self, name: str, count: int, /, **values: object) -> None:
        self.made.append([name, count, values])

    def _blocks(self, blocks: Sequence[Block]) -> int:
        for block in blocks:
            self.block(block)
        return len(blocks)

    def _inlines(self, children: Sequence[Inline]) -> int:
        for child in children:
            self._inline(child)
        return len(children)

    def _inline(self, child: Inline) -> None:
        match child:
            case Text(text):
                self.made.append(text.replace("\n", " "))
            case Code(text):
                self._make("code", 0, text=text)
            case Math(tex):
                self._math(tex, False)
            case LineBreak():
                self._make("line_break", 0)
            case Cite(number):
                self._make("cite", 0, number=number, mark=next(self._marks, ""), target=self._targets.get(number, ""))
            case Link(href, children):
                self._make("link", self._inlines(children), href=href)
            case Emphasis(children) | Strong(children) | Strike(children):
                self._make(type(child).__name__.lower(), self._inlines(children))

    def _words(self, name: str, children: Sequence[Inline], **values: object) -> None:
        with self._within(inline_text(children)) as way:
            count = self._inlines(children)
        self._make(name, count, **values, **way)

    def _list(self, block: List) -> None:
        # Written as its first item is: marks stand on the side where reading begins.
        with self._within(plain_text(block.items[0].blocks) if block.items else "") as way:
            for item in block.items:
                self._make("item", self._item(item, block.tight))
        self._make("list", len(block.items), ordered=block.ordered, start=block.start, tight=block.tight, **way)

    def _item(self, item: ListItem, tight: bool) -> int:
        """In a tight list the first paragraph is a line without space around it."""
        first = item.blocks[0] if item.blocks else None
        if not (tight and isinstance(first, Paragraph)):
            return self._blocks(item.blocks)
        self._words("line", first.children)
        return 1 + self._blocks(item.blocks[1:])

    def _table(self, block: Table) -> None:
        cells = [cell for row in (block.header, *block.rows) for cell in row]
        with self._within(" ".join(inline_text(cell) for cell in cells)) as way:
            for cell in cells:
                self._words("cell", cell)
        head = (replace(block, rows=()),)
        # On each page that the table goes on to, unless it is long, or a mark is in it, whose place would be there twice.
        repeat = len(plain_text(head)) < _LONGEST_HEAD and not any(cites(head))
        self._make("table", len(cells), columns=len(block.header), alignments=block.alignments, repeat=repeat, **way)

    def _math(self, tex: str, block: bool) -> None:
        element = mathml(tex, "block" if block else "inline")
        if element is None:
            self._make("code_block" if block else "code", 0, text=tex)
        else:
            self._make("equation", self._row(element), block=block, alt=tex)

    def _row(self, element: Element) -> int:
        """Steps for what stands in a row; how many things they leave."""
        groups = list(_groups(list(element)))
        for group in groups:
            for one in group:
                self._formula(one)
            if len(group) > 1:
                self._make("fenced", len(group))
        return len(groups)

    def _formula(self, element: Element) -> None:
        tag, parts = element.tag, list(element)
        if tag in ("mi", "mn", "mo", "mtext"):
            self._make(tag, 0, text=element.text or "", variant=element.get("mathvariant", ""))
        elif tag == "mspace":
            self._make("mspace", 0, width=_ems(element.get("width", "")))
        elif tag in ("mover", "munder") and (name := _over(parts)):
            self._formula(parts[0])
            self._make("accent" if name in _ACCENTS.values() else "span", 1, name=name)
        elif tag in _ANY_PARTS or len(parts) == _PARTS.get(tag):
            for part in parts:
                self._formula(part)
            flat = element.get("linethickness") == "0"
            self._make("stack" if flat else tag, len(parts), alignments=[cell.get("columnalign", "center") for cell in parts])
        elif tag in ("mprescripts", "none"):
            self._make(tag, 0)
        else:
            self._make(_row_name(element), self._row(element), notation=element.get("notation", ""))


def _row_name(element: Element) -> str:
    if element.tag == "mrow" and any(part.get("fence") == "true" for part in element[:1]):
        return "fenced"
    return "mrow" if element.tag in _PARTS else element.tag


def _over(parts: list[Element]) -> str:
    """What the second of two parts puts over or under the first; empty where it is no sign for that."""
    sign = (parts[1].text or "").strip() if len(parts) == 2 else ""
    return _ACCENTS.get(sign) or _SPANS.get(sign, "")


def _groups(parts: list[Element]) -> Iterator[list[Element]]:
    """The parts of a row one by one, a matrix or the like together with the brackets around it, which grow with it."""
    at = 0
    while at < len(parts):
        inner = at + 1 if _is_sign(parts[at], _OPENING) and at + 1 < len(parts) else at
        if inner < len(parts) and _is_tall(parts[inner]):
            end = inner + 2 if inner + 1 < len(parts) and _is_sign(parts[inner + 1], _CLOSING) else inner + 1
        else:
            end = at + 1
        yield parts[at:end]
        at = end


def _is_sign(element: Element, signs: frozenset[str]) -> bool:
    return element.tag == "mo" and (element.text or "") in signs


def _is_tall(element: Element) -> bool:
    return element.tag == "mtable" or element.get("linethickness") == "0"


def _ems(width: str) -> float:
    """A width in the font's own size; MathML's other units are rare and small."""
    return float(width[:-2]) if width.endswith("em") and len(width) > 2 else 0.0
