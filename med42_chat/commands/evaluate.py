"""`library evaluate FOLDER`: how well the library's search does on a collection of questions with known answers.

The collection is read into a library of its own, which is gone afterwards: the person's own is not touched.
"""

import json
import secrets
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from med42_chat.commands.common import Command
from med42_chat.library.evaluate import Entry, Figures, corpus, document, measure, queries
from med42_chat.settings import Settings
from med42_chat.store.connection import KEY_BYTES
from med42_chat.store.database import Store
from med42_chat.store.documents import Documents

_PASSAGES = 100  # looked at for the first twenty entries: several can be of one


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came out, and on how much; `seconds` is the time of taking the corpus in."""

    entries: int
    seconds: float
    figures: Figures


def add_command(command: Command) -> None:
    """Makes the subcommand of `library`."""
    text = "how well the search does on a folder of questions with known answers (corpus.jsonl, queries.jsonl, qrels/test.tsv)"
    command("evaluate", _run, text).add_argument("folder", type=Path)


def evaluate(folder: Path) -> Evaluation:
    """Reads the folder into a library and searches it with every query. Raises InputError."""
    asked = queries(folder)
    with passing_library() as documents:
        began = time.perf_counter()
        ids = fill(documents, corpus(folder))
        seconds = time.perf_counter() - began
        return Evaluation(len(ids), seconds, measure(asked, lambda text: found(documents, ids, text)))


@contextmanager
def passing_library() -> Iterator[Documents]:
    """An empty library, encrypted like the real one, which is gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="med42-evaluate-") as folder, Store.open(Path(folder), secrets.token_bytes(KEY_BYTES)) as store:
        yield store.documents


def fill(documents: Documents, entries: Iterable[Entry]) -> dict[str, str]:
    """Takes the entries in; their ids by those of their documents."""
    return {documents.add(document(entry), json.dumps(asdict(entry)).encode(), entry.id).id: entry.id for entry in entries}


def found(documents: Documents, ids: Mapping[str, str], question: str) -> list[str]:
    """The ids of the entries whose passages are found, the best first."""
    return [ids[find.holding.id] for find in documents.search(question, _PASSAGES)]


def _run(options: Any, chosen: Settings) -> None:
    result = evaluate(options.folder)
    if options.json:
        print(json.dumps({"entries": result.entries, "seconds": round(result.seconds, 3), **asdict(result.figures)}, indent=2))
        return
    figures = result.figures
    print(f"{result.entries:,} entries taken in within {result.seconds:.1f} s, {figures.queries:,} queries")
    print(f"nDCG@10    {figures.ndcg_10:.3f}\nrecall@20  {figures.recall_20:.3f}")
    print(f"a search   {figures.median_ms:.1f} ms (median), {figures.p95_ms:.1f} ms (p95)")
