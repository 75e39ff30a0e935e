"""Sheets of the golden conversations, and ways to read everything that stands on one."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, tzinfo
from typing import Any

from med42_chat.export.paper import sheet_of
from med42_chat.export.sheet import Entry, Options, Sheet
from med42_chat.markup import Tree, plain_text
from med42_chat.records import Message
from med42_chat.settings import ASSETS
from med42_chat.words import read_words
from tests.export.golden import Golden, Writer

WORDS = read_words(ASSETS / "words" / "en.toml")


def sheet(golden: Golden, zone: tzinfo = UTC, **options: Any) -> Sheet:
    """What stands on paper of the branch that is shown."""
    return sheet_of(golden.conversation, golden.branch, Options(**options), WORDS, zone)


def answered(text: str, /, *sources: Any, question: str = "What now?", **changes: Any) -> Golden:
    """A question with one answer; `changes` are the answer's."""
    writer = Writer("One question")
    writer.ask(question)
    message = writer.answer(text, sources)
    writer.change(message, **changes)
    return writer.done()


def answer(golden: Golden, **options: Any) -> Entry:
    """The last message of a conversation, on paper."""
    return sheet(golden, **options).entries[-1]


def changed(golden: Golden, message: Message, **values: Any) -> Golden:
    """The conversation with another record in the place of a message."""
    return replace(golden, messages=tuple(replace(one, **values) if one is message else one for one in golden.messages))


def strings(value: object) -> Iterator[str]:
    """Every text in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for one in value.values() for text in strings(one))
    elif isinstance(value, tuple):
        yield from (text for one in value for text in strings(one))
    elif is_dataclass(value):
        yield from (text for field in fields(value) for text in strings(getattr(value, field.name)))


def said(tree: Tree) -> str:
    """The words of a tree without any space, to compare what two of them say."""
    return "".join(plain_text(tree).split())
