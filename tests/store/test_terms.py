"""What a look into the library asks of the store beside passages: documents that are searched, rare words, abbreviations, collections."""

from med42_chat.records import Document, Holding, Page, Passage
from med42_chat.store.database import Store


def added(store: Store, *texts: str, title: str = "Sepsis", abbreviations: tuple[tuple[str, str], ...] = ()) -> Holding:
    """A document with a page and a passage for each text."""
    pages = tuple(Page(number, text) for number, text in enumerate(texts, start=1))
    passages = tuple(Passage(number, number, (), text, 0, len(text)) for number, text in enumerate(texts, start=1))
    document = Document(title, "text/plain", pages, passages, abbreviations=abbreviations)
    return store.documents.add(document, repr(document).encode(), "file.txt")


def test_what_is_searched_is_counted_without_superseded_documents_and_within_collections(store: Store) -> None:
    old, new = added(store, "One.", title="A"), added(store, "Two.", title="B")
    store.documents.set_collections(new.id, ["Ward", "ICU"])
    assert (store.documents.count(), store.documents.count(["Ward", "ICU"]), store.documents.count(["none"])) == (2, 1, 0)
    store.documents.supersede(old.id, new.id)
    assert store.documents.count() == 1


def test_a_word_is_the_rarer_the_fewer_passages_have_it_by_its_stem(store: Store) -> None:
    added(store, *(f"Fluids {'and lactate' if number < 3 else ''} number {number}." for number in range(60)))
    rarity = store.documents.rarity(["fluid", "lactates", "gout", "two words", "1.5", ""])
    assert rarity["gout"] > rarity["lactates"] > rarity["fluid"] >= 0 and len(rarity) == 3


def test_in_a_library_of_one_passage_its_words_are_not_common_ones(store: Store) -> None:
    added(store, "Colchicine in gout.")
    assert store.documents.rarity(["gout"])["gout"] > 3


def test_the_pairs_of_abbreviations_in_a_question_are_told_whichever_form_it_has(store: Store) -> None:
    added(store, "Acute kidney injury is AKI.", abbreviations=(("AKI", "acute kidney injury"), ("ALL", "acute lymphoblastic leukaemia")))
    pair = [("AKI", "acute kidney injury")]
    assert store.documents.abbreviations("What is AKI?") == store.documents.abbreviations("acute Kidney-injury?") == pair
    assert store.documents.abbreviations("What of all?") == []


def test_a_conversation_keeps_to_a_collection_that_gets_another_name_or_is_removed(store: Store) -> None:
    store.documents.set_collections(added(store, "One.").id, ["Ward", "ICU"])
    ids = [store.conversations.create().id for _ in range(3)]
    for id, chosen in zip(ids, (["Ward", "ICU"], ["Ward"], ["Other"]), strict=True):
        store.conversations.set_library(id, "first", chosen)
    store.documents.rename_collection("Ward", "Ward 3")
    assert [set(store.conversations.get(id).collections) for id in ids] == [{"Ward 3", "ICU"}, {"Ward 3"}, {"Other"}]
    store.documents.remove_collection("Ward 3")
    assert [set(store.conversations.get(id).collections) for id in ids] == [{"Ward 3", "ICU"}, {"Ward 3"}, {"Other"}]
    assert store.documents.count(["Ward 3"]) == 0 and store.documents.search("One", 5, ["Ward 3"]) == []
