"""Settings, the first minute, facts and drawers, as a person uses them: by mouse and by keyboard."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from med42_chat import settings as reading
from med42_chat.private import write_private
from med42_chat.services import Services
from med42_chat.settings import Settings
from med42_chat.store.database import Store
from tests.browser.conftest import Site, Turnstile
from tests.conftest import serving
from tests.ui.fakes import MED42, PacedRuntime, services

pytestmark = pytest.mark.browser

WIDTHS = {"wide": (1440, 900), "laptop": (1024, 700), "phone": (390, 844)}


def started(settings: Settings) -> PacedRuntime:
    return PacedRuntime(model=replace(MED42, context=settings.context))


def open_settings(page: Any, section: str = "model") -> None:
    page.click('#header [data-do="settings"]')
    page.wait_for_selector("#settings dialog[open] [role=tab]")
    page.click(f"#tab-{section}")


def close_settings(page: Any) -> None:
    page.click("#settings [data-close]")
    page.wait_for_selector("#settings dialog[open]", state="detached")


def said(page: Any, place: str) -> str:
    page.wait_for_function("id => document.getElementById(id)?.textContent", arg=f"said-{place}")
    return str(page.inner_text(f"#said-{place}"))


def change(page: Any, name: str, value: str) -> str:
    page.evaluate("id => document.getElementById(id).textContent = ''", f"said-{name}")
    page.fill(f"#set-{name}", value)
    page.press(f"#set-{name}", "Enter")
    return said(page, name)


def ask(page: Any, question: str) -> None:
    page.fill("#question textarea", question)
    page.press("#question textarea", "Enter")
    page.wait_for_selector('.answer[data-status="complete"]')


@pytest.fixture
def page(page: Any, site: Site) -> Iterator[Any]:
    """The open page with the settings of a first start, which it has again when the test is over."""
    before = site.services.settings
    site.services.start_runtime = started
    yield page
    page.evaluate("localStorage.clear(); med42.applyLooks(); document.querySelectorAll('dialog[open]').forEach(one => one.close())")
    (before.home / "settings.toml").unlink(missing_ok=True)
    site.services.settings, site.services.runtime = before, site.runtime
    site.services.chat = replace(site.services.chat, runtime=site.runtime, sampling=before.sampling, seed=before.seed)
    site.services.jobs.turn_to(site.services.chat)


class TestDialog:
    def test_it_is_opened_walked_through_and_left_by_keyboard_alone(self, page: Any) -> None:
        page.focus('#header [data-do="settings"]')
        page.keyboard.press("Enter")
        page.wait_for_selector("#tab-model:focus")
        page.keyboard.press("ArrowDown")
        assert page.locator("#tab-answers").get_attribute("aria-selected") == "true"
        assert page.locator("#part-answers").is_visible() and not page.locator("#part-model").is_visible()
        page.keyboard.press("End")
        assert page.locator("#part-computer").is_visible()
        page.keyboard.press("ArrowDown")
        assert page.locator("#part-model").is_visible()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "set-model"
        page.keyboard.press("Escape")
        assert page.locator("#settings dialog[open]").count() == 0
        assert page.evaluate("document.activeElement.dataset.do") == "settings"

    @pytest.mark.parametrize("width", WIDTHS)
    @pytest.mark.parametrize("size", ["100", "150"])
    def test_every_section_stands_within_the_window(self, page: Any, width: str, size: str) -> None:
        page.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
        page.evaluate("size => { localStorage.setItem('med42-text_size', size); med42.applyLooks(); }", size)
        page.click('#header [data-do="settings"]')
        page.wait_for_selector("#tab-model")
        for section in ("model", "answers", "look", "export", "data", "passphrase", "computer"):
            page.click(f"#tab-{section}")
            beyond = page.evaluate(
                "([...document.querySelectorAll('#settings dialog, #settings section:not([hidden]) *')]"
                ".filter(one => one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 80)))"
            )
            assert beyond == [], section
            assert page.evaluate("(parts => parts.scrollWidth <= parts.clientWidth + 1)(document.querySelector('.parts'))"), section

    def test_an_open_dialog_says_what_this_computer_has(self, page: Any, site: Site) -> None:
        open_settings(page, "computer")
        words = page.inner_text("#part-computer")
        assert "Llama3-Med42-8B" in words and "GB free" in words and "Nothing is sent anywhere" in words


class TestAnswers:
    def test_a_change_counts_from_the_next_answer_on(self, page: Any, site: Site) -> None:
        open_settings(page, "answers")
        assert change(page, "temperature", "0.1") == "Saved."
        assert change(page, "max_tokens", "77") == "Saved."
        close_settings(page)
        ask(page, "What?")
        sampling = site.runtime.requests[-1].sampling
        assert (sampling.temperature, sampling.max_tokens) == (0.1, 77)
        assert reading.read({"home": str(site.services.settings.home)}, {}).sampling.max_tokens == 77

    def test_a_wrong_value_is_told_at_its_field_and_changes_nothing(self, page: Any, site: Site) -> None:
        open_settings(page, "answers")
        assert change(page, "temperature", "hot").startswith("It must be a number from 0 to 2")
        assert page.get_attribute("#set-temperature", "aria-invalid") == "true"
        assert site.services.settings.sampling.temperature == 0.4
        assert change(page, "temperature", "0.3") == "Saved."
        assert page.get_attribute("#set-temperature", "aria-invalid") == "false"

    def test_one_button_brings_back_what_the_models_card_says(self, page: Any, site: Site) -> None:
        open_settings(page, "answers")
        change(page, "temperature", "0.1")
        change(page, "top_k", "5")
        page.click('[data-act="card"]')
        assert said(page, "card") == "Saved."
        assert page.input_value("#set-temperature") == "0.4"
        assert page.input_value("#set-top_k") == "150"
        assert (site.services.settings.sampling.temperature, site.services.settings.sampling.top_k) == (0.4, 150)

    def test_another_context_loads_the_model_anew_and_the_next_question_is_answered(self, page: Any, site: Site) -> None:
        open_settings(page)
        assert "being loaded" in change(page, "context", "4096")
        close_settings(page)
        ask(page, "What?")
        assert site.services.runtime is not site.runtime
        assert site.services.store.conversations.branch(page.evaluate("med42.conversation()"))[1].evidence.context.size == 4096

    def test_the_empty_page_says_who_answers_after_another_model_was_chosen(self, page: Any, site: Site) -> None:
        assert "Med42 answers" in page.inner_text(".greeting")
        open_settings(page)
        page.select_option("#set-model", "demonstration")
        assert "being loaded" in said(page, "model")
        close_settings(page)
        page.wait_for_selector('.greeting [data-do="weights"]')
        page.wait_for_selector(".greeting:has-text('demonstration')")

    def test_the_model_is_not_changed_under_an_answer(self, page: Any, site: Site) -> None:
        site.runtime.gate = Turnstile(20)
        page.fill("#question textarea", "a long one")
        page.press("#question textarea", "Enter")
        page.wait_for_selector(".answer .block")
        open_settings(page)
        assert "being written" in change(page, "context", "4096")
        assert site.services.settings.context == 8192

    def test_what_was_set_at_the_start_cannot_be_changed_here_and_says_so(self, page: Any, site: Site) -> None:
        site.services.settings = replace(site.services.settings, places={"seed": "environment"})
        open_settings(page, "answers")
        assert page.locator("#set-seed").is_disabled()
        assert "environment" in page.inner_text("#hint-seed")


class TestLook:
    def test_theme_size_and_contrast_change_at_once_and_stay_after_a_reload(self, page: Any, site: Site) -> None:
        open_settings(page, "look")
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        for name, value in {"theme": "dark", "contrast": "high", "text_size": "130"}.items():
            page.select_option(f"#set-{name}", value)
            assert said(page, name) == "Saved."
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(0, 0, 0)" != before
        assert page.evaluate("document.querySelector('.greeting').currentCSSZoom") == pytest.approx(1.3)
        page.reload()
        page.wait_for_selector(".greeting")
        looks = page.evaluate("({...document.documentElement.dataset})")
        assert (looks["theme"], looks["contrast"]) == ("dark", "high")
        read = reading.read({"home": str(site.services.settings.home)}, {})
        assert (read.theme, read.contrast, read.text_size) == ("dark", "high", 130)

    def test_a_browser_that_kept_nothing_begins_as_the_settings_file_says(self, browser: Any, tmp_path: Path) -> None:
        opened = services(tmp_path / "home", PacedRuntime(model=MED42))
        opened.settings = replace(opened.settings, theme="dark", text_size=120)
        with serving(opened) as address:
            page = Site(address, opened, opened.runtime).open(browser)  # type: ignore[arg-type]
            assert page.evaluate("document.documentElement.dataset.theme") == "dark"
            assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--text')") == "1.2"
            page.context.close()
        opened.close()

    def test_nothing_but_looks_is_kept_by_the_browser(self, page: Any) -> None:
        ask(page, "a patient's words")
        page.click('#header [data-do="theme"]')
        page.click('#header [data-do="theme"]')
        kept = page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
        assert "patient" not in kept
        assert "med42-theme" in kept

    @pytest.mark.parametrize("width", WIDTHS)
    def test_at_the_largest_text_a_conversation_is_read_without_scrolling_sideways(self, page: Any, width: str) -> None:
        ask(page, "What?")
        page.evaluate("localStorage.setItem('med42-text_size', '150'); med42.applyLooks()")
        page.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
        assert page.evaluate("(s => s.scrollWidth <= s.clientWidth + 1)(document.querySelector('#transcript .scroll'))")
        frame, send = (page.locator(one).bounding_box() for one in ("#composer", "#send"))
        assert frame["x"] >= 0 and frame["x"] + frame["width"] <= WIDTHS[width][0]
        assert send["x"] + send["width"] <= frame["x"] + frame["width"]
        page.click("#send", trial=True)


class TestPassphrase:
    def test_it_is_set_changed_and_removed_with_the_present_one(self, page: Any, site: Site) -> None:
        open_settings(page, "passphrase")
        page.fill("#new", "correct horse")
        page.fill("#again", "correct hearse")
        page.click('[data-act="protect"]')
        assert "not the same" in said(page, "passphrase")
        page.fill("#again", "correct horse")
        page.click('[data-act="protect"]')
        page.wait_for_selector("#present")
        assert "asked for at the next start" in said(page, "passphrase")
        assert site.services.key.where == "passphrase"
        page.fill("#present", "a guess")
        page.click('[data-act="unprotect"]')
        page.wait_for_selector("#said-passphrase.bad")
        assert "wrong" in said(page, "passphrase")
        page.fill("#present", "correct horse")
        page.click('[data-act="unprotect"]')
        page.wait_for_selector("#present", state="detached")
        assert site.services.key.where == "file"

    def test_a_passphrase_that_was_typed_is_gone_with_the_dialog(self, page: Any) -> None:
        open_settings(page, "passphrase")
        page.fill("#new", "correct horse")
        close_settings(page)
        page.wait_for_selector("#settings input", state="detached")


class TestData:
    def test_a_backup_is_made_and_downloaded_whole(self, page: Any) -> None:
        open_settings(page, "data")
        page.fill("#backup-passphrase", "correct horse")
        page.click('[data-act="backup"]')
        page.wait_for_selector(".backups a")
        assert "any computer" in said(page, "backup")
        with page.expect_download() as download:
            page.click(".backups a >> nth=0")
        packed = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
        assert packed.testzip() is None
        assert set(packed.namelist()) == {"manifest.json", "key.json", "med42.db"}

    def test_only_backups_are_handed_out(self, page: Any, site: Site) -> None:
        for name in ("med42.db", "..%2Fmed42.db", "..%2fkey"):
            assert page.request.get(f"{site.root}v1/backup/{name}").status in (403, 404)


@pytest.fixture
def own(browser: Any, tmp_path: Path) -> Iterator[tuple[Any, Services]]:
    """A page of a program of its own, which may come to its end."""
    opened = services(tmp_path / "home", PacedRuntime(model=MED42))
    write_private(opened.settings.home / "key", opened.key.data.hex())
    opened.acknowledge()
    with serving(opened) as address:
        page = Site(address, opened, opened.runtime).open(browser)  # type: ignore[arg-type]
        yield page, opened
        page.context.close()
    opened.close()


class TestTheEnd:
    def test_everything_is_deleted_only_after_the_words_were_typed(self, own: tuple[Any, Services]) -> None:
        page, opened = own
        ask(page, "What?")
        open_settings(page, "data")
        page.fill("#erase-word", "delete")
        page.click('[data-act="erase"]')
        assert "Nothing was changed" in said(page, "erase")
        assert opened.settings.home.exists()
        page.fill("#erase-word", "delete everything")
        page.click('[data-act="erase"]')
        page.wait_for_selector("main.ended")
        assert "Everything was deleted" in page.inner_text("main.ended")
        assert not opened.settings.home.exists()
        assert opened.ended.is_set()

    def test_a_backup_is_restored_and_the_program_says_that_it_ended(self, own: tuple[Any, Services]) -> None:
        page, opened = own
        kept = opened.store.conversations.create(title="Kept").id
        file, _ = opened.back_up("correct horse")
        lost = opened.store.conversations.create(title="Made afterwards").id
        open_settings(page, "data")
        page.select_option("#restore-file", file.name)
        page.click('[data-act="restore"]')
        page.wait_for_selector("main.ended")
        assert "restored" in page.inner_text("main.ended") and "kept in" in page.inner_text("main.ended")
        with Store.open(opened.settings.home, opened.key.data) as store:
            ids = [one.id for one in store.conversations.recent(10)]
        assert kept in ids and lost not in ids


class TestFirstMinute:
    def test_the_look_around_follows_the_safe_use_text_and_can_be_left_or_seen_again(self, browser: Any, tmp_path: Path) -> None:
        opened = services(tmp_path / "home", PacedRuntime(model=MED42))
        with serving(opened) as address:
            page = Site(address, opened, opened.runtime).open(browser)  # type: ignore[arg-type]
            page.click("#safe-use dialog .primary")
            seen = []
            for _ in range(5):
                page.wait_for_selector(".tour .primary:focus")
                seen.append(page.inner_text(".tour p"))
                page.keyboard.press("Enter")
            assert len(set(seen)) == 5
            page.wait_for_selector(".tour", state="detached")
            page.reload()
            page.wait_for_selector(".greeting")
            assert page.locator(".tour").count() == 0 and page.locator("#safe-use dialog[open]").count() == 0
            page.click('#header [data-do="about"]')
            page.click("#about [data-tour]")
            page.wait_for_selector(".tour")
            page.keyboard.press("Escape")
            assert page.locator(".tour, .toured").count() == 0
            assert page.evaluate("document.activeElement.matches('#question textarea')")
            page.context.close()
        opened.close()

    @pytest.mark.parametrize("width", WIDTHS)
    def test_every_card_stands_within_the_window(self, page: Any, width: str) -> None:
        page.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
        page.evaluate("med42.tour()")
        for _ in range(5):
            box = page.locator(".tour").bounding_box()
            assert box["x"] >= 0 and box["y"] >= 0
            assert box["x"] + box["width"] <= WIDTHS[width][0] and box["y"] + box["height"] <= WIDTHS[width][1]
            page.click(".tour .primary")

    def test_whoever_begins_to_work_leaves_it(self, page: Any) -> None:
        page.evaluate("med42.tour()")
        page.click("#question textarea")
        assert page.locator(".tour").count() == 0

    def test_the_demonstration_is_marked_where_one_asks_and_the_way_to_med42_is_one_click(self, page: Any, site: Site) -> None:
        assert not page.locator("#demonstration p").is_visible()
        site.runtime.model = replace(MED42, demonstration=True)
        page.wait_for_selector("#demonstration p", state="visible")
        page.click("#demonstration button")
        page.wait_for_selector("#models dialog[open] .badge.recommended", timeout=60_000)
        assert str(site.services.settings.models) in page.inner_text("#models .body")


class TestFacts:
    def test_a_pinned_line_opens_the_editor_with_the_facts_that_were_there(self, page: Any, site: Site) -> None:
        ask(page, "What?")
        id = page.evaluate("med42.conversation()")
        page.evaluate("med42.pinFact('Allergy:  latex')")
        page.click(".facts .primary")
        page.wait_for_selector(".fact")
        page.evaluate("med42.pinFact('eGFR 38')")
        assert page.input_value(".facts textarea") == "Allergy: latex\neGFR 38"
        page.click(".facts .primary")
        page.wait_for_function("document.querySelectorAll('.fact').length === 2")
        assert site.services.store.conversations.get(id).pinned_facts == "Allergy: latex\neGFR 38"
        assert not page.locator(".notice").is_visible()

    def test_facts_that_another_window_changed_are_seen_without_a_reload(self, page: Any, site: Site) -> None:
        ask(page, "What?")
        site.services.store.conversations.set_pinned_facts(page.evaluate("med42.conversation()"), "CKD 3b")
        page.wait_for_selector(".fact")
        assert page.inner_text(".fact") == "CKD 3b"

    def test_what_is_being_typed_stays_when_another_window_changes_the_facts(self, page: Any, site: Site) -> None:
        ask(page, "What?")
        page.click(".facts .link")
        page.fill(".facts textarea", "Apixaban")
        site.services.store.conversations.set_pinned_facts(page.evaluate("med42.conversation()"), "CKD 3b")
        page.wait_for_selector(".notice:not([hidden])")
        assert "CKD 3b" in page.inner_text(".notice")
        assert page.input_value(".facts textarea") == "Apixaban"
        page.click(".facts .link, .facts .actions button >> nth=0")


class TestDrawersAndDoors:
    def test_behind_an_open_drawer_nothing_has_the_focus(self, page: Any) -> None:
        page.set_viewport_size({"width": 390, "height": 844})
        page.click('#header [data-do="left"]')
        for _ in range(12):
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.closest('#centre, #right') === null")
        page.keyboard.press("Escape")
        page.click("#question textarea")
        assert page.evaluate("document.activeElement.matches('#question textarea')")

    def test_the_hidden_field_is_no_stop_of_the_tab_key(self, page: Any) -> None:
        assert page.evaluate("document.querySelector('#here textarea, #here input')?.offsetParent ?? null") is None

    def test_name_and_icons_of_the_application_are_there(self, page: Any, site: Site) -> None:
        manifest = page.request.get(f"{site.root}manifest.json").json()
        assert manifest["name"] == "Med42 Chat"
        assert [page.request.get(site.root + icon["src"][1:]).status for icon in manifest["icons"]] == [200, 200, 200]
        assert page.request.get(f"{site.root}favicon.ico").headers["content-type"].startswith("image/svg")

    def test_the_page_met_no_error(self, page: Any, site: Site) -> None:
        assert site.faults == []
