"""How a model is best run: what is tried, what is chosen, and what is kept of it."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from med42_chat.errors import RuntimeFailure
from med42_chat.runtime.context import Part
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import Load
from med42_chat.runtime.tuned import Tuned, changes
from med42_chat.runtime.tuning import Choice, Trials, Tuning
from tests.runtime.ways import one_way

USUAL = Choice(4, 512, True)
Speed = Callable[[Choice, int], float]  # seconds for a decode of so many tokens


@dataclass
class Machine:
    """A computer with a clock of its own, on which every decode takes what `speed` says. A decode past `patience_s` is broken off."""

    speed: Speed
    impossible: Sequence[Choice] = ()
    patience_s: float = 1000.0
    uncut: bool = False  # no end can be taken back
    now: float = 0.0
    opened: list[Choice] = field(default_factory=list)
    closed: int = 0

    def open(self, choice: Choice) -> "OnTrial":
        if choice in self.impossible:
            raise RuntimeFailure("No memory.", "")
        assert self.closed == len(self.opened), "two at a time would need memory for two"
        self.opened.append(choice)
        return OnTrial(self, choice)

    def tune(self, tried: Sequence[Mapping[str, object]]) -> Tuning:
        return Trials(self.open, lambda: self.now).tune(USUAL, tried, lambda _: None)


@dataclass
class OnTrial:
    machine: Machine
    choice: Choice
    length: int = 0
    least: int = 1

    def decode(self, parts: Sequence[Part]) -> bool:
        ((_, position, tokens, _),) = parts
        assert position == self.length and 0 < len(tokens) <= self.choice.batch
        self.length += len(tokens)
        self.machine.now += self.machine.speed(self.choice, len(tokens))
        return self.machine.now < self.machine.patience_s

    def forget(self, sequence: int, position: int) -> None:
        if self.machine.uncut and 0 < position < self.length:
            raise RuntimeFailure("It cannot be cut.", "")
        self.length = position

    def interrupt(self) -> None: ...

    def resume(self) -> None: ...

    def wait(self) -> None: ...

    def close(self) -> None:
        self.machine.closed += 1


def fast(choice: Choice, tokens: int) -> float:
    return 0.002 + 0.0002 * tokens


FLASH, THREADS = {"flash_attention": False}, {"threads": 3}


def test_what_is_clearly_faster_is_chosen_and_the_next_change_is_tried_on_top_of_it() -> None:
    machine = Machine(
        lambda choice, tokens: fast(choice, tokens) * (1 if choice.flash_attention else 0.9) * (0.8 if choice.threads == 3 else 1)
    )
    assert machine.tune([FLASH, THREADS]).choice == Choice(3, 512, False)
    assert machine.closed == len(machine.opened)


def test_what_is_a_little_faster_may_be_chance_and_is_not_chosen() -> None:
    machine = Machine(lambda choice, tokens: fast(choice, tokens) * (1 if choice.flash_attention else 0.97))
    assert machine.tune([FLASH]).choice == USUAL


def test_a_change_that_only_won_because_another_program_was_busy_at_first_is_not_chosen() -> None:
    machine = Machine(lambda choice, tokens: fast(choice, tokens))
    machine.speed = lambda choice, tokens: fast(choice, tokens) * (2 if FLASH_TRIED not in machine.opened else 1)
    assert machine.tune([FLASH]).choice == USUAL
    assert FLASH_TRIED in machine.opened


FLASH_TRIED = USUAL._replace(flash_attention=False)


def test_the_costs_of_guesses_are_those_of_decodes_of_so_many_tokens() -> None:
    costs = Machine(fast).tune([]).costs
    assert costs == (1.3, 1.6, 2.4, 3.8)
    assert Tuning(USUAL, costs).useful == {4: 1.3, 8: 1.6, 16: 2.4, 32: 3.8}


def test_a_size_that_costs_as_much_as_its_tokens_one_by_one_is_of_no_use() -> None:
    tuning = Machine(lambda _, tokens: 0.005 * (min(tokens, 8) + tokens // 16)).tune([])
    assert tuning.costs[:2] == (0.0, 0.0)
    assert sorted(tuning.useful) == [16, 32]


def test_a_large_model_is_not_kept_from_answering_by_its_trial() -> None:
    machine = Machine(lambda _, tokens: 0.3 + 0.15 * tokens)
    machine.tune([FLASH, THREADS, {"threads": 2}, {"batch": 256}])
    assert machine.now < 30
    assert sum(1 for choice in machine.opened if choice.batch == 256) <= 1


def test_where_time_is_over_or_memory_lacks_or_cannot_be_cut_the_usual_way_stays() -> None:
    assert Machine(fast, impossible=[FLASH_TRIED]).tune([FLASH]).choice == USUAL
    assert Machine(fast, impossible=[USUAL]).tune([FLASH]) == Tuning(USUAL, ())
    assert Machine(fast, patience_s=0.0).tune([FLASH]) == Tuning(USUAL, ())
    assert Machine(fast, uncut=True).tune([]) == Tuning(USUAL, ())


def tuned(folder: Path, key: str = "model") -> Tuned:
    return Tuned(folder / "tuning.json", key, USUAL, [FLASH])


def test_what_was_found_is_kept_and_not_tried_again(tmp_path: Path) -> None:
    first = tuned(tmp_path)
    assert first.known is None
    machine = Machine(lambda choice, tokens: fast(choice, tokens) * (1 if choice.flash_attention else 0.8))
    found = first.found(machine.open, lambda _: None)
    again = tuned(tmp_path)
    assert again.known == found == again.found(Machine(fast, impossible=[USUAL]).open, lambda _: None)
    assert tuned(tmp_path, "another").known is None


@pytest.mark.parametrize(
    "noted", ["", "null", '{"model": [[4, 512, true], [1]]}', '{"model": [[0, 512, true], [1, 1, 1, 1]]}', '{"model": "x"}', "[1]"]
)
def test_a_damaged_note_only_costs_another_trial(tmp_path: Path, noted: str) -> None:
    (tmp_path / "tuning.json").write_text(noted)
    assert tuned(tmp_path).known is None


def test_a_trial_that_ends_the_process_is_not_made_over_and_over(tmp_path: Path) -> None:
    def ends(choice: Choice) -> OnTrial:
        raise SystemExit

    for _ in range(3):
        assert tuned(tmp_path).known is None
        with pytest.raises(SystemExit):
            tuned(tmp_path).found(ends, lambda _: None)
    assert tuned(tmp_path).known == Tuning(USUAL, ())


def test_a_model_that_is_loaded_again_in_haste_runs_as_is_known_or_usual(tmp_path: Path) -> None:
    def hasty() -> Tuned:
        return Tuned(tmp_path / "tuning.json", "model", USUAL, [FLASH], in_haste=True)

    assert hasty().known == Tuning(USUAL, ())
    found = tuned(tmp_path).found(Machine(fast).open, lambda _: None)
    assert hasty().known == found


def test_a_computer_too_busy_to_tell_is_asked_again_at_later_loadings_but_not_for_ever(tmp_path: Path) -> None:
    for _ in range(9):
        one = tuned(tmp_path)
        assert one.known is None
        found = one.found(Machine(fast, patience_s=0.0).open, lambda _: None)
    assert "no more" in one.finding(found).text and tuned(tmp_path).known == Tuning(USUAL, ())


def test_the_end_of_the_program_in_the_middle_of_a_trial_does_not_count(tmp_path: Path) -> None:
    for _ in range(12):
        one = tuned(tmp_path)
        assert one.known is None

        def closes(choice: Choice, one: Tuned = one) -> OnTrial:
            one.leave()  # from another thread, before the process ends
            raise SystemExit

        with pytest.raises(SystemExit):
            one.found(closes, lambda _: None)


def test_the_end_of_the_program_after_a_trial_leaves_what_was_found(tmp_path: Path) -> None:
    one = tuned(tmp_path)
    found = one.found(Machine(fast).open, lambda _: None)
    one.leave()
    assert tuned(tmp_path).known == found


def test_it_is_said_whether_a_trial_showed_anything(tmp_path: Path) -> None:
    one = tuned(tmp_path)
    assert "too busy" in one.finding(one.found(Machine(fast, patience_s=0.0).open, lambda _: None)).text
    hasty = Tuned(tmp_path / "tuning.json", "model", USUAL, [FLASH], in_haste=True)
    assert "in haste" in hasty.finding(hasty.found(Machine(fast).open, lambda _: None)).text
    one = tuned(tmp_path)
    assert "how it runs best" in one.finding(one.found(Machine(fast).open, lambda _: None)).text
    assert "how it runs best" in tuned(tmp_path).finding(tuned(tmp_path).found(Machine(fast).open, lambda _: None)).text


def test_only_what_a_person_has_left_open_and_the_cache_allows_is_tried() -> None:
    load = Load("m.gguf", 4096)
    with_flash = {"flash_attention": True}
    assert list(changes(load, 8, 16)) == [with_flash, {"threads": 16}, {"threads": 7}, {"threads": 4}]
    assert list(changes(load, 1, 1)) == [with_flash]
    assert list(changes(replace(load, cache_type="q8_0"), 1, 1)) == [{"batch": 256}]
    assert list(changes(replace(load, gpu_layers=33), 1, 1)) == [FLASH, {"batch": 1024}]
    assert list(changes(Load("m.gguf", 4096, threads=6, cache_type="q8_0", gpu_layers=33), 6, 16)) == [{"batch": 1024}]


@pytest.mark.model
def test_a_real_model_is_tried_once_and_runs_as_was_found(small: Path, tmp_path: Path) -> None:
    way = one_way(small)
    texts = []
    for _ in range(2):
        runtime = LocalRuntime(lambda found: [replace(one, tune=True) for one in way(found)], tmp_path)
        try:
            model = runtime.wait_until_loaded(120)
            texts.append(model.tuning)
            assert any(one.name == "tuning" for one in model.findings)
        finally:
            runtime.close()
    assert texts[0].startswith("threads 1, batch ") and "flash attention o" in texts[0]
    (noted,) = json.loads((tmp_path / "tuning.json").read_text()).values()
    if not isinstance(noted, int):  # on a computer that is too busy nothing is found out
        assert texts[0] == texts[1]
        assert noted[0] == [model.threads, model.batch, model.flash_attention]


@pytest.mark.model
def test_closing_the_program_while_a_model_is_tried_does_not_count_against_it(small: Path, tmp_path: Path) -> None:
    way, noted = one_way(small), tmp_path / "tuning.json"
    runtime = LocalRuntime(lambda found: [replace(one, tune=True) for one in way(found)], tmp_path, module="tests.runtime.long_trial")
    try:
        end = time.monotonic() + 30
        while not noted.exists():
            assert time.monotonic() < end, "nothing was tried"
            time.sleep(0.005)
        assert list(json.loads(noted.read_text()).values()) == [3]
    finally:
        runtime.close()
    assert list(json.loads(noted.read_text()).values()) == [0]
