"""Choosing from the few likeliest tokens: what comes out is what llama.cpp's samplers choose from all."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from llama_cpp import llama_cpp as native

from med42_chat.records import Sampling
from med42_chat.runtime.llama_batch import Candidates, Logits, chain_of, links, looked_at, penalties, quiet
from med42_chat.runtime.protocol import Request

pytestmark = pytest.mark.model
SIZE = 128_256  # as many tokens as Llama 3 has
HOT = Sampling(temperature=1.5, top_p=1.0)
KINDS = [Sampling(), HOT, replace(HOT, top_k=40), replace(HOT, top_k=5, min_p=0.1), Sampling(temperature=0.0)]


def asked(sampling: Sampling, grammar: str = "") -> Request:
    return Request("one", tuple(range(500, 600)), sampling, 7, grammar)


@contextmanager
def chain(request: Request) -> Iterator[Any]:
    made = chain_of([*penalties(request, SIZE), *links(request.sampling, request.seed)])
    yield made
    native.llama_sampler_free(made)


def from_all(chain: Any, logits: Logits) -> int:
    """What the chain chooses from a table of all tokens, which is what llama.cpp shows it by itself."""
    table = np.zeros(len(logits), [("id", np.int32), ("logit", np.float32), ("p", np.float32)])
    table["id"], table["logit"] = np.arange(len(logits)), logits
    data = ctypes.cast(table.ctypes.data, ctypes.POINTER(native.llama_token_data))
    array = native.llama_token_data_array(data=data, size=len(logits), selected=-1, sorted=False)
    native.llama_sampler_apply(chain, ctypes.byref(array))
    token = int(table[array.selected]["id"])
    native.llama_sampler_accept(chain, token)
    return token


def some_logits(number: int, width: float) -> Logits:
    return np.random.default_rng(number).normal(0, width, SIZE).astype(np.float32)


@pytest.mark.parametrize("penalty", [1.0, 1.3])
@pytest.mark.parametrize("sampling", KINDS, ids=str)
def test_the_tokens_are_those_that_are_chosen_from_all(sampling: Sampling, penalty: float) -> None:
    request = asked(replace(sampling, repeat_penalty=penalty))
    candidates = Candidates(SIZE)
    with chain(request) as one, chain(request) as other:
        for number in range(12):
            logits = some_logits(number, 0.5 + number / 4)
            logits[590:600] += 4.0  # of what a penalty makes less likely, some is likely
            assert candidates.choose(one, logits, looked_at(request)) == from_all(other, logits)


def test_a_penalty_lets_those_in_that_were_not_among_the_likeliest_before() -> None:
    request = asked(Sampling(temperature=0.0, repeat_penalty=2.0))
    logits = some_logits(1, 1.0)
    logits[536:600], logits[SIZE - 1] = 20.0, 19.0  # all that the penalty looks back on, and the next after them
    with chain(request) as made:
        assert Candidates(SIZE).choose(made, logits, looked_at(request)) == SIZE - 1


def test_tokens_that_are_equally_likely_are_all_looked_at() -> None:
    request = asked(replace(HOT, top_k=4))
    logits = np.zeros(SIZE, np.float32)
    with chain(request) as one, chain(request) as other:
        assert Candidates(SIZE).choose(one, logits, looked_at(request)) == from_all(other, logits)


@pytest.mark.parametrize("sampling", [replace(HOT, top_k=0), replace(HOT, repeat_penalty=0.9)], ids=["no top-k", "a reward"])
def test_what_may_choose_any_token_is_shown_all(sampling: Sampling) -> None:
    assert looked_at(asked(sampling)) == 0
    assert looked_at(asked(Sampling(), 'root ::= "yes"')) == 0


@pytest.mark.parametrize(("size", "value"), [(262, 0.0), (SIZE, np.nan)], ids=["a small vocabulary", "no numbers"])
def test_where_that_is_of_no_use_nothing_is_chosen_here(size: int, value: float) -> None:
    with chain(asked(HOT)) as made:
        assert Candidates(size).choose(made, np.full(size, value, np.float32), 150) is None
        assert Candidates(size).choose(made, np.zeros(size, np.float32), 0) is None


@pytest.mark.parametrize("shift", [0.0, 60.0, 5000.0, -60.0, -5000.0], ids=str)
@pytest.mark.parametrize("width", [0.1, 3.0, 30.0], ids=str)
def test_log_probabilities_are_right_wherever_logits_lie(width: float, shift: float) -> None:
    logits = some_logits(5, width) + np.float32(shift)
    logits[7] = -np.inf
    exact = logits.astype(np.float64)
    exact -= exact.max()
    exact -= np.log(np.exp(exact).sum())
    candidates = Candidates(SIZE)
    with quiet():
        for token in (0, int(logits.argmax()), SIZE - 1):
            assert candidates.log_probability(logits, token) == pytest.approx(exact[token], abs=2e-3 if abs(shift) > 100 else 1e-4)
        assert candidates.log_probability(logits, 7) == -np.inf
