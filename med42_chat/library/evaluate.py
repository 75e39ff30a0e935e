"""How well a search finds what people have judged to be an answer: a folder in the form of the BEIR collections, and two figures.

Such a folder holds corpus.jsonl ({"_id", "title", "text"} a line), queries.jsonl ({"_id", "text"}), and judgements in qrels/test.tsv or
qrels.tsv (query, entry, grade, parted by tabs). The figures are those that trec_eval calls ndcg_cut and recall.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, quantiles

from med42_chat.errors import InputError
from med42_chat.library.cutting import cuts
from med42_chat.library.sheets import Sheet
from med42_chat.records import Document, Page, Passage

FIRST = 10  # entries that nDCG looks at
FOUND = 20  # entries that recall looks at

Grades = Mapping[str, int]  # how well an entry answers a query, by the entry's id; 0 is not at all


@dataclass(frozen=True, slots=True)
class Entry:
    """A text of the corpus."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """A question, and the entries that were judged for it. At least one has a grade above 0."""

    id: str
    text: str
    grades: Grades


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over the queries, from 0 to 1; times of one search, in milliseconds."""

    queries: int
    ndcg_10: float
    recall_20: float
    median_ms: float
    p95_ms: float


def corpus(folder: Path) -> Iterator[Entry]:
    """The texts that are searched. Raises InputError for a file that is missing or is not as it should be."""
    for row in _rows(folder / "corpus.jsonl"):
        yield Entry(row["_id"], row.get("title", ""), row["text"])


def queries(folder: Path) -> list[Query]:
    """The questions for which an answer is known. Raises InputError as `corpus` does, and where there is none."""
    judged = _judgements(folder)
    asked = [Query(row["_id"], row["text"], judged.get(row["_id"], {})) for row in _rows(folder / "queries.jsonl")]
    found = [query for query in asked if any(grade > 0 for grade in query.grades.values())]
    if not found:
        raise InputError("No query in this folder has a judged answer.", "Do the queries' ids stand in the judgements?")
    return found


def document(entry: Entry) -> Document:
    """An entry as the library would keep a text file with these words: cut into passages under its title."""
    sheet = Sheet(None)
    for paragraph in filter(str.strip, (entry.text or entry.title).split("\n\n")):
        sheet.add(paragraph.strip())
    passages = (
        Passage(number, None, cut.path, sheet.text[cut.start : cut.end], cut.start, cut.end)
        for number, cut in enumerate(cuts([sheet]), start=1)
    )
    return Document(entry.title or entry.id, "text/plain", (Page(None, sheet.text),), tuple(passages))


def measure(asked: Sequence[Query], search: Callable[[str], Sequence[str]]) -> Figures:
    """Puts each query to `search`, which gives the ids of entries, the best first; an entry may come more than once."""
    rankings, times = [], []
    for query in asked:
        began = time.perf_counter()
        found = search(query.text)
        times.append((time.perf_counter() - began) * 1000)
        # In some collections the queries are entries themselves; to find oneself is no merit.
        rankings.append([id for id in dict.fromkeys(found) if id != query.id])
    graded = list(zip(rankings, (query.grades for query in asked), strict=True))
    p95 = quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
    return Figures(len(asked), mean(ndcg(*one) for one in graded), mean(recall(*one) for one in graded), median(times), p95)


def ndcg(ranking: Sequence[str], grades: Grades, first: int = FIRST) -> float:
    """Normalised discounted cumulative gain: 1 when the best answers stand first, in the order of their grades."""
    best = _gain(sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:first])
    return _gain([max(0, grades.get(id, 0)) for id in ranking[:first]]) / best


def recall(ranking: Sequence[str], grades: Grades, found: int = FOUND) -> float:
    """The share of all answers that are among the first."""
    answers = {id for id, grade in grades.items() if grade > 0}
    return len(answers & set(ranking[:found])) / len(answers)


def _gain(grades: Sequence[int]) -> float:
    return sum(grade / math.log2(place + 1) for place, grade in enumerate(grades, start=1))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not (isinstance(row, dict) and isinstance(row.get("_id"), str) and isinstance(row.get("text"), str)):
            raise InputError(f"Line {number} of {path.name} is not as it should be.", 'Each line is JSON with "_id" and "text".')
        yield {name: value for name, value in row.items() if isinstance(value, str)}


def _judgements(folder: Path) -> dict[str, dict[str, int]]:
    path = next((one for one in (folder / "qrels" / "test.tsv", folder / "qrels.tsv") if one.exists()), folder / "qrels" / "test.tsv")
    judged: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        cells = line.rstrip("\r\n").split("\t")
        if number == 1 and cells[-1] == "score":
            continue  # the names of the columns
        if len(cells) != 3 or not cells[2].lstrip("-").isdigit():
            raise InputError(f"Line {number} of {path.name} is not as it should be.", "Each line is a query, an entry and a grade.")
        judged.setdefault(cells[0], {})[cells[1]] = int(cells[2])
    return judged


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Those that are not empty, with their numbers."""
    try:
        with path.open(encoding="utf-8") as file:
            yield from ((number, line) for number, line in enumerate(file, start=1) if line.strip())
    except (OSError, UnicodeDecodeError):
        raise InputError(
            f"{path.name} cannot be read in {path.parent}.", "A folder as BEIR has them: corpus.jsonl, queries.jsonl, qrels/test.tsv."
        ) from None
