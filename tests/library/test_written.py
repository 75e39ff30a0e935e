"""One text as WeasyPrint, Typst and ReportLab print it, in two columns with hyphens, and a DOCX of python-docx: read as it was written.

The files are made by tests/library/written/make.py. Lower bounds are what was read when they were made; docs/library.md names the limits.
"""

from collections.abc import Iterator
from functools import cache
from itertools import groupby
from xml.etree import ElementTree

import pytest

from med42_chat.checks.text import sentences
from med42_chat.library.boxes import unpack
from med42_chat.library.documents import document_of, read_file
from med42_chat.records import Document
from tests.library.judged import SAMPLES
from tests.library.samples.make import TEXTS
from tests.library.written.make import ARABIC, HERE, LIGATURES, blocks, rows

WRITERS = ("weasyprint", "typst", "reportlab")


@cache
def read(name: str) -> Document:
    return document_of(read_file(HERE / f"{name}.pdf"), f"{name}.pdf")


def spaced(text: str) -> str:
    return " ".join(text.split())


def said() -> Iterator[tuple[str, str]]:
    """Each sentence of the text, with the heading it stands under."""
    heading = ""
    for kind, text in blocks():
        if kind == "p":
            yield from ((heading, spaced(sentence.text)) for sentence in sentences(text))
        heading = text if kind == "h2" else heading


@pytest.mark.parametrize("name", WRITERS)
def test_title_and_nearly_every_sentence_are_read_whole(name: str) -> None:
    found = read(name)
    pages = [spaced(page.text) for page in found.pages]
    whole = [any(sentence in page for page in pages) for _, sentence in said()]
    assert found.title == "Anticoagulants around operations" and sum(whole) >= len(whole) - 1  # one may run on over a page's end


@pytest.mark.parametrize(("name", "share"), [("weasyprint", 0.96), ("typst", 0.98), ("reportlab", 1.0)])
def test_a_sentence_stands_under_its_own_heading(name: str, share: float) -> None:
    under = {(passage.heading_path[-1], spaced(passage.text)) for passage in read(name).passages if passage.heading_path}
    right = [any(heading == over and sentence in text for over, text in under) for heading, sentence in said()]
    assert sum(right) / len(right) >= share


@pytest.mark.parametrize(("name", "at_least"), [("weasyprint", 10), ("typst", 10), ("reportlab", 13)])
def test_rows_of_tables_are_read_cell_by_cell(name: str, at_least: int) -> None:
    lines = {line for page in read(name).pages for line in page.text.split("\n")}
    wanted = [" | ".join(row) for kind, text in blocks() if kind == "table" for row in rows(text)]
    assert sum(row in lines for row in wanted) >= at_least


@pytest.mark.parametrize("name", WRITERS)
def test_ligatures_are_taken_apart_and_broken_words_are_whole(name: str) -> None:
    text = spaced(" ".join(page.text for page in read(name).pages))
    assert LIGATURES in text and not set("ﬁﬂﬀﬃﬄ\xad\u2010") & set(text)


@pytest.mark.parametrize("name", ["weasyprint", "typst"])
def test_arabic_is_read_from_right_to_left(name: str) -> None:
    text = "".join(page.text for page in read(name).pages)
    assert all(word in text for word in ARABIC.split())


@pytest.mark.parametrize("name", WRITERS)
def test_there_is_a_box_for_each_character(name: str) -> None:
    assert all(len(unpack(page.boxes)) == len(page.text) for page in read(name).pages)


def test_a_word_document_gives_its_headings_lists_and_tables() -> None:
    found = document_of(read_file(SAMPLES / "contrast.docx"), "contrast.docx")
    tree = ElementTree.fromstring(f"<body>{(TEXTS / 'contrast.html').read_text('utf-8')}</body>")
    headings = [one.text for one in tree if one.tag in ("h2", "h3")]
    paths = [path for path, _ in groupby(passage.heading_path for passage in found.passages if len(passage.heading_path) > 1)]
    # 'Kidneys' has no text of its own.
    assert [path[-1] for path in paths] == [heading for heading in headings if heading != "Kidneys"]
    text = found.pages[0].text
    items = [item.text or "" for item in tree.iter("li")]
    lines = [" | ".join(cell.text or "" for cell in row) for row in tree.iter("tr")]
    assert len(items) > 5 and all(item in text for item in items) and len(lines) > 5 and all(line in text for line in lines)
