"""Vectors in the store: which passages lack one, that they go with their passage, and what joining two rankings comes to."""

import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from med42_chat.records import Document, Page, Passage
from med42_chat.store.database import Store
from med42_chat.store.passages import joined, points
from med42_chat.store.vectors import Verdict
from tests.store.samples import decrypted

GOOD = Verdict(questions=90, words=0.6, both=0.7, weight=1.0)


def add(store: Store, name: str, *texts: str, collections: tuple[str, ...] = ()) -> str:
    passages = tuple(Passage(number, None, ("Dose",), text, 0, len(text)) for number, text in enumerate(texts, start=1))
    return store.documents.add(Document(name, "text/plain", (Page(None, " ".join(texts)),), passages), name.encode(), name, collections).id


def fill(store: Store, model: str = "m") -> None:
    store.vectors.keep(model, [(one, bytes([one.id, 1])) for one in store.vectors.missing(model, 0, 100)])


def test_passages_without_a_vector_of_this_model_are_named_until_they_have_one(store: Store) -> None:
    add(store, "Sepsis", "One.", "Two.", "Three.")
    assert [one.text for one in store.vectors.missing("m", 0, 2)] == ["One.", "Two."]
    assert store.vectors.missing("m", 0, 1)[0].headings == ("Sepsis", "Dose")
    assert [one.text for one in store.vectors.missing("m", 2, 9)] == ["Three."]
    store.vectors.keep("m", [(store.vectors.missing("m", 0, 1)[0], b"\x01\x02")])
    assert store.vectors.counts("m") == (1, 3) and [one.text for one in store.vectors.missing("m", 0, 9)] == ["Two.", "Three."]
    assert store.vectors.all("m") == [(1, b"\x01\x02")] and store.vectors.all("other") == []


def test_another_model_reads_everything_anew_and_takes_the_place_of_the_first(store: Store) -> None:
    add(store, "Sepsis", "One.", "Two.")
    fill(store)
    assert store.vectors.counts("other") == (0, 2)
    fill(store, "other")
    assert store.vectors.counts("other") == (2, 2) and store.vectors.counts("m") == (0, 2)


def test_a_vector_goes_with_its_document_and_nothing_of_it_stays_in_the_file(store: Store, home: Path) -> None:
    canary = bytes(range(150, 250)) * 4
    id = add(store, "Sepsis", "One.")
    store.vectors.keep("m", [(store.vectors.missing("m", 0, 1)[0], canary)])
    store._connections.empty_log()
    assert canary in decrypted(home / "med42.db")
    store.documents.remove(id)
    assert store.vectors.all("m") == [] and store.vectors.counts("m") == (0, 0)
    assert canary not in decrypted(home / "med42.db")


def test_a_vector_is_not_kept_for_a_passage_that_came_in_the_place_of_the_one_that_was_read(store: Store) -> None:
    id = add(store, "Sepsis", "One.")
    read = store.vectors.missing("m", 0, 1)[0]
    store.documents.remove(id)
    store.vectors.keep("m", [(read, b"\x01")])
    add(store, "Stroke", "Other words.")
    assert store.vectors.missing("m", 0, 1)[0].id == read.id  # the store uses ids again
    store.vectors.keep("m", [(read, b"\x01")])
    assert store.vectors.all("m") == []


def test_a_document_under_another_title_is_read_anew(store: Store) -> None:
    id = add(store, "Sepsis", "One.", "Two.")
    fill(store)
    store.documents.set_details(id, "Sepsis", "A hospital", "2024", "2")
    assert store.vectors.counts("m") == (2, 2)
    store.documents.set_details(id, "Stroke", "A hospital", "2024", "2")
    assert [one.headings[0] for one in store.vectors.missing("m", 0, 9)] == ["Stroke", "Stroke"]


def test_what_is_no_longer_searched_has_no_part_in_it(store: Store) -> None:
    old, new = add(store, "Old", "One."), add(store, "New", "Two.")
    fill(store)
    store.documents.supersede(old, new)
    assert [id for id, _ in store.vectors.all("m")] == [2] and store.vectors.counts("m") == (1, 1)
    store.documents.search_again(old)
    assert store.vectors.counts("m") == (2, 2)


def test_the_passages_of_a_collection_are_told_apart(store: Store) -> None:
    add(store, "Sepsis", "One.", collections=("Ward",))
    add(store, "Stroke", "Two.")
    assert store.vectors.within(["Ward"]) == {1} and store.vectors.within(["none"]) == set()


def test_a_verdict_holds_while_the_library_stays_much_as_it_was(store: Store) -> None:
    first = add(store, "A", *(f"Words {number}." for number in range(8)))
    assert store.vectors.verdict("m") is None
    store.vectors.set_verdict("m", GOOD)
    assert store.vectors.verdict("m") == GOOD and store.vectors.verdict("other") is None
    add(store, "B", "One.", "Two.")
    assert store.vectors.verdict("m") == GOOD
    third = add(store, "C", "Three.")
    assert store.vectors.verdict("m") is None  # three new ones on eight
    store.documents.remove(third)
    assert store.vectors.verdict("m") == GOOD
    store.documents.remove(first)
    assert store.vectors.verdict("m") is None


def test_a_verdict_does_not_hold_for_other_documents_in_the_place_of_those_that_were_checked(store: Store) -> None:
    add(store, "A", *(f"Words {number}." for number in range(8)))
    second = add(store, "B", *(f"More {number}." for number in range(8)))
    store.vectors.set_verdict("m", GOOD)
    time.sleep(0.002)
    store.documents.remove(second)
    add(store, "C", *(f"Something else {number}." for number in range(8)))  # its passages get the ids of those that went
    assert store.vectors.verdict("m") is None


def test_a_gain_must_be_worth_it() -> None:
    assert Verdict(90, 0.60, 0.63, 1.0).helps and not Verdict(90, 0.60, 0.61, 1.0).helps and not Verdict(90, 0.6, 0.5, 1.0).helps


def test_another_ranking_changes_the_order_and_finds_what_the_words_do_not(store: Store) -> None:
    add(store, "Sepsis", "Noradrenaline for shock.", "Noradrenaline and nothing else here.", "Pressors come late.", collections=("Ward",))
    by_words = [find.passage.text for find in store.documents.search("noradrenaline")]
    assert "Pressors come late." not in by_words
    asked: list[tuple[str, tuple[str, ...]]] = []

    def near(question: str, collections: tuple[str, ...]) -> dict[int, float]:
        asked.append((question, tuple(collections)))
        return points([3], weight=2.0)

    store.documents.rank_by(near)  # type: ignore[arg-type]
    found = store.documents.search("noradrenaline", 2, ["Ward"])
    assert [find.passage.text for find in found] == ["Pressors come late.", by_words[0]] and asked == [("noradrenaline", ("Ward",))]
    assert found[0].score == 0 and found[1].score > 0


def test_a_ranking_that_names_what_is_gone_finds_only_what_is_there(store: Store) -> None:
    add(store, "Sepsis", "Noradrenaline.")
    store.documents.rank_by(lambda question, collections: points([77, 1]))
    assert [find.passage.text for find in store.documents.search("noradrenaline")] == ["Noradrenaline."]


@given(st.lists(st.integers(1, 30), unique=True, max_size=20), st.lists(st.integers(1, 30), unique=True, max_size=20))
def test_joined_rankings_hold_each_of_both_once_and_keep_an_order_that_both_agree_on(one: list[int], other: list[int]) -> None:
    both = joined(one, points(other))
    assert sorted(both) == sorted({*one, *other})
    assert joined(one, {}) == one and joined(one, points(one)) == one
