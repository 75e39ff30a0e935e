"""A first meeting with a server: what kind it is, which model it has, how large its context is, in which form it takes a prompt.

Asks only with words of its own: nothing of a person's is sent here. A server may have less than its kind does, behind a proxy that lets
only some addresses through; then it is taken as it is.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from med42_chat.errors import ModelFileError, RuntimeFailure
from med42_chat.records import ModelInfo
from med42_chat.runtime.estimate import tokens_at_most
from med42_chat.runtime.remote_http import Absent, Line, Unreachable
from med42_chat.runtime.remote_server import (
    LLAMA_CPP,
    LLAMA_CPP_PYTHON,
    OTHER,
    VLLM,
    ByTurns,
    Exact,
    Form,
    Kind,
    RemoteVocabulary,
    Server,
    amount,
    entry_of,
    identity_of,
    not_understood,
    plain,
)
from med42_chat.runtime.template import choose_template

_KEPT_TEXTS = 1024  # whose tokens are remembered: a conversation's are asked for once
_IN_MARK = re.compile(r"(?<=<)(?=\|)")


@dataclass(frozen=True, slots=True)
class _Told:
    """What a server says of itself beyond the list of its models. `context` is in tokens, if it is a number above 0."""

    kind: Kind
    form: Form
    context: object = None
    about: str = ""
    quantization: str = ""
    estimated: bool = False


class Meeting:
    """Finds out what is at the other end of a line. `context` is the size wanted, `wanted` the model's name where there are several.

    `busy` says whether an answer is being streamed now.
    """

    def __init__(self, line: Line, context: int, wanted: str, busy: Callable[[], bool]) -> None:
        self._line, self._context, self._wanted, self._busy = line, context, wanted, busy

    def meet(self) -> Server:
        """The server as it is now. Raises RuntimeFailure's kinds."""
        entry = entry_of(self._get("/v1/models"), self._wanted, self._line.address.host)
        try:
            told = self._told(entry)
            return Server(told.kind, told.form, self._model(entry, told), str(entry["id"]), identity_of(entry))
        except (TypeError, AttributeError, LookupError, ValueError) as error:  # it says something, and not in the form that it has to have
            raise not_understood(self._line.address.host) from error

    def _told(self, entry: Mapping[str, Any]) -> _Told:
        try:
            match entry.get("owned_by"):
                case "llamacpp":
                    return self._llama_cpp(entry)
                case "vllm":
                    return self._vllm(entry)
            return self._llama_cpp_python(entry)
        except Absent:  # no tokeniser, or none that is let through
            return _Told(OTHER, ByTurns(tokens_at_most, goes_on=False), estimated=True)

    def _llama_cpp(self, entry: Mapping[str, Any]) -> _Told:
        props = self._perhaps("/props")
        vocabulary = self._llama_cpp_vocabulary(props)
        form: Form
        try:
            form = Exact(choose_template(vocabulary, str(props.get("chat_template") or "")), _stop_ids(vocabulary))
        except ModelFileError:  # neither Llama 3's marks nor a template that could be filled in here: the server has to
            form = ByTurns(vocabulary.count, goes_on=False)
        context = (props.get("default_generation_settings") or entry.get("meta") or {}).get("n_ctx")
        return _Told(LLAMA_CPP, form, context, str(props.get("build_info") or ""), str(props.get("model_ftype") or ""))

    def _llama_cpp_vocabulary(self, props: Mapping[str, Any]) -> RemoteVocabulary:
        @lru_cache(_KEPT_TEXTS)
        def tokens(text: str, special: bool) -> tuple[int, ...]:
            return self._ids("/tokenize", {"content": text, "add_special": False, "parse_special": special})

        bos_text, eos_text = str(props.get("bos_token") or ""), str(props.get("eos_token") or "")
        bos = tokens(bos_text, True) if bos_text else ()
        first = self._ids("/tokenize", {"content": "", "add_special": True})
        return RemoteVocabulary(tokens, bos[0] if len(bos) == 1 else None, bos_text, eos_text, adds_bos=bool(first) and first == bos)

    def _vllm(self, entry: Mapping[str, Any]) -> _Told:
        @lru_cache(_KEPT_TEXTS)
        def tokens(text: str, special: bool) -> tuple[int, ...]:
            # It always takes '<|' … '|>' for a control token: what stands in a text is asked for in two pieces there.
            pieces = [text] if special else _IN_MARK.split(text)
            asked = ({**named, "prompt": piece, "add_special_tokens": False} for piece in pieces)
            return tuple(id for one in asked for id in self._ids("/tokenize", one))

        named = {"model": entry["id"]}
        vocabulary = RemoteVocabulary(tokens)
        form: Form = ByTurns(vocabulary.count, goes_on=True)
        if vocabulary.special_id("<|eot_id|>") is not None:
            form = Exact(choose_template(vocabulary, ""), _stop_ids(vocabulary))
        return _Told(VLLM, form, entry.get("max_model_len"), str(self._perhaps("/version").get("version") or ""))

    def _llama_cpp_python(self, entry: Mapping[str, Any]) -> _Told:
        @lru_cache(_KEPT_TEXTS)
        def tokens(text: str, special: bool) -> tuple[int, ...]:
            return (0,) * amount(self._get("/extras/tokenize/count", {"input": text, "model": entry["id"]})["count"])

        vocabulary = RemoteVocabulary(tokens)
        vocabulary.count("one")  # raises Absent where it is another kind of server
        # While it answers, it must not be asked: it would stop answering.
        form = ByTurns(lambda text: tokens_at_most(text) if self._busy() else vocabulary.count(text), goes_on=False)
        return _Told(LLAMA_CPP_PYTHON, form)

    def _get(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        return self._line.wait(self._line.get(path, body))

    def _ids(self, path: str, body: Mapping[str, object]) -> tuple[int, ...]:
        """Token ids that the server gives. Raises RuntimeFailure's kinds."""
        try:
            return tuple(amount(id) for id in self._get(path, body)["tokens"])
        except (TypeError, LookupError, ValueError) as error:
            raise not_understood(self._line.address.host) from error

    def _perhaps(self, path: str) -> Mapping[str, Any]:
        """What the server says at an endpoint that it need not have; nothing where it says nothing of use."""
        try:
            answer = self._get(path)
        except Unreachable:
            raise
        except RuntimeFailure:
            return {}
        return answer if isinstance(answer, dict) else {}

    def _model(self, entry: Mapping[str, Any], told: _Told) -> ModelInfo:
        meta, size = entry.get("meta") or {}, told.context if isinstance(told.context, int) and told.context > 0 else 0
        return ModelInfo(
            name=_name(str(entry["id"])),
            path="",
            sha256="",
            size_bytes=_number(meta, "size"),
            architecture="",
            quantization=plain(told.quantization),
            parameters=_number(meta, "n_params"),
            vocabulary=_number(meta, "n_vocab"),
            context_trained=_number(meta, "n_ctx_train"),
            context=min(self._context, size) if size else self._context,
            template=told.form.template.name,
            stop_ids=(),
            device=f"server {self._line.address.host} ({'; '.join(_remarks(told))})",
            layers=0,
            layers_offloaded=0,
            threads=0,
            build="",
            load_s=0.0,
            cache_type="",
            server=self._line.address.host,
            warnings=tuple(self._warnings(told, size)),
        )

    def _warnings(self, told: _Told, size: int) -> Iterator[str]:
        host = self._line.address.host
        if not size:
            yield f"{host} does not say how large its context is: {self._context:,} tokens are taken, as in the settings. Check it."
        if self._line.address.way == "open":
            yield f"What is sent to {host} is not encrypted: everybody on the way can read it."
        if told.estimated:
            yield f"{host} does not count tokens: they are estimated, rather too many, so that less fits into the context."


def _remarks(told: _Told) -> Iterator[str]:
    """What an answer's evidence is to say of where the model ran, and of what was different there."""
    yield plain(f"{told.kind.name} {told.about}")
    if told.kind.not_passed():
        yield f"not told: {', '.join(told.kind.not_passed())}"
    if told.estimated:
        yield "tokens of the prompt estimated"
    elif isinstance(told.form, ByTurns):
        yield "tokens of the prompt counted without its template, rather too many"


def _stop_ids(vocabulary: RemoteVocabulary) -> list[int]:
    ids = [vocabulary.special_id(text) for text in ("<|end_of_text|>", "<|eot_id|>")]
    return [id for id in ids if id is not None]


def _number(meta: Mapping[str, Any], name: str) -> int:
    value = meta.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def _name(id: str) -> str:
    """A model's name for people: of a file on the server without the folders there."""
    file = id.replace("\\", "/").rsplit("/", 1)[-1]
    return plain(file.removesuffix(".gguf") if file.endswith(".gguf") else id)
