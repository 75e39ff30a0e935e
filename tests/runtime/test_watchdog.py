"""What is taken for hanging and what is not, with a clock and signs that a test makes; and what the real system says of a process."""

import os
import subprocess
import sys
import time
from dataclasses import replace

from med42_chat.records import ModelInfo
from med42_chat.runtime.watchdog import Patience, Signs, Watchdog, signs_of

PATIENCE = Patience(still_s=30, loading_s=600, step_s=60, look_every_s=1)
SMALL = ModelInfo("", "", "", 0, "", "", 1_000_000, 0, 0, 0, "", (), "CPU", 0, 0, 2, "", 0.0)
LARGE = replace(SMALL, parameters=70_000_000_000, threads=8)


class Watched:
    """A watchdog with what it sees: a process that uses and reads so much in every second."""

    def __init__(self, model: ModelInfo | None = SMALL) -> None:
        self.now = 100.0
        self.watchdog = Watchdog(PATIENCE, lambda: self.now)
        self.model = model
        self.signs = Signs(0.0, 0)
        self.writing = False

    def seconds(self, count: int, uses: float = 0.0, reads: int = 0, held: bool = False) -> str:
        """What it says in so many looks, one a second; nothing where all is well."""
        for _ in range(count):
            self.now += 1
            self.signs = Signs(self.signs.processor_s + uses, self.signs.read + reads, held)
            if said := self.watchdog.look(self.signs, self.model, writing=self.writing):
                return said
        return ""


def test_a_process_that_uses_nothing_is_given_up_after_half_a_minute() -> None:
    watched = Watched()
    assert watched.seconds(30) == ""
    assert watched.seconds(2) == "it gave no sign of life for 30 seconds"


def test_a_process_that_reports_is_never_given_up() -> None:
    watched = Watched()
    for _ in range(20):
        assert watched.seconds(29) == ""
        watched.watchdog.heard()


def test_one_that_works_without_a_report_is_given_up_when_no_step_could_take_so_long() -> None:
    assert Watched().seconds(55, uses=4.0) == ""
    assert Watched().seconds(65, uses=4.0) == "it worked for 61 seconds and nothing came of it"


def test_a_large_model_may_take_an_hour_for_a_step_that_a_small_one_may_not() -> None:
    assert Watched(LARGE).seconds(2000, uses=8.0) == ""
    assert "minutes" in Watched(LARGE).seconds(3000, uses=8.0)


def test_while_an_answer_is_written_no_step_takes_as_long_as_one_of_a_prompt_may() -> None:
    watched = Watched(LARGE)  # 70 billion: 512 tokens take 37 minutes at the slowest, 128 nine
    assert watched.seconds(700, uses=8.0) == ""
    watched.watchdog.heard()
    watched.writing = True
    assert watched.seconds(600, uses=8.0) == ""
    assert "10 minutes" in watched.seconds(100, uses=8.0)


def test_what_took_long_while_a_prompt_was_read_says_nothing_of_what_is_written_nor_the_other_way_round() -> None:
    watched = Watched()
    assert watched.seconds(50, uses=1.0) == ""
    watched.watchdog.heard()  # so that a prompt's step may take twenty times as long
    watched.writing = True
    assert watched.seconds(20, uses=1.0) == ""
    watched.watchdog.heard()
    assert watched.seconds(350, uses=1.0) == "" and watched.seconds(60, uses=1.0) != ""
    watched.watchdog.heard()
    watched.writing = False
    assert watched.seconds(900, uses=1.0) == ""


def test_loading_may_take_longer_than_a_step() -> None:
    watched = Watched(None)
    assert watched.seconds(590, uses=1.0) == ""
    assert "10 minutes" in watched.seconds(20, uses=1.0)


def test_what_took_long_and_came_to_its_end_may_take_longer_the_next_time() -> None:
    watched = Watched()
    assert watched.seconds(50, uses=1.0) == ""
    watched.watchdog.heard()
    assert watched.seconds(900, uses=1.0) == ""
    assert watched.seconds(200, uses=1.0) != ""


def test_how_long_the_loading_took_says_nothing_of_a_step() -> None:
    watched = Watched(None)
    assert watched.seconds(300, uses=1.0) == ""
    watched.watchdog.heard(loading=True)
    watched.model = SMALL
    assert watched.seconds(65, uses=1.0) != ""


def test_a_process_that_gets_little_of_a_busy_computer_has_that_much_longer() -> None:
    watched = Watched()
    assert watched.seconds(300, uses=0.1) == ""
    assert watched.seconds(400, uses=0.1) != ""


def test_reading_from_a_slow_disk_is_no_hanging() -> None:
    assert Watched().seconds(1000, reads=4096) == ""
    assert Watched().seconds(1000, held=True) == ""


def test_a_computer_that_was_asleep_makes_nobody_late() -> None:
    watched = Watched()
    assert watched.seconds(25) == ""
    watched.now += 3600
    assert watched.seconds(29) == ""


def test_what_it_did_while_nobody_waited_does_not_count() -> None:
    watched = Watched()
    for _ in range(5):
        assert watched.seconds(25) == ""
        watched.watchdog.rest()
    assert watched.seconds(50, uses=1.0) == ""
    watched.watchdog.rest()
    assert watched.seconds(50, uses=1.0) == ""


def test_a_process_of_which_nothing_can_be_known_is_left_alone() -> None:
    watched = Watched()
    for _ in range(100):
        watched.now += 1
        assert watched.watchdog.look(None, SMALL) == ""


def test_the_system_says_what_a_process_uses() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    assert busy.stdout is not None
    busy.stdout.readline()
    first = signs_of(busy.pid)
    time.sleep(0.5)
    second = signs_of(busy.pid)
    busy.kill()
    busy.communicate()
    assert first is not None and second is not None and second.processor_s > first.processor_s
    assert signs_of(busy.pid) is None
    assert signs_of(os.getpid()) is not None
