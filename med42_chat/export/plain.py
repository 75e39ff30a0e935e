"""The sheet as plain text that can be put into a field of a record: no sign has to be known to read it. Pure.

A paragraph is one line, since a field breaks lines itself; what was typed keeps its lines. A table's rows name each value: columns that
do not line up in another font would be read wrongly.
"""

import re
from collections.abc import Iterable, Iterator

from med42_chat.export.ascii import in_ascii
from med42_chat.export.sheet import Entry, Options, Reference, Row, Sheet
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
    Math,
    MathBlock,
    Paragraph,
    Quote,
    Rule,
    Strike,
    Strong,
    Table,
    Text,
)


def write(sheet: Sheet, options: Options) -> str:
    """The document; with `options.ascii` in ASCII characters only."""
    text = _Pen(sheet).document()
    if not options.ascii:
        return text
    plain = in_ascii(text)
    # A question mark more than before stands for a letter that is lost, which has to be said.
    return f"{in_ascii(sheet.names['unwritten'])}\n\n{plain}" if plain.count("?") > text.count("?") else plain


class _Pen:
    def __init__(self, sheet: Sheet) -> None:
        self._sheet, self._names = sheet, sheet.names

    def document(self) -> str:
        """All of it, an empty line between any two parts."""
        return "\n\n".join(part for part in self._parts() if part).replace("\u00a0", " ") + "\n"

    def _parts(self) -> Iterator[str]:
        sheet, names = self._sheet, self._names
        yield _underlined(sheet.title, "=")
        yield _rows(sheet.head)
        yield sheet.warning
        yield sheet.signature
        if sheet.pinned:
            yield _underlined(names["pinned"], "-")
            yield sheet.pinned
        for entry in sheet.entries:
            yield from self._entry(entry)
        if any(entry.references for entry in sheet.entries):
            yield _underlined(names["references"], "=")
            for entry in sheet.entries:
                yield from _references(entry)
        yield _underlined(names["safe_use"], "=")
        yield from sheet.safe_use
        yield sheet.quiet

    def _entry(self, entry: Entry) -> Iterator[str]:
        yield _underlined(entry.heading, "-")
        yield "\n".join((f"{entry.who}, {entry.when}", *entry.notes))
        yield self._blocks(entry.blocks)
        yield entry.checked
        yield _listed(self._names["findings"], [told for _, told in entry.findings])
        yield _listed(self._names["left_out"], entry.left_out)
        if entry.evidence:
            yield f"{self._names['evidence']}:\n{_rows(entry.evidence)}"

    def _blocks(self, blocks: Iterable[Block]) -> str:
        return "\n\n".join(map(self._block, blocks))

    def _block(self, block: Block) -> str:
        match block:
            case Paragraph(children) | Heading(_, children):
                return self._inlines(children)
            case List():
                return self._list(block)
            case Quote(blocks):
                return _indented("> ", "> ", self._blocks(blocks))
            case CodeBlock(_, text) | MathBlock(text):
                return text
            case Table():
                return self._table(block)
            case Rule():
                return "-" * 20

    def _list(self, block: List) -> str:
        signs = (f"{block.start + at}. " if block.ordered else "- " for at in range(len(block.items)))
        items = (_indented(sign, " " * len(sign), self._item(item.blocks)) for sign, item in zip(signs, block.items, strict=True))
        return ("\n" if block.tight else "\n\n").join(items)

    def _item(self, blocks: tuple[Block, ...]) -> str:
        gaps = ["", *("\n" if isinstance(block, List) and block.tight else "\n\n" for block in blocks[1:])]
        return "".join(gap + self._block(block) for gap, block in zip(gaps, blocks, strict=False))

    def _table(self, block: Table) -> str:
        names = [self._inlines(cell) for cell in block.header]
        if not block.rows:
            return "; ".join(filter(None, names))
        return "\n".join(self._row(names, row) for row in block.rows)

    def _row(self, names: Iterable[str], row: Iterable[tuple[Inline, ...]]) -> str:
        values = ((name, self._inlines(cell)) for name, cell in zip(names, row, strict=True))
        lines = [f"{name}: {value}" if name else value for name, value in values if value]
        return _indented("- ", "  ", "\n".join(lines))

    def _inlines(self, children: Iterable[Inline]) -> str:
        return "".join(map(self._inline, children))

    def _inline(self, inline: Inline) -> str:
        match inline:
            case Text(text):
                return text.replace("\n", " ")
            case Code(text) | Math(text):
                return text
            case Emphasis(children) | Strong(children):
                return self._inlines(children)
            case Strike(children):
                # Without its line it would be read as meant.
                return f"[{self._names['struck']}: {self._inlines(children)}]"
            case Link(href, children):
                words = self._inlines(children)
                return words if words in (href, href.removeprefix("mailto:")) else f"{words} <{href}>"
            case LineBreak():
                return "\n"
            case Cite(number):
                return f"[{number}]"


def _references(entry: Entry) -> Iterator[str]:
    if entry.references:
        yield f"{entry.heading}:\n" + "\n".join(map(_reference, entry.references))


def _reference(reference: Reference) -> str:
    place = f" {reference.place}." if reference.place else ""
    quote = [f"“{reference.quote}”"] if reference.quote else []
    sign = f"[{reference.number}] "
    return _indented(sign, " " * len(sign), "\n".join([f"{reference.line}{place}", *quote, reference.status]))


def _rows(rows: Iterable[Row]) -> str:
    return "\n".join(f"{row.name}: {row.value}" for row in rows)


def _listed(name: str, lines: Iterable[str]) -> str:
    items = "\n".join(f"- {line}" for line in lines)
    return f"{name}:\n{items}" if items else ""


def _underlined(text: str, sign: str) -> str:
    return f"{text}\n{sign * min(len(text), 79)}"


def _indented(first: str, rest: str, text: str) -> str:
    return first + re.sub(r"\n(?=(.?))", lambda line: f"\n{rest if line[1] else rest.rstrip()}", text)
