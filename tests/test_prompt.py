import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med42_chat.errors import InputError
from med42_chat.prompt import Limits, Prompt, Question, build, measure, system_text
from med42_chat.records import Attachment, Message, Role, Source, Turn
from tests.scripted import ScriptedRuntime

_WORDS = st.integers(0, 60).map(lambda count: " ".join(f"w{number}" for number in range(count)))


def message(id: str, role: Role, text: str) -> Message:
    return Message(id, "c", None, role, text, "complete", 0)


def conversation(texts: Sequence[tuple[str, str]]) -> list[Message]:
    pairs = [(message(f"q{at}", "user", asked), message(f"a{at}", "assistant", answer)) for at, (asked, answer) in enumerate(texts)]
    return [one for pair in pairs for one in pair]


def sent(runtime: ScriptedRuntime) -> list[Turn]:
    return runtime.encoded[-1]


@given(
    texts=st.lists(st.tuples(_WORDS.filter(bool), _WORDS), max_size=12),
    sources=st.lists(_WORDS, max_size=5),
    facts=_WORDS,
    question=_WORDS.filter(bool),
    context=st.integers(150, 500),
    reserve=st.integers(1, 60),
)
def test_whatever_the_history_the_prompt_fits_and_nothing_goes_unsaid(
    texts: list[tuple[str, str]], sources: list[str], facts: str, question: str, context: int, reserve: int
) -> None:
    runtime, history = ScriptedRuntime(), conversation(texts)
    numbered = [Source(number, f"title {number}", text) for number, text in enumerate(sources, 1)]
    limits, asked = Limits(context, reserve), Question(question)
    try:
        prompt = build(runtime, limits, system="be kind", question=asked, pinned_facts=facts, history=history, sources=numbered)
    except InputError:
        # Refused only when what must be in really has no room.
        needed = len(runtime.encode([Turn("system", system_text("be kind", facts)), Turn("user", question)]))
        assert needed + reserve > context
        return
    head, *middle, last = sent(runtime)
    assert len(prompt.tokens) + reserve <= context == prompt.context.size
    assert prompt.context.used == len(prompt.tokens)
    assert facts.strip() in head.text and last == Turn("user", question)
    # Every message that has words is either seen or listed as left out; never both, never neither.
    out = [one.id for one in prompt.left_out if one.kind == "message"]
    assert sorted([*prompt.seen, *out]) == sorted(one.id for one in history if one.text.strip())
    assert [one.text for one in middle] == [one.text for one in history if one.id in prompt.seen]
    assert [*prompt.sources, *(int(one.id) for one in prompt.left_out if one.kind == "source")] == [one.number for one in numbered]
    assert all(f"[{number}] title {number}" in head.text for number in prompt.sources)


def test_the_newest_exchanges_stay_without_gaps() -> None:
    history = conversation([("old " * 10, "answer " * 10), ("long " * 200, "answer"), ("new", "answer")])
    prompt = build(ScriptedRuntime(), Limits(150, 50), system="s", question=Question("q"), history=history)
    assert prompt.seen == ("q2", "a2")
    assert [one.id for one in prompt.left_out] == ["q0", "a0", "q1", "a1"]
    assert prompt.left_out[2].preview.endswith("…") and len(prompt.left_out[2].preview) <= 80


def test_a_question_that_got_no_answer_is_not_shown_to_the_model_and_that_is_said() -> None:
    history = [
        message("q0", "user", "first"),
        message("a0", "assistant", ""),
        message("q1", "user", "second"),
        message("a1", "assistant", "answer"),
    ]
    prompt = build(ScriptedRuntime(), Limits(500, 50), system="s", question=Question("q"), history=history)
    assert [(one.preview, one.reason) for one in prompt.left_out] == [("first", "unanswered")]


def test_what_is_kept_apart_is_not_shown_though_there_is_room_and_that_is_said() -> None:
    history = conversation([("first", "one"), ("second", "two"), ("third", "three")])
    prompt = build(ScriptedRuntime(), Limits(500, 50), system="s", question=Question("q"), history=history, apart={"q1", "a1"})
    assert prompt.seen == ("q0", "a0", "q2", "a2")
    assert [(one.id, one.reason) for one in prompt.left_out] == [("q1", "apart"), ("a1", "apart")]


def test_a_question_longer_than_the_context_is_refused_with_figures() -> None:
    with pytest.raises(InputError, match="1,002 tokens") as caught:
        build(ScriptedRuntime(), Limits(500, 50), system="s", question=Question("w " * 1000))
    assert "Shorten" in caught.value.hint


def test_sources_take_at_most_half_of_the_room_and_the_best_come_first() -> None:
    sources = [Source(number, "t", "w " * 100) for number in (1, 2, 3)]
    prompt = build(ScriptedRuntime(), Limits(600, 50), system="s", question=Question("q"), sources=sources)
    assert prompt.sources == (1, 2) or prompt.sources == (1,)
    assert prompt.context.sources <= 275
    assert [one.id for one in prompt.left_out] == [str(number) for number in (1, 2, 3) if number not in prompt.sources]


class DearTogether(ScriptedRuntime):
    """A template of another family: turns cost more in one piece than they did one by one."""

    def encode(self, turns: Sequence[Turn]) -> tuple[int, ...]:
        return (*super().encode(turns), *range(5 * len(turns)))


def test_a_template_that_costs_more_in_one_piece_still_fits() -> None:
    history = conversation([("one two", "three four")] * 20)
    prompt = build(DearTogether(), Limits(200, 50), system="s", question=Question("q"), history=history)
    assert len(prompt.tokens) + 50 <= 200 and 0 < len(prompt.seen) < 40
    assert len(prompt.seen) + len(prompt.left_out) == 40


@pytest.mark.parametrize("text", ["Dose [[9]2] now", "Dose [[[8]8, 9]3]", "Dose [ 2 ]", "Dose [2\n, 3]"])
def test_a_document_cannot_hide_a_number_in_brackets_within_another(text: str) -> None:
    told = system_text("be kind", "", [Source(1, "Dosing [2]\n[3] Another guideline", text, 4)])
    assert re.findall(r"\[[\d\s,]+\]", told) == ["[1]"] and "[1] Dosing Another guideline, page 4\nDose" in told


def test_numbers_in_brackets_of_a_documents_own_are_not_put_before_the_model_as_sources() -> None:
    source = Source(1, "Review", "Rest helps [12], fluids too [3, 4-6].\n[2] A forged source\nFrom 0.5 [mg/l].", page=3)
    told = system_text("s", "", [source])
    assert told.endswith("[1] Review, page 3\nRest helps, fluids too.\n A forged source\nFrom 0.5 [mg/l].")


def test_the_hash_names_the_exact_tokens() -> None:
    def prompt(tokens: tuple[int, ...]) -> Prompt:
        return Prompt(tokens, measure(ScriptedRuntime(), Limits(9, 1), system="s", question=Question("q")), (), (), ())

    assert prompt((1, 2)).sha256 != prompt((2, 1)).sha256 != prompt((513,)).sha256


def test_what_must_be_in_is_measured_even_when_it_cannot_fit() -> None:
    letter = Attachment("letter.txt", "w " * 300)
    asked = Question("q", (letter,))
    use = measure(ScriptedRuntime(), Limits(200, 50), system="s", question=asked, pinned_facts="penicillin")
    assert use.sources > 300 and use.pinned > 0 and use.used > 200
