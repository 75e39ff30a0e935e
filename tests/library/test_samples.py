"""The sample library and the questions on it: marked as an example throughout, and in step with the texts it is made from."""

import tomllib
from functools import cache

import pypdfium2
import pytest

from med42_chat.library.documents import read_file
from med42_chat.records import Document
from tests.library.judged import SAMPLES, documents, questions
from tests.library.samples.make import MARK, SCREEN, TEXTS, page

HALVES = ("development", "held-out")
NAMES = {"anticoagulants.pdf", "antibiotic-levels.pdf", "contrast.docx", "delirium.pdf", "early-warning.md", "refeeding.html"}


@cache
def read() -> dict[str, Document]:
    return dict(documents())


def spaced(text: str) -> str:
    return " ".join(text.split())


def test_there_are_six_small_documents_each_with_all_that_a_document_says_of_itself() -> None:
    assert set(read()) == NAMES
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 600_000
    for document in read().values():
        assert document.title and document.publisher == "Northwater Hospital (invented)" and document.version and len(document.date) == 10


def test_every_page_says_that_it_is_an_example() -> None:
    for path in SAMPLES.glob("*.pdf"):
        pages = [one.get_textpage().get_text_range() for one in pypdfium2.PdfDocument(read_file(path))]
        assert len(pages) == 3 and all(MARK in text for text in pages)
    for name in NAMES - {path.name for path in SAMPLES.glob("*.pdf")}:
        assert MARK in read()[name].pages[0].text


def test_the_mark_on_every_page_is_no_passage_of_its_own_after_the_first() -> None:
    for document in read().values():
        assert sum(MARK in passage.text for passage in document.passages) <= 2


def test_what_is_shipped_is_what_the_texts_say() -> None:
    assert (SAMPLES / "early-warning.md").read_text("utf-8") == (TEXTS / "early-warning.md").read_text("utf-8")
    assert (SAMPLES / "refeeding.html").read_text("utf-8") == page("refeeding", SCREEN)


def test_an_offered_question_names_the_document_that_answers_it() -> None:
    offered = tomllib.loads((SAMPLES / "questions.toml").read_text("utf-8"))["question"]
    assert {one["document"] for one in offered} == NAMES and all(one["text"].endswith("?") for one in offered)


@pytest.mark.parametrize("half", HALVES)
def test_each_answer_stands_where_its_question_says(half: str) -> None:
    asked = questions(half, "answerable")
    for one in asked:
        passages = [passage for passage in read()[one["document"]].passages if passage.heading_path[-1:] == (one["heading"],)]
        assert any(spaced(one["words"]) in spaced(passage.text) for passage in passages), one
    assert len(asked) == len(questions(half, "unanswerable")) == 50


def test_no_question_is_in_both_halves() -> None:
    texts = [one["text"] for half in HALVES for kind in ("answerable", "unanswerable") for one in questions(half, kind)]
    assert len(set(texts)) == 200
