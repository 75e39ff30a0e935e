"""The project's own questions with known answers, as the records of `library evaluate` and as a folder in BEIR's form."""

import json
import tomllib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from med42_chat.library.documents import document_of, read_file
from med42_chat.library.evaluate import Entry
from med42_chat.records import Document

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parents[1] / "assets" / "library"
CORPUS = HERE / "corpus"


def questions(half: str, kind: str) -> list[dict[str, str]]:
    """The 'answerable' or 'unanswerable' questions of 'development', 'held-out', 'fresh', 'second' or 'third'."""
    found: list[dict[str, str]] = _toml(HERE / "gate" / f"{half}.toml")[kind]
    return found


def documents() -> Iterator[tuple[str, Document]]:
    """The sample documents, as they are read, with the names of their files."""
    for path in sorted(SAMPLES.iterdir()):
        if path.suffix != ".toml":
            yield path.name, document_of(read_file(path), path.name)


def protocols() -> Iterator[tuple[str, Document]]:
    """The protocols in `corpus`, in the same way."""
    for path in sorted(CORPUS.iterdir()):
        yield path.name, document_of(read_file(path), path.name)


def both() -> Iterator[tuple[str, Document]]:
    """The sample documents and the protocols, in one library."""
    yield from documents()
    yield from protocols()


def write_folder(folder: Path) -> Path:
    """Sections of the sample documents and of the protocols in `corpus`, and 140 questions, each with the one section that answers it."""
    corpus = [entry for name, document in both() for entry in _sections(name, document)]
    asked = [(one["text"], f"{one['document']} > {one['heading']}") for half in ("development", "held-out") for one in _answerable(half)]
    asked += [(one["text"], one["answer"]) for one in _toml(HERE / "questions.toml")["question"]]
    (folder / "qrels").mkdir(parents=True)
    _write_lines(folder / "corpus.jsonl", ({"_id": one.id, "title": one.title, "text": one.text} for one in corpus))
    _write_lines(folder / "queries.jsonl", ({"_id": f"q{number}", "text": text} for number, (text, _) in enumerate(asked)))
    judged = "".join(f"q{number}\t{answer}\t1\n" for number, (_, answer) in enumerate(asked))
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}", "utf-8")
    return folder


def _answerable(half: str) -> list[dict[str, str]]:
    return questions(half, "answerable")


def _sections(name: str, document: Document) -> Iterator[Entry]:
    """What stands under one heading, as one entry."""
    for path, group in groupby(document.passages, key=lambda passage: passage.heading_path):
        text = "\n\n".join(passage.text for passage in group)
        yield Entry(f"{name} > {path[-1]}", "\n".join(dict.fromkeys([document.title, *path])), text)


def _toml(path: Path) -> Any:
    return tomllib.loads(path.read_text("utf-8"))


def _write_lines(path: Path, rows: Iterator[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
