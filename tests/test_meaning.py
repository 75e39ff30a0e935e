"""Search by meaning: read in the background, checked on the person's own library, and used only where that showed a gain."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from med42_chat.errors import InputError, RuntimeFailure, WorkerDied
from med42_chat.lookup import Lookup
from med42_chat.meaning import Meaning
from med42_chat.runtime.embedder import LocalEmbedder
from med42_chat.store.database import Store
from tests.embedding_shapes import write_embedding
from tests.store.samples import KEY
from tests.synonyms import Synonyms, add, ward


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store.open(home, KEY) as opened:
        yield opened


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


class TestHealth:
    def test_without_a_model_it_says_that_words_are_searched(self, store: Store) -> None:
        line = Meaning(store.documents, store.vectors).health("")
        assert (line.name, line.state, line.hint) == ("embedding", "ok", "") and "no embedding model" in line.text

    def test_a_model_that_was_not_checked_is_said_to_be_off_and_how_to_check_it(self, store: Store) -> None:
        ward(store)
        embedder = Synonyms()
        line = Meaning(store.documents, store.vectors, embedder).health("synonyms.gguf")
        assert line.state == "ok" and line.text.startswith("off: not checked") and "read 0 of" in line.text
        assert "check-vectors" in line.hint and line.detail == {"model": "synonyms.gguf", "SHA-256": embedder.model()}

    @pytest.mark.parametrize(("knows", "use"), [(True, "on: nDCG@10"), (False, "off, because it does not help: nDCG@10")])
    def test_a_model_that_was_checked_is_said_to_be_on_or_off_and_why(self, store: Store, knows: bool, use: str) -> None:
        ward(store)
        meaning = Meaning(store.documents, store.vectors, Synonyms(knows=knows))
        verdict = meaning.check()
        line = meaning.health("synonyms.gguf")
        assert line.text.startswith(use) and f"{verdict.both:.3f} with it, {verdict.words:.3f} by words" in line.text and not line.hint
        assert "read 0 of" not in line.text

    @pytest.mark.parametrize("file", ["missing", "damaged", "no embedding model"])
    def test_a_file_that_is_missing_or_cannot_be_used_is_said_with_what_to_do(self, store: Store, tmp_path: Path, file: str) -> None:
        path = tmp_path / "model.gguf"
        if file == "damaged":
            path.write_bytes(b"no model")
        if file == "no embedding model":
            write_embedding(path, pooling=None)
        embedder = LocalEmbedder(path, 1, tmp_path / "cache")
        try:
            line = Meaning(store.documents, store.vectors, embedder).health("model.gguf")
        finally:
            embedder.close()
        assert line.state == "warning" and line.hint and "model.gguf" in line.text and line.text.endswith("searched by words alone.")

    def test_a_model_that_gives_no_vectors_is_said_to_be_damaged(self, store: Store) -> None:
        embedder = Synonyms()
        embedder.lie = [0.0, 0.0]
        line = Meaning(store.documents, store.vectors, embedder).health("zero.gguf")
        assert line.state == "warning" and "damaged" in line.hint


class TestCheck:
    def test_a_model_that_knows_synonyms_is_a_gain_and_is_used_from_then_on(self, store: Store) -> None:
        ward(store)
        add(store, "Pumps", ["Quindel runs at two millilitres."])
        meaning = Meaning(store.documents, store.vectors, Synonyms())
        assert store.documents.search("zorvax") == []
        verdict = meaning.check()
        assert verdict.helps and verdict.both > verdict.words + 0.2 and verdict.questions >= 30
        assert meaning.state().verdict == verdict
        assert store.documents.search("zorvax")[0].passage.text == "Quindel runs at two millilitres."

    def test_vectors_that_mean_nothing_are_no_gain_and_stay_off(self, store: Store) -> None:
        ward(store)
        embedder = Synonyms(knows=False)
        meaning = Meaning(store.documents, store.vectors, embedder)
        before = store.documents.search("doctor noradrenaline")
        verdict = meaning.check()
        assert not verdict.helps and verdict.both < verdict.words + 0.02
        assert meaning.near("doctor noradrenaline") == {} and store.documents.search("doctor noradrenaline") == before

    def test_a_real_model_with_random_weights_loads_reads_the_library_and_stays_off(self, store: Store, tmp_path: Path) -> None:
        ward(store)
        embedder = LocalEmbedder(write_embedding(tmp_path / "random.gguf"), 1, tmp_path / "cache")
        meaning = Meaning(store.documents, store.vectors, embedder)
        try:
            verdict = meaning.check()
            assert not verdict.helps and meaning.near("doctor") == {}
            assert meaning.state().known == meaning.state().passages == 120
        finally:
            meaning.close()

    def test_a_library_that_is_too_small_tells_nothing(self, store: Store) -> None:
        ward(store, 20)
        with pytest.raises(InputError, match="too small"):
            Meaning(store.documents, store.vectors, Synonyms()).check()

    def test_without_a_model_there_is_nothing_to_check(self, store: Store) -> None:
        with pytest.raises(InputError, match="no embedding model"):
            Meaning(store.documents, store.vectors).check()

    def test_it_says_how_far_it_is(self, store: Store) -> None:
        ward(store)
        said: list[tuple[int, int]] = []
        Meaning(store.documents, store.vectors, Synonyms()).check(lambda done, of: said.append((done, of)))
        assert said[-1] == (120, 120) and said == sorted(said)


class TestUse:
    @pytest.fixture
    def helping(self, store: Store) -> Iterator[tuple[Meaning, Synonyms]]:
        ward(store)
        add(store, "Pumps", ["Quindel runs at two millilitres."], ["Ward"])
        embedder = Synonyms()
        meaning = Meaning(store.documents, store.vectors, embedder)
        meaning.check()
        yield meaning, embedder
        meaning.close()

    def test_only_what_is_searched_is_found(self, store: Store, helping: tuple[Meaning, Synonyms]) -> None:
        assert [find.holding.title for find in store.documents.search("zorvax", 5, ["Ward"])] == ["Pumps"]
        store.documents.remove(store.documents.all("Ward")[0].id)
        assert "Pumps" not in [find.holding.title for find in store.documents.search("zorvax")]

    def test_what_the_gate_lets_through_in_other_words_reaches_an_answer_only_when_it_was_found(
        self, store: Store, helping: tuple[Meaning, Synonyms]
    ) -> None:
        add(store, "Fever", ["Epinephrine 1 mg is given immediately in hives."])
        helping[0].fill()
        lookup = Lookup(store.documents)
        with_vectors = lookup.passing("How much adrenaline is administered stat for urticaria?")
        assert [find.holding.title for find in with_vectors] == ["Fever"]
        helping[0].use(None)
        assert lookup.passing("How much adrenaline is administered stat for urticaria?") == []

    @pytest.mark.parametrize("error", [WorkerDied("It ended."), RuntimeFailure("It is busy.")])
    def test_a_model_that_fails_leaves_the_search_by_words(
        self, store: Store, helping: tuple[Meaning, Synonyms], error: RuntimeFailure
    ) -> None:
        helping[1].error = error
        assert store.documents.search("zorvax") == []
        assert store.documents.search("quindel")[0].holding.title == "Pumps"

    @pytest.mark.parametrize(
        "lie", [[math.nan] * 512, [math.inf] * 512, [0.0] * 512, [1.0] * 4, []], ids=["no numbers", "endless", "nowhere", "narrow", "empty"]
    )
    def test_a_model_that_gives_no_true_vectors_leaves_the_search_by_words(
        self, store: Store, helping: tuple[Meaning, Synonyms], lie: list[float]
    ) -> None:
        helping[1].lie = lie
        assert store.documents.search("zorvax") == []
        assert store.documents.search("quindel")[0].holding.title == "Pumps"

    def test_vectors_of_two_widths_do_no_harm(self, store: Store, helping: tuple[Meaning, Synonyms]) -> None:
        add(store, "Odd", ["Something else."])
        (odd,) = store.vectors.missing("synonyms", 0, 9)
        store.vectors.keep("synonyms", [(odd, b"\1\2\3")])
        assert store.documents.search("zorvax")[0].holding.title == "Pumps"

    def test_a_model_that_takes_long_does_not_hold_up_an_answer(self, store: Store) -> None:
        ward(store)
        add(store, "Pumps", ["Quindel runs at two millilitres."])
        embedder, go_on = Synonyms(), threading.Event()
        meaning = Meaning(store.documents, store.vectors, embedder, wait_s=0.1)
        meaning.check()
        embedder.gate = go_on
        began = time.monotonic()
        assert store.documents.search("zorvax") == [] and store.documents.search("quindel")
        assert time.monotonic() - began < 5
        go_on.set()
        assert store.documents.search("zorvax")
        meaning.close()

    def test_another_model_has_not_been_checked(self, store: Store, helping: tuple[Meaning, Synonyms]) -> None:
        helping[0].use(Synonyms(sha256="another"))
        assert helping[1].closed and store.documents.search("zorvax") == [] and helping[0].state().verdict is None
        helping[0].use(None)
        assert helping[0].state().passages == 0 and store.documents.search("quindel")

    def test_what_was_found_holds_after_a_restart(self, home: Path, store: Store, helping: tuple[Meaning, Synonyms]) -> None:
        helping[0].close()
        store.close()
        with Store.open(home, KEY) as again:
            embedder = Synonyms()
            Meaning(again.documents, again.vectors, embedder)
            assert again.documents.search("zorvax")[0].holding.title == "Pumps"
            assert embedder.asked == [("zorvax",)]  # no passage was read anew

    def test_a_library_that_has_changed_much_is_searched_by_words_until_it_is_checked_again(
        self, store: Store, helping: tuple[Meaning, Synonyms]
    ) -> None:
        add(store, "New", [f"Something else {number}." for number in range(60)])
        assert store.documents.search("zorvax") == []
        helping[0].check()
        assert store.documents.search("zorvax")


class TestFilling:
    def test_passages_that_come_are_read_while_nothing_more_urgent_goes_on(self, store: Store) -> None:
        embedder, may = Synonyms(), threading.Event()
        meaning = Meaning(store.documents, store.vectors, embedder, look_every_s=0.02)
        meaning.keep_filling(may.is_set)
        add(store, "Sepsis", ["One.", "Two."])
        time.sleep(0.2)
        assert embedder.asked == []
        may.set()
        until(lambda: meaning.state().known == 2)
        add(store, "Stroke", ["Three."])
        until(lambda: meaning.state().known == 3)
        read = [text for texts in embedder.asked for text in texts]
        assert read[0] == "Sepsis › Part 1\nOne." and len(read) == 3
        meaning.close()
        assert embedder.closed

    def test_a_model_that_fails_is_tried_again_when_the_library_changes(self, store: Store) -> None:
        embedder = Synonyms()
        embedder.error = WorkerDied("It ended.")
        meaning = Meaning(store.documents, store.vectors, embedder, look_every_s=0.02)
        add(store, "Sepsis", ["One."])
        meaning.keep_filling(lambda: True)
        time.sleep(0.2)
        embedder.error = None
        add(store, "Stroke", ["Two."])
        until(lambda: meaning.state().known == 2)
        meaning.close()

    def test_a_model_that_gives_no_true_vectors_is_not_asked_for_ever_and_keeps_nothing(self, store: Store) -> None:
        embedder = Synonyms()
        embedder.lie = [math.nan]
        meaning = Meaning(store.documents, store.vectors, embedder, look_every_s=0.02)
        add(store, "Sepsis", ["One."])
        meaning.keep_filling(lambda: True)
        time.sleep(0.2)
        assert meaning.state().known == 0 and len(embedder.asked) < 3
        embedder.lie = None
        add(store, "Stroke", ["Two."])
        until(lambda: meaning.state().known == 2)
        meaning.close()

    def test_closing_stops_in_the_middle(self, store: Store) -> None:
        ward(store)
        embedder = Synonyms()
        meaning = Meaning(store.documents, store.vectors, embedder)
        meaning.fill(lambda done, of: meaning.close())
        assert len(embedder.asked) == 1
