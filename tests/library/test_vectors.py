"""Vectors: how near they stay to themselves when they are kept, and which are found."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med42_chat.library.vectors import Matrix, packed

VECTORS = st.lists(st.floats(-1, 1, width=32), min_size=8, max_size=8).filter(lambda vector: max(map(abs, vector)) > 0.01)


def signed(data: bytes) -> list[int]:
    return [byte - 256 if byte > 127 else byte for byte in data]


def cosine(one: list[float], other: list[float] | list[int]) -> float:
    lengths = math.hypot(*one) * math.hypot(*other)
    return math.fsum(a * b for a, b in zip(one, other, strict=True)) / lengths


@given(VECTORS)
def test_a_vector_that_was_kept_points_where_it_did(vector: list[float]) -> None:
    assert cosine(vector, signed(packed(vector))) > 0.999


def test_a_vector_of_nothing_does_no_harm() -> None:
    assert packed([0.0, 0.0]) == b"\0\0"
    assert Matrix([(1, b"\0\0"), (2, b"\x01\0")]).nearest([1.0, 0.0], 2) == [2, 1]


@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_come_first_as_if_each_had_been_compared_by_hand(seed: int) -> None:
    chance = random.Random(seed)
    vectors = {id: [chance.gauss(0, 1) for _ in range(16)] for id in chance.sample(range(1000), 60)}
    asked = [chance.gauss(0, 1) for _ in range(16)]
    kept = {id: packed(vector) for id, vector in vectors.items()}
    expected = sorted(kept, key=lambda id: -cosine(asked, signed(kept[id])))
    matrix = Matrix(list(kept.items()))
    assert matrix.nearest(asked, 10) == expected[:10] and matrix.nearest(asked, 500) == expected
    among = set(expected[::3])
    assert matrix.nearest(asked, 10, among) == expected[::3][:10]
    assert matrix.nearest(asked, 10, ()) == [] and matrix.nearest(asked, 0) == []


def test_of_an_empty_library_nothing_is_near() -> None:
    assert Matrix([]).nearest([1.0], 5) == []
