"""The tree of a message → paragraphs, lists and tables of a DOCX file. What each looks like, the template's styles say."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from med42_chat.export.docx_maths import omml, omml_block
from med42_chat.export.docx_ways import Ways
from med42_chat.export.docx_xml import PLAIN, Face, Node, Shape, is_rtl, line_break, paragraph, row, runs, table
from med42_chat.export.sheet import Entry
from med42_chat.markup.formula import mathml
from med42_chat.markup.tree import (
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
    plain_text,
)

_STEP = 360  # twentieths of a point that a list or a quotation stands further in
_DIGIT = 115  # width of one in a list's number
_LAST_LEVEL = 8  # Word knows nine
_LARGEST = 32_000  # a list's number; Word counts to 32,767
_MATHS = Face(style="Code")
_WHOLE_ROW = 600  # characters of a row that is not parted between pages
_NARROW, _WIDE = 4, 40  # characters that a column counts at least and at most


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block stands: in which style, how far in (twentieths of a point), in how many lists.

    `rtl` is the way that lines without letters run.
    """

    style: str
    indent: int = 0
    lists: int = 0
    rtl: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """What stands before the first paragraph of a list's item: its level and its list, or its number as words."""

    level: int
    list: int
    hanging: int
    words: str = ""


class Blocks:
    """Writes one message, on a page whose text is `width` twentieths of a point wide."""

    def __init__(self, ways: Ways, width: int, entry: Entry) -> None:
        self._ways = ways
        self._width = width
        self._marks = iter(entry.marks)
        self._sources = {one.number: one.anchor for one in entry.references}

    def tree(self, blocks: Iterable[Block], place: Place) -> Iterator[Node]:
        """The paragraphs and tables of some blocks."""
        for block in blocks:
            yield from self._block(block, place)

    def _block(self, block: Block, place: Place) -> Iterator[Node]:
        match block:
            case Paragraph(children):
                yield self._line(children, place)
            case Heading(level, children):
                yield self._line(children, replace(place, style=f"Heading{min(level, 6)}"))
            case List():
                yield from self._list(block, place)
            case Quote(blocks):
                yield from self.tree(blocks, replace(place, style="Quote", indent=self._further(place, _STEP)))
            case CodeBlock(_, text):
                yield paragraph(Shape("CodeBlock", place.indent), runs(text, lines=True))
            case Table():
                yield from self._table(block, place)
            case Rule():
                yield paragraph(Shape("Rule", place.indent), ())
            case MathBlock(tex):
                yield self._formula(tex, place)

    def _further(self, place: Place, step: int) -> int:
        """The next indent; what is nested very deep stands no further in, or no room would be left for words."""
        return min(place.indent + step, self._width * 2 // 3)

    def _line(self, children: tuple[Inline, ...], place: Place, number: Number | None = None) -> Node:
        rtl = is_rtl(inline_text(children), place.rtl)
        content = self._inlines(children, PLAIN)
        if number is None:
            return paragraph(Shape(place.style, place.indent, rtl=rtl), content)
        if number.words:
            return paragraph(Shape(place.style, place.indent, number.hanging, rtl=rtl), (*runs(f"{number.words}\t"), *content))
        return paragraph(Shape(place.style, place.indent, number.hanging, (number.level, number.list), rtl), content)

    # ---- lists ----

    def _list(self, block: List, place: Place) -> Iterator[Node]:
        last = block.start + len(block.items) - 1
        hanging = max(_STEP, _DIGIT * (len(str(last)) + 2)) if block.ordered else _STEP
        style = "ListParagraph" if block.tight and place.style != "Quote" else place.style
        inner = Place(style, self._further(place, hanging), place.lists + 1, place.rtl)
        number = self._number(block, place.lists, hanging)
        for at, item in enumerate(block.items):
            words = f"{block.start + at}." if last > _LARGEST else ""
            yield from self._item(item, inner, replace(number, words=words))

    def _number(self, block: List, lists: int, hanging: int) -> Number:
        level = min(lists, _LAST_LEVEL)
        return Number(level, self._ways.numbering(block.ordered, level, min(block.start, _LARGEST)), hanging)

    def _item(self, item: ListItem, place: Place, number: Number) -> Iterator[Node]:
        """An item whose first block is no line of words has its number on a line of its own."""
        blocks = item.blocks
        opens = blocks and isinstance(blocks[0], Paragraph)
        yield self._line(blocks[0].children if opens and isinstance(blocks[0], Paragraph) else (), place, number)
        yield from self.tree(blocks[1:] if opens else blocks, place)

    # ---- tables ----

    def _table(self, block: Table, place: Place) -> Iterator[Node]:
        rtl = is_rtl(plain_text([block]), place.rtl)
        widths = _widths(block, self._width - place.indent)
        lines = (self._row(cells, block, widths, head=at == 0, rtl=rtl) for at, cells in enumerate((block.header, *block.rows)))
        yield table(widths, lines, place.indent, rtl)
        yield paragraph(Shape("AfterTable"), ())  # Word joins two tables that touch each other

    def _row(self, cells: Iterable[tuple[Inline, ...]], block: Table, widths: list[int], head: bool, rtl: bool) -> Node:
        made = []
        for cell, align, width in zip(cells, block.alignments, widths, strict=True):
            shape = Shape("TableHead" if head else "TableText", rtl=is_rtl(inline_text(cell), rtl), align=align)
            made.append((width, paragraph(shape, self._inlines(cell, PLAIN))))
        return row(made, head, whole=sum(len(inline_text(cell)) for cell in cells) < _WHOLE_ROW)

    # ---- words ----

    def _inlines(self, children: Iterable[Inline], face: Face) -> list[Node]:
        return [node for child in children for node in self._inline(child, face)]

    def _inline(self, inline: Inline, face: Face) -> Iterable[Node]:
        match inline:
            case Text(text):
                return runs(text, face)
            case Emphasis(children):
                return self._inlines(children, replace(face, italic=True))
            case Strong(children):
                return self._inlines(children, replace(face, bold=True))
            case Strike(children):
                return self._inlines(children, replace(face, struck=True))
            case Code(text):
                return runs(text, replace(face, style="Code"))
            case Link(href, children):
                return self._ways.out(href, self._inlines(children, replace(face, style="Hyperlink")))
            case LineBreak():
                return [line_break()]
            case Math(tex):
                return self._maths(tex)
            case Cite(number):
                return self._ways.mark(number, next(self._marks, ""), self._sources.get(number, ""))

    def _maths(self, tex: str) -> Iterable[Node]:
        """An equation, or its source where none can be made of it."""
        made = mathml(tex)
        return runs(tex, _MATHS) if made is None else [omml(made)]

    def _formula(self, tex: str, place: Place) -> Node:
        made = mathml(tex, "block")
        if made is None:
            return paragraph(Shape("CodeBlock", place.indent), runs(tex, lines=True))
        return paragraph(Shape("Formula", place.indent), [omml_block(made)])


def _widths(block: Table, whole: int) -> list[int]:
    """The columns' widths by how much stands in them: what is short stays short, and no long column takes all."""
    rows = (block.header, *block.rows[:200])
    sizes = [max(_NARROW, *(min(len(inline_text(row[at])), _WIDE) for row in rows)) for at in range(len(block.header))]
    return [whole * size // sum(sizes) for size in sizes]
