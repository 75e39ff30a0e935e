"""What a plan promises about memory, against what llama.cpp then takes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from med42_chat.gguf import read_header
from med42_chat.weights import hardware, plan
from tests.vocabulary import llama3_vocabulary
from tests.weights.resident import OF_1B, OF_100M, TINY, resident
from tests.weights.sparse import write_sparse

SHAPES = {"tiny": TINY, "100m": OF_100M, "1b": OF_1B}


@pytest.fixture(params=list(SHAPES))
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file of one shape with Llama 3's own vocabulary, gone again after the test."""
    path = write_sparse(tmp_path / f"{request.param}.gguf", SHAPES[request.param], llama3_vocabulary())
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def here() -> hardware.Hardware:
    return hardware.read(Path.cwd(), measure=False)


@pytest.mark.model
def test_what_a_plan_says_of_memory_is_within_ten_per_cent_of_what_the_worker_takes(
    model: Path, here: hardware.Hardware, tmp_path: Path
) -> None:
    planned = plan.memory(plan.of_header(read_header(model), here.features), here, plan.Way(0, 8192, "f16"))
    measured = resident(model, 8192, tmp_path / "cache")
    assert planned.seen == pytest.approx(measured, rel=0.10)
