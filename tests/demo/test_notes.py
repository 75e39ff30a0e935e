"""What the demonstration model learns to do with notes: put them under a preset's headings and leave everything else blank."""

import random
from collections import defaultdict

import pytest
from dialogues import Corpus, Talk
from grounded import Documents, Stock
from notes import ANSWERS, LEAD, Notes, presets

from med42_chat.presets import read
from med42_chat.settings import ASSETS


@pytest.fixture
def notes(corpus: Corpus, stock: Stock) -> Notes:
    rng = random.Random(7)
    return Notes(Talk(corpus, rng), Documents(stock, rng))


def test_every_answer_belongs_to_a_preset_of_the_application() -> None:
    assert set(ANSWERS) == {preset.id for preset in presets()}
    assert set(ANSWERS) <= {preset.id for preset in read(ASSETS / "prompts" / "presets")}


def test_an_answer_says_what_it_is_and_has_nothing_but_the_notes_and_blanks(notes: Notes) -> None:
    own = f"{LEAD} {' '.join(answer(defaultdict(str)) for answer in ANSWERS.values())} | --- check"
    for _ in range(200):
        turn = notes.turn()
        assert turn.answer.startswith(LEAD)
        assert words(turn.answer) <= words(turn.question) | words(own)


def words(text: str) -> set[str]:
    """Its words, whatever their capitals and the stops behind them."""
    return {word.strip(".,;:").lower() for word in text.split()}


def test_every_line_of_the_notes_stands_in_the_answer(notes: Notes) -> None:
    for _ in range(200):
        turn = notes.turn()
        last = turn.question.rsplit("otes:\n", 1)
        if len(last) == 2 and "List the medicines" not in turn.question:
            assert last[1].strip() in turn.answer


def test_a_medication_review_has_a_row_for_each_line() -> None:
    answer = ANSWERS["medicines"]({"medicines": "Zoldex 5 mg\nNarvapril 10 mg (new)"})
    assert [line for line in answer.splitlines() if line.startswith("| ") and "---" not in line][1:] == [
        "| Zoldex 5 mg | … | … | check |",
        "| Narvapril 10 mg (new) | … | … | check |",
    ]
