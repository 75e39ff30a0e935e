"""A whole conversation out of one store and into another, or the same one: nothing is lost, nothing that was there is touched."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from med42_chat.errors import NotFound
from med42_chat.export import record
from med42_chat.records import Attachment, Conversation, Evidence, Feedback, LeftOut, Message
from med42_chat.store.conversations import Conversations
from med42_chat.store.database import Store
from med42_chat.store.transfer import Restored
from tests.store.samples import CITATIONS, EVIDENCE, FINDINGS, KEY, asked


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Conversations]:
    """The store of another computer."""
    with Store.open(tmp_path / "elsewhere", KEY) as opened:
        yield opened.conversations


def grown(store: Store) -> str:
    """A conversation with versions of questions and answers, three branches, and one of everything that belongs to a message."""
    talks, (id, first) = store.conversations, asked(store, answer="Sudden onset, fever. \x00")
    talks.set_pinned_facts(id, "Allergic to penicillin")
    talks.set_folder(id, "Ward 7")
    talks.set_tags(id, ["headache", "Ä"])
    talks.set_library(id, "only", ["Guidelines"])
    talks.set_pinned(id, True)
    talks.set_feedback(first, Feedback("bad", "No source", 5))
    question, again = talks.begin_again(id, talks.branch(id)[0].id)
    evidence = replace(EVIDENCE, seen=(question.id,), left_out=(LeftOut("message", first, 3, "Sudden"), LeftOut("source", "2", 3, "x")))
    talks.finish(again.id, "Age above 50.", "stopped", evidence, CITATIONS, FINDINGS)
    letter = Attachment("Letter.pdf", "Dear colleague", "application/pdf", 2)
    _, later = talks.begin(id, "And in pregnancy?", parent=again.id, attachments=[letter])
    talks.finish(later.id, "Ask obstetrics.", "length", evidence)
    _, edited = talks.begin(id, "And in children?", parent=again.id)
    talks.finish(edited.id, "", "failed", None)
    talks.choose(id, later.id)
    return id


def carried(talks: Conversations, id: str) -> record.Record:
    return record.read(record.write(*talks.whole(id)))


def restored(talks: Conversations, found: record.Record) -> Restored:
    return talks.restore(found.conversation, found.messages)


def test_whole_is_every_version_and_its_end_is_the_branch_that_is_shown(store: Store) -> None:
    id = grown(store)
    conversation, messages = store.conversations.whole(id)
    assert len(messages) == conversation.message_count == 7
    assert list(record.branch(conversation, messages)) == store.conversations.branch(id)


def test_there_is_nothing_whole_of_a_conversation_that_is_hidden_or_was_never_there(store: Store) -> None:
    id = grown(store)
    store.conversations.hide(id)
    for missing in (id, "nowhere"):
        with pytest.raises(NotFound):
            store.conversations.whole(missing)


def test_a_conversation_comes_back_with_tree_branch_citations_evidence_attachments_and_feedback(
    store: Store, elsewhere: Conversations
) -> None:
    id = grown(store)
    result = restored(elsewhere, carried(store.conversations, id))
    assert result == Restored(store.conversations.get(id), "new")
    assert elsewhere.whole(id) == store.conversations.whole(id)
    assert elsewhere.branch(id) == store.conversations.branch(id)


def test_what_came_back_is_found_by_a_search_and_stands_in_its_folder(store: Store, elsewhere: Conversations) -> None:
    id = grown(store)
    restored(elsewhere, carried(store.conversations, id))
    assert [hit.conversation_id for hit in elsewhere.search("obstetrics")] == [id]
    assert elsewhere.folders() == [("Ward 7", 1)] and [name for name, _ in elsewhere.tags()] == ["headache", "Ä"]


def test_a_conversation_that_came_back_goes_on(store: Store, elsewhere: Conversations) -> None:
    id = grown(store)
    restored(elsewhere, carried(store.conversations, id))
    end = elsewhere.get(id).leaf_id
    question, answer = elsewhere.begin(id, "One more?")
    elsewhere.finish(answer.id, "Yes.", "complete", None)
    assert question.parent_id == end and elsewhere.get(id).message_count == 9


def test_one_that_is_there_already_is_left_as_it_is(store: Store) -> None:
    id = grown(store)
    found, before = carried(store.conversations, id), store.conversations.whole(id)
    assert restored(store.conversations, found) == Restored(before[0], "same")
    assert store.conversations.whole(id) == before and store.conversations.total() == 1


def test_where_it_is_filed_and_which_branch_is_shown_makes_no_other_conversation_of_it(store: Store) -> None:
    id = grown(store)
    found = carried(store.conversations, id)
    store.conversations.set_folder(id, "Archive")
    store.conversations.choose(id, store.conversations.whole(id)[1][1].id)
    assert restored(store.conversations, found).outcome == "same"
    assert store.conversations.get(id).folder == "Archive"


def test_one_that_has_gone_on_here_gets_a_copy_beside_it_that_points_to_its_own_messages(store: Store) -> None:
    id = grown(store)
    found = carried(store.conversations, id)
    asked_again, answer = store.conversations.begin(id, "One more?")
    store.conversations.finish(answer.id, "Yes.", "complete", None)
    before = store.conversations.whole(id)

    result = restored(store.conversations, found)
    assert result.outcome == "copy" and result.conversation.id != id
    assert store.conversations.whole(id) == before
    copy, messages = store.conversations.whole(result.conversation.id)
    assert _plain(copy, messages) == _plain(found.conversation, found.messages)
    assert not {message.id for message in messages} & {message.id for message in before[1]}
    evidence = messages[2].evidence
    assert evidence is not None and evidence.seen == (messages[0].id,)
    assert [left.id for left in evidence.left_out] == [messages[1].id, "2"]
    assert asked_again.id not in json.dumps(record.pack(messages))


def _plain(conversation: Conversation, messages: Any) -> list[object]:
    """The tree with positions in the place of ids."""
    at = {message.id: number for number, message in enumerate(messages)}
    kept = [replace(message, id="", conversation_id="", parent_id=None, versions=(), evidence=None) for message in messages]
    parents = [at[message.parent_id] if message.parent_id else None for message in messages]
    evidence = [_without_ids(message) for message in messages]
    return [replace(conversation, id="", leaf_id=""), at[conversation.leaf_id], kept, parents, evidence]


def _without_ids(message: Message) -> Evidence | None:
    return message.evidence and replace(message.evidence, seen=(), left_out=())


def test_a_copy_is_made_also_where_the_id_belongs_to_a_hidden_conversation_which_can_still_come_back(store: Store) -> None:
    id = grown(store)
    found = carried(store.conversations, id)
    store.conversations.hide(id)
    assert restored(store.conversations, found).outcome == "copy"
    store.conversations.unhide(id)
    assert store.conversations.total() == 2


def test_a_message_id_that_is_another_conversations_is_not_taken_from_it(store: Store) -> None:
    id = grown(store)
    before = store.conversations.whole(id)
    found = carried(store.conversations, id)
    theirs = [replace(message, conversation_id="other") for message in found.messages]
    result = store.conversations.restore(replace(found.conversation, id="other"), theirs)
    assert result.outcome == "copy" and store.conversations.whole(id) == before


def test_one_that_was_deleted_comes_back_under_its_own_id(store: Store) -> None:
    id = grown(store)
    found, before = carried(store.conversations, id), store.conversations.whole(id)
    store.conversations.delete(id)
    assert restored(store.conversations, found).outcome == "new"
    assert store.conversations.whole(id) == before


def test_an_answer_that_was_being_written_when_it_left_has_been_interrupted(store: Store, elsewhere: Conversations) -> None:
    id = store.conversations.create().id
    _, answer = store.conversations.begin(id, "Hello?")
    store.conversations.append(answer.id, "Half an")
    restored(elsewhere, carried(store.conversations, id))
    half = elsewhere.branch(id)[1]
    assert (half.text, half.status) == ("Half an", "interrupted")
    assert elsewhere.search("half")  # it is in the index: nobody will finish it


def test_half_characters_and_long_names_of_a_foreign_file_are_kept_as_the_store_keeps_its_own(elsewhere: Conversations) -> None:
    head = Conversation("c1", "One\ntwo \ud83d" + "x" * 300, 1, 1, leaf_id="q", folder=" a \n b ", tags=("t", "t", ""))
    question = Message("q", "c1", None, "user", "\ud83d\ude00 \udc00", "complete", 1)
    hurt = Message("a", "c1", "q", "assistant", "x", "complete", 1, EVIDENCE, (replace(CITATIONS[0], quote="\ud800"),), findings=FINDINGS)
    kept = elsewhere.restore(head, [question, hurt]).conversation
    assert kept.title.startswith("One two \ufffdx") and len(kept.title) == 200 and (kept.folder, kept.tags) == ("a b", ("t",))
    assert elsewhere.message("q").text == "\U0001f600 \ufffd" and elsewhere.message("a").citations[0].quote == "\ufffd"


def test_an_end_that_is_none_leads_to_the_end_of_its_branch(elsewhere: Conversations) -> None:
    head = Conversation("c1", "Two", 1, 1, leaf_id="q")
    question = Message("q", "c1", None, "user", "Well?", "complete", 1)
    elsewhere.restore(head, [question, Message("a", "c1", "q", "assistant", "Yes.", "complete", 1)])
    assert elsewhere.get("c1").leaf_id == "a"


def test_nothing_of_it_stays_where_it_cannot_be_taken_in(elsewhere: Conversations) -> None:
    head = Conversation("c1", "Broken", 1, 1, leaf_id="q")
    broken = Message("q", "c1", "gone", "user", "Well?", "complete", 1)
    with pytest.raises(KeyError):
        elsewhere.restore(head, [broken])
    assert elsewhere.total() == 0 and elsewhere.search("Broken") == []


def test_that_a_conversation_came_in_is_in_the_audit_trail_without_its_words(store: Store, elsewhere: Conversations) -> None:
    id = grown(store)
    restored(elsewhere, carried(store.conversations, id))
    (row,) = elsewhere._connections.rows("select subject, detail from audit where action = 'conversation.imported'")
    assert row["subject"] == id and json.loads(row["detail"]) == {"messages": "7"}
