"""Block structure as CommonMark and GFM's tables have it, as a block processor of the package `markdown`.

The package's own processors each see a piece of text between blank lines, and that is why a list after a line of text is a paragraph to
them. This one takes all pieces back together and reads line by line: each line first continues the blocks that are open, then may open
new ones, and what is left of it is text. It knows nothing of what stands inside a line; it leaves that text in the elements it makes.

Elements: p h1…h6 blockquote ul ol li pre table tr th td hr math. Memory and time are linear in the text.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal
from xml.etree.ElementTree import Element, SubElement

from markdown.blockprocessors import BlockProcessor
from markdown.util import AtomicString

from med42_chat.markup.characters import unescape
from med42_chat.markup.line import Line
from med42_chat.markup.rows import add_row, alignments, cells

MAX_DEPTH = 24  # quotes and items inside each other; deeper marks stay text
PADDING = 10_000  # cells that a document's short table rows may be filled up with: without an end, 200 kB would become 10 million cells

Kind = Literal["root", "quote", "list", "item", "paragraph", "fence", "indented", "table", "math"]

_HEADING = re.compile(r"(#{1,6})(?:[ \t]+(.*))?$")
_FENCE = re.compile(r"(`{3,})([^`]*)$|(~{3,})(.*)$")
_RULE = re.compile(r"(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_UNDERLINE = re.compile(r"(=+|-+)[ \t]*$")
_ITEM = re.compile(r"(?:([-+*])|([0-9]{1,9})([.)]))(?=[ \t]|$)")
_DELIMITERS = re.compile(r"(?:-(?![ \t])|[:|])[-:| \t]+$")
_LANGUAGE = re.compile(r"([A-Za-z][\w+#.-]{0,29})(?:[ \t]+|(?=\{)|$)(.*)$", re.ASCII)
_MATH_ENDS = {"$$": "$$", "\\[": "\\]"}


@dataclass(slots=True, eq=False)
class Open:
    """A block that may still grow."""

    kind: Kind
    element: Element
    mark: str = ""  # a list's marker, a fence's fence, a formula's opening
    indent: int = 0  # columns before an item's content or before a fence
    lines: list[str] = field(default_factory=list)
    nesting: int = 0  # quotes and items around and including this one
    heads: bool = False  # whether the last line of a paragraph may turn out to be the head of a table


class Lines:
    """Reads lines into elements under `root`."""

    def __init__(self, root: Element, lines: Sequence[str]) -> None:
        self._open = [Open("root", root)]
        self._lines = lines
        self._number = 0
        self._after_blank = self._idle = False
        self._padding = PADDING
        self._no_end = dict.fromkeys(_MATH_ENDS, -1)  # up to which line no formula with this mark can begin

    def read(self) -> None:
        """Reads every line."""
        for self._number, text in enumerate(self._lines):  # noqa: B020 the number is where the search for a formula's end begins
            self._feed(text)
        self._close(1)

    def _feed(self, text: str) -> None:
        line = Line(text)
        idle, self._idle = self._idle, line.blank
        if idle and line.blank and self._tip.kind not in ("fence", "indented"):
            return  # nothing can happen that the first blank line has not done; 24 open items times 200,000 blank lines would take seconds
        depth = self._continued(line)
        tip, whole = self._tip, depth == len(self._open)
        if whole and self._verbatim(tip, line):
            self._after_blank = line.blank
            return
        started = self._start_containers(line, depth, whole)
        if started:
            depth, whole = len(self._open), True
        if line.blank:
            self._blank(depth, whole, started)
        elif not self._start_leaf(line, depth, whole):
            self._text(line, depth, whole)
        self._after_blank = line.blank and not started and self._tip.kind != "quote"

    @property
    def _tip(self) -> Open:
        return self._open[-1]

    def _continued(self, line: Line) -> int:
        """How many of the open blocks the line continues, as far as containers decide it; a leaf counts with its container."""
        for depth, block in enumerate(self._open):
            if block.kind == "quote":
                if line.indent > 3 or not line.text.startswith(">", line.next):
                    return depth
                line.mark(1)
                line.skip(1)
            elif block.kind == "item":
                if not len(block.element) if line.blank else line.indent < block.indent:
                    return depth  # not indented enough; or nothing in the item yet, which one blank line ends
                line.skip(block.indent)
        return len(self._open)

    def _verbatim(self, tip: Open, line: Line) -> bool:
        """Takes the line literally where the tip is code or a formula that goes on."""
        if tip.kind == "fence":
            self._fence_line(tip, line)
        elif tip.kind == "math":
            self._math_line(tip, line)
        elif tip.kind == "indented" and (line.indent >= 4 or line.blank):
            line.skip(4)
            tip.lines.append(line.rest())
        else:
            return False
        return True

    def _fence_line(self, tip: Open, line: Line) -> None:
        text = line.ahead.rstrip(" \t")
        if line.indent < 4 and len(text) >= len(tip.mark) and not text.strip(tip.mark[0]):
            self._close(len(self._open) - 1)
        else:
            line.skip(min(line.indent, tip.indent))
            tip.lines.append(line.rest())

    def _math_line(self, tip: Open, line: Line) -> None:
        tip.lines.append(line.ahead.rstrip())
        if tip.lines[-1].endswith(_MATH_ENDS[tip.mark]):
            self._close(len(self._open) - 1)

    # Containers

    def _start_containers(self, line: Line, depth: int, whole: bool) -> bool:
        started = False
        while not line.blank and line.indent < 4 and self._open[depth - 1].nesting < MAX_DEPTH:
            if line.text.startswith(">", line.next):
                self._start_quote(line, depth)
            elif not self._start_item(line, depth, whole and self._tip.kind == "paragraph"):
                break
            started, depth, whole = True, len(self._open), True
        return started

    def _start_quote(self, line: Line, depth: int) -> None:
        line.mark(1)
        line.skip(1)
        self._push("quote", "blockquote", depth)

    def _start_item(self, line: Line, depth: int, in_paragraph: bool) -> bool:
        match = _ITEM.match(line.text, line.next)
        if not match or _RULE.match(line.text, line.next):
            return False
        bullet, number, ending = match.groups()
        if in_paragraph and (not line.text[match.end() :].strip(" \t") or (number and int(number) != 1)):
            return False
        before = line.indent + len(match[0])
        line.mark(len(match[0]))
        padding = line.indent if not line.blank and line.indent < 5 else 1
        line.skip(padding)
        self._list(depth, bullet or ending, number)
        self._push("item", "li", len(self._open)).indent = before + padding
        return True

    def _list(self, depth: int, mark: str, number: str | None) -> None:
        """Closes down to the list that the next item belongs to, opening it where there is none."""
        self._close(depth)
        if self._tip.kind == "list" and self._tip.mark == mark:
            return
        made = self._push("list", "ol" if number else "ul", len(self._open))
        made.mark = mark
        if number:
            made.element.set("start", str(int(number)))

    # Leaves

    def _start_leaf(self, line: Line, depth: int, whole: bool) -> bool:
        """Opens the leaf that the line begins; False where the line is text."""
        paragraph = self._tip.kind == "paragraph"
        if line.indent > 3:
            if not paragraph:
                self._start_indented(line, depth)
            return not paragraph
        if whole and paragraph and (self._start_table(line) or self._underline(line)):
            return True
        starts: Iterable[Callable[[Line, int], bool]] = (self._heading, self._start_fence, self._rule, self._start_math)
        return any(start(line, depth) for start in starts)

    def _start_indented(self, line: Line, depth: int) -> None:
        line.skip(4)
        self._push("indented", "pre", depth).lines.append(line.rest())

    def _heading(self, line: Line, depth: int) -> bool:
        match = _HEADING.match(line.text, line.next)
        if match:
            element = self._add(f"h{len(match[1])}", depth)
            element.text = _without_closing_marks((match[2] or "").strip(" \t"))
        return bool(match)

    def _start_fence(self, line: Line, depth: int) -> bool:
        match = _FENCE.match(line.text, line.next)
        if match:
            indent, mark = line.indent, match[1] or match[3]
            block = self._push("fence", "pre", depth)
            block.mark, block.indent = mark, indent
            _set_language(block, match[2] or match[4] or "")
        return bool(match)

    def _rule(self, line: Line, depth: int) -> bool:
        found = _RULE.match(line.text, line.next) is not None
        if found:
            self._add("hr", depth)
        return found

    def _start_math(self, line: Line, depth: int) -> bool:
        text = line.ahead.rstrip()
        mark = text[:2]
        if mark not in _MATH_ENDS or not self._math_ends(mark, text[2:]):
            return False
        block = self._push("math", "math", depth)
        block.mark, block.lines = mark, [text]
        if text[2:].endswith(_MATH_ENDS[mark]):
            self._close(len(self._open) - 1)
        return True

    def _math_ends(self, mark: str, text: str) -> bool:
        """Whether this line or one before the next blank line ends with the formula's end: else a stray mark would swallow the answer.

        A failed search is remembered, since all those that begin before its last line would fail there too.
        """
        if self._number < self._no_end[mark]:
            return False
        number, end = self._number, _MATH_ENDS[mark]
        while (found := text.find(end)) < 0:
            number += 1
            text = self._lines[number] if number < len(self._lines) else ""
            if not text.strip():
                break
        else:
            if not text[found + 2 :].strip():
                return True
        self._no_end[mark] = number
        return False

    def _underline(self, line: Line) -> bool:
        """Turns the open paragraph into the heading that the line underlines."""
        if not _UNDERLINE.match(line.text, line.next):
            return False
        self._tip.element.tag = "h1" if line.ahead[0] == "=" else "h2"
        self._close(len(self._open) - 1)
        return True

    # Tables

    def _start_table(self, line: Line) -> bool:
        """Makes the open paragraph's last line the head of a table where the line rules its columns."""
        paragraph = self._tip
        if not paragraph.heads or "|" not in paragraph.lines[-1] or not _DELIMITERS.match(line.text, line.next):
            return False
        columns = alignments(line.ahead.strip())
        head = cells(paragraph.lines[-1])
        if not columns or len(columns) != len(head):
            return False
        paragraph.lines.pop()
        self._close(len(self._open) - 1)
        table = self._push("table", "table", len(self._open)).element
        table.set("align", ",".join(columns))
        add_row(table, "th", head)
        return True

    def _row(self, table: Open, line: Line, depth: int) -> None:
        texts = cells(line.ahead)
        wanted = len(table.element[0])
        self._padding -= max(0, wanted - len(texts))
        if self._padding < 0:
            self._paragraph(line, depth - 1)
            return
        if len(texts) > wanted:  # GFM drops what is too much; words of an answer are never dropped
            texts[wanted - 1 :] = [" | ".join(texts[wanted - 1 :])]
        add_row(table.element, "td", texts + [""] * (wanted - len(texts)))

    # Text

    def _text(self, line: Line, depth: int, whole: bool) -> None:
        tip = self._tip
        if tip.kind == "paragraph":  # its own next line, or a lazy one whose containers are not repeated
            tip.lines.append(line.ahead)
            tip.heads = whole and line.indent < 4
        elif whole and tip.kind == "table":
            self._row(tip, line, depth)
        else:
            self._paragraph(line, depth)

    def _paragraph(self, line: Line, depth: int) -> None:
        block = self._push("paragraph", "p", depth)
        block.lines.append(line.ahead)
        block.heads = True

    def _blank(self, depth: int, whole: bool, started: bool) -> None:
        if not started:
            self._close(depth - 1 if whole and self._tip.kind in ("paragraph", "table", "indented") else depth)

    # The stack of open blocks

    def _add(self, tag: str, depth: int) -> Element:
        """Closes down to `depth`, leaves included, and appends an element to the container that is then the tip."""
        while len(self._open) > depth or self._tip.kind not in ("root", "quote", "list", "item"):
            self._close(len(self._open) - 1)
        if self._tip.kind == "list" and tag != "li":
            self._close(len(self._open) - 1)
        tip = self._tip
        if self._after_blank and len(tip.element):
            self._loosen(tip)
        return SubElement(tip.element, tag)

    def _push(self, kind: Kind, tag: str, depth: int) -> Open:
        element = self._add(tag, depth)
        block = Open(kind, element, nesting=self._tip.nesting + (kind in ("quote", "item")))
        self._open.append(block)
        return block

    def _loosen(self, container: Open) -> None:
        """A blank line between two of its children makes a list loose, whether they are items or blocks of one item."""
        if container.kind == "item":
            container = self._open[self._open.index(container) - 1]
        if container.kind == "list":
            container.element.set("loose", "")

    def _close(self, depth: int) -> None:
        while len(self._open) > depth:
            block = self._open.pop()
            if block.kind == "paragraph":
                block.element.text = "\n".join(block.lines).rstrip(" \t")
                if not block.lines:  # its only line became the head of a table
                    self._tip.element.remove(block.element)
            elif block.kind == "math":
                _close_math(block)
            elif block.kind in ("fence", "indented"):
                _close_code(block)


def _without_closing_marks(heading: str) -> str:
    words = heading.rstrip("#")
    return words.rstrip(" \t") if not words or words[-1] in " \t" else heading


def _set_language(block: Open, info: str) -> None:
    """Puts the first word of a fence's info string down as language. What else stands there is content, and becomes the first line."""
    info = unescape(info).strip()
    match = _LANGUAGE.match(info)
    language, content = (match[1], match[2]) if match else ("", info)
    block.element.set("language", language)
    if content:
        block.lines.append(content)


def _close_code(block: Open) -> None:
    lines = block.lines
    while block.kind == "indented" and not lines[-1].strip(" \t"):
        lines.pop()
    block.element.text = AtomicString("\n".join(lines))


def _close_math(block: Open) -> None:
    text, end = "\n".join(block.lines), _MATH_ENDS[block.mark]
    tex = text[2:-2].strip()
    if tex and text.endswith(end):
        block.element.text = AtomicString(tex)
    else:  # nothing in it, or its container ended first
        block.element.tag, block.element.text = "p", text


class CommonMarkBlocks(BlockProcessor):  # type: ignore[misc] # the package has no type information
    """The one block processor: takes every piece that the package has cut at blank lines."""

    def test(self, parent: Element, block: str) -> bool:
        """Every piece is ours."""
        return True

    def run(self, parent: Element, blocks: list[str]) -> None:
        """Reads all pieces as the one text that they were."""
        lines = "\n\n".join(blocks).split("\n")
        blocks.clear()
        Lines(parent, lines if lines[-1] else lines[:-1]).read()
