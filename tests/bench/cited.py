"""From a click on [1] to the page in sight with the words marked: the first time, when the picture is still to be made, and again.

Run alone with `python -m tests.bench cited`.
"""

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from med42_chat.checks import Medicines, check
from med42_chat.checks.quotes import cited
from med42_chat.checks.text import sentences
from med42_chat.records import Holding, Passage, Source
from med42_chat.services import Services
from tests.bench.rows import Row
from tests.checks.cases import medicines
from tests.conftest import CHROMIUM, FLAGS, serving
from tests.library.judged import SAMPLES
from tests.store.samples import EVIDENCE
from tests.ui.fakes import MED42, PacedRuntime, services

_FEWEST_WORDS = 8  # of what is quoted

# Milliseconds from the click until the next frame in which the picture and its marks are there.
_CLICK = """() => new Promise((done) => {
  const began = performance.now();
  document.querySelector('.answer .cite').click();
  const look = () => {
    const picture = document.querySelector('.viewer img');
    const ready = picture?.complete && picture.naturalWidth > 0 && document.querySelector('.marks i');
    if (ready && !document.querySelector('.frame[aria-busy]')) done(performance.now() - began);
    else requestAnimationFrame(look);
  };
  look();
})"""


def measure() -> list[Row]:
    """Each page of the sample PDFs, cited once; all of them first, then all again."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, ExitStack() as stack:
        opened = services(Path(folder), PacedRuntime(model=MED42))
        stack.callback(opened.close)
        opened.acknowledge()
        answers = list(_answers(opened))
        address = stack.enter_context(serving(opened))
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        stack.callback(browser.close)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        page.wait_for_selector(".greeting, .turn")
        rounds = [[_clicked(page, id) for id in answers] for _ in ("first", "again")]
    return [_row("the first time", rounds[0], 400.0), _row("again", rounds[1], 100.0)]


def _row(name: str, times: list[float], limit: float) -> Row:
    note = f"from {min(times):.0f} to {max(times):.0f} ms, {len(times)} pages"
    return Row(f"cited: from click to marked page, {name}, median", statistics.median(times), "ms", limit, "<=", note)


def _clicked(page: Any, id: str) -> float:
    page.evaluate("id => med42.show(id)", id)
    page.wait_for_function("id => document.querySelector('.scroll').dataset.conversation === id", arg=id)
    page.wait_for_selector("#evidence [data-answer]")
    return float(page.evaluate(_CLICK))


def _answers(opened: Services) -> Iterator[str]:
    """Conversations, each with an answer that quotes another page."""
    listed = medicines()
    for path in sorted(SAMPLES.glob("*.pdf")):
        holding = opened.library.add(path).holding
        assert holding is not None
        for _, group in groupby(opened.library.documents.passages(holding.id), key=lambda passage: passage.page):
            yield _answer(opened, holding, next(passage for passage in group if _quotable(passage)), listed)


def _quotable(passage: Passage) -> str:
    """A sentence that is long enough, '' for none."""
    if "Publisher:" in passage.text:
        return ""
    each = (one.text.strip() for one in sentences(passage.text))
    return next((text for text in each if text.endswith(".") and " | " not in text and len(text.split()) >= _FEWEST_WORDS), "")


def _answer(opened: Services, holding: Holding, passage: Passage, listed: Medicines) -> str:
    where = {"heading_path": passage.heading_path, "start": passage.start, "end": passage.end}
    source = Source(1, holding.title, passage.text, passage.page, holding.sha256, holding.id, **where)  # type: ignore[arg-type]
    text = f"“{_quotable(passage)[:-1]}” [1]."
    store = opened.store.conversations
    id = store.create("Question").id
    _, answer = store.begin(id, "Question?")
    findings = check(text, (source,), listed)
    evidence = replace(EVIDENCE, basis="sources", left_out=(), notes=())
    store.finish(answer.id, text, "complete", evidence, cited(text, (source,), findings, listed), findings)
    return id
