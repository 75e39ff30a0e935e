"""How things stand, in words and small pictures: the model's state, how full its context is, what a running answer does. Pure."""

from collections.abc import Sequence
from html import escape

from med42_chat.adding import Queue
from med42_chat.jobs import JobState
from med42_chat.records import ContextUse, Evidence, ModelInfo, Timings
from med42_chat.runtime.protocol import RuntimeStatus
from med42_chat.ui.library_view import progress as added
from med42_chat.weights.models import Work
from med42_chat.words import Words

_SHARES = (
    ("system", "meter.system"),
    ("pinned", "meter.pinned"),
    ("sources", "meter.sources"),
    ("history", "meter.history"),
    ("question", "meter.question"),
    ("reserve", "meter.reserve"),
)

_STATES = {
    "ready": "state.ready",
    "busy": "state.busy",
    "failed": "state.failed",
    "closed": "state.closed",
    "changing": "state.changing",
}


def progress(words: Words, state: JobState, speed: float = 0.0) -> str:
    """What a running answer is doing, in words, under what has come of it; `speed` in tokens per second once there is one."""
    if state.phase == "waiting":
        said, share = _waiting(words, state)
    elif state.phase == "reading" and state.reading:
        said = words("progress.reading", done=state.reading.done, total=state.reading.total)
        share = state.reading.done / max(state.reading.total, 1)
    else:
        said, share = words("progress.writing"), None
        said += f" · {words('progress.speed', speed=_rounded(speed))}" if speed else ""
    bar = f'<progress max="1" value="{share:.3f}" aria-label="{escape(said)}"></progress>' if share is not None else ""
    return f'<p class="progress" data-phase="{state.phase}"><span>{escape(said)}</span>{bar}</p>'


def _waiting(words: Words, state: JobState) -> tuple[str, float | None]:
    waiting = state.waiting
    if waiting is None:
        return words("progress.starting"), None
    if waiting.reason == "queue":
        return words("progress.line", n=waiting.position) if waiting.position else words("progress.next"), None
    return words(f"progress.{waiting.reason}"), waiting.progress


def state(words: Words, status: RuntimeStatus) -> str:
    """The model's state in a few words, with a dot that only repeats them."""
    return f'<span class="dot" data-state="{status.state}"></span><span>{_state_words(words, status)}</span>'


def _state_words(words: Words, status: RuntimeStatus) -> str:
    if status.state in ("loading", "restarting"):
        percent = f", {status.progress:.0%}" if status.progress else ""
        return words("state.loading" if status.state == "loading" else "state.restarting") + percent
    if status.state == "busy" and status.waiting:
        return words("state.waiting", n=status.waiting)
    return words(_STATES[status.state])


def trouble(status: RuntimeStatus) -> str:
    """Why there is no model and what to do, across the page; empty while all is well."""
    if status.state != "failed":
        return ""
    return f"<p><strong>{escape(status.error)}</strong> {escape(status.hint)}</p>"


def model(words: Words, info: ModelInfo | None) -> str:
    """The model's name as the file gives it, nothing while there is none; the demonstration model is named by its mark."""
    if info is None:
        return ""
    name = f'<span class="chip" title="{escape(info.quantization)}, {escape(info.device)}">{escape(info.name)}</span>'
    return f'<span class="chip demonstration">{words("answer.demonstration")}</span>' if info.demonstration else name


def fetching(words: Words, works: Sequence[Work]) -> str:
    """How far the model is that is being fetched or imported, or what came of the last one; nothing where nobody waits for any."""
    brought = [work for work in works if work.kind in ("download", "import")]
    running = next((work for work in brought if work.state == "running"), None)
    if running:
        return words("models.fetching", percent=f"{running.done / max(running.total, 1):.0%}")
    ended = brought[-1].state if brought else ""
    return words(f"models.fetching_{ended}") if ended in ("done", "failed") else ""


def adding(words: Words, queue: Queue) -> str:
    """How far files are on their way into the library, or that one of them needs a look; nothing where all is in it."""
    ended, whole = added(queue)
    if ended < whole:
        return words("library.adding_paused" if queue.paused else "library.adding", done=ended + 1, all=whole)
    return words("library.adding_look") if any(item.state == "failed" or item.older for item in queue.items) else ""


def meter(words: Words, use: ContextUse | None) -> str:
    """How full the context is; its split on hover and on focus."""
    if use is None or not use.size:
        return ""
    shares = [(name, words(label), getattr(use, name)) for name, label in _SHARES]
    bar = "".join(f'<i data-share="{name}" style="width:{100 * tokens / use.size:.2f}%"></i>' for name, _, tokens in shares if tokens)
    free = max(use.size - use.used - use.reserve, 0)
    rows = "".join(
        f'<li><i data-share="{name}"></i>{label}<b>{tokens:,}</b></li>'
        for name, label, tokens in [*shares, ("free", words("meter.free"), free)]
        if tokens
    )
    over = ' data-over="yes"' if use.used + use.reserve > use.size else ""
    return (
        f'<button type="button" class="meter" aria-describedby="split"{over}><span class="meter-word">{words("meter.context")}</span>'
        f'<span class="bar">{bar}</span>'
        f"<span>{use.used / use.size:.0%}</span></button>"
        f'<div class="split" id="split" role="tooltip"><p>{words("meter.used", used=use.used, size=use.size)}</p><ul>{rows}</ul></div>'
    )


def figures(words: Words, evidence: Evidence) -> str:
    """How fast an answer came; empty where none did."""
    if not evidence.usage.completion_tokens:
        return ""
    return words("answer.figures", speed=_rounded(evidence.timings.tokens_per_s), first=f"{evidence.timings.first_token_s:.1f}")


def speed(words: Words, evidence: Evidence | None) -> str:
    """Tokens per second of the last answer."""
    return per_second(words, evidence.timings) if evidence and evidence.timings.tokens_per_s else ""


def per_second(words: Words, timings: Timings) -> str:
    """The speed, as exact as anybody needs it."""
    return words("progress.speed", speed=_rounded(timings.tokens_per_s))


def _rounded(speed: float) -> str:
    return f"{speed:.{0 if speed >= 20 else 1}f}"
