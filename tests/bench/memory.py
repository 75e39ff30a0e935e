"""What a plan says of memory, against what the worker then takes, up to Med42 8B's own size."""

import tempfile
from pathlib import Path

from med42_chat.gguf import read_header
from med42_chat.weights import hardware, plan
from tests.bench.rows import Row
from tests.shapes import OF_1B, Shape
from tests.vocabulary import llama3_vocabulary
from tests.weights.resident import OF_8B, OF_100M, resident
from tests.weights.sparse import write_sparse

_CONTEXT = 8192


def measure() -> list[Row]:
    """A row for each shape; the 8b takes about ten gigabytes for a minute."""
    here = hardware.read(Path.cwd(), measure=False)
    return [_row(name, shape, here) for name, shape in (("100m", OF_100M), ("1b", OF_1B), ("8b", OF_8B))]


def _row(name: str, shape: Shape, here: hardware.Hardware) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        model = write_sparse(Path(folder) / f"{name}.gguf", shape, llama3_vocabulary())
        planned = plan.memory(plan.of_header(read_header(model), here.features), here, plan.Way(0, _CONTEXT, "f16")).seen
        measured = resident(model, _CONTEXT, Path(folder))
    note = f"{planned / 1e9:.2f} GB planned, {measured / 1e9:.2f} GB measured"
    return Row(f"memory: how far the plan of the {name} is off", abs(planned / measured - 1), "", 0.10, "<=", note)
