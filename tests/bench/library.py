"""The library: reading files, and the gate through which passages come before the model. Run alone with `python -m tests.bench library`.

Beside each time stands that of the processor alone, the reading processes' too, which another program on the machine does not lengthen.
"""

import io
import resource
import time

import pypdfium2

from med42_chat.commands.evaluate import passing_library
from med42_chat.library.documents import document_of, read_file
from med42_chat.lookup import Lookup
from med42_chat.records import Source
from tests.bench.rows import Row
from tests.library.judged import SAMPLES, documents, questions

PAGES = 90


def measure() -> list[Row]:
    """How fast a PDF becomes a document, and what the gate lets through."""
    return [_reading(), *_gate()]


def _reading() -> Row:
    """One file of many pages, so that the process's start, half a second or so, does not count for much."""
    data = _long_file()
    began, before = time.perf_counter(), _processor_s()
    document = document_of(data, "long.pdf")
    wall, own = time.perf_counter() - began, _processor_s() - before
    characters = sum(len(page.text) for page in document.pages) / PAGES
    note = f"processor alone: {PAGES / own:.1f} 1/s; {PAGES} pages of {characters:,.0f} characters, mostly in two columns"
    return Row("library: pages read, with a box for each character", PAGES / wall, "1/s", 10.0, ">=", note)


def _long_file() -> bytes:
    """The pages of the sample PDFs, over and over."""
    long = pypdfium2.PdfDocument.new()
    sources = [pypdfium2.PdfDocument(read_file(path)) for path in sorted(SAMPLES.glob("*.pdf"))]
    while len(long) < PAGES:
        for source in sources:
            long.import_pages(source)
    out = io.BytesIO()
    long.save(out)
    return out.getvalue()


def _processor_s() -> float:
    """Seconds that the processor has worked for this process and those that it started and that have ended."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _gate() -> list[Row]:
    """On the questions on which nothing was fitted. An answer counts only where the passage that has it was let through."""
    with passing_library() as store:
        for name, document in documents():
            store.add(document, name.encode(), name)
        lookup = Lookup(store)
        answerable, others = questions("third", "answerable"), questions("third", "unanswerable")
        answered = [_let_through(lookup, one["question"]) for one in answerable]
        right = sum(any(_has(source, one["words"]) for source in found) for one, found in zip(answerable, answered, strict=True))
        wrong = [one["kind"] for one in others if _let_through(lookup, one["question"])]
    said = ", ".join(
        f"{wrong.count(kind)} of {sum(one['kind'] == kind for one in others)} {kind}" for kind in ("near", "clinical", "everyday")
    )
    return [
        Row("gate: questions with an answer, let through", right / len(answerable), "share", 0.85, ">=", f"{right} of {len(answerable)}"),
        Row("gate: questions without one, kept back", 1 - len(wrong) / len(others), "share", 0.95, ">=", f"let through: {said}"),
    ]


def _let_through(lookup: Lookup, question: str) -> tuple[Source, ...]:
    return lookup.look(question, False, (), "first", ()).sources


def _has(source: Source, words: str) -> bool:
    return " ".join(words.split()) in " ".join(source.text.split())
