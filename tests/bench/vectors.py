"""Search by meaning among 20,000 passages. Run alone with `python -m tests.bench vectors`.

The question's own vector is left out, whose time is the embedding model's. Vectors are at random: how near they are makes no difference.
"""

import random
import secrets
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

from med42_chat.library.vectors import Matrix
from med42_chat.records import Document, Page, Passage
from med42_chat.store.connection import KEY_BYTES
from med42_chat.store.database import Store
from tests.bench.rows import Row

PASSAGES, DIMENSIONS, SEARCHES = 20_000, 384, 200


def measure() -> list[Row]:
    """Reading all vectors out of the encrypted store, and finding the nearest."""
    chance = random.Random(0)
    with tempfile.TemporaryDirectory(prefix="med42-bench-") as folder, Store.open(Path(folder), secrets.token_bytes(KEY_BYTES)) as store:
        _fill(store, chance)
        began = _now()
        matrix = Matrix(store.vectors.all("bench"))
        read = _since(began)
    times = [_search(matrix, [chance.gauss(0, 1) for _ in range(DIMENSIONS)]) for _ in range(SEARCHES)]
    nearest = tuple(quantiles(one, n=20)[-1] for one in zip(*times, strict=True))
    return [_row("vectors: the nearest passages, p95", nearest, 25.0), _row("vectors: all read anew, after a change", read, 1000.0)]


def _row(name: str, measured: Sequence[float], limit: float) -> Row:
    wall, own = measured
    return Row(name, wall, "ms", limit, "<=", f"processor alone: {own:.1f} ms; {PASSAGES:,} passages, {DIMENSIONS} dimensions")


def _fill(store: Store, chance: random.Random) -> None:
    passages = tuple(Passage(number, None, (), f"Words {number}.", 0, 5) for number in range(1, PASSAGES + 1))
    store.documents.add(Document("Bench", "text/plain", (Page(None, "Words."),), passages), b"bench", "bench.txt")
    store.vectors.keep("bench", [(one, chance.randbytes(DIMENSIONS)) for one in store.vectors.missing("bench", 0, PASSAGES)])


def _search(matrix: Matrix, vector: list[float]) -> tuple[float, ...]:
    began = _now()
    matrix.nearest(vector, 100)
    return _since(began)


def _now() -> tuple[float, float]:
    """Seconds by the clock, and of the processor's work for this process, which another program does not lengthen."""
    return time.perf_counter(), time.process_time()


def _since(began: tuple[float, float]) -> tuple[float, ...]:
    """Milliseconds of both."""
    return tuple((now - then) * 1000 for now, then in zip(_now(), began, strict=True))
