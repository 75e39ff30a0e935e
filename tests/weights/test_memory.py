"""What a plan promises about memory, against what llama.cpp then takes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from med42_chat.gguf import read_header
from med42_chat.runtime.embedder import LocalEmbedder
from med42_chat.weights import hardware, plan
from tests.embedding_shapes import Sizes, write_embedding
from tests.shapes import OF_1B, Shape
from tests.vocabulary import llama3_vocabulary
from tests.weights.resident import OF_100M, TINY, held_by, resident
from tests.weights.sparse import write_sparse

WIDE = Shape(1024, 8, 16, 16, 2816, quantised=True)  # with a cache that is large for its weights
SHAPES = {"tiny": (TINY, 8192), "100m": (OF_100M, 4096), "1b": (OF_1B, 1024)}  # with as many tokens as are soon read


@pytest.fixture(params=list(SHAPES))
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A file of one shape with Llama 3's own vocabulary, gone again after the test, and a context for it."""
    shape, context = SHAPES[request.param]
    path = write_sparse(tmp_path / f"{request.param}.gguf", shape, llama3_vocabulary())
    yield path, context
    path.unlink()


@pytest.fixture(scope="module")
def here() -> hardware.Hardware:
    return hardware.read(Path.cwd(), measure=False)


@pytest.mark.model
def test_what_a_plan_says_of_memory_is_within_ten_per_cent_of_what_the_worker_takes(
    model: tuple[Path, int], here: hardware.Hardware, tmp_path: Path
) -> None:
    file, context = model
    planned = plan.memory(plan.of_header(read_header(file), here.features), here, plan.Way(0, context, "f16"))
    measured = resident(file, context, tmp_path / "cache")
    assert planned.seen == pytest.approx(measured, rel=0.10)


@pytest.mark.model
def test_room_for_answers_at_once_is_planned_within_ten_per_cent(here: hardware.Hardware, tmp_path: Path) -> None:
    model = write_sparse(tmp_path / "wide.gguf", WIDE, llama3_vocabulary())
    described = plan.of_header(read_header(model), here.features)
    planned, alone = (plan.memory(described, here, plan.Way(0, 2048, "f16", parallel)).seen for parallel in (4, 1))
    assert planned > 1.3 * alone
    assert planned == pytest.approx(resident(model, 2048, tmp_path / "cache", 4), rel=0.10)


@pytest.mark.model
@pytest.mark.parametrize("sizes", [Sizes(), Sizes(384, 6, 12, 1536, 512)], ids=["tiny", "small"])
def test_what_is_set_aside_for_an_embedding_model_is_within_ten_per_cent_of_what_it_takes(sizes: Sizes, tmp_path: Path) -> None:
    file = write_embedding(tmp_path / "embedding.gguf", sizes=sizes)
    embedder = LocalEmbedder(file, 1, tmp_path / "cache")
    try:
        embedder.embed(["a b c d " * 200] * 16)
        assert plan.beside(read_header(file)) == pytest.approx(held_by("med42_chat.runtime.embedding"), rel=0.10)
    finally:
        embedder.close()
