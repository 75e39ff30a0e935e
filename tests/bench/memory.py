"""What a plan says of memory, against what the worker then takes, up to Med42 8B's own size; and what the worker does while nobody asks."""

import tempfile
import time
from contextlib import closing
from pathlib import Path

import psutil

from med42_chat.gguf import read_header
from med42_chat.records import Sampling
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import Request
from med42_chat.weights import hardware, plan
from tests.bench.rows import Row
from tests.model_files import llama3_shape
from tests.runtime.ways import one_way
from tests.shapes import OF_1B, Shape
from tests.vocabulary import llama3_vocabulary
from tests.weights.resident import OF_8B, OF_100M, resident
from tests.weights.sparse import write_sparse

_SHAPES = {"100m": (OF_100M, 8192), "1b": (OF_1B, 4096), "8b": (OF_8B, 1024)}  # with as many tokens as are read in a minute or two
_CONTEXT = 8192
_REST_S, _IDLE_S = 5.0, 20.0


def measure() -> list[Row]:
    """A row for each shape, whose context is full; the 8b takes about ten gigabytes for some minutes."""
    here = hardware.read(Path.cwd(), measure=False)
    return [*(_row(name, *shape, here) for name, shape in _SHAPES.items()), _further(here), _idle()]


def _row(name: str, shape: Shape, context: int, here: hardware.Hardware) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        model = write_sparse(Path(folder) / f"{name}.gguf", shape, llama3_vocabulary())
        planned = plan.memory(plan.of_header(read_header(model), here.features), here, plan.Way(0, context, "f16")).seen
        measured = resident(model, context, Path(folder))
    note = f"{planned / 1e9:.2f} GB planned, {measured / 1e9:.2f} GB measured"
    return Row(f"memory: how far the plan of the {name} is off", abs(planned / measured - 1), "", 0.05, "<=", note)


def _further(here: hardware.Hardware) -> Row:
    """What each answer that is made at the same time takes more."""
    with tempfile.TemporaryDirectory() as folder:
        model = write_sparse(Path(folder) / "100m.gguf", OF_100M, llama3_vocabulary())
        known = plan.of_header(read_header(model), here.features)
        one, four = (plan.memory(known, here, plan.Way(0, _CONTEXT, "f16", parallel)).seen for parallel in (1, 4))
        measured = resident(model, _CONTEXT, Path(folder), 4) - resident(model, _CONTEXT, Path(folder), 1)
    note = f"{(four - one) / 3e6:.0f} MB planned, {measured / 3e6:.0f} MB measured"
    return Row("memory: how far that of each further answer is off", abs((four - one) / measured - 1), "", 0.05, "<=", note)


def _idle() -> Row:
    """From when the answer that was last has been read once again."""
    with tempfile.TemporaryDirectory() as folder, closing(LocalRuntime(one_way(llama3_shape(), _CONTEXT), Path(folder))) as runtime:
        runtime.wait_until_loaded()
        list(runtime.generate(Request("1", (128000, *([5] * 63)), Sampling(max_tokens=16), 0)))
        time.sleep(_REST_S)
        process = psutil.Process(runtime.worker_pid)
        before = sum(process.cpu_times()[:2])
        time.sleep(_IDLE_S)
        share = (sum(process.cpu_times()[:2]) - before) / _IDLE_S
    return Row("idle: the worker's share of a processor", share, "", 0.01, "<=", f"over {_IDLE_S:.0f} s")
