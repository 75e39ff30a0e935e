"""What guesses at copied words gain, and what a trial at the first loading does, each against the same without, in turn.

Run alone with `python -m tests.bench guesses`. In a process like the one that holds the model: in that of the bench, whose threads wait for
one another as llama.cpp does by itself, it came to no end beside other programs.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path

from med42_chat.records import Sampling
from med42_chat.runtime import llama
from med42_chat.runtime.context import Sampler
from med42_chat.runtime.process import environment
from med42_chat.runtime.protocol import Finished, Load, Request
from med42_chat.runtime.scheduler import Scheduler
from med42_chat.runtime.tuned import changes
from med42_chat.runtime.tuning import Choice, Trials, Tried, Tuning
from tests.bench.rows import Row
from tests.model_files import llama3_shape
from tests.shapes import MEDIUM, write_shape

_ROUNDS = 5
_THREADS = 2
_SOURCES = 600  # tokens of the prompt
_FREE, _COPIED = 40, 60  # tokens of each stretch of an answer, of which two follow each other twice
_SAMPLING = Sampling(max_tokens=2 * (_FREE + _COPIED))


def measure() -> list[Row]:
    """What such a process measures."""
    for shape in ("100m", "1b"):
        llama3_shape(shape)  # which fetches the vocabulary where it is not here, as only the bench itself may
    done = subprocess.run([sys.executable, "-m", __name__], env=environment(), stdout=subprocess.PIPE, check=True)
    return [Row(**row) for row in json.loads(done.stdout)]


def _measured() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        chosen = _chosen(write_shape(Path(folder) / "medium.gguf", MEDIUM))
    return [*_copying("100m"), *_copying("1b"), chosen]


@dataclass
class _Told:
    """A real sampler, which chooses, and an answer that is given whatever it chose: weights without sense copy nothing by themselves."""

    sampler: Sampler
    answer: Sequence[int]
    given: int = 0

    def sample(self, place: int) -> int:
        self.sampler.sample(place)
        self.given += 1
        return self.answer[self.given - 1]

    def close(self) -> None:
        self.sampler.close()


def _copying(shape: str) -> list[Row]:
    """Rows for an answer that is written in as many decodes as it takes, each with its choices, from the first token to the last."""
    load = Load(str(llama3_shape(shape)), 2048, _THREADS)
    context = llama.load(load, llama.Log(), _silent, lambda trial: Trials(trial).tune(llama.usual(load), [], _silent)).context
    context.stop_ids = frozenset()
    costs = context.costs
    note = ", ".join(f"{size}: {cost:g}" for size, cost in costs.items()) or "no guesses: several at once cost as much as one by one"
    rows = []
    for name, copies, limit in (("copies 60 %", True, 1.3), ("copies nothing", False, 0.97)):
        times: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(_ROUNDS):
            for guessing, spent in times.items():
                context.costs = costs if guessing else {}
                spent.append(_seconds(context, copies))
        plain, guessed = (min(spent) for spent in times.values())  # whatever disturbs only makes slower
        rows.append(Row(f"answer that {name}, {shape}: with guesses / without", plain / guessed, "×", limit, ">=", note))
    return rows


def _seconds(context: llama.LlamaContext, copies: bool) -> float:
    """From the first token of an answer to its last."""
    prompt, answer = _texts(copies)
    scheduler, sampler = Scheduler(context), context.sampler
    context.forget(0, 0)
    context.sampler = lambda request: _Told(sampler(request), answer)  # type: ignore[assignment, method-assign, return-value]
    try:
        scheduler.submit(Request("a", prompt, _SAMPLING, 1))
        began = 0.0
        while True:
            for _, event in scheduler.step():
                if isinstance(event, Finished):
                    assert event.usage.completion_tokens == len(answer)
                    return time.perf_counter() - began
            began = began or (time.perf_counter() if scheduler.completed("a") else 0.0)
    finally:
        context.sampler = sampler  # type: ignore[method-assign]


def _texts(copies: bool) -> tuple[tuple[int, ...], list[int]]:
    """A prompt, and an answer that takes two stretches from it or none."""
    chance, new = random.Random(1), count(20_000)
    sources = [chance.randrange(1000, 20_000) for _ in range(_SOURCES)]
    answer: list[int] = []
    for start in (100, 400):
        answer += [next(new) for _ in range(_FREE)]
        answer += sources[start : start + _COPIED] if copies else [next(new) for _ in range(_COPIED)]
    return (128000, *sources), answer


def _chosen(model: Path) -> Row:
    """Tokens per second as the trial chose over llama.cpp's usual way, both measured anew."""
    load = Load(str(model), 2048)
    usual = Choice(_THREADS, llama.BATCH, True)  # llama.cpp's own
    speeds: list[float] = []

    def tune(trial: Callable[[Choice], Tried]) -> Tuning:
        trials = Trials(trial)
        tuning = trials.tune(llama.usual(replace(load, threads=_THREADS)), list(changes(load, _THREADS, _THREADS)), _silent)
        speeds.append(trials.seconds(usual, time.perf_counter() + 60) / trials.seconds(tuning.choice, time.perf_counter() + 60))
        return tuning

    choice = llama.load(load, llama.Log(), _silent, tune).tuning.choice
    note = f"{choice.threads} threads, batch {choice.batch}, flash attention {'on' if choice.flash_attention else 'off'}"
    return Row("as the trial chose / as llama.cpp does by itself", speeds[0], "×", 0.95, ">=", note)


def _silent(_: float) -> None:
    return None


if __name__ == "__main__":
    print(json.dumps([asdict(row) for row in _measured()]))
