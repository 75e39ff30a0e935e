"""Exports as the page and the commands see them: started at once, followed, cancelled, fetched once; and what a broken process does."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from med42_chat.errors import InputError, Med42Error, NotFound
from med42_chat.export import record
from med42_chat.export.sheet import Format, Options
from med42_chat.exporting import Exporting, ExportState, file_name
from med42_chat.records import Attachment, Conversation
from med42_chat.store.database import Store
from tests.store.samples import CITATIONS, EVIDENCE, KEY, asked

SCRIPTED = "tests.export.scripted"
Making = Callable[..., Exporting]


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store.open(home, KEY) as opened:
        yield opened


@pytest.fixture
def making(store: Store) -> Iterator[Making]:
    """Opens an Exporting with the scripted process, or another; closes it in the end."""
    opened: list[Exporting] = []

    def make(child: str = SCRIPTED, time_s: float = 60.0, kept_s: float = 60.0) -> Exporting:
        opened.append(Exporting(store.conversations, store.audit, child, time_s, kept_s))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def titled(store: Store, title: str) -> str:
    id, _ = asked(store)
    store.conversations.rename(id, title)
    return id


def ended(exporting: Exporting, id: str) -> ExportState:
    """How an export ended; never longer than a slow machine needs."""
    state = exporting.state(id)
    until = time.monotonic() + 90
    while state.phase == "running" and time.monotonic() < until:
        state = exporting.wait(id, state.progress, 5)
    return state


def taken(exporting: Exporting, conversation: str, format: Format = "pdf", options: Options | None = None) -> record.Request:
    """What the process was given."""
    id = exporting.start(conversation, format, options or Options(), "en")
    assert ended(exporting, id).phase == "done"
    return record.request_of(exporting.take(id))


def processes() -> list[psutil.Process]:
    """Our own processes that are still there: one may end between the listing and the look at it."""
    return [child for child in psutil.Process().children() if alive(child)]


def alive(child: psutil.Process) -> bool:
    try:
        return bool(child.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


# What goes well


def test_an_export_is_there_at_once_tells_how_far_it_is_and_gives_its_document_once(store: Store, making: Making) -> None:
    exporting, conversation = making(), titled(store, "Red flags: what now?")
    id = exporting.start(conversation, "pdf", Options(), "en")
    assert exporting.state(id).phase == "running"
    state = ended(exporting, id)
    assert (state.phase, state.progress, state.notes) == ("done", 1.0, ("One character has no letter.",))
    assert state.name.endswith(" Red flags what now.pdf")
    document = exporting.take(id)
    assert len(document) == state.size > 0 and exporting.state(id).phase == "done"
    with pytest.raises(NotFound, match="no document"):
        exporting.take(id)


def test_the_process_is_given_the_branch_that_is_shown_and_the_options(store: Store, making: Making) -> None:
    conversation, first = asked(store)
    _, other = store.conversations.begin_again(conversation, store.conversations.branch(conversation)[0].id)
    store.conversations.finish(other.id, "Other.", "complete", EVIDENCE, CITATIONS)
    options = Options(sources=False, paper="letter", author="Dr Ä", password="sesame", messages=frozenset({other.id}))
    wanted = taken(making(), conversation, "pdf", options)
    assert list(wanted.messages) == store.conversations.branch(conversation)
    assert (wanted.options, wanted.format, wanted.language) == (options, "pdf", "en")
    assert first not in {message.id for message in wanted.messages}


@pytest.mark.parametrize(
    ("format", "options", "kept"), [("pdf", Options(), ""), ("json", Options(), "SECRET"), ("pdf", Options(attached=True), "SECRET")]
)
def test_what_was_attached_leaves_the_program_as_json_only(
    store: Store, making: Making, format: Format, options: Options, kept: str
) -> None:
    conversation = store.conversations.create().id
    _, answer = store.conversations.begin(conversation, "What of this?", attachments=[Attachment("letter.pdf", "SECRET", pages=2)])
    store.conversations.finish(answer.id, "Nothing.", "complete", EVIDENCE)
    (attachment,) = taken(making(), conversation, format, options).messages[0].attachments
    assert attachment == Attachment("letter.pdf", kept, pages=2)


def test_json_is_the_whole_conversation_with_all_versions(store: Store, making: Making) -> None:
    conversation, _ = asked(store)
    again = store.conversations.begin_again(conversation, store.conversations.branch(conversation)[0].id)[1]
    store.conversations.finish(again.id, "Other.", "complete", None)
    wanted = taken(making(), conversation, "json", Options(messages=frozenset({again.id})))
    assert (wanted.conversation, list(wanted.messages)) == store.conversations.whole(conversation)


def test_a_message_of_a_branch_that_is_not_shown_is_exported_with_its_branch(store: Store, making: Making) -> None:
    conversation, first = asked(store)
    again = store.conversations.begin_again(conversation, store.conversations.branch(conversation)[0].id)[1]
    store.conversations.finish(again.id, "Other.", "complete", None)
    wanted = taken(making(), conversation, "pdf", Options(messages=frozenset({first})))
    assert wanted.conversation.leaf_id == first and [message.id for message in wanted.messages][-1] == first
    with pytest.raises(InputError, match="do not follow one another"):
        making().start(conversation, "pdf", Options(messages=frozenset({first, again.id})), "en")


def test_an_answer_that_is_still_being_written_is_exported_as_far_as_it_is(store: Store, making: Making) -> None:
    conversation = store.conversations.create().id
    _, answer = store.conversations.begin(conversation, "Hello?")
    store.conversations.append(answer.id, "Half an")
    exported = taken(making(), conversation).messages[-1]
    assert (exported.text, exported.status) == ("Half an", "streaming")


def test_more_than_two_wait_for_their_turn_and_all_are_made(store: Store, making: Making) -> None:
    exporting, conversation = making(), titled(store, "many")
    ids = [exporting.start(conversation, "txt", Options(), "en") for _ in range(4)]
    most = 0
    while any(exporting.state(id).phase == "running" for id in ids):
        most = max(most, len(processes()))
        time.sleep(0.02)
    assert {exporting.state(id).phase for id in ids} == {"done"} and 1 <= most <= 2


def test_that_a_conversation_went_out_is_in_the_audit_trail_without_its_words(store: Store, making: Making) -> None:
    conversation = titled(store, "Patient Miller")
    taken(making(), conversation, "docx")
    (row,) = store.conversations._connections.rows("select subject, detail from audit where action = 'conversation.exported'")
    assert row["subject"] == conversation and json.loads(row["detail"])["format"] == "docx" and "Miller" not in row["detail"]


# What cannot be


def test_what_is_not_there_is_named_at_once(store: Store, making: Making) -> None:
    exporting, conversation = making(), titled(store, "one")
    with pytest.raises(NotFound, match="no conversation nowhere"):
        exporting.start("nowhere", "pdf", Options(), "en")
    with pytest.raises(NotFound, match="no message m9"):
        exporting.start(conversation, "pdf", Options(messages=frozenset({"m9"})), "en")
    with pytest.raises(InputError, match="nothing in this conversation"):
        exporting.start(store.conversations.create().id, "pdf", Options(), "en")
    for ask in (exporting.state, exporting.cancel, exporting.take):
        with pytest.raises(NotFound):
            ask("nowhere")


@pytest.mark.parametrize(
    ("format", "options", "said"),
    [
        ("docx", Options(password="sesame"), "Only a PDF"),
        ("pdf", Options(password="ä" * 64), "password is too long"),
        ("pdf", Options(author="x" * 201), "too long"),
        ("pdf", Options(patient="x" * 201), "too long"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_begins(
    store: Store, making: Making, format: Format, options: Options, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        making().start(titled(store, "one"), format, options, "en")


def test_too_many_at_once_are_refused(store: Store, making: Making) -> None:
    exporting, conversation = making(), titled(store, "slow")
    with pytest.raises(InputError, match="Too many"):
        for _ in range(20):
            exporting.start(conversation, "pdf", Options(), "en")


# What goes wrong


@pytest.mark.parametrize("title", ["dies", "babbles", "promises", "half"])
def test_a_process_that_dies_or_talks_nonsense_is_a_sentence_and_leaves_nothing(store: Store, making: Making, title: str) -> None:
    exporting = making()
    id = exporting.start(titled(store, title), "pdf", Options(), "en")
    state = ended(exporting, id)
    assert (state.phase, state.message) == ("failed", "The document could not be made.") and state.hint
    with pytest.raises(NotFound):
        exporting.take(id)
    assert processes() == []


def test_a_process_that_is_killed_is_a_sentence_and_the_next_export_works(store: Store, making: Making) -> None:
    exporting = making()
    id = exporting.start(titled(store, "slow"), "pdf", Options(), "en")
    assert exporting.wait(id, 0.0, 90).progress == 0.25
    (child,) = processes()
    child.kill()
    assert ended(exporting, id).phase == "failed"
    taken(exporting, titled(store, "next"))


def test_a_process_that_takes_too_long_is_ended(store: Store, making: Making) -> None:
    exporting = making(time_s=1.5)
    state = ended(exporting, exporting.start(titled(store, "slow"), "pdf", Options(), "en"))
    assert state.phase == "failed" and "longer than 2 seconds" in state.message and processes() == []


def test_a_module_that_is_not_there_is_a_sentence_too(store: Store, making: Making) -> None:
    exporting = making("tests.export.nowhere")
    assert ended(exporting, exporting.start(titled(store, "one"), "pdf", Options(), "en")).phase == "failed"


def test_a_fault_that_the_process_explains_is_told_in_its_words(store: Store, making: Making) -> None:
    exporting = making()
    state = ended(exporting, exporting.start(titled(store, "fault"), "pdf", Options(), "en"))
    assert (state.message, state.hint) == ("The letters of this language are missing.", "Choose {HTML}.")


def test_nothing_of_a_failed_export_is_in_the_log(store: Store, making: Making, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    exporting, conversation = making(), titled(store, "dies")

    def unforeseen(*_: object) -> None:
        raise RuntimeError("Patient Miller")

    exporting._made = unforeseen  # type: ignore[assignment, method-assign]
    assert ended(exporting, exporting.start(conversation, "pdf", Options(), "en")).phase == "failed"
    assert "RuntimeError" in caplog.text and "Miller" not in caplog.text


# What is ended


def test_a_cancelled_export_has_ended_for_everybody_and_its_process_is_gone(store: Store, making: Making) -> None:
    exporting = making()
    id = exporting.start(titled(store, "slow"), "pdf", Options(), "en")
    exporting.wait(id, 0.0, 90)
    exporting.cancel(id)
    assert exporting.state(id).phase == "cancelled"
    until = time.monotonic() + 60
    while processes() and time.monotonic() < until:
        time.sleep(0.05)
    assert processes() == [] and exporting.state(id).phase == "cancelled"


def test_one_that_is_cancelled_while_it_waits_never_begins(store: Store, making: Making) -> None:
    exporting, slow = making(), titled(store, "slow")
    first, second, third = (exporting.start(slow, "pdf", Options(), "en") for _ in range(3))
    exporting.cancel(third)
    exporting.cancel(first)
    exporting.cancel(second)
    taken(exporting, titled(store, "next"))
    assert exporting.state(third).phase == "cancelled"


def test_a_document_that_was_made_is_forgotten_when_it_is_cancelled(store: Store, making: Making) -> None:
    exporting = making()
    id = exporting.start(titled(store, "one"), "pdf", Options(), "en")
    ended(exporting, id)
    exporting.cancel(id)
    with pytest.raises(NotFound):
        exporting.take(id)


def test_a_document_that_nobody_fetches_is_forgotten_after_its_time(store: Store, making: Making) -> None:
    exporting = making(kept_s=0.2)
    id = exporting.start(titled(store, "one"), "pdf", Options(), "en")
    ended_at, seen = time.monotonic() + 60, True
    while seen and time.monotonic() < ended_at:
        time.sleep(0.05)
        seen = id in exporting._exports
    with pytest.raises(NotFound):
        exporting.take(id)


def test_only_a_few_documents_are_kept_when_nobody_fetches_them(store: Store, making: Making) -> None:
    exporting, conversation = making(), titled(store, "one")
    ids = []
    for _ in range(7):
        ids.append(exporting.start(conversation, "txt", Options(), "en"))
        ended(exporting, ids[-1])
    with pytest.raises(NotFound):
        exporting.state(ids[0])
    assert exporting.take(ids[-1]) and len(exporting._exports) <= 5


def test_closing_ends_the_processes_and_forgets_the_documents(store: Store, making: Making) -> None:
    exporting = making()
    done = exporting.start(titled(store, "one"), "pdf", Options(), "en")
    ended(exporting, done)
    exporting.start(titled(store, "slow"), "pdf", Options(), "en")
    exporting.close()
    assert processes() == []
    with pytest.raises(NotFound):
        exporting.take(done)
    with pytest.raises(Med42Error):
        exporting.start(titled(store, "late"), "pdf", Options(), "en")
    exporting.close()


# Names


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Red flags of headache", "Red flags of headache"),
        ("../../etc/passwd", ".. .. etc passwd"),
        ('a/b\\c:d*e?f"g<h>i|j', "a b c d e f g h i j"),
        ("CON", "CON"),
        ("ends with dots...", "ends with dots"),
        ("", "Conversation"),
        ("???", "Conversation"),
        ("\u202egnp.exe\x00\n", "gnp.exe"),
        ("Größe µg ≤ 5", "Größe µg ≤ 5"),
    ],
)
def test_a_files_name_is_one_on_every_system(title: str, name: str) -> None:
    made = file_name(Conversation("c", title, 0, 1_773_500_000_000), "pdf")
    assert made == f"2026-03-14 {name}.pdf"


@given(st.text(st.characters(), max_size=300))
def test_no_title_makes_a_name_that_a_system_refuses(title: str) -> None:
    made = file_name(Conversation("c", title, 0, 1_773_500_000_000), "docx")
    assert len(made.encode("utf-8")) <= 255 and made == made.strip() and not set('<>:"/\\|?*\n\0') & set(made)
    assert made.endswith(".docx") and made.startswith("2026-")


# In


def test_what_was_exported_comes_in_again_and_what_is_no_conversation_does_not(store: Store, making: Making) -> None:
    exporting, (conversation, _) = making(), asked(store)
    data = record.write(*store.conversations.whole(conversation))
    assert exporting.restore(data).outcome == "same"
    store.conversations.delete(conversation)
    assert exporting.restore(data).outcome == "new"
    with pytest.raises(InputError):
        exporting.restore(data[:-10])
    assert exporting.restore(data).conversation == store.conversations.get(conversation)
