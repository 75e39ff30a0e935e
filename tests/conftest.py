"""What every test may use: a clean environment, a private data folder, and for the browser tests one Chromium and one open page."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path(os.environ.get("MED42_CHROMIUM", "/usr/bin/chromium"))
_KEPT = ("MED42_CHROMIUM", "MED42_OFFLINE", "MED42_PICTURES", "MED42_REQUIRE_BROWSER")  # what the suite itself is told
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests reaches them, and no test reaches his keyring."""
    for name in [name for name in os.environ if name.startswith("MED42_") and name not in _KEPT]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder that does not exist yet."""
    return tmp_path / "home"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium. Without one the test is skipped, or fails where MED42_REQUIRE_BROWSER is set.

    Once a module and not once a session: while Playwright is there, no other test can run an event loop.
    """
    if not CHROMIUM.exists():
        if os.environ.get("MED42_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{CHROMIUM} is missing and MED42_REQUIRE_BROWSER is set")
        pytest.skip(f"{CHROMIUM} is missing")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@contextmanager
def serving(services: Any, port: int = 0) -> Iterator[str]:
    """Serves the whole application in this process, on any free port by default; gives the address with its key."""
    import uvicorn

    from med42_chat.web import build_app, config, listen

    with listen("127.0.0.1", port) as listening:
        port = listening.getsockname()[1]
        server = uvicorn.Server(config(build_app(services, port, lambda: server.should_exit)))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}/?k={services.token}"
        finally:
            server.should_exit = True
            thread.join(10)
