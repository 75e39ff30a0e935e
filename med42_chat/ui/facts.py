"""The facts of a conversation that are in every prompt: allergies, problems, medicines. One per line."""

import time
from collections.abc import Sequence
from html import escape

import gradio as gr

from med42_chat.records import Conversation, Message
from med42_chat.ui.conversations import ConversationList
from med42_chat.ui.desk import Desk, Updates, notice, text


class Facts:
    """Chips, and an editor in their place (assets/js/panels.js)."""

    component: gr.HTML

    def __init__(self, desk: Desk, list: ConversationList) -> None:
        self._desk, self._list = desk, list

    def build(self) -> None:
        """Makes the component. It triggers 'edit' with the conversation, the new text and the text before it."""
        self.component = gr.HTML(
            html_template=f'<div class="facts" role="group" aria-label="{escape(self._desk.words("facts.name"))}"></div>',
            js_on_load="med42.facts(element, props, trigger, watch)",
            apply_default_css=False,
            elem_id="facts",
        )

    def wire(self) -> None:
        """Binds its events."""
        self._desk.on(self.component.edit, self.keep, [], [*self._desk.view, self._list.component])

    def opened(self, conversation: Conversation | None, messages: Sequence[Message]) -> object:
        """What it shows of a conversation."""
        return value(conversation.id, conversation.pinned_facts) if conversation else value("", "")

    def keep(self, event: gr.EventData) -> Updates:
        """Changes what is always in the prompt of a conversation; makes the conversation if there is none yet."""
        store, here, words = self._desk.store, text(event, "id"), text(event, "text")
        if here and (now := store.get(here).pinned_facts) != text(event, "before"):
            told = notice(self._desk.words("facts.changed"), self._desk.words("facts.changed_hint", now=now))
            return {self.component: value(here, now, elsewhere=True), self._desk.notice: told}
        if here:
            store.set_pinned_facts(here, words)
            return {self.component: value(here, words)}
        id = store.create(pinned_facts=words).id
        return {**self._desk.opened(id), **self._list.rows()}


def value(conversation_id: str, text: str, elsewhere: bool = False) -> dict[str, object]:
    """What the panel shows. With `elsewhere` the text was changed by another window, and the editor keeps what was typed here."""
    return {"conversation": conversation_id, "text": text, "elsewhere": elsewhere, "at": time.time_ns()}
