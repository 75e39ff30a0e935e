"""A fresh encrypted store for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from med42_chat.store.database import Store
from tests.store.samples import KEY


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store.open(home, KEY) as opened:
        yield opened
