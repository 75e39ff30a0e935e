"""Search: any text is safe, the last word may be unfinished, extracts show where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med42_chat.store.conversations import Conversations
from med42_chat.store.database import Store
from med42_chat.store.search import extract, words_of
from tests.store.samples import asked


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> object:
    with Store.open(tmp_path_factory.mktemp("search") / "home", bytes(32)) as store:
        asked(store, "What is Ménière's disease?", "Vertigo, hearing loss and tinnitus; betahistine 16 mg is often given.")
        asked(store, "When do I start beta blockers?", "After 0.5mg of reassurance. Hypertension first; headaches may follow.")
        asked(store, "Encephalitis or encephalopathy?", "Encephalitis is an inflammation of the brain.")
        yield store.conversations


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("vertigo", 1),
        ("VERTIGO", 1),
        ("meniere", 1),
        ("Me\u0301nie\u0300re", 1),
        ("blocker", 1),
        ("headache", 1),
        ("0.5mg", 1),
        ("hyp", 1),
        ("hy", 0),  # too short to be a beginning
        ("hypert", 1),
        ("hypertensi", 1),
        ("encephalo", 1),
        ("what is the vertigo", 1),
        ("vertigo tinn", 1),
        ("tinn vertigo", 1),  # not all words: then any
        ("xylophone", 0),
        ("xylo", 0),
        ("", 0),
        ("   ", 0),
        ('"', 0),
        ("-*()^:", 0),
    ],
)
def test_what_is_found(talks: Conversations, text: str, found: int) -> None:
    assert len({hit.conversation_id for hit in talks.search(text)}) == found


@pytest.mark.parametrize(
    "text", ['"vertigo', "vertigo AND", "NOT vertigo", "NEAR(vertigo, 2)", "text:vertigo", "vertigo*", "-vertigo", "vertigo'; --"]
)
def test_what_looks_like_an_operator_is_only_words(talks: Conversations, text: str) -> None:
    assert "Vertigo" in talks.search(text)[0].snippet


@given(st.text())
def test_any_text_is_a_safe_search(talks: Conversations, text: str) -> None:
    for hit in talks.search(text):
        assert len(hit.snippet) % 2 == 1


def test_a_very_long_paste_is_a_safe_search(talks: Conversations) -> None:
    assert talks.search("vertigo " * 25_000)


def test_a_message_with_all_words_comes_before_those_with_some(store: Store) -> None:
    asked(store, "Renal failure", "x")
    wanted, _ = asked(store, "Renal colic", "x")
    asked(store, "Colic of infants", "x")
    assert [hit.conversation_id for hit in store.conversations.search("renal colic")] == [wanted]


def test_streaming_and_deleted_messages_are_not_found(store: Store) -> None:
    conversation = store.conversations.create("x")
    _, answer = store.conversations.begin(conversation.id, "Why?")
    store.conversations.append(answer.id, "Haemochromatosis")
    assert store.conversations.search("haemochromatosis") == []
    store.conversations.finish(answer.id, "Haemochromatosis", "complete", None)
    assert len(store.conversations.search("haemochromatosis")) == 1
    store.conversations.delete(conversation.id)
    assert store.conversations.search("haemochromatosis") == []


def test_a_title_is_found_and_names_no_message(store: Store) -> None:
    conversation, _ = asked(store)
    store.conversations.rename(conversation, "Ward round Kardiologie")
    (hit,) = store.conversations.search("kardio")
    assert (hit.conversation_id, hit.message_id, hit.snippet) == (conversation, "", ("Ward round ", "Kardiologie", ""))


def test_the_limit_holds(store: Store) -> None:
    for number in range(8):
        asked(store, f"Vertigo number {number}", "Vertigo again")
    assert len(store.conversations.search("vertigo", limit=3)) == 3
    assert store.conversations.search("vertigo", limit=0) == []


def test_old_messages_are_found_behind_many_newer_ones_that_begin_alike(store: Store) -> None:
    wanted = store.conversations.create("x")
    store.conversations.begin(wanted.id, "Contraindications?")
    conversation = store.conversations.create("x")
    with store._connections.write() as db:
        head = db.conn.execute("select id from conversations where uid = ?", (conversation.id,)).fetchone()["id"]
        db.conn.executemany(
            """insert into messages(uid, conversation_id, role, status, text, created_at)
            values (?, ?, 'user', 'complete', 'Continue control', 1)""",
            [(f"m{number}", head) for number in range(600)],
        )
    for unfinished in ("contra", "contraind", "contraindicatio"):
        assert store.conversations.search(unfinished)[0].conversation_id == wanted.id


def test_an_extract_alternates_plain_and_matching_text() -> None:
    words = words_of("headaches vert")
    assert words is not None
    text = "word " * 30 + "Headache\nand  vertigo" + " word" * 100
    pieces = extract(text, words)
    assert pieces[1::2] == ("Headache", "vertigo")
    assert pieces[0].startswith("…word")
    assert pieces[0].endswith("word ")
    assert pieces[2] == " and "
    assert pieces[-1].endswith("…")
    assert sum(map(len, pieces)) < 250


def test_an_extract_of_a_short_text_is_the_text() -> None:
    words = words_of("vertigo")
    assert words is not None
    assert extract("Only vertigo", words) == ("Only ", "vertigo", "")
    assert extract("Nothing of it", words) == ("Nothing of it",)
