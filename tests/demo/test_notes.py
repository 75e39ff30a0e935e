"""What the demonstration model learns to do with notes: put them under a preset's headings and leave everything else blank."""

import random

import pytest
from dialogues import Corpus, Talk
from grounded import Documents, Stock
from notes import Notes, answer, presets

from med42_chat.filling import FORMS, LEAD
from med42_chat.presets import read
from med42_chat.settings import ASSETS


@pytest.fixture
def notes(corpus: Corpus, stock: Stock) -> Notes:
    rng = random.Random(7)
    return Notes(Talk(corpus, rng), Documents(stock, rng))


def test_every_answer_belongs_to_a_preset_of_the_application() -> None:
    assert set(FORMS) == {preset.id for preset in presets()}
    assert set(FORMS) <= {preset.id for preset in read(ASSETS / "prompts" / "presets")}


def test_an_answer_says_what_it_is_and_has_nothing_but_the_notes_and_blanks(notes: Notes) -> None:
    own = f"{LEAD} {' '.join(form.write({}) for form in FORMS.values())} | --- check"
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
    said = answer("medicines", {"medicines": "Zoldex 5 mg\nNarvapril 10 mg (new)"})
    assert [line for line in said.splitlines() if line.startswith("| ") and "---" not in line][1:] == [
        "| Zoldex 5 mg | … | … | check |",
        "| Narvapril 10 mg (new) | … | … | check |",
    ]


def test_the_shipped_file_was_trained_on_exactly_these_forms() -> None:
    assert answer("soap", {"problem": "low back pain", "notes": "2 days; Zoldex 5 mg\nno fever"}) == (
        f"{LEAD}\n\n## Subjective\n2 days; Zoldex 5 mg\nno fever\n\n## Objective\n…\n\n## Assessment\nLow back pain\n\n## Plan\n…"
    )
    assert answer("discharge", {"diagnosis": "my patient", "course": "", "medicines": "Zoldex 5 mg\nNarvapril 10 mg"}) == (
        f"{LEAD}\n\n## Diagnoses\nMy patient\n\n## Course\n…\n\n## Findings at discharge\n…\n\n"
        "## Medicines\nZoldex 5 mg\nNarvapril 10 mg\n\n## Next steps\n…"
    )
    assert answer("referral", {"problem": "anaemia", "addressee": "", "question": "Endoscopy?", "notes": "Hb 92"}) == (
        f"{LEAD}\n\nTo: …\n\nDear colleague,\n\nEndoscopy?\n\n## History and findings\nHb 92\n\n## Done so far\n…\n\nWith kind regards"
    )
    assert answer("medicines", {"medicines": "Zoldex 5 mg", "patient": "eGFR 34", "concern": "falls"}) == (
        f"{LEAD}\n\n| medicine | reason | risk | suggestion |\n| --- | --- | --- | --- |\n| Zoldex 5 mg | … | … | check |"
    )
