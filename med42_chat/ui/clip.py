"""A message as it is copied: plain words, Markdown, or words with the sources and the model they came from. Pure."""

import time

from med42_chat.markup import parse, plain_text
from med42_chat.records import Citation, Message
from med42_chat.ui.render import to_html
from med42_chat.ui.words import Words


def copied(words: Words, message: Message, how: str) -> tuple[str, str]:
    """The text, and the same as HTML for programs that take tables and bold print; no HTML where the text itself is what is wanted."""
    if how == "markdown" or message.role == "user":
        return message.text, ""
    tree = parse(message.text, {citation.source.number for citation in message.citations})
    if how == "sources":
        added = _sources(words, message)
        return f"{plain_text(tree)}\n\n{added}\n", to_html([*tree, *parse(added)])
    return plain_text(tree), to_html(tree)


def _sources(words: Words, message: Message) -> str:
    if not message.citations:
        listed = words("answer.no_sources")
    else:
        listed = "\n".join([f"{words('answer.source_list')}:", *(_source(words, one) for one in message.citations)])
    model = message.evidence.model if message.evidence and message.evidence.model else words("answer.the_model")
    date = time.strftime("%Y-%m-%d %H:%M", time.localtime(message.created_at / 1000))
    return f"{listed}\n\n{words('answer.signature', who=model, date=date)}"


def _source(words: Words, citation: Citation) -> str:
    source = citation.source
    page = f", {words('evidence.page', n=source.page)}" if source.page is not None else ""
    quote = f": “{citation.quote}”" if citation.quote else ""
    return f"[{source.number}] {source.title}{page}{quote}"
