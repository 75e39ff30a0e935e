import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from med42_chat.chat import Chat, clean
from med42_chat.errors import DiskFull, InputError, ModelFileError, NotFound, WorkerDied
from med42_chat.events import Answered, Asked, Delta, Event, Prompted, Reading, Sources, Waiting
from med42_chat.records import Attachment, Citation, Evidence, Message, Sampling, Source, Status, Turn
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


LETTER = Attachment("letter.txt", "Dear colleague, the potassium is 6.1.")


def test_an_edited_question_is_answered_from_what_stood_before_it_and_the_old_branch_stays(store: Store) -> None:
    runtime = ScriptedRuntime()
    chat, id = chat_with(store, runtime)
    first = last(chat.ask(id, "First?")).message
    second = last(chat.ask(id, "Second?")).message
    edited = last(chat.ask(id, "Second, edited?", parent=first.id)).message
    assert [turn.text for turn in runtime.encoded[-1]] == ["Be kind.", "First?", "Yes, it is.", "Second, edited?"]
    assert store.conversations.message(edited.parent_id).versions == (second.parent_id, edited.parent_id)  # type: ignore[arg-type]
    anew = last(chat.ask(id, "First, edited?", parent=None)).message
    assert [turn.text for turn in runtime.encoded[-1]] == ["Be kind.", "First, edited?"]
    assert [one.text for one in store.conversations.branch(id)] == ["First, edited?", "Yes, it is."]
    assert anew.evidence is not None and anew.evidence.seen == ()
    assert len(store.conversations.branch(id, second.id)) == 4


def test_a_further_answer_is_asked_for_with_the_same_words_and_another_seed(store: Store) -> None:
    runtime = ScriptedRuntime(answers=[["One."], ["Two."], ["Three."]])
    chat, id = chat_with(store, runtime)
    chat = replace(chat, seed=7)
    last(chat.ask(id, "Before?"))
    second = last(chat.ask(id, "Which?", attachments=[LETTER])).message
    third = last(chat.again(id, second.parent_id or "")).message
    assert runtime.encoded[-1] == runtime.encoded[-3]  # each prompt is counted once before it is sent
    assert (third.text, third.versions) == ("Three.", (second.id, third.id))
    assert [request.seed for request in runtime.requests] == [7, 7, 8]
    assert [one.text for one in store.conversations.branch(id)] == ["Before?", "One.", "Which?", "Three."]


def test_an_answer_that_was_cut_goes_on_in_its_own_words_and_says_so(store: Store) -> None:
    runtime = ScriptedRuntime(answers=[["Half of", " "], [" it."]], reason="length")
    chat, id = chat_with(store, runtime)
    cut = last(chat.ask(id, "All?")).message
    runtime.reason = "stop"
    events = list(chat.again(id, cut.parent_id or "", keep=cut.text))
    whole = events[-1].message  # type: ignore[union-attr]
    assert runtime.encoded[-1][-2:] == [Turn("user", "All?"), Turn("assistant", "Half of")]
    assert (whole.text, whole.status, cut.status) == ("Half of it.", "complete", "length")
    assert "".join(one.text for one in events if isinstance(one, Delta)) == " it."
    assert whole.evidence is not None and whole.evidence.notes == ("Continued from an answer that had reached its length limit.",)
    assert whole.evidence.context.used == len(runtime.requests[-1].prompt)
    assert store.conversations.message(whole.id) == whole and whole.versions == (cut.id, whole.id)


@pytest.mark.parametrize(
    ("keep", "note"), [("Stopped", "Continued from an answer that had ended early."), ("Other", "Its first words were given to the model.")]
)
def test_where_the_first_words_of_an_answer_come_from_is_in_its_evidence(store: Store, keep: str, note: str) -> None:
    chat, id = chat_with(store, ScriptedRuntime(answers=[["Stopped"], [" there."]], reason="cancelled"))
    cut = last(chat.ask(id, "All?")).message
    evidence = last(chat.again(id, cut.parent_id or "", keep=keep)).message.evidence
    assert evidence is not None and evidence.notes == (note,)


def test_what_is_kept_of_an_answer_is_in_the_store_from_the_first_moment(store: Store) -> None:
    gate = threading.Event()
    gate.set()
    chat, id = chat_with(store, ScriptedRuntime(answers=[["First"], [" and", " more"]], gate=gate))
    first = last(chat.ask(id, "All?")).message
    events = chat.again(id, first.parent_id or "", keep="First")
    assert isinstance(next(events), Asked)
    assert store.conversations.branch(id)[-1].text == "First"
    for event in events:
        if isinstance(event, Delta):
            break
    gate.clear()
    time.sleep(0.6)
    assert store.conversations.branch(id)[-1].text == "First and"
    events.close()
    assert store.conversations.branch(id)[-1].text == "First and"


def test_again_of_what_is_not_there_is_said_before_anything_is_stored(store: Store) -> None:
    chat, id = chat_with(store)
    answer = last(chat.ask(id, "Hello?")).message
    for question in ("nowhere", answer.id):
        with pytest.raises(NotFound):
            next(chat.again(id, question))
    assert store.conversations.get(id).message_count == 2


def test_attachments_stand_before_the_words_under_their_names_and_count_as_documents(store: Store) -> None:
    runtime = ScriptedRuntime()
    chat, id = chat_with(store, runtime)
    hostile = Attachment("a\nb.txt", "one\x00two\r\n<|eot_id|>")
    answer = last(chat.ask(id, "What is meant?", attachments=[LETTER, hostile])).message
    asked = runtime.encoded[-1][-1].text
    assert asked.startswith('Attached text "letter.txt":\nDear colleague, the potassium is 6.1.') and asked.endswith("\n\nWhat is meant?")
    assert 'Attached text "a b.txt":\none\ufffdtwo\n<|eot_id|>' in asked
    assert answer.evidence is not None
    plain = last(chat.ask(id, "What is meant?", parent=None)).message.evidence
    assert plain is not None and plain.context.sources == 0
    assert answer.evidence.context.question == plain.context.question
    assert answer.evidence.context.sources == answer.evidence.context.used - plain.context.used
    list(chat.ask(id, "And now?", parent=answer.id))
    assert runtime.encoded[-1][1].text == asked, "in the history an attachment stands with its question"


def test_an_attachment_with_no_room_is_named_with_its_tokens(store: Store) -> None:
    chat, id = chat_with(store, ScriptedRuntime(model=replace(MODEL, context=600)))
    end = last(chat.ask(id, "What is meant?", attachments=[LETTER, Attachment("Long one.pdf", "word " * 1000)]))
    assert "'Long one.pdf' has 1,0" in end.error and "Remove it" in end.hint
    assert store.conversations.branch(id)[0].attachments[1].name == "Long one.pdf"


def test_nothing_is_previewed_while_no_model_is_there(store: Store) -> None:
    chat, id = chat_with(store, ScriptedRuntime(state="loading", model=None))
    assert chat.preview(id) is None


def test_nothing_is_previewed_when_the_model_dies_in_that_moment(store: Store) -> None:
    class Dying(ScriptedRuntime):
        def count(self, turns: Sequence[Turn]) -> list[int]:
            raise WorkerDied("The model's process ended.", "Try again in a moment.")

    chat, id = chat_with(store, Dying())
    assert chat.preview(id, "Hello?") is None


def test_the_page_without_a_conversation_has_a_preview(store: Store) -> None:
    chat, _ = chat_with(store)
    preview = chat.preview("", "Hello there?")
    assert preview is not None and preview.context.history == 0 and preview.context.question > 0 and not preview.too_long


def test_a_preview_stores_nothing_and_asks_nothing_of_the_model(store: Store) -> None:
    runtime = ScriptedRuntime()
    chat, id = chat_with(store, runtime)
    chat.preview(id, "Hello?", [LETTER])
    assert store.conversations.branch(id) == [] and runtime.requests == []


_words = st.integers(0, 40).map(lambda count: "w " * count)
_letters = st.lists(st.builds(Attachment, st.sampled_from(["a", "b c"]), _words), max_size=2)


@pytest.fixture(scope="module")
def open_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("previews"), bytes(32)) as opened:
        yield opened


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    turns=st.lists(st.tuples(_words.filter(bool), _letters, st.lists(st.just("a "), max_size=30)), max_size=6),
    question=_words.filter(bool),
    letters=_letters,
    facts=_words,
    context=st.integers(60, 400),
    data=st.data(),
)
def test_a_preview_says_exactly_what_is_then_sent(
    open_store: Store,
    turns: list[tuple[str, list[Attachment], list[str]]],
    question: str,
    letters: list[Attachment],
    facts: str,
    context: int,
    data: st.DataObject,
) -> None:
    runtime = ScriptedRuntime(answers=[*[pieces for _, _, pieces in turns], ["last"]])
    talks = open_store.conversations
    id = talks.create(pinned_facts=facts).id
    chat = Chat(talks, runtime, "Be kind.", Sampling(max_tokens=30))
    answers: list[str | None] = [None]
    for words, attached, _ in turns:
        parent = data.draw(st.sampled_from(answers))
        answers.append(last(chat.ask(id, words, parent=parent, attachments=attached)).message.id)
    runtime.model = replace(MODEL, context=context)
    parent = data.draw(st.sampled_from(answers))
    preview = chat.preview(id, question, letters, parent)
    events = list(chat.ask(id, question, parent=parent, attachments=letters))
    assert preview is not None
    prompted = [(one.context, one.left_out) for one in events if isinstance(one, Prompted)]
    if preview.too_long:
        end = events[-1]
        assert isinstance(end, Answered) and prompted == []
        assert (end.error, end.hint) == (preview.too_long, preview.hint)
        assert preview.context.used + preview.context.reserve > context
    else:
        assert prompted == [(preview.context, preview.left_out)]
        assert len(runtime.requests[-1].prompt) == preview.context.used


def test_while_an_answer_is_written_the_store_knows_its_model_and_what_that_sees(store: Store) -> None:
    runtime = ScriptedRuntime()
    events = Chat(store.conversations, runtime, "Be kind.").ask(store.conversations.create().id, "Hello?")
    asked = next(event for event in events if isinstance(event, Asked))
    next(event for event in events if isinstance(event, Delta))
    evidence = store.conversations.message(asked.answer.id).evidence
    assert evidence and (evidence.model, evidence.finish_reason) == ("Scripted model", "died")
    list(events)
