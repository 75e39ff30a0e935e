"""The library as a person uses it: files and folders added, versions told apart, questions answered; with and without a screen."""

import io
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from med42_chat.__main__ import main
from med42_chat.errors import NotFound, UnreadableFile
from med42_chat.records import Document, Find
from med42_chat.reference import Library
from med42_chat.store.database import Store
from med42_chat.store.documents import is_older
from tests.library import pdfs
from tests.store.samples import KEY

CORPUS = Path(__file__).parent / "library" / "corpus"
QUESTIONS = tomllib.loads((CORPUS.parent / "questions.toml").read_text("utf-8"))["question"]


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    with Store.open(home, KEY) as store:
        yield Library(store.documents)


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def protocol(path: Path, dose: str, version: str = "", publisher: str = "Northwater") -> Path:
    about = (f"Publisher: {publisher}\n" if publisher else "") + (f"Version: {version}\n" if version else "")
    return written(path, f"# Sepsis in adults\n\n{about}\n## Dose\n\nMeropenem {dose}.")


class TestAdding:
    def test_a_folder_gives_its_documents_and_a_bad_one_does_not_stop_the_rest(self, library: Library, tmp_path: Path) -> None:
        folder = tmp_path / "in"
        (folder / ".hidden").mkdir(parents=True)
        for name in ("a.md", "c.txt", ".hidden/d.md", "picture.png"):
            written(folder / name, f"Words of {name}.")
        (folder / "b.pdf").write_bytes(pdfs.document([pdfs.PICTURE]))
        results = list(library.add_all([folder]))
        assert [(one.name, one.error != "") for one in results] == [("a.md", False), ("b.pdf", True), ("c.txt", False)]
        assert "is a scan" in results[1].error and "OCR" in results[1].hint and len(library.documents.all()) == 2

    def test_the_same_file_is_named_and_joins_the_collection(self, library: Library, tmp_path: Path) -> None:
        first = library.add(protocol(tmp_path / "a.md", "1 g"), ["Ward"]).holding
        again = library.add(protocol(tmp_path / "b.md", "1 g"), ["Ward", "ICU"])
        assert first and again.holding and again.holding.id == first.id and again.holding.collections == ("ICU", "Ward")
        assert "already, as ‘Sepsis in adults’. It now is in ICU, too." in again.note

    def test_a_newer_version_takes_the_place_of_the_old_one_and_says_so(self, library: Library, tmp_path: Path) -> None:
        library.add(protocol(tmp_path / "a.md", "1 g", "2.9"))
        added = library.add(protocol(tmp_path / "b.md", "2 g", "2.10"))
        assert added.note == "It takes the place of ‘Sepsis in adults’ (version 2.9), which is kept and no longer searched."
        assert [find.passage.text for find in library.search("meropenem")] == ["Meropenem 2 g."]

    def test_an_older_version_that_comes_later_is_not_searched(self, library: Library, tmp_path: Path) -> None:
        library.add(protocol(tmp_path / "b.md", "2 g", "2.10"))
        added = library.add(protocol(tmp_path / "a.md", "1 g", "2.9"))
        assert added.note.startswith("A newer version is here already, ‘Sepsis in adults’ (version 2.10)") and added.holding
        assert added.holding.superseded_by and [find.passage.text for find in library.search("meropenem")] == ["Meropenem 2 g."]

    def test_a_version_is_searched_in_the_collections_of_the_one_before_it(self, library: Library, tmp_path: Path) -> None:
        library.add(protocol(tmp_path / "a.md", "1 g", "1"), ["Ward"])
        library.add(protocol(tmp_path / "b.md", "2 g", "2"), ["New"])
        assert [find.passage.text for find in library.search("meropenem", collections=["Ward"])] == ["Meropenem 2 g."]

    @pytest.mark.parametrize(
        ("one", "other", "older"),
        [
            (("", "2024"), ("", "2024-03"), False),  # it may be of May
            (("", "2025-01"), ("", "March 2024"), False),  # typed by a person
            (("", "2024-03-30"), ("", "2024-04"), True),
            (("", "2025-01"), ("", "2024-03"), False),
            (("2.0", "2023"), ("2", "2024"), True),  # one version: the date tells
            (("2.9", "2025"), ("2.10", "2024"), True),
            (("draft", ""), ("final", ""), False),
        ],
    )
    def test_only_what_both_say_makes_one_older(self, one: tuple[str, str], other: tuple[str, str], older: bool) -> None:
        mine, others = (Document("T", "text/plain", (), (), version=version, date=date) for version, date in (one, other))
        assert is_older(mine, others) is older

    def test_another_publishers_document_of_that_title_is_another_document(self, library: Library, tmp_path: Path) -> None:
        library.add(protocol(tmp_path / "a.md", "1 g"))
        assert library.add(protocol(tmp_path / "b.md", "2 g", publisher="Southwater")).note == ""
        assert len(library.search("meropenem")) == 2

    def test_a_publisher_that_is_not_known_matches_none(self, library: Library, tmp_path: Path) -> None:
        old = library.add(protocol(tmp_path / "a.md", "1 g", "1")).holding
        added = library.add(protocol(tmp_path / "b.md", "2 g", "2", publisher=""))
        assert old and added.older == old.id and added.note.startswith("It may be a newer version of ‘Sepsis in adults’ (version 1).")
        assert len(library.search("meropenem")) == 2
        earlier = library.add(protocol(tmp_path / "c.md", "3 g", "0.9", publisher=""))
        assert (earlier.older, earlier.note) == ("", "")  # it says that it is older: nobody need be asked
        again = library.add(tmp_path / "b.md", replaces=old.id)
        assert "here already" not in again.note and "It takes the place of ‘Sepsis in adults’ (version 1)" in again.note

    def test_a_second_chapter_is_no_version_of_the_first(self, library: Library, tmp_path: Path) -> None:
        for number in (1, 2):
            added = library.add(written(tmp_path / f"{number}.md", f"# Chapter {number}\n\nPublisher: N\n\nWords of {number}."))
            assert (added.note, added.older) == ("", "")

    def test_when_the_newest_goes_only_the_one_before_it_is_searched_again(self, library: Library, tmp_path: Path) -> None:
        added = [library.add(protocol(tmp_path / f"{number}.md", f"{number} g", str(number))) for number in (1, 2, 3)]
        assert added[2].holding
        library.documents.remove(added[2].holding.id)
        assert [find.passage.text for find in library.search("meropenem")] == ["Meropenem 2 g."]
        assert [bool(one.superseded_by) for one in library.documents.all()] == [False, True]

    def test_a_wrong_guess_is_undone(self, library: Library, tmp_path: Path) -> None:
        old = library.add(protocol(tmp_path / "a.md", "1 g", "1")).holding
        library.add(protocol(tmp_path / "b.md", "2 g", "2"))
        assert old and not library.documents.search_again(old.id).superseded_by and len(library.search("meropenem")) == 2

    def test_a_person_says_what_a_document_replaces(self, library: Library, tmp_path: Path) -> None:
        old = library.add(written(tmp_path / "old.md", "# Antibiotics\n\nMeropenem 1 g.")).holding
        assert old
        added = library.add(protocol(tmp_path / "a.md", "2 g"), replaces=old.id)
        assert "‘Antibiotics’" in added.note and [find.passage.text for find in library.search("meropenem")] == ["Meropenem 2 g."]
        with pytest.raises(NotFound):
            library.add(protocol(tmp_path / "c.md", "3 g"), replaces="nothing")
        assert len(library.documents.all()) == 2

    def test_a_file_that_is_not_there_is_told(self, library: Library, tmp_path: Path) -> None:
        with pytest.raises(UnreadableFile, match="cannot be opened"):
            library.add(tmp_path / "gone.pdf")

    def test_a_collection_that_does_not_exist_is_told(self, library: Library) -> None:
        with pytest.raises(NotFound, match="no collection Ward"):
            library.search("x", collections=["Ward"])


class TestQuestions:
    def test_most_questions_find_their_passage(self, library: Library) -> None:
        list(library.add_all([CORPUS]))
        ranks = [rank_of(one["answer"], library.search(one["text"], 20)) for one in QUESTIONS]
        figures = {at: sum(rank <= at for rank in ranks) / len(ranks) for at in (1, 3, 5, 20)}
        print(figures, f"MRR {sum(1 / rank for rank in ranks) / len(ranks):.3f}", misses(ranks))
        # Somewhat below what was measured when the questions were written (docs/library.md): a change that loses three of 40 is seen.
        assert figures[5] >= 0.85 and figures[20] >= 0.875

    def test_every_question_names_a_passage_that_is_there(self, library: Library) -> None:
        list(library.add_all([CORPUS]))
        there = {
            place(holding.name, one.heading_path) for holding in library.documents.all() for one in library.documents.passages(holding.id)
        }
        assert {one["answer"] for one in QUESTIONS} <= there and len(QUESTIONS) == 40


def rank_of(answer: str, finds: list[Find]) -> float:
    places = [place(find.holding.name, find.passage.heading_path) for find in finds]
    return places.index(answer) + 1 if answer in places else float("inf")


def place(name: str, path: tuple[str, ...]) -> str:
    return f"{name} > {path[-1]}" if path else name


def misses(ranks: list[float]) -> list[tuple[str, float]]:
    return [(one["text"], rank) for one, rank in zip(QUESTIONS, ranks, strict=True) if rank > 3]


class TestCommands:
    @pytest.fixture(autouse=True)
    def settled(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        monkeypatch.setenv("MED42_HOME", str(home))
        monkeypatch.setenv("MED42_KEYRING", "off")
        monkeypatch.setattr("sys.stdin", io.StringIO(""))

    def test_a_document_is_added_found_shown_and_removed(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        def run(*arguments: str) -> Any:
            assert main(["library", *arguments, "--json"]) == 0
            return json.loads(capsys.readouterr().out)

        file = protocol(tmp_path / "a.md", "1 g", "2")
        (added,) = run("add", str(file), "--collection", "Ward")
        assert added["holding"]["title"] == "Sepsis in adults" and added["error"] == ""
        assert run("list", "--collection", "Ward") == [added["holding"]]
        (find,) = run("search", "how much meropenem?", "--collection", "Ward")
        assert find["passage"]["text"] == "Meropenem 1 g." and find["holding"]["id"] == added["holding"]["id"]
        copy = tmp_path / "copy.md"
        assert run("show", added["holding"]["id"], "--original", str(copy))["passages"] and copy.read_bytes() == file.read_bytes()
        assert run("remove", added["holding"]["id"]) == {"removed": [added["holding"]["id"]]} and run("list") == []

    def test_collections_are_counted_renamed_and_removed_everywhere(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        def run(*arguments: str) -> Any:
            assert main(["library", *arguments, "--json"]) == 0
            return json.loads(capsys.readouterr().out)

        run("add", str(protocol(tmp_path / "a.md", "1 g")), "--collection", "Ward", "--collection", "ICU")
        run("watch", str(tmp_path), "--collection", "Ward")
        assert run("collections") == [{"name": "ICU", "documents": 1}, {"name": "Ward", "documents": 1}]
        assert run("collections", "--rename", "Ward", "ICU") == [{"name": "ICU", "documents": 1}]
        assert run("watch") == [{"path": str(tmp_path), "collections": ["ICU"]}]
        assert run("collections", "--remove", "ICU") == [] and run("watch") == [{"path": str(tmp_path), "collections": []}]
        assert run("watch", str(tmp_path), "--stop") == []
        assert main(["library", "watch", "--stop"]) == 1 and main(["library", "watch", str(tmp_path / "gone")]) == 1

    def test_a_document_is_read_again(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        assert main(["library", "add", str(protocol(tmp_path / "a.md", "1 g")), "--json"]) == 0
        (added,) = json.loads(capsys.readouterr().out)
        assert main(["library", "read-again", added["holding"]["id"], "--json"]) == 0
        assert [one["holding"] for one in json.loads(capsys.readouterr().out)] == [added["holding"]]
        assert main(["library", "read-again", "nothing"]) == 1

    def test_people_get_lines(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        file = protocol(tmp_path / "a.md", "1 g", "2")
        assert main(["library", "add", str(file), str(tmp_path / "gone.pdf")]) == 1
        out, err = capsys.readouterr()
        assert "Sepsis in adults (Northwater, version 2, 2 passages)" in out and err.startswith("error: ‘gone.pdf’ cannot be opened.")
        assert main(["library", "search", "meropenem"]) == 0
        assert capsys.readouterr().out.startswith("[1] Sepsis in adults · Sepsis in adults › Dose\nMeropenem 1 g.\n")
        assert main(["library", "search", "zanzibar"]) == 0
        assert capsys.readouterr().out == "Nothing in your library has the words of this question.\n"
        assert main(["library", "add", str(file), str(file), "--replaces", "x"]) == 1
        assert "--replaces goes with one file" in capsys.readouterr().err
        assert main(["library", "remove", "nothing"]) == 1
        assert "There is no document nothing" in capsys.readouterr().err
