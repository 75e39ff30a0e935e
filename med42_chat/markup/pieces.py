"""What a line of Markdown is read into before it becomes elements: characters, beginnings and ends, atoms, and rows of delimiters."""

from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder

from markdown.util import AtomicString

MAX_DEPTH = 24  # emphasis inside emphasis; deeper marks do nothing, their words stay


class Begin(NamedTuple):
    """An element begins."""

    tag: str
    href: str = ""


class End(NamedTuple):
    """The innermost element ends."""


class Atom(NamedTuple):
    """An element that holds nothing but characters."""

    tag: str
    text: str = ""


@dataclass(slots=True, eq=False)
class Run:
    """A row of equal delimiters. `begins` and `ends` are the elements it turned out to begin and end, in the order of their pairing."""

    character: str
    count: int
    opens: bool
    closes: bool
    place: int  # among the pieces
    length: int = 0  # as written, for the rule of three; 0 where that rule does not hold
    previous: "Run | None" = None
    next: "Run | None" = None
    begins: list[str] = field(default_factory=list)
    ends: int = 0

    def pairs_with(self, closer: "Run") -> bool:
        """Whether an element can begin here and end at `closer`. One tilde is not enough, and the rule of three must hold."""
        least = 2 if self.character == "~" else 1
        return self.opens and self.character == closer.character and min(self.count, closer.count) >= least and not _odd(self, closer)


def _odd(opener: Run, closer: Run) -> bool:
    """CommonMark's rule of three: which of '*a**b*' and its like belong together."""
    both = closer.opens or opener.closes
    return both and (opener.length + closer.length) % 3 == 0 and not opener.length % 3 == closer.length % 3 == 0


Piece = str | Begin | End | Atom | Run


def characters(pieces: list[Piece]) -> str:
    """The words of some pieces, for what stands in for an image."""
    return "".join(map(_word, pieces))


def _word(piece: Piece) -> str:
    match piece:
        case str():
            return piece
        case Atom(_, text):
            return text or " "
        case Run():
            return piece.character * piece.count
        case _:
            return ""


class Writer:
    """Writes pieces as elements, no deeper than MAX_DEPTH, and no link or citation inside a link."""

    def __init__(self) -> None:
        self._builder = TreeBuilder()
        self._tags: list[str] = []  # of the elements that are open; empty for one that is left out
        self._depth = self._links = 0

    def write(self, tag: str, pieces: list[Piece]) -> Element:
        """The element `tag` that holds all of them."""
        self._builder.start(tag, {})
        for piece in pieces:
            match piece:
                case str():
                    self._builder.data(piece)
                case Atom():
                    self._atom(piece)
                case Begin(tag, href):
                    self._begin(tag, href)
                case End():
                    self._end()
                case Run():
                    self._run(piece)
        self._builder.end(tag)
        return self._builder.close()

    def _atom(self, atom: Atom) -> None:
        if atom.tag == "cite" and self._links:
            self._builder.data(f"[{atom.text}]")
            return
        self._builder.start(atom.tag, {})
        self._builder.data(AtomicString(atom.text))
        self._builder.end(atom.tag)

    def _run(self, run: Run) -> None:
        for _ in range(run.ends):
            self._end()
        self._builder.data(run.character * run.count)
        for tag in reversed(run.begins):
            self._begin(tag)

    def _begin(self, tag: str, href: str = "") -> None:
        left_out = self._depth >= MAX_DEPTH or (tag == "a" and self._links)
        self._tags.append("" if left_out else tag)
        if not left_out:
            self._depth += 1
            self._links += tag == "a"
            self._builder.start(tag, {"href": href} if href else {})

    def _end(self) -> None:
        tag = self._tags.pop()
        if tag:
            self._depth -= 1
            self._links -= tag == "a"
            self._builder.end(tag)
