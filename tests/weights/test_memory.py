"""What a plan promises about memory, against what llama.cpp then takes."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from med42_chat.gguf import read_header
from med42_chat.records import Sampling
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import Request
from med42_chat.weights import hardware, plan
from tests.runtime.ways import one_way
from tests.shapes import Shape
from tests.vocabulary import llama3_vocabulary
from tests.weights.sparse import write_sparse

SHAPES = {
    "tiny": Shape(256, 2, 4, 2, 512),
    "100m": Shape(1024, 8, 16, 4, 2816, quantised=True),
    "1b": Shape(2048, 16, 32, 8, 8192, quantised=True),
}


@pytest.fixture(params=list(SHAPES))
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file of one shape with Llama 3's own vocabulary, gone again after the test."""
    path = write_sparse(tmp_path / f"{request.param}.gguf", SHAPES[request.param], llama3_vocabulary())
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def here() -> hardware.Hardware:
    return hardware.read(Path.cwd(), measure=False)


def resident(model: Path, context: int, cache: Path) -> int:
    """Bytes that the worker really holds after a long prompt."""
    runtime = LocalRuntime(one_way(model, context), cache)
    try:
        runtime.wait_until_loaded(120)
        list(runtime.generate(Request("1", (128000, *([5] * 63)), Sampling(max_tokens=1), 0)))
        worker = next(child for child in psutil.Process().children(recursive=True) if "med42_chat.runtime.worker" in child.cmdline())
        return worker.memory_info().rss
    finally:
        runtime.close()


@pytest.mark.model
def test_what_a_plan_says_of_memory_is_within_ten_per_cent_of_what_the_worker_takes(
    model: Path, here: hardware.Hardware, tmp_path: Path
) -> None:
    planned = plan.memory(plan.of_header(read_header(model), here.features), here, plan.Way(0, 8192, "f16"))
    measured = resident(model, 8192, tmp_path / "cache")
    assert planned.seen == pytest.approx(measured, rel=0.10)
