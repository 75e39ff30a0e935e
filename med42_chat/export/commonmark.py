"""Tree → Markdown that reads as that tree again, in CommonMark with GFM's tables and strikethrough. Pure.

What people and models wrote is text here: every sign that would mean something is escaped, and no other, so that it is read easily.
"""

import re
from collections.abc import Callable, Iterable
from itertools import pairwise

from med42_chat.markup import (
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
)

MarkWriter = Callable[[int], str]

# Signs that mean something wherever they stand; '_' within a word does not, nor a line of them to sign on (the group), nor '<' before a
# space. Brackets mean nothing by themselves, and '\\[' would begin a formula where those are read: a link is undone at its parenthesis, a
# definition at its colon.
_SIGN = re.compile(r"(?<=\S )(_+)(?= )|[\\`*$~]|(?<![^\W_])_|_(?![^\W_])|<(?=[A-Za-z/!?])|&(?=#?\w{1,32};)|!$")
# What means something at a line's beginning: headings, quotes, rules, underlines, lists, tables.
_LEAD = re.compile(r"^[ \t]*(?:([-+](?=\s|$)|--|=|#{1,6}(?=\s|$)|>|\||:-)|(\d{1,9})([.)](?=\s|$))|(\[[^\]\n]*\]):)", re.MULTILINE)
_MONEY_SAFE = re.compile(r"(?=\S)[^$\n]*(?<=\S)")
_PAIRED = re.compile(r"[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*")
_CODE = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
_CODE_OR_BRACKET = re.compile(rf"{_CODE.pattern}|[\[\]]", re.DOTALL)
_LIVE = re.compile(r"<[A-Za-z/!?]|\]\(|`")
_RULES: dict[Alignment, str] = {"": "---", "left": ":--", "center": ":-:", "right": "--:"}


def to_markdown(tree: Tree, mark: MarkWriter, headings: int = 0) -> str:
    """The Markdown of a tree, its headings `headings` levels lower. `mark` writes a mark that names a source."""
    return _Pen(mark, headings).blocks(tree)


def escaped(text: str) -> str:
    """A text as it is, on lines of its own."""
    return _lead(_text(f"{text} ")[:-1])  # the space: a line to sign on may end here


class _Pen:
    def __init__(self, mark: MarkWriter, headings: int) -> None:
        self._mark, self._headings = mark, headings

    def blocks(self, blocks: Iterable[Block]) -> str:
        """Blocks with an empty line between them. Lists side by side have different signs: else they would be one."""
        written, alternate, last = [], False, None
        for block in blocks:
            alternate = isinstance(block, List) and isinstance(last, List) and last.ordered == block.ordered and not alternate
            written.append(self._block(block, alternate))
            last = block
        return "\n\n".join(written)

    def _block(self, block: Block, alternate: bool = False) -> str:
        match block:
            case Paragraph(children):
                return _lead(self._inlines(children))
            case Heading(level, children):
                return f"{'#' * min(level + self._headings, 6)} {self._title(children)}"
            case List():
                return self._list(block, alternate)
            case Quote(blocks):
                return _indented("> ", "> ", self.blocks(blocks))
            case CodeBlock(language, text):
                return _fenced(language, text)
            case Table():
                return self._table(block)
            case Rule():
                return "___"
            case MathBlock(tex):
                return _formula(tex)

    def _title(self, children: Iterable[Inline]) -> str:
        line = _lead(self._inlines(children)).replace("\\\n", " ").replace("\n", " ")
        return line.removesuffix("#") + "\\#" if line.endswith("#") else line

    def _list(self, block: List, alternate: bool) -> str:
        signs = [
            f"{block.start + at}{')' if alternate else '.'}" if block.ordered else "*" if alternate else "-"
            for at in range(len(block.items))
        ]
        gap = "\n" if block.tight else "\n\n"
        items = (self._item(item.blocks, block.tight) for item in block.items)
        return gap.join(_indented(f"{sign} ", " " * (len(sign) + 1), item).rstrip(" ") for sign, item in zip(signs, items, strict=True))

    def _item(self, blocks: Tree, tight: bool) -> str:
        written = [self._block(block) for block in blocks]
        gaps = ["\n" if tight and _follows(above, below) else "\n\n" for above, below in pairwise(blocks)]
        return "".join(gap + block for gap, block in zip(["", *gaps], written, strict=False))

    def _table(self, block: Table) -> str:
        rule = "|".join(f" {_RULES[alignment]} " for alignment in block.alignments)
        return "\n".join([self._row(block.header), f"|{rule}|", *map(self._row, block.rows)])

    def _row(self, cells: Iterable[tuple[Inline, ...]]) -> str:
        # Before anything else a table's row is cut at its pipes, in code and formulas too.
        return "|" + "|".join(f" {self._inlines(cell).replace('|', chr(92) + '|')} " for cell in cells) + "|"

    def _inlines(self, children: Iterable[Inline], within: str = "") -> str:
        return "".join(self._inline(child, within) for child in children)

    def _inline(self, inline: Inline, within: str) -> str:
        match inline:
            case Text(text):
                return _text(text)
            case Emphasis():
                return self._around(inline, "_" if within == "*" else "*")
            case Strong():
                return self._around(inline, "__" if within == "**" else "**")
            case Strike(children):
                return f"~~{self._inlines(children, within)}~~"
            case Code(text):
                return _code(text)
            case Link(href, children):
                return self._link(href, children, within)
            case LineBreak():
                return "\\\n"
            case Math(tex):
                # Who reads no formulas would read tags and links in this one.
                return _code(tex) if _LIVE.search(tex) else f"${tex}$" if _MONEY_SAFE.fullmatch(tex) else f"\\({tex}\\)"
            case Cite(number):
                return self._mark(number)

    def _around(self, inline: Emphasis | Strong, sign: str) -> str:
        alone = len(inline.children) == 1 and isinstance(inline.children[0], Emphasis)  # '***a***' is emphasis around strong
        return f"{sign}{self._inlines(inline.children, '*' if alone else sign)}{sign}"

    def _link(self, href: str, children: tuple[Inline, ...], within: str) -> str:
        if children == (Text(href),):
            return f"<{href}>"
        target = f"<{href}>" if "(" in href or ")" in href else href
        return f"[{_balanced(self._inlines(children, within))}]({target})"


def _formula(tex: str) -> str:
    if _LIVE.search(tex):
        return _fenced("math", tex)
    return f"\\[\n{tex}\n\\]" if "$" in tex else f"$$\n{tex}\n$$"


def _fenced(language: str, text: str) -> str:
    fence = _longer(text, "`" if "`" not in language else "~", 3)
    return f"{fence}{language}\n{text}\n{fence}" if text else f"{fence}{language}\n{fence}"


def _follows(above: Block, below: Block) -> bool:
    """Whether one block may stand directly below the other and still be one of its own."""
    if isinstance(above, Paragraph):
        return isinstance(below, CodeBlock | Heading | Quote | Table) or (
            isinstance(below, List) and (not below.ordered or below.start == 1)
        )
    return isinstance(above, Heading | CodeBlock)


def _text(text: str) -> str:
    return _SIGN.sub(lambda sign: sign[1] or f"\\{sign[0]}", text).replace("](", "]&#40;")


def _balanced(text: str) -> str:
    """A link's words: brackets that do not pair would end or undo the link. Those in code do not count."""
    if _PAIRED.fullmatch(_CODE.sub("", text)):
        return text
    return _CODE_OR_BRACKET.sub(lambda found: {"[": "&#91;", "]": "&#93;"}.get(found[0], found[0]), text)


def _code(text: str) -> str:
    fence = _longer(text, "`", 1)
    padded = text.startswith("`") or text.endswith("`") or (text.startswith(" ") and text.endswith(" ") and text.strip())
    return f"{fence} {text} {fence}" if padded else f"{fence}{text}{fence}"


def _longer(text: str, sign: str, least: int) -> str:
    """More of the sign than stand side by side anywhere in the text."""
    runs = (len(run) for run in re.findall(re.escape(sign) + "+", text))
    return sign * max(least, max(runs, default=0) + 1)


def _lead(text: str) -> str:
    return _LEAD.sub(_defused, text)


def _defused(lead: re.Match[str]) -> str:
    _, sign, number, stop, bracketed = lead[0], *lead.groups(default="")
    return f"\\{sign}" if sign else f"{number}\\{stop}" if number else f"{bracketed}\\:"


def _indented(first: str, rest: str, text: str) -> str:
    """The lines behind a sign; an empty one gets no spaces at its end."""
    lines = text.split("\n")
    return "\n".join([first + lines[0], *((rest + line if line else rest.rstrip()) for line in lines[1:])])
