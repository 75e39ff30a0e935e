"""What stands in an exported document, before it is a PDF, DOCX, HTML, Markdown or text: plain values that every writer renders whole.

Texts are as a person reads them, in the language of the words file; nothing in here is markup but the trees of `markup.tree`. An anchor is
a name made of ASCII letters, digits and hyphens that is used once in a document; a link in it goes to an anchor that is there.
"""

from dataclasses import dataclass, field
from typing import Literal

from med42_chat.markup.tree import Tree

_RUNNING = 90  # characters of the title that stand on one line at the head of a page

Format = Literal["pdf", "docx", "html", "md", "txt", "json"]
PaperSize = Literal["a4", "letter"]
Direction = Literal["ltr", "rtl"]

# How far a statement was compared: found where it should stand, to be looked at by a person, or nothing was compared.
State = Literal["found", "look", "none"]
SIGNS: dict[State, str] = {"found": "✓", "look": "!", "none": "–"}  # beside its words, for those who skim them


@dataclass(frozen=True, slots=True)
class Options:
    """What the person chose. `messages` are ids of the messages to be printed, empty for all that the page shows.

    `author` and `patient` are printed as they are; nothing is printed of the patient where it is empty. `attached` puts the
    conversation's JSON inside the PDF. `ascii` writes text with ASCII characters only. `password` opens the PDF. `csl` is the content
    of a style file for the references, empty for AMA lines.
    """

    messages: frozenset[str] = frozenset()
    sources: bool = True
    evidence: bool = True
    paper: PaperSize = "a4"
    author: str = ""
    patient: str = ""
    attached: bool = False
    ascii: bool = False
    password: str = field(default="", repr=False)
    csl: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Row:
    """A name and what it is: a line of the head, or of an evidence box."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A source of one answer, as the list of references has it. `number` is the mark's, `anchor` its place in the list."""

    number: int
    anchor: str
    line: str  # AMA: authors or publisher. Title. Version. Date.; or as the chosen style has it
    place: str  # 'Page 12, Dosing › Renal impairment', or empty
    quote: str  # the words of the source that the answer rests on, verbatim; empty where none can be named
    status: str  # 'quotation found on page 12', 'from the model, not found in the source', …
    state: State
    marks: tuple[str, ...] = ()  # anchors of the marks that name it, in the answer's order: the ways back; empty for one that is not cited


@dataclass(frozen=True, slots=True)
class Entry:
    """A message on paper: heading, words, and below them what is to be known of it.

    `blocks` is the tree that the page shows too; each `Cite` in it, counted in reading order from 0, has the anchor `marks[i]`. A message
    whose letters would not all have come through is one `CodeBlock`, and `notes` says so.
    """

    anchor: str
    role: Literal["user", "assistant"]
    heading: str  # 'Question 1', 'Answer 1'
    who: str  # 'Asked', the model's name
    when: str  # date and time with zone
    blocks: Tree
    marks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # 'Stopped before its end.', 'From the model's memory, no source.', 'With this question: letter.pdf'
    checked: str = ""  # what was compared with the sources and what not, one line
    findings: tuple[tuple[State, str], ...] = ()  # what a person should look at first
    left_out: tuple[str, ...] = ()  # what the model did not see
    references: tuple[Reference, ...] = ()
    evidence: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """The whole document. Writers add page numbers and an outline and nothing else: every word to print is in here."""

    title: str
    language: str  # BCP 47, of the program's own words
    direction: Direction
    head: tuple[Row, ...]  # conversation from … to …, author, patient reference, model
    pinned: str  # the conversation's pinned facts, as they are; empty for none
    entries: tuple[Entry, ...]
    warning: str  # the safe-use sentence, above the first message
    safe_use: tuple[str, ...]  # the safe-use text, at the end
    signature: str  # 'AI draft: reviewed by ____ on ____'
    quiet: str  # the line at the foot of each page: what made this, 'Built with Meta Llama 3'
    page_of: str  # 'Page {page} of {pages}'
    # Headings that a writer needs: 'pinned', 'references', 'findings', 'left_out', 'evidence', 'safe_use'.
    names: dict[str, str] = field(default_factory=dict)
    # When the conversation last changed, in ms: the file's own date, so that the same conversation gives the same bytes.
    changed_at: int = 0

    @property
    def running(self) -> str:
        """The title as it stands at the head of each page, on one line of it."""
        return self.title if len(self.title) <= _RUNNING else f"{self.title[: _RUNNING - 1]}…"
