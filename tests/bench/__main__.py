"""`make bench`: every figure that is claimed, against its counterpart in the same run; fails when one falls short.

python -m tests.bench [NAME …], the names as below; all of them by default
"""

import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import psutil

from tests.bench import (
    checks,
    cited,
    conversations,
    decode,
    export,
    guesses,
    library,
    memory,
    page,
    peers,
    resume,
    search,
    start,
    store,
    vectors,
)
from tests.bench.rows import Row
from tests.model_files import llama3_shape

_KEPT = Path("bench.json")


def main(names: list[str]) -> int:
    """Measures, prints the table, keeps it as JSON; returns 1 when a row misses its limit."""
    parts: dict[str, Callable[[], list[Row]]] = {
        "start": start.measure,
        "decode": lambda: decode.measure(llama3_shape()),
        "peers": peers.measure,
        "resume": lambda: resume.measure(llama3_shape("1b")),
        "guesses": guesses.measure,
        "store": store.measure,
        "list": conversations.measure,
        "page": page.measure,
        "checks": checks.measure,
        "library": library.measure,
        "search": search.measure,
        "cited": cited.measure,
        "vectors": vectors.measure,
        "export": export.measure,
        "memory": memory.measure,
    }
    print(_machine())
    rows = [row for name in names or parts for row in _run(name, parts[name])]
    kept = {"at": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "machine": _machine(), "rows": [{**asdict(row), "ok": row.ok} for row in rows]}
    _KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return int(not all(row.ok for row in rows))


def _run(name: str, measure: Callable[[], list[Row]]) -> list[Row]:
    """A part's rows, shown as soon as they are there: all parts take a long while."""
    print(f"measuring {name} …", file=sys.stderr)
    rows = measure()
    print(*map(_line, rows), sep="\n", flush=True)
    return rows


def _line(row: Row) -> str:
    """A row of the table. `--` is before what was not measured."""
    mark, value = ("--", "-") if row.value is None else ("ok" if row.ok else "MISS", f"{row.value:.3f}")
    return f"{mark:4}  {row.name:48} {value:>10} {row.comparison} {row.limit:g} {row.unit:8} {row.note}"


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"{platform.machine()}, {psutil.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
