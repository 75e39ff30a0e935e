"""The promise of the evidence: the same request gives the same tokens on the CPU, however much of it was cached."""

from pathlib import Path

import pytest

from med42_chat.records import Sampling
from med42_chat.runtime import llama
from med42_chat.runtime.protocol import CacheType, Finished, Load, Request
from med42_chat.runtime.scheduler import Scheduler

pytestmark = pytest.mark.model
Tokens = list[int]


class Model:
    """A real model behind a scheduler, with the tokens that it chose."""

    def __init__(self, path: Path, cache_type: CacheType) -> None:
        model = llama.load(Load(str(path), 2048, 1, cache_type=cache_type), llama.Log(), lambda _: None)
        self.context = model.context
        self.context.stop_ids = frozenset()  # so that every answer is as long as it is asked to be
        self._piece = model.context.piece
        self.context.piece = self._note  # type: ignore[method-assign]
        self.chosen: Tokens = []
        self.restart()

    def restart(self) -> None:
        for number in range(self.context.sequences):
            self.context.forget(number, 0)
        self.scheduler = Scheduler(self.context)

    def _note(self, token: int) -> bytes:
        self.chosen.append(token)
        return self._piece(token)

    def answer(self, prompt: Tokens, sampling: Sampling) -> tuple[Tokens, int]:
        """The tokens of an answer, and how many of the prompt's came from the cache."""
        self.chosen = []
        self.scheduler.submit(Request("a", tuple(prompt), sampling, 5))
        while True:
            for _, event in self.scheduler.step():
                if isinstance(event, Finished):
                    return self.chosen, event.usage.cached_tokens

    def rest(self) -> None:
        while self.scheduler.busy:
            self.scheduler.step()


@pytest.fixture(scope="module", params=["f16", "q8_0"])
def loaded(request: pytest.FixtureRequest, medium: Path) -> Model:
    return Model(medium, request.param)


def prompt_of(length: int, salt: int = 0) -> Tokens:
    return [257, *((index * 7 + salt) % 250 for index in range(length - 1))]


SAMPLINGS = [Sampling(temperature=0, max_tokens=16), Sampling(temperature=0.8, top_k=0, top_p=1, max_tokens=16)]


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("before", [202, 140])
def test_an_answer_does_not_depend_on_what_was_asked_before(loaded: Model, sampling: Sampling, before: int) -> None:
    prompt = prompt_of(203)
    loaded.restart()
    alone, cached = loaded.answer(prompt, sampling)
    assert cached == 0
    loaded.restart()
    loaded.answer(prompt[:before] + prompt_of(30, salt=3), sampling)
    after, cached = loaded.answer(prompt, sampling)
    assert cached >= min(before, 203 - 64) - 4
    assert after == alone


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_next_turn_reads_only_what_is_new_and_writes_what_a_cold_start_would(loaded: Model, sampling: Sampling) -> None:
    first = prompt_of(101)
    loaded.restart()
    written, _ = loaded.answer(first, Sampling(temperature=0, max_tokens=80))
    loaded.rest()
    second = first + written + prompt_of(70, salt=1)
    warm, cached = loaded.answer(second, sampling)
    assert cached >= 160
    loaded.restart()
    assert loaded.answer(second, sampling) == (warm, 0)


def test_a_prompt_just_longer_than_a_batch_is_not_cut_differently_when_its_beginning_is_cached(loaded: Model) -> None:
    prompt = prompt_of(llama.BATCH + 9)
    loaded.restart()
    alone, _ = loaded.answer(prompt, SAMPLINGS[1])
    loaded.restart()
    loaded.answer(prompt[:301], SAMPLINGS[1])
    assert loaded.answer(prompt, SAMPLINGS[1]) == (alone, 300)
