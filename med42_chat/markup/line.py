"""A line of Markdown with a cursor, as the reading of blocks needs it."""

import re

_SPACES = re.compile(" *")


class Line:
    """One line with a cursor that counts columns, because a tab reaches to the next multiple of four and may be used up in parts."""

    __slots__ = ("blank", "column", "indent", "next", "partial", "position", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = self.column = 0
        self.partial = False
        self._measure()

    @property
    def ahead(self) -> str:
        """What stands after the white space at the cursor."""
        return self.text[self.next :]

    def _measure(self) -> None:
        text, column = self.text, self.column
        match = _SPACES.match(text, self.position)
        end = match.end() if match else self.position
        column += end - self.position
        while end < len(text) and text[end] in " \t":
            column += 4 - column % 4 if text[end] == "\t" else 1
            end += 1
        self.next, self.indent, self.blank = end, column - self.column, end == len(text)

    def skip(self, columns: int) -> None:
        """Moves over at most `columns` columns of white space."""
        while columns > 0 and self.position < len(self.text) and self.text[self.position] in " \t":
            width = 4 - self.column % 4 if self.text[self.position] == "\t" else 1
            self.partial = width > columns
            self.position += not self.partial
            self.column += min(width, columns)
            columns -= width
        self._measure()

    def mark(self, length: int) -> None:
        """Moves over the white space and the `length` characters of a mark after it."""
        self.column += self.indent + length
        self.position = self.next + length
        self.partial = False
        self._measure()

    def rest(self) -> str:
        """Everything from the cursor on, a half used tab as the spaces that are left of it."""
        if self.partial:
            return " " * (4 - self.column % 4) + self.text[self.position + 1 :]
        return self.text[self.position :]
