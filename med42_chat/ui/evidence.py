"""What stands behind one answer: its sources, and the record of how it came about, readable."""

import time
from collections.abc import Iterable, Sequence
from html import escape

import gradio as gr

from med42_chat.records import Citation, Conversation, Evidence, Message
from med42_chat.ui.desk import Updates
from med42_chat.ui.gauges import per_second
from med42_chat.ui.view import left_out
from med42_chat.ui.words import Words

_VERDICTS = {"unchecked": "evidence.unchecked", "found": "evidence.found", "not_found": "evidence.not_found"}


class EvidencePanel:
    """The right column. Its value says of which conversation it is, so that what comes too late for another is not shown."""

    component: gr.HTML

    def __init__(self, words: Words) -> None:
        self._words = words

    def build(self) -> None:
        """Makes the title, with a button that closes the column where it is a drawer, and the component."""
        gr.HTML(_title(self._words), js_on_load="med42.buttons(element)", apply_default_css=False)
        self.component = gr.HTML(
            html_template=f'<div class="content">{panel(self._words, None)}</div>',
            js_on_load="med42.evidence(element, props, watch)",
            apply_default_css=False,
            elem_id="evidence",
        )

    def opened(self, conversation: Conversation | None, messages: Sequence[Message]) -> object:
        """What it shows of a conversation: its last answer's."""
        return self._value(conversation.id, _last_answer(messages)) if conversation else self._value("", None)

    def of(self, answer: Message) -> Updates:
        """What stands behind one answer."""
        return {self.component: self._value(answer.conversation_id, answer)}

    def _value(self, conversation_id: str, answer: Message | None) -> dict[str, object]:
        return {"conversation": conversation_id, "html": panel(self._words, answer), "at": time.time_ns()}


def _title(words: Words) -> str:
    close = escape(words("evidence.close"))
    return (
        f'<div class="panel-title"><h2>{words("evidence.title")}</h2>'
        f'<button type="button" class="tool away" data-do="right" aria-label="{close}"><i class="icon close"></i></button></div>'
    )


def panel(words: Words, answer: Message | None) -> str:
    """The panel for one answer, or what it is for while there is none."""
    if answer is None:
        return f'<p class="quiet">{words("evidence.nothing")}</p>'
    sources = _sources(words, answer.citations) if answer.text else ""
    return sources + (record(words, answer) if answer.evidence or answer.feedback else "")


def _sources(words: Words, citations: Sequence[Citation]) -> str:
    if not citations:
        return f'<p class="quiet">{words("evidence.no_sources")}</p>'
    return "".join(_card(words, citation) for citation in citations)


def _card(words: Words, citation: Citation) -> str:
    source = citation.source
    page = f'<p class="where">{words("evidence.page", n=source.page)}</p>' if source.page is not None else ""
    return (
        f'<article class="card" id="source-{source.number}" tabindex="-1"><h3 dir="auto"><span class="number">{source.number}</span>'
        f'{escape(source.title)}</h3>{page}<blockquote dir="auto">{escape(source.text)}</blockquote>'
        f'<p class="verdict" data-verdict="{citation.verdict}">{words(_VERDICTS[citation.verdict])}</p></article>'
    )


def record(words: Words, answer: Message) -> str:
    """The evidence record as a table of plain words."""
    evidence = answer.evidence
    lines = [*(_lines(words, evidence) if evidence else ()), (words("evidence.judgement"), _judgement(words, answer))]
    rows = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in lines if value)
    notes = "".join(f"<p>{escape(note)}</p>" for note in evidence.notes) if evidence else ""
    unseen = left_out(words, evidence.left_out) if evidence else ""
    return f'<section class="record"><h3>{words("evidence.how")}</h3><dl>{rows}</dl>{notes}{unseen}</section>'


def _lines(words: Words, evidence: Evidence) -> Iterable[tuple[str, str]]:
    sampling, usage, timings = evidence.sampling, evidence.usage, evidence.timings
    hash, first = evidence.model_sha256, f"{timings.first_token_s:.1f}"
    chosen = {"temperature": f"{sampling.temperature:g}", "top_k": sampling.top_k, "top_p": f"{sampling.top_p:g}"}
    prompt = words("evidence.prompt_tokens", n=usage.prompt_tokens, cached=usage.cached_tokens) if usage.prompt_tokens else ""
    speed = words("evidence.speed_values", speed=per_second(words, timings), first=first) if timings.tokens_per_s else ""
    yield words("evidence.model"), words("evidence.demonstration", model=evidence.model) if evidence.demonstration else evidence.model
    yield words("evidence.file"), words("evidence.file_hash", start=hash[:16]) if hash else ""
    yield words("evidence.quantisation"), evidence.quantization
    yield words("evidence.device"), evidence.device
    yield words("evidence.sampling"), words("evidence.sampling_values", **chosen)
    yield words("evidence.seed"), str(evidence.seed) if hash else ""
    yield words("evidence.prompt"), prompt
    yield words("evidence.answer"), words("meter.tokens", n=usage.completion_tokens) if usage.completion_tokens else ""
    yield words("evidence.speed"), speed
    yield words("evidence.history"), words("evidence.seen", n=len(evidence.seen)) if evidence.seen else ""
    yield words("evidence.facts"), evidence.pinned_facts
    yield words("evidence.program"), evidence.program + (f", llama-cpp-python {evidence.build}" if evidence.build else "")


def _judgement(words: Words, answer: Message) -> str:
    given = answer.feedback
    if given is None:
        return ""
    verdict = words("answer.good" if given.verdict == "good" else "answer.bad")
    return f"{verdict}: {given.reason}" if given.reason else verdict


def _last_answer(messages: Sequence[Message]) -> Message | None:
    return next((one for one in reversed(messages) if one.role == "assistant" and one.status != "streaming"), None)
