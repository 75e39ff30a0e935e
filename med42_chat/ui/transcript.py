"""The conversation itself: its messages, or a greeting with example questions while there are none."""

import time
import tomllib
from collections.abc import Sequence
from html import escape
from pathlib import Path

import gradio as gr

from med42_chat.jobs import JobState
from med42_chat.records import Conversation, Message
from med42_chat.ui import view
from med42_chat.ui.desk import Desk, Updates, text
from med42_chat.ui.evidence import EvidencePanel

Value = dict[str, object]

_EXAMPLES = 6
_WHO_ANSWERS = "Med42 answers on this computer. Check every answer against a source you trust before you act on it."
_DEMONSTRATION_ANSWERS = (
    "A small <strong>demonstration model</strong> answers here, so that you can try the program at once. It is not Med42: it knows some "
    "seventy topics by heart. To ask Med42, put its weights into the folder <code>models</code> and start the program again."
)


class Transcript:
    """Its script (assets/js/transcript.js) owns the messages on the screen; a value says what to do with them."""

    component: gr.HTML

    def __init__(self, desk: Desk, evidence: EvidencePanel, examples: Path, demonstration: bool) -> None:
        self._desk, self._evidence = desk, evidence
        self._who_answers = _DEMONSTRATION_ANSWERS if demonstration else _WHO_ANSWERS
        self._questions: list[str] = tomllib.loads(examples.read_text("utf-8"))["questions"][:_EXAMPLES]

    def build(self) -> None:
        """Makes the component. It triggers 'select' (an answer's evidence is wanted)."""
        self.component = gr.HTML(
            html_template='<div class="scroll" tabindex="0" role="log" aria-live="off" aria-label="Conversation"></div>'
            '<button type="button" class="to-end" hidden>Newest</button>',
            js_on_load="med42.transcript(element, props, trigger, watch)",
            apply_default_css=False,
            elem_id="transcript",
        )

    def wire(self) -> None:
        """Binds its events."""
        self._desk.on(self.component.select, self.show_evidence, [], [self._evidence.component])

    def opened(self, conversation: Conversation | None, messages: Sequence[Message]) -> object:
        """All messages of a conversation in the place of what was there; the greeting before the first question."""
        html = view.turns(messages) or self._greeting()
        return _value("open", conversation.id if conversation else "", html=html, count=conversation.message_count if conversation else 0)

    def show_evidence(self, event: gr.EventData) -> Updates:
        """What stands behind one answer."""
        return self._evidence.of(self._desk.store.message(text(event, "id")))

    def _greeting(self) -> str:
        buttons = "".join(f'<button type="button" class="example">{escape(text)}</button>' for text in self._questions)
        return (
            '<section class="greeting"><h2>What would you like to know?</h2>'
            f"<p>{self._who_answers}</p>"
            f'<div class="examples" role="group" aria-label="Example questions">{buttons}</div></section>'
        )


def asked(page: str, conversation: Conversation, state: JobState) -> Value:
    """A question that was just asked and the answer that begins. `page` is the conversation the page was on, perhaps none."""
    html = view.question(state.question) + view.answer(state.answer)
    return _value("asked", conversation.id, page=page, html=html, count=conversation.message_count)


def _value(kind: str, conversation_id: str, **rest: object) -> Value:
    # The time makes two equal values differ: the page is told again even if nothing changed for the server.
    return {"kind": kind, "conversation": conversation_id, "at": time.time_ns(), **rest}
