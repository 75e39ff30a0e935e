"""The store at a million messages: the latest 50, one conversation of 200 messages, search with snippets.

The words are made up, their frequencies are not: a few dozen function words in nearly every message, then a long tail that
falls as in real text (Zipf). Run alone with `python -m tests.bench.store`.
"""

import itertools
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from med42_chat.records import ContextUse, Evidence, LeftOut, Sampling
from med42_chat.store.database import Store
from med42_chat.store.evidence import to_json
from tests.bench.rows import Row

LONG = 200  # messages of the conversations that are opened
LONG_ONES = 250
LIMIT_MS = 50.0
KEY = bytes(range(32))

FUNCTION_WORDS = (
    "the of and to in a is that for with as was on are be by at or not an from this which have it were should if no can may "
    "patients patient treatment you after when than more there has been what do before also risk but all these other pain their "
    "clinical dose days history blood"
)
BEGINNINGS = "cardi hepat nephr neur gastr derm oste haem pulmon thyr cyt my arthr enter encephal angi bronch col cyst lip"
MIDDLES = "o io a e ic al ar opath ogen otox oscler omal ostat ophag oscop"
ENDINGS = "itis osis emia oma pathy ectomy gram lysis plasty algia pril olol statin azole mycin cillin mab ide ine one"


def vocabulary(size: int = 30_000) -> list[str]:
    """Function words first, then invented terms, the most frequent first."""
    terms = [a + b + c for a, b, c in itertools.product(BEGINNINGS.split(), MIDDLES.split(), ENDINGS.split())]
    random.Random(1).shuffle(terms)
    tail = [f"{term}{extra}" for extra in ("", "s", "al", "ic", "oid", "less") for term in terms]
    return (FUNCTION_WORDS.split() + tail)[:size]


def zipf(count: int) -> list[float]:
    """Cumulative frequencies of ranks 1 to `count`, flattened at the top as in English (Mandelbrot's constant 2.7)."""
    return list(itertools.accumulate(1.0 / (rank + 2.7) for rank in range(1, count + 1)))


class Writer:
    """Sentences and messages with the vocabulary's frequencies. The same seed writes the same."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.words = vocabulary()
        self._weights = zipf(len(self.words))
        self._sentences = [self._sentence() for _ in range(150_000)]

    def question(self) -> str:
        """8 to 20 words."""
        return self._random.choice(self._sentences) + "?"

    def answer(self) -> str:
        """Three to ten sentences, about 90 words."""
        return ". ".join(self._random.choices(self._sentences, k=self._random.randint(3, 10))) + "."

    def query(self) -> str:
        """One to three words as people type them: mostly content words, sometimes a function word, the last often unfinished."""
        words = self._random.choices(self.words, cum_weights=self._weights, k=self._random.randint(1, 3))
        if self._random.random() < 0.3:
            words[-1] = words[-1][: max(2, self._random.randint(2, len(words[-1])))]
        return " ".join(words)

    def _sentence(self) -> str:
        return " ".join(self._random.choices(self.words, cum_weights=self._weights, k=self._random.randint(8, 20)))


def measure(messages: int = 1_000_000, conversations: int = 50_000) -> list[Row]:
    """Builds a store of that size in a temporary folder, measures it and removes it."""
    with tempfile.TemporaryDirectory(prefix="med42-bench-") as folder:
        home = Path(folder)
        build(home, messages, conversations)
        return measure_store(home)


def measure_store(home: Path) -> list[Row]:
    """The figures of the store that `build` made in `home`."""
    writer, draw = Writer(seed=7), random.Random(3)
    with Store.open(home, KEY) as store:
        talks = store.conversations
        note = f"{talks.total():,} conversations, {(home / 'med42.db').stat().st_size / 1e6:,.0f} MB, encrypted"
        long_ones = [head.id for head in talks.recent(limit=LONG_ONES) if head.message_count == LONG]
        assert long_ones, "the newest conversations are the long ones"
        queries = iter([writer.query() for _ in range(400)])
        return [
            _row("store: latest 50", _samples(lambda: talks.recent(50), 300), note),
            _row("store: 50 in the middle of the list", _samples(lambda: talks.recent(50, 25_000), 100), "half of the list before them"),
            _row("store: latest 50 of a folder", _samples(lambda: talks.recent(50, folder="All"), 100), "half of all are in it"),
            _row("store: latest 50 with a tag", _samples(lambda: talks.recent(50, tag="old"), 100), "half of all have it"),
            _row("store: names of the folders", _samples(lambda: talks.folders(), 100), "101 folders"),
            _row("store: names of the tags", _samples(lambda: talks.tags(), 100), "75,000 tags on 50,000 conversations, 301 different"),
            _row(
                f"store: open one of {LONG} messages",
                _samples(lambda: talks.branch(draw.choice(long_ones)), 300),
                "with evidence and citations",
            ),
            _row("store: search with snippet", _samples(lambda: talks.search(next(queries)), 400), "1 to 3 words, Zipf-distributed"),
        ]


def _samples(operation: Callable[[], object], count: int) -> list[float]:
    """Milliseconds of each call."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        operation()
        times.append((time.perf_counter() - began) * 1000)
    return times


def _row(name: str, samples: Sequence[float], note: str) -> Row:
    middle = f"median {statistics.median(samples):.1f}, worst {max(samples):.1f} ms"
    return Row(f"{name}, p95", statistics.quantiles(samples, n=20)[-1], "ms", LIMIT_MS, "<=", f"{middle}; {note}")


def build(home: Path, messages: int, conversations: int) -> None:
    """Fills a new store. The search index is built once at the end instead of by the triggers, which are then put back."""
    with Store.open(home, KEY) as store, store._connections.alone() as db:
        triggers = db.conn.execute("select name, sql from sqlite_master where type = 'trigger'").fetchall()
        db.conn.execute("begin")
        for trigger in triggers:
            db.conn.execute(f"drop trigger {trigger['name']}")
        _fill(db.conn, messages, conversations)
        for table in ("messages_fts", "titles_fts"):
            db.conn.execute(f"insert into {table}({table}) values ('rebuild')")
        for trigger in triggers:
            db.conn.execute(trigger["sql"])
        db.conn.commit()


def _fill(connection: Any, messages: int, conversations: int) -> None:
    sizes = _sizes(messages, conversations)
    writer = Writer(seed=5)
    connection.executemany(
        "insert into conversations(id, uid, title, created_at, updated_at, leaf_id, n_messages, folder) values (?, ?, ?, ?, ?, ?, ?, ?)",
        _heads(sizes, writer),
    )
    tags = ((number, tag) for number in range(1, len(sizes) + 1) for tag in (f"tag {number % 300}", "old")[: 1 + number % 2])
    connection.executemany("insert into conversation_tags values (?, ?)", tags)
    connection.executemany(
        "insert into messages(id, uid, conversation_id, parent_id, role, status, text, created_at) values (?, ?, ?, ?, ?, ?, ?, ?)",
        _messages(sizes, writer),
    )
    first_long = sum(sizes[:-LONG_ONES]) + 1
    answers = range(first_long + 1, sum(sizes) + 1, 2)
    evidence = _evidence()
    connection.executemany("insert into runs values (?, ?)", ((answer, evidence) for answer in answers))
    connection.executemany(
        "insert into citations values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (answer, n, n + 1, "A guideline", writer.answer(), 12, "a" * 64, writer.question(), "found")
            for answer in answers
            for n in range(2)
        ),
    )


def _sizes(messages: int, conversations: int) -> list[int]:
    """Messages of each conversation, always whole question-answer pairs; the newest are the long ones."""
    short = conversations - LONG_ONES
    pairs = messages // 2 - LONG_ONES * LONG // 2
    return [2 * (pairs * (i + 1) // short - pairs * i // short) for i in range(short)] + [LONG] * LONG_ONES


def _heads(sizes: Sequence[int], writer: Writer) -> Iterator[tuple[object, ...]]:
    leaf = 0
    for number, size in enumerate(sizes, start=1):
        leaf += size
        yield number, f"c{number}", writer.question()[:60], number, number, leaf, size, "All" if number % 2 else f"Ward {number % 200}"


def _messages(sizes: Sequence[int], writer: Writer) -> Iterator[tuple[object, ...]]:
    id = 0
    for conversation, size in enumerate(sizes, start=1):
        for place in range(size):
            id += 1
            role, text = ("assistant", writer.answer()) if place % 2 else ("user", writer.question())
            yield id, f"m{id}", conversation, id - 1 if place else None, role, "complete", text, id


def _evidence() -> str:
    left = tuple(LeftOut("message", f"{i:016x}", 120, "the first words of a message that no longer fitted") for i in range(4))
    return to_json(
        Evidence(
            program="Med42 Chat",
            model="a model",
            model_sha256="b" * 64,
            quantization="Q4_K - Medium",
            template="llama-3",
            build="0",
            device="CPU",
            sampling=Sampling(),
            seed=1,
            prompt_sha256="c" * 64,
            context=ContextUse(size=8192, history=4000),
            seen=tuple(f"{i:016x}" for i in range(30)),
            left_out=left,
        )
    )


def main() -> int:
    """Prints the table; 1 when a figure falls short. With a folder as argument the store is built there and kept."""
    if len(sys.argv) > 1:
        home = Path(sys.argv[1])
        if not (home / "med42.db").exists():
            build(home, 1_000_000, 50_000)
        rows = measure_store(home)
    else:
        rows = measure()
    for row in rows:
        print(json.dumps({"name": row.name, "value": round(row.value, 2), "limit": row.limit, "ok": row.ok, "note": row.note}))
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
