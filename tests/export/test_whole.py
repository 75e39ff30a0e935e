"""From the store to the finished document, with the real process: every format, and what happens when it is killed or called off."""

import io
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from med42_chat.errors import NotFound
from med42_chat.export import record
from med42_chat.export.sheet import Format, Options
from med42_chat.exporting import Exporting, ExportState
from med42_chat.records import Citation, Document, Holding, Page, Passage, Source
from med42_chat.store.database import Store
from tests.export import golden
from tests.export.sheets import answered
from tests.store.samples import KEY

pypdf = pytest.importorskip("pypdf")
pytest.importorskip("typst")

BEGINNINGS: dict[Format, bytes] = {
    "pdf": b"%PDF-",
    "docx": b"PK\x03\x04",
    "html": b"<!doctype html>",
    "md": b"",
    "txt": b"",
    "json": b"{\n",
}


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store.open(home, KEY) as opened:
        yield opened


@pytest.fixture
def exporting(store: Store) -> Iterator[Exporting]:
    made = Exporting(store.conversations, store.audit)
    yield made
    made.close()


def kept(store: Store, made: golden.Golden) -> str:
    return store.conversations.restore(made.conversation, made.messages).conversation.id


def ended(exporting: Exporting, id: str) -> ExportState:
    state, until = exporting.state(id), time.monotonic() + 150
    while state.phase == "running" and time.monotonic() < until:
        state = exporting.wait(id, state.progress, 5)
    return state


def document(exporting: Exporting, conversation: str, format: Format, options: Options | None = None) -> bytes:
    id = exporting.start(conversation, format, options or Options(), "en")
    state = ended(exporting, id)
    assert state.phase == "done", state.message
    return exporting.take(id)


@pytest.mark.parametrize("format", BEGINNINGS)
def test_every_format_is_made_twice_as_the_same_bytes_and_holds_nothing_of_what_was_attached(
    store: Store, exporting: Exporting, format: Format
) -> None:
    conversation = kept(store, golden.awkward())
    first = document(exporting, conversation, format)
    assert first.startswith(BEGINNINGS[format]) and first == document(exporting, conversation, format)
    if format in ("html", "md", "txt"):
        assert golden.CANARY.encode() not in first and golden.ARABIC in first.decode("utf-8")


def test_the_conversation_inside_a_pdf_is_the_one_that_can_be_imported(store: Store, exporting: Exporting) -> None:
    made = golden.awkward()
    pdf = pypdf.PdfReader(io.BytesIO(document(exporting, kept(store, made), "pdf", Options(attached=True))))
    ((content,),) = pdf.attachments.values()
    found = record.read(content)
    assert (found.conversation, found.messages) == (made.conversation, made.messages)


def from_the_library(store: Store) -> tuple[str, Holding]:
    """A conversation whose answer cites a document of the library, and that document."""
    text = "Stop apixaban 48 hours before surgery."
    passage = Passage(1, 12, ("Surgery",), text, 0, len(text))
    document = Document("Ward anticoagulation guide", "application/pdf", (Page(12, text),), (passage,), publisher="Ward 7")
    holding = store.documents.add(document, b"%PDF", "guide.pdf")
    source = Source(1, holding.title, text, 12, holding.sha256, holding.id, ("Surgery",), 0, len(text), holding.publisher)
    citation = Citation(source, "48 hours before surgery", "found")
    made = answered("Stop it 48 hours before surgery [1].", citations=(citation,))
    return kept(store, made), holding


@pytest.mark.parametrize("format", BEGINNINGS)
def test_a_source_whose_document_was_removed_from_the_library_is_whole_in_every_format(
    store: Store, exporting: Exporting, format: Format
) -> None:
    conversation, holding = from_the_library(store)
    store.documents.remove(holding.id)
    with pytest.raises(NotFound):
        store.documents.get(holding.id)
    words = "".join(text_of(document(exporting, conversation, format), format).split())
    for part in ("Ward anticoagulation guide", "48 hours before surgery", "Ward 7", holding.sha256):
        assert "".join(part.split()) in words, part


def text_of(data: bytes, format: Format) -> str:
    """Everything that can be read in a document."""
    if format == "pdf":
        return "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages)
    if format == "docx":
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            return re.sub("<[^>]*>", "", parts.read("word/document.xml").decode())
    return re.sub("<[^>]*>", "", data.decode()) if format == "html" else data.decode()


def test_a_style_of_references_is_used_within_the_limits_of_the_real_process(store: Store, exporting: Exporting) -> None:
    style = (Path(__file__).parent / "styles" / "author-date.csl").read_text("utf-8")
    pdf = document(exporting, kept(store, golden.awkward()), "pdf", Options(csl=style))
    assert "(2026),‘Anticoagulantsaroundoperations’,v6.0." in "".join(text_of(pdf, "pdf").split())


def test_a_pdf_with_a_password_opens_with_it_only(store: Store, exporting: Exporting) -> None:
    data = document(exporting, kept(store, golden.demonstration()), "pdf", Options(password="open sesame"))
    assert not pypdf.PdfReader(io.BytesIO(data)).decrypt("guess")
    locked = pypdf.PdfReader(io.BytesIO(data))
    assert locked.decrypt("open sesame") and "delirium" in locked.pages[0].extract_text()
    assert b"delirium" not in data


def test_a_process_that_is_killed_at_its_work_fails_alone_and_the_next_one_is_made(store: Store, exporting: Exporting) -> None:
    conversation = kept(store, golden.two_hundred())
    id = exporting.start(conversation, "pdf", Options(), "en")
    exporting.wait(id, 0.3, 120)
    for child in psutil.Process().children():
        child.kill()
    state = ended(exporting, id)
    assert (state.phase, state.size) == ("failed", 0) and state.hint
    assert document(exporting, conversation, "json")


def test_an_export_that_is_called_off_at_its_work_leaves_no_process(store: Store, exporting: Exporting) -> None:
    id = exporting.start(kept(store, golden.two_hundred()), "pdf", Options(), "en")
    exporting.wait(id, 0.0, 120)
    exporting.cancel(id)
    until = time.monotonic() + 60
    while (left := psutil.Process().children()) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == [] and exporting.state(id).phase == "cancelled"
