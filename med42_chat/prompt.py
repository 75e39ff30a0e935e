"""Question, pinned facts, history and sources → what the model sees within its context, and what was left out. Pure.

Always in: the system prompt, the pinned facts, the new question with its attachments, and the answer's reserve. Sources
come next, best first, in at most half of what remains; then whole exchanges of the history, newest first, without gaps.
Whatever does not fit is in `Prompt.left_out`, never dropped silently.
"""

import hashlib
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

from med42_chat.errors import InputError
from med42_chat.records import Attachment, ContextUse, LeftOut, Message, Reason, Source, Turn

_MARK = re.compile(r" ?\[\s*\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*\s*\]")
_RANGE = re.compile(r"\[(\s*\d{1,3}\s*[–-]\s*\d{1,3}\s*)\]")
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
class Question:
    """What is asked now: the words, the texts that came with them, and the words with which the answer has begun already."""

    words: str
    attachments: tuple[Attachment, ...] = ()
    begun: str = ""

    @property
    def turns(self) -> list[Turn]:
        """The end of the prompt. An answer that has begun stays open: the model goes on in it."""
        asked = Turn("user", question_text(self.words, self.attachments))
        return [asked, Turn("assistant", self.begun)] if self.begun else [asked]


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


def question_text(words: str, attachments: Sequence[Attachment]) -> str:
    """A question's turn: what came with it, each under its name and with an end that can be seen, then the words."""
    return "\n\n".join([*map(_attachment_text, attachments), words])


def build(
    tokenizer: Tokenizer,
    limits: Limits,
    *,
    system: str,
    question: Question,
    pinned_facts: str = "",
    history: Sequence[Message] = (),
    sources: Sequence[Source] = (),
    apart: Container[str] = (),
) -> Prompt:
    """The prompt for `question`, without the messages of the history that are kept `apart`. Raises InputError when what must be in does
    not fit.
    """
    fixed = _fixed(tokenizer, limits, system, pinned_facts, question, sources)
    fitting = fixed.sources_that_fit()
    exchanges = _exchanges(tokenizer, [message for message in history if message.id not in apart])
    kept, tokens = _fill(tokenizer, limits, fixed, fitting, exchanges, question)
    seen = tuple(message.id for exchange in kept for message in exchange.messages)
    unseen = [message for message in history if message.id not in seen and message.text.strip()]
    answered = {message.id for exchange in exchanges for message in exchange.messages}
    why = [_reason(message, answered, apart) for message in unseen]
    return Prompt(
        tokens=tokens,
        context=_use(limits, fixed, fitting, kept, len(tokens)),
        seen=seen,
        sources=tuple(source.number for source in sources[:fitting]),
        left_out=_left_out(tokenizer, unseen, why, sources[fitting:]),
    )


def measure(tokenizer: Tokenizer, limits: Limits, *, system: str, question: Question, pinned_facts: str = "") -> ContextUse:
    """What must be in, whether it fits or not: for a question that `build` refuses."""
    asked = question.turns
    bare, head = Turn("system", system_text(system, "")), Turn("system", system_text(system, pinned_facts))
    bare_cost, head_cost, words_cost, asked_cost = tokenizer.count([bare, head, Turn("user", question.words), asked[0]])
    use = ContextUse(limits.context, bare_cost, head_cost - bare_cost, asked_cost - words_cost, reserve=limits.reserve)
    return replace(use, question=len(tokenizer.encode([head, *asked])) - use.used)


@dataclass(frozen=True, slots=True)
class _Fixed:
    """What must be in. `heads[n]` is the system turn with the first n sources; costs and `room` for the rest are in tokens."""

    asked: list[Turn]
    attached_cost: int
    bare_cost: int  # of the system prompt without facts and sources
    heads: list[Turn]
    head_costs: list[int]
    room: int

    def sources_cost(self, count: int) -> int:
        return self.head_costs[count] - self.head_costs[0]

    def sources_that_fit(self) -> int:
        return max(count for count in range(len(self.heads)) if self.sources_cost(count) <= self.room // 2)


def _fixed(tokenizer: Tokenizer, limits: Limits, system: str, facts: str, question: Question, sources: Sequence[Source]) -> _Fixed:
    asked, bare = question.turns, Turn("system", system_text(system, ""))
    heads = [Turn("system", system_text(system, facts, sources[:count])) for count in range(len(sources) + 1)]
    bare_cost, words_cost, asked_cost, *head_costs = tokenizer.count([bare, Turn("user", question.words), asked[0], *heads])
    # Counted in one piece: BOS and the answer's header, open or not, are in it.
    room = limits.context - limits.reserve - len(tokenizer.encode([heads[0], *asked]))
    if room < 0:
        raise _too_long(tokenizer, limits, question, -room)
    return _Fixed(asked, asked_cost - words_cost, bare_cost, heads, head_costs, room)


def _fill(
    tokenizer: Tokenizer, limits: Limits, fixed: _Fixed, fitting: int, exchanges: Sequence[_Exchange], question: Question
) -> tuple[list[_Exchange], tuple[int, ...]]:
    """The exchanges that stay, and the whole prompt with them."""
    kept = _newest_that_fit(exchanges, fixed.room - fixed.sources_cost(fitting))
    tokens = _encode(tokenizer, fixed.heads[fitting], kept, fixed.asked)
    # A template of another family may cost more in one piece than its turns did one by one.
    while len(tokens) + limits.reserve > limits.context and kept:
        kept = kept[1:]
        tokens = _encode(tokenizer, fixed.heads[fitting], kept, fixed.asked)
    if len(tokens) + limits.reserve > limits.context:
        raise _too_long(tokenizer, limits, question, len(tokens) + limits.reserve - limits.context)
    return kept, tokens


def _use(limits: Limits, fixed: _Fixed, fitting: int, kept: Sequence[_Exchange], total: int) -> ContextUse:
    use = ContextUse(
        size=limits.context,
        system=fixed.bare_cost,
        pinned=fixed.head_costs[0] - fixed.bare_cost,
        sources=fixed.sources_cost(fitting) + fixed.attached_cost,
        history=sum(exchange.tokens for exchange in kept),
        reserve=limits.reserve,
    )
    # The question's share is what is left of the prompt, so that the parts always add up to what is sent.
    return replace(use, question=total - use.used)


def _source_text(source: Source) -> str:
    page = f", page {source.page}" if source.page is not None else ""
    title = " ".join(unmarked(source.title).split())
    return f"[{source.number}] {title}{page}\n{unmarked(source.text)}"


def with_ranges(text: str) -> str:
    """A document's words, as many as before, in which '[135-145]' is '(135-145)': a range of values would else pass for a mark and go."""
    return _RANGE.sub(r"(\1)", text)


def unmarked(text: str) -> str:
    """A document's own words without numbers in brackets, which would pass for ours: also those that come about as others are taken out."""
    text = with_ranges(text)
    while (left := _MARK.sub("", text)) != text:
        text = left
    return text


def _attachment_text(attachment: Attachment) -> str:
    name = " ".join(attachment.name.split())
    return f'Attached text "{name}":\n{attachment.text.strip()}\n(End of "{name}".)'


def _turn(message: Message) -> Turn:
    return Turn(message.role, question_text(message.text, message.attachments))


def _exchanges(tokenizer: Tokenizer, history: Sequence[Message]) -> list[_Exchange]:
    """The history as exchanges, oldest first. A question that no model answered with words is in none: the model never sees it."""
    costs = tokenizer.count([_turn(message) for message in history])
    exchanges = []
    for at, (question, answer) in enumerate(pairwise(history)):
        if question.role == "user" and _is_answered(answer):
            exchanges.append(_Exchange((question, answer), costs[at] + costs[at + 1]))
    return exchanges


def _is_answered(answer: Message) -> bool:
    """Whether a model has answered: what the program said in its place is nothing that the model should see as its own words."""
    from_model = answer.evidence is None or answer.evidence.basis != "nothing"
    return answer.role == "assistant" and bool(answer.text.strip()) and from_model


def _newest_that_fit(exchanges: Sequence[_Exchange], room: int) -> list[_Exchange]:
    kept: list[_Exchange] = []
    for exchange in reversed(exchanges):
        room -= exchange.tokens
        if room < 0:
            break
        kept.insert(0, exchange)
    return kept


def _encode(tokenizer: Tokenizer, head: Turn, kept: Sequence[_Exchange], asked: Sequence[Turn]) -> tuple[int, ...]:
    return tokenizer.encode([head, *(_turn(message) for exchange in kept for message in exchange.messages), *asked])


def _reason(message: Message, answered: Container[str], apart: Container[str]) -> Reason:
    """Why the model does not see a message."""
    if message.id in apart:
        return "apart"
    return "room" if message.id in answered else "unanswered"


def _left_out(
    tokenizer: Tokenizer, messages: Sequence[Message], reasons: Sequence[Reason], sources: Sequence[Source]
) -> tuple[LeftOut, ...]:
    costs = tokenizer.count([*(_turn(message) for message in messages), *(Turn("system", _source_text(source)) for source in sources)])
    unseen = [
        LeftOut("message", message.id, cost, _preview(message.text), reason)
        for message, reason, cost in zip(messages, reasons, costs, strict=False)
    ]
    unused = [
        LeftOut("source", str(source.number), cost, _preview(source.title))
        for source, cost in zip(sources, costs[len(messages) :], strict=True)
    ]
    return (*unseen, *unused)


def _preview(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _PREVIEW else line[: _PREVIEW - 1].rstrip() + "…"


def _too_long(tokenizer: Tokenizer, limits: Limits, question: Question, over: int) -> InputError:
    """Names what is largest: the words, one of the attachments, or the answer that is to go on."""
    parts = [("The question", question.words, "Shorten the question or the pinned facts, or ask about the text in parts.")]
    parts += [
        (f"The attachment '{one.name}'", _attachment_text(one), "Remove it, or attach only the part that matters.")
        for one in question.attachments
    ]
    if question.begun:
        parts.append(("The answer so far", question.begun, "Ask for the rest in a new question instead."))
    costs = tokenizer.count([Turn("user", text) for _, text, _ in parts])
    cost, (name, _, hint) = max(zip(costs, parts, strict=True), key=lambda pair: pair[0])
    return InputError(
        f"{name} has {cost:,} tokens; this model's context of {limits.context:,} has no room for it ({over:,} too many).",
        f"{hint} Nothing was sent to the model.",
    )
