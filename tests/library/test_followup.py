"""Questions that lean on the one before, and questions that do not, made up for this."""

import pytest

from med42_chat.library.followup import in_context

METFORMIN = "Can metformin be given with contrast?"


@pytest.mark.parametrize(
    ("question", "earlier", "context"),
    [
        ("And in renal failure?", [METFORMIN], "metformin contrast"),
        ("What about children?", ["What is the dose of gentamicin?"], "dose gentamicin"),
        ("How about the elderly?", ["Dose of haloperidol in delirium?"], "dose haloperidol delirium"),
        ("Why?", [METFORMIN], "metformin contrast"),
        ("When is it restarted?", ["When is apixaban stopped before an operation?"], "apixaban stopped operation"),
        ("How often should they be measured?", ["Which vancomycin levels are wanted?"], "vancomycin levels"),
        ("And the dose?", ["How is phosphate replaced?"], "phosphate replaced"),
        ("In pregnancy?", ["Is gadolinium safe?"], "gadolinium safe"),
        ("Is there an alternative?", ["Which antibiotic for pneumonia?"], "antibiotic pneumonia"),
        ("What if the patient is on dialysis?", ["What is the dose of vancomycin?"], "dose vancomycin"),
        ("But not with warfarin?", ["Is bridging needed with apixaban?"], "bridging apixaban"),
        ("And in children?", [METFORMIN, "And in renal failure?"], "metformin contrast"),
        ("Who is told?", ["What happens at a warning score of 7?"], "happens warning score 7"),
        ("Is that safe in asthma, too?", ["Can this patient have aspirin?"], "patient aspirin"),
        ("What is the dose of apixaban?", [METFORMIN], ""),
        ("Is it safe to give contrast with an eGFR of 25?", ["How is delirium recognised?"], ""),
        ("Vancomycin levels?", ["How is delirium recognised?"], ""),
        ("In sepsis, how fast is the antibiotic given?", ["How is delirium recognised?"], ""),
        ("For how long is warfarin stopped before an operation?", ["How is delirium recognised?"], ""),
        ("When is a CT of the head needed in delirium?", [METFORMIN], ""),
        ("Are there medicines that confuse old people?", [METFORMIN], ""),
        ("And in renal failure?", [], ""),
    ],
)
def test_a_question_brings_the_words_it_leans_on_and_no_others(question: str, earlier: list[str], context: str) -> None:
    asked = in_context(question, earlier)
    assert asked.context == context
    assert asked.text == f"{question} {context}".strip()


@pytest.mark.parametrize("words", ["Thanks!", "Hello there.", "Ok, great", "Could you explain that more briefly?", "¿?", ""])
def test_a_courtesy_or_a_request_about_the_answer_says_nothing_of_its_own(words: str) -> None:
    assert in_context(words, [METFORMIN]).own == []
