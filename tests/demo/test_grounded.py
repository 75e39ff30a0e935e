"""Tasks on invented documents: answers copy, marks exist, and what is held out is never trained."""

import random
import re
from itertools import combinations

from grounded import (
    LEVELS,
    NOT_COVERED,
    Documents,
    Stock,
    Task,
    figures,
    is_held_out,
    level_at,
    mentions,
    right_numbers,
    sentences_of,
    slots,
    with_sources,
)

from med42_chat.prompt import system_text
from med42_chat.records import Source


def tasks(stock: Stock, seed: int = 1, held_out: bool = False) -> list[Task]:
    documents = Documents(stock, random.Random(seed), held_out)
    return [documents.task(level) for level in range(len(LEVELS)) for _ in range(200)]


def test_the_prompt_has_the_application_s_own_form(stock: Stock) -> None:
    for task in tasks(stock)[::40]:
        sources = [Source(passage.number, passage.title, passage.text, passage.page) for passage in task.passages]
        assert with_sources("You help.", task.passages) == system_text("You help.", "", sources)


def test_the_same_seed_makes_the_same_tasks(stock: Stock) -> None:
    assert tasks(stock, seed=4) == tasks(stock, seed=4) != tasks(stock, seed=5)


def test_every_sentence_of_an_answer_stands_word_for_word_in_the_source_that_it_cites(stock: Stock) -> None:
    for task in tasks(stock):
        texts = {passage.number: passage.text for passage in task.passages}
        quoted = [re.fullmatch(r"Source (\d+) says: (.+) \[(\d+)\]", part) for part in task.answer.split("\n\n") if task.cited]
        assert all(said and said[1] == said[3] and said[2] in texts[int(said[1])] for said in quoted)


def test_several_questions_on_the_same_sources_are_each_answered_from_them(stock: Stock) -> None:
    documents = Documents(stock, random.Random(3))
    for level in range(len(LEVELS)):
        made = documents.conversation(level, "You help.", 8)
        asked = [turn.question for turn in made.turns]
        assert made.grounded and 1 <= len(asked) <= 8 and len(asked) == len(set(asked))
        assert all(turn.answer == NOT_COVERED or right_numbers(turn.answer) for turn in made.turns)
        answers = "\n".join(turn.answer for turn in made.turns if turn.answer != NOT_COVERED)
        assert all(text in made.system for text in re.findall(r"says: (.+) \[\d+\]", answers))


def test_marks_are_those_of_existing_sources_and_an_uncovered_question_has_none(stock: Stock) -> None:
    for task in tasks(stock):
        assert right_numbers(task.answer) == task.cited
        assert set(task.cited) <= {passage.number for passage in task.passages}
        assert (task.cited == ()) == (task.answer == NOT_COVERED)


def test_one_sentence_and_no_other_answers_a_narrow_question(stock: Stock) -> None:
    for task in tasks(stock):
        said = [statement for passage in task.passages for statement in passage.statements]
        assert not [one for one, other in combinations(said, 2) if one.clashes(other)]


def test_words_that_a_question_names_stand_together_in_one_sentence_only(stock: Stock) -> None:
    for task in tasks(stock):
        said = [statement for passage in task.passages for statement in passage.statements]
        for statement in said:
            if not statement.fact:
                assert [other for other in said if mentions(other.text, statement.asked)] == [statement]


def test_a_word_is_mentioned_as_a_whole_and_in_any_case() -> None:
    assert mentions("Treat AF after the meal.", ["af", "Meal"]) and not mentions("After the meal.", ["AF"])


def test_an_uncovered_question_asks_for_nothing_that_is_said(stock: Stock) -> None:
    for task in tasks(stock):
        if not task.cited:
            said = [statement for passage in task.passages for statement in passage.statements]
            assert task.question not in {question for statement in said for question in statement.questions}


def test_all_three_kinds_of_question_occur_and_several_sources_may_fit(stock: Stock) -> None:
    counts = [len(task.cited) for task in tasks(stock)]
    assert counts.count(0) > 100 and counts.count(1) > 300 and sum(count > 1 for count in counts) > 2


def test_held_out_sentences_names_and_numbers_are_never_trained(stock: Stock) -> None:
    def seen(made: list[Task]) -> tuple[set[str], set[str]]:
        statements = [statement for task in made for passage in task.passages for statement in passage.statements]
        free = {value for statement in statements for slot, value in statement.filling if slot.rstrip("23") not in stock.values}
        return {statement.fact.text for statement in statements if statement.fact}, free

    trained_facts, trained_values = seen(tasks(stock))
    kept_facts, kept_values = seen(tasks(stock, held_out=True))
    assert kept_facts and not trained_facts & kept_facts
    assert kept_values and not any(map(is_held_out, trained_values)) and all(map(is_held_out, kept_values))


def test_every_question_of_a_fact_names_what_the_fact_is_about(stock: Stock) -> None:
    for fact in stock.facts:
        assert fact.about in slots(fact.text)


def test_borrowed_sentences_of_the_report_are_never_trained(stock: Stock) -> None:
    trained, kept = (set(Documents(stock, random.Random(1), part).sentences) for part in (False, True))
    assert trained and kept and not trained & kept


def test_there_are_facts_of_many_shapes(stock: Stock) -> None:
    lengths = [len(fact.text.split()) for fact in stock.facts]
    assert len(stock.facts) >= 60 and min(lengths) <= 8 and max(lengths) >= 25


def test_sentences_are_taken_from_answers_without_their_marks() -> None:
    answer = "## Head\n**Call for help** early and often. Then wait.\n\n- Fever, neck stiffness or **a rash:**\n| a | b |"
    assert sentences_of(answer) == ["Call for help early and often.", "Fever, neck stiffness or a rash."]


def test_the_curriculum_begins_with_little_and_ends_with_all() -> None:
    levels = [level_at(step / 100) for step in range(101)]
    assert levels[0] == 0 and levels[-1] == len(LEVELS) - 1 and levels == sorted(levels)
    assert level_at(0.5) == len(LEVELS) - 1


def test_a_level_s_sizes_are_kept(stock: Stock) -> None:
    documents = Documents(stock, random.Random(2))
    for number, level in enumerate(LEVELS):
        made = [documents.task(number) for _ in range(100)]
        assert max(len(task.passages) for task in made) == level.sources
        assert max(len(passage.statements) for task in made for passage in task.passages) == level.sentences


def test_citations_are_no_figures() -> None:
    assert figures("Zoldex is given at 12 mg every 6 hours. [3]") == ["12", "6"]
