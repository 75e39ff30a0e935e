"""The conversation itself: its messages and what can be done with them, or a greeting with example questions while there are none."""

import time
from collections.abc import Sequence

import gradio as gr

from med42_chat.errors import InputError
from med42_chat.jobs import JobState
from med42_chat.records import Conversation, Feedback, LeftOut, Message
from med42_chat.ui import view
from med42_chat.ui.clip import copied
from med42_chat.ui.desk import Desk, Updates, text
from med42_chat.ui.evidence import EvidencePanel
from med42_chat.ui.findings import offers
from med42_chat.ui.greeting import Greeting

Value = dict[str, object]


class Transcript:
    """Its script (assets/js/transcript.js) owns the messages on the screen; a value says what to do with them.

    kinds: 'open' all messages anew · 'branch' those after one message · 'asked' a question that was just asked · 'unfit' what the
    model would not see of it · 'copied' a text for the clipboard · 'feedback' a judgement that is kept.
    """

    component: gr.HTML

    def __init__(self, desk: Desk, evidence: EvidencePanel, greeting: Greeting) -> None:
        self._desk, self._words, self._evidence, self._greeting = desk, desk.words, evidence, greeting
        self._acts = {
            "again": self.again,
            "continue": self.go_on,
            "memory": self.from_memory,
            "choose": self.choose,
            "copy": self.copy,
            "judge": self.judge,
        }

    def build(self) -> None:
        """Makes the component. It triggers 'select' (an answer's evidence is wanted) and 'submit' (something is to be done with one)."""
        self.component = gr.HTML(
            html_template=f'<div class="scroll" tabindex="0" role="log" aria-live="off" aria-label="{self._words("answer.log")}"></div>'
            f'<button type="button" class="to-end" hidden>{self._words("answer.newest")}</button>',
            js_on_load="med42.transcript(element, props, trigger, watch)",
            apply_default_css=False,
            elem_id="transcript",
        )

    def wire(self) -> None:
        """Binds its events."""
        self._desk.on(self.component.select, self.show_evidence, [], [self._evidence.component])
        self._desk.on(self.component.submit, self.act, [], [self.component, self._evidence.component])

    def opened(self, conversation: Conversation | None, messages: Sequence[Message]) -> object:
        """All messages of a conversation in the place of what was there; the greeting before the first question."""
        html = view.turns(self._words, messages, offers(conversation)) or self._greeting.html()
        return _value("open", conversation.id if conversation else "", html=html)

    def asked(self, page: str, conversation: Conversation, state: JobState) -> Value:
        """A question that was just asked and the answer that begins. `page` is the conversation the page was on, perhaps none."""
        return _value("asked", conversation.id, page=page, **view.begun(self._words, state))

    def unfit(self, conversation_id: str, items: Sequence[LeftOut]) -> Value:
        """A question that was not sent yet, because the model would not see `items`."""
        ids = [item.id for item in items if item.kind == "message"]
        return _value("unfit", conversation_id, left_out=ids, html=view.unfit(self._words, items))

    def show_evidence(self, event: gr.EventData) -> Updates:
        """What stands behind one answer."""
        return self._evidence.of(self._desk.store.message(text(event, "id")))

    def act(self, event: gr.EventData) -> Updates:
        """Does with the message `id` what `do` says."""
        return self._acts[text(event, "do")](event, self._desk.store.message(text(event, "id")))

    def again(self, event: gr.EventData, answer: Message) -> Updates:
        """Begins a further answer to the same question; the old one and what follows it are kept as another version."""
        return self._further(answer)

    def from_memory(self, event: gr.EventData, answer: Message) -> Updates:
        """Begins a further answer that has no source, where the library had nothing and the person wants it all the same."""
        return self._further(answer, memory=True)

    def go_on(self, event: gr.EventData, answer: Message) -> Updates:
        """Begins a further answer that goes on where this one ended."""
        return self._further(answer, answer.text)

    def choose(self, event: gr.EventData, message: Message) -> Updates:
        """Shows another version of a message, with what follows it."""
        id, store = message.conversation_id, self._desk.store
        if self._desk.services.jobs.running(id):
            raise InputError(self._words("answer.wait"), self._words("answer.wait_hint"))
        store.choose(id, message.id)
        messages = store.branch(id)
        rest = messages[[one.id for one in messages].index(message.id) :]
        conversation = store.get(id)
        html = view.turns(self._words, rest, offers(conversation))
        value = _value("branch", id, after=message.parent_id or "", html=html)
        return {self.component: value, self._evidence.component: self._evidence.opened(conversation, messages)}

    def copy(self, event: gr.EventData, message: Message) -> Updates:
        """The text that goes into the clipboard, and the same as HTML."""
        plain, html = copied(self._words, message, text(event, "how"))
        return {self.component: _value("copied", message.conversation_id, message=message.id, text=plain, html=html)}

    def judge(self, event: gr.EventData, answer: Message) -> Updates:
        """Keeps what the reader thinks of an answer; an empty verdict takes it back."""
        verdict, reason = text(event, "verdict"), " ".join(text(event, "reason").split())
        given = Feedback("good" if verdict == "good" else "bad", reason, time.time_ns() // 1_000_000) if verdict else None
        self._desk.store.set_feedback(answer.id, given)
        value = _value("feedback", answer.conversation_id, message=answer.id, verdict=verdict, reason=reason)
        return {self.component: value, **self._evidence.of(self._desk.store.message(answer.id))}

    def _further(self, answer: Message, keep: str = "", memory: bool = False) -> Updates:
        state = self._desk.services.jobs.again(answer.conversation_id, answer.parent_id or "", keep, memory=memory).state()
        return {self.component: _value("branch", answer.conversation_id, **view.begun(self._words, state))}


def _value(kind: str, conversation_id: str, **rest: object) -> Value:
    # The time makes two equal values differ: the page is told again even if nothing changed for the server.
    return {"kind": kind, "conversation": conversation_id, "at": time.time_ns(), **rest}
