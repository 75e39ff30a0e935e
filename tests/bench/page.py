"""What the page costs the browser: streaming into a long conversation beside gr.Chatbot, its weight, and how soon it can be used.

Times of the browser's main thread are its processor time, which does not grow when other programs are busy.
"""

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from med42_chat.services import Services
from tests.bench.rows import Row
from tests.conftest import CHROMIUM, FLAGS, serving
from tests.ui.fakes import ANSWER, MED42, PacedRuntime, services

_SHORT, _LONG = 2, 300  # messages before the one that is streamed
_WARM_S, _WATCHED_S = 1.5, 6.0
_PIECES_PER_S = 24  # a good laptop's tokens
_UPDATES_PER_S = 8  # of our stream; gr.Chatbot gets as many
_STREAMED = ANSWER * 3
_ROUNDS = 5

# Counts each time that the last element of a kind has got another text.
_COUNT = """selector => {
  let length = -1;
  window.updates = 0;
  new MutationObserver(() => {
    const last = [...document.querySelectorAll(selector)].pop();
    const now = last ? last.textContent.length : -1;
    if (now !== length) window.updates += 1;
    length = now;
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


@dataclass(frozen=True, slots=True)
class Streamed:
    """What one running answer did to the browser: page updates per second, main thread milliseconds for each."""

    per_second: float
    ms: float


def measure() -> list[Row]:
    """Rows for the page in the system's Chromium."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, ExitStack() as stack:
        model = replace(MED42, context=2048)  # a prompt that is soon read
        opened = services(Path(folder), PacedRuntime(model=model, text=_STREAMED, pause_s=1 / _PIECES_PER_S))
        stack.callback(opened.close)
        opened.acknowledge()
        address = stack.enter_context(serving(opened))  # imports Gradio, and sets what it may not do
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        stack.callback(browser.close)
        return [*_streaming(browser, address, opened), *_opening(browser, address)]


# Streaming


def _streaming(browser: Any, address: str, opened: Services) -> list[Row]:
    short, long = (_ours(browser, address, opened, count) for count in (_SHORT, _LONG))
    chatbot_short, chatbot_long = (_chatbots(browser, count) for count in (_SHORT, _LONG))
    rates = f"{long.per_second:.1f}/s against {short.per_second:.1f}/s; gr.Chatbot {chatbot_long.per_second:.1f}/s"
    return [
        Row(
            f"streaming: updates at {_LONG} messages / at {_SHORT}",
            long.per_second / short.per_second,
            "×",
            0.9,
            ">=",
            f"{rates} against {chatbot_short.per_second:.1f}/s",
        ),
        Row(
            f"streaming: main thread per update at {_LONG}",
            long.ms,
            "ms",
            20,
            "<=",
            f"at {_SHORT}: {short.ms:.1f} ms; gr.Chatbot {chatbot_long.ms:.0f} ms and {chatbot_short.ms:.0f} ms",
        ),
    ]


def _ours(browser: Any, address: str, opened: Services, messages: int) -> Streamed:
    id = _conversation(opened, messages)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address)
    page.wait_for_selector(".greeting")
    page.evaluate("id => med42.show(id)", id)
    page.wait_for_function("count => document.querySelectorAll('.turn').length >= count", arg=messages)
    job = opened.jobs.start(id, "And what should be checked before sending the patient home?")
    watched = _watch(page, ".answer .blocks")
    assert job.state().phase == "writing", "the answer is still growing when the watch ends"
    job.stop()
    job.join(5)
    page.close()
    return watched


def _conversation(opened: Services, messages: int) -> str:
    """A conversation with so many messages, written by a model in a hurry."""
    runtime = opened.runtime
    assert isinstance(runtime, PacedRuntime)
    text, pause = runtime.text, runtime.pause_s
    runtime.text, runtime.pause_s, runtime.piece = ANSWER, 0.0, len(ANSWER)
    id = opened.store.conversations.create().id
    for number in range(messages // 2):
        list(opened.chat.ask(id, f"Question {number}: what are the red flags of headache?"))
    runtime.text, runtime.pause_s, runtime.piece = text, pause, 6
    return id


def _chatbots(browser: Any, messages: int) -> Streamed:
    with _served(_chatbot_app(messages)) as address:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        page.wait_for_function("count => document.querySelectorAll('.message.bot').length >= count", arg=messages // 2, timeout=60_000)
        page.get_by_role("button", name="Go").click()
        watched = _watch(page, ".message.bot")
        page.close()
        return watched


def _chatbot_app(messages: int) -> Any:
    """The same texts in Gradio's own component, fed as often as our page is."""
    import gradio as gr

    history = [
        {"role": role, "content": text}
        for number in range(messages // 2)
        for role, text in (("user", f"Question {number}: what are the red flags of headache?"), ("assistant", ANSWER))
    ]
    step = round(6 * _PIECES_PER_S / _UPDATES_PER_S)

    def answer() -> Iterator[list[dict[str, str]]]:
        asked = [*history, {"role": "user", "content": "And what should be checked before sending the patient home?"}]
        for end in range(step, len(_STREAMED), step):
            yield [*asked, {"role": "assistant", "content": _STREAMED[:end]}]
            time.sleep(1 / _UPDATES_PER_S)

    with gr.Blocks(analytics_enabled=False) as blocks:
        chatbot = gr.Chatbot(history, height=700)
        gr.Button("Go").click(answer, None, chatbot, api_visibility="private")
    return blocks


def _watch(page: Any, selector: str) -> Streamed:
    """Waits until the answer is growing, then counts for some seconds."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.evaluate(_COUNT, selector)
    page.wait_for_function("window.updates >= 3", timeout=60_000)
    page.wait_for_timeout(_WARM_S * 1000)
    before, began = _spent(page, session), time.perf_counter()
    page.wait_for_timeout(_WATCHED_S * 1000)
    after, elapsed = _spent(page, session), time.perf_counter() - began
    updates = after[0] - before[0]
    return Streamed(updates / elapsed, 1000 * (after[1] - before[1]) / max(updates, 1))


def _spent(page: Any, session: Any) -> tuple[int, float]:
    """Updates so far, and seconds of the main thread."""
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return page.evaluate("window.updates"), metrics["TaskDuration"]


# Opening


def _opening(browser: Any, address: str) -> list[Row]:
    """Ours and a page of Gradio with one box and one button, in turn, each with an empty cache."""
    with _served(_bare_app()) as bare:
        pairs = [(_open(browser, address, ".greeting"), _open(browser, bare, "textarea")) for _ in range(_ROUNDS + 1)][1:]
    ours, shells = ([one for one, _ in side] for side in zip(*pairs, strict=True))
    weight = max(weight for (_, weight), _ in pairs) / 1000
    shell_weight = max(weight for _, (_, weight) in pairs) / 1000
    ratio = statistics.median(one / other for one, other in zip(ours, shells, strict=True))
    note = f"{statistics.median(ours):.2f} s against {statistics.median(shells):.2f} s"
    return [
        Row("page usable / Gradio's empty page usable", ratio, "×", 2.0, "<=", note),
        Row("page weight, as it is sent", weight, "kB", 600, "<=", f"Gradio's empty page: {shell_weight:.0f} kB"),
    ]


def _open(browser: Any, address: str, sign: str) -> tuple[float, int]:
    """Seconds until the page can be used, and bytes on the wire once it has come to rest."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    session, received = page.context.new_cdp_session(page), []
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(sign)
    page.locator("textarea:visible").first.fill("x")
    elapsed = time.perf_counter() - began
    page.wait_for_timeout(1500)
    page.context.close()
    return elapsed, round(sum(received))


def _bare_app() -> Any:
    import gradio as gr

    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.Textbox(label="Question")
        gr.Button("Send")
    return blocks


@contextmanager
def _served(blocks: Any) -> Iterator[str]:
    """A page of Gradio, served as ours is: mounted in an application of our own."""
    import gradio as gr
    import uvicorn
    from fastapi import FastAPI

    from med42_chat.web import config, listen

    app = gr.mount_gradio_app(FastAPI(), blocks, path="/", footer_links=[], run_history=False, ssr_mode=False)
    with listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(config(app))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(10)
