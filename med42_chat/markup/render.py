"""Tree → HTML, for the page and for an exported file. Pure; imports nothing of gradio.

Every tag and every attribute that can come out is written in this file, and everything else is escaped: nobody has to sanitise the result.
Headings are one level lower than written, because h1 is the page's own.
"""

import html
import re
import unicodedata
from collections.abc import Container, Iterable
from typing import Literal
from xml.etree.ElementTree import tostring

from med42_chat.markup.formula import mathml
from med42_chat.markup.parse import parse
from med42_chat.markup.tree import (
    Alignment,
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
    plain_text,
)

_NOT_IN_LANGUAGE = re.compile("[^a-z0-9+#-]")


def blocks_html(text: str, sources: Container[int] = ()) -> list[str]:
    """The HTML of each top-level block of a Markdown text, so that a page need only replace those that changed."""
    return [block_html(block) for block in parse(text, sources)]


class Pen:
    """How the words of a tree are written. A tree is written in the order of its words, so that another pen can put marks to them."""

    def text(self, text: str) -> str:
        """Words as they are."""
        return html.escape(text)

    def code(self, text: str) -> str:
        """A few characters to be taken literally."""
        return f"<code>{html.escape(text)}</code>"

    def cite(self, number: int) -> str:
        """A mark that names a source."""
        return f'<a class="cite" href="#source-{number}" data-source="{number}" aria-label="Source {number}">{number}</a>'


PEN = Pen()


def to_html(tree: Iterable[Block], pen: Pen = PEN) -> str:
    """The HTML of a whole tree."""
    return "\n".join(block_html(block, pen) for block in tree)


def block_html(block: Block, pen: Pen = PEN) -> str:
    """The HTML of one block."""
    match block:
        case Paragraph(children):
            return f'<p dir="auto">{_inlines(children, pen)}</p>'
        case Heading(level, children):
            tag = f"h{min(level + 1, 6)}"
            return f'<{tag} dir="auto">{_inlines(children, pen)}</{tag}>'
        case List():
            return _list(block, pen)
        case Quote(blocks):
            return f'<blockquote dir="{_direction(block)}">{to_html(blocks, pen)}</blockquote>'
        case CodeBlock(language, text):
            return _code_block(language, text)
        case Table():
            return _table(block, pen)
        case Rule():
            return "<hr>"
        case MathBlock(tex):
            return f'<div class="math" dir="ltr">{_math(tex, "block")}</div>'


def _direction(*blocks: Block) -> str:
    """The direction of what holds these blocks: that of the first letter that has one.

    The browser's own `auto` does not look into elements that have a `dir` themselves, as list items and cells do: an Arabic list's
    bullets and an Arabic table's first column would stand on the left.
    """
    kinds = (unicodedata.bidirectional(character) for character in plain_text(blocks))
    first = next((kind for kind in kinds if kind in ("L", "R", "AL")), "L")
    return "ltr" if first == "L" else "rtl"


def _list(block: List, pen: Pen) -> str:
    items = "".join(f'<li dir="{_direction(*item.blocks)}">{_item(item, block.tight, pen)}</li>' for item in block.items)
    if not block.ordered:
        return f'<ul dir="{_direction(block)}">{items}</ul>'
    start = f' start="{block.start}"' if block.start != 1 else ""
    return f'<ol dir="{_direction(block)}"{start}>{items}</ol>'


def _item(item: ListItem, tight: bool, pen: Pen) -> str:
    """A tight item's paragraphs stand without <p>, so that no space comes between the items."""
    return "\n".join(
        _inlines(block.children, pen) if tight and isinstance(block, Paragraph) else block_html(block, pen) for block in item.blocks
    )


def _code_block(language: str, text: str) -> str:
    name = _NOT_IN_LANGUAGE.sub("", language.lower())
    chosen = f' class="language-{name}"' if name else ""
    # A line feed directly after <pre> would be dropped by the browser, and code that begins with an empty line would lose it.
    return f'<pre dir="ltr"><code{chosen}>{html.escape(text)}\n</code></pre>'


def _table(block: Table, pen: Pen) -> str:
    head = _row(block.header, block.alignments, "th", ' scope="col"', pen)
    body = "".join(_row(row, block.alignments, "td", "", pen) for row in block.rows)
    body = f"<tbody>{body}</tbody>" if body else ""
    table = f'<table dir="{_direction(block)}"><thead>{head}</thead>{body}</table>'
    return f'<div class="table" role="group" tabindex="0" aria-label="Table">{table}</div>'


def _row(cells: Iterable[tuple[Inline, ...]], alignments: Iterable[Alignment], tag: str, scope: str, pen: Pen) -> str:
    parts = (
        f'<{tag}{scope} dir="auto"{_alignment(alignment)}>{_inlines(cell, pen)}</{tag}>'
        for cell, alignment in zip(cells, alignments, strict=True)
    )
    return f"<tr>{''.join(parts)}</tr>"


def _alignment(alignment: Alignment) -> str:
    return f' class="align-{alignment}"' if alignment else ""


def _inlines(children: Iterable[Inline], pen: Pen) -> str:
    return "".join(_inline(child, pen) for child in children)


def _inline(inline: Inline, pen: Pen) -> str:
    match inline:
        case Text(text):
            return pen.text(text)
        case Emphasis(children):
            return f"<em>{_inlines(children, pen)}</em>"
        case Strong(children):
            return f"<strong>{_inlines(children, pen)}</strong>"
        case Strike(children):
            return f"<del>{_inlines(children, pen)}</del>"
        case Code(text):
            return pen.code(text)
        case Link(href, children):
            return _link(href, children, pen)
        case LineBreak():
            return "<br>"
        case Math(tex):
            return _math(tex, "inline")
        case Cite(number):
            return pen.cite(number)


def _link(href: str, children: Iterable[Inline], pen: Pen) -> str:
    """A link that says where it goes (`title`), tells that place nothing, and leaves this page open."""
    if not href.lower().startswith(("http://", "https://", "mailto:")):
        return _inlines(children, pen)  # the parser makes no such link; a tree from elsewhere might
    address = html.escape(href)
    return f'<a href="{address}" title="{address}" rel="noopener noreferrer nofollow" target="_blank">{_inlines(children, pen)}</a>'


# Maths


def _math(tex: str, display: Literal["inline", "block"]) -> str:
    """MathML, or the source where it cannot be made."""
    element = mathml(tex, display)
    if element is None:
        return f'<code class="math">{html.escape(tex)}</code>'
    return tostring(element, encoding="unicode", short_empty_elements=False)
