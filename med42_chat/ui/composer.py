"""Where the question is written, and what goes out of it: presets, attachments, drafts, edited questions, and whether all of it fits.

Its script (assets/js/composer.js) owns what is typed; a value says what to do with it. Drafts and files come in through `intake`.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from med42_chat import presets
from med42_chat.errors import InputError, Med42Error
from med42_chat.library.read import MOST_BYTES
from med42_chat.records import Attachment, Conversation, LeftOut, Message, Parent
from med42_chat.ui.desk import Desk, Updates, notice, text
from med42_chat.ui.facts import Facts
from med42_chat.ui.intake import LARGEST_TEXT, attachments_of
from med42_chat.ui.scope import Scope, scope_of
from med42_chat.ui.transcript import Transcript
from med42_chat.words import Words

Value = dict[str, object]

# The keys of the page as a person reads them, and the word that says what each does.
_KEYS = (
    ("Enter", "send"),
    ("Shift+Enter", "line"),
    ("Ctrl+Enter", "send_anywhere"),
    ("Esc", "stop"),
    ("/", "presets"),
    ("↑", "edit_last"),
    ("Ctrl+K", "search"),
    ("↑ ↓", "lists"),
    ("?", "keys"),
)
_FILES = ".txt,.text,.md,.markdown,.html,.htm,.pdf,text/*,application/pdf"


@dataclass(frozen=True, slots=True)
class Sent:
    """What the page sends: `here` is its conversation (empty for none), `leaf` the last message it shows of that (None while it
    shows nothing of it yet), `edited` the question that this one takes the place of. The page knows it again by its `number`.
    """

    number: str
    here: str
    leaf: str | None
    question: str
    attachments: tuple[Attachment, ...]
    edited: str
    accepted: bool  # the reader knows what the model will not see
    scope: Scope  # how a conversation that begins with it uses the library


class Composer:
    """It shows Send or Stop, never both."""

    component: gr.HTML

    def __init__(self, desk: Desk, transcript: Transcript, facts: Facts, presets: Path) -> None:
        self._desk, self._transcript, self._facts, self._presets = desk, transcript, facts, presets

    def build(self) -> None:
        """Makes the component. It triggers 'submit', 'stop', 'edit' (a question's words are wanted), 'expand' (the presets), 'apply' and
        'select' (which documents answer)."""
        self.component = gr.HTML(
            html_template=_template(self._desk.words, self._desk.services.server),
            js_on_load="med42.composer(element, props, trigger, watch)",
            apply_default_css=False,
            elem_id="composer",
        )

    def wire(self) -> None:
        """Binds its events."""
        on, own = self._desk.on, [self.component]
        on(self.component.submit, self.ask, [], [self._transcript.component, self._facts.component, *own])
        on(self.component.stop, self.end, [], [])
        on(self.component.edit, self.edit, [], own)
        on(self.component.expand, self.list_presets, [], own)
        on(self.component.apply, self.fill_preset, [], own)
        on(self.component.select, self.choose, [], [])

    def opened(self, conversation: Conversation | None, messages: Sequence[Message]) -> object:
        """The draft that waits in a conversation, or on the page that has none yet."""
        id = conversation.id if conversation else ""
        draft = self._desk.store.draft(id)
        return _value("open", conversation=id, text=draft.text, attachments=_shown(draft.attachments))

    def ask(self, event: gr.EventData) -> Updates:
        """Starts an answer, in a new conversation if there is none yet; asks first when the model would not see all of the conversation."""
        sent = _sent(event)
        if not sent.question.strip():
            raise InputError(self._desk.words("composer.empty"), self._desk.words("composer.empty_hint"))
        id = sent.here or self._begun(sent.scope)
        try:
            self._refuse_unread(sent)
            return self._kept(sent) or self._started(id, sent)
        except Med42Error as error:
            if not sent.here:
                self._desk.store.delete(id)
            return {self.component: _value("kept", number=sent.number), self._desk.notice: notice(error.message, error.hint)}

    def end(self, event: gr.EventData) -> Updates:
        """Stops the answer of this conversation; what came is kept."""
        self._desk.services.jobs.stop(text(event, "id"))
        return {}

    def edit(self, event: gr.EventData) -> Updates:
        """An earlier question with all that came with it, to be changed."""
        message = self._desk.store.message(text(event, "id"))
        return {self.component: _value("edit", message=message.id, text=message.text, attachments=_shown(message.attachments))}

    def list_presets(self) -> Updates:
        """The presets as their files say now."""
        return {self.component: _value("presets", presets=[asdict(one) for one in presets.read(self._presets)])}

    def fill_preset(self, event: gr.EventData) -> Updates:
        """A preset's question with the values that were filled in."""
        wanted, values = text(event, "id"), event._data["values"]
        found = next((one for one in presets.read(self._presets) if one.id == wanted and not one.broken), None)
        if found is None:
            raise InputError(self._desk.words("presets.gone"), self._desk.words("presets.gone_hint"))
        return {self.component: _value("filled", text=presets.fill(found, values))}

    def choose(self, event: gr.EventData) -> Updates:
        """Sets how a conversation uses the library, from its next question on."""
        scope = scope_of(event._data)
        self._desk.store.set_library(text(event, "id"), scope.use, scope.collections)
        return {}

    def _begun(self, scope: Scope) -> str:
        """A new conversation that uses the library so."""
        id = self._desk.store.create().id
        if scope != Scope():
            self._desk.store.set_library(id, scope.use, scope.collections)
        return id

    def _started(self, id: str, sent: Sent) -> Updates:
        job = self._desk.services.jobs.start(id, sent.question, parent=self._parent(sent), attachments=sent.attachments)
        conversation = self._desk.store.get(id)
        return {
            self._transcript.component: self._transcript.asked(sent.here, conversation, job.state()),
            self._facts.component: self._facts.opened(conversation, []),
            self.component: _value("sent", number=sent.number, page=sent.here, conversation=id),
        }

    def _refuse_unread(self, sent: Sent) -> None:
        """Raises InputError where the question would follow what its writer has not seen: another window has gone on, or shows
        another version."""
        if sent.here and not sent.edited and sent.leaf is not None and self._desk.store.get(sent.here).leaf_id != sent.leaf:
            raise InputError(self._desk.words("composer.unread"), self._desk.words("composer.unread_hint"))

    def _kept(self, sent: Sent) -> Updates | None:
        """What is told in the place of an answer that would not see all it should; None when all fits or the reader has agreed."""
        services = self._desk.services
        if services.jobs.running(sent.here):
            return None
        preview = services.chat.preview(sent.here, sent.question, sent.attachments, parent=self._parent(sent))
        if preview is None:
            return None
        if preview.too_long:
            raise InputError(preview.too_long, preview.hint)
        unseen = without_room(preview.left_out)
        if not unseen or sent.accepted:
            return None
        told = self._transcript.unfit(sent.here, unseen)
        return {self._transcript.component: told, self.component: _value("kept", number=sent.number)}

    def _parent(self, sent: Sent) -> str | Parent | None:
        return self._desk.store.message(sent.edited).parent_id if sent.edited else Parent.LEAF


def without_room(items: Iterable[LeftOut]) -> tuple[LeftOut, ...]:
    """Of what is left out, that which the model would have seen in a larger context."""
    return tuple(item for item in items if item.reason == "room")


def _sent(event: gr.EventData) -> Sent:
    data: Mapping[str, Any] = event._data
    return Sent(
        number=text(event, "number"),
        here=text(event, "here"),
        leaf=data.get("leaf"),
        question=text(event, "text"),
        attachments=attachments_of(data["attachments"]),
        edited=text(event, "edited"),
        accepted=bool(data["accepted"]),
        scope=scope_of(data.get("scope", {})),
    )


def _shown(attachments: Sequence[Attachment]) -> list[dict[str, object]]:
    return [asdict(one) for one in attachments]


def _value(kind: str, **rest: object) -> Value:
    # The time makes two equal values differ: the page is told again even if nothing changed for the server.
    return {"kind": kind, "at": time.time_ns(), **rest}


def _template(words: Words, server: str) -> str:
    quiet = words("server.quiet", server=server) if server else words("composer.quiet")

    # No spell check: some browsers send what is typed to a server of their maker's to check it.
    def say(name: str) -> str:
        return escape(words(name))

    keys = "".join(f"<div><dt><kbd>{escape(key)}</kbd></dt><dd>{say(f'keys.{name}')}</dd></div>" for key, name in _KEYS)
    return f"""
<div class="editing" hidden><span>{say("composer.editing")}</span><button type="button" class="leave">{say("composer.leave")}</button></div>
<div class="preset-list" role="listbox" id="preset-list" tabindex="-1" aria-label="{say("presets.title")}" hidden></div>
<form class="preset-form" hidden></form>
<div class="scope-panel" role="dialog" aria-label="{say("scope.title")}" tabindex="-1" hidden></div>
<div class="writing" data-file="{MOST_BYTES}" data-text="{LARGEST_TEXT}">
<ul class="attached" aria-label="{say("attach.title")}" hidden></ul>
<p class="fit" hidden></p>
<div id="question"><textarea rows="1" dir="auto" aria-label="{say("composer.label")}" placeholder="{say("composer.placeholder")}"
 aria-autocomplete="list" aria-controls="preset-list" autocomplete="off" spellcheck="false" enterkeyhint="send"></textarea></div>
<div class="row">
<button type="button" class="act" data-act="attach" title="{say("attach.hint")}">
<i class="icon attach"></i><span class="name">{say("attach.button")}</span></button>
<button type="button" class="act" data-act="presets" aria-haspopup="listbox" aria-expanded="false" title="{say("presets.tip")}">
<i class="icon presets"></i><span class="name">{say("presets.button")}</span></button>
<button type="button" class="act scope" data-act="scope" aria-haspopup="dialog" aria-expanded="false" title="{say("scope.title")}">
<i class="icon books"></i><span class="use"></span><span class="count"></span></button>
<button type="button" class="act" data-act="keys" title="{say("keys.title")}" aria-label="{say("keys.title")}"><kbd>?</kbd></button>
<button type="button" id="send">{say("composer.send")}</button>
<button type="button" id="stop">{say("composer.stop")}</button>
</div></div>
<p id="quiet">{escape(quiet)}</p>
<input type="file" class="files" accept="{_FILES}" multiple hidden>
<dialog class="paper reader" aria-labelledby="reader-name"><h2 id="reader-name" dir="auto"></h2><p class="figures"></p>
<div class="whole" tabindex="0" dir="auto"></div><p class="actions"></p></dialog>
<dialog class="paper keys" aria-labelledby="keys-title"><h2 id="keys-title">{say("keys.title")}</h2><dl>{keys}</dl>
<p class="actions"><button type="button" class="primary">{say("keys.close")}</button></p></dialog>
<div class="drop" hidden><p>{say("attach.drop")}</p></div>
"""
