"""Records and states as the words and HTML that the page shows. Pure; every text that comes from outside is escaped here.

An answer is a list of blocks (paragraph, list, table …), so that a growing answer replaces only its last ones. Parts of an
answer that change while it is written carry `data-part`, parts of the header `data-live`: the stream fills them by name.
"""

from collections.abc import Iterable, Sequence
from html import escape

from med42_chat.jobs import JobState
from med42_chat.records import ContextUse, Evidence, LeftOut, Message, ModelInfo, Timings
from med42_chat.runtime.protocol import RuntimeStatus
from med42_chat.ui.render import blocks_html

DEMONSTRATION = "Demonstration model, not Med42"

_LONG_QUESTION = 3000  # characters; a longer question is folded, so that a pasted letter does not bury its answer
_PREVIEW = 600

_WHY_UNSEEN = {"room": "", "unanswered": ", never answered"}
_ENDINGS = {
    "length": "This answer reached its length limit and is not complete.",
    "stopped": "Stopped by you. What came is kept.",
    "interrupted": "Interrupted: the program or the model ended while it was written. What came is kept.",
    "failed": "This answer could not be completed.",
}

_SHARES = (
    ("system", "Instructions"),
    ("pinned", "Always in the prompt"),
    ("sources", "Sources"),
    ("history", "Earlier messages"),
    ("question", "Question"),
    ("reserve", "Kept for the answer"),
)


def turns(messages: Iterable[Message]) -> str:
    """A whole conversation."""
    return "".join(question(one) if one.role == "user" else answer(one) for one in messages)


def question(message: Message) -> str:
    """What the person asked, exactly as typed."""
    begin = f'<article class="turn question" data-message="{escape(message.id)}"><h2 class="unseen">You asked</h2>'
    return f"{begin}{_typed(message.text)}</article>"


def _typed(text: str) -> str:
    words = f'<div class="typed" dir="auto">{escape(text)}</div>'
    if len(text) <= _LONG_QUESTION:
        return words
    begin = f'<div class="typed" dir="auto">{escape(text[:_PREVIEW])} …</div>'
    return f'{begin}<details class="long"><summary>Show all {len(text):,} characters</summary>{words}</details>'


def answer(message: Message, problem: str = "") -> str:
    """One answer: its marks, its blocks, why it ended where it ended, and what can be done with it.

    `problem` is what went wrong, for an answer whose evidence does not say it.
    """
    numbers = [citation.source.number for citation in message.citations]
    evidence = message.evidence
    return (
        f'<article class="turn answer" data-message="{escape(message.id)}" data-status="{message.status}">'
        f'<h2 class="unseen">{_who(evidence)} answered</h2>'
        f'<div data-part="mark">{mark(is_demonstration(evidence))}</div>'
        f'<div data-part="leftout">{left_out(evidence.left_out if evidence else ())}</div>'
        f'<div class="blocks">{"".join(blocks(message.text, numbers))}</div>'
        f'<div data-part="live">{ending(message, problem)}</div>{_tools(message)}</article>'
    )


def _who(evidence: Evidence | None) -> str:
    if is_demonstration(evidence):
        return "The demonstration model"
    return escape(evidence.model) if evidence and evidence.model else "The model"


def blocks(text: str, sources: Sequence[int] = ()) -> list[str]:
    """The answer's top-level blocks, each in an element of its own that can be replaced alone."""
    return [f'<div class="block">{block}</div>' for block in blocks_html(text, sources)]


def is_demonstration(evidence: Evidence | None) -> bool:
    """Whether the embedded model wrote this."""
    return evidence is not None and evidence.demonstration


def mark(demonstration: bool) -> str:
    """The mark that no answer of the embedded model may lack."""
    return f'<p class="mark">{DEMONSTRATION}</p>' if demonstration else ""


def left_out(items: Sequence[LeftOut]) -> str:
    """What the model did not see, unfolding to the first words of each."""
    if not items:
        return ""
    lines = "".join(f"<li>{escape(item.preview)} <small>{item.tokens:,} tokens{_WHY_UNSEEN[item.reason]}</small></li>" for item in items)
    why = ": no room in its context" if all(item.reason == "room" for item in items) else ""
    summary = f"The model did not see {_counted(items)}{why}."
    return f'<details class="left-out"><summary>{summary}</summary><ul>{lines}</ul></details>'


def _counted(items: Sequence[LeftOut]) -> str:
    messages = sum(item.kind == "message" for item in items)
    found = [(messages, "earlier message"), (len(items) - messages, "source")]
    return " and ".join(f"{count} {word}{'s' if count != 1 else ''}" for count, word in found if count)


def ending(message: Message, problem: str = "") -> str:
    """Why an answer is not complete, and what went wrong; empty for a complete one."""
    sentence = _ENDINGS.get(message.status, "")
    if not sentence:
        return ""
    kept = message.evidence.notes if message.evidence and message.status in ("failed", "interrupted") else ()
    notes = kept or ((problem,) if problem else ())
    detail = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f'<div class="ending" data-kind="{message.status}"><p>{sentence}</p>{detail}</div>'


def _tools(message: Message) -> str:
    if message.status == "streaming":
        return ""
    copy = '<button type="button" data-do="copy">Copy</button>' if message.text else ""
    figures = f'<span class="figures">{_figures(message.evidence)}</span>' if message.evidence else ""
    return f'<footer class="tools">{copy}<button type="button" data-do="evidence">Evidence</button>{figures}</footer>'


def _figures(evidence: Evidence) -> str:
    if not evidence.usage.completion_tokens:
        return ""
    timings, tokens = evidence.timings, evidence.usage.completion_tokens
    return f"{per_second(timings)} · first word after {timings.first_token_s:.1f} s · {tokens:,} tokens"


def progress(state: JobState) -> str:
    """What a running answer is doing, in words, under what has come of it."""
    if state.phase == "waiting":
        words, share = _waiting(state)
    elif state.phase == "reading" and state.reading:
        words = f"Reading {state.reading.done:,} of {state.reading.total:,} tokens"
        share = state.reading.done / max(state.reading.total, 1)
    else:
        words, share = "Writing", None
    bar = f'<progress max="1" value="{share:.3f}" aria-label="{escape(words)}"></progress>' if share is not None else ""
    return f'<p class="progress" data-phase="{state.phase}"><span>{escape(words)}</span>{bar}</p>'


def _waiting(state: JobState) -> tuple[str, float | None]:
    waiting = state.waiting
    if waiting is None:
        return "Starting", None
    if waiting.reason == "queue":
        return f"Waiting in line: {waiting.position} before this one" if waiting.position else "Waiting in line: next", None
    words = "Waiting: the model is loading" if waiting.reason == "loading" else "Waiting: the model ended and is coming back"
    return words, waiting.progress


def state(status: RuntimeStatus) -> str:
    """The model's state in a few words, with a dot that only repeats them."""
    percent = f", {status.progress:.0%}" if status.progress else ""
    words = {
        "loading": f"Loading{percent}",
        "ready": "Ready",
        "busy": f"Answering, {status.waiting} waiting" if status.waiting else "Answering",
        "restarting": f"Coming back{percent}",
        "failed": "No model",
        "closed": "Closed",
    }[status.state]
    return f'<span class="dot" data-state="{status.state}"></span><span>{words}</span>'


def trouble(status: RuntimeStatus) -> str:
    """Why there is no model and what to do, across the page; empty while all is well."""
    if status.state != "failed":
        return ""
    return f"<p><strong>{escape(status.error)}</strong> {escape(status.hint)}</p>"


def model(info: ModelInfo | None) -> str:
    """The model's name as the file gives it, nothing while there is none; the demonstration model is named by its mark."""
    if info is None:
        return ""
    name = f'<span class="chip" title="{escape(info.quantization)}, {escape(info.device)}">{escape(info.name)}</span>'
    return f'<span class="chip demonstration">{DEMONSTRATION}</span>' if info.demonstration else name


def meter(use: ContextUse | None) -> str:
    """How full the context is; its split on hover and on focus."""
    if use is None or not use.size:
        return ""
    shares = [(name, words, getattr(use, name)) for name, words in _SHARES]
    bar = "".join(f'<i data-share="{name}" style="width:{100 * tokens / use.size:.2f}%"></i>' for name, _, tokens in shares if tokens)
    rows = "".join(
        f'<li><i data-share="{name}"></i>{words}<b>{tokens:,}</b></li>'
        for name, words, tokens in [*shares, ("free", "Free", _free(use))]
        if tokens
    )
    return (
        '<button type="button" class="meter" aria-describedby="split"><span class="meter-word">Context</span>'
        f'<span class="bar">{bar}</span>'
        f"<span>{use.used / use.size:.0%}</span></button>"
        f'<div class="split" id="split" role="tooltip"><p>{use.used:,} of {use.size:,} tokens</p><ul>{rows}</ul></div>'
    )


def _free(use: ContextUse) -> int:
    return max(use.size - use.used - use.reserve, 0)


def speed(evidence: Evidence | None) -> str:
    """Tokens per second of the last answer."""
    return per_second(evidence.timings) if evidence and evidence.timings.tokens_per_s else ""


def per_second(timings: Timings) -> str:
    """The speed, as exact as anybody needs it."""
    return f"{timings.tokens_per_s:.{0 if timings.tokens_per_s >= 20 else 1}f} tokens/s"
