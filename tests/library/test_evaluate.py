"""`library evaluate`: the figures as trec_eval has them, folders as BEIR has them."""

import json
import math
from pathlib import Path

import pytest

from med42_chat.__main__ import main
from med42_chat.errors import InputError
from med42_chat.library.evaluate import Query, corpus, document, measure, ndcg, queries, recall

ENTRIES = {
    "d1": ("Sepsis", "The antibiotic is given within one hour."),
    "d2": ("Falls", "Red socks are handed out to those who fell twice."),
    "d3": ("Pumps", "The pump must not go into the scanner."),
}


def folder(path: Path, judged: str = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t2\nq2\td3\t0\n") -> Path:
    """A small collection of three entries and three queries, one of them without an answer."""
    (path / "qrels").mkdir(parents=True)
    rows = ({"_id": id, "title": title, "text": text, "metadata": {}} for id, (title, text) in ENTRIES.items())
    (path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    asked = {"q1": "how soon is the antibiotic given", "q2": "who gets red socks", "q3": "nobody judged this"}
    (path / "queries.jsonl").write_text("".join(json.dumps({"_id": id, "text": text}) + "\n" for id, text in asked.items()), "utf-8")
    (path / "qrels" / "test.tsv").write_text(judged, "utf-8")
    return path


def test_the_gain_of_an_answer_falls_with_the_logarithm_of_its_place() -> None:
    assert ndcg(["x", "a"], {"a": 1}) == pytest.approx(1 / math.log2(3))
    assert ndcg(["a", "b"], {"a": 1, "b": 2}) == pytest.approx((1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)))
    assert ndcg(["b", "a"], {"a": 1, "b": 2, "c": 0}) == 1


def test_what_stands_below_the_tenth_place_gains_nothing() -> None:
    others = [f"x{number}" for number in range(10)]
    assert ndcg([*others, "a"], {"a": 1}) == 0 and recall([*others, "a"], {"a": 1}) == 1
    assert recall([*others, *others[:10], "a"], {"a": 1, "b": 1}) == 0


def test_half_of_the_answers_is_a_recall_of_a_half() -> None:
    assert recall(["a", "x"], {"a": 1, "b": 3, "c": 0}) == 0.5


def test_an_entry_found_twice_counts_once_and_a_query_never_finds_itself() -> None:
    figures = measure([Query("q", "words", {"b": 1})], lambda _: ["a", "a", "q", "b"])
    assert figures.ndcg_10 == pytest.approx(1 / math.log2(3)) and figures.queries == 1


def test_queries_without_an_answer_are_left_out(tmp_path: Path) -> None:
    assert [(one.id, one.grades) for one in queries(folder(tmp_path / "c"))] == [("q1", {"d1": 1}), ("q2", {"d2": 2, "d3": 0})]


def test_an_entry_is_cut_into_passages_that_stand_in_it(tmp_path: Path) -> None:
    (path,) = (folder(tmp_path / "c") / "corpus.jsonl",)
    long = " ".join(f"Sentence number {number} says little." for number in range(200))
    path.write_text(json.dumps({"_id": "d", "title": "", "text": long}), "utf-8")
    (entry,) = corpus(path.parent)
    made = document(entry)
    assert made.title == "d" and len(made.passages) > 5
    assert all(made.pages[0].text[one.start : one.end] == one.text for one in made.passages)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("corpus.jsonl", '{"_id": "d1", "text": "x"}\n{"_id": 2}\n', "Line 2 of corpus.jsonl"),
        ("corpus.jsonl", "no json\n", "Line 1 of corpus.jsonl"),
        ("queries.jsonl", "[]\n", "Line 1 of queries.jsonl"),
        ("qrels/test.tsv", "q1\td1\tmuch\n", "Line 1 of test.tsv"),
        ("qrels/test.tsv", "q9\td1\t1\n", "No query"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (folder(tmp_path / "c") / name).write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        queries(tmp_path / "c")
        list(corpus(tmp_path / "c"))


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"test\.tsv cannot be read"):
        queries(tmp_path)


def test_the_command_measures_the_search_and_leaves_the_own_library_alone(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MED42_HOME", str(home))
    monkeypatch.setenv("MED42_KEYRING", "off")
    assert main(["library", "evaluate", str(folder(tmp_path / "c")), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["entries"], said["queries"], said["ndcg_10"], said["recall_20"]) == (3, 2, 1.0, 1.0)
    assert said["p95_ms"] >= said["median_ms"] > 0 and not list(home.glob("*.db"))
    assert main(["library", "evaluate", str(tmp_path / "c")]) == 0
    assert "nDCG@10    1.000" in capsys.readouterr().out
