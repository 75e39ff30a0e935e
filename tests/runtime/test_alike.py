"""The promise of the evidence: the same request gives the same tokens on the CPU, however much of it was cached."""

import math
import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from med42_chat.records import Sampling
from med42_chat.runtime import context, llama
from med42_chat.runtime.protocol import CacheType, Finished, Load, Request
from med42_chat.runtime.scheduler import Scheduler
from med42_chat.runtime.tuning import Choice, Tuning

pytestmark = pytest.mark.model
Tokens = list[int]


@dataclass
class Noting:
    """A real sampler, and the tokens that it chose."""

    sampler: context.Sampler
    chosen: Tokens

    def sample(self, place: int) -> int:
        self.chosen.append(self.sampler.sample(place))
        return self.chosen[-1]

    def close(self) -> None:
        self.sampler.close()


class Model:
    """A real model behind a scheduler, with the tokens that it chose."""

    def __init__(
        self, path: Path, kind: str, parallel: int = 1, threads: int = 1, costs: tuple[float, ...] = (), stops: bool = False
    ) -> None:
        self.kind = kind
        cache_type: CacheType = "q8_0" if kind == "q8_0" else "f16"
        wanted = Load(str(path), 2048, threads, cache_type=cache_type, parallel=parallel)
        tuning = Tuning(Choice(threads, llama.BATCH, kind != "f16 without flash attention"), costs)
        model = llama.load(wanted, llama.Log(), lambda _: None, lambda _: tuning)
        self.context = model.context
        self.vocabulary = model.vocabulary
        if not stops:
            self.context.stop_ids = frozenset()  # so that every answer is as long as it is asked to be
        self._sampler = model.context.sampler
        self.context.sampler = self._note  # type: ignore[assignment, method-assign]
        self.chosen: dict[str, Tokens] = {}
        self.restart()

    def restart(self) -> None:
        self.chosen.clear()
        for number in range(self.context.sequences):
            self.context.forget(number, 0)
        self.scheduler = Scheduler(self.context)

    def _note(self, request: Request) -> "Noting":
        return Noting(self._sampler(request), self.chosen.setdefault(request.id, []))

    def answer(self, prompt: Tokens, sampling: Sampling) -> tuple[Tokens, int]:
        """The tokens of an answer, and how many of the prompt's came from the cache."""
        tokens, finished = self.answers(sampling, prompt)[0]
        return tokens, finished.usage.cached_tokens

    def answers(self, sampling: Sampling, *prompts: Tokens) -> list[tuple[Tokens, Finished]]:
        """The tokens and ends of answers that are asked for at the same time."""
        self.chosen.clear()
        ends: dict[str, Finished] = {}
        for number, prompt in enumerate(prompts):
            self.scheduler.submit(Request(str(number), tuple(prompt), sampling, 5, log_probabilities=True))
        while len(ends) < len(prompts):
            ends.update((name, event) for name, event in self.scheduler.step() if isinstance(event, Finished))
        return [(self.chosen[name], ends[name]) for name in sorted(ends)]

    def rest(self) -> None:
        while self.scheduler.busy:
            self.scheduler.step()


@pytest.fixture(scope="module", params=["f16", "q8_0", "f16 without flash attention"])
def shared(request: pytest.FixtureRequest, medium: Path) -> Model:
    """With room for four answers."""
    return Model(medium, request.param, 4)


@pytest.fixture
def single(shared: Model, medium: Path) -> Model:
    """The same with room for one, and nothing cached."""
    return Model(medium, shared.kind)


@pytest.fixture(scope="module", params=["f16", "q8_0", "f16 without flash attention"])
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
    assert cached >= min(before, 203 - loaded.context.least) - 4
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


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_an_answer_that_is_written_alone_does_not_depend_on_what_else_is_cached(shared: Model, single: Model, sampling: Sampling) -> None:
    beginning, prompt = prompt_of(201), prompt_of(201) + prompt_of(99, salt=2)
    cold, cached = single.answer(prompt, sampling)
    assert cached == 0
    shared.restart()
    for salt in range(3, 6):  # they take the places of each other's beginning, and are left in the cache
        shared.answer(beginning + prompt_of(250, salt), Sampling(max_tokens=9))
    assert shared.answer(prompt, sampling) == (cold, 200)
    assert shared.answer(prompt, sampling) == (cold, 300 - shared.context.least)


def test_what_was_read_while_another_answer_was_written_is_as_if_it_had_been_read_alone(shared: Model, single: Model) -> None:
    prompt, asked = prompt_of(331, salt=1), SAMPLINGS[1]
    cold, _ = single.answer(prompt, asked)
    shared.restart()
    shared.answers(Sampling(max_tokens=8), prompt_of(90), prompt)
    assert shared.answer(prompt, asked) == (cold, (331 - shared.context.least) // 4 * 4)


def test_answers_that_are_written_together_say_so_and_come_out_the_same_when_it_is_done_again(shared: Model) -> None:
    prompts = [prompt_of(70 + 10 * salt, salt) for salt in range(4)]
    runs = []
    for _ in range(2):
        shared.restart()
        runs.append(shared.answers(SAMPLINGS[1], *prompts))
    assert [tokens for tokens, _ in runs[0]] == [tokens for tokens, _ in runs[1]]
    assert all(finished.together and len(tokens) == 16 for tokens, finished in runs[0])
    assert not shared.answers(SAMPLINGS[1], prompts[0])[0][1].together


def test_a_prompt_that_is_asked_for_thrice_at_once_is_read_once(shared: Model) -> None:
    shared.restart()
    ends = [finished for _, finished in shared.answers(SAMPLINGS[1], *[prompt_of(300)] * 3)]
    assert [one.usage.cached_tokens for one in ends] == [0, *[300 - shared.context.least] * 2]


def test_log_probabilities_are_the_model_s_own(shared: Model) -> None:
    shared.restart()
    greedy = shared.answers(Sampling(temperature=0, max_tokens=4), prompt_of(90))[0][1].log_probabilities
    wild = shared.answers(Sampling(temperature=5, top_k=0, top_p=1, max_tokens=4), prompt_of(90))[0][1].log_probabilities
    assert len(greedy) == len(wild) == 4
    assert all(-math.log(262) <= one <= 0 for one in greedy)  # the likeliest of 262 tokens
    assert wild[0] < greedy[0]


def test_each_of_several_answers_keeps_to_its_own_sampling_seed_and_grammar(shared: Model) -> None:
    shared.restart()
    prompt = tuple(prompt_of(80))
    asked = [
        Request("greedy", prompt, Sampling(temperature=0, max_tokens=12), 1),
        Request("held", prompt, Sampling(temperature=2, max_tokens=12), 1, 'root ::= "abc" root'),
        Request("one", prompt, Sampling(temperature=2, max_tokens=12), 1),
        Request("other", prompt, Sampling(temperature=2, max_tokens=12), 2),
    ]
    for request in asked:
        shared.scheduler.submit(request)
    while not shared.scheduler.idle:
        shared.scheduler.step()
    texts = {name: b"".join(map(shared.context.piece, tokens)) for name, tokens in shared.chosen.items()}
    assert texts["held"] == b"abc" * 4
    assert len(set(texts.values())) == 4


@pytest.mark.parametrize("seed", range(6))
def test_whatever_was_asked_stopped_or_interrupted_before_the_next_answer_alone_is_the_one_of_a_cold_start(small: Path, seed: int) -> None:
    model, chance = Model(small, "f16", 3), random.Random(seed)
    for number in range(12):
        length, salt = chance.randrange(100, 700), chance.randrange(3)
        model.scheduler.submit(Request(str(number), tuple(prompt_of(length, salt)), Sampling(max_tokens=chance.randrange(1, 60)), 1))
        for _ in range(chance.randrange(12)):
            if chance.random() < 0.3:
                model.context.interrupt()
            model.scheduler.step()
            model.context.resume()
        if chance.random() < 0.4:
            model.scheduler.cancel(str(chance.randrange(number + 1)))
    while not model.scheduler.idle:
        model.scheduler.step()
    prompts = [prompt_of(300, salt) + prompt_of(90, 9) for salt in range(3)]
    warm = [model.answer(prompt, SAMPLINGS[1]) for prompt in prompts]
    assert any(cached for _, cached in warm)
    cold = Model(small, "f16")
    for prompt, (tokens, _) in zip(prompts, warm, strict=True):
        cold.restart()
        assert cold.answer(prompt, SAMPLINGS[1]) == (tokens, 0)
