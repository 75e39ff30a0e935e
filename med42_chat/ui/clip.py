"""A message as it is copied: plain words, Markdown, or words with the sources and the model they came from. Pure."""

import time
from collections.abc import Sequence

from med42_chat.checks.told import cited
from med42_chat.markup import LineBreak, Paragraph, Text, parse, plain_text
from med42_chat.markup.render import Pen, to_html
from med42_chat.records import Citation, Message
from med42_chat.words import Words


def copied(words: Words, message: Message, how: str) -> tuple[str, str]:
    """The text, and the same as HTML for programs that take tables and bold print; no HTML where the text itself is what is wanted."""
    if how == "markdown" or message.role == "user":
        return message.text, ""
    tree = parse(message.text, {citation.source.number for citation in message.citations})
    added = _signed(words, message) if how == "sources" else _sources(words, cited(message))
    if not added:
        return plain_text(tree), to_html(tree, _CLIP)
    # Titles and quotes are documents' words: read as Markdown, they would make links of their own, and '2*3*4' would lose its signs.
    return f"{plain_text(tree)}\n\n{added}\n", to_html([*tree, *map(_lines, added.split("\n\n"))], _CLIP)


class _ClipPen(Pen):
    def cite(self, number: int) -> str:
        """As it is written: a link would lead nowhere from where it is put in."""
        return f"[{number}]"


_CLIP = _ClipPen()


def _lines(text: str) -> Paragraph:
    """A line of its own for each, exactly as it is."""
    first, *others = map(Text, text.split("\n"))
    return Paragraph((first, *(piece for line in others for piece in (LineBreak(), line))))


def _sources(words: Words, citations: Sequence[Citation]) -> str:
    """The list without which the answer's marks would say nothing where it is put in."""
    return "\n".join([f"{words('answer.source_list')}:", *(_source(words, one) for one in citations)]) if citations else ""


def _signed(words: Words, message: Message) -> str:
    """The sources, and by which model and when the answer was written."""
    listed = _sources(words, cited(message)) or words("answer.no_sources")
    model = message.evidence.model if message.evidence and message.evidence.model else words("answer.the_model")
    date = time.strftime("%Y-%m-%d %H:%M", time.localtime(message.created_at / 1000))
    return f"{listed}\n\n{words('answer.signature', who=model, date=date)}"


def _source(words: Words, citation: Citation) -> str:
    source = citation.source
    page = f", {words('evidence.page', n=source.page)}" if source.page is not None else ""
    version = f", {words('evidence.version', version=source.version)}" if source.version else ""
    quote = f": “{' '.join(citation.quote.split())}”" if citation.quote else ""
    title = " ".join(source.title.split())
    return f"[{source.number}] {title}{version}{page}{quote}"
