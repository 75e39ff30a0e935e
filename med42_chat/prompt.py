"""Question, pinned facts, history and sources → what the model sees within its context, and what was left out. Pure.

Always in: the system prompt, the pinned facts, the new question, and the answer's reserve. Sources come next, best first,
in at most half of what remains; then whole exchanges of the history, newest first, without gaps. Whatever does not fit is
in `Prompt.left_out`, never dropped silently.
"""

import hashlib
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

from med42_chat.errors import InputError
from med42_chat.records import ContextUse, LeftOut, Message, Source, Turn

_PREVIEW = 80  # characters by which a person recognises what was left out


class Tokenizer(Protocol):
    """The part of a runtime that a prompt needs; see runtime.protocol.Runtime."""

    def count(self, turns: Sequence[Turn]) -> list[int]: ...

    def encode(self, turns: Sequence[Turn]) -> tuple[int, ...]: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """In tokens: the whole context, and what of it is kept for the answer."""

    context: int
    reserve: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent. `seen` are ids of history messages, oldest first; `sources` are the numbers that the model sees."""

    tokens: tuple[int, ...]
    context: ContextUse
    seen: tuple[str, ...]
    sources: tuple[int, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def sha256(self) -> str:
        """Of the token ids as little-endian 32-bit integers."""
        return hashlib.sha256(b"".join(token.to_bytes(4, "little") for token in self.tokens)).hexdigest()


@dataclass(frozen=True, slots=True)
class _Exchange:
    """Messages that stand or fall together: a question with its answer, so that the roles always alternate."""

    messages: tuple[Message, ...]
    tokens: int


def system_text(system: str, pinned_facts: str, sources: Sequence[Source] = ()) -> str:
    """The system turn's words. The demonstration model is trained on exactly this form."""
    parts = [system.strip()]
    if pinned_facts.strip():
        parts.append(f"Facts about this patient, pinned by the clinician:\n{pinned_facts.strip()}")
    if sources:
        parts.append(
            "Answer from these numbered sources. Quote the deciding words and put the source's number in square brackets after "
            "each sentence that rests on it. If they do not answer the question, say so."
        )
        parts += [_source_text(source) for source in sources]
    return "\n\n".join(parts)


def build(
    tokenizer: Tokenizer,
    limits: Limits,
    *,
    system: str,
    question: str,
    pinned_facts: str = "",
    history: Sequence[Message] = (),
    sources: Sequence[Source] = (),
) -> Prompt:
    """The prompt for `question`. Raises InputError when what must be in does not fit."""
    fixed = _fixed(tokenizer, limits, system, pinned_facts, question, sources)
    fitting = fixed.sources_that_fit()
    exchanges = _exchanges(tokenizer, history)
    kept, tokens = _fill(tokenizer, limits, fixed, fitting, exchanges)
    seen = tuple(message.id for exchange in kept for message in exchange.messages)
    unseen = [message for message in history if message.id not in seen and message.text.strip()]
    answered = {message.id for exchange in exchanges for message in exchange.messages}
    return Prompt(
        tokens=tokens,
        context=_use(limits, fixed, fitting, kept, len(tokens)),
        seen=seen,
        sources=tuple(source.number for source in sources[:fitting]),
        left_out=_left_out(tokenizer, unseen, answered, sources[fitting:]),
    )


def measure(tokenizer: Tokenizer, limits: Limits, *, system: str, pinned_facts: str = "", history: Sequence[Message] = ()) -> ContextUse:
    """How the context is filled before a question is typed: all of the history, whether it fits or not."""
    bare, head, *turns = tokenizer.count(
        [Turn("system", system_text(system, "")), Turn("system", system_text(system, pinned_facts)), *map(_turn, history)]
    )
    return ContextUse(size=limits.context, system=bare, pinned=head - bare, history=sum(turns), reserve=limits.reserve)


@dataclass(frozen=True, slots=True)
class _Fixed:
    """What must be in. `heads[n]` is the system turn with the first n sources; costs and `room` for the rest are in tokens."""

    asked: Turn
    asked_cost: int
    bare_cost: int  # of the system prompt without facts and sources
    heads: list[Turn]
    head_costs: list[int]
    room: int

    def sources_cost(self, count: int) -> int:
        return self.head_costs[count] - self.head_costs[0]

    def sources_that_fit(self) -> int:
        return max(count for count in range(len(self.heads)) if self.sources_cost(count) <= self.room // 2)


def _fixed(tokenizer: Tokenizer, limits: Limits, system: str, facts: str, question: str, sources: Sequence[Source]) -> _Fixed:
    asked, bare = Turn("user", question), Turn("system", system_text(system, ""))
    heads = [Turn("system", system_text(system, facts, sources[:count])) for count in range(len(sources) + 1)]
    bare_cost, asked_cost, *head_costs = tokenizer.count([bare, asked, *heads])
    frame = len(tokenizer.encode([heads[0], asked])) - head_costs[0] - asked_cost  # BOS and the answer's header
    room = limits.context - limits.reserve - head_costs[0] - asked_cost - frame
    if room < 0:
        raise _too_long(limits, asked_cost, -room)
    return _Fixed(asked, asked_cost, bare_cost, heads, head_costs, room)


def _fill(
    tokenizer: Tokenizer, limits: Limits, fixed: _Fixed, fitting: int, exchanges: Sequence[_Exchange]
) -> tuple[list[_Exchange], tuple[int, ...]]:
    """The exchanges that stay, and the whole prompt with them."""
    kept = _newest_that_fit(exchanges, fixed.room - fixed.sources_cost(fitting))
    tokens = _encode(tokenizer, fixed.heads[fitting], kept, fixed.asked)
    # A template of another family may cost more in one piece than its turns did one by one.
    while len(tokens) + limits.reserve > limits.context and kept:
        kept = kept[1:]
        tokens = _encode(tokenizer, fixed.heads[fitting], kept, fixed.asked)
    if len(tokens) + limits.reserve > limits.context:
        raise _too_long(limits, fixed.asked_cost, len(tokens) + limits.reserve - limits.context)
    return kept, tokens


def _use(limits: Limits, fixed: _Fixed, fitting: int, kept: Sequence[_Exchange], total: int) -> ContextUse:
    use = ContextUse(
        size=limits.context,
        system=fixed.bare_cost,
        pinned=fixed.head_costs[0] - fixed.bare_cost,
        sources=fixed.sources_cost(fitting),
        history=sum(exchange.tokens for exchange in kept),
        reserve=limits.reserve,
    )
    # The question's share is what is left of the prompt, so that the parts always add up to what is sent.
    return replace(use, question=total - use.used)


def _source_text(source: Source) -> str:
    page = f", page {source.page}" if source.page is not None else ""
    return f"[{source.number}] {source.title}{page}\n{source.text}"


def _turn(message: Message) -> Turn:
    return Turn(message.role, message.text)


def _exchanges(tokenizer: Tokenizer, history: Sequence[Message]) -> list[_Exchange]:
    """The history as exchanges, oldest first. A question that got no words for an answer is in none: the model never sees it."""
    costs = tokenizer.count([_turn(message) for message in history])
    exchanges = []
    for at, (question, answer) in enumerate(pairwise(history)):
        if question.role == "user" and answer.role == "assistant" and answer.text.strip():
            exchanges.append(_Exchange((question, answer), costs[at] + costs[at + 1]))
    return exchanges


def _newest_that_fit(exchanges: Sequence[_Exchange], room: int) -> list[_Exchange]:
    kept: list[_Exchange] = []
    for exchange in reversed(exchanges):
        room -= exchange.tokens
        if room < 0:
            break
        kept.insert(0, exchange)
    return kept


def _encode(tokenizer: Tokenizer, head: Turn, kept: Sequence[_Exchange], asked: Turn) -> tuple[int, ...]:
    return tokenizer.encode([head, *(_turn(message) for exchange in kept for message in exchange.messages), asked])


def _left_out(
    tokenizer: Tokenizer, messages: Sequence[Message], answered: Container[str], sources: Sequence[Source]
) -> tuple[LeftOut, ...]:
    costs = tokenizer.count([*(_turn(message) for message in messages), *(Turn("system", _source_text(source)) for source in sources)])
    unseen = [
        LeftOut("message", message.id, cost, _preview(message.text), "room" if message.id in answered else "unanswered")
        for message, cost in zip(messages, costs, strict=False)
    ]
    unused = [
        LeftOut("source", str(source.number), cost, _preview(source.title))
        for source, cost in zip(sources, costs[len(messages) :], strict=True)
    ]
    return (*unseen, *unused)


def _preview(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _PREVIEW else line[: _PREVIEW - 1].rstrip() + "…"


def _too_long(limits: Limits, question: int, over: int) -> InputError:
    return InputError(
        f"The question has {question:,} tokens; this model's context of {limits.context:,} has no room for it ({over:,} too many).",
        "Shorten the question or the pinned facts, or ask about the text in parts. Nothing was sent to the model.",
    )
