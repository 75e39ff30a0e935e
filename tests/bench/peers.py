"""The program beside llama.cpp's own: one answer, one prompt, four answers at once. Run alone with `python -m tests.bench peers`.

The same file, threads, context, batch and attention on both sides, in turn; of each the best of some rounds counts, for whatever disturbs
only makes slower. llama-bench and llama-batched-bench choose no tokens, they only compute; the others choose as Med42's card says.
"""

import json
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

import psutil
from llama_cpp import Llama

from med42_chat.records import Sampling
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import Finished, Request
from tests.bench import llama_tools
from tests.bench.rows import Row
from tests.model_files import llama3_shape
from tests.runtime.ways import one_way

_ROUNDS = 6
_THREADS = 2
_CONTEXT = 2048  # tokens, for each of four
_BEFORE, _WRITTEN = 64, 128  # tokens of a prompt and its answer
_READ = 1024  # tokens of a long prompt
_AT_ONCE = 4
_SAMPLING = Sampling(max_tokens=_WRITTEN)
_BATCH = ("--batch-size", "512", "--ubatch-size", "512")
_PLAIN = (*_BATCH, "--flash-attn", "off")  # as the program does on the processor; llama-server does as it likes
_NOT_BUILT = "not built: make bench-peers"
Speed = Callable[[], float]  # measures tokens per second


def measure() -> list[Row]:
    """Rows for two Llama-3 shapes with random weights, which next to never stop by themselves."""
    rows = []
    for shape in ("100m", "1b"):
        with tempfile.TemporaryDirectory() as folder:
            beside = _Beside(shape, Path(folder))
            rows += [*beside.alone(), *beside.together()]
    return rows


class _Beside:
    """The program and its peers with one model."""

    def __init__(self, shape: str, cache: Path) -> None:
        self._shape = shape
        self._cache = cache
        self._model = llama3_shape(shape)
        self._salt = count()

    def alone(self) -> list[Row]:
        """One answer at a time."""
        with closing(LocalRuntime(one_way(self._model, _CONTEXT, _THREADS), self._cache)) as runtime:
            rows = [self._row("decoding", "llama-cpp-python's chat", 1.0, lambda: self._written(runtime), _chat(self._model))]
            if not llama_tools.built():
                return [*rows, self._row("reading", "llama-bench", 0.98)]
            return [*rows, self._row("reading", "llama-bench", 0.98, lambda: self._read(runtime), self._bench)]

    def together(self) -> list[Row]:
        """Four answers at once, from the first question to the last word."""
        if not llama_tools.built():
            return [self._row("four at once", peer, 0.95) for peer in ("llama-batched-bench", "llama-server")]
        with ExitStack() as stack:
            runtime = stack.enter_context(closing(LocalRuntime(one_way(self._model, _CONTEXT, _THREADS, _AT_ONCE), self._cache)))
            sizes = ["--parallel", str(_AT_ONCE), "--ctx-size", str(_AT_ONCE * _CONTEXT)]
            address = stack.enter_context(llama_tools.server(self._model, _THREADS, *sizes, *_BATCH))
            return [
                self._row("four at once", "llama-batched-bench", 0.95, lambda: self._four(runtime), self._batched),
                self._row("four at once", "llama-server", 0.95, lambda: self._four(runtime), lambda: self._served(address)),
            ]

    def _row(self, what: str, peer: str, limit: float, ours: Speed | None = None, theirs: Speed | None = None) -> Row:
        name = f"{what}, {self._shape}: ours / {peer}"
        if ours is None or theirs is None:
            return Row(name, None, "×", limit, ">=", _NOT_BUILT)
        pairs = [(ours(), theirs()) for _ in range(_ROUNDS)]
        here, there = (max(speeds) for speeds in zip(*pairs, strict=True))
        return Row(name, here / there, "×", limit, ">=", f"{here:.1f} against {there:.1f} tokens/s")

    def _written(self, runtime: LocalRuntime) -> float:
        self._warm_up(runtime)
        return _answered(runtime, self._asked(_BEFORE)).timings.tokens_per_s

    def _read(self, runtime: LocalRuntime) -> float:
        self._warm_up(runtime)
        return _READ / _answered(runtime, self._asked(_READ, 1)).timings.first_token_s

    def _bench(self) -> float:
        return llama_tools.bench(self._model, _THREADS, "--n-prompt", str(_READ), "--n-gen", "0", *_PLAIN)

    def _four(self, runtime: LocalRuntime) -> float:
        self._warm_up(runtime)
        return _together(lambda asked: _answered(runtime, asked), self._four_asked())

    def _served(self, address: str) -> float:
        _served(address, self._asked(_BEFORE, 1))
        return _together(lambda asked: _served(address, asked), self._four_asked())

    def _batched(self) -> float:
        sizes = ("-c", str(_AT_ONCE * _CONTEXT), "-npp", str(_BEFORE), "-ntg", str(_WRITTEN), "-npl", str(_AT_ONCE))
        return _AT_ONCE * _WRITTEN / llama_tools.batched(self._model, _THREADS, *sizes, *_PLAIN)

    def _four_asked(self) -> list[Request]:
        return [self._asked(_BEFORE) for _ in range(_AT_ONCE)]

    def _warm_up(self, runtime: LocalRuntime) -> None:
        """A short question before the one that counts, as llama.cpp's own benchmarks begin with: an idle processor needs a moment."""
        _rest(runtime)
        _answered(runtime, self._asked(_BEFORE, 1))

    def _asked(self, length: int, written: int = _WRITTEN) -> Request:
        """A prompt that begins like no other, so that nothing of it is in a cache."""
        salt = next(self._salt)
        prompt = (128000, 1000 + salt, *((index * 7 + salt) % 250 for index in range(length - 2)))
        return Request(str(salt), prompt, Sampling(max_tokens=written), salt)


def _rest(runtime: LocalRuntime) -> None:
    """Returns when the model's process does nothing any more: after an answer it reads it once again."""
    runtime.wait_until_loaded()
    process = psutil.Process(runtime.worker_pid)
    while process.cpu_percent(0.3) > 5:
        pass


def _answered(runtime: LocalRuntime, asked: Request) -> Finished:
    *_, end = runtime.generate(asked)
    assert isinstance(end, Finished) and end.usage.completion_tokens == asked.sampling.max_tokens, "a random model does not stop by itself"
    return end


def _served(address: str, asked: Request) -> None:
    """An answer by llama-server, read as it streams, as ours is."""
    sampling = {"temperature": _SAMPLING.temperature, "top_k": _SAMPLING.top_k, "top_p": _SAMPLING.top_p, "min_p": _SAMPLING.min_p}
    more = {"samplers": ["top_k", "temperature", "top_p", "min_p"], "ignore_eos": True, "cache_prompt": False, "stream": True}
    body = {"prompt": asked.prompt, "n_predict": asked.sampling.max_tokens, "seed": asked.seed, **sampling, **more}
    with urllib.request.urlopen(f"{address}/completion", json.dumps(body).encode()) as stream:
        *_, last = (line for line in stream if line.startswith(b"data: "))
    assert json.loads(last.removeprefix(b"data: "))["tokens_predicted"] == asked.sampling.max_tokens


def _together(answer: Callable[[Request], object], asked: list[Request]) -> float:
    """Tokens per second of all, from the first question to the end of the last answer."""
    with ThreadPoolExecutor(len(asked)) as pool:
        began = time.perf_counter()
        list(pool.map(answer, asked))
        return len(asked) * _WRITTEN / (time.perf_counter() - began)


def _chat(model: Path) -> Speed:
    """llama-cpp-python's own chat, as a reader of its stream sees it."""
    threads = {"n_threads": _THREADS, "n_threads_batch": _THREADS}
    llama = Llama(str(model), n_ctx=_CONTEXT, n_batch=512, chat_format="llama-3", verbose=False, **threads)
    sampling = {"temperature": _SAMPLING.temperature, "top_k": _SAMPLING.top_k, "top_p": _SAMPLING.top_p, "min_p": _SAMPLING.min_p}
    turns = [{"role": "user", "content": "What should be checked before this medicine is started, and how often afterwards? " * 3}]
    seeds = count()

    def speed() -> float:
        parts = llama.create_chat_completion(turns, stream=True, max_tokens=_WRITTEN, seed=next(seeds), **sampling)
        times, end = [], ""
        for part in parts:
            (choice,) = part["choices"]
            times += [time.perf_counter()] if "content" in choice["delta"] else []
            end = choice["finish_reason"]
        assert end == "length", "a random model does not stop by itself"
        return (_WRITTEN - 1) / (times[-1] - times[0])

    return speed
