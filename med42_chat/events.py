"""What a running answer says, in the order in which it happens. Frozen values, no I/O.

`Chat.ask` yields one `Asked`, at most one `Sources`, any number of `Waiting`, one `Prompted`, any number of `Reading` and `Delta`, and
always ends with one `Answered`, whose message is what the store now holds. Where nothing in the library answers and no model is asked, one
`Delta` with the program's own sentence stands between the first and the last.
"""

from dataclasses import dataclass
from typing import Literal

from med42_chat.records import ContextUse, LeftOut, Message, Source


@dataclass(frozen=True, slots=True)
class Asked:
    """The question and its answer, empty or with the words it goes on from, are in the store: from here on nothing typed can be lost."""

    question: Message
    answer: Message


@dataclass(frozen=True, slots=True)
class Waiting:
    """The model is not free yet, or what it once read of this conversation is 'fetching' from the disk.

    `position` counts the answers before this one; `progress` is 0 to 1 while loading or fetching.
    """

    reason: Literal["loading", "queue", "restarting", "fetching"]
    position: int = 0
    progress: float = 0.0


@dataclass(frozen=True, slots=True)
class Prompted:
    """What the model will see, and what not."""

    context: ContextUse
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """The passages put before the model."""

    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """The model is reading the prompt (prefill): `done` of `total` tokens."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the answer: whole characters only."""

    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The end. `message` is stored; `error` and `hint` say in plain words what went wrong, if anything did."""

    message: Message
    error: str = ""
    hint: str = ""


Event = Asked | Waiting | Prompted | Sources | Reading | Delta | Answered
