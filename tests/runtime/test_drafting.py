"""Guesses at an answer's next tokens, and when they are made."""

import random
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from med42_chat.runtime.drafting import Drafter

CHEAP = {4: 1.1, 8: 1.2, 16: 1.4}
SOURCE = list(range(1000, 1200))


def decodes(prompt: Sequence[int], answer: Sequence[int], costs: Mapping[int, float]) -> tuple[int, float]:
    """How many decodes the answer takes, and what they cost, as the scheduler goes about it."""
    drafter, done, count, cost = Drafter(prompt, costs), 0, 0, 0.0
    while done < len(answer):
        draft = drafter.draft(len(answer) - done - 1)
        count += 1
        cost += min((price for size, price in {1: 1.0, **costs}.items() if size >= 1 + len(draft)))
        right = next((n for n, (one, other) in enumerate(zip(draft, answer[done:], strict=False)) if one != other), len(draft))
        for token in answer[done : done + right + 1]:
            drafter.take(token)
        done += right + 1
    return count, cost


def test_what_followed_the_longest_stretch_like_the_end_of_the_text_is_the_guess() -> None:
    drafter = Drafter([1, 2, 3, 4, 5, 60, 7, 9, 3, 4, 5, 61, 8, 7, 2, 3, 4], CHEAP)
    for token in (5, 60, 7):
        drafter.take(token)
    assert drafter.draft(2) == [9, 3]


def test_of_two_stretches_as_long_the_later_one_counts() -> None:
    drafter = Drafter([1, 2, 3, 4, 5, 6, 7, 50, *range(9), 51, 0, 1, 2, 3, 4, 5, 6, 7], {8: 1.0})
    assert drafter.draft(1) == [8]


def test_a_copied_passage_takes_a_fraction_of_the_decodes() -> None:
    count, cost = decodes([*SOURCE, 1, 2, 3], [4, *SOURCE[20:140], 5, *SOURCE[150:190]], CHEAP)
    assert count < 40
    assert cost < 60


def test_without_costs_nothing_is_ever_guessed() -> None:
    assert decodes(SOURCE, SOURCE, {}) == (200, 200)


def test_where_several_tokens_cost_as_much_as_one_after_another_nothing_is_guessed() -> None:
    assert decodes(SOURCE, SOURCE, {4: 4.0, 16: 15.0}) == (200, 200)


def test_a_slow_computer_makes_only_long_guesses_and_still_gains() -> None:
    count, cost = decodes(SOURCE, SOURCE[:150], {16: 7.0})
    assert count < 40
    assert cost < 110


def test_an_answer_that_copies_nothing_costs_nothing_more() -> None:
    chance = random.Random(1)
    prompt, answer = ([chance.randrange(40) for _ in range(600)] for _ in range(2))
    assert decodes(prompt, answer, CHEAP)[1] < 1.03 * 600


def test_where_copies_keep_ending_guesses_become_rare_and_come_back_with_long_ones() -> None:
    chance = random.Random(2)
    short = [token for start in chance.choices(range(190), k=60) for token in (*SOURCE[start : start + 3], chance.randrange(9))]
    count, cost = decodes(SOURCE, short, CHEAP)
    assert cost < 1.03 * len(short)
    again, _ = decodes(SOURCE, [*short, *SOURCE[:80]], CHEAP)
    assert again - count < 30


def test_no_more_is_guessed_than_there_is_room_for() -> None:
    drafter = Drafter([*SOURCE, *SOURCE[:20]], CHEAP)
    assert drafter.draft(0) == []
    assert drafter.draft(5) == SOURCE[20:25]
    assert len(drafter.draft(100)) == 15


@given(prompt=st.lists(st.integers(0, 3), min_size=1, max_size=40), answer=st.lists(st.integers(0, 3), max_size=60))
def test_the_same_text_always_gives_the_same_guesses_which_come_from_it(prompt: list[int], answer: list[int]) -> None:
    one, other = Drafter(prompt, CHEAP), Drafter(prompt, CHEAP)
    for index, token in enumerate(answer):
        draft = one.draft(15)
        assert draft == other.draft(15)
        assert not draft or any([*prompt, *answer[:index]][at:][: len(draft)] == draft for at in range(len(prompt) + index))
        one.take(token)
        other.draft(3)
        other.take(token)
