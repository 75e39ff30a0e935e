"""Guesses confirmed by the real llama.cpp: the same tokens as one by one, wherever llama.cpp gives the same bits for them."""

from dataclasses import replace
from pathlib import Path

import pytest

from med42_chat.quoting import grammar
from med42_chat.records import Sampling, Source, Turn
from med42_chat.runtime.protocol import Finished, Request
from med42_chat.runtime.template import choose_template
from med42_chat.settings import DEMO_MODEL
from tests.runtime.test_alike import Model, prompt_of

pytestmark = pytest.mark.model
COSTS = (1.1, 1.2, 1.4, 1.6)
GREEDY, WILD = Sampling(temperature=0, max_tokens=160), Sampling(temperature=0.9, top_k=0, top_p=1, repeat_penalty=1.1, max_tokens=160)
TEXTS = (
    "Before methotrexate is started, a full blood count and liver tests are taken. They are repeated every two weeks until the dose is "
    "stable. The dose of methotrexate is 7.5 mg once a week. Folic acid 5 mg is given on another day of the week.",
    "Patients who take methotrexate must report a sore throat, a fever or mouth ulcers at once. Alcohol should be kept to a minimum. "
    "In renal failure the dose of methotrexate is halved when eGFR is below 50 mL/min, and it is not given below 30 mL/min.",
)
SOURCES = tuple(Source(number, "Methotrexate", text) for number, text in enumerate(TEXTS, 1))
QUESTIONS = ("What is the dose of methotrexate?", "When are liver tests repeated?", "What must patients report on methotrexate?")


def asked(model: Model, question: str, sampling: Sampling) -> Request:
    template = choose_template(model.vocabulary, "")
    texts = "\n\n".join(f"[{source.number}] {source.text}" for source in SOURCES)
    prompt = template.encode([Turn("system", "Answer from the sources."), Turn("user", f"{texts}\n\n{question}")])
    return Request("a", tuple(prompt), sampling, 7, grammar(question, SOURCES))


def answer(model: Model, request: Request) -> tuple[list[int], Finished]:
    model.chosen.clear()
    model.scheduler.submit(request)
    while True:
        for _, event in model.scheduler.step():
            if isinstance(event, Finished):
                return model.chosen[request.id], event


@pytest.fixture(scope="module")
def plain() -> Model:
    return Model(DEMO_MODEL, "f16", stops=True)


@pytest.fixture(scope="module")
def guessing() -> Model:
    return Model(DEMO_MODEL, "f16", costs=COSTS, stops=True)


@pytest.mark.parametrize("sampling", [GREEDY, WILD], ids=["greedy", "wild"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_from_sources_has_the_same_tokens_with_guesses_and_without(
    plain: Model, guessing: Model, question: str, sampling: Sampling
) -> None:
    alone, end = answer(plain, asked(plain, question, sampling))
    guessed, other = answer(guessing, asked(guessing, question, sampling))
    assert guessed == alone
    assert (end.usage.guessed_tokens, other.reason, other.usage.completion_tokens) == (0, end.reason, end.usage.completion_tokens)
    if sampling is GREEDY and question is QUESTIONS[0]:  # in others this small model spells words that its grammar makes it say
        assert other.usage.guessed_tokens > 0.3 * other.usage.completion_tokens


def test_a_free_answer_that_copies_nothing_has_the_same_tokens(plain: Model, guessing: Model) -> None:
    for seed in range(3):
        request = replace(asked(plain, QUESTIONS[0], WILD), grammar="", seed=seed)
        assert answer(plain, request)[0] == answer(guessing, request)[0]


def copying(prompt: list[int], model: Model) -> Request:
    """Two thirds of the answer must be what stands in the prompt, and the rest is free."""
    text = bytes(token for token in prompt[1:] if 97 <= token < 123).decode()
    free = "[a-z]" * 30
    return Request("a", tuple(prompt), Sampling(temperature=0, max_tokens=150), 5, f'root ::= {free} "{text[:60]}" {free} "{text[20:80]}"')


@pytest.fixture(scope="module")
def quantised(medium: Path) -> Model:
    return Model(medium, "f16", 2, costs=COSTS)


def letters(count: int) -> list[int]:
    return [257, *(97 + (index * index * 7 + index // 3) % 26 for index in range(count))]


def test_the_same_request_gives_the_same_tokens_however_much_of_it_was_cached_and_whatever_the_bits_of_the_guesses(
    quantised: Model,
) -> None:
    quantised.restart()
    request = copying(letters(150), quantised)
    cold, end = answer(quantised, request)
    assert end.usage.cached_tokens == 0 and end.usage.guessed_tokens > 60
    warm, end = answer(quantised, request)
    assert end.usage.cached_tokens > 60
    quantised.rest()
    quantised.answer(prompt_of(300), Sampling(max_tokens=20))
    assert warm == cold == answer(quantised, request)[0]


def test_what_an_answer_with_guesses_leaves_in_the_cache_is_what_a_cold_start_would_read(quantised: Model, medium: Path) -> None:
    quantised.restart()
    request = copying(letters(150), quantised)
    written, _ = answer(quantised, request)
    quantised.rest()
    following = replace(request, prompt=(*request.prompt, *written, *letters(80)[1:]), grammar="", sampling=Sampling(max_tokens=16))
    warm, end = answer(quantised, following)
    assert end.usage.cached_tokens >= 250
    assert answer(Model(medium, "f16"), following)[0] == warm


def test_log_probabilities_are_those_of_the_token_s_own_place(plain: Model, guessing: Model) -> None:
    request = replace(asked(plain, QUESTIONS[0], GREEDY), log_probabilities=True)
    _, alone = answer(plain, request)
    _, guessed = answer(guessing, request)
    assert guessed.usage.guessed_tokens
    assert guessed.log_probabilities == alone.log_probabilities


def test_two_answers_that_copy_side_by_side_are_written_whole(guessing: Model, quantised: Model) -> None:
    quantised.restart()
    request = copying(letters(150), quantised)
    alone = bytes(answer(quantised, request)[0])
    quantised.chosen.clear()
    for name in "ab":
        quantised.scheduler.submit(replace(request, id=name))
    ends = {}
    while len(ends) < 2:
        ends.update((name, event) for name, event in quantised.scheduler.step() if isinstance(event, Finished))
    assert all(end.together and end.usage.guessed_tokens > 40 and end.reason == "length" for end in ends.values())
    for name in "ab":
        assert bytes(quantised.chosen[name])[30:90] == alone[30:90]  # the first copy, which its grammar demands
