"""Sheets of the golden conversations, and what a reader must find of each in any format, in its order."""

from collections.abc import Iterator
from datetime import UTC
from functools import cache
from pathlib import Path

from med42_chat.export import record
from med42_chat.export.narrow import narrow
from med42_chat.export.paper import sheet_of
from med42_chat.export.sheet import Entry, Options, Reference, Sheet
from med42_chat.markup import Block, CodeBlock, Heading, Inline, List, Math, MathBlock, Paragraph, Quote, Table, Tree, inline_text
from med42_chat.markup.formula import mathml
from med42_chat.words import read_words
from tests.export import golden

ASSETS = Path(__file__).resolve().parent.parent.parent / "assets"
WORDS = read_words(ASSETS / "words" / "en.toml")
PLAIN = Options()
FILLED = Options(author="Dr Ada Example", patient="MRN 4711")

EVERY = [*golden.everything(), *(f"hostile: {name}" for name in golden.hostile())]


@cache
def conversation(name: str) -> golden.Golden:
    """One of the golden conversations, hostile ones under 'hostile: …'."""
    kind, _, payload = name.partition("hostile: ")
    return golden.hostile()[payload] if payload else golden.everything()[kind]()


@cache
def sheet(name: str, options: Options = FILLED) -> Sheet:
    """What stands on paper of one of them."""
    one = conversation(name)
    return sheet_of(one.conversation, record.branch(one.conversation, one.messages), options, WORDS, UTC)


def letters(text: str) -> str:
    """Letters and digits alone: what no layout may lose."""
    return "".join(filter(str.isalnum, text))


def expected(one: Sheet) -> str:
    """The letters of a whole sheet in the order of its parts."""
    return letters("\n".join(_parts(one)))


def _parts(one: Sheet) -> Iterator[str]:
    yield one.title
    yield from (f"{row.name} {row.value}" for row in one.head)
    yield f"{one.warning} {one.signature}"
    if one.pinned:
        yield f"{one.names['pinned']} {one.pinned}"
    for entry in one.entries:
        yield from _entry(one, entry)
    answers = [entry for entry in one.entries if entry.references]
    if answers:
        yield one.names["references"]
    for entry in answers:
        yield entry.heading
        yield from map(_reference, entry.references)
    yield one.names["safe_use"]
    yield from one.safe_use


def _entry(one: Sheet, entry: Entry) -> Iterator[str]:
    yield from (entry.heading, entry.who, entry.when, body(entry.blocks), *entry.notes, entry.checked)
    lists = (("findings", [told for _, told in entry.findings]), ("left_out", entry.left_out))
    for name, lines in lists:
        if lines:
            yield from (one.names[name], *lines)
    if entry.evidence:
        yield one.names["evidence"]
    yield from (f"{row.name} {row.value}" for row in entry.evidence)


def _reference(one: Reference) -> str:
    ways = " ".join(str(at) for at in range(1, len(one.marks) + 1)) if len(one.marks) > 1 else ""
    return f"{one.number} {one.line} {one.place} {ways} {one.quote} {one.status}"


def body(blocks: Tree) -> str:
    """The words of a message, formulas as their letters, tables that are too wide as lists."""
    return " ".join(_block(block) for block in narrow(blocks))


def _block(block: Block) -> str:
    match block:
        case Paragraph(children) | Heading(_, children):
            return _inlines(children)
        case List():
            return " ".join(_block(inner) for item in block.items for inner in item.blocks)
        case Quote(blocks):
            return " ".join(map(_block, blocks))
        case Table(header, rows, _):
            return " ".join(_inlines(cell) for row in (header, *rows) for cell in row)
        case CodeBlock(_, text):
            return text
        case MathBlock(tex):
            return _formula(tex)
        case _:
            return ""


def _inlines(children: tuple[Inline, ...]) -> str:
    return "".join(_inline(child) for child in children)


def _inline(inline: Inline) -> str:
    match inline:
        case Math(tex):
            return _formula(tex)
        case _ if hasattr(inline, "children"):
            return _inlines(inline.children)
        case _:
            return inline_text((inline,))


def _formula(tex: str) -> str:
    made = mathml(tex)
    return tex if made is None else "".join(made.itertext())
