"""What the Models page says, as values and without a browser."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from med42_chat.errors import InputError, WeightsError
from med42_chat.records import Health, ModelInfo, Speed
from med42_chat.runtime.protocol import RuntimeStatus
from med42_chat.services import Services
from med42_chat.settings import ASSETS
from med42_chat.ui import gauges, models_view
from med42_chat.ui.follow import Change
from med42_chat.ui.models_follow import ModelsFollower, SpeedTest
from med42_chat.ui.models_view import Sheet, Situation
from med42_chat.ui.models_words import work_in_words
from med42_chat.weights import catalogue
from med42_chat.weights.hardware import Device, Hardware
from med42_chat.weights.inventory import CATALOGUE
from med42_chat.weights.models import Card, Models, Work
from med42_chat.words import read_words
from tests.scripted import MODEL
from tests.ui.fakes import MED42, PacedRuntime, services

WORDS = read_words(ASSETS / "words" / "en.toml")
LAPTOP = Hardware(16 << 30, 12 << 30, 1 << 40, "a processor", 8, bandwidth=40e9)
WORKSTATION = replace(LAPTOP, devices=(Device("CUDA0", "A card", "gpu", "CUDA", 23 << 30, 24 << 30),))
CARD = Card("x.gguf", "x.gguf", None, None, (Path("/m/x.gguf"),), 5_000_000_000, "here", 5_000_000_000)


def parts(**changes: Any) -> dict[str, str]:
    usual = Situation([], [], LAPTOP, "Use this.", RuntimeStatus("ready", model=MED42), Path("/m/other.gguf"), False)
    return Sheet(WORDS, replace(usual, **changes)).parts()


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def loaded(**changes: Any) -> str:
    model: ModelInfo = replace(MED42, **changes)
    return parts(status=RuntimeStatus("ready", model=model))["now"]


def test_where_a_server_answers_no_model_of_this_computer_is_recommended_or_offered_for_use() -> None:
    catalogued = replace(CARD, recommended=True, state="absent")
    here = parts(cards=[catalogued, CARD], advice="Med42 8B is best here.")
    assert "Med42 8B" in here["advice"] and 'badge recommended"' in here["near"] and 'data-act="use"' in here["near"]
    there = parts(cards=[catalogued, CARD], advice="Med42 8B is best here.", server="ward-gpu:8000", in_use=None)
    assert "ward-gpu:8000" in there["advice"] and "Med42 8B" not in there["advice"]
    assert "recommended" not in there["near"] and 'data-act="use"' not in there["near"]


class TestWhatAnswers:
    def test_layers_and_devices_are_those_that_are_really_used(self) -> None:
        assert "A card: 24 of 33 layers" in text(loaded(device="A card", layers=33, layers_offloaded=24))
        assert "the processor, with 4 threads" in text(loaded(threads=4))

    def test_a_card_that_is_not_used_cannot_be_missed(self) -> None:
        html = loaded(warnings=("There is a card, and no layer is on it.",))
        assert '<p class="alarm">There is a card, and no layer is on it.</p>' in html

    def test_what_was_given_up_while_loading_is_said(self) -> None:
        assert "It did not fit: the context is 4096 tokens." in loaded(backed_off=("It did not fit: the context is 4096 tokens.",))

    @pytest.mark.parametrize(
        ("states", "outcome"),
        [(["ok"], "all is well"), (["ok", "repaired"], "repaired in memory"), (["repaired", "warning"], "something to know")],
    )
    def test_the_worst_finding_stands_on_the_outside(self, states: list[Any], outcome: str) -> None:
        html = loaded(findings=tuple(Health("ending", state, "tokens", "Get another.") for state in states))
        assert outcome in text(html.partition("</summary>")[0])
        assert html.count("<tr data-state=") == len(states) and "Get another." in html

    def test_nothing_is_called_well_before_the_test_question_was_answered(self) -> None:
        html = loaded(findings=(Health("architecture", "ok", "llama"),), examined=False)
        assert "The file is being checked" in html and "all is well" not in html

    def test_while_a_model_loads_nothing_is_said_of_the_one_before(self) -> None:
        html = parts(status=RuntimeStatus("loading", 0.4, model=MED42))["now"]
        assert "other.gguf is being loaded" in html and 'value="0.40"' in html and MED42.name not in html

    def test_while_the_one_before_ends_that_is_said_and_not_that_it_is_loading(self) -> None:
        html = parts(status=RuntimeStatus("changing"))["now"]
        assert "is being ended, to make room for the next" in html and "other.gguf" not in html

    def test_a_switch_that_could_not_be_is_said(self) -> None:
        html = parts(not_switched=WeightsError("The settings file cannot be written.", "Make room."))["now"]
        assert "The model was not changed. The settings file cannot be written. Make room." in text(html)

    def test_there_is_no_speed_test_without_a_model(self) -> None:
        assert parts(status=RuntimeStatus("loading"))["speed"] == "" != parts()["speed"]


class TestThisComputer:
    def test_two_lines_and_a_note_where_a_card_was_overlooked(self) -> None:
        html = parts(hardware=replace(LAPTOP, note="There seems to be a card."))["advice"]
        assert html.count("<li>") == 2 and "No graphics card that this program can use" in html and "There seems to be a card." in html

    def test_cards_are_named_with_their_memory(self) -> None:
        assert "A card (CUDA), 26 GB, 25 GB of it free" in parts(hardware=WORKSTATION)["advice"]

    def test_before_it_is_measured_nothing_is_recommended(self) -> None:
        assert "is being measured" in parts(hardware=None, advice="")["advice"]


class TestCards:
    @pytest.mark.parametrize(
        ("state", "work", "buttons"),
        [
            ("here", None, ["use", "verify", "remove"]),
            ("unfinished", None, ["get", "remove"]),
            ("absent", Work("x.gguf", "download", "failed"), ["get"]),
            ("absent", Work("x.gguf", "download", "waiting"), ["stop"]),
            ("here", Work("stick", "import", "running"), ["stop"]),
        ],
    )
    def test_each_offers_what_can_be_done_with_it_and_no_more(self, state: Any, work: Work | None, buttons: list[str]) -> None:
        html = parts(cards=[replace(CARD, state=state, work=work)])["near"]
        own = html.partition('data-card="demonstration"')[0]
        assert re.findall(r'data-act="(\w+)"', own) == buttons

    def test_an_import_is_stopped_by_its_own_name(self) -> None:
        work = Work("stick", "import", "running")
        assert 'data-act="stop" data-id="stick"' in parts(cards=[replace(CARD, work=work)], works=[work])["near"]

    def test_the_one_in_use_is_neither_used_again_nor_removed(self) -> None:
        html = parts(cards=[CARD], in_use=Path("/m/x.gguf"), demonstration=True)["near"]
        assert re.findall(r'data-act="(\w+)"', html) == ["verify"] and "Answers now" in html

    def test_one_that_does_not_load_does_not_answer_and_can_be_tried_again(self) -> None:
        html = parts(cards=[CARD], in_use=Path("/m/x.gguf"), status=RuntimeStatus("failed", error="No.", hint="Go."))["near"]
        assert "Answers now" not in html and "Try again" in html

    def test_a_demonstration_that_ended_can_be_tried_again(self) -> None:
        html = parts(demonstration=True, status=RuntimeStatus("failed", error="It ended five times."))["near"]
        assert "Try again" in html and "Try again" not in parts(demonstration=True)["near"]

    def test_no_two_downloads_have_the_same_label(self) -> None:
        entries = catalogue.read(CATALOGUE)
        cards = [Card(one.id, one.title, one.family, one, (), one.size_bytes, "absent", 0) for one in entries]
        labels = re.findall(r'data-act="get"[^>]* aria-label="([^"]+)"', parts(cards=cards)["more"])
        assert len(labels) == len(set(labels)) == len(entries)

    def test_a_damaged_file_says_so_and_cannot_be_used(self) -> None:
        html = parts(cards=[replace(CARD, fault="It is cut short.")], demonstration=True)["near"]
        assert "It is cut short." in html and 'data-act="use"' not in html

    def test_no_name_becomes_markup(self) -> None:
        name = "<b>\"'&.gguf"
        work = Work(name, "download", "failed", message=name, hint=name)
        card = replace(CARD, id=name, title=name, work=work, fault=name)
        whole = "".join(parts(cards=[card], works=[work], advice=name, switching=name, trouble="").values())
        assert '<b>"' not in whole and "&lt;b&gt;&quot;" in whole

    def test_a_catalogue_that_cannot_be_read_is_said_first(self) -> None:
        assert "Correct line 3." in parts(trouble="Correct line 3.")["advice"]


class TestWorks:
    @pytest.mark.parametrize(
        ("work", "said"),
        [
            (Work("a", "download", "waiting"), "Waits until the other download has ended"),
            (Work("a", "download", "running", "asking", 5, 10), "Asking the server"),
            (Work("a", "download", "running", "waiting", 5, 10, message="Next try in 4 s."), "Next try in 4 s."),
            (Work("a", "import", "running", "copying", 2_000_000_000, 5_000_000_000), "Copying: 2.0 GB of 5.0 GB"),
            (Work("a", "verify", "running", "checking", 0, 5_000_000_000), "Reading every byte: 0.0 MB of 5.0 GB"),
            (Work("a", "remove", "running"), "Removing"),
        ],
    )
    def test_a_line_says_what_is_done(self, work: Work, said: str) -> None:
        assert work_in_words(WORDS, work) == said

    @pytest.mark.parametrize(("seconds", "left"), [(7200.0, "2.0 hours left"), (240.0, "4 minutes left"), (1.2, "1 second left")])
    def test_speed_and_time_left_are_as_exact_as_anybody_needs(self, seconds: float, left: str) -> None:
        work = Work("a", "download", "running", "fetching", 2_000_000_000, 5_000_000_000, 11_200_000.0, seconds)
        assert work_in_words(WORDS, work) == f"Fetching: 2.0 GB of 5.0 GB · 11 MB a second · {left}"

    def test_a_download_that_stands_still_claims_no_speed(self) -> None:
        work = Work("a", "download", "running", "fetching", 1, 2, 5e6, 60.0)
        said = work_in_words(WORDS, work, is_quiet=True)
        assert "nothing is coming" in said and "a second" not in said and "left" not in said

    def test_the_header_shows_the_one_that_runs(self) -> None:
        waiting, running = Work("a", "download"), Work("b", "download", "running", "fetching", 41, 100)
        assert gauges.fetching(WORDS, [waiting, running]) == "Fetching 41%"
        assert gauges.fetching(WORDS, [waiting]) == gauges.fetching(WORDS, []) == ""

    @pytest.mark.parametrize(("state", "said"), [("done", "Model fetched"), ("failed", "Model not fetched"), ("stopped", "")])
    def test_the_header_says_what_came_of_the_last_one(self, state: Any, said: str) -> None:
        verified = Work("b", "verify", "done")
        assert gauges.fetching(WORDS, [Work("a", "download", state), verified]) == said

    def test_what_belongs_to_no_card_is_shown_all_the_same(self) -> None:
        bringing, removed = Work("stick", "import", "running"), Work("gone.gguf", "remove", "done", message="5.0 GB are free again.")
        shown = parts(works=[bringing, removed])
        assert 'data-part="work:stick"' in shown["imports"] and 'data-act="stop"' in shown["imports"]
        assert 'data-part="work:gone.gguf"' in shown["near"] and "5.0 GB are free again." in shown["work:gone.gguf"]


def test_a_speed_test_shows_what_it_knows_and_ends_with_a_result() -> None:
    begun = models_view.speed(WORDS, Speed(seconds=3.0))
    assert begun.count("…") == 3 and "<progress" in begun and 'data-act="end-speed"' in begun
    done = models_view.speed(WORDS, Speed(412.0, 9.5, 7.1, 19.0, done=True))
    assert "7.1" in done and "<progress" not in done and 'data-act="speed"' in done
    assert models_view.speed(WORDS, Speed(done=True)).count("–") == 3, "nothing is waited for any more"


@pytest.fixture
def opened(home: Path, tmp_path: Path) -> Iterator[Services]:
    made = services(home, PacedRuntime(model=replace(MODEL, name="Scripted"), pause_s=0.0))
    made.models = Models(tmp_path / "models", tmp_path / "catalogue.toml", read_hardware=lambda _: LAPTOP)
    yield made
    made.close()


def names(changes: list[Change]) -> list[object]:
    return [data["name"] for _, data in changes]


class TestFollowing:
    def test_first_everything_is_told_then_nothing_until_something_changes(self, opened: Services) -> None:
        follower = ModelsFollower(opened, WORDS)
        assert names(follower.poll()) == ["advice", "now", "speed", "near", "imports", "more"]
        assert follower.poll() == []
        opened.models.measure()
        end = time.monotonic() + 5
        while opened.models.overview().hardware is None and time.monotonic() < end:
            time.sleep(0.01)
        assert set(names(follower.poll())) == {"advice", "near", "more"}

    def test_what_stands_inside_a_part_is_told_again_after_it(self, opened: Services, tmp_path: Path) -> None:
        follower = ModelsFollower(opened, WORDS)
        follower.poll()
        stick = tmp_path / "stick"
        stick.mkdir()
        opened.models.bring(stick)
        end, told = time.monotonic() + 5, list[object]()
        while "work:stick" not in told and time.monotonic() < end:
            told = names(follower.poll())
        assert told.index("imports") < told.index("work:stick")

    def test_a_catalogue_that_cannot_be_read_ends_nothing(self, opened: Services, tmp_path: Path) -> None:
        (tmp_path / "catalogue.toml").write_text("no = [")
        told = {data["name"]: data["html"] for _, data in ModelsFollower(opened, WORDS).poll()}
        assert "cannot be read" in str(told["advice"])

    def test_a_speed_test_that_cannot_be_says_why(self, opened: Services) -> None:
        opened.runtime.failure = InputError("No.", "")  # type: ignore[attr-defined]
        test, end = SpeedTest(opened, WORDS), time.monotonic() + 5
        with pytest.raises(InputError):
            while time.monotonic() < end:
                test.poll()
        test.close()
