"""Markdown → a small safe tree, by the package `markdown` with an extension of ours that makes it read CommonMark and GFM's tables.

`parse(text, sources)` gives the tree; `parse_marks` also says which citation marks named no source. Pure: no I/O, no state.

Where it deliberately differs from CommonMark: raw HTML is text; an image is the text '[image: …]'; reference definitions are text, since
`[1]: http://…` would hijack citation [1]; links go to http, https and mailto only; LaTeX in `\\(…\\)`, `\\[…\\]` or dollars that
cannot be money is maths; asterisks between two digits are no emphasis; nothing is nested deeper than 24 levels; a table row's surplus
cells join its last cell.
"""

from med42_chat.markup.characters import clean
from med42_chat.markup.outline import outlined
from med42_chat.markup.parse import Parsed, parse, parse_marks
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
    Tree,
    inline_text,
    plain_text,
)

__all__ = [
    "Alignment", "Block", "Cite", "Code", "CodeBlock", "Emphasis", "Heading", "Inline", "LineBreak", "Link", "List", "ListItem", "Math",
    "MathBlock", "Paragraph", "Parsed", "Quote", "Rule", "Strike", "Strong", "Table", "Text", "Tree", "clean", "inline_text", "outlined",
    "parse", "parse_marks", "plain_text",
]  # fmt: skip
