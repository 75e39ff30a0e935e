"""Questions that lean on the one before, and questions that do not, made up for this."""

import time
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med42_chat.library.followup import Asked, readings, reworks
from med42_chat.library.words import telling
from med42_chat.lookup import Lookup
from med42_chat.records import Message, Source
from med42_chat.store.database import Store
from tests.library.judged import HERE, documents
from tests.store.samples import EVIDENCE

METFORMIN = "Can metformin be given with contrast?"


@pytest.mark.parametrize(
    ("question", "earlier", "context"),
    [
        ("And in renal failure?", [METFORMIN], "metformin contrast"),
        ("What about children?", ["What is the dose of gentamicin?"], "dose gentamicin"),
        ("How about the elderly?", ["Dose of haloperidol in delirium?"], "dose haloperidol delirium"),
        ("Why?", [METFORMIN], "metformin contrast"),
        ("When is it restarted?", ["When is apixaban stopped before an operation?"], "apixaban stopped operation"),
        ("When is it restarted?", ["When is apixaban stopped?", "And dabigatran?"], "dabigatran stopped"),
        ("How often should they be measured?", ["Which vancomycin levels are wanted?"], "vancomycin levels"),
        ("And the dose?", ["How is phosphate replaced?"], "phosphate replaced"),
        ("In pregnancy?", ["Is gadolinium safe?"], "gadolinium safe"),
        ("Is there an alternative?", ["Which antibiotic for pneumonia?"], "antibiotic pneumonia"),
        ("What if the patient is on dialysis?", ["What is the dose of vancomycin?"], "dose vancomycin"),
        ("And in children?", [METFORMIN, "And in renal failure?"], "metformin contrast"),
        ("Who is told?", ["What happens at a warning score of 7?"], "happens warning score 7"),
        ("Is that safe in asthma, too?", ["Can this patient have aspirin?"], "patient aspirin"),
        ("What is the dose of apixaban?", [METFORMIN], ""),
        ("Is it safe to give contrast with an eGFR of 25?", ["How is delirium recognised?"], ""),
        ("Vancomycin levels?", ["How is delirium recognised?"], ""),
        ("Thank you!", [METFORMIN], ""),
        ("OK, thanks a lot.", [METFORMIN], ""),
        ("Who are you?", [METFORMIN], ""),
        ("What can you do?", [METFORMIN], ""),
        ("Are you sure?", [METFORMIN], "metformin contrast"),
        ("And in renal failure?", [METFORMIN, "Thanks"], "metformin contrast"),
        ("In sepsis, how fast is the antibiotic given?", ["How is delirium recognised?"], ""),
        ("For how long is warfarin stopped before an operation?", ["How is delirium recognised?"], ""),
        ("When is a CT of the head needed in delirium?", [METFORMIN], ""),
        ("Are there medicines that confuse old people?", [METFORMIN], ""),
        ("And in renal failure?", [], ""),
    ],
)
def test_a_question_brings_the_words_it_leans_on_and_no_others(question: str, earlier: list[str], context: str) -> None:
    asked = next(readings(question, earlier))
    assert asked.context == context
    assert asked.text == f"{question} {context}".strip()


@pytest.mark.parametrize(
    ("question", "earlier", "meant"),
    [
        ("And dabigatran?", ["When is apixaban stopped before an operation?"], "When is dabigatran stopped before an operation?"),
        ("Thanks, and if she takes dabigatran instead?", ["When is apixaban stopped?"], "When is dabigatran stopped?"),
        ("and dabi?", ["how long before theatre do I stop apix"], "how long before theatre do I stop dabi"),
        ("But not with warfarin?", ["Is bridging needed with apixaban?"], "Is bridging needed with warfarin?"),
        ("vanc?", ["Gent dose"], "vanc dose"),
        ("and gentamicin 2.5?", ["vancomycin level of 22, vancomycin goes on?"], "gentamicin level of 2.5, gentamicin goes on?"),
        ("And with 7?", ["Who is told at a score of 5?"], "Who is told at a score of 7?"),
        ("And magnesium?", ["How is low phosphate replaced?"], "How is low magnesium replaced?"),
        ("And opioids?", ["Is amitriptyline stopped in delirium?"], "Is opioids stopped in delirium?"),
        ("And warfarin?", ["When is apixaban stopped?", "And dabigatran?", "edoxaban?"], "When is warfarin stopped?"),
    ],
)
def test_a_question_that_only_names_another_thing_of_the_kind_is_the_one_before_asked_of_that(
    question: str, earlier: list[str], meant: str
) -> None:
    assert next(readings(question, earlier)) == Asked(meant)


@pytest.mark.parametrize(
    ("question", "before"),
    [
        ("How is vancomycin given?", "What is the dose of gentamicin?"),
        ("And when is dabigatran restarted?", "When is apixaban stopped before an operation?"),
        ("Can gentamicin and vancomycin be given together?", "What is the dose of gentamicin?"),
        ("And with gentamicin?", "What is the dose of gentamicin?"),
        ("And dabigatran in renal failure?", "When is apixaban stopped before an operation?"),
        ("And with 7?", "Is 5 mg given at 20 ml/min?"),
        ("And the chaplain?", "What is the telephone number of the pharmacist?"),
    ],
)
def test_a_question_that_says_more_or_names_nothing_of_the_kind_stays_as_it_is(question: str, before: str) -> None:
    assert all(asked.question == question for asked in readings(question, [before]))


def test_a_question_of_its_own_subject_is_read_by_itself_too_and_last() -> None:
    asked = list(readings("And is the creatinine clearance measured first?", [METFORMIN]))
    assert [bool(one.context) for one in asked] == [True, False]


@pytest.mark.parametrize("half", ["development", "held-out"])
def test_follow_ups_on_the_sample_library_find_their_answer_and_nothing_where_there_is_none(half: str, tmp_path: Path) -> None:
    """Of the half that it was made with 20 of 20 have their answer, of the other 18 of 20; of the 30 others one is taken to have one."""
    kinds: dict[str, list[dict[str, str]]] = tomllib.loads((HERE / "gate" / "follow-ups.toml").read_text("utf-8"))
    answerable, others = ([one for one in kinds[kind] if one["half"] == half] for kind in ("answerable", "unanswerable"))
    with Store.open(tmp_path, bytes(32)) as store:
        for name, document in documents():
            store.documents.add(document, name.encode(), name)
        lookup = Lookup(store.documents)
        answered = sum(any(one["words"] in " ".join(source.text.split()) for source in found(lookup, one)) for one in answerable)
        assert answered >= (19 if half == "development" else 17)
        assert sum(bool(found(lookup, one)) for one in others) <= (0 if half == "development" else 1)


@pytest.mark.parametrize(
    "words",
    [
        "Explain that to a patient",
        "Please explain this in plain words.",
        "Can you summarise that in three bullet points?",
        "Say that again, shorter",
        "Put it in a table please",
        "Rewrite your answer as a letter to a colleague",
        "In simpler words?",
        "As a table, please",
        "Shorter, please.",
        "Explain it for relatives",
    ],
)
def test_a_wish_for_another_manner_is_looked_up_as_what_was_answered(words: str) -> None:
    assert reworks(words)
    chain = [METFORMIN, "And in renal failure?", "Thanks", "Shorter, please"]
    assert list(readings(words, chain)) == list(readings("And in renal failure?", [METFORMIN]))
    assert list(readings(words, [METFORMIN])) == [Asked(METFORMIN)]


@pytest.mark.parametrize(
    "question",
    [
        "Explain that to a patient with renal failure",
        "Explain warfarin to a patient",
        "In children?",
        "And in renal failure?",
        "Is it given as a short infusion?",
        "Thank you!",
        "Make a list of the contraindications of metformin",
        "",
    ],
)
def test_what_names_a_matter_of_its_own_is_no_wish_for_another_manner(question: str) -> None:
    assert not reworks(question)


def test_a_manner_is_wished_for_in_no_time_however_long_the_wish_is() -> None:
    began = time.perf_counter()
    assert not reworks("explain " + "to the patient " * 20_000 + "why")
    assert not reworks("in " + "plain words, " * 20_000 + "why")
    assert time.perf_counter() - began < 1


def test_a_wish_for_another_manner_rests_on_what_the_answer_rested_on_and_with_a_letter_is_about_the_letter(tmp_path: Path) -> None:
    with Store.open(tmp_path, bytes(32)) as store:
        for name, document in documents():
            store.documents.add(document, name.encode(), name)
        lookup = Lookup(store.documents)
        asked = Message("1", "c", None, "user", "When is apixaban stopped before an operation?", "complete", 0)
        answer = Message("2", "c", "1", "assistant", "…", "complete", 0, replace(EVIDENCE, basis="sources"))
        sources = lookup.look(asked.text, False, [], "first", ()).sources
        assert sources
        for use in ("first", "only"):
            assert lookup.look("Explain that to a patient", False, [asked, answer], use, ()).sources == sources
        with_letter = lookup.look("Summarise this", True, [asked, answer], "first", ())
        assert not with_letter.sources and with_letter.otherwise == "memory"
        recalled = replace(answer, evidence=replace(EVIDENCE, basis="memory"))
        assert lookup.look("Shorter, please", False, [asked, recalled], "first", ()).basis == "memory"
        assert lookup.look("Shorter, please", False, [asked, recalled], "only", ()).sources == sources


def found(lookup: Lookup, one: Mapping[str, str]) -> tuple[Source, ...]:
    before = Message("m", "c", None, "user", one["before"], "complete", 0)
    return lookup.look(one["text"], False, [before], "first", ()).sources


@pytest.mark.parametrize("words", ["Thanks!", "Hello there.", "Ok, great", "Could you explain that more briefly?", "¿?", ""])
def test_a_courtesy_or_a_request_about_the_answer_says_nothing_of_its_own(words: str) -> None:
    assert telling(words) == []


@given(st.text(), st.lists(st.text(), max_size=4))
def test_whatever_is_asked_there_is_a_reading_of_it(question: str, earlier: list[str]) -> None:
    assert list(readings(question, earlier))
