"""The small safe tree that every answer becomes: the page and every export render this and nothing else.

It knows no Markdown and no HTML. Only the values named here exist in it, so a writer that knows them all is safe by construction:
text is text, a `Link` goes to http, https or mailto, and a `Cite` names a source that the program put before the model.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Alignment = Literal["", "left", "center", "right"]


@dataclass(frozen=True, slots=True)
class Text:
    """Characters as they are; a line feed in it is a soft break and reads as a space."""

    text: str


@dataclass(frozen=True, slots=True)
class Emphasis:
    """Words that are stressed."""

    children: "tuple[Inline, ...]"


@dataclass(frozen=True, slots=True)
class Strong:
    """Words that matter."""

    children: "tuple[Inline, ...]"


@dataclass(frozen=True, slots=True)
class Strike:
    """Words that are struck through: still readable, no longer meant."""

    children: "tuple[Inline, ...]"


@dataclass(frozen=True, slots=True)
class Code:
    """A few characters to be taken literally."""

    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """A way to another place. `href` is percent-encoded ASCII and begins with http://, https:// or mailto:."""

    href: str
    children: "tuple[Inline, ...]"


@dataclass(frozen=True, slots=True)
class LineBreak:
    """A line ends here, on purpose."""


@dataclass(frozen=True, slots=True)
class Math:
    """A formula within a line, as LaTeX without its delimiters."""

    tex: str


@dataclass(frozen=True, slots=True)
class Cite:
    """A mark that names source `number`, which exists. Never inside a `Link`."""

    number: int


Inline = Text | Emphasis | Strong | Strike | Code | Link | LineBreak | Math | Cite


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of `level` 1 to 6."""

    level: int
    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class ListItem:
    """One item of a list."""

    blocks: "tuple[Block, ...]"


@dataclass(frozen=True, slots=True)
class List:
    """A list. `start` is the first number of an ordered one; `tight` means no space between its items' paragraphs."""

    ordered: bool
    start: int
    tight: bool
    items: tuple[ListItem, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of somebody else."""

    blocks: "tuple[Block, ...]"


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Lines to be taken literally. `language` is one word, or empty."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `header`, every row and `alignments` have the same length; a cell is a tuple of inlines."""

    header: tuple[tuple[Inline, ...], ...]
    rows: tuple[tuple[tuple[Inline, ...], ...], ...]
    alignments: tuple[Alignment, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across the page."""


@dataclass(frozen=True, slots=True)
class MathBlock:
    """A formula on lines of its own, as LaTeX without its delimiters."""

    tex: str


Block = Paragraph | Heading | List | Quote | CodeBlock | Table | Rule | MathBlock
Tree = tuple[Block, ...]


def plain_text(tree: Iterable[Block]) -> str:
    """The words without their dress, for copying and searching: no letter that the page shows is missing."""
    return "\n\n".join(_block_text(block) for block in tree)


def inline_text(children: Iterable[Inline]) -> str:
    """The words of a line of inlines."""
    return "".join(_inline_text(child) for child in children)


def _inline_text(inline: Inline) -> str:
    match inline:
        case Text(text) | Code(text) | Math(text):
            return text
        case LineBreak():
            return "\n"
        case Cite(number):
            return f"[{number}]"
        case _:
            return inline_text(inline.children)


def _block_text(block: Block) -> str:
    match block:
        case Paragraph(children) | Heading(_, children):
            return inline_text(children)
        case List():
            return _list_text(block)
        case Quote(blocks):
            return _indented("> ", "> ", plain_text(blocks))
        case CodeBlock(_, text) | MathBlock(text):
            return text
        case Table(header, rows, _):
            return "\n".join(" | ".join(inline_text(cell) for cell in row) for row in (header, *rows))
        case Rule():
            return "---"


def _list_text(block: List) -> str:
    gap = "\n" if block.tight else "\n\n"
    marks = (f"{block.start + index}. " if block.ordered else "- " for index in range(len(block.items)))
    return gap.join(_indented(mark, " " * len(mark), _item_text(item, gap)) for mark, item in zip(marks, block.items, strict=True))


def _item_text(item: ListItem, gap: str) -> str:
    return gap.join(_block_text(block) for block in item.blocks)


def _indented(first: str, rest: str, text: str) -> str:
    return first + text.replace("\n", "\n" + rest)
