"""The first day with the program, from its front door: `python app.py`, a real browser, the real llama.cpp, and the plug pulled twice."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.model_files import llama3_shape

pytestmark = [pytest.mark.browser, pytest.mark.model]

ROOT = Path(__file__).resolve().parents[2]
COMPOSER = "#question textarea"


@contextmanager
def started(home: Path, *arguments: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running program and the address that it prints. Killed in the end, if a test has not done that already."""
    environment = {**os.environ, "MED42_KEYRING": "off", "MED42_GPU_LAYERS": "0", **settings}
    command = [sys.executable, "app.py", "--no-browser", "--port", "0", "--home", str(home), *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            yield program, next(found[0] for line in program.stdout if (found := re.search(r"http://\S+", line)))
        finally:
            program.kill()


def open_page(browser: Any, address: str) -> Any:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(60_000)
    page.goto(address)
    page.wait_for_selector(".greeting, .turn")
    return page


def ask_anew(page: Any, question: str) -> None:
    page.get_by_role("button", name="New conversation").click()
    page.wait_for_selector(".greeting")
    page.fill(COMPOSER, question)
    page.press(COMPOSER, "Enter")
    page.wait_for_selector(".answer .block")


def worker_of(program: "subprocess.Popen[str]") -> psutil.Process:
    return next(one for one in psutil.Process(program.pid).children() if "med42_chat.runtime.worker" in " ".join(one.cmdline()))


def test_a_newcomer_asks_the_sample_library_sees_each_page_with_the_words_marked_and_is_told_when_it_has_no_answer(
    browser: Any, tmp_path: Path
) -> None:
    offered = tomllib.loads((ROOT / "assets" / "library" / "questions.toml").read_text("utf-8"))["question"]
    with started(tmp_path) as (_, address):
        page = open_page(browser, address)
        page.click("#safe-use dialog .primary")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="six invented examples").first.click()
        page.wait_for_function(f"document.querySelectorAll('.greeting .from ~ .examples .example').length === {len(offered)}")
        page.keyboard.press("Escape")
        page.wait_for_selector('[data-live="adding"]:empty', state="attached")
        for number, question in enumerate(offered):
            page.get_by_role("button", name="New conversation").click()
            page.wait_for_function("!med42.conversation() && document.querySelector('.greeting')")
            page.click(f".greeting .example >> nth={number}")
            page.wait_for_selector('.answer[data-status="complete"]')
            assert question["text"] in page.inner_text(".question")
            assert "Demonstration model, not Med42" in page.inner_text(".answer")
            assert page.locator(".answer a.cite").count() > 0 and page.locator('.answer .sign:not([data-mood="fine"])').count() == 0
            page.click(".answer a.cite >> nth=0")
            page.wait_for_selector(".viewer .marks i, .viewer .words mark", state="attached")
            assert "quoted words are marked" in page.inner_text(".viewer .said")
            words, said = (set(re.findall(r"\w+", page.inner_text(where))) for where in (".card.open .whole mark", ".answer"))
            assert len(words) > 3 and words <= said
        ask_anew(page, "What does a bicycle cost?")
        page.wait_for_selector(".answer:has-text('Nothing in your library answers this')")
        assert page.locator(".answer a.cite").count() == 0


def test_an_answer_read_one_stopped_one_cut_by_the_models_death_and_all_are_there_after_the_program_was_killed(
    browser: Any, tmp_path: Path
) -> None:
    with started(tmp_path) as (program, address):
        page = open_page(browser, address)
        page.click("#safe-use dialog .primary")
        page.keyboard.press("Escape")  # leaves the look around
        page.click(".example >> nth=0")
        page.wait_for_selector('.answer[data-status="complete"]')
        assert "Thunderclap" in page.inner_text(".answer") and "Demonstration model, not Med42" in page.inner_text(".answer")
        program.terminate()
        assert program.wait(10) == 0

    # Random weights: nonsense, but it does not stop by itself.
    with started(tmp_path, "--model", str(llama3_shape())) as (program, address):
        page = open_page(browser, address)
        ask_anew(page, "Stop this one")
        page.keyboard.press("Escape")
        page.wait_for_selector('.answer[data-status="stopped"] .block')
        ask_anew(page, "Kill the model in this one")
        worker_of(program).kill()
        page.wait_for_selector('.answer[data-status="interrupted"] .block')
        ask_anew(page, "Kill the program in this one")
        page.wait_for_timeout(3000)  # until some of it is kept for certain
        program.kill()

    with started(tmp_path) as (_, address):
        page = open_page(browser, address)
        for title, status in {
            "What are the red flags of headache?": "complete",
            "Stop this one": "stopped",
            "Kill the model in this one": "interrupted",
            "Kill the program in this one": "interrupted",
        }.items():
            page.get_by_role("button", name=title).first.click()
            page.wait_for_selector(f'.question:has-text("{title}")')
            page.wait_for_selector(f'.answer[data-status="{status}"] .block')


def test_two_windows_ask_at_once_and_both_answers_come_in_together(browser: Any, tmp_path: Path) -> None:
    with started(tmp_path, "--model", str(llama3_shape())) as (program, address):
        one = open_page(browser, address)
        one.click("#safe-use dialog .primary")
        one.keyboard.press("Escape")
        other = one.context.new_page()  # the same person's second window
        other.set_default_timeout(60_000)
        other.goto(address)
        other.wait_for_selector(".greeting")
        ask_anew(one, "From one window")
        ask_anew(other, "From the other window")

        def written(page: Any) -> int:
            return len(page.inner_text(".answer .blocks"))

        for _ in range(3):  # again and again, each has gone on since the last look
            before = written(one), written(other)
            for page, length in zip((one, other), before, strict=True):
                page.wait_for_function(f"document.querySelector('.answer .blocks').innerText.length > {length}")
        assert one.locator('.answer[data-status="streaming"]').count() == other.locator('.answer[data-status="streaming"]').count() == 1
        for page in (one, other):
            page.bring_to_front()
            page.keyboard.press("Escape")
            page.wait_for_selector('.answer[data-status="stopped"]')
        program.terminate()
        assert program.wait(10) == 0


def test_a_long_conversation_goes_on_at_once_after_the_program_was_closed_and_the_page_says_why(browser: Any, tmp_path: Path) -> None:
    notes = "The patient slept well and the blood pressure stayed at 120/80 mmHg. " * 150
    short = {"MED42_MAX_TOKENS": "32"}  # what the small model says of so many words is nonsense, and might not end by itself
    with started(tmp_path, **short) as (program, address):
        page = open_page(browser, address)
        page.click("#safe-use dialog .primary")
        page.keyboard.press("Escape")
        ask_anew(page, f"{notes}\nWhat are the red flags of headache?")
        page.wait_for_selector('.answer:not([data-status="streaming"])')
        program.terminate()
        assert program.wait(20) == 0

    with started(tmp_path, **short) as (_, address):
        page = open_page(browser, address)
        page.get_by_role("button", name="The patient slept well").first.click()
        page.wait_for_selector(".answer")
        page.fill(COMPOSER, "Thank you!")
        page.press(COMPOSER, "Enter")
        page.wait_for_selector('.answer:not([data-status="streaming"]) >> nth=1')
        page.wait_for_selector("#evidence :text('encrypted cache')", state="attached")
        said = page.text_content("#evidence :text('encrypted cache')")
        prompt, restored = (int(one.replace(",", "")) for one in re.findall(r"\d[\d,]*", said))
        assert prompt > 3000 and restored > 0.9 * prompt
