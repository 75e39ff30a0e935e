"""What goes over the pipe between the program and a model's process: small dataclasses, one JSON object to a line.

Knows what is said, not when. Texts and token ids travel here and nowhere else: never on a command line, never in a log.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from med42_chat.errors import ModelFileError, ModelTooLarge, RuntimeFailure
from med42_chat.records import Health, ModelInfo, Sampling, Timings, Turn, Usage
from med42_chat.runtime.protocol import Device, Finished, Found, Load, Override, Prefill, Queued, Request, RuntimeEvent, Shelf, Text


@dataclass(frozen=True, slots=True)
class Begin:
    """The first line, in answer to Found: what to load. In the file `hashes` the model files' SHA-256 are remembered.

    On the `shelf` conversations' caches are kept; without one none is. With `again` somebody may be waiting for an answer that a death
    has cut off: what is not known yet of how the model is best run is not found out now.
    """

    load: Load
    hashes: str
    shelf: Shelf | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Submit:
    """Answer this."""

    request: Request


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop this request."""

    id: str


@dataclass(frozen=True, slots=True)
class Tokenise:
    """Give the prompt of `turns` (or, with `count`, what each turn takes) under the number `call`."""

    call: int
    turns: tuple[Turn, ...]
    count: bool


@dataclass(frozen=True, slots=True)
class Forget:
    """Keep nothing of this conversation any more."""

    conversation: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Keep what is worth it, within so many seconds, and end."""

    within_s: float


@dataclass(frozen=True, slots=True)
class Alive:
    """Something was done of which there is nothing to say: a step that gave no text, or a piece of what is to be kept."""


@dataclass(frozen=True, slots=True)
class Loading:
    """How far the loading is, 0 to 1."""

    progress: float


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded."""

    model: ModelInfo


@dataclass(frozen=True, slots=True)
class Examined:
    """The last finding about the loaded model: whether an answer ended by itself. A later one takes the place of an earlier.

    `tried` says whether the model has written anything for it.
    """

    finding: Health
    tried: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """Loading (`call` None) or a call failed, for a reason that trying again does not mend. `kind` names the error's class."""

    kind: str
    message: str
    hint: str
    call: int | None = None

    @classmethod
    def of(cls, error: RuntimeFailure, call: int | None = None) -> "Failure":
        """The failure that tells of `error`."""
        return cls(type(error).__name__, error.message, error.hint, call)

    def error(self) -> RuntimeFailure:
        """The error to raise on this side of the pipe."""
        kinds = {kind.__name__: kind for kind in (ModelFileError, ModelTooLarge)}
        return kinds.get(self.kind, RuntimeFailure)(self.message, self.hint)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The answer to Tokenise: token ids, or counts."""

    call: int
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of a request. `completed` counts the answer's tokens so far, for the case that the process dies with the answer."""

    id: str
    event: RuntimeEvent
    completed: int = 0


@dataclass(frozen=True, slots=True)
class OpenEmbedding:
    """The first line to the embedding model's process: what to load."""

    file: str
    threads: int


@dataclass(frozen=True, slots=True)
class Embed:
    """Give a vector for each of these texts, which are questions or passages."""

    texts: tuple[str, ...]
    question: bool


@dataclass(frozen=True, slots=True)
class Embedded:
    """The vectors: little-endian 32-bit floats one after the other, in base64. None when the model has been loaded."""

    vectors: str


Command = Begin | Submit | Cancel | Forget | Leave | Tokenise | OpenEmbedding | Embed
Report = Found | Loading | Ready | Examined | Failure | Tokens | Happened | Alive | Embedded

_COMMANDS = (Begin, Submit, Cancel, Forget, Leave, Tokenise, OpenEmbedding, Embed)
_REPORTS = (Found, Loading, Ready, Examined, Failure, Tokens, Happened, Alive, Embedded)
_PARTS = (Device, Load, Override, Shelf, Health, Request, Sampling, Turn, ModelInfo, Usage, Timings, Queued, Prefill, Text, Finished)
_KINDS: dict[str, type] = {kind.__name__: kind for kind in (*_COMMANDS, *_REPORTS, *_PARTS)}


def _kinds_of(hint: Any) -> Iterator[type]:
    """The classes that a value with this type may be of, seen from outside: what a tuple or a table holds is seen by itself."""
    if get_origin(hint) in (Union, UnionType):
        for one in get_args(hint):
            yield from _kinds_of(one)
    elif get_origin(hint) is Literal:
        yield from map(type, get_args(hint))
    elif hint is float:
        yield from (float, int)
    elif hint is not Any:
        yield get_origin(hint) or hint
    else:
        yield object


_FIELDS = {kind: {name: tuple(_kinds_of(hint)) for name, hint in get_type_hints(kind).items()} for kind in _KINDS.values()}


def pack(message: Command | Report) -> bytes:
    """One line for `message`, its end included. ASCII, so that no text can break a line or an encoding."""
    return json.dumps(message, default=_fields, separators=(",", ":")).encode() + b"\n"


def unpack(line: bytes) -> Any:
    """The message of a line. Raises ValueError, LookupError or TypeError for what is none."""
    return json.loads(line, object_hook=_revive)


def _fields(value: object) -> dict[str, object]:
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} is not a message")
    return {"": type(value).__name__, **{field.name: getattr(value, field.name) for field in fields(value)}}


def _revive(item: dict[str, Any]) -> object:
    if "" not in item:  # a plain table, such as a finding's detail
        return item
    kind = _KINDS[item.pop("")]
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in item.items()}
    if not all(isinstance(value, _FIELDS[kind][name]) for name, value in values.items()):
        raise ValueError(f"a {kind.__name__} is not like this")
    return kind(**values)
