"""Models for the runtime's tests, written once per run, and a runtime that always ends."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from med42_chat.runtime.local import LocalRuntime
from tests.runtime.ways import one_way
from tests.shapes import MEDIUM, SMALL, TINY, write_shape
from tests.vocabulary import llama3_vocabulary


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that loads in a moment, with bytes for tokens."""
    return write_shape(tmp_path_factory.mktemp("models") / "tiny.gguf", TINY)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fast model that is quantised as real ones are."""
    return write_shape(tmp_path_factory.mktemp("models") / "small.gguf", SMALL)


@pytest.fixture(scope="session")
def medium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model slow enough to be stopped in the middle of something."""
    return write_shape(tmp_path_factory.mktemp("models") / "medium.gguf", MEDIUM)


@pytest.fixture(scope="session")
def vocabulary() -> Path:
    """The real Llama-3 vocabulary."""
    return llama3_vocabulary()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., LocalRuntime]]:
    """Starts runtimes, and closes them after the test."""
    runtimes = []

    def make(model: Path, context: int = 8192, parallel: int = 1) -> LocalRuntime:
        runtimes.append(LocalRuntime(one_way(model, context, parallel=parallel), tmp_path / "cache"))
        return runtimes[-1]

    yield make
    for runtime in runtimes:
        runtime.close()
