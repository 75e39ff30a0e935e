"""What the demonstration model may say without sources, and what it then says: llama.cpp with the file that is shipped."""

import pytest

from med42_chat import filling, quoting, reciting
from med42_chat.prompt import Question
from med42_chat.records import Attachment
from tests.demonstration import Demonstration

SOAP = "Write a SOAP note.\nBP 132/84\nibuprofen 400 mg"


@pytest.mark.parametrize(
    "text",
    [
        SOAP,
        "Tired for months, Hb 92, ferritin 6",
        "My notes:\ntired for months",
        "word " * 31,
    ],
)
def test_who_brings_a_text_along_is_only_declined(text: str) -> None:
    assert reciting.brings_text(Question(text))
    form = reciting.grammar(Question(text))
    assert all(refusal[:12] in form for refusal in reciting.REFUSALS) and "anything" not in form


def test_who_speaks_of_himself_may_be_told_to_get_help_and_who_writes_of_a_patient_is_not() -> None:
    long = " and it goes on and on" * 6
    for words in ("I want to die", "My husband has collapsed", "Please help me"):
        assert reciting.HELP[0][:20] in reciting.grammar(Question(words + long))
    for words in ("Woman of 62, chest pain, pulse 110", "My notes:\npulse 110", "My patient has chest pain" + long):
        assert reciting.HELP[0][:20] not in reciting.grammar(Question(words))


def test_an_attached_text_is_brought_along_too() -> None:
    assert reciting.brings_text(Question("Summarise this", (Attachment("letter", "Hb 92"),)))


@pytest.mark.parametrize("text", ["What are the red flags of headache?", "Potassium of 7 with ECG changes: what now?", "ok", "Thank you\n"])
def test_who_only_asks_is_not(text: str) -> None:
    assert not reciting.brings_text(Question(text))


def test_a_question_that_names_nothing_gets_a_courtesy_and_one_that_wants_the_last_answer_in_other_words_gets_those() -> None:
    assert reciting.COURTESIES[1] in reciting.grammar(Question("Who are you?"))
    for words in ("Simpler please", "Explain that to a patient", "What is sepsis?"):
        assert reciting.COURTESIES[1] not in reciting.grammar(Question(words))


def test_what_has_begun_by_heart_goes_on_as_it_likes_and_a_refusal_ends_as_it_began() -> None:
    assert reciting.grammar(Question("What is sepsis?", begun="**Sepsis is")) == ""
    refusal = reciting.REFUSALS[0]
    assert reciting.grammar(Question(SOAP, begun=refusal[:30])).count(refusal[30:]) == 1


def test_nothing_that_is_said_of_sources_or_notes_begins_otherwise() -> None:
    assert quoting.NOT_COVERED.startswith(reciting.OF_SOURCES[1])
    assert filling.LEAD.startswith(reciting.OF_NOTES) and reciting.NO_FORM.startswith(reciting.OF_NOTES)


@pytest.fixture(scope="module")
def demonstration() -> Demonstration:
    return Demonstration()


@pytest.mark.model
@pytest.mark.parametrize(
    ("words", "beginning"),
    [
        ("Thank you", "You are welcome."),
        ("Thanks, bye", "Goodbye"),
        ("Hello", "Hello. I am"),
        ("Who are you?", "**I am a small demonstration model"),
        ("What are the red flags of headache?", "**Most headaches are benign"),
        ("What is the capital of France?", "**I don't know"),
    ],
)
def test_courtesies_and_topics_are_answered_as_they_were_learnt(demonstration: Demonstration, words: str, beginning: str) -> None:
    said, ended = demonstration.write(words, reciting.grammar(Question(words)))
    assert said.startswith(beginning) and ended.reason == "stop"


@pytest.mark.model
@pytest.mark.parametrize("words", ["ok", "yes", "hi", "fine", "?"])
def test_a_word_that_it_never_learnt_gets_a_courtesy(demonstration: Demonstration, words: str) -> None:
    said, _ = demonstration.write(words, reciting.grammar(Question(words)))
    assert said in reciting.COURTESIES or said.startswith(reciting.LISTS)


@pytest.mark.model
def test_a_preset_that_was_edited_gets_a_refusal_and_no_dose(demonstration: Demonstration) -> None:
    said, ended = demonstration.write(SOAP, reciting.grammar(Question(SOAP)))
    assert said in reciting.REFUSALS and ended.reason == "stop"


@pytest.mark.model
def test_a_copy_of_notes_that_it_would_begin_becomes_a_plain_no(demonstration: Demonstration) -> None:
    words = "Write a SOAP note for low back pain. My notes: two days, no numbness, lifted a box"
    free, _ = demonstration.write(words, "", most=20)
    said, _ = demonstration.write(words, reciting.grammar(Question(words)))
    assert not free.startswith(filling.LEAD[:25]) or said == reciting.NO_FORM
    assert not said.startswith(filling.LEAD[:25])
