"""One answer, from the question to the stored message: `Chat.ask` is the whole story on one page.

Knows the store's conversations, a runtime and the prompt; knows nothing of pages, processes or SQL.
"""

import re
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from med42_chat import __version__, prompt
from med42_chat.errors import InputError, Med42Error, RuntimeFailure, WorkerDied
from med42_chat.events import Answered, Asked, Delta, Event, Prompted, Reading, Sources, Waiting
from med42_chat.markup import parse_marks
from med42_chat.prompt import Limits, Prompt, Question
from med42_chat.records import (
    Attachment,
    Citation,
    ContextUse,
    Conversation,
    Evidence,
    FinishReason,
    LeftOut,
    Message,
    ModelInfo,
    Parent,
    Sampling,
    Source,
    Status,
)
from med42_chat.runtime.protocol import Finished, Prefill, Queued, Request, Runtime, Text

_SAVE_EVERY_S = 0.25
_SEEDS = 2**32 - 1
_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # all control characters but tab and line end
_STATUS_OF: Mapping[FinishReason, Status] = {
    "stop": "complete",
    "length": "length",
    "cancelled": "stopped",
    "died": "interrupted",
    "failed": "failed",
}


class Conversations(Protocol):
    """The part of the store that an answer needs; see store.conversations.Conversations."""

    def get(self, id: str) -> Conversation: ...

    def branch(self, id: str, leaf: str | None = None) -> list[Message]: ...

    def message(self, id: str) -> Message: ...

    def begin(
        self, id: str, question: str, parent: str | Parent | None = Parent.LEAF, attachments: Sequence[Attachment] = ()
    ) -> tuple[Message, Message]: ...

    def begin_again(self, id: str, question_id: str, text: str = "") -> tuple[Message, Message]: ...

    def append(self, answer_id: str, text: str) -> None: ...

    def record(self, answer_id: str, evidence: Evidence) -> None: ...

    def finish(
        self, answer_id: str, text: str, status: Status, evidence: Evidence | None, citations: Sequence[Citation] = ()
    ) -> Message: ...


class Library(Protocol):
    """Where the passages for a question come from: the best first, numbered from 1."""

    def find(self, question: str, history: Sequence[Message]) -> Sequence[Source]: ...


@dataclass(frozen=True, slots=True)
class Preview:
    """What a question would send now. `too_long` and `hint` say in plain words why it cannot be sent, if it cannot."""

    context: ContextUse
    left_out: tuple[LeftOut, ...] = ()
    too_long: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Chat:
    """Asks one model. `system` is the system prompt; `seed` None takes a new one for each answer."""

    conversations: Conversations
    runtime: Runtime
    system: str
    sampling: Sampling = field(default_factory=Sampling)
    seed: int | None = None
    passages: Library | None = None

    def ask(
        self,
        conversation_id: str,
        question: str,
        stop: threading.Event | None = None,
        *,
        parent: str | Parent | None = Parent.LEAF,
        attachments: Sequence[Attachment] = (),
    ) -> Iterator[Event]:
        """The events of one answer; see `events`. Setting `stop` ends it within a second and keeps what came.

        `parent` is the message that the question follows: the last one shown, any other by its id (an edited question is a
        sibling of the old one), or None for a new first question. Raises InputError for an empty question, NotFound and
        StoreError before anything is stored; once `Asked` was yielded the question is safe, and whatever goes wrong is said
        by the final `Answered`.
        """
        asking = Question(clean(question), cleaned(attachments))
        if not asking.words.strip():
            raise InputError("There is no question yet.", "Type a question, then press Enter.")
        conversation = self.conversations.get(conversation_id)
        history = self._history(conversation_id, parent)
        asked, answer = self.conversations.begin(conversation_id, asking.words, parent, asking.attachments)
        yield Asked(asked, answer)
        yield from _Answering(self, conversation, history, asking, answer, stop or threading.Event()).events()

    def again(self, conversation_id: str, question_id: str, stop: threading.Event | None = None, keep: str = "") -> Iterator[Event]:
        """The events of a further answer to a question, beside those it has; with `keep`, one that goes on from these words.

        Raises NotFound and StoreError before anything is stored, like `ask`.
        """
        conversation = self.conversations.get(conversation_id)
        *history, question = self.conversations.branch(conversation_id, question_id)
        asking = Question(question.text, question.attachments, keep.rstrip())
        asked, answer = self.conversations.begin_again(conversation_id, question_id, asking.begun)
        yield Asked(asked, answer)
        yield from _Answering(self, conversation, history, asking, answer, stop or threading.Event(), self._origin(answer)).events()

    def limits(self, model: ModelInfo) -> Limits:
        """This model's context, and what of it is kept for the answer."""
        return Limits(model.context, min(self.sampling.max_tokens, model.context // 2))

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
        facts = self.conversations.get(conversation_id).pinned_facts if conversation_id else ""
        history = self._history(conversation_id, parent) if conversation_id else []
        asking = Question(clean(question), cleaned(attachments))
        try:
            built = self.prompt_for(model, asking, facts, history, self.find(asking, history))
        except InputError as error:
            use = prompt.measure(self.runtime, self.limits(model), system=self.system, question=asking, pinned_facts=facts)
            return Preview(use, too_long=error.message, hint=error.hint)
        except RuntimeFailure:  # the model's process ended just now
            return None
        return Preview(built.context, built.left_out)

    def prompt_for(self, model: ModelInfo, question: Question, facts: str, history: Sequence[Message], sources: Sequence[Source]) -> Prompt:
        """The prompt for this model under this chat's system prompt. Raises InputError when it cannot fit."""
        return prompt.build(
            self.runtime,
            self.limits(model),
            system=self.system,
            question=question,
            pinned_facts=facts,
            history=history,
            sources=sources,
        )

    def find(self, question: Question, history: Sequence[Message]) -> tuple[Source, ...]:
        """The passages for a question; none without a library."""
        return tuple(self.passages.find(question.words, history)) if self.passages is not None else ()

    def _origin(self, answer: Message) -> tuple[str, ...]:
        """Where the words come from with which an answer begins: a note for its evidence."""
        if not answer.text:
            return ()
        versions = (self.conversations.message(id) for id in answer.versions if id != answer.id)
        statuses = {version.status for version in versions if version.text.rstrip() == answer.text}
        if "length" in statuses:
            return ("Continued from an answer that had reached its length limit.",)
        return ("Continued from an answer that had ended early.",) if statuses else ("Its first words were given to the model.",)

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


class _Saver:
    """Writes what has come of an answer every quarter of a second, whether more is coming or not.

    A thread of its own, because the loop that reads the model may be held up for longer than that. `error` is the
    store's word if it could not write.
    """

    def __init__(self, conversations: Conversations, answer: Message) -> None:
        self.text = answer.text
        self.error: Med42Error | None = None
        self._conversations, self._answer_id = conversations, answer.id
        self._saved = len(answer.text)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="saver", daemon=True)
        self._thread.start()

    def add(self, text: str) -> None:
        self.text += text

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(_SAVE_EVERY_S):
            text = self.text  # one snapshot: the other thread only ever lengthens it
            if len(text) == self._saved:
                continue
            try:
                self._conversations.append(self._answer_id, text[self._saved :])
            except Med42Error as error:
                self.error = error
                return
            self._saved = len(text)


class _Answering:
    """One answer under way. Not reused."""

    def __init__(
        self,
        chat: Chat,
        conversation: Conversation,
        history: Sequence[Message],
        question: Question,
        answer: Message,
        stop: threading.Event,
        notes: tuple[str, ...] = (),
    ) -> None:
        self._chat, self._conversation, self._history = chat, conversation, history
        self._question, self._answer, self._stop, self._origin = question, answer, stop, notes
        self._saver = _Saver(chat.conversations, answer)
        self._sources: tuple[Source, ...] = ()
        self._evidence = _bare_evidence(chat, conversation)
        self._status: Status = "stopped"  # until the model has said otherwise
        self._problem = Med42Error("")

    def events(self) -> Iterator[Event]:
        try:
            yield from self._until_loaded()
            if not self._stop.is_set():
                yield from self._generate()
        except Med42Error as error:
            self._status, self._problem = "failed", error
            self._evidence = replace(self._evidence, finish_reason="failed")
        except BaseException as error:  # the reader has gone, Ctrl+C, or a mistake of ours: what came is kept, then it goes on its way
            self._status = "failed" if isinstance(error, Exception) else "stopped"
            self._finish()
            raise
        yield self._finish()

    def _until_loaded(self) -> Iterator[Event]:
        """Says why nothing happens yet. Ends when a model is there, when none will come, or on stop."""
        last: Event | None = None
        while not self._stop.is_set():
            status = self._chat.runtime.status()
            if status.state not in ("loading", "restarting"):
                return
            waiting = Waiting("loading" if status.state == "loading" else "restarting", progress=round(status.progress, 2))
            if waiting != last:
                yield waiting
            last = waiting
            time.sleep(0.1)

    def _generate(self) -> Iterator[Event]:
        model = self._chat.runtime.wait_until_loaded()
        if self._chat.passages is not None:
            self._sources = self._chat.find(self._question, self._history)
            yield Sources(self._sources)
        request = self._request(model)
        # Should the program be killed, the answer still says which model wrote it and what that did not see.
        self._chat.conversations.record(self._answer.id, replace(self._evidence, finish_reason="died", notes=tuple(self._origin)))
        yield Prompted(self._evidence.context, self._evidence.left_out)
        cancelled = False
        for event in self._chat.runtime.generate(request):
            # Asked for here as well as by the job: a cancel that came before the runtime knew the request did nothing.
            if (self._stop.is_set() or self._saver.error) and not cancelled:
                self._chat.runtime.cancel(request.id)
                cancelled = True
            match event:
                case Queued(reason, position, progress):
                    yield Waiting(reason, position, progress)
                case Prefill(done, total):
                    yield Reading(done, total)
                case Text(text):
                    self._saver.add(text)
                    yield Delta(text)
                case Finished():
                    self._take_end(event)

    def _request(self, model: ModelInfo) -> Request:
        """Builds the prompt, and the evidence of what the model will see."""
        built = self._chat.prompt_for(model, self._question, self._conversation.pinned_facts, self._history, self._sources)
        sampling = replace(self._chat.sampling, max_tokens=built.context.reserve)
        seed = self._seed()
        self._evidence = replace(
            self._evidence,
            model=model.name,
            model_sha256=model.sha256,
            quantization=model.quantization,
            template=model.template,
            build=model.build,
            device=model.device,
            cache_type=model.cache_type,
            demonstration=model.demonstration,
            sampling=sampling,
            seed=seed,
            prompt_sha256=built.sha256,
            context=built.context,
            seen=built.seen,
            sources=built.sources,
            left_out=built.left_out,
        )
        return Request(self._answer.id, built.tokens, sampling, seed)

    def _seed(self) -> int:
        """A new one for each answer. A seed that was set is the first answer's; those beside it count on, or they would be the same."""
        if self._chat.seed is None:
            return secrets.randbelow(_SEEDS)
        return (self._chat.seed + max(0, len(self._answer.versions) - 1)) % _SEEDS

    def _take_end(self, end: Finished) -> None:
        self._status = _STATUS_OF[end.reason]
        self._evidence = replace(self._evidence, usage=end.usage, timings=end.timings, finish_reason=end.reason)
        if end.reason in ("died", "failed"):
            self._problem = WorkerDied(end.detail, "What was written so far is kept. Ask again when the model is ready.")

    def _finish(self) -> Answered:
        """Stores the end. If even that fails, the text still reaches the person, and what was saved of it is found at the next start."""
        self._saver.close()
        text = self._saver.text
        if self._saver.error:
            self._status, self._problem = "failed", self._saver.error
        evidence = replace(self._evidence, notes=self._notes(text))
        citations = tuple(Citation(source) for source in self._sources if source.number in evidence.sources)
        try:
            message = self._chat.conversations.finish(self._answer.id, text, self._status, evidence, citations)
        except Med42Error as error:  # also NotFound: the conversation was deleted meanwhile
            self._problem = error
            message = replace(self._answer, text=text, status="failed", evidence=evidence, citations=citations)
        return Answered(message, self._problem.message, self._problem.hint)

    def _notes(self, text: str) -> tuple[str, ...]:
        notes = [*self._origin]
        if self._problem.message:
            notes.append(f"{self._problem.message} {self._problem.hint}".strip())
        if self._sources:
            removed = parse_marks(text, self._evidence.sources).unknown_marks
            notes += [f"The mark [{number}] names no source and was removed." for number in removed]
        return tuple(notes)


def _bare_evidence(chat: Chat, conversation: Conversation) -> Evidence:
    """What is known before a model is: enough to say later why an answer never began."""
    return Evidence(
        program=f"Med42 Chat {__version__}",
        model="",
        model_sha256="",
        quantization="",
        template="",
        build="",
        device="",
        sampling=chat.sampling,
        seed=0,
        prompt_sha256="",
        context=ContextUse(size=0),
        pinned_facts=conversation.pinned_facts,
        finish_reason="cancelled",
    )
