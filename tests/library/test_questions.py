"""Questions made of a person's own documents: in other words, and the same each time."""

from med42_chat.library.lexicon import lexicon
from med42_chat.library.questions import question
from med42_chat.library.words import stem, words

HEADINGS = ("Sepsis in adults", "Noradrenaline", "Stopping the infusion")
TEXT = "Noradrenaline is stopped slowly. The infusion rate is halved every thirty minutes while the blood pressure stays above target."


def test_a_question_is_the_same_each_time_and_another_for_another_number() -> None:
    assert question(HEADINGS, TEXT, 4) == question(HEADINGS, TEXT, 4) != ""
    assert len({question(HEADINGS, TEXT, number) for number in range(0, 20, 2)}) > 1


def test_half_are_made_of_the_heading_and_half_of_a_sentence() -> None:
    over, said = {stem(word) for word in words(" ".join(HEADINGS))}, {stem(word) for word in words(TEXT)}
    of_heading, of_text = (set(map(stem, words(question(HEADINGS, TEXT, number)))) for number in (1, 2))
    assert of_heading & over and not of_heading & (said - over)
    assert of_text & said


def test_words_with_another_of_the_same_meaning_are_exchanged_for_it() -> None:
    for number in range(0, 10, 2):
        asked = words(question((), "Noradrenaline paracetamol adrenaline.", number))
        assert not {"noradrenaline", "paracetamol", "adrenaline"} & set(asked)
        assert all(
            stem(said) in lexicon().alike(one) for said, one in zip(asked, ["noradrenaline", "paracetamol", "adrenaline"], strict=True)
        )


def test_of_words_that_have_no_other_every_third_is_left_out() -> None:
    asked = question((), "Zorvax quindel brimolin trefoxin alprenda.", 2)
    assert asked == "zorvax quindel trefoxin alprenda"


def test_what_says_too_little_makes_no_question() -> None:
    assert question(("Notes",), "See above.", 2) == "" == question(("Notes",), "", 1) == question((), "", 1)
