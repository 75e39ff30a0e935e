"""The page in bad weather: a slow network, a phone that sleeps in the middle of an answer."""

from typing import Any

import pytest

from tests.browser.conftest import Site
from tests.browser.test_page import ask, here, until, wait_for_answer
from tests.ui.fakes import ANSWER, gate

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def with_tools(page: Any) -> Any:
    """The browser's own tools for this page: what throttles and freezes it."""
    return page.context.new_cdp_session(page)


def slow(page: Any, latency_ms: int = 200, bytes_per_s: int = 50_000) -> None:
    """A bad line between the page and the program."""
    tools = with_tools(page)
    tools.send("Network.enable")
    conditions = {"offline": False, "latency": latency_ms, "downloadThroughput": bytes_per_s, "uploadThroughput": bytes_per_s}
    tools.send("Network.emulateNetworkConditions", conditions)


def test_on_a_slow_line_an_answer_arrives_whole_and_while_it_is_written(page: Any, site: Site) -> None:
    slow(page)
    site.runtime.gate = gate()
    ask(page, "What are the red flags of headache?")
    page.wait_for_selector('.answer[data-status="streaming"]')
    site.runtime.gate.set()
    page.wait_for_selector(".answer .block")
    answer = wait_for_answer(page)
    assert "Thunderclap onset" in answer.inner_text()
    assert site.services.store.conversations.branch(here(page))[1].text == ANSWER


def test_on_a_slow_line_what_is_typed_meanwhile_stays(page: Any, site: Site) -> None:
    slow(page)
    site.runtime.text = "Yes."
    ask(page, "First?")
    page.keyboard.type("And in renal failure?")
    wait_for_answer(page)
    assert page.input_value("#question textarea") == "And in renal failure?"


def test_a_phone_that_sleeps_in_mid_answer_shows_all_of_it_when_it_wakes(site: Site, browser: Any, page: Any) -> None:
    phone = site.open(browser, **PHONE)
    site.runtime.gate = gate()
    ask(phone, "What are the red flags of headache?")
    phone.wait_for_selector('.answer[data-status="streaming"]')
    tools = with_tools(phone)
    tools.send("Page.enable")
    tools.send("Page.setWebLifecycleState", {"state": "frozen"})
    site.runtime.gate.set()
    until(lambda: not site.services.jobs.running(latest(site)), "the answer is written while the phone sleeps")
    tools.send("Page.setWebLifecycleState", {"state": "active"})
    answer = wait_for_answer(phone)
    assert "does not rule out a subarachnoid haemorrhage" in answer.inner_text()
    phone.context.close()


def latest(site: Site) -> str:
    """The conversation with the newest message."""
    return site.services.store.conversations.recent(1)[0].id
