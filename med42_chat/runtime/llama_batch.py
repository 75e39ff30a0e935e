"""What one decode takes and what is chosen from it, as llama.cpp has them. Like `llama`, only for the worker process."""

from collections.abc import Sequence
from typing import Any

from llama_cpp import llama_cpp as native

from med42_chat.records import Sampling
from med42_chat.runtime.context import Part
from med42_chat.runtime.protocol import Request

_PENALTY_WINDOW = 64  # tokens that a repetition penalty looks back on, llama.cpp's own default


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
        """The batch, filled with `parts`."""
        index, self.places = 0, []
        for part in parts:
            known = len(part.tokens) - part.guessed
            for number, token in enumerate(part.tokens, 1):
                self._tokens[index] = token
                self._positions[index] = part.position + number - 1
                self._sequences[index][0] = part.sequence
                self._wanted[index] = number >= known
                if number >= known:
                    self.places.append(index)
                index += 1
        self._batch.n_tokens = index
        return self._batch


class LlamaSampler:
    """llama.cpp's own sampler chain. Must be closed: the chain lives outside Python's memory."""

    def __init__(self, context: Any, batch: Batch, links: Sequence[Any]) -> None:
        self._context = context
        self._batch = batch
        self._chain = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
        for link in links:
            native.llama_sampler_chain_add(self._chain, link)

    def sample(self, place: int) -> int:
        """The next token at `place` of the last decode."""
        return int(native.llama_sampler_sample(self._chain, self._context, self._batch.places[place]))

    def close(self) -> None:
        """Frees the chain."""
        native.llama_sampler_free(self._chain)


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
