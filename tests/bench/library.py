"""The library: reading files, and the gate through which passages come before the model. Run alone with `python -m tests.bench library`.

Beside each time stands that of the processor alone, the reading processes' too, which another program on the machine does not lengthen.
"""

import io
import resource
import time
from collections.abc import Mapping
from statistics import mean

import pypdfium2

from med42_chat.commands.evaluate import passing_library
from med42_chat.library.documents import document_of, read_file
from med42_chat.lookup import Lookup
from med42_chat.records import Source
from tests.bench.fit_gate import held_out, unseen
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
    """On two hundred questions that it was not fitted on; then on the files that it was, one at a time, as if it had not been."""
    new, shares = unseen("tenth"), held_out()
    answers, abstains = mean(one.answers for one in shares.values()), mean(one.abstains for one in shares.values())
    right, passing = _right("tenth")
    each = [_each({of: getattr(one, what) for of, one in shares.items()}) for what in ("answers", "abstains")]
    return [
        Row("gate: unseen questions with an answer, let through", new.answers, "share", 0.85, ">=", "tenth.toml"),
        Row("gate: unseen questions without one, kept back", new.abstains, "share", 0.95, ">=", "tenth.toml"),
        Row("gate: of those let through, with the passage that answers", right / passing, "share", 0.95, ">=", f"{right} of {passing}"),
        Row("gate: questions of six files, each left out, let through", answers, "share", 0.85, ">=", each[0]),
        Row("gate: those without an answer, kept back", abstains, "share", 0.95, ">=", each[1]),
    ]


def _each(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{of} {share:.2f}" for of, share in shares.items())


def _right(of: str) -> tuple[int, int]:
    """How many questions of a file bring the passage that answers them, and how many bring any."""
    with passing_library() as store:
        for name, document in documents():
            store.add(document, name.encode(), name)
        lookup, asked = Lookup(store), questions(of, "answerable")
        passed = [(one, found) for one in asked if (found := _let_through(lookup, one["question"]))]
    return sum(any(_has(source, one["words"]) for source in found) for one, found in passed), len(passed)


def _let_through(lookup: Lookup, question: str) -> tuple[Source, ...]:
    return lookup.look(question, False, (), "first", ()).sources


def _has(source: Source, words: str) -> bool:
    return " ".join(words.split()) in " ".join(source.text.split())
