"""What the program costs on top of llama.cpp, and what the KV cache saves, each against a counterpart in the same run."""

import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from llama_cpp import llama_cpp as native

from med42_chat.chat import Chat
from med42_chat.events import Delta
from med42_chat.records import Sampling, Turn
from med42_chat.runtime import llama
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import Finished, Load, Request
from med42_chat.runtime.scheduler import Scheduler
from med42_chat.store.database import Store
from tests.bench.rows import Row
from tests.runtime.ways import one_way

_TOKENS = 256
_ROUNDS = 10
_THREADS = 2
_CONTEXT = 4096
_QUESTION = "What should be checked before this medicine is started, and how often afterwards? " * 8
_LONG = "The patient was seen on the ward this morning and felt a little better than the day before. " * 104  # about 2,000 tokens
_SAMPLING = Sampling(max_tokens=_TOKENS)


def measure(model: Path) -> list[Row]:
    """Rows for `model`, a random-weight file of the 100m shape."""
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder), bytes(32)) as store:
        rows = [_decoding(model, store, Path(folder)), _second_turn(model, store, Path(folder))]
        return [*rows, _together(model, Path(folder)), _stall(model), _log_probabilities(model, Path(folder))]


def _runtime(model: Path, cache: Path, parallel: int = 1) -> LocalRuntime:
    runtime = LocalRuntime(one_way(model, _CONTEXT, _THREADS, parallel), cache)
    runtime.wait_until_loaded()
    return runtime


def _decoding(model: Path, store: Store, cache: Path) -> Row:
    """Tokens per second through Chat.ask over those of a bare loop; both answer the same prompt with the same seed, in turn."""
    runtime = _runtime(model, cache)
    bare = BareLoop(model)
    chat = Chat(store.conversations, runtime, "You are a careful assistant.", _SAMPLING, seed=1)
    prompt = runtime.encode([Turn("system", chat.system), Turn("user", _QUESTION.strip())])
    try:
        pairs = [(_asked_speed(chat), _rested(lambda: bare.speed(prompt, seed=1))) for _ in range(_ROUNDS + 1)][1:]  # the first warms up
    finally:
        runtime.close()
    asked, alone = (max(speeds) for speeds in zip(*pairs, strict=True))  # whatever disturbs only makes slower
    note = f"{asked:.1f} against {alone:.1f} tokens/s"
    return Row("decoding: Chat.ask / bare llama.cpp loop", asked / alone, "×", 0.98, ">=", note)


def _rested(measure: Callable[[], float]) -> float:
    """The figure of a machine on which the worker has ended its idle work on the last answer."""
    time.sleep(1.5)
    return measure()


def _asked_speed(chat: Chat) -> float:
    """Tokens per second as the reader of the events sees them."""
    id = chat.conversations.create().id  # type: ignore[attr-defined]
    times = [time.perf_counter() for event in chat.ask(id, _QUESTION.strip()) if isinstance(event, Delta)]
    usage = chat.conversations.branch(id)[-1].evidence.usage  # type: ignore[union-attr]
    assert usage.completion_tokens == _TOKENS, "a random model does not stop by itself"
    return (_TOKENS - 1) / (times[-1] - times[0])


def _second_turn(model: Path, store: Store, cache: Path) -> Row:
    """Time to the first token of turn 2 after 2,000 tokens, over the same prompt's in a runtime that has seen nothing."""
    ratios, notes = [], []
    for _ in range(3):
        runtime = _runtime(model, cache)
        chat = Chat(store.conversations, runtime, "You are a careful assistant.", Sampling(max_tokens=32), seed=1)
        id = store.conversations.create().id
        list(chat.ask(id, _LONG))
        list(chat.ask(id, "And tomorrow?"))
        warm = store.conversations.branch(id)[-1].evidence
        turns = [Turn("system", chat.system), *(Turn(one.role, one.text) for one in store.conversations.branch(id)[:-1])]
        prompt = runtime.encode(turns)
        runtime.close()
        cold_runtime = _runtime(model, cache)
        cold = _first_token(cold_runtime, prompt)
        cold_runtime.close()
        assert warm is not None and warm.usage.prompt_tokens == len(prompt)
        ratios.append(warm.timings.first_token_s / cold)
        notes.append(f"{warm.timings.first_token_s * 1000:.0f} ms against {cold * 1000:.0f} ms, {len(prompt)} tokens")
    middle = statistics.median(ratios)
    return Row("first token of turn 2 / the same prompt cold", middle, "×", 0.10, "<=", notes[ratios.index(middle)])


def _first_token(runtime: LocalRuntime, prompt: tuple[int, ...]) -> float:
    *_, end = runtime.generate(Request("cold", prompt, Sampling(max_tokens=16), 1))
    assert isinstance(end, Finished) and end.usage.cached_tokens == 0
    return end.timings.first_token_s


def _together(model: Path, cache: Path) -> Row:
    """Tokens per second of four answers at once, over those of the same four one after another."""
    with closing(_runtime(model, cache, parallel=4)) as runtime, ThreadPoolExecutor(4) as pool:
        asked = [Request(str(salt), _bytes(64, salt), Sampling(max_tokens=_TOKENS), 1) for salt in range(4)]
        ratios = []
        for _ in range(4):
            began = time.perf_counter()
            for one in asked:
                _answered(runtime, one)
            middle = time.perf_counter()
            list(pool.map(lambda one: _answered(runtime, one), asked))
            ratios.append((middle - began) / (time.perf_counter() - middle))
    return Row("four answers at once / one after another", statistics.median(ratios[1:]), "×", 1.1, ">=")


def _stall(model: Path) -> Row:
    """The most decodes from one token of an answer to its next while another's 4,000 tokens are read."""
    context = llama.load(Load(str(model), _CONTEXT, _THREADS, parallel=2), llama.Log(), lambda _: None).context
    context.stop_ids = frozenset()
    scheduler = Scheduler(context)
    scheduler.submit(Request("written", _bytes(64, 1), Sampling(max_tokens=4000), 1))
    while not scheduler.completed("written"):
        scheduler.step()
    scheduler.submit(Request("read", _bytes(4000, 2), Sampling(max_tokens=1), 1))
    steps, stalls, longest = 0, [0], 0.0
    before, since, ended = scheduler.completed("written"), time.perf_counter(), False
    while not ended:
        ended = any(name == "read" and isinstance(event, Finished) for name, event in scheduler.step())
        steps += 1
        if (now := scheduler.completed("written")) > before:
            stalls.append(steps)
            longest = max(longest, time.perf_counter() - since)
            before, steps, since = now, 0, time.perf_counter()
    note = f"{len(stalls) - 1} tokens written meanwhile, the longest pause {longest * 1000:.0f} ms"
    return Row("longest stall while 4,000 tokens are read beside", max(stalls), "decodes", 2, "<=", note)


def _log_probabilities(model: Path, cache: Path) -> Row:
    """Decoding speed with the log-probabilities of the chosen tokens over that without, in turn."""
    with closing(_runtime(model, cache)) as runtime:
        asked = Request("a", _bytes(64, 1), Sampling(max_tokens=_TOKENS), 1)
        pairs = [
            tuple(_answered(runtime, replace(asked, log_probabilities=wanted)).timings.tokens_per_s for wanted in (True, False))
            for _ in range(_ROUNDS)
        ]
    return Row("decoding with log-probabilities / without", statistics.median(one / other for one, other in pairs), "×", 0.98, ">=")


def _bytes(length: int, salt: int) -> tuple[int, ...]:
    """A prompt of tokens that a random model answers at full length as well as any."""
    return tuple((index * 7 + salt) % 250 for index in range(length))


def _answered(runtime: LocalRuntime, asked: Request) -> Finished:
    *_, end = runtime.generate(asked)
    assert isinstance(end, Finished) and end.usage.completion_tokens == asked.sampling.max_tokens, "a random model does not stop by itself"
    return end


class BareLoop:
    """llama.cpp and nothing else: one context, one sampler chain, one token after the other."""

    def __init__(self, model: Path) -> None:
        native.llama_backend_init()
        self._quiet = native.llama_log_callback(lambda level, text, data: None)
        native.llama_log_set(self._quiet, None)
        params = native.llama_model_default_params()
        params.n_gpu_layers = 0
        self._model = native.llama_model_load_from_file(str(model).encode(), params)
        context = native.llama_context_default_params()
        context.n_ctx, context.n_batch, context.n_ubatch = _CONTEXT, 512, 512
        context.n_threads = context.n_threads_batch = _THREADS
        context.flash_attn_type = native.LLAMA_FLASH_ATTN_TYPE_DISABLED  # as the program does on the processor
        self._context = native.llama_init_from_model(self._model, context)

    def speed(self, prompt: tuple[int, ...], seed: int) -> float:
        """Tokens per second after the first, over 256 tokens."""
        native.llama_memory_clear(native.llama_get_memory(self._context), True)
        chain = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
        links: list[Callable[[], object]] = [
            lambda: native.llama_sampler_init_top_k(_SAMPLING.top_k),
            lambda: native.llama_sampler_init_temp(_SAMPLING.temperature),
            lambda: native.llama_sampler_init_top_p(_SAMPLING.top_p, 1),
            lambda: native.llama_sampler_init_min_p(_SAMPLING.min_p, 1),
            lambda: native.llama_sampler_init_dist(seed),
        ]
        for link in links:
            native.llama_sampler_chain_add(chain, link())
        self._decode(prompt)
        token = native.llama_sampler_sample(chain, self._context, -1)
        started = time.perf_counter()
        for _ in range(_TOKENS - 1):
            self._decode((token,))
            token = native.llama_sampler_sample(chain, self._context, -1)
        elapsed = time.perf_counter() - started
        native.llama_sampler_free(chain)
        return (_TOKENS - 1) / elapsed

    def _decode(self, tokens: tuple[int, ...]) -> None:
        array = (native.llama_token * len(tokens))(*tokens)
        assert native.llama_decode(self._context, native.llama_batch_get_one(array, len(tokens))) == 0
