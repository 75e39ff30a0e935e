"""What is handed to a keeper, when, and what comes back of it: the scheduler on a scripted context."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med42_chat.records import Sampling, Usage
from med42_chat.runtime.fetching import Fetch
from med42_chat.runtime.protocol import Finished, Prefill, Queued, Request, RuntimeEvent
from med42_chat.runtime.scheduler import Scheduler
from med42_chat.runtime.strands import _BYTES_PER_IDLE_S
from tests.runtime.test_scheduler import ScriptedContext, ending, of, run


@dataclass
class ScriptedKeeper:
    """Keeps everything in memory; `log` says what was taken, given out and dropped, in order."""

    kept: dict[str, tuple[tuple[int, ...], bytearray]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    full: bool = False
    spoilt: bool = False
    slow: bool = False  # what is fetched comes when a test says so
    fetches: list[Fetch] = field(default_factory=list)

    def tokens(self, conversation: str) -> Sequence[int]:
        return self.kept[conversation][0] if conversation in self.kept else ()

    def fetch(self, conversation: str) -> Fetch:
        self.log.append(f"gave {conversation}")
        self.fetches.append(Fetch(conversation))
        if not self.slow:
            self.fetches[-1].come(None if self.spoilt else self.kept[conversation])
        return self.fetches[-1]

    def drop(self, conversation: str) -> None:
        self.log.append(f"dropped {conversation}")
        self.kept.pop(conversation, None)

    def wants(self, size: int) -> bool:
        return not self.full

    def keep(self, conversation: str, tokens: Sequence[int], state: bytearray, age_s: float) -> None:
        assert len(state) == 4 * len(tokens)
        self.log.append(f"took {conversation}")
        self.ages.append(age_s)
        self.kept[conversation] = (tuple(tokens), state)


@dataclass
class Stage:
    """A scheduler, its keeper, and a clock that stands still unless it is moved."""

    context: ScriptedContext = field(default_factory=lambda: ScriptedContext(sequences=2))
    keeper: ScriptedKeeper = field(default_factory=ScriptedKeeper)
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.context, lambda: self.now, self.keeper)

    def ask(self, conversation: str, prompt: Sequence[int]) -> Usage:
        self.scheduler.submit(Request("a", tuple(prompt), Sampling(max_tokens=4), 1, conversation=conversation))
        return ending(of(run(self.scheduler), "a")).usage

    def restart(self) -> None:
        while self.scheduler.keep_next():
            pass
        self.context = ScriptedContext(self.context.sequences, grain=self.context.grain, least=self.context.least, batch=self.context.batch)
        self.scheduler = Scheduler(self.context, lambda: self.now, self.keeper)


def words(salt: int, length: int = 100) -> list[int]:
    return [salt * 1000 + index for index in range(length)]


def test_a_conversation_that_has_to_leave_is_handed_over_and_comes_back() -> None:
    stage = Stage()
    assert [stage.ask(name, words(salt)).cached_tokens for salt, name in enumerate("abc")] == [0, 0, 0]
    assert stage.keeper.log == ["took a"]
    usage = stage.ask("a", [*words(0), *words(9, 40)])
    assert (usage.cached_tokens, usage.restored_tokens) == (100, 100)
    assert stage.keeper.log == ["took a", "took b", "gave a"]
    usage = stage.ask("a", [*words(0), *words(9, 40), *words(8, 40)])
    assert (usage.cached_tokens, usage.restored_tokens) == (140, 0)


def test_what_belongs_to_no_conversation_is_never_handed_over() -> None:
    stage = Stage()
    for salt in range(5):
        stage.ask("", words(salt))
    assert not stage.scheduler.keep_next() and stage.scheduler.pause() is None and stage.keeper.log == []


def test_at_the_end_those_that_were_used_last_are_handed_over_first_and_each_once() -> None:
    stage = Stage(ScriptedContext(sequences=3))
    for salt, name in enumerate("abc"):
        stage.ask(name, words(salt))
        stage.now += 10
    stage.ask("a", words(0, 150))
    stage.now += 5
    while stage.scheduler.keep_next():
        pass
    assert stage.keeper.log == ["took a", "took c", "took b"] and stage.keeper.ages == [5, 15, 25]
    assert stage.scheduler.pause() is None


def test_a_small_one_is_handed_over_soon_and_a_large_one_after_a_longer_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    monkeypatch.setattr(stage.context, "state_size", lambda sequence: 10 * _BYTES_PER_IDLE_S)
    stage.ask("a", words(0))
    assert stage.scheduler.pause() == pytest.approx(10)
    stage.now += 9
    stage.scheduler.step()
    assert stage.keeper.log == [] and stage.scheduler.pause() == pytest.approx(1)
    stage.now += 3
    assert stage.scheduler.pause() == 0
    stage.scheduler.step()
    assert stage.keeper.log == ["took a"] and stage.scheduler.pause() is None


def test_only_what_any_other_way_of_reading_would_give_is_handed_over() -> None:
    stage = Stage(ScriptedContext(sequences=1, grain=4, least=8, script=[5, 6, 7]))
    stage.ask("a", words(0, 101))
    assert stage.scheduler.keep_next()
    assert stage.keeper.kept["a"][0] == tuple(words(0, 100))


def test_an_answer_that_does_not_grow_is_not_handed_over_again() -> None:
    stage = Stage()
    stage.ask("a", words(0))
    assert stage.scheduler.keep_next()
    stage.ask("a", words(0, 110))
    assert stage.scheduler.pause() is None and not stage.scheduler.keep_next()
    stage.ask("a", words(0, 140))
    assert stage.scheduler.keep_next() and len(stage.keeper.kept["a"][0]) == 140


def test_what_replaced_a_part_of_a_conversation_is_handed_over_as_it_is_now() -> None:
    stage = Stage()
    stage.ask("a", words(0))
    assert stage.scheduler.keep_next()
    stage.ask("a", [*words(0, 60), *words(7, 45)])
    assert stage.scheduler.keep_next() and stage.keeper.kept["a"][0] == (*words(0, 60), *words(7, 45))


def test_a_conversation_that_goes_on_in_anothers_place_is_handed_over_whole() -> None:
    stage = Stage(ScriptedContext(sequences=1))
    stage.ask("a", words(0))
    assert stage.scheduler.keep_next()
    assert stage.ask("b", words(0, 105)).cached_tokens == 100
    assert stage.scheduler.keep_next() and stage.keeper.kept["b"][0] == tuple(words(0, 105))


def test_of_two_places_that_a_conversation_had_only_the_last_one_is_handed_over() -> None:
    stage = Stage(ScriptedContext(sequences=3))
    stage.ask("a", words(0))
    stage.ask("a", [*words(0, 40), *words(5, 70)])  # shares too little with it to take its place
    while stage.scheduler.keep_next():
        pass
    assert stage.keeper.log == ["took a"] and stage.keeper.kept["a"][0] == (*words(0, 40), *words(5, 70))


@pytest.mark.parametrize("fault", ["spoilt", "refuses"])
def test_what_does_not_come_back_is_read_anew_as_if_it_had_never_been(fault: str) -> None:
    stage = Stage()
    stage.ask("a", words(0))
    stage.restart()
    setattr(stage.keeper if fault == "spoilt" else stage.context, fault, True)
    usage = stage.ask("a", words(0, 140))
    assert (usage.cached_tokens, usage.restored_tokens) == (0, 0)
    assert fault == "spoilt" or "dropped a" in stage.keeper.log


def test_what_the_keeper_does_not_want_is_offered_once() -> None:
    stage = Stage()
    stage.keeper.full = True
    stage.ask("a", words(0))
    assert stage.scheduler.keep_next() and not stage.scheduler.keep_next() and stage.keeper.log == []


def test_a_memory_that_cannot_be_cut_keeps_nothing_and_goes_on() -> None:
    stage = Stage(ScriptedContext(sequences=1, whole=True, grain=4, least=8))
    stage.ask("a", words(0, 101))
    stage.ask("b", words(1, 101))
    assert stage.keeper.log == [] and not stage.scheduler.keep_next() | stage.scheduler.keep_next()


def test_a_little_more_than_is_cached_is_not_worth_a_look_at_the_disk() -> None:
    stage = Stage()
    stage.ask("a", words(0))
    stage.restart()
    stage.ask("b", words(0, 80))
    assert stage.ask("a", words(0, 140)).cached_tokens == 80 and "gave a" not in stage.keeper.log


def test_a_forgotten_conversation_is_in_no_place_any_more_and_is_not_handed_over() -> None:
    stage = Stage()
    stage.ask("a", words(0))
    stage.scheduler.forget("a")
    assert not stage.scheduler.keep_next() and stage.ask("b", words(0)).cached_tokens == 0
    stage.scheduler.submit(Request("x", tuple(words(3)), Sampling(max_tokens=50), 1, conversation="c"))
    stage.scheduler.step()
    stage.scheduler.forget("c")  # in the middle of its answer
    run(stage.scheduler)
    assert stage.scheduler.keep_next() and stage.keeper.log == ["dropped a", "dropped c", "took b"]
    assert not stage.scheduler.keep_next()


def test_what_belongs_to_a_forgotten_conversation_is_not_kept_even_if_it_comes_back_meanwhile_and_what_is_asked_then_is() -> None:
    stage = Stage(ScriptedContext(sequences=1, script=[1] * 10))
    for name in ("x", "y"):
        stage.scheduler.submit(Request(name, tuple(words(0)), Sampling(max_tokens=5), 1, conversation="a"))
    stage.scheduler.step()
    stage.scheduler.forget("a")  # one is being answered, one waits
    run(stage.scheduler)
    assert not stage.scheduler.keep_next() and stage.keeper.kept == {}
    stage.ask("a", words(1))  # imported again under its old id
    assert stage.scheduler.keep_next() and stage.keeper.kept["a"][0][:100] == tuple(words(1))


class Slow(Stage):
    """What was kept of conversation 'a' is on its way from the disk, for its request 'a'."""

    def begin(self) -> list[tuple[str, RuntimeEvent]]:
        self.ask("a", words(0))
        self.restart()
        self.keeper.slow = True
        events = self.submit("a", words(0, 140))
        assert self.scheduler.step() == []
        assert stage_of(self) == "looks soon"
        return events

    def submit(self, conversation: str, prompt: Sequence[int], limit: int = 4) -> list[tuple[str, RuntimeEvent]]:
        self.scheduler.submit(Request(conversation, tuple(prompt), Sampling(max_tokens=limit), 1, conversation=conversation))
        return self.scheduler.step()

    def come(self, conversation: str = "a", which: int = -1) -> None:
        self.keeper.fetches[which].come(self.keeper.kept[conversation])


def stage_of(stage: Stage) -> str:
    """What a worker does with it: it steps while it is busy, else it waits for a command as long as `pause` says."""
    scheduler = stage.scheduler
    if scheduler.busy:
        return "steps"
    return "waits" if scheduler.idle else f"looks {'soon' if (scheduler.pause() or 1) < 0.1 else 'late'}"


def test_while_what_is_kept_comes_from_a_slow_disk_the_others_are_answered() -> None:
    stage = Slow(ScriptedContext(sequences=3, script=[1] * 50))
    assert stage.begin() == [("a", Queued("fetching"))]
    decodes = len(stage.context.parts)
    stage.submit("b", words(1), limit=20)
    stage.submit("c", words(2), limit=20)
    events = run(stage.scheduler)
    assert [name for name, event in events if isinstance(event, Finished)] == ["b", "c"] and len(stage.context.parts) > decodes
    assert stage_of(stage) == "looks soon" and not any(isinstance(event, Prefill) for event in of(events, "a"))
    stage.keeper.fetches[0].progress = 0.5
    assert stage.scheduler.step() == [("a", Queued("fetching", progress=0.5))]
    assert stage.scheduler.step() == []
    stage.come()
    events = of(run(stage.scheduler), "a")
    assert events[0] == Prefill(100, 140) and stage_of(stage) == "waits"
    assert (ending(events).usage.cached_tokens, ending(events).usage.restored_tokens) == (100, 100)


def test_one_that_is_stopped_while_it_is_fetched_ends_at_once_and_what_is_kept_of_it_stays() -> None:
    stage = Slow()
    stage.begin()
    assert ending(of(stage.scheduler.cancel("a"), "a")).reason == "cancelled"
    assert stage.keeper.fetches[0].over and stage.scheduler.idle
    assert not stage.scheduler.keep_next() and len(stage.keeper.kept["a"][0]) == 100
    stage.keeper.slow = False
    assert stage.ask("a", words(0, 140)).restored_tokens == 100


def test_what_stood_in_the_place_of_one_that_is_stopped_while_it_is_fetched_is_not_kept_as_its_own() -> None:
    stage = Slow(ScriptedContext(sequences=1))
    stage.ask("a", words(0))
    stage.ask("b", words(5, 300))
    stage.keeper.slow = True
    stage.submit("a", words(0, 140))
    stage.scheduler.cancel("a")
    assert not stage.scheduler.keep_next()
    assert {name: kept[0] for name, kept in stage.keeper.kept.items()} == {"a": tuple(words(0)), "b": tuple(words(5, 300))}


def test_a_conversation_that_is_deleted_while_it_is_fetched_is_read_anew_and_not_kept_again() -> None:
    stage = Slow()
    stage.begin()
    stage.scheduler.forget("a")
    usage = ending(of(run(stage.scheduler), "a")).usage
    assert usage.cached_tokens == 0 and usage.completion_tokens == 0
    assert not stage.scheduler.keep_next() and stage.keeper.kept == {}


def test_what_turns_out_to_be_damaged_at_its_end_is_read_anew_with_what_is_cached_by_then() -> None:
    stage = Slow(ScriptedContext(sequences=2))
    stage.begin()
    stage.ask("", words(0, 80))  # another's prompt begins alike
    stage.keeper.fetches[0].come(None)
    usage = ending(of(run(stage.scheduler), "a")).usage
    assert (usage.cached_tokens, usage.restored_tokens) == (80, 0)


def test_a_disk_that_does_not_answer_is_waited_for_no_longer_than_it_gets_on() -> None:
    stage = Slow()
    stage.begin()
    for progress in (0.2, 0.4):
        stage.now += 15
        stage.keeper.fetches[0].progress = progress
        assert stage.scheduler.step() == [("a", Queued("fetching", progress=progress))]
    stage.now += 15
    assert stage.scheduler.step() == []
    stage.now += 6
    usage = ending(of(run_until_idle(stage), "a")).usage
    assert usage.cached_tokens == 0 and stage.keeper.fetches[0].over


def run_until_idle(stage: Stage) -> list[tuple[str, RuntimeEvent]]:
    """As a worker does, which steps again after a pause."""
    events = []
    while not stage.scheduler.idle:
        events += stage.scheduler.step()
    return events


def test_ending_ends_those_that_are_fetched() -> None:
    stage = Slow()
    stage.begin()
    assert [ending([event]).reason for _, event in stage.scheduler.end() if isinstance(event, Finished)] == ["cancelled"]
    assert stage.scheduler.idle and stage.keeper.fetches[0].over


def test_ending_stops_every_answer_and_what_was_read_of_it_can_be_handed_over() -> None:
    stage = Stage(ScriptedContext(sequences=1, script=[1] * 100))
    for name in "ab":
        stage.scheduler.submit(Request(name, tuple(words(0)), Sampling(max_tokens=50), 1, conversation=name))
    for _ in range(10):
        stage.scheduler.step()
    ends = [ending([event]).reason for _, event in stage.scheduler.end() if hasattr(event, "reason") and hasattr(event, "usage")]
    assert ends == ["cancelled", "cancelled"] and stage.scheduler.idle
    assert stage.scheduler.keep_next() and stage.keeper.log == ["took a"]


STEPS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "d", ""]), st.integers(0, 3), st.integers(1, 120), st.integers(0, 80), st.booleans()),
    max_size=14,
)


@given(steps=STEPS, sequences=st.integers(1, 3), rule=st.sampled_from([(1, 1), (4, 8), (4, 16)]))
@settings(deadline=None, max_examples=150)
def test_whatever_comes_and_goes_every_answer_stands_behind_its_own_prompt(
    steps: list[tuple[str, int, int, int, bool]], sequences: int, rule: tuple[int, int]
) -> None:
    """The scripted sampler refuses to choose a token behind anything but its request's own."""
    stage = Stage(ScriptedContext(sequences=sequences, grain=rule[0], least=rule[1], batch=32))
    for conversation, salt, shared, own, restarts in steps:
        prompt = [*words(salt, shared), *words(10 + salt, own)]
        before = sum(stage.context.decoded)
        usage = stage.ask(conversation, prompt)
        assert 0 <= usage.restored_tokens <= usage.cached_tokens < len(prompt)
        assert usage.cached_tokens % rule[0] == 0
        again = sum(stage.context.decoded) - before - (len(prompt) - usage.cached_tokens)
        assert again >= 0  # what was read again while nobody waited
        if restarts:
            stage.restart()
        else:
            stage.now += 0.5
    assert all(name for name in stage.keeper.kept)
