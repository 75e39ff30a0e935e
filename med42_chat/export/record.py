"""A whole conversation as JSON, and back without loss: what leaves the program to come back, and what the exporting process is given.

A file that comes back is a stranger's, wherever it says that it comes from: each value in it is looked at before it is a record.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from med42_chat.errors import InputError
from med42_chat.export.sheet import Format, Options
from med42_chat.export.values import Unfit, pack, unpack
from med42_chat.records import Conversation, Evidence, Message

__all__ = [
    "Record",
    "Request",
    "branch",
    "conversation_of",
    "messages_of",
    "options_of",
    "pack",
    "read",
    "request",
    "request_of",
    "write",
]

# The version grows when a record gets a field that the program before it would not know; a field with a default needs no more than that.
FORMAT, VERSION = "med42-chat-conversation", 2
_READ = (1, 2)  # 2: when a message came from a file
MOST_BYTES = 64_000_000  # of a file that is read
MOST_MESSAGES = 20_000
_LATEST = 250_000_000_000_000  # ms, in the year 9892: calendars end with 9999
_MOST_COUNTED = 1_000_000_000_000  # tokens, or seconds
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_Kind = TypeVar("_Kind")
_HINT = "Take a file that was exported as JSON, as it is."


@dataclass(frozen=True, slots=True)
class Record:
    """A conversation with all its messages, parents before what follows them."""

    conversation: Conversation
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be exported, how and in which language. The branch to print ends at `conversation.leaf_id`."""

    conversation: Conversation
    messages: tuple[Message, ...]
    options: Options
    format: Format
    language: str


# A file of one's own


def write(conversation: Conversation, messages: Sequence[Message]) -> bytes:
    """The file: JSON in UTF-8 that a person can read too. The same conversation gives the same bytes."""
    whole = {"format": FORMAT, "version": VERSION, "conversation": pack(conversation), "messages": pack(tuple(messages))}
    text = json.dumps(whole, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    return _HALF_CHARACTER.sub(lambda half: f"\\u{ord(half[0]):04x}", text).encode()


def read(data: bytes) -> Record:
    """What `write` wrote, from wherever it comes. Raises InputError, which names what is wrong and where."""
    if len(data) > MOST_BYTES:
        raise InputError(f"The file is larger than {MOST_BYTES // 1_000_000} MB.", _HINT)
    given = _json(data)
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        raise InputError("The file is no conversation of Med42 Chat.", _HINT)
    if given.get("version") not in _READ:
        raise InputError("The file was written by another version of Med42 Chat.", "Update Med42 Chat, then import it again.")
    found = Record(conversation_of(given.get("conversation")), messages_of(given.get("messages")))
    try:
        _check(found)
    except Unfit as error:
        raise _unfit(error) from error
    return found


# Parts


def conversation_of(data: Any) -> Conversation:
    """The conversation that `pack` made this of. Raises InputError."""
    return _as(Conversation, data, "conversation")


def messages_of(data: Any) -> tuple[Message, ...]:
    """The messages that `pack` made this of. Raises InputError."""
    return _as(tuple[Message, ...], data, "messages")


def options_of(data: Any) -> Options:
    """The options that `pack` made this of. Raises InputError."""
    return _as(Options, data, "options")


def branch(conversation: Conversation, messages: Sequence[Message]) -> tuple[Message, ...]:
    """Those from the first question to `conversation.leaf_id`, in the order in which they are read."""
    by_id = {message.id: message for message in messages}
    up: list[Message] = []
    at = by_id.get(conversation.leaf_id)
    while at is not None and len(up) < len(messages):
        up.append(at)
        at = by_id.get(at.parent_id or "")
    return tuple(reversed(up))


# What the exporting process is given


def request(wanted: Request) -> bytes:
    """One line of JSON in ASCII."""
    return json.dumps(pack(wanted)).encode("ascii")


def request_of(data: bytes) -> Request:
    """What `request` wrote. Raises InputError."""
    return _as(Request, _json(data), "request")


def _json(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits
        raise InputError("The file is no JSON, or was cut short.", _HINT) from error


def _as(kind: type[_Kind], data: Any, place: str) -> _Kind:
    try:
        value: _Kind = unpack(kind, data, place)
        return value
    except Unfit as error:
        raise _unfit(error) from error


def _unfit(error: Unfit) -> InputError:
    return InputError(f"The file is no whole conversation: {error}.", _HINT)


def _check(found: Record) -> None:
    """What types do not say: ids, times, and that the messages are one tree. Raises Unfit."""
    if len(found.messages) > MOST_MESSAGES:
        raise Unfit(f"messages: at most {MOST_MESSAGES:,} are read")
    _check_id(found.conversation.id, "conversation.id")
    for name in ("created_at", "updated_at"):
        _check_range(getattr(found.conversation, name), _LATEST, f"conversation.{name}")
    known: dict[str, Message] = {}
    for at, message in enumerate(found.messages):
        _check_message(message, found.conversation.id, known, f"messages[{at}]")
        known[message.id] = message
    if found.conversation.leaf_id not in known and (known or found.conversation.leaf_id):
        raise Unfit("conversation.leaf_id: it names no message of the file")


def _check_message(message: Message, conversation_id: str, known: dict[str, Message], place: str) -> None:
    _check_id(message.id, f"{place}.id")
    _check_range(message.created_at, _LATEST, f"{place}.created_at")
    _check_range(message.imported_at, _LATEST, f"{place}.imported_at")
    if message.id in known:
        raise Unfit(f"{place}.id: another message has it too")
    if message.conversation_id != conversation_id:
        raise Unfit(f"{place}.conversation_id: it is another conversation's")
    if message.parent_id is not None and message.parent_id not in known:
        raise Unfit(f"{place}.parent_id: it names no message before this one")
    parent = known.get(message.parent_id or "")
    if message.role == "system" or (message.role == "assistant" and (parent is None or parent.role != "user")):
        raise Unfit(f"{place}.role: an answer follows a question")
    _check_parts(message, place)


def _check_parts(message: Message, place: str) -> None:
    """Places and pages of what was kept with an answer."""
    for at, citation in enumerate(message.citations):
        source, where = citation.source, f"{place}.citations[{at}].source"
        for name in ("number", "page", "start", "end"):
            _check_range(getattr(source, name) or 0, 999_999_999, f"{where}.{name}")
        for name in ("document_id", "document_sha256"):
            _check_id(getattr(source, name) or "none", f"{where}.{name}")
    for at, finding in enumerate(message.findings):
        _check_range(finding.start, finding.end, f"{place}.findings[{at}].start")
    if message.evidence:
        _check_evidence(message.evidence, f"{place}.evidence")
    if message.feedback:
        _check_range(message.feedback.created_at, _LATEST, f"{place}.feedback.created_at")


def _check_evidence(evidence: Evidence, place: str) -> None:
    """That it names messages and sources by ids, and that what was counted or measured is no less than nothing."""
    for id in (*evidence.seen, *(left.id for left in evidence.left_out)):
        _check_id(id, place)
    for name in ("usage", "context", "timings"):
        counted = getattr(evidence, name)
        for field in fields(counted):
            _check_range(getattr(counted, field.name), _MOST_COUNTED, f"{place}.{name}.{field.name}")
    for at, left in enumerate(evidence.left_out):
        _check_range(left.tokens, _MOST_COUNTED, f"{place}.left_out[{at}].tokens")


def _check_id(id: str, place: str) -> None:
    if not _ID.fullmatch(id):
        raise Unfit(f"{place}: an id of letters and digits is wanted")


def _check_range(value: float, most: int, place: str) -> None:
    if not 0 <= value <= most:
        raise Unfit(f"{place}: it is out of its range")
