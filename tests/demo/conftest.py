"""The demonstration model's recipe is a folder of scripts, not a package; its parts that need no PyTorch are tested here."""

import random
import sys
from pathlib import Path

import pytest

RECIPE = Path(__file__).resolve().parents[2] / "models" / "demo"
sys.path.insert(0, str(RECIPE))  # its scripts import each other by bare names, as they do when recipe.py is run

from dialogues import Corpus, load  # noqa: E402
from grounded import Stock, load_stock  # noqa: E402


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """The project's own corpus."""
    return load(RECIPE / "corpus")


@pytest.fixture(scope="session")
def stock(corpus: Corpus) -> Stock:
    """What invented documents are made of."""
    return load_stock(RECIPE / "corpus" / "sources.toml", corpus)


@pytest.fixture
def rng() -> random.Random:
    """Chance with a fixed seed."""
    return random.Random(7)
