"""What guesses at copied words gain, and what a trial at the first loading does, each against the same without, in turn.

Run alone with `python -m tests.bench guesses`. In a process like the one that holds the model: in that of the bench, whose threads wait for
one another as llama.cpp does by itself, it came to no end beside other programs.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from med42_chat.records import Sampling
from med42_chat.runtime import llama
from med42_chat.runtime.process import environment
from med42_chat.runtime.protocol import Finished, Load, Request
from med42_chat.runtime.scheduler import Scheduler
from med42_chat.runtime.tuned import changes
from med42_chat.runtime.tuning import Choice, Trials, Tried, Tuning
from tests.bench.rows import Row
from tests.shapes import MEDIUM, write_shape

_ROUNDS = 5
_THREADS = 2
_FREE, _COPIED = 40, 60  # characters, which are tokens here


def measure() -> list[Row]:
    """What such a process measures."""
    done = subprocess.run([sys.executable, "-m", __name__], env=environment(), stdout=subprocess.PIPE, check=True)
    return [Row(**row) for row in json.loads(done.stdout)]


def _measured() -> list[Row]:
    """Rows for the 50 MB shape, whose tokens are bytes: a grammar makes it copy, and it cannot spell that otherwise."""
    with tempfile.TemporaryDirectory() as folder:
        model = write_shape(Path(folder) / "medium.gguf", MEDIUM)
        return [*_copying(model), _chosen(model)]


def _copying(model: Path) -> list[Row]:
    load = Load(str(model), 2048, _THREADS)
    context = llama.load(load, llama.Log(), _silent, lambda trial: Trials(trial).tune(llama.usual(load), [], _silent)).context
    context.stop_ids = frozenset()
    costs = context.costs
    note = ", ".join(f"{size}: {cost:g}" for size, cost in costs.items()) or "no guesses: several at once cost as much as one by one"
    rows = []
    for name, prompt, limit in (("copies 60 %", _prompt(True), 1.3), ("copies nothing", _prompt(False), 0.97)):
        times: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(_ROUNDS):
            for guessing, spent in times.items():
                context.costs = costs if guessing else {}
                spent.append(_seconds(context, prompt)[0])
        plain, guessed = (min(spent) for spent in times.values())  # whatever disturbs only makes slower
        rows.append(Row(f"answer that {name}: with guesses / without", plain / guessed, "×", limit, ">=", note))
    return rows


def _seconds(context: llama.LlamaContext, asked: Request) -> tuple[float, Finished]:
    """From the first token of an answer to its last."""
    scheduler = Scheduler(context)
    context.forget(0, 0)
    scheduler.submit(asked)
    began = 0.0
    while True:
        for _, event in scheduler.step():
            if isinstance(event, Finished):
                return time.perf_counter() - began, event
        began = began or (time.perf_counter() if scheduler.completed(asked.id) else 0.0)


def _prompt(copies: bool) -> Request:
    text = bytes(97 + (index * index * 7 + index // 3) % 26 for index in range(400)).decode()
    free = f"[a-z]{{{_FREE}}}"
    copied = [f'"{text[start : start + _COPIED]}"' if copies else f"[a-z]{{{_COPIED}}}" for start in (10, 200)]
    grammar = f"root ::= {free} {copied[0]} {free} {copied[1]}"
    return Request("a", (257, *text.encode()), Sampling(temperature=0, max_tokens=2 * (_FREE + _COPIED)), 1, grammar)


def _chosen(model: Path) -> Row:
    """Tokens per second as the trial chose over llama.cpp's usual way, both measured anew."""
    load = Load(str(model), 2048)
    usual = Choice(_THREADS, llama.BATCH, True)
    speeds: list[float] = []

    def tune(trial: Callable[[Choice], Tried]) -> Tuning:
        trials = Trials(trial)
        tuning = trials.tune(usual, list(changes(load, _THREADS, _THREADS)), _silent)
        speeds.append(trials.seconds(usual, time.perf_counter() + 60) / trials.seconds(tuning.choice, time.perf_counter() + 60))
        return tuning

    choice = llama.load(load, llama.Log(), _silent, tune).tuning.choice
    note = f"{choice.threads} threads, batch {choice.batch}, flash attention {'on' if choice.flash_attention else 'off'}"
    return Row("as the trial chose / as llama.cpp does by itself", speeds[0], "×", 0.95, ">=", note)


def _silent(_: float) -> None:
    return None


if __name__ == "__main__":
    print(json.dumps([asdict(row) for row in _measured()]))
