"""Embedding models in a process of their own: real llama.cpp with random weights, so vectors have a length and no meaning."""

import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from gguf import PoolingType

from med42_chat.errors import ModelFileError, RuntimeFailure, WorkerDied
from med42_chat.runtime.embedder import LocalEmbedder, Vector
from tests.children import running
from tests.embedding_shapes import write_embedding
from tests.shapes import write_shape

TEXTS = ["noradrenaline in septic shock", "a", "", "ward round " * 300, "noradrenaline in septic shock"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_embedding(tmp_path_factory.mktemp("models") / "random.gguf")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., LocalEmbedder]]:
    made: list[LocalEmbedder] = []

    def starting(file: Path, **options: float) -> LocalEmbedder:
        made.append(LocalEmbedder(file, 1, tmp_path / "cache", **options))
        return made[-1]

    yield starting
    for embedder in made:
        embedder.close()


def length(vector: Vector) -> float:
    return math.sqrt(math.fsum(value * value for value in vector))


def alike(one: Vector, other: Vector) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


def processes() -> list[psutil.Process]:
    return running("med42_chat.runtime.embedding")


def check(vectors: Sequence[Vector], size: int = 64) -> None:
    assert [len(vector) for vector in vectors] == [size] * len(TEXTS)
    assert all(length(vector) == pytest.approx(1.0, abs=1e-5) for vector in vectors)
    assert alike(vectors[0], vectors[4]) == pytest.approx(1.0, abs=1e-3)  # other texts in the batch make no difference
    assert alike(vectors[0], vectors[1]) < 0.999


def test_each_text_gets_a_vector_of_length_one_whatever_its_own_length(start: Callable[..., LocalEmbedder], bert: Path) -> None:
    embedder = start(bert)
    check(embedder.embed(TEXTS))
    assert len(embedder.embed(["many small texts"] * 50)) == 50 and embedder.embed([]) == []
    assert len(embedder.model()) == 64


@pytest.mark.parametrize("pooling", [PoolingType.MEAN, PoolingType.LAST])
def test_a_model_of_the_kind_that_also_writes_can_be_used_too(
    start: Callable[..., LocalEmbedder], tmp_path: Path, pooling: PoolingType
) -> None:
    embedder = start(write_shape(tmp_path / "llama.gguf", pooling=pooling))
    check(embedder.embed(TEXTS))
    first, second = embedder.embed(["the same words"]), embedder.embed(["the same words"])
    assert alike(first[0], second[0]) == pytest.approx(1.0, abs=1e-4)  # nothing of one call is left for the next


def test_a_family_that_was_trained_with_words_before_a_question_gets_them(start: Callable[..., LocalEmbedder], tmp_path: Path) -> None:
    embedder = start(write_embedding(tmp_path / "nomic-embed-text-v1.5.Q8_0.gguf"))
    question, passage = embedder.embed(["sepsis"], question=True)[0], embedder.embed(["sepsis"])[0]
    assert alike(question, passage) < 0.9999
    assert alike(question, embedder.embed(["search_query: sepsis"])[0]) < 0.9999  # which itself gets the passage's words


@pytest.mark.parametrize("pooling", [None, PoolingType.NONE, PoolingType.RANK])
def test_a_file_that_is_no_embedding_model_is_told_once_and_not_started_again(
    start: Callable[..., LocalEmbedder], tmp_path: Path, pooling: PoolingType | None
) -> None:
    embedder = start(write_shape(tmp_path / "chat.gguf") if pooling is None else write_embedding(tmp_path / "bert.gguf", pooling))
    for _ in range(2):
        with pytest.raises(ModelFileError, match="not an embedding model") as caught:
            embedder.embed(["words"])
        assert "made for embeddings" in caught.value.hint and not processes()


def test_a_file_that_is_missing_or_damaged_is_told(start: Callable[..., LocalEmbedder], tmp_path: Path) -> None:
    missing = start(tmp_path / "gone.gguf")
    for ask in (missing.model, lambda: missing.embed(["words"])):
        with pytest.raises(ModelFileError, match="not there"):
            ask()
    (tmp_path / "damaged.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelFileError, match="cannot load"):
        start(tmp_path / "damaged.gguf").embed(["words"])


def test_a_process_that_dies_is_started_again_but_not_for_ever(start: Callable[..., LocalEmbedder], bert: Path) -> None:
    embedder = start(bert)
    for _ in range(2):
        embedder.embed(["words"])
        processes()[0].kill()
        with pytest.raises(WorkerDied):
            embedder.embed(["words"])
    assert embedder.embed(["words"])
    embedder._deaths = 2
    processes()[0].kill()
    with pytest.raises(WorkerDied):
        embedder.embed(["words"])
    with pytest.raises(RuntimeFailure, match="too often"):
        embedder.embed(["words"])
    assert not processes()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="a process cannot be made to hang on this system")
def test_a_process_that_hangs_is_ended(start: Callable[..., LocalEmbedder], bert: Path) -> None:
    embedder = start(bert)
    embedder.embed(["words"])
    os.kill(processes()[0].pid, signal.SIGSTOP)
    embedder._patience_s = 0.2
    began = time.monotonic()
    with pytest.raises(WorkerDied):
        embedder.embed(["words"])
    assert time.monotonic() - began < 10


def test_who_cannot_wait_is_told_that_it_is_busy(start: Callable[..., LocalEmbedder], bert: Path) -> None:
    embedder = start(bert)
    with embedder._turn, pytest.raises(RuntimeFailure, match="busy"):
        embedder.embed(["words"], wait_s=0.05)


def test_closing_ends_the_process_and_it_does_not_come_back(start: Callable[..., LocalEmbedder], bert: Path) -> None:
    embedder = start(bert)
    embedder.embed(["words"])
    embedder.close()
    embedder.close()
    assert not processes()
    with pytest.raises(RuntimeFailure):
        embedder.embed(["words"])
    with pytest.raises(RuntimeFailure):
        embedder.embed(["words"])
    assert not processes()


def test_no_text_stands_in_the_log_or_on_the_command_line(start: Callable[..., LocalEmbedder], bert: Path, tmp_path: Path) -> None:
    embedder = start(bert)
    embedder.embed(["Zebrafish"])
    assert "Zebrafish" not in " ".join(processes()[0].cmdline())
    assert "Zebrafish" not in (tmp_path / "cache" / "embedding.log").read_text()
