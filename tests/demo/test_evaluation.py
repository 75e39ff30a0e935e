"""The examination passes a model that answers rightly, fails one that does not, and the report says which."""

import random
import re
from pathlib import Path
from typing import Any

import pytest
from dialogues import Corpus, Talk, normal
from evaluation import GREEDY, Case, Examination, Judge, dose_question, is_refusal, put, source_of
from grounded import NOT_COVERED, Documents, Stock, quoted
from notes import presets
from report import TITLES, Report, Training

from med42_chat import filling, quoting, reciting
from med42_chat.prompt import Question


class Fake(Judge):
    """Stands for llama.cpp: `encode` keeps the question as characters, and the answers come from a function of it."""

    def __init__(self, answer: Any) -> None:
        object.__setattr__(self, "answer", answer)

    def answers(self, model: Path, prompts: list[list[int]], grammars: list[str], sampling: dict[str, float]) -> list[str]:
        return [self.answer("".join(map(chr, prompt))) for prompt in prompts]  # type: ignore[attr-defined]


def encode(system: str, said: list[tuple[str, str]], question: str) -> list[int]:
    return list(map(ord, question))


@pytest.fixture(scope="module")
def examination(corpus: Corpus, stock: Stock) -> Examination:
    return Examination(corpus, stock, seed=1, most=1000)


@pytest.fixture(scope="module")
def cases(examination: Examination) -> dict[str, list[Case]]:
    return examination.cases()


def test_every_kind_of_case_has_a_title_in_the_report(cases: dict[str, list[Case]]) -> None:
    assert set(cases) | {"held_out_sampled"} == set(TITLES)
    assert all(cases.values())


def test_a_right_answer_passes_and_a_wrong_one_does_not(examination: Examination, corpus: Corpus) -> None:
    answers = {normal(form): topic.answer for topic in corpus.topics for form in topic.held_out}
    held_out = examination.cases()["held_out"]
    right = put(Fake(lambda question: answers[normal(question)]), Path(), encode, held_out, GREEDY)
    wrong = put(Fake(lambda question: "**I don't know.**"), Path(), encode, held_out, GREEDY)
    assert all(good for _, good, _ in right) and not any(good for _, good, _ in wrong)


def test_the_example_questions_have_to_be_answered_word_for_word(cases: dict[str, list[Case]], corpus: Corpus) -> None:
    headache = next(case for case in cases["examples"] if "headache" in case.question)
    answer = next(topic.answer for topic in corpus.topics if topic.id == "red-flags-headache")
    assert headache.good(answer) and not headache.good(answer.replace("50", "60"))


def test_a_refusal_opens_with_not_knowing() -> None:
    assert is_refusal("**I don't know.** I am a small model.") and is_refusal("**I don't give doses.**")
    assert not is_refusal("Give 5 mg. Otherwise " + "x" * 60 + " I don't know")


def test_an_answer_from_sources_needs_the_right_mark_and_every_number(cases: dict[str, list[Case]]) -> None:
    marked, counted = cases["right_source"][0], cases["right_numbers"][0]
    assert marked.question == counted.question
    number = next(int(line[1]) for line in marked.system.splitlines() if line.startswith("["))
    assert not marked.good("Zoldex is given at 12 mg.") and not marked.good(f"It is so. [{number + 7}]")
    assert not counted.good("Zoldex is given at 123456 mg. [1]")


def test_a_protocol_s_words_stand_in_it_and_nowhere_else(examination: Examination) -> None:
    texts = {protocol.title: protocol.text for protocol in examination.protocols()}
    for protocol in examination.protocols():
        for question in protocol.questions:
            holders = [title for title, text in texts.items() if question["words"] in text]
            assert holders == [protocol.title] or not question["words"]


def test_a_protocol_s_answer_needs_its_words_and_its_number(examination: Examination) -> None:
    [case] = [case for case in examination.from_sources()["protocols"] if "red socks" in case.question]
    heads = re.findall(r"^\[\d\] .+$", case.system, re.MULTILINE)
    assert heads == ["[1] Ward protocol: potassium replacement, page 4", "[2] Falls on the ward, page 11", "[3] Insulin pumps in theatre"]
    answer = "Red socks are handed out to everybody who has fallen twice."
    assert case.good(f"{answer} [2]")
    assert not case.good(answer) and not case.good(f"{answer} [3]") and not case.good("Red socks are for everybody. [2]")


def test_what_no_protocol_tells_has_to_be_said_so(examination: Examination) -> None:
    [case] = [case for case in examination.from_sources()["protocols"] if "colistin" in case.question]
    assert case.good(NOT_COVERED) and not case.good("Two visitors at a time may come between 14 and 20 o'clock. [2]")


def test_questions_on_sources_are_put_as_the_application_puts_them_and_to_the_model_alone(cases: dict[str, list[Case]]) -> None:
    for kind in "right_source", "right_numbers", "not_covered", "protocols":
        held, alone = cases[kind], cases[f"{kind}_alone"]
        assert [case.question for case in held] == [case.question for case in alone]
        assert all("Source " in case.grammar for case in held) and not any(case.grammar for case in alone)


def test_presets_are_put_so_too_and_the_model_alone_has_to_say_what_it_was_taught(cases: dict[str, list[Case]]) -> None:
    held, alone = cases["notes"], cases["notes_alone"]
    assert [case.question for case in held] == [case.question for case in alone]
    assert all(case.grammar for case in held) and not any(case.grammar for case in alone)
    whole = filling.answer(held[0].question, presets())
    assert held[0].good(whole) and not held[0].good(whole.replace(whole[-20], "7")) and not held[0].good("")


def test_a_text_in_no_known_form_has_to_be_declined(cases: dict[str, list[Case]]) -> None:
    assert all(case.good(reciting.REFUSALS[0]) and not case.good(f"{filling.LEAD}\n\n## Plan\n5 mg") for case in cases["texts"])
    assert len({case.question for case in cases["texts"]}) > 50


def test_what_it_is_let_say_by_heart_is_what_it_was_taught(corpus: Corpus) -> None:
    courtesies = [glue.answer for glue in corpus.glue]
    assert set(reciting.COURTESIES) <= set(courtesies)
    assert all(any(answer.startswith(beginning) for answer in courtesies) for beginning in reciting.LISTS)
    assert all(
        refusal in (*courtesies, *(each.strip() for each in corpus.outside["refusals"])) for refusal in (*reciting.REFUSALS, *reciting.HELP)
    )


def test_no_question_that_was_taught_is_taken_for_a_text_or_has_an_answer_that_may_not_be_said(corpus: Corpus) -> None:
    for topic in corpus.topics:
        for form in (*topic.questions, *topic.held_out, *topic.patient_questions, *corpus.forms[topic.id]):
            assert not reciting.brings_text(Question(form)) and reciting.COURTESIES[1] not in reciting.grammar(Question(form))
        for answer in (topic.answer, topic.patient_answer):
            assert not answer.startswith((*reciting.OF_SOURCES, reciting.OF_NOTES))


def test_what_the_application_lets_this_model_say_is_what_it_was_trained_to_say(cases: dict[str, list[Case]], stock: Stock) -> None:
    assert quoting.NOT_COVERED == NOT_COVERED
    made = Documents(stock, random.Random(2), held_out=True).task(3)
    (passage, *_) = [each for each in made.passages if each.number in made.cited]
    said = quoting.grammar(made.question, [source_of(passage.number, passage.title, passage.text, None)])
    assert any(quoted(statement, passage).replace('"', '\\"') in said for statement in passage.statements)


def test_questions_outside_and_for_doses_are_distinct(cases: dict[str, list[Case]]) -> None:
    for kind in "outside", "doses":
        asked = [normal(case.question) for case in cases[kind]]
        assert len(asked) == len(set(asked)) >= 40


def test_pinned_facts_stand_in_the_system_text_of_the_greetings(cases: dict[str, list[Case]], corpus: Corpus) -> None:
    assert all(corpus.pinned["lead"] in case.system and "{" not in case.system for case in cases["pinned"])


def test_the_limit_holds_for_every_kind(corpus: Corpus, stock: Stock) -> None:
    few = Examination(corpus, stock, seed=1, most=3).measured(Fake(lambda question: ""), Path(), encode)
    assert all(len(rows) <= 3 for rows in few.values())


def test_a_dose_question_names_a_medicine(examination: Examination) -> None:
    talk: Talk = examination.talk("doses")
    assert all("{" not in dose_question(talk) for _ in range(100))


TOTALS = {"tokens": 1e6, "learnt": 5e5, "seconds": 60.0}


class TestReport:
    def report(self, **changes: Any) -> str:
        values: dict[str, Any] = {
            "topics": 3,
            "vocabulary": 600,
            "parameters": 1_000_000,
            "file_bytes": 2_000_000,
            "shape": {"layers": 2, "hidden": 64, "feed_forward": 128, "heads": 4, "kv_heads": 2},
            "machine": "two cores",
            "trainings": [Training("reading", 12, TOTALS, [{"step": 12, "loss": 1.5, "tokens": 1e6}]), Training("knowing", 5, TOTALS, [])],
            "rounds": [],
            "tokens_equal": (9, 10),
            "converter": {"Q8_0": {"max": 0.5, "mean": 0.1, "same": 0.9}},
            "measured": {"held_out": [("Why?", True, "So."), ("How?", False, "Hm.")], "held_out_sampled": [("Who?", False, "Ah.")]},
        }
        return Report(**values | changes).markdown()

    def test_it_says_shares_and_names_what_went_wrong(self) -> None:
        text = self.report()
        assert "| 1 of 2 | 50.0% |" in text and "- held_out: How?" in text and "Who?" not in text
        assert "9 of 10 texts" in text and "| reading, 12 | 1.00 | 1.5000 |  |" in text

    def test_its_curve_shows_what_was_seen_of_unseen_sources(self) -> None:
        history = [{"step": 12, "loss": 1.5, "tokens": 1e6, "sources": 0.25}]
        assert "| reading, 12 | 1.00 | 1.5000 | 25% |" in self.report(trainings=[Training("reading", 12, TOTALS, history)])

    def test_it_says_what_each_training_took_and_what_was_not_done(self) -> None:
        text = self.report()
        assert "reading: 12 steps, 0.02 hours, 1.00 M tokens seen" in text and "knowing: 5 steps" in text
        assert "without rounds of DPO" in text

    def test_rounds_stand_side_by_side_before_and_after(self) -> None:
        first = (1, {"all": (4, 10), "refused": (1, 5)}, {"all": (6, 10), "refused": (2, 5)})
        second = (2, first[2], {"all": (9, 10), "refused": (5, 5)})
        text = self.report(rounds=[first, second])
        assert "| all | 4 of 10 (40%) | 6 of 10 (60%) | 9 of 10 (90%) |" in text
        assert text.index("| all |") < text.index("| refused |")
