from collections.abc import Sequence

import pytest

from med42_chat.records import Health, Timings, Turn, Usage
from med42_chat.runtime import examination
from med42_chat.runtime.examination import Trial
from med42_chat.runtime.protocol import Finished, RuntimeEvent
from med42_chat.runtime.scheduler import Scheduler
from tests.runtime.test_scheduler import ScriptedContext, request

Events = list[tuple[str, RuntimeEvent]]


class Plain:
    """A template that writes nothing around the words."""

    name = "plain"

    def encode(self, turns: Sequence[Turn]) -> tuple[int, ...]:
        return (1, 2, 3)

    def count(self, turns: Sequence[Turn]) -> list[int]:
        return [1 for _ in turns]


def tried(context: ScriptedContext) -> Health | None:
    """What a trial finds that nobody disturbs."""
    scheduler, trial = Scheduler(context), Trial(Plain())
    events = trial.begin(scheduler)
    while scheduler.busy:
        events += scheduler.step()
    rest, found = trial.take(events)
    assert rest == [] and not trial.running
    return found


def test_prompts_have_exactly_one_beginning() -> None:
    assert examination.of_prompt([1, 5, 6], 1).state == "ok"
    assert examination.of_prompt([1, 1, 6], 1).state == "error"
    assert examination.of_prompt([5, 6], 1).state == "error"
    assert examination.of_prompt([5, 6], None).state == "ok"


def test_a_model_without_an_end_of_answers_is_an_error() -> None:
    assert examination.of_stops(()).state == "error"
    assert "128001, 128009" in examination.of_stops((128009, 128001)).text


def test_an_answer_that_ends_by_itself_is_found_well() -> None:
    found = tried(ScriptedContext(script=[7, 8]))
    assert found is not None and (found.name, found.state) == ("answer", "ok") and "2 tokens" in found.text


def test_an_answer_that_does_not_end_is_warned_of() -> None:
    found = tried(ScriptedContext(script=[7] * 100))
    assert found is not None and found.state == "warning" and "96 tokens" in found.text


def test_a_model_that_thinks_aloud_is_not_warned_of() -> None:
    found = tried(ScriptedContext(script=[7] * 100, pieces={7: b"<think>"}))
    assert found is not None and found.state == "ok"


def test_a_model_that_breaks_is_an_error() -> None:
    found = tried(ScriptedContext(broken=True))
    assert found is not None and found.state == "error" and "It broke." in found.text


def test_a_question_that_is_there_from_the_start_comes_first() -> None:
    scheduler, trial = Scheduler(ScriptedContext(script=[7])), Trial(Plain())
    events = trial.give_way(scheduler) + scheduler.submit(request("a", [1, 2]))
    found = trial.take(events)[1]
    assert found is not None and "not tested" in found.text
    assert trial.begin(scheduler) == []


@pytest.mark.parametrize(("script", "told"), [([7], True), ([7] * 200, False)])
def test_it_gives_way_to_a_question_whose_answer_then_shows_the_same_if_it_ends(script: list[int], told: bool) -> None:
    context = ScriptedContext(script=[7] * 100)
    scheduler, trial = Scheduler(context), Trial(Plain())
    events: Events = trial.begin(scheduler)
    events += scheduler.step()
    assert trial.running
    context.script = script
    events += trial.give_way(scheduler) + scheduler.submit(request("a", [1, 2, 3, 4]))
    rest, found = trial.take(events)
    assert found is not None and "not tested" in found.text
    assert not trial.running and {name for name, _ in rest} <= {"a"}
    events = []
    while scheduler.busy:
        events += scheduler.step()
    rest, found = trial.take(events)
    assert {name for name, _ in rest} == {"a"}
    assert (found is not None) == told
    assert trial.begin(scheduler) == []  # it would cost the conversation what is kept of it
    again, more = trial.take([("b", Finished("stop", Usage(), Timings()))])
    assert len(again) == 1 and (more is None) == told
