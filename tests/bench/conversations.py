"""The list of conversations in the browser: how soon the page can be used with 2,000 of them, search and scrolling with 50,000."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from med42_chat.store.database import Store
from tests.bench.rows import Row
from tests.bench.store import KEY, Writer, build
from tests.conftest import CHROMIUM, FLAGS, serving
from tests.ui.fakes import MED42, PacedRuntime, services

_SOME, _MANY = 2_000, 50_000
_MESSAGES = {_SOME: 60_000, _MANY: 200_000}
_HOUR = 3_600_000
_ROUNDS = 5
_QUERIES = 10
_WINDOW = {"width": 1440, "height": 900}

# From the key as the browser stamps it to the frame after the one that shows what these words gave.
_WATCH = """() => {
  const find = document.querySelector('#conversations .find');
  const rows = document.querySelector('#conversations .rows');
  const typed = new Map();
  let key = 0;
  window.painted = [];
  window.isPainted = words => !typed.has(words);
  find.addEventListener('keydown', event => { key = event.timeStamp; }, true);
  find.addEventListener('input', () => typed.set(find.value.trim(), key), true);
  new MutationObserver(() => requestAnimationFrame(() => setTimeout(() => {
    for (const [words, at] of typed) {
      if (rows.getAttribute('aria-label') !== med42.say('list.results', { query: words })) continue;
      window.painted.push(performance.now() - at);
      typed.delete(words);
    }
  }))).observe(rows, { attributes: true, attributeFilter: ['aria-label'] });
}"""

# Milliseconds of each frame while the list goes down by two rows and more a frame.
_SCROLL = """() => new Promise(done => {
  const rows = document.querySelector('#conversations .rows');
  const frames = [];
  let last = 0;
  const step = now => {
    if (last) frames.push(now - last);
    last = now;
    rows.scrollTop += 120;
    frames.length < 240 ? requestAnimationFrame(step) : done(frames);
  };
  requestAnimationFrame(step);
})"""

# Milliseconds until a title stands in the middle of the list after its bar was dragged there.
_JUMP = """to => new Promise(done => {
  const rows = document.querySelector('#conversations .rows');
  const { left, top, height } = rows.getBoundingClientRect();
  const began = performance.now();
  rows.scrollTop = to * (rows.scrollHeight - rows.clientHeight);
  const look = () => {
    const entry = document.elementFromPoint(left + 60, top + height / 2).closest('.entry');
    if (entry && entry.querySelector('.open')) done(performance.now() - began);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(() => requestAnimationFrame(look));
})"""


def measure() -> list[Row]:
    """Rows for the list, in the system's Chromium."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        rows = [*_opening(browser, Path(folder)), *_in_use(browser, Path(folder))]
        browser.close()
    return rows


def _opening(browser: Any, folder: Path) -> list[Row]:
    """An empty list and a long one, in turn, each with an empty cache."""
    with _site(folder / "none", 0) as empty, _site(folder / "some", _SOME) as full:
        pairs = [(_open(browser, full), _open(browser, empty)) for _ in range(_ROUNDS + 1)][1:]
    ratio = statistics.median(one / other for one, other in pairs)
    some, none = (statistics.median(times) for times in zip(*pairs, strict=True))
    return [Row(f"list: page usable at {_SOME:,} / at none", ratio, "×", 2.0, "<=", f"{some:.2f} s against {none:.2f} s")]


def _in_use(browser: Any, folder: Path) -> list[Row]:
    with _site(folder / "many", _MANY) as address:
        page = browser.new_page(viewport=_WINDOW)
        page.goto(address)
        page.wait_for_selector(".entry .open")
        frames = page.evaluate(_SCROLL)
        jumps = [page.evaluate(_JUMP, place) for place in (0.5, 0.9, 0.1, 0.7, 0.3)]
        typed = _typed(page)
        page.close()
    note = f"median {statistics.median(typed):.0f}, worst {max(typed):.0f} ms of {len(typed)} keys; {_MESSAGES[_MANY]:,} messages"
    return [
        Row(f"list: key to painted result at {_MANY:,}, p95", statistics.quantiles(typed, n=20)[-1], "ms", 100, "<=", note),
        Row(f"list: frame while scrolling {_MANY:,}, p95", statistics.quantiles(frames, n=20)[-1], "ms", 34, "<="),
        Row(f"list: jump into the middle of {_MANY:,}, median", statistics.median(jumps), "ms", 250, "<="),
    ]


def _typed(page: Any) -> list[float]:
    """Milliseconds from each key to the painted result, for searches as people type them."""
    page.evaluate(_WATCH)
    page.focus(".find")
    writer = Writer(seed=11)
    for query in [writer.query() for _ in range(_QUERIES)]:
        page.fill(".find", "")
        for end in range(1, len(query) + 1):
            page.keyboard.press("Space" if query[end - 1] == " " else query[end - 1])
            page.wait_for_function("words => window.isPainted(words)", arg=query[:end].strip())
    times: list[float] = page.evaluate("window.painted")
    return times


def _open(browser: Any, address: str) -> float:
    """Seconds until the list has said what it holds and a question can be typed."""
    page = browser.new_context(viewport=_WINDOW).new_page()
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector("#conversations .count:not(:empty)", state="attached")
    page.locator("#question textarea").fill("x")
    elapsed = time.perf_counter() - began
    page.context.close()
    return elapsed


@contextmanager
def _site(home: Path, conversations: int) -> Iterator[str]:
    """The page's address over a store with so many conversations, each an hour older than the one before it."""
    home.mkdir(mode=0o700)
    if conversations:
        build(home, _MESSAGES[conversations], conversations)
        with Store.open(home, KEY) as store, store._connections.write() as db:
            newest = int(time.time() * 1000)
            db.conn.execute(f"update conversations set updated_at = ? - ({conversations} - id) * {_HOUR}", (newest,))
    opened = services(home, PacedRuntime(model=MED42))
    opened.acknowledge()
    with serving(opened) as address:
        yield address
    opened.close()
