"""The library's search beside bm25s and tantivy, and its time among 100,000 passages.

Run alone with `python -m tests.bench search`. The questions are the project's own (tests/library): one author wrote documents and
questions, so the figures compare searches with each other and say little of anybody's own documents.
Beside each time stands that of the processor alone, which another program on the same machine does not lengthen.
"""

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from med42_chat.commands.evaluate import evaluate, passing_library
from med42_chat.library.evaluate import Entry, Figures, corpus, queries
from med42_chat.library.evaluate import measure as judge
from med42_chat.records import Document, Page, Passage
from med42_chat.store.documents import Documents
from tests.bench.rows import Row
from tests.bench.store import Writer
from tests.library.judged import questions, write_folder

PASSAGES = 100_000
EACH = 100  # passages of a document
SENTENCES = 6  # of a passage: some 80 words
SEARCHES = 300
Search = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Times:
    """By the clock, and of the processor's work for us."""

    wall_s: float
    processor_s: float


def measure() -> list[Row]:
    """Quality first, then time."""
    return [*quality(), *speed()]


def quality() -> list[Row]:
    """nDCG and recall against the better of the two others, on the same texts and questions."""
    with tempfile.TemporaryDirectory(prefix="med42-bench-") as place:
        folder = write_folder(Path(place) / "judged")
        texts, asked = list(corpus(folder)), queries(folder)
        ours = evaluate(folder).figures
        others = {"bm25s": judge(asked, bm25s(texts)), "tantivy": judge(asked, tantivy(texts))}
        boosted = judge(asked, tantivy(texts, heading=2.0))
    note = f"{len(asked)} questions, {len(texts)} sections; "
    return [
        _beside("search: nDCG@10 beside the better of the others", note, ours, {**others, "tantivy, headings × 2": boosted}, "ndcg_10"),
        _beside("search: recall@20 beside the better of the others", note, ours, {**others, "tantivy, headings × 2": boosted}, "recall_20"),
    ]


def _beside(name: str, note: str, ours: Figures, others: dict[str, Figures], figure: str) -> Row:
    theirs = {other: float(getattr(figures, figure)) for other, figures in others.items()}
    own = float(getattr(ours, figure))
    said = ", ".join(f"{other} {value:.3f}" for other, value in theirs.items())
    return Row(name, own / max(theirs.values()), "times", 1.0, ">=", f"{note}ours {own:.3f}, {said}")


def bm25s(texts: Sequence[Entry]) -> Search:
    """With its own defaults; title and text are one text to it."""
    import bm25s as package

    index = package.BM25()
    index.index(package.tokenize([f"{one.title} {one.text}" for one in texts], show_progress=False), show_progress=False)

    def search(question: str) -> list[str]:
        found, _ = index.retrieve(package.tokenize(question, show_progress=False), k=min(100, len(texts)), show_progress=False)
        return [texts[number].id for number in found[0]]

    return search


def tantivy(texts: Sequence[Entry], heading: float = 1.0) -> Search:
    """With its English stemmer, titles and texts in fields of their own; a word of the title counts `heading` times."""
    import tantivy as package

    fields = package.SchemaBuilder()
    fields.add_text_field("id", stored=True, tokenizer_name="raw")
    for name in ("title", "text"):
        fields.add_text_field(name, tokenizer_name="en_stem")
    index = package.Index(fields.build())
    writer = index.writer(num_threads=1)
    for one in texts:
        writer.add_document(package.Document(id=one.id, title=one.title, text=one.text))
    writer.commit()
    index.reload()
    searcher = index.searcher()

    def search(question: str) -> list[str]:
        query, _ = index.parse_query_lenient(question, ["title", "text"], field_boosts={"title": heading, "text": 1.0})
        return [searcher.doc(place)["id"][0] for _, place in searcher.search(query, 100).hits]

    return search


def speed(passages: int = PASSAGES) -> list[Row]:
    """Taking passages in, and searching among all of them, encrypted, with real questions mixed into invented text."""
    with passing_library() as documents:
        taken = _fill(documents, passages)
        times = [_timed(partial(documents.search, text, 20)) for text in _asked()]
    walls, own = [one.wall_s * 1000 for one in times], [one.processor_s * 1000 for one in times]
    middle = f"median {statistics.median(walls):.1f}, worst {max(walls):.1f} ms; processor alone: p95 {_p95(own):.1f} ms"
    return [
        Row(
            "search: passages taken in",
            passages / taken.wall_s,
            "1/s",
            5_000,
            ">=",
            f"processor alone: {passages / taken.processor_s:,.0f}",
        ),
        Row(f"search: one among {passages:,} passages, p95", _p95(walls), "ms", 25.0, "<=", f"{middle}; encrypted"),
    ]


def _fill(documents: Documents, passages: int) -> Times:
    """Time spent in the store alone."""
    each = [
        _timed(partial(documents.add, document, str(number).encode(), f"{number}.txt"))
        for number, document in enumerate(_invented(passages))
    ]
    return Times(sum(one.wall_s for one in each), sum(one.processor_s for one in each))


def _timed(work: Callable[[], object]) -> Times:
    wall, own = time.perf_counter(), time.process_time()
    work()
    return Times(time.perf_counter() - wall, time.process_time() - own)


def _p95(samples: Sequence[float]) -> float:
    return statistics.quantiles(samples, n=20)[-1]


def _invented(passages: int) -> Iterator[Document]:
    """Text with the frequencies of English, and now and then a real question's words, so that questions find something."""
    writer, chance = Writer(seed=11), random.Random(12)
    real = [one["text"] for one in questions("development", "answerable")]
    for number in range(passages // EACH):
        texts = [_passage(writer, real, chance) for _ in range(EACH)]
        place, parts = 0, []
        for index, text in enumerate(texts, start=1):
            parts.append(Passage(index, None, (f"Part {index % 10}", writer.question()[:40]), text, place, place + len(text)))
            place += len(text) + 2
        yield Document(f"Guideline {number}", "text/plain", (Page(None, "\n\n".join(texts)),), tuple(parts))


def _passage(writer: Writer, real: Sequence[str], chance: random.Random) -> str:
    sentences = [writer.question() for _ in range(SENTENCES)]
    if chance.random() < 0.05:
        sentences[chance.randrange(SENTENCES)] = chance.choice(real)
    return " ".join(sentences)


def _asked() -> Iterator[str]:
    """Half as people ask, half of words with the text's own frequencies."""
    writer, chance = Writer(seed=13), random.Random(14)
    real = [one["text"] for half in ("development", "held-out") for one in questions(half, "answerable")]
    for number in range(SEARCHES):
        yield chance.choice(real) if number % 2 else writer.question()
