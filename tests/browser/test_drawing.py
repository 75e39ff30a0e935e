"""What the tests do where Chromium stops drawing a page, which it does now and then, and says nothing."""

from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from tests.browser.conftest import DrawnNoMore, Window, explained
from tests.browser.test_page import ask, wait_for_answer

_tried: list[str] = []


@pytest.fixture
def asleep() -> Any:
    """The process that draws, asleep until the test has ended; but only at the first try."""
    if _tried:
        yield
        return
    drawing = [one for one in psutil.Process().children(recursive=True) if "--type=gpu-process" in one.cmdline()]
    for one in drawing:
        one.suspend()
    yield
    for one in drawing:
        one.resume()


def test_a_test_in_whose_middle_the_page_is_drawn_no_more_is_run_once_more_with_a_new_one(page: Any, asleep: None) -> None:
    _tried.append(page.evaluate("document.visibilityState"))
    page.set_default_timeout(2000)
    page.click(".greeting", trial=True)
    assert len(_tried) == 2


def test_a_test_that_fails_while_its_page_is_drawn_fails(window: Window, page: Any) -> None:
    with pytest.raises(AssertionError, match="as it is"), explained(SimpleNamespace(funcargs={"window": window})):
        raise AssertionError("as it is")


def test_a_test_without_a_page_fails_as_it_is() -> None:
    with pytest.raises(AssertionError), explained(SimpleNamespace(funcargs={})):
        raise AssertionError


def test_a_failure_says_that_the_page_was_drawn_no_more() -> None:
    window = SimpleNamespace(stopped="visible, opened 9 s ago")
    with pytest.raises(DrawnNoMore, match="9 s ago; too late"), explained(SimpleNamespace(funcargs={"window": window})):
        raise TimeoutError("too late")


def test_for_a_page_that_is_drawn_no_more_the_tests_that_follow_get_another(window: Window) -> None:
    still = window.page
    assert window.drawn() is still
    still.evaluate("window.requestAnimationFrame = () => 0")
    with pytest.warns(UserWarning, match=r"drew the page no more \(visible, opened \d+ s ago\)"):
        assert window.drawn() is not still
    ask(window.page, "Is it answered there?")
    wait_for_answer(window.page)
    window.page.click(".answer .fold")
