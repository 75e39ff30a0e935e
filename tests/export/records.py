"""Whole conversations as records, of every shape that the types allow, for tests of what writes and reads them."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, get_type_hints

from hypothesis import strategies as st

from med42_chat.records import (
    Attachment,
    Citation,
    ContextUse,
    Conversation,
    Evidence,
    Feedback,
    Finding,
    LeftOut,
    Message,
    Sampling,
    Source,
    Timings,
    Usage,
)

# What `from_type` would make too wide: infinity is no number in JSON, and what has defaults would always have them.
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_whole = st.integers(-(2**63) + 1, 2**63 - 1)


def _any(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a record with every field filled, also those that have defaults."""
    types = get_type_hints(kind)
    return st.builds(kind, **{field.name: _of(types[field.name]) for field in fields(kind)})


def _of(kind: Any) -> st.SearchStrategy[Any]:
    known: dict[Any, st.SearchStrategy[Any]] = {float: _numbers, int: _whole, int | None: st.none() | _whole}
    for nested in (Sampling, ContextUse, Usage, Timings, Source):
        known[nested] = st.deferred(lambda nested=nested: _any(nested))
    for nested in (Evidence, Feedback):
        known[nested | None] = st.none() | st.deferred(lambda nested=nested: _any(nested))
    for nested in (LeftOut, Citation, Attachment, Finding):
        known[tuple[nested, ...]] = st.lists(st.deferred(lambda nested=nested: _any(nested)), max_size=3).map(tuple)
    known[tuple[int, ...]] = st.lists(_whole, max_size=3).map(tuple)
    return known[kind] if kind in known else st.from_type(kind)


conversations: st.SearchStrategy[Conversation] = _any(Conversation)
messages: st.SearchStrategy[Message] = _any(Message)


def exchange(conversation_id: str, question: str, answer: str, **parts: Any) -> tuple[Message, Message]:
    """A question and its answer, without a model."""
    asked = Message(f"{conversation_id}-q", conversation_id, None, "user", question, "complete", 1_700_000_000_000)
    answered = Message(f"{conversation_id}-a", conversation_id, asked.id, "assistant", answer, "complete", 1_700_000_060_000)
    return asked, replace(answered, **parts)


def talk(id: str = "c1", question: str = "What are the red flags?", answer: str = "Sudden onset [1].", **parts: Any) -> tuple[Any, ...]:
    """A conversation of one exchange, and its messages."""
    messages = exchange(id, question, answer, **parts)
    head = Conversation(id, "Headache", 1_700_000_000_000, 1_700_000_060_000, message_count=2, leaf_id=messages[-1].id)
    return head, messages


def spoken(whole: tuple[Conversation, Sequence[Message]]) -> tuple[Conversation, list[Message]]:
    """A whole conversation without what is found out about it anew when it is imported."""
    head, messages = whole
    bare = [tuple(Citation(one.source) for one in message.citations) for message in messages]
    return head, [
        replace(message, citations=citations, findings=(), imported_at=0) for message, citations in zip(messages, bare, strict=True)
    ]
