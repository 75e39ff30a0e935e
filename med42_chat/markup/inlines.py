"""What stands inside a line, as CommonMark has it, as a tree processor of the package `markdown`; with maths and citation marks.

The package's own patterns run one after the other over the whole text, which gives code, links and emphasis no common order, and takes
seconds for a few thousand brackets. This one reads from left to right once and pairs emphasis afterwards, on a stack of delimiters.

Elements: em strong del code a br math cite. What is no markup stays text: raw HTML, images (as '[image: …]'), reference links, links to
anything but http, https and mailto.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Container
from typing import NamedTuple
from urllib.parse import quote
from xml.etree.ElementTree import Element

from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString

from med42_chat.markup.characters import ENTITY, PUNCTUATION, decode_entity, unescape
from med42_chat.markup.emphasis import Runs
from med42_chat.markup.pieces import Atom, Begin, End, Piece, Run, Writer, characters

MATH_LENGTH = 2000  # characters of a formula within a line
PARENTHESES = 32  # inside each other in a link's destination, as every CommonMark parser limits them

_SPECIAL = re.compile(r"[\\`*_~\[\]!<&$\n]")
_PLAIN = re.compile(r"[^\\`*_~\[\]!<&$\n]+")
_BACKTICKS = re.compile("`+")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^\s<>]*)>", re.IGNORECASE)
_EMAIL = re.compile(r"<([\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)>", re.ASCII)
_MONEY_SAFE = re.compile(r"\$(?=\S)([^$\n]{1,2000})(?<=\S)\$(?!\d)")
_DISPLAY = re.compile(r"\$\$([^$]{1,2000})\$\$")
_FORMULA_SIGNS = re.compile(r"[\\^_{}=]|^\S+$")
_MARK = re.compile(r"\[[ \t]*(\d{1,4}(?:[ \t]*[,;–-][ \t]*\d{1,4}){0,19})[ \t]*\]", re.ASCII)
_VARIABLE = re.compile(r"(?<![^\W_])[^\W\d_]$|[\d_]$")

_SPACE = re.compile(r"[ \t]*\n?[ \t]*")
_ANGLE = re.compile(r"<((?:[^<>\n\\]|\\.)*)>")
_DESTINATION = re.compile(r"(?:[^\s()\\\x00-\x1f]|\\.)+")
_TITLE = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\((?:[^()\\]|\\.)*\)""", re.DOTALL)
_ALLOWED = re.compile(r"(?:https?://[^\s/?#]|mailto:[^\s])", re.IGNORECASE)


class Bracket(NamedTuple):
    """An open bracket that may become a link or an image."""

    place: int
    image: bool
    below: Run | None  # the last delimiter before it


class Scanner:
    """Reads one text into pieces."""

    def __init__(self, text: str, sources: Container[int], unknown: list[int]) -> None:
        self._text = text
        self._sources = sources
        self._unknown = unknown
        self._position = 0
        self._pieces: list[Piece] = []
        self._runs = Runs()
        self._brackets: list[Bracket] = []
        self._dead = 0  # brackets below this cannot become links any more: a link stands inside them
        self._ticks: dict[int, list[int]] | None = None

    def scan(self) -> list[Piece]:
        """Everything in the text, with emphasis paired."""
        readers: dict[str, Callable[[], bool]] = {
            "\\": self._backslash,
            "`": self._code,
            "*": self._delimiters,
            "_": self._delimiters,
            "~": self._strikes,
            "[": self._open_bracket,
            "]": self._close_bracket,
            "!": self._open_image,
            "<": self._autolink,
            "&": self._entity,
            "$": self._dollar,
            "\n": self._line_end,
        }
        text = self._text
        while self._position < len(text):
            plain = _PLAIN.match(text, self._position)
            if plain:
                self._pieces.append(plain[0])
                self._position = plain.end()
            elif not readers[text[self._position]]():
                self._take(text[self._position])
        self._runs.pair(None)
        return self._pieces

    def _take(self, piece: Piece, length: int = 1) -> bool:
        self._pieces.append(piece)
        self._position += length
        return True

    def _take_match(self, piece: Piece, match: re.Match[str]) -> bool:
        return self._take(piece, len(match[0]))

    # Characters

    def _backslash(self) -> bool:
        following = self._text[self._position + 1 : self._position + 2]
        if following and following in "([" and self._formula("\\)" if following == "(" else "\\]"):
            return True
        if following == "\n":
            return self._take(Atom("br"), 2)
        return bool(following) and following in PUNCTUATION and self._take(following, 2)

    def _line_end(self) -> bool:
        before = self._pieces[-1] if self._pieces else ""
        breaks = False
        if isinstance(before, str):
            breaks = before.endswith("  ")
            self._pieces[-1:] = [before.rstrip(" ")]
        return self._take(Atom("br") if breaks else "\n")

    def _entity(self) -> bool:
        match = ENTITY.match(self._text, self._position)
        return match is not None and self._take_match(decode_entity(match[0]), match)

    def _autolink(self) -> bool:
        match = _AUTOLINK.match(self._text, self._position) or _EMAIL.match(self._text, self._position)
        if not match:
            return False
        href = _allowed(match[1]) or _allowed("mailto:" + match[1])
        self._pieces += [Begin("a", href), match[1]]
        return self._take_match(End(), match)

    def _code(self) -> bool:
        run = _BACKTICKS.match(self._text, self._position)
        assert run  # this reader is only called at a backtick
        end = self._closing_ticks(len(run[0]), run.end())
        if end is None:
            return self._take_match(run[0], run)
        code = self._text[run.end() : end].replace("\n", " ")
        if code[:1] == code[-1:] == " " and code.strip(" "):
            code = code[1:-1]
        return self._take(Atom("code", code), end + len(run[0]) - self._position)

    def _closing_ticks(self, length: int, after: int) -> int | None:
        if self._ticks is None:  # once per text: 100,000 unpaired backticks must not each search to the end
            self._ticks = {}
            for run in _BACKTICKS.finditer(self._text):
                self._ticks.setdefault(len(run[0]), []).append(run.start())
        places = self._ticks.get(length, [])
        found = bisect_right(places, after - 1)
        return places[found] if found < len(places) else None

    # Maths

    def _formula(self, end: str) -> bool:
        """A formula from the two characters at the cursor to `end`."""
        start = self._position + 2
        found = self._text.find(end, start, start + MATH_LENGTH)
        tex = self._text[start:found].strip() if found > 0 else ""
        return bool(tex) and self._take(Atom("math", tex), found + 2 - self._position)

    def _dollar(self) -> bool:
        display = _DISPLAY.match(self._text, self._position)
        if display and display[1].strip():
            return self._take_match(Atom("math", display[1].strip()), display)
        inline = _MONEY_SAFE.match(self._text, self._position)
        before = self._text[self._position - 1 : self._position]
        if not inline or before.isalnum() or (inline[1][0].isdigit() and not _FORMULA_SIGNS.search(inline[1])):
            return False
        return self._take_match(Atom("math", inline[1]), inline)

    # Citation marks

    def _mark(self) -> bool:
        """A mark `[1]`, `[1, 3]`, `[2-4]`: known sources become citations; a mark that names no source is dropped and noted."""
        match = _MARK.match(self._text, self._position) if self._sources else None
        if not match or self._link_tail(match.end()):
            return False
        numbers = self._numbers(match[1])
        known = [number for number in numbers if number in self._sources]
        if not known and not self._droppable(numbers):
            return False
        self._unknown += [number for number in numbers if number not in self._sources]
        self._pieces += [Atom("cite", str(number)) for number in known]
        self._position = match.end()
        if not known:
            self._close_gap()
        return True

    def _numbers(self, mark: str) -> list[int]:
        """The numbers that '1, 3-5' names; none where a range's ends are not both sources: '[1-10]' is then a range of values."""
        numbers: list[int] = []
        for part in re.split("[,;]", mark):
            first, _, last = part.replace("–", "-").partition("-")
            if last and not (int(first) in self._sources and int(last) in self._sources):
                return []
            numbers += range(int(first), int(last or first) + 1)
        return numbers

    def _droppable(self, numbers: list[int]) -> bool:
        """Whether a mark without any source can only have been meant as one: not a[3], nor [140]."""
        before = self._text[max(0, self._position - 2) : self._position]
        return bool(numbers) and max(numbers) < 100 and not _VARIABLE.search(before)

    def _close_gap(self) -> None:
        """Takes the space before a dropped mark away where another space, a full stop or the end follows."""
        before = self._pieces[-1] if self._pieces else ""
        following = self._text[self._position : self._position + 1]
        if isinstance(before, str) and before.endswith(" ") and (not following or following in " .,;:)?!"):
            self._pieces[-1:] = [before[:-1]]

    # Links and images

    def _open_bracket(self) -> bool:
        if self._mark():
            return True
        self._brackets.append(Bracket(len(self._pieces), False, self._runs.last))
        return self._take("[")

    def _open_image(self) -> bool:
        if not self._text.startswith("![", self._position) or self._text.startswith("![^", self._position):
            return False
        self._brackets.append(Bracket(len(self._pieces), True, self._runs.last))
        return self._take("![", 2)

    def _close_bracket(self) -> bool:
        if not self._brackets:
            return False
        bracket = self._brackets.pop()
        alive = bracket.image or len(self._brackets) >= self._dead
        self._dead = min(self._dead, len(self._brackets))
        tail = self._link_tail(self._position + 1) if alive else None
        if tail is None:
            return False
        href = _allowed(unescape(tail[0]))
        if not bracket.image and not href:
            return False
        self._runs.pair(bracket.below)
        self._position = tail[1]
        if bracket.image:
            self._pieces[bracket.place :] = [f"[image: {characters(self._pieces[bracket.place + 1 :])}]"]
        else:
            self._pieces[bracket.place] = Begin("a", href)
            self._pieces.append(End())
            self._dead = len(self._brackets)
        return True

    def _link_tail(self, start: int) -> tuple[str, int] | None:
        """The destination in `(destination "title")` at `start`, and the place after it."""
        text = self._text
        if not text.startswith("(", start):
            return None
        position = _spaces(text, start + 1)
        angle = _ANGLE.match(text, position)
        if angle:
            destination, position = angle[1], angle.end()
        else:
            end = _destination_end(text, position)
            destination, position = text[position:end], end
        title = _TITLE.match(text, _spaces(text, position)) if text[position : position + 1] in (" ", "\t", "\n") else None
        position = _spaces(text, title.end() if title else position)
        return (destination, position + 1) if text.startswith(")", position) else None

    # Emphasis

    def _delimiters(self) -> bool:
        character, end = self._text[self._position], self._run_end()
        left, right, after_mark, before_mark = self._flanks(end)
        # Underscores inside a word are part of it; and who writes 2*500 mg and 3*250 mg means neither 2500 nor 3250.
        within = character == "*" and not self._between_digits(end)
        length = end - self._position
        opens = left and (within or not right or after_mark)
        closes = right and (within or not left or before_mark)
        return self._push(Run(character, length, opens, closes, len(self._pieces), length))

    def _strikes(self) -> bool:
        """Pairs of tildes; one alone is only 'about'."""
        end = self._run_end()
        left, right, _, _ = self._flanks(end)
        length = end - self._position
        return length > 1 and self._push(Run("~", length, left, right, len(self._pieces)))

    def _run_end(self) -> int:
        end = self._position
        while self._text.startswith(self._text[self._position], end):
            end += 1
        return end

    def _between_digits(self, end: int) -> bool:
        return self._text[self._position - 1 : self._position].isdigit() and self._text[end : end + 1].isdigit()

    def _flanks(self, end: int) -> tuple[bool, bool, bool, bool]:
        """Whether the run up to `end` is left-flanking and right-flanking, and stands after and before a punctuation mark."""
        before, after = self._text[self._position - 1 : self._position] or " ", self._text[end : end + 1] or " "
        before_space, after_space = before.isspace(), after.isspace()
        before_mark, after_mark = _is_mark(before), _is_mark(after)
        left = not after_space and (not after_mark or before_space or before_mark)
        right = not before_space and (not before_mark or after_space or after_mark)
        return left, right, before_mark, after_mark

    def _push(self, run: Run) -> bool:
        length = run.count
        if run.opens or run.closes:
            self._runs.push(run)
            return self._take(run, length)
        return self._take(run.character * length, length)


def _is_mark(character: str) -> bool:
    return character in PUNCTUATION or unicodedata.category(character)[0] in "PS"


def _spaces(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match else start


def _destination_end(text: str, start: int) -> int:
    """Where a destination without angle brackets ends: at a space, or at a parenthesis that none inside it opened."""
    position, depth = start, 0
    while depth <= PARENTHESES:
        match = _DESTINATION.match(text, position)
        position = match.end() if match else position
        if text.startswith("(", position):
            depth += 1
        elif not depth or not text.startswith(")", position):
            break
        else:
            depth -= 1
        position += 1
    return position if depth == 0 else len(text)


def _allowed(destination: str) -> str:
    """The destination as a safe address, or nothing. Percent-encoding leaves no quote, no space and no hidden character in it."""
    return quote(destination, safe="!#$%&'()*+,/:;=?@[]~") if _ALLOWED.match(destination) else ""


def _has_markup(text: str | None) -> bool:
    return bool(text) and not isinstance(text, AtomicString) and _SPECIAL.search(text or "") is not None


class CommonMarkInlines(Treeprocessor):  # type: ignore[misc] # the package has no type information
    """Gives every element that holds text its inline elements. `unknown` collects the citation marks that name no source."""

    def __init__(self, md: object, sources: Container[int], unknown: list[int]) -> None:
        super().__init__(md)
        self._sources = sources
        self._unknown = unknown

    def run(self, root: Element) -> None:
        """Replaces the text of all elements but those whose text is atomic, such as code."""
        for element in [element for element in root.iter() if _has_markup(element.text)]:
            pieces = Scanner(element.text or "", self._sources, self._unknown).scan()
            made = Writer().write(element.tag, pieces)
            element.text = made.text
            element.extend(made)
