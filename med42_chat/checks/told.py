"""What is told of an answer's findings wherever it is shown, on the page and on paper: the same ones, in the same words. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from med42_chat.checks.text import MARK, Span, marked, row_below, sentences
from med42_chat.records import Citation, Finding, FindingState, Message
from med42_chat.words import Words

CLOSERS = "*_`~ \n|"  # Markdown after a sentence's last word
AMBER: frozenset[FindingState] = frozenset(("not_found", "doubtful"))

_FEWEST = 3  # words of a sentence: what has fewer and no figure is a label


@dataclass(frozen=True, slots=True)
class Told:
    """A part of the line below an answer; `amber` where a person should look."""

    text: str
    amber: bool = False


def telling(message: Message) -> list[Finding]:
    """The findings that say something: not that a mark names a source, and not of an answer without sources that it has none."""
    return [
        one
        for one in message.findings
        if not (one.kind == "mark" and one.state == "found") and (message.citations or one.kind not in ("unsourced", "quotation"))
    ]


def cited(message: Message) -> list[Citation]:
    """The sources that an answer names; the others were only given to the model."""
    named = frozenset[int]().union(*(marked(mark[1]) for mark in MARK.finditer(message.text)))
    return [one for one in message.citations if one.source.number in named]


def is_amber(finding: Finding) -> bool:
    """Whether a person should look at it."""
    return finding.state in AMBER or finding.kind == "unsourced"


def compared(words: Words, message: Message) -> tuple[Told, ...]:
    """The line below an answer: what was looked at and what not, or that it has no source; empty where there is nothing to say.

    Of an answer for which no model was asked it says nothing, nor of one that is still being written.
    """
    basis = message.evidence.basis if message.evidence else ""
    if basis == "nothing" or message.status == "streaming":
        return ()
    if basis == "memory":
        return (Told(words("findings.memory")),)
    if not message.citations or not message.text.strip():
        return ()
    if message.status == "interrupted" and not message.findings:
        return (Told(words("findings.unchecked"), amber=True),)
    return (*_carried(words, message), *counted(words, telling(message)))


def _carried(words: Words, message: Message) -> Iterator[Told]:
    spans = [span for span in sentences(message.text) if _says_something(message.text, span)]
    named = [one for one in message.findings if one.kind == "mark" and one.state == "found"]
    carrying = sum(any(span.start <= one.start < span.end for one in named) for span in spans)
    if spans:
        # Given sources and naming none, it is no better than an answer from memory.
        some = Told(words("findings.carried", cited=carrying, n=len(spans)), amber=not carrying)
        yield some if cited(message) else Told(words("findings.names_none", n=len(message.citations)), amber=True)


def _says_something(text: str, span: Span) -> bool:
    """Not a heading, a label, a table's head or a line that only announces a list."""
    words = span.text.strip(CLOSERS)
    line = text[text.rfind("\n", 0, span.start) + 1 : span.start].lstrip()
    is_label = len(words.split()) < _FEWEST and not any(map(str.isdigit, words))
    return not (line.startswith("#") or row_below(text, span) is not None or is_label or words.endswith(":"))


def counted(words: Words, findings: Sequence[Finding]) -> Iterator[Told]:
    """'found: 2 figures, 1 medicine' and the same of what was not, and of what is doubtful."""
    for state in ("found", "not_found", "doubtful"):
        kinds = Counter(_name(one) for one in findings if one.state == state)
        if kinds:
            listed = ", ".join(words(f"findings.{name}", n=count) for name, count in kinds.items())
            yield Told(words(f"findings.{state}", what=listed), amber=state in AMBER)
    bare = sum(one.kind == "unsourced" for one in findings)
    if bare:
        yield Told(words("findings.unsourced", n=bare), amber=True)


def _name(finding: Finding) -> str:
    return {"frequency": "figure"}.get(finding.kind, finding.kind)
