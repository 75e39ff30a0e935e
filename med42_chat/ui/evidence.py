"""What stands behind one answer: its sources, and the record of how it came about, readable."""

import time
from collections.abc import Iterable, Sequence
from html import escape

import gradio as gr

from med42_chat.records import Citation, Conversation, Evidence, Message
from med42_chat.ui.desk import Updates
from med42_chat.ui.view import DEMONSTRATION, left_out, per_second

_VERDICTS = {
    "unchecked": "Given to the model. What the answer makes of it was not checked.",
    "found": "Quotation found in this source",
    "not_found": "Quotation not found in this source",
}

_NOTHING = '<p class="quiet">Sources and the record of an answer appear here.</p>'


_TITLE = (
    '<div class="panel-title"><h2>Sources and evidence</h2>'
    '<button type="button" class="tool away" data-do="right" aria-label="Close"><i class="icon close"></i></button></div>'
)


class EvidencePanel:
    """The right column. Its value says of which conversation it is, so that what comes too late for another is not shown."""

    component: gr.HTML

    def build(self) -> None:
        """Makes the title, with a button that closes the column where it is a drawer, and the component."""
        gr.HTML(_TITLE, js_on_load="med42.buttons(element)", apply_default_css=False)
        self.component = gr.HTML(
            html_template=f'<div class="content">{_NOTHING}</div>',
            js_on_load="med42.evidence(element, props, watch)",
            apply_default_css=False,
            elem_id="evidence",
        )

    def opened(self, conversation: Conversation | None, messages: Sequence[Message]) -> object:
        """What it shows of a conversation: its last answer's."""
        return value(conversation.id, _last_answer(messages)) if conversation else value("", None)

    def of(self, answer: Message) -> Updates:
        """What stands behind one answer."""
        return {self.component: value(answer.conversation_id, answer)}


def value(conversation_id: str, answer: Message | None) -> dict[str, object]:
    """What the panel shows of a conversation."""
    return {"conversation": conversation_id, "html": panel(answer), "at": time.time_ns()}


def panel(answer: Message | None) -> str:
    """The panel for one answer, or what it is for while there is none."""
    if answer is None:
        return _NOTHING
    return (_sources(answer.citations) if answer.text else "") + (record(answer.evidence) if answer.evidence else "")


def _sources(citations: Sequence[Citation]) -> str:
    if not citations:
        return '<p class="quiet">This answer cites no sources: it comes from the model alone.</p>'
    return "".join(_card(citation) for citation in citations)


def _card(citation: Citation) -> str:
    source = citation.source
    page = f'<p class="where">Page {source.page}</p>' if source.page is not None else ""
    return (
        f'<article class="card" id="source-{source.number}" tabindex="-1"><h3><span class="number">{source.number}</span>'
        f'{escape(source.title)}</h3>{page}<blockquote dir="auto">{escape(source.text)}</blockquote>'
        f'<p class="verdict" data-verdict="{citation.verdict}">{_VERDICTS[citation.verdict]}</p></article>'
    )


def record(evidence: Evidence) -> str:
    """The evidence record as a table of plain words."""
    rows = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in _lines(evidence) if value)
    notes = "".join(f"<p>{escape(note)}</p>" for note in evidence.notes)
    return f'<section class="record"><h3>How this answer came about</h3><dl>{rows}</dl>{notes}{left_out(evidence.left_out)}</section>'


def _lines(evidence: Evidence) -> Iterable[tuple[str, str]]:
    sampling, usage, timings = evidence.sampling, evidence.usage, evidence.timings
    yield "Model", f"{evidence.model} ({DEMONSTRATION})" if evidence.demonstration else evidence.model
    yield "Model file", f"SHA-256 {evidence.model_sha256[:16]}…" if evidence.model_sha256 else ""
    yield "Quantisation", evidence.quantization
    yield "Runs on", evidence.device
    yield "Sampling", f"temperature {sampling.temperature:g}, top-k {sampling.top_k}, top-p {sampling.top_p:g}"
    yield "Seed", str(evidence.seed) if evidence.model_sha256 else ""
    yield "Prompt", f"{usage.prompt_tokens:,} tokens, {usage.cached_tokens:,} of them known from before" if usage.prompt_tokens else ""
    yield "Answer", f"{usage.completion_tokens:,} tokens" if usage.completion_tokens else ""
    yield "Speed", f"{per_second(timings)}, first word after {timings.first_token_s:.1f} s" if timings.tokens_per_s else ""
    yield "Earlier messages", f"{len(evidence.seen)} seen by the model" if evidence.seen else ""
    yield "Always in the prompt", evidence.pinned_facts
    yield "Program", evidence.program + (f", llama-cpp-python {evidence.build}" if evidence.build else "")


def _last_answer(messages: Sequence[Message]) -> Message | None:
    return next((one for one in reversed(messages) if one.role == "assistant" and one.status != "streaming"), None)
