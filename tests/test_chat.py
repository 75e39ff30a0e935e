import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from med42_chat.chat import Chat, clean
from med42_chat.errors import DiskFull, InputError, ModelFileError, NotFound
from med42_chat.events import Answered, Asked, Delta, Event, Prompted, Reading, Sources, Waiting
from med42_chat.records import Citation, Evidence, Message, Source, Status
from med42_chat.store.database import Store
from tests.scripted import MODEL, ScriptedRuntime


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path, bytes(32))
    yield opened
    opened.close()


def chat_with(store: Store, runtime: ScriptedRuntime | None = None) -> tuple[Chat, str]:
    return Chat(store.conversations, runtime or ScriptedRuntime(), "Be kind."), store.conversations.create().id


def last(events: Iterator[Event]) -> Answered:
    *_, end = events
    assert isinstance(end, Answered)
    return end


def test_an_answer_is_asked_prompted_streamed_and_stored(store: Store) -> None:
    chat, id = chat_with(store)
    events = list(chat.ask(id, "Is it?"))
    assert [type(one) for one in events] == [Asked, Prompted, Reading, Delta, Delta, Delta, Answered]
    assert "".join(one.text for one in events if isinstance(one, Delta)) == "Yes, it is."
    question, answer = store.conversations.branch(id)
    assert (question.text, answer.text, answer.status) == ("Is it?", "Yes, it is.", "complete")
    assert events[-1] == Answered(answer)


def test_the_evidence_says_how_the_answer_came_about(store: Store) -> None:
    chat, id = chat_with(store)
    store.conversations.set_pinned_facts(id, "Allergic to penicillin")
    list(chat.ask(id, "First?"))
    evidence = last(chat.ask(id, "Second?")).message.evidence
    assert evidence is not None
    assert (evidence.model_sha256, evidence.template, evidence.finish_reason) == (MODEL.sha256, "llama-3", "stop")
    assert evidence.seen == tuple(one.id for one in store.conversations.branch(id)[:2])
    assert evidence.pinned_facts == "Allergic to penicillin" and evidence.context.pinned > 0
    assert len(evidence.prompt_sha256) == 64 and evidence.usage.completion_tokens == 3
    assert store.conversations.branch(id)[-1].evidence == evidence


def test_what_was_left_out_is_the_same_in_the_event_the_evidence_and_the_store(store: Store) -> None:
    runtime = ScriptedRuntime(model=replace(MODEL, context=64))
    chat, id = chat_with(store, runtime)
    for number in range(4):
        list(chat.ask(id, f"question {number} " + "w " * 8))
    events = list(chat.ask(id, "And now?"))
    shown = next(one.left_out for one in events if isinstance(one, Prompted))
    stored = store.conversations.branch(id)[-1].evidence
    assert shown and stored is not None and stored.left_out == shown
    sent = [turn.text for turn in runtime.encoded[-1]]
    questions = [one.preview for one in shown if one.preview.startswith("question")]
    assert questions and not set(questions) & {text.strip() for text in sent}


def test_the_seed_of_the_settings_is_used_and_otherwise_each_answer_has_its_own(store: Store) -> None:
    chat, id = chat_with(store)
    seeds = {last(chat.ask(id, "Why?")).message.evidence.seed for _ in range(3)}  # type: ignore[union-attr]
    assert len(seeds) == 3
    assert last(replace(chat, seed=7).ask(id, "Why?")).message.evidence.seed == 7  # type: ignore[union-attr]


@pytest.mark.parametrize("question", ["", "  \n\t "])
def test_an_empty_question_is_refused_and_nothing_is_stored(question: str, store: Store) -> None:
    chat, id = chat_with(store)
    with pytest.raises(InputError, match="no question"):
        next(chat.ask(id, question))
    assert store.conversations.branch(id) == []


def test_a_conversation_that_does_not_exist_is_said_before_anything_is_stored(store: Store) -> None:
    with pytest.raises(NotFound):
        next(chat_with(store)[0].ask("nowhere", "Hello?"))


def test_a_question_too_long_for_the_context_is_kept_and_the_answer_says_why(store: Store) -> None:
    chat, id = chat_with(store)
    end = last(chat.ask(id, "word " * 40_000))
    assert end.message.status == "failed" and "no room" in end.error and "Shorten" in end.hint
    question, answer = store.conversations.branch(id)
    assert len(question.text) == 200_000 and answer.evidence is not None and "no room" in answer.evidence.notes[0]


def test_control_characters_are_made_visible_and_control_tokens_stay_words(store: Store) -> None:
    runtime = ScriptedRuntime()
    chat, id = chat_with(store, runtime)
    list(chat.ask(id, "a\x00b\ud800c\r\nd <|eot_id|>"))
    assert store.conversations.branch(id)[0].text == "a\ufffdb\ufffdc\nd <|eot_id|>" == runtime.encoded[-1][-1].text


def test_clean_changes_nothing_that_a_screen_can_show() -> None:
    text = "µ ≤ 5 ⁻⁶ العربية עברית 漢字 😀\n\ttab"
    assert clean(text) == text


def test_stop_keeps_what_came_and_marks_it(store: Store) -> None:
    gate, stop = threading.Event(), threading.Event()
    chat, id = chat_with(store, ScriptedRuntime(answers=[["one ", "two ", "three"]], gate=gate))
    gate.set()
    events, seen = chat.ask(id, "Count."), ""
    for event in events:
        if isinstance(event, Delta):
            seen += event.text
            stop.set()
            chat.runtime.cancel(store.conversations.branch(id)[-1].id)
    answer = store.conversations.branch(id)[-1]
    assert (answer.status, answer.text) == ("stopped", "one ") and seen == "one "


def test_stop_before_the_model_is_loaded_ends_the_wait(store: Store) -> None:
    stop = threading.Event()
    chat, id = chat_with(store, ScriptedRuntime(state="loading", model=None))
    events = chat.ask(id, "Hello?", stop)
    assert isinstance(next(events), Asked) and isinstance(next(events), Waiting)
    stop.set()
    assert last(events).message.status == "stopped"


def test_a_model_that_cannot_load_ends_the_answer_with_its_reason(store: Store) -> None:
    failure = ModelFileError("The model file is cut short.", "Fetch it again.")
    chat, id = chat_with(store, ScriptedRuntime(state="failed", failure=failure))
    end = last(chat.ask(id, "Hello?"))
    assert (end.message.status, end.error, end.hint) == ("failed", failure.message, failure.hint)


def test_a_death_in_mid_answer_keeps_the_text_and_marks_it_incomplete(store: Store) -> None:
    chat, id = chat_with(store, ScriptedRuntime(answers=[["half "]], reason="died", detail="The model's process ended."))
    end = last(chat.ask(id, "Hello?"))
    assert (end.message.status, end.message.text, end.error) == ("interrupted", "half ", "The model's process ended.")


def test_an_answer_that_hit_its_length_is_marked(store: Store) -> None:
    chat, id = chat_with(store, ScriptedRuntime(reason="length"))
    assert last(chat.ask(id, "Hello?")).message.status == "length"


def test_what_came_is_in_the_store_within_a_moment_even_when_nothing_more_comes(store: Store, tmp_path: Path) -> None:
    gate = threading.Event()
    gate.set()
    chat, id = chat_with(store, ScriptedRuntime(answers=[["so far", "never"]], gate=gate))
    events = chat.ask(id, "Hello?")
    for event in events:
        if isinstance(event, Delta):
            break
    gate.clear()  # the model now hangs in the middle of its answer
    time.sleep(0.6)
    assert store.conversations.branch(id)[-1].text == "so far"
    events.close()
    assert store.conversations.branch(id)[-1].status == "stopped"


@dataclass
class FullDisk:
    """The store's conversations on a disk with room for the question, and none for the answer."""

    real: Store

    def append(self, answer_id: str, text: str) -> None:
        raise DiskFull("The disk is full.", "Make room.")

    def finish(self, answer_id: str, text: str, status: Status, evidence: Evidence | None, citations: Sequence[Citation] = ()) -> Message:
        raise DiskFull("The disk is full.", "Make room.")

    def __getattr__(self, name: str) -> object:
        return getattr(self.real.conversations, name)


def test_a_full_disk_is_said_and_the_text_still_reaches_the_person(store: Store) -> None:
    chat = Chat(FullDisk(store), ScriptedRuntime(), "Be kind.")  # type: ignore[arg-type]
    end = last(chat.ask(store.conversations.create().id, "Hello?"))
    assert (end.error, end.hint, end.message.text, end.message.status) == ("The disk is full.", "Make room.", "Yes, it is.", "failed")


@dataclass
class Shelf:
    """A library that finds the same passages for everything."""

    passages: tuple[Source, ...]

    def find(self, question: str, history: Sequence[Message]) -> Sequence[Source]:
        return self.passages


def test_sources_are_shown_put_before_the_model_kept_with_the_answer_and_marks_without_one_are_reported(store: Store) -> None:
    shelf = Shelf((Source(1, "Protocol", "Give fluids.", page=12), Source(2, "Formulary", "Check potassium.")))
    runtime = ScriptedRuntime(answers=[["Give fluids [1]. Rest [7]."]])
    chat = Chat(store.conversations, runtime, "Be kind.", passages=shelf)
    id = store.conversations.create().id
    events = list(chat.ask(id, "What now?"))
    assert Sources(shelf.passages) in events
    assert "[1] Protocol, page 12\nGive fluids." in runtime.encoded[-1][0].text
    answer = store.conversations.branch(id)[-1]
    assert [citation.source for citation in answer.citations] == list(shelf.passages)
    assert answer.evidence is not None and "[7]" in answer.evidence.notes[0]
