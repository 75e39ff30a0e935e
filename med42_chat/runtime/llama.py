"""llama.cpp through its C interface. With `llama_batch` the only file that knows it, and only the worker process imports this file.

`load` gives a `Model`: vocabulary and weights. `Model.context` gives the `LlamaContext` that the scheduler drives. What
llama.cpp has to say goes into a `Log`, never to a terminal. Pointers are freed by the end of the process, which is the only
end that a model has here.
"""

import ctypes
import os
import re
import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import llama_cpp
from llama_cpp import llama_cpp as native

from med42_chat.errors import ModelFileError, ModelTooLarge, RuntimeFailure
from med42_chat.runtime.context import Part
from med42_chat.runtime.llama_batch import Batch, Candidates, LlamaSampler, links, logits_of, looked_at, penalties
from med42_chat.runtime.protocol import Load, Override, Request
from med42_chat.runtime.tuning import ROOM, Choice, Tried, Tuning

BUILD = str(llama_cpp.__version__)
BATCH = 512  # tokens in one llama_decode, if nothing else is chosen; also how often a prefill looks for other work
_LLAMA3_STOPS = {"<|end_of_text|>", "<|eot_id|>"}
_ABORTED = 2
_WARNING, _ERROR = 3, 4  # GGML_LOG_LEVEL_WARN, GGML_LOG_LEVEL_ERROR
_ASSIGNED = re.compile(r"layer +\d+ assigned to device ([^,]+),")
_CACHE = re.compile(r"size = +[\d.]+ MiB .*, K \((\w+)\)")
_NO_MEMORY = re.compile(r"alloc|out of memory|OutOf\w*Memory", re.IGNORECASE)
Tune = Callable[[Callable[[Choice], Tried]], Tuning]  # finds out how to run a model, with what opens contexts on trial
_CACHE_TYPES = {"f16": native.GGML_TYPE_F16, "q8_0": native.GGML_TYPE_Q8_0, "q4_0": native.GGML_TYPE_Q4_0}
# On the processor, llama.cpp multiplies rows of a batch by fours, and its flash attention takes another way below 64 rows. A
# token's values are the same bits in every batch that respects both (measured with 0.3.36, held by a test). On graphics cards
# no such rule is known, and nothing is promised there.
_GRAIN, _LEAST_WITH_FLASH_ATTENTION = 4, 64
# Without flash attention the scores of so many tokens at a time lie in memory, for each head against all of the context.
_SCORED = 256
# What others wait for between two tokens of theirs. Shorter pieces would cost whoever reads his prompt more time than they give.
_BESIDE_ON_CPU, _BESIDE_ON_CARD = 64, 128


class Log:
    """Keeps llama.cpp's last warnings and errors, and what it says of the places that layers and caches got.

    llama.cpp has no call for the latter; its log is the only witness of where a model really is.
    """

    def __init__(self) -> None:
        self.problems: deque[str] = deque(maxlen=20)
        self.short_of_memory = False
        self.layers: Counter[str] = Counter()  # by device, the output among them
        self.cache_type = "f16"
        callback = native.llama_log_callback(self._take)
        # It must live as long as llama.cpp may call it, which is until the process ends: one reference is never given back.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(callback))
        native.llama_log_set(callback, None)

    def last(self) -> str:
        """The last problem on one line, for a message's detail. It begins with the name of a function, which tells nobody anything."""
        return re.sub(r"^\w+: ", "", self.problems[-1]) if self.problems else "no reason given"

    def _take(self, level: int, text: bytes, _data: object) -> None:
        line = text.decode(errors="replace").strip()
        if level in (_WARNING, _ERROR) and line:
            self.problems.append(line)
        if level == _ERROR and _NO_MEMORY.search(line):
            self.short_of_memory = True
        if found := _ASSIGNED.search(line):
            self.layers[found[1]] += 1
        elif found := _CACHE.search(line):
            self.cache_type = found[1]


class Stop:
    """A flag that another thread raises and that ends a running llama_decode."""

    def __init__(self) -> None:
        self._text = ctypes.create_string_buffer(2)
        self.callback = _native_callback(self._text) or native.ggml_abort_callback(lambda _data: self.raised)
        self.data = ctypes.cast(self._text, ctypes.c_void_p)

    @property
    def raised(self) -> bool:
        return self._text.raw[0] != 0

    def up(self) -> None:
        """Ends the decode that is running, or the next one."""
        self._text[0] = b"!"

    def down(self) -> None:
        """Lets decodes run again."""
        self._text[0] = b"\0"


def _native_callback(text: "ctypes.Array[ctypes.c_char]") -> Any:
    """libc's strlen as the abort callback: 0 for the empty text, 1 for one character, which is just what ggml asks for.

    ggml calls it before each of several hundred graph nodes per token. A Python function there would take the GIL each time
    and cost more than the scheduler's whole budget; strlen costs nothing. None where libc cannot be reached.
    """
    try:
        libc = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
        return ctypes.cast(libc.strlen, native.ggml_abort_callback)
    except (OSError, AttributeError):
        return None


class LlamaVocabulary:
    """The model's tokeniser. llama.cpp's is safe to call from several threads."""

    def __init__(self, model: Any) -> None:
        self._vocab = native.llama_model_get_vocab(model)
        self.size: int = native.llama_vocab_n_tokens(self._vocab)
        self.adds_bos = bool(native.llama_vocab_get_add_bos(self._vocab))
        bos = native.llama_vocab_bos(self._vocab)
        self.bos_id: int | None = bos if bos >= 0 else None
        self.bos_text = self._text(bos)
        self.eos_text = self._text(native.llama_vocab_eos(self._vocab))

    def tokenise(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of `text`, without BOS. A lone half of a surrogate pair is read as '?'."""
        data = text.encode(errors="replace")
        room = len(data) + 2  # a token is at least a byte; some tokenisers put a space in front
        ids = (ctypes.c_int32 * room)()
        count = native.llama_tokenize(self._vocab, data, len(data), ids, room, False, special)
        if count < 0:
            raise RuntimeFailure("The model's tokeniser cannot read this text.", "Shorten the text, or choose another model.")
        return ids[:count]

    def special_id(self, text: str) -> int | None:
        """The id of the control token written `text`, if there is one."""
        ids = self.tokenise(text, special=True)
        return ids[0] if len(ids) == 1 and self._is_special(ids[0]) else None

    def piece(self, token: int) -> bytes:
        """The bytes that a token writes; none for control tokens. Not always whole characters."""
        for room in (64, 4096):
            buffer = ctypes.create_string_buffer(room)
            length = native.llama_token_to_piece(self._vocab, token, buffer, room, 0, False)
            if length >= 0:
                return buffer.raw[:length]
        return b""

    def grammar(self, text: str) -> Any:
        """A sampler that lets only tokens through that continue a text of this grammar. Raises RuntimeFailure where it cannot be read."""
        link = native.llama_sampler_init_grammar(self._vocab, text.encode(errors="replace"), b"root")
        if not link:
            raise RuntimeFailure(
                "llama.cpp cannot read the form that the answer is to have.", "Please report this as a fault of the program."
            )
        return link

    def stop_ids(self) -> frozenset[int]:
        """Every token that ends an answer: the file's own, and Llama 3's two, which published files often leave out."""
        own = {token for token in range(self.size) if native.llama_vocab_is_eog(self._vocab, token)}
        return frozenset(own | {found for text in _LLAMA3_STOPS if (found := self.special_id(text)) is not None})

    def _is_special(self, token: int) -> bool:
        marks = native.LLAMA_TOKEN_ATTR_CONTROL | native.LLAMA_TOKEN_ATTR_USER_DEFINED
        return bool(native.llama_vocab_get_attr(self._vocab, token) & marks)

    def _text(self, token: int) -> str:
        return (native.llama_vocab_get_text(self._vocab, token) or b"").decode(errors="replace") if token >= 0 else ""


class Model:
    """Weights and vocabulary in memory, with one context that holds the conversations' KV caches."""

    def __init__(self, model: Any, context: Any, log: Log, stop: Stop, tuning: Tuning) -> None:
        self.vocabulary = LlamaVocabulary(model)
        self.parameters: int = native.llama_model_n_params(model)
        self.quantization = (native.llama_ftype_name(native.llama_model_ftype(model)) or b"unknown").decode()
        self.layers: int = native.llama_model_n_layer(model) + 1  # llama.cpp counts the output layer too when it offloads
        self.offloaded = {device: count for device, count in log.layers.items() if device != "CPU"}
        self.cache_type = log.cache_type
        self.tuning = tuning
        self.context = LlamaContext(context, self.vocabulary, stop, log, tuning, on_cpu=not self.offloaded)


def load(wanted: Load, log: Log, progress: Callable[[float], None], tune: Tune | None = None) -> Model:
    """Loads a file as `wanted`, which must name the threads. Raises ModelTooLarge where memory was short, else ModelFileError.

    `tune` is asked how it is to be run, and can open contexts on trial for that.
    """
    native.llama_backend_init()
    stop = Stop()
    model = _load_model(wanted, log, progress)
    tuning = tune(lambda choice: _trial(model, wanted, choice, log, stop)) if tune else Tuning(usual(wanted), ())
    context = native.llama_init_from_model(model, _context_params(wanted, tuning.choice, stop))
    if not context:
        why = "There is not enough memory for" if log.short_of_memory else "llama.cpp cannot make"
        raise ModelTooLarge(
            f"{why} {_in_words(wanted)} ({log.last()}).",
            "Close other programs, or choose a smaller context.",
        )
    return Model(model, context, log, stop, tuning)


def usual(wanted: Load) -> Choice:
    """How a model is run of which nothing is known.

    On the processor without flash attention, which only a cache of less than 16 bits needs: it is no faster there, and slower for the few
    tokens of a next question or of guesses, of which it wants at least 64 if the rest is to be used again.
    """
    return Choice(wanted.threads or 1, BATCH, wanted.gpu_layers > 0 or wanted.cache_type != "f16")


def _trial(model: Any, wanted: Load, choice: Choice, log: Log, stop: Stop) -> "LlamaContext":
    """A small context for one answer. Raises RuntimeFailure where there is no memory for it."""
    params = _context_params(replace(wanted, context=ROOM, parallel=1), choice, stop)
    if not (context := native.llama_init_from_model(model, params)):
        raise RuntimeFailure("There is not enough memory to try how the model runs best.", "Close other programs.")
    return LlamaContext(context, LlamaVocabulary(model), stop, log, Tuning(choice, ()), on_cpu=wanted.gpu_layers == 0)


def _in_words(wanted: Load) -> str:
    size = f"a context of {wanted.context:,} tokens"
    return size if wanted.parallel == 1 else f"{size} for each of {wanted.parallel} answers at once"


def _load_model(wanted: Load, log: Log, progress: Callable[[float], None]) -> Any:
    def report(fraction: float, _data: object) -> bool:
        progress(fraction)
        return True  # False would end the loading

    params = native.llama_model_default_params()
    callback = native.llama_progress_callback(report)
    params.progress_callback = callback
    params.load_mode = native.LLAMA_LOAD_MODE_MMAP
    params.n_gpu_layers = wanted.gpu_layers
    overrides = _overrides(wanted.overrides)
    params.kv_overrides = overrides
    model = native.llama_model_load_from_file(os.fsencode(wanted.file), params)
    if model:
        return model
    name = Path(wanted.file).name
    if log.short_of_memory:
        raise ModelTooLarge(f"There is not enough memory for {name} ({log.last()}).", "Close other programs, or choose a smaller model.")
    raise ModelFileError(f"llama.cpp cannot load {name}: {log.last()}.", "Choose another model file, or a newer version of this one.")


def _overrides(overrides: Sequence[Override]) -> Any:
    """The values as llama.cpp reads them: a table that ends with an empty key."""
    table = (native.llama_model_kv_override * (len(overrides) + 1))()
    for place, override in zip(table, overrides, strict=False):
        place.key = override.key.encode()
        match override.value:
            case bool(value):
                place.tag, place.value.val_bool = native.LLAMA_KV_OVERRIDE_TYPE_BOOL, value
            case int(value):
                place.tag, place.value.val_i64 = native.LLAMA_KV_OVERRIDE_TYPE_INT, value
            case float(value):
                place.tag, place.value.val_f64 = native.LLAMA_KV_OVERRIDE_TYPE_FLOAT, value
            case str(value):
                place.tag, place.value.val_str = native.LLAMA_KV_OVERRIDE_TYPE_STR, value.encode()
    return table


def _context_params(wanted: Load, choice: Choice, stop: Stop) -> Any:
    params = native.llama_context_default_params()
    params.n_ctx = wanted.context * wanted.parallel
    params.n_seq_max = wanted.parallel
    # A cache for each sequence, and not one for all: what comes out for a sequence depends, in its last bits, on the cells that it
    # lies in, so in a shared cache it would depend on what else was ever asked.
    params.kv_unified = False
    params.n_batch = choice.batch
    params.n_ubatch = choice.batch if choice.flash_attention else min(choice.batch, _SCORED)
    params.n_threads = params.n_threads_batch = choice.threads
    automatic, off = native.LLAMA_FLASH_ATTN_TYPE_AUTO, native.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.flash_attn_type = automatic if choice.flash_attention else off  # automatic: wherever all devices can
    params.type_k = params.type_v = _CACHE_TYPES[wanted.cache_type]
    params.abort_callback = stop.callback
    params.abort_callback_data = stop.data
    return params


class LlamaContext:
    """Sequences of tokens, each with its KV cache, and the sampling that follows them. For one thread, but for `interrupt`."""

    def __init__(self, context: Any, vocabulary: LlamaVocabulary, stop: Stop, log: Log, tuning: Tuning, *, on_cpu: bool) -> None:
        self._context = context
        self._memory = native.llama_get_memory(context)
        self._vocabulary = vocabulary
        self._stop = stop
        self._log = log
        self._batch = Batch(tuning.choice.batch)
        self._candidates = Candidates(vocabulary.size)
        self.sequences: int = native.llama_n_seq_max(context)
        self.size: int = native.llama_n_ctx_seq(context)
        self.batch = tuning.choice.batch
        self.beside = _BESIDE_ON_CPU if on_cpu else _BESIDE_ON_CARD
        self.grain, self.least = (_GRAIN, _LEAST_WITH_FLASH_ATTENTION if tuning.choice.flash_attention else _GRAIN) if on_cpu else (1, 1)
        self.stop_ids = vocabulary.stop_ids()
        self.costs: Mapping[int, float] = tuning.useful

    def interrupt(self) -> None:
        """Ends the decode that is running, from any thread."""
        self._stop.up()

    def resume(self) -> None:
        """Takes back interruptions that came so far."""
        self._stop.down()

    def decode(self, parts: Sequence[Part]) -> bool:
        """Adds each part (at most `batch` tokens in all); what follows its last token can then be sampled. False when interrupted.

        After False nothing of any part is kept. Raises RuntimeFailure when llama.cpp cannot.
        """
        code = native.llama_decode(self._context, self._batch.of(parts))
        if code == _ABORTED:
            for part in parts:
                self.forget(part.sequence, part.position)
            return False
        if code != 0:
            raise RuntimeFailure(
                f"llama.cpp could not go on (code {code}: {self._log.last()}).", "Ask again; if it happens again, restart."
            )
        return True

    def forget(self, sequence: int, position: int) -> None:
        """Removes everything of a sequence from `position` on."""
        if not native.llama_memory_seq_rm(self._memory, sequence, position, -1):
            raise RuntimeFailure("This model's memory cannot be shortened.", "Choose another model.")

    def copy(self, source: int, target: int, length: int) -> None:
        """Puts the first `length` tokens of one sequence in the place of all that another held."""
        native.llama_memory_seq_cp(self._memory, source, target, -1, -1)  # between caches of their own only wholly
        self.forget(target, length)

    def state_size(self, sequence: int) -> int:
        """Bytes that `state` gives."""
        return int(native.llama_state_seq_get_size(self._context, sequence))

    def state(self, sequence: int) -> bytearray:
        """All that a sequence holds, for `restore`."""
        state = bytearray(self.state_size(sequence))
        room = (ctypes.c_uint8 * len(state)).from_buffer(state)
        if native.llama_state_seq_get_data(self._context, room, len(state), sequence) != len(state):
            raise RuntimeFailure("llama.cpp cannot give out what it holds.", "Nothing is lost: it is read anew when it is needed.")
        return state

    def restore(self, sequence: int, state: bytearray) -> None:
        """Puts what a sequence once held in the place of all that this one holds."""
        room = (ctypes.c_uint8 * len(state)).from_buffer(state)
        if not native.llama_state_seq_set_data(self._context, room, len(state), sequence):
            raise RuntimeFailure("llama.cpp cannot take back what it once held.", "Nothing is lost: it is read anew.")

    def sampler(self, request: Request) -> LlamaSampler:
        """A chain that chooses tokens as the request says. Raises RuntimeFailure where its grammar cannot be read."""
        counted = penalties(request, self._vocabulary.size)
        held = [self._vocabulary.grammar(request.grammar)] if request.grammar else []
        chain = [*held, *counted, *links(request.sampling, request.seed)]
        return LlamaSampler(self._context, self._batch, self._candidates, chain, looked_at(request))

    def log_probability(self, place: int, token: int) -> float:
        """How likely the model itself held `token` at `place` of the last decode: a natural logarithm."""
        return self._candidates.log_probability(logits_of(self._context, self._batch.places[place], self._vocabulary.size), token)

    def piece(self, token: int) -> bytes:
        """The bytes that a token writes."""
        return self._vocabulary.piece(token)

    def wait(self) -> None:
        """Returns when what was decoded is computed."""
        native.llama_synchronize(self._context)

    def close(self) -> None:
        """Frees a context that was opened on trial."""
        native.llama_free(self._context)
