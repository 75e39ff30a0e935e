"""What kind of server is at the other end, and how that kind is spoken with: llama.cpp's, vLLM, llama-cpp-python's, or any other.

All take OpenAI's requests. What they know beyond those differs: whether they count tokens, take a prompt as token ids, say how large
their context is. What a server does not say is unknown here, and said to be; only the size of the context must be taken from the settings.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock
from typing import Any, Protocol

from med42_chat.errors import RuntimeFailure
from med42_chat.records import ModelInfo, Sampling, Turn, Usage
from med42_chat.runtime.protocol import Request
from med42_chat.runtime.remote_http import Absent, Garbled
from med42_chat.runtime.template import Template

_KEPT_PROMPTS = 64  # turns that wait to be sent
_EACH_TURN, _ALL_TURNS = 16, 64  # tokens that an unknown template may write around a turn, and once
_DIGEST = 8  # numbers at the head of what stands for a prompt
_WORDS = 200  # characters of what a server says of itself


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of server. `takes` are the parts of Sampling it knows, by its names for them; `more` is sent with every request.

    `no_top_k` is how it is told to consider every token, `holds` whether it can hold an answer to a grammar in llama.cpp's form.
    `alone` is said of one that can do a single thing at a time: a second request would cut off the first, even one that counts.
    """

    name: str
    takes: Mapping[str, str]
    more: Mapping[str, object] = field(default_factory=dict)
    no_top_k: int = 0
    holds: bool = False
    alone: bool = False

    def sampling(self, sampling: Sampling, seed: int) -> dict[str, object]:
        """How the next token is to be chosen, in this kind's names."""
        values = {"top_k": sampling.top_k or self.no_top_k, "min_p": sampling.min_p, "repeat_penalty": sampling.repeat_penalty}
        known: dict[str, object] = {theirs: values[ours] for ours, theirs in self.takes.items()}
        every = {"temperature": sampling.temperature, "top_p": sampling.top_p, "max_tokens": sampling.max_tokens, "seed": seed}
        return {**every, **known, **self.more}

    def grammar(self, grammar: str) -> dict[str, object]:
        """To what an answer is to be held. Raises RuntimeFailure where that cannot be: a free answer would be taken for a held one."""
        if grammar and not self.holds:
            raise RuntimeFailure("This server cannot hold an answer to a grammar.", "Ask without, or use a server of llama.cpp.")
        return {"grammar": grammar} if grammar else {}

    def not_passed(self) -> list[str]:
        """The parts of Sampling that it does not know."""
        return [name for name in ("top_k", "min_p", "repeat_penalty") if name not in self.takes]


_ITS_OWN = {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repeat_penalty"}
LLAMA_CPP = Kind("llama.cpp", _ITS_OWN, {"return_progress": True, "cache_prompt": True}, holds=True)
VLLM = Kind("vLLM", {**_ITS_OWN, "repeat_penalty": "repetition_penalty"}, no_top_k=-1)
LLAMA_CPP_PYTHON = Kind("llama-cpp-python", _ITS_OWN, alone=True, holds=True)
OTHER = Kind("OpenAI-compatible", {})


class Form(Protocol):
    """In which form a prompt goes to a server: a template whose prompts can be sent."""

    template: Template
    path: str

    def body(self, request: Request) -> dict[str, object]:
        """The part of a request's body that holds the prompt. Raises RuntimeFailure for one that is not known any more."""
        ...


class Exact:
    """The very token ids that the program made: what a text says can never become a control token."""

    path = "/v1/completions"

    def __init__(self, template: Template, stop_ids: Sequence[int]) -> None:
        self.template, self._stop_ids = template, list(stop_ids)

    def body(self, request: Request) -> dict[str, object]:
        return {"prompt": list(request.prompt), "stop_token_ids": self._stop_ids}


class ByTurns:
    """The turns, which the server puts under its own template.

    What stands for a prompt here is as long as its tokens are at most, and begins with the checksum of its turns, by which they are found
    again. `count` says how many tokens a text has; `goes_on` whether the server can go on in an answer that has begun.
    """

    path = "/v1/chat/completions"
    name = "server"

    def __init__(self, count: Callable[[str], int], goes_on: bool) -> None:
        self.template: Template = self
        self._count, self._goes_on = count, goes_on
        self._turns: OrderedDict[tuple[int, ...], tuple[Turn, ...]] = OrderedDict()
        self._lock = Lock()

    def count(self, turns: Sequence[Turn]) -> list[int]:
        """The tokens of each turn, and what a template may write around it."""
        return [self._count(turn.text) + _EACH_TURN for turn in turns]

    def encode(self, turns: Sequence[Turn]) -> tuple[int, ...]:
        """What stands for these turns."""
        if turns and turns[-1].role == "assistant" and not self._goes_on:
            raise RuntimeFailure("This server cannot go on in an answer that has begun.", "Ask for the rest in a new question.")
        digest = sha256(json.dumps([[turn.role, turn.text] for turn in turns]).encode()).digest()
        head = tuple(int.from_bytes(digest[at : at + 4], "little") for at in range(0, 4 * _DIGEST, 4))
        with self._lock:
            self._turns[head] = tuple(turns)
            self._turns.move_to_end(head)
            while len(self._turns) > _KEPT_PROMPTS:
                self._turns.popitem(last=False)
        return head + (0,) * (sum(self.count(turns)) + _ALL_TURNS - _DIGEST)

    def body(self, request: Request) -> dict[str, object]:
        """The turns that were encoded so."""
        with self._lock:
            turns = self._turns.get(request.prompt[:_DIGEST])
        if turns is None:
            raise RuntimeFailure("The question waited so long that it was forgotten.", "Ask again.")
        messages = [{"role": turn.role, "content": turn.text.strip()} for turn in turns]
        if turns[-1].role == "assistant":
            return {"messages": messages, "add_generation_prompt": False, "continue_final_message": True}
        return {"messages": messages}


@dataclass(slots=True)
class RemoteVocabulary:
    """A server's tokeniser as templates know one. `tokens` gives the ids of a text, where its control tokens count as such with the
    second argument; it may raise RuntimeFailure's kinds, and should remember what it was asked."""

    tokens: Callable[[str, bool], tuple[int, ...]]
    bos_id: int | None = None
    bos_text: str = ""
    eos_text: str = ""
    adds_bos: bool = False

    def tokenise(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids, without BOS."""
        return list(self.tokens(text, special)) if text else []

    def count(self, text: str) -> int:
        """Tokens of a text under the server's own template, where what looks like a control token is one."""
        return len(self.tokenise(text, special=True))

    def special_id(self, text: str) -> int | None:
        """The id of the control token written `text`: one token when its marks count, several when they do not."""
        ids = self.tokenise(text, special=True)
        return ids[0] if len(ids) == 1 and len(self.tokenise(text)) > 1 else None


@dataclass(frozen=True, slots=True)
class Server:
    """A server that was met: its model, by the name `id` there, and how it is spoken with.

    `identity` is what must still be the same for it to be the same model.
    """

    kind: Kind
    form: Form
    model: ModelInfo
    id: str
    identity: str

    def is_still(self, listed: Any) -> bool:
        """Whether what the server lists now is the model that was met. Raises RuntimeFailure where it is gone."""
        return identity_of(entry_of(listed, self.id, self.model.server)) == self.identity

    def body(self, request: Request) -> dict[str, object]:
        """The whole body of a request for a streamed answer."""
        stream = {"stream": True, "stream_options": {"include_usage": True}}
        how = {**self.kind.sampling(request.sampling, request.seed), **self.kind.grammar(request.grammar)}
        return {"model": self.id, **self.form.body(request), **stream, **how}


@dataclass(frozen=True, slots=True)
class Said:
    """One event of a streamed answer: what there is of it. `speed` in tokens a second, `read` of how many tokens of the prompt."""

    text: str = ""
    reason: str = ""
    usage: Usage | None = None
    speed: float = 0.0
    read: tuple[int, int] | None = None


def said(event: Mapping[str, Any]) -> Said:
    """What an event says. Raises ValueError for one that is none."""
    try:
        choices = event.get("choices") or [{}]
        text = choices[0].get("text") or (choices[0].get("delta") or {}).get("content") or ""
        reason = choices[0].get("finish_reason") or ""
        usage, timings, progress = event.get("usage"), event.get("timings") or {}, event.get("prompt_progress")
        return Said(
            _whole_characters(text),
            plain(str(reason)),
            _usage(usage) if usage else None,
            _speed(timings.get("predicted_per_second") or 0.0),
            (amount(progress["processed"]), amount(progress["total"])) if progress else None,
        )
    except (TypeError, AttributeError, LookupError, OverflowError) as error:
        raise ValueError("no event of an answer") from error


def _usage(usage: Mapping[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details") or {}
    cached = amount(details.get("cached_tokens") or 0)
    return Usage(amount(usage["prompt_tokens"]), cached, amount(usage.get("completion_tokens") or 0))


def _speed(value: object) -> float:
    if not isinstance(value, int | float) or not 0.0 <= value < 1e9:
        raise ValueError("no speed")
    return float(value)


def amount(value: object) -> int:
    """A number of tokens, or a token. Raises ValueError for what is none."""
    if not isinstance(value, int) or not 0 <= value < 1 << 31:
        raise ValueError("no number of tokens")
    return value


def _whole_characters(text: str) -> str:
    """Without halves of characters, which JSON can hold and nothing else."""
    return text.encode("utf-8", "replace").decode()


def identity_of(entry: Mapping[str, Any]) -> str:
    """What tells one model of a server from another, as it lists them; the time of the listing is no part of it."""
    return json.dumps([entry.get(name) for name in ("id", "root", "max_model_len", "meta")], sort_keys=True)


def entry_of(listed: Any, wanted: str, host: str) -> Mapping[str, Any]:
    """The model to use, of those that a server lists. Raises RuntimeFailure where there is not one."""
    try:
        entries = {str(one["id"]): one for one in listed["data"]}
    except (TypeError, LookupError) as error:
        raise not_understood(host) from error
    if wanted in entries:
        return dict(entries[wanted])
    if len(entries) == 1 and not wanted:
        return dict(next(iter(entries.values())))
    names = ", ".join(plain(name) for name in entries) or "none"
    problem = f"{host} has no model called {wanted}." if wanted else f"{host} has {len(entries) or 'no'} models, and one must be chosen."
    raise Absent(problem, f"It has: {names}. Name one with --runtime-model.")


def plain(text: str) -> str:
    """A server's words on a line, short enough to be shown."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:_WORDS]


def not_understood(host: str) -> Garbled:
    return Garbled(f"{host} answers with what no such server says.", "Check the address: it must be an OpenAI-compatible server's.")
