"""What one decode takes and what is chosen from it, as llama.cpp has them. Like `llama`, only for the worker process."""

import ctypes
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from llama_cpp import llama_cpp as native

from med42_chat.records import Sampling
from med42_chat.runtime.context import Part
from med42_chat.runtime.protocol import Request

_PENALTY_WINDOW = 64  # tokens that a repetition penalty looks back on, llama.cpp's own default
Logits = npt.NDArray[np.float32]
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])  # llama_token_data
# The tokens are dealt into so many heaps for each that is wanted: with more of them fewer are let through in vain.
_HEAPS, _FEWEST_HEAPS = 8, 1024
_LEAST_SUM = 1e-20  # of the odds: below it what they are summed from has lost digits


class Batch:
    """The tokens of one decode as llama.cpp reads them. `places` are those behind which a token can be sampled."""

    def __init__(self, size: int) -> None:
        self._batch = native.llama_batch_init(size, 0, 1)
        # ctypes makes a new object each time that a structure's pointer is read, which shows in a loop over tokens.
        self._tokens, self._positions, self._wanted = self._batch.token, self._batch.pos, self._batch.logits
        self._sequences = [self._batch.seq_id[index] for index in range(size)]
        for index in range(size):
            self._batch.n_seq_id[index] = 1
        self.places: list[int] = []

    def of(self, parts: Sequence[Part]) -> Any:
        """The batch, filled with `parts`: by their sequences, however they are given.

        llama.cpp computes together what stands in rising sequences that follow each other, and the rest after it: in another order four
        tokens took a quarter longer.
        """
        index, places = 0, {}
        for at, part in sorted(enumerate(parts), key=lambda one: one[1].sequence):
            known = len(part.tokens) - part.guessed
            places[at] = range(index + known - 1, index + len(part.tokens))
            for number, token in enumerate(part.tokens, 1):
                self._tokens[index] = token
                self._positions[index] = part.position + number - 1
                self._sequences[index][0] = part.sequence
                self._wanted[index] = number >= known
                index += 1
        self.places = [place for at in range(len(parts)) for place in places[at]]
        self._batch.n_tokens = index
        return self._batch


class Candidates:
    """Of all tokens those few that a sampler can choose at all, as llama.cpp takes them, and how likely each of all is.

    By itself llama.cpp fills a table with all 128,000 for each that is chosen, and sorts it by buckets: much beside a decode on a graphics
    card, and for several answers at once. To find those first that can be among the likeliest takes less than half of that time.
    """

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary = vocabulary
        self._room = np.zeros(vocabulary, _CANDIDATE)
        self._odds = np.empty(vocabulary, np.float32)  # half a megabyte of new memory for each token would cost more than the arithmetic
        pointer = ctypes.cast(self._room.ctypes.data, ctypes.POINTER(native.llama_token_data))
        self._table = native.llama_token_data_array(data=pointer)

    def choose(self, chain: Any, logits: Logits, wanted: int) -> int | None:
        """What `chain` chooses, which must not look beyond the `wanted` likeliest tokens. None where all are as good to look at."""
        likeliest = self._likeliest(logits, wanted) if wanted else ()
        if len(likeliest) < max(wanted, 1):
            return None
        table = self._room[: len(likeliest)]
        table["id"], table["logit"] = likeliest, logits[likeliest]
        self._table.size, self._table.selected, self._table.sorted = len(likeliest), -1, False
        native.llama_sampler_apply(chain, ctypes.byref(self._table))
        token = int(table["id"][self._table.selected])
        native.llama_sampler_accept(chain, token)
        return token

    def log_probability(self, logits: Logits, token: int) -> float:
        """How likely the model itself held `token`: a natural logarithm.

        Sums beyond what 32 bits hold show themselves; to take the highest from all first would be safe, and cost half as much again.
        NumPy warns of them except under `quiet`, which is for the caller, once: here it would cost a tenth.
        """
        total = float(np.exp(logits, out=self._odds).sum())
        if not _LEAST_SUM < total < math.inf:
            highest = float(logits.max())
            return float(logits[token]) - highest - math.log(float(np.exp(logits - highest, out=self._odds).sum()))
        return float(logits[token]) - math.log(total)

    def _likeliest(self, logits: Logits, wanted: int) -> Sequence[int] | npt.NDArray[np.intp]:
        """At least the `wanted` likeliest tokens in their order; fewer in a small vocabulary, or where logits are no numbers."""
        heaps = max(wanted * _HEAPS, _FEWEST_HEAPS)
        rounds = self.vocabulary // heaps
        if rounds < 2:
            return ()
        # So many heaps have a token that is at least as likely as this, so the tokens that are wanted are, too.
        highest = logits[: rounds * heaps].reshape(rounds, heaps).max(axis=0)
        return np.flatnonzero(logits >= np.partition(highest, -wanted)[-wanted])


def quiet() -> AbstractContextManager[object]:
    """Under it NumPy says nothing of sums beyond what 32 bits hold, which `Candidates.log_probability` sees for itself."""
    return np.errstate(over="ignore")


class LlamaSampler:
    """llama.cpp's own sampler chain. Must be closed: the chain lives outside Python's memory."""

    def __init__(self, context: Any, batch: Batch, candidates: Candidates, links: Sequence[Any], wanted: int) -> None:
        self._context = context
        self._batch = batch
        self._candidates = candidates
        self._wanted = wanted
        self._chain = chain_of(links)

    def sample(self, place: int) -> int:
        """The next token at `place` of the last decode."""
        row = self._batch.places[place]
        token = self._candidates.choose(self._chain, logits_of(self._context, row, self._candidates.vocabulary), self._wanted)
        return int(native.llama_sampler_sample(self._chain, self._context, row)) if token is None else token

    def close(self) -> None:
        """Frees the chain."""
        native.llama_sampler_free(self._chain)


def chain_of(links: Sequence[Any]) -> Any:
    """A chain of samplers, which owns them."""
    chain = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
    for link in links:
        native.llama_sampler_chain_add(chain, link)
    return chain


def logits_of(context: Any, row: int, vocabulary: int) -> Logits:
    """What the model holds of each token behind a row of the last decode. Good until the next decode."""
    # Not np.ctypeslib.as_array, which takes longer than to find the likeliest.
    address = ctypes.addressof(native.llama_get_logits_ith(context, row).contents)
    return np.frombuffer(memoryview(_floats(vocabulary).from_address(address)), np.float32)


@cache
def _floats(count: int) -> type[ctypes.Array[ctypes.c_float]]:
    return ctypes.c_float * count


def looked_at(request: Request) -> int:
    """How many of the likeliest tokens the chain for `request` looks at; 0 where it may look at all."""
    sampling = request.sampling
    likeliest = 1 if sampling.temperature <= 0 else max(sampling.top_k, 0)
    if request.grammar or not likeliest or sampling.repeat_penalty < 1:
        return 0
    # A penalty makes less likely what stands in its window, and so many others come in its place.
    return likeliest + (_PENALTY_WINDOW if sampling.repeat_penalty > 1 else 0)


def penalties(request: Request, vocabulary: int) -> list[Any]:
    """Repetition counts from the end of the prompt on. The rest of the chain must not see the prompt: a grammar would end the process."""
    if request.sampling.repeat_penalty == 1:
        return []
    link = native.llama_sampler_init_penalties(vocabulary, _PENALTY_WINDOW, request.sampling.repeat_penalty, 0.0, 0.0)
    for token in request.prompt[-_PENALTY_WINDOW:]:
        native.llama_sampler_accept(link, token)
    return [link]


def links(sampling: Sampling, seed: int) -> list[Any]:
    """The chain in the order of the library that Med42's card samples with: temperature before top-p, which is narrower than
    llama.cpp's usual order. (Before or after top-k is the same, and after it is cheaper.) Temperature 0 is greedy.
    """
    if sampling.temperature <= 0:
        return [native.llama_sampler_init_greedy()]
    return [
        native.llama_sampler_init_top_k(sampling.top_k),
        native.llama_sampler_init_temp(sampling.temperature),
        native.llama_sampler_init_top_p(sampling.top_p, 1),
        native.llama_sampler_init_min_p(sampling.min_p, 1),
        native.llama_sampler_init_dist(seed),
    ]
