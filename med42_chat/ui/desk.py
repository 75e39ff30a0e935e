"""What all panels share: the services, the words, how an event reaches a handler, and how a conversation is opened.

A panel is a class with `build` (makes its components where it is called), `wire` (binds its events to its own methods) and, if it
shows something of a conversation, `opened`. Which conversation a page shows is known only by the page (the hash of its address),
so every event carries the id with it and every value names it: what comes too late for another conversation is dropped by the
page's script.
"""

import functools
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

import gradio as gr

from med42_chat.errors import Med42Error, NotFound, places
from med42_chat.records import Conversation, Message
from med42_chat.services import Services
from med42_chat.store.conversations import Conversations
from med42_chat.words import Words

_log = logging.getLogger(__name__)

Updates = dict[Any, object]

# What the page itself puts into the place of an input, because only the page knows it.
HERE = "() => [med42.conversation()]"


class Shows(Protocol):
    """A panel that shows something of a conversation; `conversation` is None on a page that has none yet."""

    @property
    def component(self) -> Any: ...

    def opened(self, conversation: Conversation | None, messages: Sequence[Message]) -> object: ...


class Desk:
    """One for all pages; what belongs to one visitor is in his browser and in the store."""

    def __init__(self, services: Services, words: Words) -> None:
        self.services = services
        self.words = words
        self._panels: list[Shows] = []

    @property
    def store(self) -> Conversations:
        """The conversations of the store that is open now."""
        return self.services.store.conversations

    def build(self) -> None:
        """What is in the page but not in sight: it only gives the page's script a place to put the conversation's id."""
        self.here = gr.Textbox(visible="hidden", label="Conversation", elem_id="here")

    def build_notice(self) -> None:
        """Where an error is told: message and hint, until it is closed or the next step succeeds."""
        self.notice = gr.HTML(
            html_template='<div class="notice" role="alert" hidden></div>',
            js_on_load="med42.notice(element, props, watch)",
            apply_default_css=False,
            elem_id="notice",
        )

    def shown_by(self, *panels: Shows) -> None:
        """These panels show something of a conversation that is opened."""
        self._panels.extend(panels)

    @property
    def view(self) -> list[Any]:
        """The components that change when a conversation is opened."""
        return [panel.component for panel in self._panels]

    def opened(self, id: str) -> Updates:
        """What every panel shows of a conversation; of none, when it is gone."""
        if not id:
            return {panel.component: panel.opened(None, []) for panel in self._panels}
        try:
            conversation, messages = self.store.get(id), self.store.branch(id)
        except NotFound as error:
            return {**self.opened(""), self.notice: notice(error.message, error.hint)}
        return {panel.component: panel.opened(conversation, messages) for panel in self._panels}

    def on(
        self,
        event: Any,
        handler: Callable[..., Updates],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        js: str | None = None,
        once: bool = False,
    ) -> None:
        """Binds an event to a handler, which reads values, calls one core method and says what changes."""
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
                return {self.notice: notice(error.message, error.hint)}
            except Exception as error:  # noqa: BLE001
                # The edge. Where it happened is logged, never the values: they may be a patient's.
                _log.error("in %s: %s", handler.__name__, places(error))
                return {self.notice: {**notice(self.words("problem.mistake"), self.words("problem.mistake_hint")), "mistake": True}}

        return run


def text(event: gr.EventData, name: str) -> str:
    """A value that the page's script sent with an event; empty if it sent none."""
    return str(event._data.get(name, ""))


def typed_path(typed: str) -> Path | None:
    """A path as a file manager gives it: between quotation marks, with spaces around it, or as an address; None for none."""
    name = typed.strip().strip("\"'")
    if name.startswith("file:"):
        name = url2pathname(urlsplit(name).path)
    return Path(name).expanduser() if name else None


def notice(message: str, hint: str = "") -> dict[str, object]:
    """What the notice shows."""
    return {"message": message, "hint": hint}
