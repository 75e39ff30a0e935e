"""From sheets to passages: stretches of one page under one heading path, as long as a model is well given at a time. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from med42_chat.library.sheets import Block, Sheet

_ENOUGH = 700  # characters: a passage is closed when the next block would take it past this, or much past MOST
_MOST = 1_200
_SENTENCE = re.compile(r"(?<=[.!?;:])\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class Cut:
    """`text[start:end]` of the sheet with that index."""

    sheet: int
    start: int
    end: int
    path: tuple[str, ...]


def cuts(sheets: Sequence[Sheet]) -> list[Cut]:
    """The passages of a document in its order. A page's end, and a heading, always end one: what is cited stands on one page.

    A heading with nothing under it is one by itself, but for the document's first: it may be a bold line, such as a warning.
    """
    found: list[Cut] = []
    path: list[tuple[int, str]] = []
    bare: tuple[int, Cut] | None = None  # the last heading, while nothing is under it
    headings = 0
    for index, sheet in enumerate(sheets):
        open_: list[Block] = []
        for block in (piece for whole in sheet.blocks for piece in _pieces(sheet.text, whole)):
            if open_ and (block.level or _full(open_, block)):
                found.append(_closed(index, open_, path))
                open_ = []
            if block.level:
                if bare and bare[0] >= block.level and headings > 1:
                    found.append(bare[1])
                title = " ".join(sheet.text[block.start : block.end].split())
                path = [one for one in path if one[0] < block.level]
                bare = (block.level, Cut(index, block.start, min(block.end, block.start + _MOST), tuple(above for _, above in path)))
                path.append((block.level, title))
                headings += 1
            else:
                open_.append(block)
                bare = None
        if open_:
            found.append(_closed(index, open_, path))
    return [*found, bare[1]] if bare and (headings > 1 or not found) else found


def _full(open_: Sequence[Block], block: Block) -> bool:
    """A table's rows stay together as long as they can: a row says little without the first one."""
    with_it = block.end - open_[0].start
    return with_it > (_MOST if block.row and open_[-1].row else _ENOUGH)


def _closed(sheet: int, blocks: Sequence[Block], path: Sequence[tuple[int, str]]) -> Cut:
    return Cut(sheet, blocks[0].start, blocks[-1].end, tuple(title for _, title in path))


def _pieces(text: str, block: Block) -> Iterator[Block]:
    """The block, or where it is long its sentences, gathered up to ENOUGH."""
    start, end = block.start, block.end
    if block.level or end - start <= _MOST:
        yield block
        return
    last = start
    for match in _SENTENCE.finditer(text, start, end):
        if match.start() - start > _ENOUGH and last > start:
            yield Block(start, last, row=block.row)
            start = _after_space(text, last, end)
        last = match.start()
    while end - start > _MOST:  # a sentence that does not end: a list of values, a table without marks
        cut = text.rfind(" ", start, start + _MOST) if " " in text[start : start + _MOST] else start + _MOST
        yield Block(start, cut, row=block.row)
        start = _after_space(text, cut, end)
    if start < end:
        yield Block(start, end, row=block.row)


def _after_space(text: str, start: int, end: int) -> int:
    while start < end and text[start].isspace():
        start += 1
    return start
