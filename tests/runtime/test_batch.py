"""The tokens of one decode in llama.cpp's own structure."""

import pytest

from med42_chat.runtime.context import Part
from med42_chat.runtime.llama_batch import Batch

pytestmark = pytest.mark.model


def test_sequences_stand_in_rising_order_however_they_are_given_and_places_are_those_of_the_parts() -> None:
    """In another order llama.cpp computes them in several pieces, one after the other."""
    batch = Batch(16)
    filled = batch.of([Part(3, 7, [70]), Part(0, 5, [50, 51, 52], guessed=2), Part(2, 9, [90, 91])])
    rows = range(filled.n_tokens)
    assert [filled.seq_id[row][0] for row in rows] == [0, 0, 0, 2, 2, 3]
    assert [(filled.token[row], filled.pos[row]) for row in rows] == [(50, 5), (51, 6), (52, 7), (90, 9), (91, 10), (70, 7)]
    assert [filled.logits[row] for row in rows] == [1, 1, 1, 0, 1, 1]
    assert batch.places == [5, 0, 1, 2, 4]
