"""One server and one open page for all browser tests: loading Gradio's page takes seconds, a new conversation takes none."""

import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from med42_chat.records import Draft
from med42_chat.services import Services
from tests.conftest import CHROMIUM, FLAGS, serving
from tests.ui.fakes import MED42, PacedRuntime, services


class Turnstile(threading.Event):
    """A runtime's gate that lets some pieces of an answer through, and all the rest when it is set.

    So a test sees an answer in its middle however long the page takes to show it.
    """

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self._passing = threading.Semaphore(pieces)

    def let(self, pieces: int) -> None:
        """Lets so many more through."""
        self._passing.release(pieces)

    def wait(self, timeout: float | None = None) -> bool:
        return self._passing.acquire(blocking=False) or super().wait(timeout)


@dataclass
class Site:
    """The served application, and every request that pages made to reach it or anything else."""

    address: str
    services: Services
    runtime: PacedRuntime
    requests: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    unanswered: set[Any] = field(default_factory=set)  # what pages asked handlers, until the answer is there

    def open(self, browser: Any, path: str = "", **context: Any) -> Any:
        """A page of a new visitor, watched."""
        page = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **context}).new_page()
        page.set_default_timeout(30_000)
        page.on("request", self._asked)
        for name in ("requestfinished", "requestfailed"):
            page.on(name, lambda request: self.unanswered.discard(request))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.faults.append(message.text))
        page.goto(self.address)
        page.wait_for_url(lambda url: "k=" not in url)
        if path:
            page.goto(self.root + path)
            page.reload()
        page.wait_for_selector(".greeting, .turn")
        return page

    def _asked(self, request: Any) -> None:
        self.requests.append(request.url)
        if "/predict" in request.url:
            self.unanswered.add(request)

    def answered(self, page: Any) -> None:
        """Waits until the page has heard of all that it asked for: an answer that comes late would change it under the next test."""
        end = time.monotonic() + 20
        while any(one.frame.page == page for one in self.unanswered) and time.monotonic() < end:
            page.wait_for_timeout(50)
        self.unanswered.clear()  # what a reload has cut off is never answered

    @property
    def root(self) -> str:
        """The address without the key."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}/"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    runtime = PacedRuntime(model=MED42)
    opened = services(tmp_path_factory.mktemp("site") / "home", runtime)
    with serving(opened) as address:
        yield Site(address, opened, runtime)
    opened.close()


# Whether a page's next frame comes within so many milliseconds; if not, what is known of it.
DRAWS = """within => new Promise(tell => {
  requestAnimationFrame(() => tell(''));
  setTimeout(() => tell(`${document.visibilityState}, opened ${Math.round(performance.now() / 1000)} s ago`), within);
})"""


_WITHIN_MS = 5000


class DrawnNoMore(Exception):
    """Why a test failed in whose middle Chromium stopped drawing."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=[DrawnNoMore.__name__]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with explained(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with explained(item):
        return (yield)


@contextmanager
def explained(item: Any) -> Iterator[None]:
    """Of a test that fails, whether its page draws no more. Only then is it run once more; a test of a page that draws stays failed."""
    try:
        yield
    except Exception as error:
        window = item.funcargs.get("window")
        stopped = ""
        with suppress(Exception):  # a page that is closed hides no failure
            stopped = window.stopped if window is not None else ""
        if stopped:
            raise DrawnNoMore(f"{stopped}; {error}") from error
        raise


@dataclass
class Window:
    """A module's one page.

    Now and then Chromium stops drawing a page for good, and says nothing. Its scripts run on, but Playwright clicks only on what keeps its
    place for two frames: in all tests that follow every click would end after 30 s, at "waiting for element to be visible, enabled and
    stable". Why it stops is not known.
    """

    site: Site
    page: Any
    opened_with: dict[str, Any]

    @property
    def stopped(self) -> str:
        """What is known of a page that draws no more; nothing of one that does."""
        return str(self.page.evaluate(DRAWS, _WITHIN_MS))

    def drawn(self) -> Any:
        """The page; if it draws no more, a new one in a browser of its own, and a warning."""
        if stopped := self.stopped:
            warnings.warn(f"Chromium drew the page no more ({stopped}): it is opened anew.", stacklevel=2)
            browser = self.page.context.browser
            self.page.context.close()
            self.page = self.site.open(browser.browser_type.launch(executable_path=str(CHROMIUM), args=FLAGS), **self.opened_with)
            self.page.evaluate("med42.leaveTour()")
        return self.page


@pytest.fixture(scope="module")
def opened_with() -> dict[str, Any]:
    """What a module may ask of its page: Playwright's settings of a context."""
    return {}


@pytest.fixture(scope="module")
def window(browser: Any, site: Site, opened_with: dict[str, Any]) -> Window:
    page = site.open(browser, **opened_with)
    page.click("#safe-use dialog .primary")
    page.evaluate("med42.leaveTour()")
    return Window(site, page, opened_with)


@pytest.fixture
def page(window: Window, site: Site) -> Iterator[Any]:
    """The open page, at a new conversation, with an unhurried model that answers as it does by default."""
    only_page = window.drawn()
    fresh = PacedRuntime(model=MED42)
    for name, value in vars(fresh).items():
        setattr(site.runtime, name, value)
    only_page.set_viewport_size({"width": 1440, "height": 900})
    only_page.evaluate("med42.tell(null); med42.write(''); med42.drafts.clear(); med42.sent.clear(); med42.accepted.clear()")
    site.services.store.conversations.set_draft("", Draft())
    only_page.evaluate("med42.show('')")
    only_page.wait_for_selector(".greeting")
    site.answered(only_page)
    yield only_page
    if site.runtime.gate:
        site.runtime.gate.set()
    site.services.jobs.close()
