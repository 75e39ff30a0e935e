"""What stands behind one answer: its sources, and the record of how it came about, readable."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from html import escape

import gradio as gr

from med42_chat.checks.told import cited, telling
from med42_chat.export.evidence import imported_words
from med42_chat.export.excerpt import excerpt
from med42_chat.records import Citation, Conversation, Evidence, Finding, Message, Source, Usage
from med42_chat.ui.desk import Updates
from med42_chat.ui.findings import found_list
from med42_chat.ui.gauges import per_second
from med42_chat.ui.view import left_out
from med42_chat.ui.viewer import around_quote, marked, passage
from med42_chat.words import Words

# What is said of an answer without sources, by what it rests on.
_WITHOUT = {
    "": "evidence.no_sources",
    "sources": "evidence.no_sources",
    "memory": "findings.memory",
    "nothing": "evidence.not_asked",
}
_CONTEXT = 110  # characters around the quoted words that a closed card shows
_READ = 500  # characters of an answer that are read for an excerpt of it
_BEGINNING = 220  # characters of a passage of which no words are quoted


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
    sources = _sources(words, answer) if answer.text else ""
    told = _origin(words, answer) + sources + (record(words, answer) if answer.evidence or answer.feedback else "")
    return f'<div data-answer="{escape(answer.id)}">{told}</div>'


def _origin(words: Words, answer: Message) -> str:
    return f'<p class="quiet">{escape(imported_words(words, [answer]))}</p>' if answer.imported_at else ""


def _sources(words: Words, answer: Message) -> str:
    """A card for each source, those that the answer names first; then what stands in no source."""
    if not answer.citations:
        return f'<p class="quiet">{words(_WITHOUT[answer.evidence.basis if answer.evidence else ""])}</p>'
    named = cited(answer)
    cards = "".join(card(words, answer, one) for one in named)
    given = _given(words, [card(words, answer, one) for one in answer.citations if one not in named], bool(named))
    return f'{_loose(words, answer)}{cards}{given}<p class="quiet">{words("findings.meaning")}</p>'


def _given(words: Words, cards: Sequence[str], folded: bool) -> str:
    """What the model was given and the answer does not name."""
    name = words("evidence.given", n=len(cards))
    if not folded:
        return "".join(cards)
    return f'<details class="given"><summary>{name}</summary>{"".join(cards)}</details>' if cards else ""


def _loose(words: Words, answer: Message) -> str:
    """What was looked for and belongs to no source, with the words of the answer that it is about."""
    lines = [replace(one, words=f"“{_cut(_seen(answer, one), _CONTEXT)}”: {one.words}") for one in telling(answer)]
    loose = [one for one in lines if one.source is None]
    return f'<section class="loose"><h3>{words("evidence.loose")}</h3>{found_list(words, loose)}</section>' if loose else ""


def _seen(answer: Message, finding: Finding) -> str:
    return excerpt(answer.text[finding.start : finding.end][:_READ])


def card(words: Words, answer: Message, citation: Citation) -> str:
    """One source: its title and place, the quoted words in their passage, what was found in it and what not, and room for its page."""
    source = citation.source
    number, findings = source.number, [one for one in telling(answer) if one.source == source.number]
    told = found_list(words, findings) if findings else f'<p class="verdict">{words("evidence.unchecked")}</p>'
    before, quoted, after = around_quote(citation)
    return (
        f'<article class="card" id="source-{number}" tabindex="-1" data-message="{escape(answer.id)}" data-number="{number}"'
        f' data-document="{escape(source.document_id)}" data-page="{source.page or ""}">'
        f'<h3 dir="auto"><button type="button" class="head" data-do="open" aria-expanded="false" aria-controls="page-{number}">'
        f'<span class="number">{number}</span><span>{escape(source.title)}</span></button></h3>{_where(words, source)}'
        f'<blockquote class="excerpt" dir="auto">{_excerpt(before, quoted, after)}</blockquote>'
        f'<blockquote class="whole" dir="auto" tabindex="0">{passage(citation)}</blockquote>'
        f'{told}<div class="viewer" id="page-{number}" hidden></div></article>'
    )


def _excerpt(before: str, quoted: str, after: str) -> str:
    if not quoted:
        return escape(_cut(before, _BEGINNING))
    start = before if len(before) <= _CONTEXT else "… " + before[-_CONTEXT:].partition(" ")[2]
    return f"{escape(start)}{marked(quoted)}{escape(_cut(after, _CONTEXT))}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most].rpartition(" ")[0] + " …"


def _where(words: Words, source: Source) -> str:
    """Who published it and when, and where in it the passage stands."""
    version = words("evidence.version", version=source.version) if source.version else ""
    page = words("evidence.page", n=source.page) if source.page is not None else ""
    told = " · ".join(filter(None, (source.publisher, source.date, version, page)))
    path = " › ".join(source.heading_path[source.heading_path[:1] == (source.title,) :])
    lines = "".join(f"<span dir='auto'>{escape(line)}</span>" for line in (told, path) if line)
    return f'<p class="where">{lines}</p>' if lines else ""


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
    speed = words("evidence.speed_values", speed=per_second(words, timings), first=first) if timings.tokens_per_s else ""
    yield words("evidence.model"), words("evidence.demonstration", model=evidence.model) if evidence.demonstration else evidence.model
    yield words("evidence.file"), words("evidence.file_hash", start=hash[:16]) if hash else ""
    yield words("evidence.quantisation"), evidence.quantization
    yield words("evidence.device"), evidence.device
    yield words("evidence.sampling"), words("evidence.sampling_values", **chosen)
    yield words("evidence.seed"), str(evidence.seed) if evidence.model else ""
    yield words("evidence.prompt"), _prompt(words, usage) if usage.prompt_tokens else ""
    yield words("evidence.answer"), _answer(words, usage) if usage.completion_tokens else ""
    yield words("evidence.speed"), speed
    yield words("evidence.history"), words("evidence.seen", n=len(evidence.seen)) if evidence.seen else ""
    yield words("evidence.facts"), evidence.pinned_facts
    yield words("evidence.program"), evidence.program + (f", llama-cpp-python {evidence.build}" if evidence.build else "")


def _prompt(words: Words, usage: Usage) -> str:
    """Its size, and how much of it had not to be read: why the first word came so soon."""
    name = "evidence.prompt_restored" if usage.restored_tokens else "evidence.prompt_tokens"
    return words(name, n=usage.prompt_tokens, cached=usage.cached_tokens, restored=usage.restored_tokens)


def _answer(words: Words, usage: Usage) -> str:
    """Its size, and how much of it was copied, which is quicker."""
    name = "evidence.answer_guessed" if usage.guessed_tokens else "meter.tokens"
    return words(name, n=usage.completion_tokens, guessed=usage.guessed_tokens)


def _judgement(words: Words, answer: Message) -> str:
    given = answer.feedback
    if given is None:
        return ""
    verdict = words("answer.good" if given.verdict == "good" else "answer.bad")
    return f"{verdict}: {given.reason}" if given.reason else verdict


def _last_answer(messages: Sequence[Message]) -> Message | None:
    return next((one for one in reversed(messages) if one.role == "assistant" and one.status != "streaming"), None)
