"""Headings one below the other, whatever levels were written. Pure.

Models begin with '###' as they like. Who goes from heading to heading by ear would look for what stands above it, and an archival PDF
may not skip a level.
"""

from dataclasses import replace

from med42_chat.markup.tree import Block, Heading, List, ListItem, Quote, Tree


def outlined(tree: Tree, first: int = 1) -> Tree:
    """The tree with each heading at most one level below the one above it, beginning at level `first`; in lists and quotes, too."""
    above = [0] * (first - 1)
    return tuple(_placed(above, block) for block in tree)


def _placed(above: list[int], block: Block) -> Block:
    match block:
        case Heading(level):
            return replace(block, level=_below(above, level))
        case Quote(blocks):
            return Quote(tuple(_placed(above, inner) for inner in blocks))
        case List():
            return replace(block, items=tuple(ListItem(tuple(_placed(above, inner) for inner in item.blocks)) for item in block.items))
        case _:
            return block


def _below(above: list[int], level: int) -> int:
    while above and above[-1] >= level:
        above.pop()
    above.append(level)
    return min(len(above), 6)
