"""A long conversation as a document: time and memory of the process that makes it, beside WeasyPrint with the same content.

Run alone with `python -m tests.bench export`. Times are the processor's work for us, on all cores together, which another program on the
same machine does not lengthen; the clock's is in the note. WeasyPrint, a library that lays out HTML and was the other choice, gets our own
HTML file; it needs Pango (Debian: libpango-1.0-0, libpangoft2-1.0-0).
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import psutil
from pypdf import PdfReader

from med42_chat.children import _environment, talk
from med42_chat.export import record
from med42_chat.export.sheet import Format, Options
from tests.bench.rows import Row
from tests.export import golden

_CHILD = "med42_chat.export.child"
_IN_A_ROW = 12
_MOST = 50_000_000  # bytes of a document
_PEER = """
import sys
from weasyprint import HTML, URLFetcher
fetcher = URLFetcher(allowed_protocols=[])
document = HTML(string=sys.stdin.buffer.read().decode(), url_fetcher=fetcher).write_pdf(pdf_variant="pdf/ua-1")
sys.stdout.buffer.write(document)
"""


@dataclass(slots=True)
class Cost:
    """What a process took: seconds of the processor and by the clock, and the most memory that it had at a time."""

    processor_s: float = 0.0
    wall_s: float = 0.0
    bytes: int = 0


def measure() -> list[Row]:
    """The conversation of 200 messages and 27,000 words."""
    made = golden.two_hundred()
    pdf, document = _ours(made, "pdf")
    docx, _ = _ours(made, "docx")
    _, page = _ours(made, "html")
    peer, theirs = _run(["-c", _PEER], page)
    words = sum(len(one.text.split()) for one in made.branch)
    note = f"{len(made.branch)} messages, {words:,} words, {_pages(document)} pages; {pdf.wall_s:.1f} s by the clock"
    beside = f"{pdf.processor_s:.1f} s and {peer.processor_s:.1f} s for {_pages(theirs)} pages"
    return [
        Row("export: a PDF of 200 messages", pdf.processor_s, "s", 3.0, "<=", note),
        Row("export: memory for that", pdf.bytes / 1e6, "MB", 300, "<="),
        Row("export: times faster than WeasyPrint", peer.processor_s / pdf.processor_s, "", 5.0, ">=", beside),
        Row("export: a DOCX of them", docx.processor_s, "s", 5.0, "<=", f"{docx.wall_s:.1f} s by the clock"),
        Row("export: growth of the program over twelve PDFs", _growth(made) / 1e6, "MB", 50, "<="),
    ]


def _ours(made: golden.Golden, format: Format) -> tuple[Cost, bytes]:
    cost, said = _run(["-m", _CHILD], _request(made, format))
    document = said[said.index(b'{"size"') :].partition(b"\n")[2]
    return cost, document


def _request(made: golden.Golden, format: Format) -> bytes:
    return record.request(record.Request(made.conversation, made.branch, Options(), format, "en"))


def _run(arguments: list[str], given: bytes) -> tuple[Cost, bytes]:
    """A fresh process, starting included, and what it says."""
    began = time.perf_counter()
    with (
        subprocess.Popen([sys.executable, "-P", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()) as process,
        _watched(process) as cost,
    ):
        said, _ = process.communicate(given)
    cost.wall_s = time.perf_counter() - began
    assert process.returncode == 0, "the process failed"
    return cost, said


@contextmanager
def _watched(process: "subprocess.Popen[bytes]") -> Iterator[Cost]:
    """What it costs, looked at a hundred times a second."""
    cost, done = Cost(), threading.Event()

    def look() -> None:
        watched = psutil.Process(process.pid)
        while not done.wait(0.01):
            try:
                times = watched.cpu_times()
                cost.processor_s = max(cost.processor_s, times.user + times.system)
                cost.bytes = max(cost.bytes, watched.memory_info().rss)
            except psutil.Error:  # it has ended
                return

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield cost
    finally:
        done.set()
        thread.join()


def _growth(made: golden.Golden) -> int:
    """Bytes by which this process is larger after twelve exports than after one."""
    own = psutil.Process()
    request = _request(made, "pdf")
    sizes = []
    for _ in range(_IN_A_ROW):
        talk(_CHILD, [], request, 120, _MOST)
        sizes.append(own.memory_info().rss)
    return max(0, sizes[-1] - sizes[0])


def _pages(document: bytes) -> int:
    return len(PdfReader(BytesIO(document)).pages)
