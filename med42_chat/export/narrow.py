"""Tables that no paper is wide enough for, as lists. Pure."""

from collections.abc import Iterator

from med42_chat.markup import Block, Inline, List, ListItem, Paragraph, Quote, Strong, Table, Text, Tree, inline_text

MOST_COLUMNS = 12


def narrow(tree: Tree) -> Tree:
    """The same blocks, each row of a table with more columns than that as a list of names and values.

    The names stand before it as they are, once: a mark in them is met first, as in the table, and not again in every row.
    """
    return tuple(made for block in tree for made in _narrow(block))


def _narrow(block: Block) -> Iterator[Block]:
    match block:
        case Table() if len(block.header) > MOST_COLUMNS:
            yield from _listed(block)
        case Quote(blocks):
            yield Quote(narrow(blocks))
        case List(ordered, start, tight, items):
            yield List(ordered, start, tight, tuple(ListItem(narrow(item.blocks)) for item in items))
        case _:
            yield block


def _listed(table: Table) -> Iterator[Block]:
    names = [inline_text(name) for name in table.header]
    parted = [(*name, Text(" · ")) for name in table.header]
    yield Paragraph(tuple(inline for name in parted for inline in name)[:-1])
    if table.rows:
        yield List(True, 1, False, tuple(ListItem((_row(names, row),)) for row in table.rows))


def _row(names: list[str], row: tuple[tuple[Inline, ...], ...]) -> List:
    lines = (Paragraph((Strong((Text(f"{name}: "),)), *cell)) for name, cell in zip(names, row, strict=True))
    return List(False, 1, True, tuple(ListItem((line,)) for line in lines))
