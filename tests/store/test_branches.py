"""Versions side by side, which branch is shown, and what comes with a question or an answer."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from med42_chat.errors import NotFound
from med42_chat.records import Attachment, Draft, Feedback, Message
from med42_chat.store.attachments import from_json, to_json
from med42_chat.store.conversations import Conversations
from med42_chat.store.database import Store
from tests.store.samples import KEY, asked, decrypted

LETTER = Attachment("Letter.pdf", "Dear colleague,\nthe potassium is 6.1.\x00", "application/pdf", 2)

attachments = st.lists(
    st.builds(Attachment, *[st.text(st.characters(codec="utf-8"))] * 3, st.none() | st.integers(0, 2**31)), max_size=4
).map(tuple)


def answered(talks: Conversations, begun: tuple[Message, Message], text: str = "Yes.") -> str:
    return talks.finish(begun[1].id, text, "complete", None).id


def shown(talks: Conversations, id: str) -> list[str]:
    return [message.id for message in talks.branch(id)]


@given(attachments)
def test_attachments_survive_their_json_without_loss(items: tuple[Attachment, ...]) -> None:
    assert from_json(to_json(items)) == items


def test_a_further_answer_stands_beside_the_first_and_both_know_of_each_other(store: Store) -> None:
    talks, (id, first) = store.conversations, asked(store)
    question = talks.branch(id)[0]
    again, answer = talks.begin_again(id, question.id)
    second = answered(talks, (again, answer))
    assert again == question and answer.parent_id == question.id
    assert talks.message(first).versions == talks.message(second).versions == (first, second)
    assert shown(talks, id) == [question.id, second] and talks.get(id).leaf_id == second
    assert talks.get(id).message_count == 3
    assert question.versions == ()


def test_an_edited_question_is_a_version_of_the_old_one_also_in_the_first_place(store: Store) -> None:
    talks, (id, first) = store.conversations, asked(store)
    old = talks.branch(id)[0]
    edited = talks.begin(id, "Edited?", parent=old.parent_id)[0]
    assert edited.versions == talks.message(old.id).versions == (old.id, edited.id)
    later = talks.begin(id, "Later?", parent=first)[0]
    later_edited = talks.begin(id, "Later, edited?", parent=first)[0]
    assert later_edited.versions == talks.message(later.id).versions == (later.id, later_edited.id)


def test_an_answer_that_goes_on_begins_with_its_words_and_keeps_them_when_the_program_dies(home: Path) -> None:
    with Store.open(home, KEY) as store:
        id, _ = asked(store)
        question = store.conversations.branch(id)[0]
        _, answer = store.conversations.begin_again(id, question.id, "Sudden onset and")
        assert (answer.text, answer.status) == ("Sudden onset and", "streaming")
        store.conversations.append(answer.id, " fever.")
        assert store.conversations.message(answer.id).text == "Sudden onset and fever."
    with Store.open(home, KEY) as store:
        kept = store.conversations.message(answer.id)
        assert (kept.text, kept.status) == ("Sudden onset and fever.", "interrupted")


def test_choosing_a_version_leads_to_where_its_branch_was_last_shown(store: Store) -> None:
    talks, (id, first) = store.conversations, asked(store)
    question = talks.branch(id)[0].id
    deep = answered(talks, talks.begin(id, "Further on the first?"))
    deeper = answered(talks, talks.begin(id, "And further?"))
    aside = answered(talks, talks.begin(id, "Or else?", parent=first))
    second = answered(talks, talks.begin_again(id, question))
    talks.choose(id, first)
    assert shown(talks, id)[-1] == aside, "the newest branch under the first answer was the one last shown"
    talks.choose(id, deep)
    assert shown(talks, id)[-1] == deeper
    talks.choose(id, second)
    assert shown(talks, id) == [question, second]
    talks.choose(id, first)
    assert shown(talks, id)[-1] == deeper, "not the newest, but the one last shown"
    assert talks.begin(id, "Goes on there?")[0].parent_id == deeper


def test_branches_of_a_database_that_remembers_nothing_lead_to_the_newest(store: Store) -> None:
    talks, (id, first) = store.conversations, asked(store)
    answered(talks, talks.begin(id, "One?"))
    newest = answered(talks, talks.begin(id, "Two?", parent=first))
    with store._connections.write() as db:
        db.conn.execute("update messages set shown_id = null")
    talks.choose(id, first)
    assert shown(talks, id)[-1] == newest


def test_what_came_with_a_question_stays_with_it(store: Store) -> None:
    id = store.conversations.create().id
    question, answer = store.conversations.begin(id, "What is meant?", attachments=[LETTER])
    assert question.attachments == (LETTER,) and answer.attachments == ()
    answered(store.conversations, (question, answer))
    assert [message.attachments for message in store.conversations.branch(id)] == [(LETTER,), ()]
    assert store.conversations.begin_again(id, question.id)[0].attachments == (LETTER,)


def test_feedback_is_kept_replaced_and_forgotten(store: Store) -> None:
    talks, (id, answer) = store.conversations, asked(store)
    talks.set_feedback(answer, Feedback("bad", "Wrong dose", 7))
    assert talks.message(answer).feedback == Feedback("bad", "Wrong dose", 7)
    talks.set_feedback(answer, Feedback("good"))
    found = talks.branch(id)[-1].feedback
    assert found is not None and (found.verdict, found.reason) == ("good", "") and found.created_at > 7
    talks.set_feedback(answer, None)
    assert talks.message(answer).feedback is None
    details = [row["detail"] for row in store._connections.rows("select detail from audit where action = 'answer.rated'")]
    assert len(details) == 3 and not any("dose" in detail for detail in details)


def test_a_draft_survives_a_restart_and_is_forgotten_when_it_is_sent_or_emptied(home: Path) -> None:
    draft = Draft("Is the \ud800 potassium", (LETTER,))
    with Store.open(home, KEY) as store:
        id, _ = asked(store)
        assert store.conversations.draft(id) == Draft()
        store.conversations.set_draft(id, draft)
        store.conversations.set_draft("", Draft("not yet a conversation"))
    with Store.open(home, KEY) as store:
        talks = store.conversations
        assert talks.draft(id) == Draft("Is the \ufffd potassium", (LETTER,))
        talks.set_draft(id, Draft("shorter"))
        assert talks.draft(id) == Draft("shorter")
        talks.begin(id, "Is the potassium high?")
        assert talks.draft(id) == Draft() and talks.draft("") == Draft("not yet a conversation")
        talks.set_draft("", Draft())
        assert store._connections.rows("select * from drafts") == []


def test_what_is_taken_out_of_a_draft_is_gone_from_the_file_and_its_log(store: Store) -> None:
    letter, other = Attachment("a.txt", "About Quackenbush"), Attachment("b.txt", "About nobody")
    for after in (Draft("typed", (other,)), Draft()):
        store.conversations.set_draft("", Draft("typed", (letter, other)))
        assert b"Quackenbush" in decrypted(store.path)
        store.conversations.set_draft("", after)
        assert b"Quackenbush" not in decrypted(store.path)


def test_deletion_takes_everything_that_belongs_to_the_conversation_from_the_file(store: Store) -> None:
    talks = store.conversations
    id = talks.create().id
    letter = Attachment("Zanzibar.txt", "About Quackenbush " * 200)
    begun = talks.begin(id, "Who?", attachments=[letter])
    talks.set_feedback(answered(talks, begun), Feedback("bad", "Quackenbush is dead"))
    talks.set_draft(id, Draft("Quackenbush again", (letter,)))
    talks.set_folder(id, "Quackenbush")
    talks.set_tags(id, ["Quackenbush"])
    for word in (b"Quackenbush", b"Zanzibar"):
        assert word in decrypted(store.path)
    talks.delete(id)
    for word in (b"Quackenbush", b"Zanzibar"):
        assert word not in decrypted(store.path)
    for table in ("conversations", "messages", "attachments", "drafts", "feedback", "conversation_tags"):
        assert store._connections.rows(f"select * from {table}") == [], table
    assert {health.state for health in store.check()} == {"ok"}


def test_hidden_means_gone_for_everybody_until_it_is_taken_back(store: Store) -> None:
    talks, (id, answer) = store.conversations, asked(store, "About Quackenbush?")
    talks.set_draft(id, Draft("typed"))
    talks.set_folder(id, "Ward 3")
    before = talks.get(id), talks.branch(id), talks.draft(id)
    talks.hide(id)
    assert talks.recent() == talks.recent(folder="Ward 3") == talks.search("Quackenbush") == talks.folders() == []
    assert talks.total() == talks.total(folder="Ward 3") == 0
    for attempt in (talks.get, talks.branch, talks.hide):
        with pytest.raises(NotFound):
            attempt(id)
    for ask in (lambda: talks.message(answer), lambda: talks.begin(id, "?"), lambda: talks.set_draft(id, Draft("x"))):
        with pytest.raises(NotFound):
            ask()
    talks.unhide(id)
    assert (talks.get(id), talks.branch(id), talks.draft(id)) == before
    with pytest.raises(NotFound):
        talks.unhide(id)


def test_an_answer_is_written_to_its_end_while_its_conversation_is_hidden(store: Store) -> None:
    talks = store.conversations
    id = talks.create().id
    _, answer = talks.begin(id, "Why?")
    talks.hide(id)
    talks.append(answer.id, "Be")
    assert talks.finish(answer.id, "Because.", "complete", None).text == "Because."
    talks.unhide(id)
    assert [message.text for message in talks.branch(id)] == ["Why?", "Because."]


def test_a_hidden_conversation_can_be_deleted_and_is_deleted_at_the_next_start(home: Path) -> None:
    with Store.open(home, KEY) as store:
        first, second = asked(store)[0], asked(store)[0]
        store.conversations.set_draft(second, Draft("Quackenbush"))
        store.conversations.hide(first)
        store.conversations.delete(first)
        store.conversations.hide(second)
        with pytest.raises(NotFound):
            store.conversations.unhide(first)
    with Store.open(home, KEY) as store:
        assert store._connections.rows("select * from conversations") == store._connections.rows("select * from drafts") == []
        deleted = [row["subject"] for row in store._connections.rows("select * from audit where action = 'conversation.deleted'")]
        assert deleted == [first, second]
        assert b"Quackenbush" not in decrypted(store.path)


def test_what_does_not_exist_is_named_and_nothing_is_changed(store: Store) -> None:
    talks, (id, answer) = store.conversations, asked(store)
    other, _ = asked(store)
    for attempt in (
        lambda: talks.begin_again("nope", answer),
        lambda: talks.begin_again(id, "nope"),
        lambda: talks.begin_again(id, answer),  # an answer is no question
        lambda: talks.begin_again(other, talks.branch(id)[0].id),
        lambda: talks.choose("nope", answer),
        lambda: talks.choose(other, answer),
        lambda: talks.set_feedback("nope", None),
        lambda: talks.set_draft("nope", Draft("x")),
        lambda: talks.hide("nope"),
        lambda: talks.unhide(id),
        lambda: talks.set_tags("nope", []),
        lambda: talks.set_folder("nope", "x"),
        lambda: talks.set_archived("nope", True),
        lambda: talks.set_pinned("nope", True),
    ):
        with pytest.raises(NotFound) as caught:
            attempt()
        assert caught.value.hint
    assert [one.message_count for one in talks.recent()] == [2, 2]


class Trees(RuleBasedStateMachine):
    """Random questions, further answers and choices against a tree kept in plain Python."""

    store: Store  # set by the test

    def __init__(self) -> None:
        super().__init__()
        self.talks = self.store.conversations
        self.id = self.talks.create().id
        self.parents: dict[str, str | None] = {}
        self.last: dict[str, str] = {}
        self.leaf = ""

    def path(self, message: str | None) -> list[str]:
        return [*self.path(self.parents[message]), message] if message else []

    def answer(self, begun: tuple[Message, Message], parent: str | None) -> None:
        question, answer = begun
        self.parents.setdefault(question.id, parent)
        self.parents[answer.id] = question.id
        answered(self.talks, begun)
        self.leaf = answer.id
        self.remember()

    def remember(self) -> None:
        for message in self.path(self.leaf):
            if parent := self.parents[message]:
                self.last[parent] = message

    def of(self, parity: int, data: st.DataObject) -> str:
        return data.draw(st.sampled_from([one for one in self.parents if len(self.path(one)) % 2 == parity]))

    @rule()
    def ask_at_the_end(self) -> None:
        self.answer(self.talks.begin(self.id, "?"), self.leaf or None)

    @rule(data=st.data())
    def ask_elsewhere(self, data: st.DataObject) -> None:
        parent = self.of(0, data) if self.parents and data.draw(st.booleans()) else None
        self.answer(self.talks.begin(self.id, "?", parent), parent)

    @rule(data=st.data())
    def answer_again(self, data: st.DataObject) -> None:
        if self.parents:
            question = self.of(1, data)
            self.answer(self.talks.begin_again(self.id, question), None)

    @rule(data=st.data())
    def choose(self, data: st.DataObject) -> None:
        if self.parents:
            end = message = data.draw(st.sampled_from(list(self.parents)))
            while end in self.last:
                end = self.last[end]
            self.talks.choose(self.id, message)
            self.leaf = end
            self.remember()

    @invariant()
    def the_branch_shown_is_the_one_expected_and_versions_are_those_in_the_same_place(self) -> None:
        branch = self.talks.branch(self.id)
        assert [message.id for message in branch] == self.path(self.leaf or None)
        for message in branch:
            beside = tuple(one for one, parent in self.parents.items() if parent == message.parent_id)
            assert message.versions == (beside if len(beside) > 1 else ())


def test_any_walk_through_a_tree_of_versions_shows_what_was_chosen(store: Store) -> None:
    from hypothesis import HealthCheck, settings
    from hypothesis.stateful import run_state_machine_as_test

    kind = type("TreesOfThisStore", (Trees,), {"store": store})
    limits = settings(max_examples=15, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(kind, settings=limits)
