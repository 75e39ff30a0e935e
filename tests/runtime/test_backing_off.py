"""What follows when the model's process ends, and what a person is told of it."""

from collections.abc import Sequence

import pytest

from med42_chat.errors import RuntimeFailure
from med42_chat.runtime.protocol import Load
from med42_chat.runtime.ways import Phase, Ways, cause_of


def ways(*notes: str) -> Ways:
    made = Ways()
    made.present(lambda: [Load("model.gguf", 8192 - index, note=note) for index, note in enumerate(("", *notes))])
    return made


def context(made: Ways) -> int:
    def again() -> Sequence[Load]:
        raise AssertionError("it was planned before")

    return made.present(again).context


@pytest.mark.parametrize("phase", ["loading", "fresh"])
def test_a_death_before_a_word_was_written_leads_to_the_next_way_at_once(phase: Phase) -> None:
    made = ways("One at a time.", "Less context.")
    assert made.died(phase, "signal 6") == "One at a time."
    assert context(made) == 8191 and made.pause_s == 0
    assert "(signal 6). One at a time." in made.backed_off[0]


def test_the_second_death_in_a_row_while_answering_leads_to_the_next_way() -> None:
    made = ways("One at a time.")
    assert made.died("proven", "signal 9") == "" and context(made) == 8192 and made.pause_s > 0
    assert made.died("proven", "signal 9") == "One at a time."
    assert made.backed_off == ("The model's process ended 2 times in a row while it was answering (signal 9). One at a time.",)
    assert made.hopeless("signal 9") is None and made.pause_s == 0


def test_deaths_with_answers_between_them_change_nothing() -> None:
    made = ways("One at a time.")
    for _ in range(10):
        assert made.died("proven", "signal 11") == ""
        made.worked()
    assert context(made) == 8192 and made.backed_off == ()


def test_where_no_way_is_left_pauses_grow_and_after_five_deaths_the_person_is_asked() -> None:
    made, pauses = ways(), []
    for _ in range(4):
        assert made.died("proven", "signal 9") == "" and made.hopeless("signal 9") is None
        pauses.append(made.pause_s)
    assert pauses == sorted(set(pauses))
    made.died("proven", "signal 9")
    hopeless = made.hopeless("signal 9")
    assert hopeless is not None and "5 times in a row (signal 9)" in hopeless.message and hopeless.hint


def test_a_way_that_says_nothing_of_itself_is_told_as_one_all_the_same() -> None:
    assert "more modest" in ways("").died("loading", "signal 9")


def test_when_the_last_way_fails_it_is_said_how_many_there_were() -> None:
    made = ways("Less.")
    assert made.not_loaded(RuntimeFailure("No memory.", "Close something.")).hint == "Close something."
    made.back_off("No memory.")
    assert made.not_loaded(RuntimeFailure("No memory.", "Close something.")).hint.startswith("Close something. It was tried in 2 ways")


def test_how_a_process_ended_is_said_for_a_person() -> None:
    assert cause_of(-9) == "signal 9, as when memory is short"
    assert cause_of(-11) == "signal 11" and cause_of(3) == "exit status 3"
