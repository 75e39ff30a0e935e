"""Turns → the exact token ids the model is given. Knows vocabularies and chat templates, not llama.cpp.

People's words are data here: they are tokenised with special-token parsing off, so that a typed or pasted `<|eot_id|>` stays
eight harmless pieces of text. Only what the template itself writes can become a control token.
"""

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, Protocol

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from med42_chat.errors import ModelFileError, RuntimeFailure
from med42_chat.records import Role, Turn

_ROLES: tuple[Role, ...] = ("system", "user", "assistant")


class Vocabulary(Protocol):
    """What a template needs of a model's tokeniser. Safe to call from any thread."""

    bos_id: int | None
    bos_text: str
    eos_text: str
    adds_bos: bool  # the model expects BOS in front of every prompt

    def tokenise(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of `text`, without BOS. Control tokens written in it are recognised only with `special`."""
        ...

    def special_id(self, text: str) -> int | None:
        """The id of the control token written `text`, if there is one."""
        ...


class Template(Protocol):
    """One model family's way of writing a conversation down."""

    name: str

    def encode(self, turns: Sequence[Turn]) -> tuple[int, ...]:
        """BOS (once, where the model has one), every turn, and the header of the answer to come.

        A last turn of the assistant's stays open, without its end and without another header: the model goes on in it.
        """
        ...

    def count(self, turns: Sequence[Turn]) -> list[int]:
        """Tokens of each turn in a prompt. Their sum and len(encode(())) together are never less than len(encode(turns))."""
        ...


def choose_template(vocabulary: Vocabulary, chat_template: str) -> Template:
    """Llama 3's own form for a vocabulary that has its marks, otherwise the file's chat template. Raises ModelFileError without either."""
    marks = _Llama3Marks.find(vocabulary)
    if marks is not None:
        return Llama3Template(vocabulary, marks)
    if not chat_template:
        raise ModelFileError(
            "The model file has no chat template, so questions cannot be put to it in the form it was trained on.",
            "Choose a model made for conversation ('Instruct' or 'Chat'), in a newer GGUF file.",
        )
    return FileTemplate(vocabulary, chat_template)


@dataclass(frozen=True, slots=True)
class _Llama3Marks:
    bos: int
    start: int
    end: int
    eot: int

    @classmethod
    def find(cls, vocabulary: Vocabulary) -> "_Llama3Marks | None":
        texts = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
        ids = [found for text in texts if (found := vocabulary.special_id(text)) is not None]
        return cls(*ids) if len(ids) == len(texts) else None


class Llama3Template:
    """Meta's form: header, blank line, the stripped words, `<|eot_id|>`. `count` is exact."""

    name = "llama-3"

    def __init__(self, vocabulary: Vocabulary, marks: _Llama3Marks) -> None:
        self._vocabulary = vocabulary
        self._marks = marks
        gap = vocabulary.tokenise("\n\n")
        self._headers = {role: [marks.start, *vocabulary.tokenise(role), marks.end, *gap] for role in _ROLES}

    def encode(self, turns: Sequence[Turn]) -> tuple[int, ...]:
        closed = turns[:-1] if _stays_open(turns) else turns
        ids = [self._marks.bos]
        for turn in closed:
            ids += self._turn(turn)
        ids += self._headers["assistant"]
        return (*ids, *(token for turn in turns[len(closed) :] for token in self._words(turn)))

    def count(self, turns: Sequence[Turn]) -> list[int]:
        return [len(self._turn(turn)) for turn in turns]

    def _turn(self, turn: Turn) -> list[int]:
        return [*self._headers[turn.role], *self._words(turn), self._marks.eot]

    def _words(self, turn: Turn) -> list[int]:
        return self._vocabulary.tokenise(turn.text.strip())


class FileTemplate:
    """The chat template that the model file brings, for families other than Llama 3.

    The template never sees people's words: it is rendered over placeholders that nobody can guess. What stands between them
    is the template's own and may become control tokens; the words, stripped, are tokenised on their own. Where a tokeniser
    would have merged the last character before a message with its first one, the ids differ from those of one long text.
    `count` adds to each turn the most that the template was seen to write between two: it may be too high, not too low.
    """

    name = "model"

    def __init__(self, vocabulary: Vocabulary, source: str) -> None:
        self._vocabulary = vocabulary
        try:
            self._template = _environment().from_string(source)
        except TemplateError as error:
            raise ModelFileError(f"The model file's chat template is damaged: {error}.", "Choose another model file.") from error
        probes = [self._literals(_conversation(*roles)) for roles in (("user",), ("system", "user", "assistant", "user"))]
        self._opening = max((probe[0] for probe in probes), key=len)
        self._closing = max((probe[-1] for probe in probes), key=len)
        self._between = max(len(literal) for probe in probes for literal in probe[1:])

    def encode(self, turns: Sequence[Turn]) -> tuple[int, ...]:
        if not turns:
            return tuple(self._with_one_bos([*self._opening, *self._closing]))
        pieces = list(self._pieces(turns))
        if _stays_open(turns):
            pieces.pop()  # what the template writes after the last turn
        ids = [token for piece in pieces for token in (self._literal(piece) if isinstance(piece, str) else self._words(piece))]
        return tuple(self._with_one_bos(ids))

    def count(self, turns: Sequence[Turn]) -> list[int]:
        return [len(self._words(turn)) + self._between for turn in turns]

    def _words(self, turn: Turn) -> list[int]:
        return self._vocabulary.tokenise(turn.text.strip())

    def _literals(self, turns: Sequence[Turn]) -> list[list[int]]:
        """Tokens of what the template writes before, between and after `turns`."""
        return [self._literal(piece) for piece in self._pieces(turns) if isinstance(piece, str)]

    def _literal(self, text: str) -> list[int]:
        return self._vocabulary.tokenise(text, special=True)

    def _with_one_bos(self, ids: list[int]) -> list[int]:
        bos = self._vocabulary.bos_id
        written = 0
        while written < len(ids) and ids[written] == bos:
            written += 1
        wanted = bos is not None and (written > 0 or self._vocabulary.adds_bos)
        return [bos, *ids[written:]] if wanted and bos is not None else ids[written:]

    def _pieces(self, turns: Sequence[Turn]) -> Iterator[str | Turn]:
        """The template's own texts and the turns, in the order in which the template writes them."""
        mark = f"q{secrets.token_hex(16)}q"
        names = [f"{mark}{index}{mark}" for index in range(len(turns))]
        messages = [{"role": turn.role, "content": name} for turn, name in zip(turns, names, strict=True)]
        rendered = self._render_or_fold(messages, names)
        for index, text in enumerate(re.split(f"{mark}([0-9]+){mark}", rendered)):
            yield turns[int(text)] if index % 2 else text

    def _render_or_fold(self, messages: list[dict[str, str]], names: list[str]) -> str:
        """Renders; where the template refuses or forgets a system turn, that turn's words go in front of the first question."""
        try:
            return self._render(messages, names)
        except RuntimeFailure:
            if messages[0]["role"] != "system":
                raise
            return self._render(_fold_system(messages), names)

    def _render(self, messages: list[dict[str, str]], names: list[str]) -> str:
        marks = {"bos_token": self._vocabulary.bos_text, "eos_token": self._vocabulary.eos_text}
        answering = messages[-1]["role"] != "assistant"
        try:
            rendered = self._template.render(messages=messages, add_generation_prompt=answering, **marks)
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise RuntimeFailure(
                f"The model's own chat template refuses this conversation: {error}.", "Start a new conversation, or choose another model."
            ) from error
        places = [rendered.find(name) for name in names]
        if -1 in places or places != sorted(places) or any(rendered.count(name) != 1 for name in names):
            raise RuntimeFailure("The model's own chat template leaves out or reorders messages.", "Choose another model.")
        return rendered


def _stays_open(turns: Sequence[Turn]) -> bool:
    return bool(turns) and turns[-1].role == "assistant"


def _conversation(*roles: Role) -> list[Turn]:
    return [Turn(role, "x") for role in roles]


def _fold_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    system, *rest = messages
    if not rest:
        return [{"role": "user", "content": system["content"]}]
    return [{"role": rest[0]["role"], "content": f"{system['content']}\n\n{rest[0]['content']}"}, *rest[1:]]


def _environment() -> ImmutableSandboxedEnvironment:
    # As transformers renders them: the templates were written for these settings. Sandboxed, because a model file is not trusted.
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
