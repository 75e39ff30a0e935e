"""One answer under way: looked up, prompted, streamed, saved as it comes, checked against its sources, stored.

`Answering.events` is the whole story on one page. Knows the store's conversations, a runtime and the prompt; knows nothing of pages,
processes or SQL.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from med42_chat import __version__, filling, prompt
from med42_chat.aside import unless_stopped
from med42_chat.checks import Medicines, check, cited
from med42_chat.errors import InputError, Med42Error, WorkerDied
from med42_chat.events import Answered, Delta, Event, Prompted, Reading, Sources, Waiting
from med42_chat.holding import Held, held
from med42_chat.lookup import Looked, Lookup
from med42_chat.markup import parse_marks
from med42_chat.presets import Preset
from med42_chat.prompt import Limits, Prompt, Question
from med42_chat.records import (
    Attachment,
    Citation,
    ContextUse,
    Conversation,
    Evidence,
    Finding,
    FinishReason,
    LibraryUse,
    Message,
    ModelInfo,
    Parent,
    Sampling,
    Source,
    Status,
)
from med42_chat.runtime.protocol import Finished, Prefill, Queued, Request, Runtime, Text

_TOGETHER = "Other answers were written at the same time. Asked for alone, the same answer may come out in other words."
_ASK_AGAIN = "Ask again when the model is ready."
_SAVE_EVERY_S = 0.25
_SEEDS = 2**32 - 1
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

    def record(self, answer_id: str, evidence: Evidence, citations: Sequence[Citation] = ()) -> None: ...

    def finish(
        self,
        answer_id: str,
        text: str,
        status: Status,
        evidence: Evidence | None,
        citations: Sequence[Citation] = (),
        findings: Sequence[Finding] = (),
    ) -> Message: ...


@dataclass(frozen=True, slots=True)
class Means:
    """What every answer is made with. `system` is the system prompt; `seed` None takes a new one for each answer. `presets` reads the
    questions that a person can fill in, as they are now.
    """

    conversations: Conversations
    runtime: Runtime
    system: str
    sampling: Sampling = field(default_factory=Sampling)
    seed: int | None = None
    lookup: Lookup | None = None
    medicines: Medicines = field(default_factory=Medicines)
    presets: Callable[[], Sequence[Preset]] = tuple

    def limits(self, model: ModelInfo) -> Limits:
        """This model's context, and what of it is kept for the answer."""
        return Limits(model.context, min(self.sampling.max_tokens, model.context // 2))

    def prompt_for(self, model: ModelInfo, question: Question, facts: str, history: Sequence[Message], sources: Sequence[Source]) -> Prompt:
        """The prompt for this model under this chat's system prompt. Raises InputError when it cannot fit.

        Without sources the demonstration model is not shown what was answered from some before: it would look for more of them, and find
        nothing to say.
        """
        apart = _from_sources(history) if model.demonstration and not sources else frozenset()
        return prompt.build(
            self.runtime,
            self.limits(model),
            system=self.system,
            question=question,
            pinned_facts=facts,
            history=history,
            sources=sources,
            apart=apart,
        )

    def look_up(self, conversation: Conversation, question: Question, history: Sequence[Message], use: LibraryUse) -> Looked:
        """What the library has for a question, and what is to be done where it has nothing."""
        if self.lookup is None:
            return Looked(otherwise="nothing" if use == "only" else "memory")
        brings_text = bool(question.attachments or filling.answer(question.words, self.presets()))
        return self.lookup.look(question.words, brings_text, history, use, conversation.collections)


@dataclass(frozen=True, slots=True)
class Task:
    """One answer to be made: `answer` is its empty message, `notes` what its evidence is to say beforehand.

    `use` is how the library is used for it. With `memory` the model may answer from its memory where nothing is found, as the person
    wanted before.
    """

    conversation: Conversation
    history: Sequence[Message]
    question: Question
    answer: Message
    use: LibraryUse
    memory: bool = False
    notes: tuple[str, ...] = ()


class Answering:
    """One answer under way. Not reused."""

    def __init__(self, means: Means, task: Task, stop: threading.Event) -> None:
        self._means, self._task, self._stop = means, task, stop
        self._saver = _Saver(means.conversations, task.answer)
        self._looked, self._notes_before = Looked(), task.notes
        self._evidence = _bare_evidence(means, task.conversation)
        self._status: Status = "stopped"  # until the model has said otherwise
        self._problem = Med42Error("")

    def events(self) -> Iterator[Event]:
        """Everything that happens, and at the end always one `Answered`."""
        try:
            yield from self._answer()
        except Med42Error as error:
            self._status, self._problem = "failed", error
            self._evidence = replace(self._evidence, finish_reason="failed")
        except BaseException as error:  # the reader has gone, Ctrl+C, or a mistake of ours: what came is kept, then it goes on its way
            self._status = "failed" if isinstance(error, Exception) else "stopped"
            self._finish()
            raise
        yield self._finish()

    def _answer(self) -> Iterator[Event]:
        self._look_up()
        if self._evidence.basis == "nothing":
            yield from self._decline()
            return
        if self._looked.sources:
            yield Sources(self._looked.sources)
        yield from self._until_loaded()
        if not self._stop.is_set():
            yield from self._generate()

    def _look_up(self) -> None:
        task = self._task
        looked = self._means.look_up(task.conversation, task.question, task.history, task.use)
        self._looked = replace(looked, otherwise="memory") if task.memory else looked
        self._notes_before = (*task.notes, *looked.notes)
        self._evidence = replace(self._evidence, basis=self._looked.basis)

    def _decline(self) -> Iterator[Event]:
        """Says in the program's own words that nothing was found: no model is asked, not even waited for."""
        self._saver.text = self._looked.nothing
        self._status, self._evidence = "complete", replace(self._evidence, finish_reason="stop")
        yield Delta(self._saver.text)

    def _until_loaded(self) -> Iterator[Event]:
        """Says why nothing happens yet. Ends when a model is there, when none will come, or on stop."""
        last: Event | None = None
        while not self._stop.is_set():
            status = self._means.runtime.status()
            if status.state not in ("loading", "restarting"):
                return
            waiting = Waiting("loading" if status.state == "loading" else "restarting", progress=round(status.progress, 2))
            if waiting != last:
                yield waiting
            last = waiting
            time.sleep(0.1)

    def _generate(self) -> Iterator[Event]:
        if (ready := unless_stopped(self._stop, self._ready)) is None:
            return
        request = self._request(*ready)
        # Should the program be killed, the answer still says which model wrote it, from which sources, and what that did not see.
        early = replace(self._evidence, finish_reason="died", notes=self._notes_before)
        self._means.conversations.record(self._task.answer.id, early, [Citation(source) for source in self._seen])
        yield Prompted(self._evidence.context, self._evidence.left_out)
        cancelled = False
        for event in self._means.runtime.generate(request):
            # Asked for here as well as by the job: a cancel that came before the runtime knew the request did nothing.
            if (self._stop.is_set() or self._saver.error) and not cancelled:
                self._means.runtime.cancel(request.id)
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

    def _ready(self) -> tuple[ModelInfo, Prompt]:
        """The model and the prompt, for which it is asked: where its process hangs or comes back meanwhile, that takes long."""
        model, task = self._means.runtime.wait_until_loaded(), self._task
        built = self._means.prompt_for(model, task.question, task.conversation.pinned_facts, task.history, self._looked.sources)
        return model, built

    def _request(self, model: ModelInfo, built: Prompt) -> Request:
        """What the model is asked, and the evidence of what it will see."""
        task, basis = self._task, self._looked.basis_with(built.sources)
        if basis == "nothing":
            raise _no_room_for_sources()
        sampling, form = replace(self._means.sampling, max_tokens=built.context.reserve), self._held(model, built)
        if form.note:
            sampling = replace(sampling, temperature=0.0, repeat_penalty=1.0)  # the likeliest of the sentences, not one of the likely ones
            self._notes_before += (form.note,)
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
            tuning=model.tuning,
            demonstration=model.demonstration,
            sampling=sampling,
            seed=seed,
            prompt_sha256=built.sha256,
            context=built.context,
            seen=built.seen,
            sources=built.sources,
            left_out=built.left_out,
            basis=basis,
        )
        return Request(task.answer.id, built.tokens, sampling, seed, form.grammar, conversation=task.conversation.id)

    def _held(self, model: ModelInfo, built: Prompt) -> Held:
        """What the demonstration model may say: it is too small to be trusted with words of its own."""
        if not model.demonstration:
            return Held()
        sources = [source for source in self._looked.sources if source.number in built.sources]
        return held(self._task.question, self._looked.asked, sources, self._means.presets())

    def _seed(self) -> int:
        """A new one for each answer. A seed that was set is the first answer's; those beside it count on, or they would be the same."""
        if self._means.seed is None:
            return secrets.randbelow(_SEEDS)
        return (self._means.seed + max(0, len(self._task.answer.versions) - 1)) % _SEEDS

    def _take_end(self, end: Finished) -> None:
        self._status = _STATUS_OF[end.reason]
        self._evidence = replace(self._evidence, usage=end.usage, timings=end.timings, finish_reason=end.reason)
        if end.together:
            self._notes_before += (_TOGETHER,)
        if end.reason in ("died", "failed"):
            self._problem = WorkerDied(end.detail, f"What was written so far is kept. {end.hint or _ASK_AGAIN}")

    def _finish(self) -> Answered:
        """Stores the end. If even that fails, the text still reaches the person, and what was saved of it is found at the next start."""
        self._saver.close()
        text = self._saver.text
        if self._saver.error:
            self._status, self._problem = "failed", self._saver.error
        evidence = replace(self._evidence, notes=self._notes(text))
        findings, citations = self._checked(text)
        try:
            message = self._means.conversations.finish(self._task.answer.id, text, self._status, evidence, citations, findings)
        except Med42Error as error:  # also NotFound: the conversation was deleted meanwhile
            self._problem = error
            unsaved = replace(self._task.answer, text=text, status="failed", evidence=evidence)
            message = replace(unsaved, citations=citations, findings=findings)
        return Answered(message, self._problem.message, self._problem.hint)

    def _checked(self, text: str) -> tuple[tuple[Finding, ...], tuple[Citation, ...]]:
        """What comparing the answer with the sources that the model saw comes to. The program's own words need no check."""
        findings = check(text, self._seen, self._means.medicines) if self._evidence.model else ()
        return findings, cited(text, self._seen, findings, self._means.medicines)

    @property
    def _seen(self) -> list[Source]:
        """The sources that the model sees."""
        return [source for source in self._looked.sources if source.number in self._evidence.sources]

    def _notes(self, text: str) -> tuple[str, ...]:
        notes = list(self._notes_before)
        if self._problem.message:
            notes.append(f"{self._problem.message} {self._problem.hint}".strip())
        if self._looked.sources:
            removed = parse_marks(text, self._evidence.sources).unknown_marks
            notes += [f"The mark [{number}] names no source and was removed." for number in removed]
        return tuple(notes)


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


def _from_sources(history: Sequence[Message]) -> frozenset[str]:
    """The answers in a history that rest on sources, and their questions, by their ids."""
    answers = [one for one in history if one.evidence is not None and one.evidence.basis == "sources"]
    return frozenset(id for answer in answers for id in (answer.id, answer.parent_id) if id)


def _bare_evidence(means: Means, conversation: Conversation) -> Evidence:
    """What is known before a model is: enough to say later why an answer never began."""
    return Evidence(
        program=f"Med42 Chat {__version__}",
        model="",
        model_sha256="",
        quantization="",
        template="",
        build="",
        device="",
        sampling=means.sampling,
        seed=0,
        prompt_sha256="",
        context=ContextUse(size=0),
        pinned_facts=conversation.pinned_facts,
        finish_reason="cancelled",
    )


def _no_room_for_sources() -> InputError:
    return InputError(
        "What was found in the library has no room beside this question.",
        "Shorten the question or the pinned facts, or give the model a larger context in the settings. Nothing was sent to the model.",
    )
