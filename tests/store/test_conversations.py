"""Conversations as trees, and what belongs to an answer."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med42_chat.errors import NotFound
from med42_chat.records import Citation, ContextUse, Evidence, LeftOut, Sampling, Source, Timings, Usage
from med42_chat.store.conversations import Conversations
from med42_chat.store.database import Store
from med42_chat.store.evidence import from_json, to_json
from med42_chat.store.texts import sound_text, title_of
from tests.store.samples import CITATIONS, EVIDENCE, FINDINGS, KEY, asked, decrypted

words = st.text(st.characters(codec="utf-8"))
numbers = st.integers(0, 2**40)
floats = st.floats(allow_nan=False)
evidences = st.builds(
    Evidence,
    program=words,
    sampling=st.builds(Sampling, temperature=floats, top_k=numbers, top_p=floats, min_p=floats, repeat_penalty=floats, max_tokens=numbers),
    context=st.builds(ContextUse, numbers, numbers, numbers, numbers, numbers, numbers, numbers),
    seen=st.lists(words).map(tuple),
    sources=st.lists(numbers).map(tuple),
    left_out=st.lists(st.builds(LeftOut, st.sampled_from(["message", "source"]), words, numbers, words)).map(tuple),
    usage=st.builds(Usage, numbers, numbers, numbers),
    timings=st.builds(Timings, floats, floats),
    notes=st.lists(words).map(tuple),
)


@given(evidences)
def test_evidence_survives_its_json_without_loss(evidence: Evidence) -> None:
    assert from_json(to_json(evidence)) == evidence


def test_a_finished_answer_comes_back_with_its_evidence_citations_and_findings(store: Store) -> None:
    conversation, answer = asked(store)
    question, found = store.conversations.branch(conversation)
    assert (question.role, question.text, question.status, question.parent_id) == (
        "user",
        "What are the red flags of headache?",
        "complete",
        None,
    )
    assert (found.id, found.role, found.text, found.status, found.parent_id) == (
        answer,
        "assistant",
        "Sudden onset.",
        "complete",
        question.id,
    )
    assert found.evidence == EVIDENCE
    assert found.citations == CITATIONS
    assert found.findings == FINDINGS
    assert store.conversations.message(answer) == found


def test_the_same_source_may_be_cited_twice(store: Store) -> None:
    conversation = store.conversations.create()
    _, answer = store.conversations.begin(conversation.id, "Why?")
    twice = (Citation(Source(1, "A", "a b"), "a"), Citation(Source(1, "A", "a b"), "b"))
    assert store.conversations.finish(answer.id, "a [1] b [1]", "complete", None, twice).citations == twice


@given(st.text())
def test_any_text_is_kept_except_for_half_characters(store_for_texts: Conversations, text: str) -> None:
    conversation = store_for_texts.create()
    question, answer = store_for_texts.begin(conversation.id, text)
    store_for_texts.append(answer.id, text)
    expected = sound_text(text)
    assert question.text == expected
    assert store_for_texts.message(answer.id).text == expected
    assert store_for_texts.finish(answer.id, text, "complete", None).text == expected


@pytest.fixture(scope="module")
def store_for_texts(tmp_path_factory: pytest.TempPathFactory) -> object:
    with Store.open(tmp_path_factory.mktemp("texts"), bytes(32)) as store:
        yield store.conversations


def test_half_characters_are_joined_or_replaced() -> None:
    assert sound_text("a\ud83d\ude00b\ud800c\x00") == "a😀b\ufffdc\x00"


def test_a_streaming_answer_reads_as_what_was_acknowledged(store: Store) -> None:
    conversation = store.conversations.create()
    _, answer = store.conversations.begin(conversation.id, "Why?")
    for piece in ("Be", "cause ", "", "so\x00."):
        store.conversations.append(answer.id, piece)
    found = store.conversations.branch(conversation.id)[-1]
    assert (found.text, found.status) == ("Because so\x00.", "streaming")


def test_finishing_leaves_no_deltas(store: Store) -> None:
    conversation = store.conversations.create()
    _, answer = store.conversations.begin(conversation.id, "Why?")
    store.conversations.append(answer.id, "Beca")
    assert store.conversations.finish(answer.id, "Because.", "stopped", None).text == "Because."
    assert store._connections.rows("select * from stream_deltas") == []


def test_a_new_question_follows_the_active_leaf(store: Store) -> None:
    conversation, answer = asked(store)
    question, _ = store.conversations.begin(conversation, "And then?")
    assert question.parent_id == answer
    assert [message.text for message in store.conversations.branch(conversation)] == [
        "What are the red flags of headache?",
        "Sudden onset.",
        "And then?",
        "",
    ]


def test_asking_again_makes_a_sibling_and_keeps_the_old_branch(store: Store) -> None:
    conversation, first = asked(store)
    question, second = store.conversations.begin(conversation, "Edited?", parent=None)
    store.conversations.finish(second.id, "New.", "complete", None)
    assert [message.id for message in store.conversations.branch(conversation)] == [question.id, second.id]
    assert [message.id for message in store.conversations.branch(conversation, leaf=first)][-1] == first
    again, _ = store.conversations.begin(conversation, "Further on the old one", parent=first)
    assert again.parent_id == first
    assert len(store.conversations.branch(conversation)) == 4


def test_a_branch_takes_one_query_however_long_it_is(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation, _ = asked(store)
    for number in range(10):
        _, answer = store.conversations.begin(conversation, f"Question {number}?")
        store.conversations.finish(answer.id, "Yes.", "complete", EVIDENCE, CITATIONS)
    queries: list[str] = []
    ask = store._connections.rows
    monkeypatch.setattr(store._connections, "rows", lambda sql, parameters=(): queries.append(sql) or ask(sql, parameters))
    assert len(store.conversations.branch(conversation)) == 22
    assert len(queries) == 2  # the leaf, then everything


def test_the_title_comes_from_the_first_question_and_stays(store: Store) -> None:
    conversation = store.conversations.create()
    store.conversations.begin(conversation.id, "\n  What   is\tHELLP? \nIt was asked today.")
    assert store.conversations.get(conversation.id).title == "What is HELLP?"
    store.conversations.begin(conversation.id, "Something else?")
    assert store.conversations.get(conversation.id).title == "What is HELLP?"


def test_a_title_given_by_the_person_is_kept(store: Store) -> None:
    conversation = store.conversations.create("Ward 3")
    store.conversations.begin(conversation.id, "What is HELLP?")
    store.conversations.rename(conversation.id, " Ward\n4 ")
    assert store.conversations.get(conversation.id).title == "Ward 4"


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("", ""),
        (" \n\t", ""),
        ("Short?", "Short?"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 60 + "…"),
        ("A question, " * 8, "A question, A question, A question, A question, A question…"),
    ],
)
def test_long_titles_are_cut_at_a_word(question: str, title: str) -> None:
    assert title_of(question) == title


def test_recent_gives_pinned_ones_first_and_then_the_newest(store: Store) -> None:
    first, second, third = (asked(store, f"Question {number}")[0] for number in range(3))
    with store._connections.write() as db:
        db.conn.execute("update conversations set pinned = 1, updated_at = 1 where uid = ?", (second,))
        db.conn.execute("update conversations set updated_at = 2 where uid = ?", (first,))
    assert [head.id for head in store.conversations.recent()] == [second, third, first]
    assert [head.id for head in store.conversations.recent(limit=1, offset=1)] == [third]
    assert store.conversations.get(second).pinned


def test_archived_ones_are_listed_apart(store: Store) -> None:
    kept, put_away = asked(store)[0], asked(store)[0]
    with store._connections.write() as db:
        db.conn.execute("update conversations set archived = 1 where uid = ?", (put_away,))
    assert [head.id for head in store.conversations.recent()] == [kept]
    assert [head.id for head in store.conversations.recent(archived=True)] == [put_away]
    assert (store.conversations.total(), store.conversations.total(archived=True)) == (1, 1)


def test_a_new_message_moves_its_conversation_up(store: Store) -> None:
    old, new = asked(store)[0], asked(store)[0]
    with store._connections.write() as db:
        db.conn.execute("update conversations set updated_at = 1 where uid = ?", (old,))
    assert [head.id for head in store.conversations.recent()] == [new, old]
    store.conversations.begin(old, "Again?")
    assert store.conversations.recent()[0].id == old
    assert store.conversations.get(old).message_count == 4


def test_pinned_facts_are_kept(store: Store) -> None:
    conversation = store.conversations.create(pinned_facts="Penicillin allergy")
    assert conversation.pinned_facts == "Penicillin allergy"
    store.conversations.set_pinned_facts(conversation.id, "None known")
    assert store.conversations.get(conversation.id).pinned_facts == "None known"


def test_what_does_not_exist_is_named_in_plain_words(store: Store) -> None:
    conversation, answer = asked(store)
    other, _ = asked(store)
    talks = store.conversations
    for attempt in (
        lambda: talks.get("nope"),
        lambda: talks.branch("nope"),
        lambda: talks.branch(other, leaf=answer),
        lambda: talks.message("nope"),
        lambda: talks.begin("nope", "Why?"),
        lambda: talks.begin(other, "Why?", parent=answer),
        lambda: talks.rename("nope", "x"),
        lambda: talks.set_pinned_facts("nope", "x"),
        lambda: talks.delete("nope"),
        lambda: talks.append("nope", "x"),
        lambda: talks.append(answer, "x"),
        lambda: talks.finish(answer, "x", "complete", None),
    ):
        with pytest.raises(NotFound) as caught:
            attempt()
        assert caught.value.hint
    assert talks.get(conversation).message_count == 2


def test_a_conversation_searches_the_whole_library_first_until_it_is_told_otherwise(store: Store) -> None:
    talks = store.conversations
    conversation = talks.create()
    assert (conversation.library, conversation.collections) == ("first", ())
    talks.set_library(conversation.id, "only", ["Ward 3", " Ward\n3 ", "Renal"])
    changed = talks.get(conversation.id)
    assert (changed.library, changed.collections) == ("only", ("Ward 3", "Renal"))
    with pytest.raises(NotFound):
        talks.set_library("none", "off")


def test_a_failed_finish_changes_nothing(store: Store) -> None:
    conversation = store.conversations.create()
    _, answer = store.conversations.begin(conversation.id, "Why?")
    store.conversations.append(answer.id, "Beca")
    wrong = Citation(Source(1, "t", "x"), verdict="maybe")  # type: ignore[arg-type]
    with pytest.raises(Exception, match="refused"):
        store.conversations.finish(answer.id, "Because.", "complete", EVIDENCE, [wrong])
    found = store.conversations.message(answer.id)
    assert (found.text, found.status, found.evidence) == ("Beca", "streaming", None)


def test_deleted_means_gone_from_the_file_and_its_log(store: Store) -> None:
    canary = "Zebediah Quackenbush"
    conversation = store.conversations.create(f"About {canary}", pinned_facts=f"{canary}: penicillin")
    for number in range(30):
        _, answer = store.conversations.begin(conversation.id, f"{number}: what about {canary}?" + " filler" * 300)
        store.conversations.append(answer.id, f"The patient {canary} ")
        store.conversations.finish(answer.id, f"The patient {canary} is well.", "complete", EVIDENCE, CITATIONS)
        asked(store, f"Another question {number}", "Another answer " * 40)
    for word in (b"Quackenbush", b"quackenbush"):  # as written, and as the index keeps it
        assert word in decrypted(store.path), "the search for the canary must be able to find it"
    store.conversations.delete(conversation.id)
    for word in (b"Quackenbush", b"quackenbush", b"Zebediah", b"zebediah"):
        assert word not in decrypted(store.path)
    assert store.path.with_name("med42.db-wal").stat().st_size == 0
    assert store.conversations.search("Quackenbush") == []
    assert store.conversations.total() == 30
    assert {health.state for health in store.check()} == {"ok"}


def test_a_deletion_that_was_cut_short_shows_nothing_and_goes_on_at_the_next_start(home: Path) -> None:
    with Store.open(home, KEY) as store:
        kept, _ = asked(store)
        conversation, answer = asked(store, "About Quackenbush?", "Quackenbush is well.")
        with store._connections.write() as db:
            db.conn.execute("update conversations set deleting = 1 where uid = ?", (conversation,))
        assert [head.id for head in store.conversations.recent()] == [kept]
        assert store.conversations.total() == 1
        assert store.conversations.search("Quackenbush") == []
        for attempt in (store.conversations.get, store.conversations.branch, store.conversations.delete):
            with pytest.raises(NotFound):
                attempt(conversation)
        with pytest.raises(NotFound):
            store.conversations.branch(conversation, leaf=answer)
        with pytest.raises(NotFound):
            store.conversations.begin(conversation, "Why?")
    with Store.open(home, KEY) as store:
        assert [row["uid"] for row in store._connections.rows("select uid from conversations")] == [kept]
        assert b"uackenbush" not in decrypted(store.path)


def test_answers_are_saved_while_a_long_conversation_is_deleted(store: Store) -> None:
    long, _ = asked(store)
    for number in range(60):
        _, answer = store.conversations.begin(long, f"Question {number}?")
        store.conversations.finish(answer.id, "word " * 50, "complete", None)
    _, streaming = store.conversations.begin(store.conversations.create().id, "Why?")
    with ThreadPoolExecutor(1) as pool:
        deletion = pool.submit(store.conversations.delete, long)
        saved = 0
        while not deletion.done():
            store.conversations.append(streaming.id, "x")
            saved += 1
        deletion.result()
    assert saved > 1
    assert store.conversations.message(streaming.id).text == "x" * saved
    assert store._connections.row("select count(*) as n from messages")["n"] == 2  # type: ignore[index]


def test_deleting_beside_a_reader_empties_the_log_as_soon_as_it_has_gone(store: Store) -> None:
    conversation, _ = asked(store, "About Quackenbush?")
    log = store.path.with_name("med42.db-wal")
    reader = store._connections._borrow()
    reader.execute("begin")
    reader.execute("select count(*) from messages").fetchall()
    store.conversations.delete(conversation)
    assert b"Quackenbush" in decrypted(store.path)
    reader.execute("commit")
    store._connections._readers.put(reader)
    store.conversations.create("The next write")
    assert log.stat().st_size == 0
    assert b"Quackenbush" not in decrypted(store.path)


def test_readers_and_a_writer_work_at_the_same_time(store: Store) -> None:
    conversation = store.conversations.create()
    _, answer = store.conversations.begin(conversation.id, "Why?")
    done = threading.Event()

    def read() -> list[int]:
        lengths = []
        while not done.is_set():
            lengths.append(len(store.conversations.branch(conversation.id)[-1].text))
            store.conversations.search("why")
            store.conversations.recent()
        return lengths

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for _ in range(200):
            store.conversations.append(answer.id, "x")
        done.set()
        for reader in readers:
            assert reader.result() == sorted(reader.result()), "an acknowledged piece was there and then not"
    assert store.conversations.message(answer.id).text == "x" * 200


def test_many_writers_lose_nothing(store: Store) -> None:
    def write() -> None:
        for _ in range(10):
            asked(store)

    writers = [threading.Thread(target=write) for _ in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert store.conversations.total() == 60
    assert store.audit.verify().state == "ok"


def test_the_file_says_nothing_without_its_key(store: Store, home: Path) -> None:
    asked(store, "About Quackenbush?")
    raw = b"".join(path.read_bytes() for path in home.iterdir())
    assert b"Quackenbush" not in raw
    assert b"SQLite" not in raw


def test_an_answer_that_a_crash_cut_short_still_says_how_it_came_about(store: Store) -> None:
    talks = store.conversations
    _, answer = talks.begin(talks.create().id, "Why?")
    talks.record(answer.id, EVIDENCE)
    talks.append(answer.id, "Beca")
    talks.recover()
    found = talks.message(answer.id)
    assert (found.status, found.text, found.evidence) == ("interrupted", "Beca", EVIDENCE)


def test_its_sources_outlive_the_crash_and_are_replaced_by_those_that_were_checked(store: Store) -> None:
    talks, source = store.conversations, Source(1, "Potassium", "Give 40 mmol.")
    id = talks.create().id
    _, cut = talks.begin(id, "How much?")
    talks.record(cut.id, EVIDENCE, [Citation(source)])
    talks.recover()
    assert talks.message(cut.id).citations == (Citation(source),)
    _, ended = talks.begin(id, "And then?")
    talks.record(ended.id, EVIDENCE, [Citation(source)])
    checked = Citation(source, "40 mmol", "found")
    assert talks.finish(ended.id, "Give 40 mmol [1].", "complete", EVIDENCE, [checked]).citations == (checked,)


def test_the_last_word_on_how_an_answer_came_about_replaces_the_first(store: Store) -> None:
    talks = store.conversations
    _, answer = talks.begin(talks.create().id, "Why?")
    talks.record(answer.id, replace(EVIDENCE, finish_reason="died"))
    assert talks.finish(answer.id, "Because.", "complete", EVIDENCE).evidence == EVIDENCE
    with pytest.raises(NotFound):
        talks.record(answer.id, EVIDENCE)
