"""From the first page to a chosen model that runs, by clicking only, with the plug pulled twice: the hub's, then the program's own."""

import hashlib
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from med42_chat.settings import DEMO_MODEL
from med42_chat.weights.catalogue import Entry, Part
from tests.browser.test_models import CARD, FAMILY
from tests.browser.test_whole import ask_anew, open_page, started, worker_of
from tests.model_files import llama3_shape
from tests.weights.hub import COMMIT, REPOSITORY, Fault, State, address, hub
from tests.weights.toml import write_catalogue

pytestmark = [pytest.mark.browser, pytest.mark.model]

SMALL, LARGE = "copy-of-the-demonstration", "random-weights"


def offered(server: State, id: str, file: Path) -> Entry:
    """The file on the hub, and the entry that names it."""
    data = file.read_bytes()
    server.files[address(f"{id}.bin.gguf")] = data
    part = Part(f"{id}.bin.gguf", len(data), True, hashlib.sha256(data).hexdigest())
    return Entry(id, replace(FAMILY, name="tiny"), "unknown", REPOSITORY, COMMIT, (part,))


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return str(listening.getsockname()[1])


def says(page: Any, id: str, words: str) -> None:
    page.wait_for_selector(f'{CARD.format(id)}:has-text("{words}")')


def do(page: Any, id: str, label: str) -> None:
    page.locator(CARD.format(id)).get_by_role("button", name=label, exact=True).click()


def choose(page: Any, id: str) -> None:
    """Opens the family if it is folded, and clicks the model's button."""
    family = '#models .family[data-open="tiny"]'
    if page.get_attribute(family, "open") is None:
        page.click(f"{family} > summary")
    page.click(f'#models .sizes [data-id="{id}"]')


def test_from_the_first_page_to_a_chosen_model_with_the_plug_pulled_twice(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, models, port = tmp_path / "home", tmp_path / "models", free_port()
    home.mkdir()
    models.mkdir()
    with hub() as server:
        large = offered(server, LARGE, llama3_shape())
        whole = f"of {large.size_bytes / 1e6:.0f} MB"
        write_catalogue(home / "catalogue.toml", offered(server, SMALL, DEMO_MODEL), large)
        for name, value in {"HF_ENDPOINT": server.endpoint, "NO_PROXY": "127.0.0.1,localhost", "MED42_MODELS": str(models)}.items():
            monkeypatch.setenv(name, value)
        # The hub goes away in the middle of the file and stays away for a while; later it hangs.
        server.faults.extend(
            [Fault("drop", at=60_000_000), Fault("status", status=503), Fault("status", status=503), Fault("stall", at=80_000_000)]
        )

        with started(home, "--port", port) as (program, front):
            page = open_page(browser, front)
            page.click("#safe-use dialog .primary")
            page.keyboard.press("Escape")  # leaves the look around
            page.click('.greeting [data-do="weights"]')
            page.wait_for_selector("#models .here")
            choose(page, LARGE)
            says(page, LARGE, "Next try in")
            says(page, LARGE, whole)  # it has come back by itself
            says(page, LARGE, "nothing is coming at the moment")
            program.kill()
            page.wait_for_selector("#models .problem:has-text('does not answer')")

        unfinished = models / ".unfinished" / LARGE / f"{LARGE}.gguf"
        assert not (models / f"{LARGE}.gguf").exists() and unfinished.stat().st_size > 80_000_000
        server.released.set()
        before = server.sent
        with started(home, "--port", port) as (program, _):
            says(page, LARGE, f"{whole} are here")  # the same window, which was never touched
            assert page.locator("#models .problem").is_hidden()
            do(page, LARGE, "Go on with the download")
            says(page, LARGE, "every byte is right")
            assert server.sent - before < large.size_bytes - 100_000_000, "what had come was not fetched again"
            do(page, LARGE, "Use this model")
            page.wait_for_selector(f"{CARD.format(LARGE)} .badge.in_use")
            now = page.inner_text('#models [data-part="now"]')
            assert f"{LARGE}.gguf" in now and "Runs on the processor" in now
            choose(page, SMALL)
            says(page, SMALL, "every byte is right")
            page.click("#models [data-close]")
            ask_anew(page, "Go on and on")

            # While that answer is being written, the other model is chosen: it waits its turn.
            page.click("#header .which")
            do(page, SMALL, "Use this model")
            page.wait_for_selector('#models [data-part="now"]:has-text("A running answer is finished first")')
            page.keyboard.press("Escape")
            page.click("#stop")
            page.click("#header [data-do=models] >> nth=0")
            page.wait_for_selector(f"{CARD.format(SMALL)} .badge.in_use")
            page.click("#models [data-close]")
            ask_anew(page, "What are the red flags of headache?")
            page.wait_for_selector('.answer[data-status="complete"]')
            assert "hunderclap" in page.inner_text(".answer")
            assert worker_of(program).is_running()
