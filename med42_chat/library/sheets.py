"""A page's text with what is known of its parts: the common shape to which every kind of file is brought before passages are cut."""

from array import array
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Block:
    """`text[start:end]` of its sheet: a paragraph, a table's row, or with a `level` (1 is the highest) a heading."""

    start: int
    end: int
    level: int = 0
    row: bool = False


@dataclass(slots=True)
class Sheet:
    """A page, or all of a file that has no pages. `edges` holds left, top, right, bottom of each character, where they are known."""

    number: int | None
    text: str = ""
    blocks: list[Block] = field(default_factory=list)
    edges: "array[int]" = field(default_factory=lambda: array("H"))

    def add(self, text: str, level: int = 0, row: bool = False, edges: "array[int] | None" = None) -> None:
        """Puts a block under what is there: rows of a table stand line under line, anything else is set off by an empty line."""
        if self.text:
            gap = "\n" if row and self.blocks[-1].row else "\n\n"
            self.text += gap
            if edges is not None:
                self.edges.extend([0] * 4 * len(gap))
        start = len(self.text)
        self.text += text
        self.blocks.append(Block(start, len(self.text), level, row))
        if edges is not None:
            self.edges.extend(edges)
