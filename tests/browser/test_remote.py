"""The page with the model on a server: the mark is there in every width and theme, and an answer comes and says where from."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from med42_chat import services as opening
from med42_chat.settings import Settings
from tests.browser.axe import contrasts, violations
from tests.browser.test_page import ask
from tests.conftest import serving
from tests.runtime import servers

pytestmark = pytest.mark.browser

WIDTHS = {"wide": (1440, 900), "laptop": (1024, 700), "phone": (390, 844), "narrowest": (320, 640)}


@dataclass
class Away:
    page: Any
    host: str


@pytest.fixture(scope="module")
def away(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Away]:
    """An open page of a program that was started with --runtime."""
    with servers.serving(servers.Scripted()) as url:
        settings = Settings(home=tmp_path_factory.mktemp("away"), keyring=False, runtime=url)
        with closing(opening.open_services(settings)) as opened, serving(opened) as address:
            page = browser.new_context(reduced_motion="reduce").new_page()
            page.set_default_timeout(15_000)
            page.goto(address)
            page.wait_for_selector("#safe-use dialog[open]")
            yield Away(page, url.removeprefix("http://"))
            page.context.close()


def test_the_first_dialog_says_where_words_are_sent(away: Away) -> None:
    text = away.page.inner_text("#safe-use dialog")
    assert away.host in text and "Nothing is sent anywhere" not in text
    away.page.click("#safe-use dialog .primary")
    away.page.evaluate("med42.leaveTour()")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_mark_is_read_without_a_click_in_every_width(away: Away, width: str, theme: str) -> None:
    page = away.page
    page.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
    page.emulate_media(color_scheme=theme)
    page.wait_for_selector("#header .outward strong", state="visible")
    mark = page.locator("#header .outward strong")
    box = mark.bounding_box()
    assert mark.inner_text() == f"Sent to {away.host}"
    assert box["x"] >= 0 and box["x"] + box["width"] <= WIDTHS[width][0] and box["y"] >= 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [one for one in contrasts(page) if "outward" in one] == [] and [one for one in violations(page) if "outward" in one] == []


def test_it_unfolds_to_what_is_sent_with_the_keyboard_too(away: Away) -> None:
    away.page.focus("#header .outward summary")
    away.page.keyboard.press("Enter")
    away.page.wait_for_selector("#header .outward p", state="visible")
    assert "passages of your documents" in away.page.inner_text("#header .outward p")
    away.page.keyboard.press("Enter")
    away.page.wait_for_selector("#header .outward p", state="hidden")


def test_an_answer_comes_from_there_and_its_evidence_says_so(away: Away) -> None:
    page = away.page
    page.set_viewport_size({"width": 1440, "height": 900})
    ask(page, "Metformin with eGFR 25?")
    page.wait_for_selector("text=Yes, it is.")
    page.wait_for_function("host => document.querySelector('#evidence').innerText.includes(host)", arg=away.host)


def test_about_says_what_leaves_this_computer(away: Away) -> None:
    away.page.click('#header [data-do="about"]')
    text = away.page.inner_text("#about dialog")
    assert "What leaves this computer" in text and away.host in text and "sends nothing anywhere" not in text
    away.page.click("#about dialog .primary")


def test_the_settings_say_that_no_model_of_this_computer_answers(away: Away) -> None:
    away.page.evaluate("med42.openSettings('model')")
    away.page.wait_for_selector("#settings dialog[open] #part-model")
    text = away.page.inner_text("#part-model")
    assert f"The model on {away.host} answers." in text and away.page.query_selector("#set-model") is None
    away.page.keyboard.press("Escape")
