"""The Models page, by mouse and by keyboard: choosing, fetching from a hub on this computer, importing, using, removing."""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from med42_chat.loading import model_file
from med42_chat.records import Health
from med42_chat.settings import Settings
from med42_chat.weights.catalogue import Entry, Family, Part, Shape
from med42_chat.weights.hardware import Hardware
from med42_chat.weights.models import Models
from tests import shapes
from tests.browser.axe import contrasts, violations
from tests.browser.conftest import Site
from tests.browser.test_page import ask, until, wait_for_answer
from tests.ui.fakes import MED42, PacedRuntime, gate
from tests.weights.hub import COMMIT, REPOSITORY, Fault, State, address, hub
from tests.weights.sparse import write_sparse
from tests.weights.toml import write_catalogue

pytestmark = pytest.mark.browser

WIDTHS = {"wide": (1440, 900), "laptop": (1024, 700), "phone": (390, 844)}
FAMILY = Family("tiny", "Tiny", "nobody", "none", "", 8192, "llama-3", "", Shape(2, 64, 128, 2, 16, 256), ())
LAPTOP = Hardware(16 << 30, 12 << 30, 1 << 40, "a processor", 8, bandwidth=40e9)
BEST = "med42-8b-q4_k_m"
CARD = '#models [data-card="{}"]'


@dataclass
class Shelf:
    """A models folder, a hub with two models for it, and the page."""

    page: Any
    site: Site
    hub: State
    folder: Path
    data: dict[str, bytes]

    def open(self) -> None:
        self.anew(lambda: self.page.click("#header .which"))

    def anew(self, do: Callable[[], object], drawn: str = ".family:not(.before) [data-fit]") -> None:
        """Does what opens it, and waits until it is drawn.

        It is drawn part by part over what stood there before. The list of all models comes last, and says what fits when this
        computer is measured.
        """
        self.page.evaluate("document.querySelectorAll('#models [data-part] > *').forEach(one => one.classList.add('before'))")
        do()
        self.page.wait_for_selector(f"#models {drawn}", state="attached")

    def close(self) -> None:
        self.page.click("#models [data-close]")
        self.page.wait_for_selector("#models dialog.models[open]", state="detached")

    def card(self, id: str) -> Any:
        return self.page.locator(CARD.format(id))

    def choose(self, id: str = "tiny-a") -> None:
        """Clicks the model's button among all the others."""
        self.page.evaluate("document.querySelector('#models .family[data-open=tiny]').open = true")
        self.page.click(f'#models .sizes [data-id="{id}"]')

    def says(self, id: str, words: str) -> None:
        """Waits until a card says so."""
        self.page.wait_for_selector(f'{CARD.format(id)}:has-text("{words}")')

    def do(self, id: str, label: str) -> None:
        self.card(id).get_by_role("button", name=label, exact=True).click()

    def put(self, id: str = "tiny-a") -> Path:
        """The model as if it had been fetched before."""
        file = self.folder / f"{id}.gguf"
        file.write_bytes(self.data[f"{id}.bin.gguf"])
        return file


def started(settings: Settings) -> PacedRuntime:
    return PacedRuntime(model=replace(MED42, name=model_file(settings).stem, path=str(model_file(settings))))


def entry(id: str, data: bytes) -> Entry:
    part = Part(f"{id}.bin.gguf", len(data), True, hashlib.sha256(data).hexdigest())
    return Entry(id, FAMILY, id[-1].upper(), REPOSITORY, COMMIT, (part,))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Two whole model files by their names."""
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    write_sparse(path, shapes.TINY, tokenizer__chat_template="{{ messages }}", tokenizer__ggml__eos_token_id=3)
    whole = path.read_bytes()
    return {f"tiny-{name}.bin.gguf": whole[:-200_000] + random.Random(name).randbytes(200_000) for name in "ab"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, data: dict[str, bytes]) -> Iterator[State]:
    with hub() as state:
        state.files = {address(name): content for name, content in data.items()}
        monkeypatch.setenv("HF_ENDPOINT", state.endpoint)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield state


@pytest.fixture
def shelf(page: Any, site: Site, server: State, data: dict[str, bytes], tmp_path: Path) -> Iterator[Shelf]:
    folder, services = tmp_path / "models", site.services
    folder.mkdir()
    own = write_catalogue(tmp_path / "catalogue.toml", *(entry(name.removesuffix(".bin.gguf"), content) for name, content in data.items()))
    before = services.settings, services.models, services.start_runtime, services.in_use
    services.settings = replace(services.settings, models=folder)
    services.models = Models(folder, own, in_use=lambda: services.in_use, read_hardware=lambda _: LAPTOP)
    services.start_runtime = started
    yield Shelf(page, site, server, folder, data)
    server.released.set()
    page.evaluate("document.querySelectorAll('dialog[open]').forEach(one => one.close()); localStorage.clear(); med42.applyLooks()")
    services.models.close()
    services.settings, services.models, services.start_runtime, services.in_use = before
    (services.settings.home / "settings.toml").unlink(missing_ok=True)
    services.runtime = site.runtime
    services.chat = replace(services.chat, runtime=site.runtime)
    services.jobs.turn_to(services.chat)


def is_still(page: Any, growing: list[Any], for_ms: int) -> bool:
    """Whether nothing is added in so long a time."""
    count = len(growing)
    page.wait_for_timeout(for_ms)
    return len(growing) == count


class TestWhatIsShown:
    def test_one_sentence_one_recommended_model_and_all_others_folded(self, shelf: Shelf) -> None:
        shelf.open()
        page = shelf.page
        assert "use Med42-v2 8B, Q4_K_M (4.9 GB), about" in page.inner_text("#models .lead")
        assert [one.get_attribute("data-card") for one in page.locator("#models article").all()] == [BEST, "demonstration"]
        assert page.locator("#models .badge.recommended").count() == 1
        assert "17 GB of memory, 13 GB of it free" in page.inner_text("#models .here")
        assert not page.locator("#models .sizes").first.is_visible()

    def test_the_recommended_card_says_fit_speed_and_that_the_8b_lost_to_its_base(self, shelf: Shelf) -> None:
        shelf.open()
        words = shelf.card(BEST).inner_text()
        assert (
            "4.9 GB." in words
            and "Fits." in words
            and "words a second" in words
            and "lost to it in the authors' own pairwise test" in words
        )
        shelf.card(BEST).get_by_text("Scores, licence, origin").click()
        published = shelf.card(BEST).locator("tbody", has_text="Clinical Elo").inner_text()
        assert "924" in published and "1352" in published and "Model card of Llama3-Med42-8B: pairwise comparison" in published
        assert "Meta Llama 3 Community License" in shelf.card(BEST).inner_text()

    def test_a_model_that_is_too_large_says_how_much_it_needs(self, shelf: Shelf) -> None:
        shelf.open()
        shelf.page.click('#models .family[data-open="med42-v2-70b"] > summary')
        row = shelf.page.locator("#models .sizes li", has=shelf.page.locator('[data-id="med42-70b-q4_k_m"]')).inner_text()
        assert "Too large" in row and "needs" in row

    @pytest.mark.parametrize("width", WIDTHS)
    @pytest.mark.parametrize("size", ["100", "150"])
    def test_everything_stands_within_the_window(self, shelf: Shelf, width: str, size: str) -> None:
        page = shelf.page
        shelf.put("tiny-b")
        page.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
        page.evaluate("size => { localStorage.setItem('med42-text_size', size); med42.applyLooks(); }", size)
        shelf.anew(lambda: page.evaluate("med42.openModels()"))
        page.evaluate("document.querySelectorAll('#models details').forEach(one => one.open = true)")
        beyond = page.evaluate(
            "[...document.querySelectorAll('#models dialog, #models dialog *')]"
            ".filter(one => one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 80))"
        )
        assert beyond == []
        assert page.evaluate("(body => body.scrollWidth <= body.clientWidth + 1)(document.querySelector('#models .body'))")

    def test_nobody_is_shut_out(self, shelf: Shelf, tmp_path: Path) -> None:
        found = tuple(Health(state, state, "It is so.", "Get another.") for state in ("ok", "repaired", "warning", "error"))  # type: ignore[arg-type]
        shelf.site.runtime.model = replace(MED42, findings=found, warnings=("No layer is on it.",), backed_off=("Fewer layers.",))
        shelf.hub.faults.append(Fault("stall", at=100_000))
        (tmp_path / "empty").mkdir()
        shelf.put("tiny-b")
        shelf.open()
        page = shelf.page
        shelf.choose()
        shelf.says("tiny-a", "Fetching")
        page.fill("#models-path", str(tmp_path / "empty"))
        page.press("#models-path", "Enter")
        page.wait_for_selector("#models .outcome.bad")
        page.evaluate("document.querySelectorAll('#models details').forEach(one => one.open = true)")
        assert violations(page) == []
        page.evaluate("localStorage.setItem('med42-theme', 'dark'); med42.applyLooks()")
        assert contrasts(page) == []

    def test_the_settings_lead_here(self, shelf: Shelf) -> None:
        shelf.page.click('#header [data-do="settings"]')
        shelf.page.click('#settings [data-act="models"]')
        shelf.page.wait_for_selector("#models .here")
        assert shelf.page.locator("#settings dialog[open]").count() == 0

    def test_a_catalogue_that_cannot_be_read_is_said_and_the_rest_works(self, shelf: Shelf) -> None:
        (shelf.folder.parent / "catalogue.toml").write_text("[[file]\n")
        shelf.anew(lambda: shelf.page.click("#header .which"), ".model:not(.before)")
        shelf.page.wait_for_selector("#models .alarm:has-text('cannot be read')")
        shelf.do("demonstration", "Use this model")
        until(lambda: shelf.site.services.settings.model == "demonstration", "it is used")
        shelf.page.wait_for_timeout(300)
        assert shelf.page.locator("#models .problem").is_hidden()


class TestFetching:
    def test_from_a_click_among_all_sizes_to_a_model_that_answers(self, shelf: Shelf) -> None:
        page = shelf.page
        shelf.open()
        shelf.choose()
        shelf.says("tiny-a", "every byte is right")
        assert (shelf.folder / "tiny-a.gguf").read_bytes() == shelf.data["tiny-a.bin.gguf"]
        shelf.do("tiny-a", "Use this model")
        page.wait_for_selector(f"{CARD.format('tiny-a')} .badge.in_use")
        assert shelf.site.services.settings.model == "tiny-a.gguf"
        assert "tiny-a" in page.inner_text('#models [data-part="now"]')
        shelf.close()
        ask(page, "What?")
        wait_for_answer(page)
        until(lambda: page.inner_text("#header .which") == "tiny-a", "the header names another")

    def test_the_one_that_was_clicked_moves_into_sight_and_takes_the_focus_along(self, shelf: Shelf) -> None:
        shelf.hub.faults.append(Fault("stall", at=100_000))
        shelf.open()
        shelf.choose()
        shelf.says("tiny-a", "Fetching: 0.1 MB of 0.2 MB")
        assert shelf.page.evaluate("document.activeElement.dataset.card") == "tiny-a"
        box = shelf.card("tiny-a").bounding_box()
        assert 0 < box["y"] < 900

    def test_how_far_it_is_outlives_the_dialog_and_a_reload_and_stands_in_the_header(self, shelf: Shelf) -> None:
        page = shelf.page
        shelf.hub.faults.append(Fault("stall", at=100_000))
        shelf.open()
        shelf.choose()
        shelf.says("tiny-a", "Fetching")
        shelf.close()
        page.wait_for_selector("#header .fetching:has-text('%')")
        page.reload()
        page.click("#header .fetching")
        shelf.says("tiny-a", "Fetching")
        shelf.do("tiny-a", "Stop")
        shelf.says("tiny-a", "Stopped. What has come is kept.")
        page.wait_for_selector("#header .fetching", state="hidden")
        shelf.hub.released.set()
        shelf.do("tiny-a", "Go on with the download")
        shelf.says("tiny-a", "every byte is right")
        assert any(asked[2] not in ("", "bytes=0-") for asked in shelf.hub.asked), "it went on where it had stopped"

    def test_whoever_does_not_look_is_told_in_the_header_until_it_is_used(self, shelf: Shelf) -> None:
        page = shelf.page
        shelf.open()
        shelf.choose()
        shelf.close()
        page.wait_for_selector("#header .fetching:has-text('Model fetched')")
        page.click("#header .fetching")
        shelf.do("tiny-a", "Use this model")
        page.wait_for_selector(f"{CARD.format('tiny-a')} .badge.in_use")
        shelf.close()
        page.wait_for_selector("#header .fetching", state="hidden")

    def test_a_second_one_waits_for_the_first(self, shelf: Shelf) -> None:
        shelf.hub.faults.append(Fault("stall", at=100_000))
        shelf.open()
        shelf.choose("tiny-a")
        shelf.says("tiny-a", "Fetching")
        shelf.page.click('#models .sizes [data-id="tiny-b"]')
        shelf.says("tiny-b", "Waits until the other download has ended")
        shelf.do("tiny-a", "Stop")
        shelf.says("tiny-b", "every byte is right")

    def test_what_the_server_refuses_is_said_at_the_model_and_can_be_put_away(self, shelf: Shelf) -> None:
        shelf.hub.files.clear()
        shelf.open()
        shelf.choose()
        shelf.page.wait_for_selector(f"{CARD.format('tiny-a')} .outcome.bad")
        assert "The download has failed." in shelf.card("tiny-a").inner_text()
        shelf.do("tiny-a", "Close this message")
        shelf.card("tiny-a").wait_for(state="detached")

    def test_what_has_begun_can_be_discarded_after_a_question(self, shelf: Shelf) -> None:
        begun = shelf.folder / ".unfinished" / "tiny-a"
        begun.mkdir(parents=True)
        (begun / "tiny-a.gguf").write_bytes(shelf.data["tiny-a.bin.gguf"][:100_000])
        shelf.open()
        assert "0.1 MB of 0.2 MB are here" in shelf.card("tiny-a").inner_text()
        shelf.do("tiny-a", "Discard")
        shelf.page.click("#models .sure .danger")
        shelf.says("tiny-a", "Removed.")
        assert not begun.exists()


class TestFilesThatAreHere:
    def test_removing_asks_first(self, shelf: Shelf) -> None:
        file = shelf.put()
        shelf.open()
        shelf.do("tiny-a", "Remove")
        assert "Remove Tiny, unknown?" in shelf.page.inner_text("#models .sure")
        shelf.page.keyboard.press("Escape")
        assert file.exists() and shelf.page.locator("#models dialog.models[open]").count() == 1
        shelf.do("tiny-a", "Remove")
        shelf.page.click("#models .sure .danger")
        shelf.says("tiny-a", "Removed.")
        assert not file.exists()

    def test_a_double_click_is_one_click(self, shelf: Shelf) -> None:
        file = shelf.put()
        page = shelf.page
        shelf.open()
        shelf.card("tiny-a").get_by_role("button", name="Remove").dblclick()
        page.wait_for_selector("#models .sure")
        place = page.locator("#models .sure .danger").bounding_box()
        page.keyboard.press("Escape")
        # A window in which the question's 'Remove' comes to lie under the mouse.
        page.evaluate("at => document.querySelector('#models [data-card=tiny-a] [data-act=remove]').style.cssText = at",
                      f"position: fixed; left: {place['x']}px; top: {place['y']}px")  # fmt: skip
        shelf.card("tiny-a").get_by_role("button", name="Remove").dblclick()
        page.wait_for_timeout(500)
        assert file.exists() and page.locator("#models .sure").count() == 1
        page.keyboard.press("Escape")
        shelf.hub.faults.append(Fault("stall", at=100_000))
        page.evaluate("document.querySelector('#models .family[data-open=tiny]').open = true")
        page.dblclick('#models .sizes [data-id="tiny-b"]')
        shelf.says("tiny-b", "Fetching")
        assert page.locator("#models .problem").is_hidden()

    def test_a_file_that_was_changed_is_found_out(self, shelf: Shelf) -> None:
        file = shelf.put()
        shelf.open()
        shelf.do("tiny-a", "Verify")
        shelf.page.wait_for_selector(f"{CARD.format('tiny-a')} .outcome:not(.bad)")
        file.write_bytes(file.read_bytes()[:-1] + b"!")
        shelf.do("tiny-a", "Verify")
        shelf.page.wait_for_selector(f"{CARD.format('tiny-a')} .outcome.bad")
        assert "not what it should be" in shelf.card("tiny-a").inner_text()

    def test_a_file_comes_from_a_path_that_was_typed(self, shelf: Shelf, tmp_path: Path) -> None:
        stick = tmp_path / "my stick"
        stick.mkdir()
        (stick / "some name.gguf").write_bytes(shelf.data["tiny-b.bin.gguf"])
        page = shelf.page
        shelf.open()
        page.fill("#models-path", str(tmp_path / "nowhere"))
        page.press("#models-path", "Enter")
        page.wait_for_selector("#models .problem:has-text('There is nothing at')")
        assert page.input_value("#models-path").endswith("nowhere")
        page.fill("#models-path", f'"{stick}"')
        page.get_by_role("button", name="Import", exact=True).click()
        shelf.says("tiny-b", "is here")
        page.wait_for_selector("#models-path:placeholder-shown")
        page.fill("#models-path", (stick / "other.gguf").as_uri())  # as some file managers give it
        page.get_by_role("button", name="Import", exact=True).click()
        page.wait_for_selector(f"#models .problem:has-text('There is nothing at {stick}')")
        page.fill("#models-path", f" '{stick / 'some name.gguf'}' ")
        page.get_by_role("button", name="Import", exact=True).dblclick()
        page.wait_for_selector("#models-path:placeholder-shown")
        assert page.locator("#models .problem").is_hidden() and page.input_value("#models-path") == ""
        assert (shelf.folder / "tiny-b.gguf").exists()

    def test_an_unknown_file_is_marked_and_its_name_is_only_a_name(self, shelf: Shelf) -> None:
        hostile = "<img src=x onerror=alert(1)>\"'.gguf"
        (shelf.folder / hostile).write_bytes(shelf.data["tiny-b.bin.gguf"][:-9])
        shelf.open()
        card = shelf.page.locator("#models article", has_text="onerror")
        assert "Not in the catalogue" in card.inner_text() and shelf.page.locator("#models article img").count() == 0
        card.get_by_role("button", name="Remove").click()
        shelf.page.click("#models .sure .danger")
        until(lambda: not (shelf.folder / hostile).exists(), "the file is gone")


class TestUsing:
    def test_a_running_answer_finishes_first_and_the_page_says_so(self, shelf: Shelf) -> None:
        shelf.put()
        page, runtime = shelf.page, shelf.site.runtime
        runtime.gate = gate()
        ask(page, "A long one")
        page.wait_for_selector('.answer[data-status="streaming"]')
        shelf.open()
        shelf.do("tiny-a", "Use this model")
        page.wait_for_selector('#models [data-part="now"]:has-text("A running answer is finished first; then tiny-a.gguf is loaded.")')
        assert shelf.site.services.runtime is runtime
        runtime.gate.set()
        page.wait_for_selector(f"{CARD.format('tiny-a')} .badge.in_use")
        shelf.close()
        assert "does not rule out" in wait_for_answer(page).inner_text()

    def test_a_model_that_does_not_load_is_said_and_another_can_be_used(self, shelf: Shelf) -> None:
        shelf.put()
        services, page = shelf.site.services, shelf.page
        services.start_runtime = lambda settings: PacedRuntime(model=None, state="failed", error="It does not load.", hint="Get another.")
        shelf.open()
        shelf.do("tiny-a", "Use this model")
        page.wait_for_selector('#models [data-part="now"] .alarm:has-text("It does not load. Get another.")')
        shelf.card("tiny-a").get_by_role("button", name="Try again").wait_for()
        assert page.locator(f"{CARD.format('tiny-a')} .badge.in_use").count() == 0
        services.start_runtime = started
        shelf.do("demonstration", "Use this model")
        page.wait_for_selector(f"{CARD.format('demonstration')}", state="detached")

    def test_the_one_in_use_cannot_be_removed(self, shelf: Shelf) -> None:
        shelf.put()
        shelf.open()
        shelf.do("tiny-a", "Use this model")
        shelf.page.wait_for_selector(f"{CARD.format('tiny-a')} .badge.in_use")
        assert shelf.card("tiny-a").get_by_role("button").all_inner_texts() == ["Verify"]

    def test_the_empty_page_says_who_answers_after_a_switch(self, shelf: Shelf) -> None:
        shelf.put()
        page = shelf.page
        shelf.open()
        shelf.do("demonstration", "Use this model")
        shelf.card("demonstration").wait_for(state="detached")
        shelf.close()
        shelf.anew(lambda: page.click('.greeting [data-do="weights"]'))
        shelf.do("tiny-a", "Use this model")
        page.wait_for_selector(f"{CARD.format('tiny-a')} .badge.in_use")
        shelf.close()
        page.wait_for_selector('.greeting:not(:has([data-do="weights"]))')


class TestSpeed:
    def test_live_numbers_and_then_a_result_that_stays(self, shelf: Shelf) -> None:
        shelf.site.runtime.pause_s = 0.002
        shelf.open()
        page = shelf.page
        page.click('#models [data-act="speed"]')
        page.wait_for_selector('#models .numbers:not(:has-text("…"))')
        page.get_by_role("button", name="Test again").wait_for(timeout=60_000)
        assert page.locator("#models .numbers dd").count() == 3
        for hidden in ("true", "false"):  # another tab, or a closed lid
            page.evaluate(f"Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }})")
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_timeout(800)
        assert page.locator("#models .numbers dd").count() == 3
        shelf.close()
        shelf.open()
        assert page.locator("#models .numbers dd").count() == 3

    def test_closing_the_page_ends_it(self, shelf: Shelf) -> None:
        runtime = shelf.site.runtime
        runtime.gate, runtime.pause_s = gate(), 0.05
        shelf.open()
        shelf.page.click('#models [data-act="speed"]')
        shelf.page.wait_for_selector('#models [data-act="end-speed"]')
        until(lambda: any(one.id.startswith("speed") for one in runtime.requests), "it has begun")
        shelf.close()
        runtime.gate.set()
        until(lambda: any(id.startswith("speed") for id in runtime._cancelled), "it goes on", 15)  # by itself it would for 20 s
        shelf.open()
        shelf.page.locator('#models [data-act="speed"]').wait_for()

    def test_it_is_refused_while_an_answer_is_written(self, shelf: Shelf) -> None:
        shelf.site.runtime.gate = gate()
        ask(shelf.page, "A long one")
        shelf.page.wait_for_selector('.answer[data-status="streaming"]')
        shelf.open()
        shelf.page.click('#models [data-act="speed"]')
        shelf.page.wait_for_selector("#models .problem:has-text('An answer is being written')")
        assert shelf.page.locator('#models [data-act="speed"]').is_visible()


class TestHandsAndEars:
    def test_it_is_opened_used_and_left_by_keyboard_alone(self, shelf: Shelf) -> None:
        shelf.put()
        page = shelf.page
        page.focus("#header .which")
        shelf.anew(lambda: page.keyboard.press("Enter"))
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.dataset.act + document.activeElement.dataset.id") == "usetiny-a.gguf":
                break
        page.keyboard.press("Enter")
        page.wait_for_selector(f"{CARD.format('tiny-a')} .badge.in_use")
        assert page.evaluate("document.activeElement.closest('#models') !== null")
        page.keyboard.press("Escape")
        page.wait_for_selector("#models dialog[open]", state="detached")
        page.wait_for_function("document.activeElement.dataset.do === 'models'")

    def test_what_came_out_is_spoken(self, shelf: Shelf) -> None:
        shelf.open()
        shelf.choose()
        shelf.page.wait_for_function("document.querySelector('#models [role=status]').textContent.includes('every byte is right')")

    def test_a_key_held_down_is_pressed_once_and_a_dialog_opened_again_at_once_is_told_what_happens(self, shelf: Shelf) -> None:
        shelf.put()
        page = shelf.page
        shelf.open()
        shelf.anew(lambda: page.evaluate("document.querySelector('#models dialog').close(); med42.openModels()"))
        shelf.card("tiny-a").get_by_role("button", name="Verify").focus()
        for _ in range(10):  # as a keyboard repeats it
            page.keyboard.down("Enter")
        page.keyboard.up("Enter")
        shelf.says("tiny-a", "Checked.")
        assert page.locator("#models .problem").is_hidden()

    def test_a_closed_dialog_asks_for_nothing(self, shelf: Shelf) -> None:
        shelf.open()
        shelf.close()
        until(lambda: is_still(shelf.page, shelf.site.requests, 1500), "it goes on asking")

    def test_what_is_open_stays_open_while_a_download_goes_on(self, shelf: Shelf) -> None:
        shelf.hub.faults.append(Fault("stall", at=100_000))
        shelf.open()
        shelf.choose()
        shelf.says("tiny-a", "Fetching")
        shelf.hub.released.set()
        shelf.says("tiny-a", "every byte is right")
        assert shelf.page.locator('#models .family[data-open="tiny"]').get_attribute("open") is not None
