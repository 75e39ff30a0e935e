"""The library in the store: what is kept, what is found, which version is searched, and that nothing is left of what was removed."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from med42_chat.errors import InputError, NotFound
from med42_chat.records import Document, Holding, Page, Passage
from med42_chat.store.database import Store
from med42_chat.store.documents import is_older, same_publisher, same_title
from tests.store.samples import KEY, decrypted

ORIGINAL = b"%PDF-1.7 zanzibarin"


def made(*texts: str, title: str = "Sepsis", path: tuple[str, ...] = (), **details: object) -> Document:
    """A document with a page and a passage for each text."""
    pages = tuple(Page(number, text, b"boxes") for number, text in enumerate(texts, start=1))
    passages = tuple(Passage(number, number, path, text, 0, len(text)) for number, text in enumerate(texts, start=1))
    return replace(Document(title, "application/pdf", pages, passages), **details)  # type: ignore[arg-type]


def added(store: Store, *texts: str, **details: object) -> Holding:
    """The same, in the store; its file is its words."""
    document = made(*texts, **details)  # type: ignore[arg-type]
    return store.documents.add(document, repr(document).encode(), "file.pdf")


def found(store: Store, question: str, *collections: str) -> list[str]:
    return [find.passage.text for find in store.documents.search(question, 5, collections)]


def test_what_was_added_comes_back_whole(store: Store) -> None:
    document = made(
        "One page.", "Another.", publisher="Northwater", date="2024", version="2", notes=("Page 3 is silent.",), path=("A", "B")
    )
    holding = store.documents.add(document, ORIGINAL, "sepsis.pdf", ["Ward", "Ward", "ICU"])
    assert store.documents.all() == store.documents.all("Ward") == [holding] and store.documents.all("none") == []
    assert (holding.sha256, holding.size_bytes, holding.name) == (hashlib.sha256(ORIGINAL).hexdigest(), len(ORIGINAL), "sepsis.pdf")
    assert (holding.title, holding.publisher, holding.date, holding.version) == ("Sepsis", "Northwater", "2024", "2")
    assert (holding.pages, holding.passages, holding.collections, holding.notes) == (2, 2, ("ICU", "Ward"), ("Page 3 is silent.",))
    assert store.documents.original(holding.id) == ORIGINAL
    assert tuple(store.documents.passages(holding.id)) == document.passages
    assert store.documents.page(holding.id, 2) == document.pages[1]
    assert store.documents.collections() == [("ICU", 1), ("Ward", 1)]


def test_a_document_without_pages_has_one_to_show(store: Store) -> None:
    holding = store.documents.add(
        Document("T", "text/plain", (Page(None, "Words."),), (Passage(1, None, (), "Words.", 0, 6),)), b"x", "t.txt"
    )
    assert holding.pages is None and store.documents.page(holding.id, None).text == "Words."
    with pytest.raises(NotFound):
        store.documents.page(holding.id, 1)


def test_the_same_file_is_not_kept_twice(store: Store) -> None:
    store.documents.add(made("One."), ORIGINAL, "a.pdf")
    with pytest.raises(InputError, match="already"):
        store.documents.add(made("One."), ORIGINAL, "b.pdf")


def test_a_question_finds_the_passage_that_answers_it_and_not_one_with_its_small_words(store: Store) -> None:
    added(store, "What should you do when they are in the ward?", "Meropenem is given every eight hours.", title="A")
    assert found(store, "How often should meropenem be given?") == ["Meropenem is given every eight hours."]


def test_words_of_a_heading_count_twice(store: Store) -> None:
    added(store, "Half a litre at once.", path=("Fluids",), title="A")
    added(store, "Fluids were mentioned here among many other words about the ward.", path=("History",), title="B")
    assert found(store, "fluids")[0] == "Half a litre at once."


def test_an_abbreviation_finds_its_long_form_and_the_reverse_and_a_common_word_is_none(store: Store) -> None:
    added(
        store,
        "Acute kidney injury is a rise of creatinine.",
        "Withhold metformin in AKI.",
        title="A",
        abbreviations=(("AKI", "acute kidney injury"),),
    )
    added(store, "Acute lymphoblastic leukaemia.", title="B", abbreviations=(("ALL", "acute lymphoblastic leukaemia"),))
    assert set(found(store, "AKI?")) == {"Acute kidney injury is a rise of creatinine.", "Withhold metformin in AKI."}
    assert "Withhold metformin in AKI." in found(store, "metabolic care in acute kidney injury")
    assert found(store, "all creatinine") == ["Acute kidney injury is a rise of creatinine."]


def test_a_frequent_word_is_left_out_only_where_rarer_ones_are_left(store: Store) -> None:
    texts = [f"Dose of drug{number} on the ward." for number in range(600)]
    added(store, *texts)
    assert found(store, "dose of drug7 and drug8")[:2] == ["Dose of drug7 on the ward.", "Dose of drug8 on the ward."]
    assert len(found(store, "ward dose")) == 5


def test_a_search_keeps_to_its_collections(store: Store) -> None:
    one, two = added(store, "Meropenem here.", title="A"), added(store, "Meropenem there.", title="B")
    store.documents.set_collections(one.id, ["Ward"])
    store.documents.set_collections(two.id, ["ICU"])
    assert found(store, "meropenem", "ICU") == ["Meropenem there."] and len(found(store, "meropenem", "ICU", "Ward")) == 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_whatever_is_typed_is_a_safe_search(store: Store, question: str) -> None:
    found(store, question)
    found(store, f'meropenem" OR {question} NEAR(*')


def test_a_superseded_document_is_kept_and_not_searched_until_the_newer_one_is_gone(store: Store) -> None:
    old, new = added(store, "Old dose of meropenem."), added(store, "New dose of meropenem.")
    store.documents.supersede(old.id, new.id)
    assert found(store, "meropenem") == ["New dose of meropenem."]
    assert store.documents.get(old.id).superseded_by == new.id and store.documents.passages(old.id)
    assert {line.state for line in store.check()} == {"ok"}
    store.documents.remove(new.id)
    assert found(store, "meropenem") == ["Old dose of meropenem."] and store.documents.get(old.id).superseded_by == ""


def test_a_third_version_takes_the_place_of_both_and_none_its_own(store: Store) -> None:
    first, second, third = (added(store, f"Dose {number}.") for number in (1, 2, 3))
    store.documents.supersede(first.id, second.id)
    store.documents.supersede(second.id, third.id)
    assert [store.documents.get(one.id).superseded_by for one in (first, second, third)] == [third.id, third.id, ""]
    for old, new in ((third, third), (third, first)):
        with pytest.raises(InputError):
            store.documents.supersede(old.id, new.id)


def test_a_new_title_is_found_and_the_old_one_is_not(store: Store) -> None:
    holding = added(store, "Half a litre.", title="Zanzibar", path=("Fluids",))
    changed = store.documents.set_details(holding.id, "Northern protocol", "P", "2024", "3")
    assert (changed.title, changed.publisher, changed.date, changed.version) == ("Northern protocol", "P", "2024", "3")
    assert found(store, "northern") == ["Half a litre."] and found(store, "zanzibar") == []
    assert store.documents.passages(holding.id)[0].heading_path == ("Fluids",)
    with pytest.raises(InputError):
        store.documents.set_details(holding.id, " ", "", "", "")


def test_nothing_is_left_of_a_removed_document(store: Store, home: Path) -> None:
    kept = added(store, "Something else.", title="Kept")
    canary = "zanzibarin"
    document = made(
        *[f"{canary} {number}" for number in range(120)],
        title=canary,
        publisher=canary,
        path=(canary,),
        abbreviations=((canary, f"{canary} x"),),
    )
    holding = store.documents.add(document, ORIGINAL, f"{canary}.pdf", [canary])
    assert canary.encode() in decrypted(home / "med42.db")
    store.documents.remove(holding.id)
    assert store.documents.all() == [kept] and found(store, canary) == []
    assert canary.encode() not in decrypted(home / "med42.db")
    with pytest.raises(NotFound):
        store.documents.get(holding.id)
    assert {line.state for line in store.check()} == {"ok"}


def test_a_removal_that_a_crash_cut_short_goes_on_and_is_seen_by_nobody_meanwhile(home: Path) -> None:
    with Store.open(home, KEY) as store:
        holding = store.documents.add(made("Zanzibar."), ORIGINAL, "a.pdf", ["Ward"])
        with store._connections.write() as db:
            store.documents._hide(db, db.conn.execute("select * from documents").fetchone())
        assert store.documents.all() == [] and found(store, "zanzibar") == [] and store.documents.with_content(holding.sha256) is None
        again = store.documents.add(made("Zanzibar, again."), ORIGINAL, "a.pdf")
    with Store.open(home, KEY) as store:
        assert store.documents.all() == [again]
        assert [row["n"] for row in store._connections.rows("select count(*) as n from passages")] == [1]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Sepsis in adults", "SEPSIS in adults, version 2.1", True),
        ("Sepsis 2023", "Sepsis 2024", True),
        ("Sepsis in adults", "Sepsis in children", False),
    ],
)
def test_versions_of_one_work_are_known_by_their_titles(store: Store, one: str, other: str, same: bool) -> None:
    first, second = added(store, "1", title=one), added(store, "2", title=other, publisher="P")
    assert same_title(first, second) is same
    assert same_publisher(first, second) is None
    assert same_publisher(replace(first, publisher="p"), second) is True and same_publisher(replace(first, publisher="Q"), second) is False


def test_the_older_version_is_the_one_that_says_so(store: Store) -> None:
    base = added(store, "1")
    assert is_older(replace(base, version="2.9"), replace(base, version="2.10"))
    assert is_older(replace(base, version="3", date="2020"), replace(base, version="3", date="2021-02"))
    assert not is_older(base, replace(base, version="3")) and not is_older(replace(base, version="3"), base)
