"""The page: which panels stand where, and who talks to whom. Handlers read values, call one core method and render.

Which conversation a page shows is known only by the page (the hash of its address), so every event carries the id with it
and every answer names it: what comes too late for another conversation is dropped by the page's script.
"""

import functools
import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from med42_chat.errors import InputError, Med42Error, NotFound, places
from med42_chat.records import Message
from med42_chat.services import Services
from med42_chat.settings import ASSETS, is_demonstration, model_file
from med42_chat.ui import about, conversations, evidence, facts, header
from med42_chat.ui.composer import Composer
from med42_chat.ui.transcript import Transcript

_log = logging.getLogger(__name__)

Updates = dict[Any, object]

# What the page itself puts into the place of an input, because only the page knows it.
_HERE = "() => [med42.conversation()]"
_HERE_AND_QUESTION = "(here, question) => med42.sending(question)"


class Page:
    """One page for everybody; what belongs to one visitor is in his browser and in the store."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store.conversations
        self._transcript = Transcript(ASSETS / "examples.toml", is_demonstration(model_file(services.settings)))

    def build(self) -> gr.Blocks:
        """The whole page, wired."""
        blocks = gr.Blocks(analytics_enabled=False, title="Med42 Chat", fill_width=True)
        with blocks:
            # In the page but not in sight: it only gives the page's script a place to put the conversation's id.
            self.here = gr.Textbox(visible="hidden", label="Conversation")
            with gr.Row(elem_id="shell"):
                self._lay_out()
            self.safe_use = about.safe_use()
            about.about(_licences(ASSETS / "licences"))
            self._wire(blocks)
        return blocks

    def _lay_out(self) -> None:
        with gr.Column(elem_id="left", min_width=0):
            self.list = conversations.build()
        with gr.Column(elem_id="centre", min_width=0):
            header.build()
            self.facts = facts.build()
            self.transcript = self._transcript.build()
            self.notice = header.notice()
            self.composer = Composer()
            self.composer.build()
        with gr.Column(elem_id="right", min_width=0):
            evidence.build_title()
            self.evidence = evidence.build()

    def _wire(self, blocks: gr.Blocks) -> None:
        view = [self.transcript, self.facts, self.evidence]
        # The same for every run of the program in this data folder: Gradio's script would reload a page whose program has another one,
        # and what was typed would be gone.
        blocks.app_id = int.from_bytes(hashlib.sha256(self._services.token.encode()).digest()[:6], "big")
        self._on(blocks.load, self.start, [self.here], [*view, self.list, self.safe_use], js=_HERE)
        self._on(self.list.select, self.open, [], view)
        self._on(self.list.edit, self.rename, [], [self.list])
        self._on(self.list.delete, self.delete, [], [self.list])
        self._on(self.list.input, self.search, [], [self.list])
        self._on(self.list.expand, self.more, [], [self.list])
        self._on(self.list.tick, self.refresh, [], [self.list])
        question = [self.here, self.composer.box]
        for event in (self.composer.send.click, self.composer.box.submit):
            self._on(event, self.ask, question, [self.transcript, self.facts], js=_HERE_AND_QUESTION, once=True)
        self._on(self.composer.stop.click, self.stop, [self.here], [], js=_HERE)
        self._on(self.transcript.select, self.show_evidence, [], [self.evidence])
        self._on(self.facts.edit, self.set_facts, [], [self.facts, self.transcript, self.list])
        self._on(self.safe_use.apply, self.acknowledge, [], [self.safe_use])

    def _on(
        self,
        event: Any,
        handler: Callable[..., Updates],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        js: str | None = None,
        once: bool = False,
    ) -> None:
        # Not queued: an action must not wait behind another. Private: it is nobody's API.
        event(
            self._told(handler),
            inputs=list(inputs),
            outputs=[*outputs, self.notice],
            js=js,
            queue=False,
            # By default Gradio drops an event while its last one is pending: the second of two quick clicks would open nothing.
            trigger_mode="once" if once else "multiple",
            show_progress="hidden",
            api_visibility="private",
        )

    def _told(self, handler: Callable[..., Updates]) -> Callable[..., Updates]:
        """The handler as the page calls it: what goes wrong is told in the page, and everything typed stays where it is."""

        @functools.wraps(handler)
        def run(*values: Any) -> Updates:
            try:
                return {self.notice: None, **handler(*values)}
            except Med42Error as error:
                return {self.notice: _notice(error.message, error.hint)}
            except Exception as error:  # noqa: BLE001
                # The edge. Where it happened is logged, never the values: they may be a patient's.
                _log.error("in %s: %s", handler.__name__, places(error))
                return {
                    self.notice: _notice("The program made a mistake.", "Nothing typed is lost. Try again; if it stays, start it anew.")
                }

        return run

    def start(self, here: str) -> Updates:
        """A page was opened: its conversation, the list, and the safe-use text if nobody has accepted it yet."""
        return {**self._opened(here), **self._rows(), self.safe_use: {"accepted": self._services.acknowledged()}}

    def open(self, event: gr.EventData) -> Updates:
        """Shows a conversation, or the empty page, which leaves a notice where it is: it may say why the page is empty."""
        id = _text(event, "id")
        return self._opened(id) if id else {**self._opened(""), self.notice: gr.skip()}

    def ask(self, here: str, question: str) -> Updates:
        """Starts an answer, in a new conversation if there is none yet."""
        if not question.strip():
            raise InputError("There is no question yet.", "Type a question, then press Enter.")
        id = here or self._store.create().id
        try:
            state = self._services.jobs.start(id, question).state()
        except Med42Error:
            if not here:
                self._store.delete(id)
            raise
        conversation = self._store.get(id)
        return {
            self.transcript: self._transcript.asked(here, conversation, state),
            self.facts: facts.value(id, conversation.pinned_facts),
        }

    def stop(self, here: str) -> Updates:
        """Stops the answer of this conversation; what came is kept."""
        self._services.jobs.stop(here)
        return {}

    def rename(self, event: gr.EventData) -> Updates:
        """Gives a conversation another title."""
        self._store.rename(_text(event, "id"), _text(event, "title"))
        return self._rows()

    def delete(self, event: gr.EventData) -> Updates:
        """Deletes a conversation for good, after its answer has been stopped."""
        self._services.jobs.stop(_text(event, "id"))
        self._store.delete(_text(event, "id"))
        return self._rows()

    def search(self, event: gr.EventData) -> Updates:
        """Finds words in all messages."""
        query = _text(event, "query")
        return {self.list: conversations.hits(query, self._store.search(query, conversations.HITS))}

    def more(self, event: gr.EventData) -> Updates:
        """The next stretch of the list."""
        return self._rows(int(_text(event, "offset")))

    def refresh(self) -> Updates:
        """The list as it is now."""
        return self._rows()

    def show_evidence(self, event: gr.EventData) -> Updates:
        """What stands behind one answer."""
        message = self._store.message(_text(event, "id"))
        return {self.evidence: evidence.value(message.conversation_id, message)}

    def set_facts(self, event: gr.EventData) -> Updates:
        """Changes what is always in the prompt of a conversation; makes the conversation if there is none yet."""
        here, text = _text(event, "id"), _text(event, "text")
        if here and (now := self._store.get(here).pinned_facts) != _text(event, "before"):
            told = _notice("These facts were changed in another window.", f"There they read: {now} — save again to replace that.")
            return {self.facts: facts.value(here, now, elsewhere=True), self.notice: told}
        id = here or self._store.create().id
        self._store.set_pinned_facts(id, text)
        made = {} if here else {**self._opened(id), **self._rows()}
        made.pop(self.evidence, None)
        return {**made, self.facts: facts.value(id, text)}

    def acknowledge(self) -> Updates:
        """The safe-use text was accepted."""
        self._services.acknowledge()
        return {self.safe_use: {"accepted": True}}

    def _opened(self, id: str) -> Updates:
        if not id:
            return {self.transcript: self._transcript.empty(), self.facts: facts.value("", ""), self.evidence: evidence.value("", None)}
        try:
            conversation, messages = self._store.get(id), self._store.branch(id)
        except NotFound as error:
            return {**self._opened(""), self.notice: _notice(error.message, error.hint)}
        return {
            self.transcript: self._transcript.opened(conversation, messages),
            self.facts: facts.value(id, conversation.pinned_facts),
            self.evidence: evidence.value(id, _last_answer(messages)),
        }

    def _rows(self, offset: int = 0) -> Updates:
        found = self._store.recent(conversations.PAGE, offset)
        return {self.list: conversations.rows(found, offset, self._store.total())}


def _text(event: gr.EventData, name: str) -> str:
    """A value that the page's script sent with an event; empty if it sent none."""
    return str(event._data.get(name, ""))


def _last_answer(messages: Sequence[Message]) -> Message | None:
    return next((one for one in reversed(messages) if one.role == "assistant" and one.status != "streaming"), None)


def _notice(message: str, hint: str) -> dict[str, str]:
    return {"message": message, "hint": hint}


def _licences(folder: Path) -> list[str]:
    return ["NOTICE", "LICENSE", *sorted(file.name for file in folder.iterdir() if file.is_file())]
