"""The words of one message as the blocks that are printed. Pure.

Letters in, letters out: where reading an answer as Markdown would lose any, it is printed as it was written and says so. So is one that
is too long. How long reading takes is no reason: the same records must give the same document on a slow computer. What 200,000
characters can cost is held by tests/test_markup.py.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

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
    Strike,
    Strong,
    Table,
    Text,
    Tree,
    clean,
    outlined,
    parse_marks,
)
from med42_chat.records import Message
from med42_chat.words import Words

LONGEST = 200_000  # characters of an answer that are read as Markdown
QUOTES = 5  # levels; typst ends at 64 nested rules, and each quote takes several

# What Markdown is written with: none of it need come out again.
_SIGNS = frozenset("*_`~#|\\[]():-=$!+>")
# What a reader never sees: the line that opens a code block, a link's address and title, a character's name, a mark, the sign or number of
# a list's item; and an address in angles, whose signs go.
_UNSEEN = re.compile(
    r"^.*(?:```|~~~).*$"
    r"|\]\((?:\\.|\([^()\n]*\)|[^()\n\\])*\)"
    r"|&#?\w{1,32};"
    r"|\[\s*\d[\d\s,;–-]*\]"
    r"|^(?:[ \t>*+-]|\d{1,9}[.)](?=\s|$))+"
    r"|<(?:[A-Za-z][A-Za-z\d+.-]*:|[^\s<>@]{1,64}@)[^\s<>]*>",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Body:
    """What is printed of a message's words. `cites` are the numbers of its marks in reading order; `notes` what became of it."""

    blocks: Tree
    cites: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def question_body(words: Words, message: Message) -> Body:
    """A question exactly as it was typed: no Markdown, every line and every space."""
    lines = clean(message.text).strip("\n").split("\n") if message.text.strip() else []
    children = [piece for line in lines for piece in (LineBreak(), *_typed(line))][1:]
    return Body((Paragraph(tuple(children)),) if children else (), notes=tuple(_notes(words, message)))


def answer_body(words: Words, message: Message, linked: bool) -> Body:
    """An answer's tree as the page shows it, its headings one below the other. Without `linked` its marks are mere characters."""
    numbers = {citation.source.number for citation in message.citations}
    if len(message.text) > LONGEST:
        return _as_written(words, message, words("export.too_long"))
    tree, unknown = parse_marks(message.text, numbers)
    if lost(message.text, tree):
        return _as_written(words, message, words("export.as_typed"))
    blocks = outlined(tuple(_shaped(tree if linked else _unlinked(tree), 0)))
    return Body(blocks, tuple(cites(blocks)), (*_not_printed(words, message, unknown), *_notes(words, message)))


def lost(text: str, tree: Tree) -> str:
    """The characters of a Markdown text that are not in its tree, though a reader would miss them."""
    told = "".join(part for block in tree for part in _said(block))
    missing = Counter(_UNSEEN.sub("", clean(text))) - Counter(told)
    return "".join(one for one in missing.elements() if not one.isspace() and one not in _SIGNS)


def cites(tree: Tree) -> Iterator[int]:
    """The numbers of a tree's marks in reading order."""
    for inline in inlines(tree):
        if isinstance(inline, Cite):
            yield inline.number


def inlines(tree: Tree) -> Iterator[Inline]:
    """Every inline of a tree that holds no other, in reading order."""
    for block in tree:
        match block:
            case Paragraph(children) | Heading(_, children):
                yield from _leaves(children)
            case Quote(blocks):
                yield from inlines(blocks)
            case List():
                for item in block.items:
                    yield from inlines(item.blocks)
            case Table(header, rows, _):
                for row in (header, *rows):
                    for cell in row:
                        yield from _leaves(cell)


def _leaves(children: tuple[Inline, ...]) -> Iterator[Inline]:
    for child in children:
        if isinstance(child, Emphasis | Strong | Strike | Link):
            yield from _leaves(child.children)
        else:
            yield child


def _said(block: Block) -> Iterator[str]:
    match block:
        case CodeBlock(_, text) | MathBlock(text):
            yield text
        case Quote(blocks):
            for inner in blocks:
                yield from _said(inner)
        case List():
            for item in block.items:
                for inner in item.blocks:
                    yield from _said(inner)
        case _:
            for inline in inlines((block,)):
                match inline:
                    case Text(text) | Code(text) | Math(text):
                        yield text


def _typed(line: str) -> Iterator[Inline]:
    """A line with its indentation and gaps: every other space of several is one that no writer drops."""
    if line:
        yield Text(re.sub(r"^ +| {2,}", lambda spaces: ("\u00a0 " * len(spaces[0]))[: len(spaces[0])], line.expandtabs(4)))


def _as_written(words: Words, message: Message, why: str) -> Body:
    return Body((CodeBlock("", clean(message.text).strip("\n")),), notes=(why, *_notes(words, message)))


def _not_printed(words: Words, message: Message, marks: tuple[int, ...]) -> Iterator[str]:
    """The marks that the tree left out, where no finding names them: those of an answer that was cut off before it was compared."""
    if marks and not any(one.kind == "mark" and one.state == "not_found" for one in message.findings):
        yield words("export.no_such_source", n=len(marks), marks=", ".join(f"[{number}]" for number in marks))


def _notes(words: Words, message: Message) -> Iterator[str]:
    replaced = clean(message.text).count("\ufffd") - message.text.count("\ufffd")
    if replaced:
        yield words("export.replaced", n=replaced)
    if not message.text.strip():
        yield words("export.no_words")


# ---- the tree, fit for paper ----


def _shaped(tree: Tree, depth: int) -> Iterator[Block]:
    """Without headings and quotes that hold nothing, and with quotes nested no deeper than paper takes."""
    for block in tree:
        match block:
            case Heading() if not any(_said(block)) and not any(cites((block,))):
                continue
            case Quote(blocks):
                inner = tuple(_shaped(blocks, depth + 1))
                if depth >= QUOTES:
                    yield from inner
                elif inner:
                    yield Quote(inner)
            case List():
                yield replace(block, items=tuple(ListItem(tuple(_shaped(item.blocks, depth))) for item in block.items))
            case _:
                yield block


def _unlinked(tree: Tree) -> Tree:
    return tuple(_with(block, _spelled) for block in tree)


def _spelled(children: tuple[Inline, ...]) -> tuple[Inline, ...]:
    """The same words, marks as characters."""
    made: list[Inline] = []
    for child in children:
        match child:
            case Cite(number):
                made.append(Text(f"[{number}]"))
            case Emphasis() | Strong() | Strike() | Link():
                made.append(replace(child, children=_spelled(child.children)))
            case _:
                made.append(child)
    return tuple(made)


def _with(block: Block, change: Callable[[tuple[Inline, ...]], tuple[Inline, ...]]) -> Block:
    match block:
        case Paragraph(children) | Heading(_, children):
            return replace(block, children=change(children))
        case Quote(blocks):
            return Quote(tuple(_with(inner, change) for inner in blocks))
        case List():
            return replace(block, items=tuple(ListItem(tuple(_with(inner, change) for inner in item.blocks)) for item in block.items))
        case Table(header, rows, _):
            return replace(block, header=tuple(map(change, header)), rows=tuple(tuple(map(change, row)) for row in rows))
        case _:
            return block
