"""How soon something is there: the page against Gradio's own import, and `list` against both heavy libraries."""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.bench.rows import Row

_ROOT = Path(__file__).resolve().parents[2]
_ROUNDS = 3


def measure() -> list[Row]:
    """Rows for the start of page and commands."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "MED42_HOME": folder, "MED42_KEYRING": "off"}
        _list(environment)  # makes the store, which later starts find
        pairs = [(_page(environment), _import_gradio()) for _ in range(_ROUNDS)]
        heavy = _heavy_modules_of_list(environment)
    page, gradio = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    note = f"{page:.1f} s against {gradio:.1f} s"
    return [
        Row("page answers / import gradio", ratio, "×", 1.5, "<=", note),
        Row("`list`: gradio and llama_cpp modules imported", heavy, "modules", 0, "<="),
    ]


def _import_gradio() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import gradio"], check=True, env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"})
    return time.perf_counter() - started


def _page(environment: dict[str, str]) -> float:
    """Seconds from the process's start until the page has been read whole."""
    started = time.perf_counter()
    command = [sys.executable, "app.py", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            page = opener.open(address).read() + opener.open(address.split("?")[0]).read()
            elapsed = time.perf_counter() - started
        finally:
            server.terminate()
    assert b"gradio" in page, "the page itself, not a sign-in"
    return elapsed


def _list(environment: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-m", "med42_chat", "list"], check=True, cwd=_ROOT, env=environment)


def _heavy_modules_of_list(environment: dict[str, str]) -> int:
    code = (
        "import sys; from med42_chat.__main__ import main; main(['list']); "
        "print(sum(name in ('gradio', 'llama_cpp') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=_ROOT, env=environment, capture_output=True, text=True)
    return int(done.stdout.splitlines()[-1])
