"""Asking: `Chat.ask` takes a question, stores it and gives the events of its answer.

Knows the store's conversations, a runtime and the prompt; knows nothing of pages, processes or SQL. How an answer comes about is
answering.py's business.
"""

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from med42_chat import prompt
from med42_chat.answering import Answering, Means, Task
from med42_chat.errors import InputError, RuntimeFailure
from med42_chat.events import Asked, Event
from med42_chat.prompt import Question
from med42_chat.records import Attachment, ContextUse, Conversation, LeftOut, LibraryUse, Message, Parent

_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # all control characters but tab and line end


@dataclass(frozen=True, slots=True)
class Preview:
    """What a question would send now. `too_long` and `hint` say in plain words why it cannot be sent, if it cannot."""

    context: ContextUse
    left_out: tuple[LeftOut, ...] = ()
    too_long: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Chat(Means):
    """Asks one model, by these means."""

    def ask(
        self,
        conversation_id: str,
        question: str,
        stop: threading.Event | None = None,
        *,
        parent: str | Parent | None = Parent.LEAF,
        attachments: Sequence[Attachment] = (),
        library: bool = True,
    ) -> Iterator[Event]:
        """The events of one answer; see `events`. Setting `stop` ends it within a second and keeps what came.

        `parent` is the message that the question follows: the last one shown, any other by its id (an edited question is a
        sibling of the old one), or None for a new first question. Without `library` the model answers from its memory. Raises
        InputError for an empty question, or where this conversation wants sources and the library is not to be used, NotFound and
        StoreError before anything is stored; once `Asked` was yielded the question is safe, and whatever goes wrong is said
        by the final `Answered`.
        """
        asking = Question(clean(question), cleaned(attachments))
        if not asking.words.strip():
            raise InputError("There is no question yet.", "Type a question, then press Enter.")
        conversation = self.conversations.get(conversation_id)
        use = _use(conversation, library)
        history = self._history(conversation_id, parent)
        asked, answer = self.conversations.begin(conversation_id, asking.words, parent, asking.attachments)
        yield Asked(asked, answer)
        task = Task(conversation, history, asking, answer, use)
        yield from Answering(self, task, stop or threading.Event()).events()

    def again(
        self, conversation_id: str, question_id: str, stop: threading.Event | None = None, keep: str = "", *, memory: bool = False
    ) -> Iterator[Event]:
        """The events of a further answer to a question, beside those it has; with `keep`, one that goes on from these words.

        With `memory` the library is not searched: the person has been told that it has nothing, and wants the model's own answer.
        Raises InputError where this conversation wants sources, NotFound and StoreError before anything is stored, like `ask`.
        """
        conversation = self.conversations.get(conversation_id)
        use = _use(conversation, not memory)
        *history, question = self.conversations.branch(conversation_id, question_id)
        asking = Question(question.text, question.attachments, keep.rstrip())
        if asking.begun and use == "only" and self._is_from_memory(conversation_id, question_id):
            raise _sources_only()
        asked, answer = self.conversations.begin_again(conversation_id, question_id, asking.begun)
        yield Asked(asked, answer)
        others = [self.conversations.message(id) for id in answer.versions if id != answer.id]
        chosen = use != "only" and (bool(asking.begun) or any(one.evidence and one.evidence.basis == "memory" for one in others))
        task = Task(conversation, history, asking, answer, use, chosen, _origin(asking.begun, others))
        yield from Answering(self, task, stop or threading.Event()).events()

    def preview(
        self,
        conversation_id: str,
        question: str = "",
        attachments: Sequence[Attachment] = (),
        parent: str | Parent | None = Parent.LEAF,
    ) -> Preview | None:
        """What `ask` would send now, question or not; None while no model is loaded: never waits for one.

        An empty id is the page that has no conversation yet. Raises NotFound and StoreError.
        """
        status = self.runtime.status()
        model = status.model
        if model is None or status.state not in ("ready", "busy"):
            return None
        conversation = self.conversations.get(conversation_id) if conversation_id else Conversation("", "", 0, 0)
        history = self._history(conversation_id, parent) if conversation_id else []
        asking, facts = Question(clean(question), cleaned(attachments)), conversation.pinned_facts
        sources = self.look_up(conversation, asking, history, conversation.library).sources
        try:
            built = self.prompt_for(model, asking, facts, history, sources)
        except InputError as error:
            use = prompt.measure(self.runtime, self.limits(model), system=self.system, question=asking, pinned_facts=facts)
            return Preview(use, too_long=error.message, hint=error.hint)
        except RuntimeFailure:  # the model's process ended just now
            return None
        return Preview(built.context, built.left_out)

    def _is_from_memory(self, conversation_id: str, question_id: str) -> bool:
        """Whether the answer that is shown to a question, whose words one may want to keep, rests on no source."""
        shown = (one for one in self.conversations.branch(conversation_id) if one.parent_id == question_id)
        return any(one.evidence is not None and one.evidence.basis == "memory" for one in shown)

    def _history(self, conversation_id: str, parent: str | Parent | None) -> list[Message]:
        """What stands before a question that follows `parent`."""
        if parent is None:
            return []
        return self.conversations.branch(conversation_id, None if isinstance(parent, Parent) else parent)


def cleaned(attachments: Sequence[Attachment]) -> tuple[Attachment, ...]:
    """The attachments with their texts and names made as `clean` makes a question."""
    return tuple(replace(one, name=clean(one.name), text=clean(one.text)) for one in attachments)


def clean(text: str) -> str:
    """The question as data: line ends made equal, and what no screen can show (control characters, lone surrogates) a visible U+FFFD."""
    return _UNSHOWABLE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def _use(conversation: Conversation, library: bool) -> LibraryUse:
    """How the library is used for an answer."""
    if library:
        return conversation.library
    if conversation.library == "only":
        raise _sources_only()
    return "off"


def _sources_only() -> InputError:
    return InputError(
        "This conversation is answered with sources only.", "Change how it uses the library first, then ask from the model's memory."
    )


def _origin(begun: str, others: Sequence[Message]) -> tuple[str, ...]:
    """Where the words come from with which an answer begins: a note for its evidence. `others` stand in the same place."""
    if not begun:
        return ()
    statuses = {other.status for other in others if other.text.rstrip() == begun}
    if "length" in statuses:
        return ("Continued from an answer that had reached its length limit.",)
    return ("Continued from an answer that had ended early.",) if statuses else ("Its first words were given to the model.",)
