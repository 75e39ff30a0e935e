"""The process in which documents are made: what it is asked, what it says, and how it ends."""

import io
import json
import subprocess
import sys
import tempfile
from typing import Any

import pytest

from med42_chat.children import _environment, talk
from med42_chat.export import child, record
from med42_chat.export.sheet import Format, Options
from tests.export import golden

MODULE = "med42_chat.export.child"


def asked(made: golden.Golden, format: Format, language: str = "en", **options: Any) -> bytes:
    return record.request(record.Request(made.conversation, made.branch, Options(**options), format, language))


def said(request: bytes) -> tuple[list[dict[str, Any]], bytes]:
    """The lines that the process says in this one, and the bytes after them."""
    return parted(b"".join(child.answer(io.BytesIO(request))))


def parted(answer: bytes) -> tuple[list[dict[str, Any]], bytes]:
    lines: list[dict[str, Any]] = []
    while not lines or not {"size", "fault"} & lines[-1].keys():
        line, _, answer = answer.partition(b"\n")
        lines.append(json.loads(line))
    return lines, answer


@pytest.mark.parametrize(
    ("format", "begins"),
    [("pdf", b"%PDF-1.7"), ("docx", b"PK\x03\x04"), ("html", b"<!doctype html>"), ("md", b""), ("txt", b""), ("json", b"{\n")],
)
def test_each_format_is_made_with_its_size_before_it_and_progress_that_grows(format: Format, begins: bytes) -> None:
    if format == "pdf":
        pytest.importorskip("typst")
    lines, document = said(asked(golden.demonstration(), format))
    assert lines[-1] == {"size": len(document), "notes": []}
    assert document.startswith(begins) and len(document) > 500
    done = [line["progress"] for line in lines[:-1]]
    assert done == sorted(done) and done[0] > 0 and done[-1] < 1
    assert {line["step"] for line in lines[:-1]} <= {"reading", "laying out", "writing"}


def test_json_is_the_whole_conversation_with_all_versions() -> None:
    made = golden.awkward()
    request = record.request(record.Request(made.conversation, made.messages, Options(), "json", "en"))
    found = record.read(said(request)[1])
    assert (found.conversation, found.messages) == (made.conversation, made.messages)


@pytest.mark.parametrize("limit", ["MOST_BYTES", "MOST_MESSAGES"])
def test_a_file_that_could_not_be_imported_again_is_made_and_says_so(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, limit, 1)
    lines, document = said(asked(golden.demonstration(), "json"))
    assert document and "cannot be imported again" in lines[-1]["notes"][0]


def test_a_pdf_with_the_conversation_inside_gives_it_back() -> None:
    pytest.importorskip("typst")
    from tests.export import printing

    made = golden.demonstration()
    _, document = said(asked(made, "pdf", attached=True))
    (inside,) = printing.read(document).attachments["conversation.json"]
    assert record.read(inside).messages == made.branch


def test_notes_go_with_the_document() -> None:
    pytest.importorskip("typst")
    lines, _ = said(asked(golden.hostile()["characters without a glyph"], "pdf"))
    assert "characters that no font of this PDF can draw" in lines[-1]["notes"][0]


def test_what_cannot_be_exported_is_said_in_words() -> None:
    lines, rest = said(asked(golden.demonstration(), "txt", messages=frozenset(["nowhere"])))
    assert lines[-1]["fault"] == "There is no message to be exported." and lines[-1]["hint"] and rest == b""


@pytest.mark.parametrize("request_", [b"", b"{", b"[]", b'{"conversation": {}}', b"\xff\xfe"])
def test_a_request_of_another_shape_is_a_fault_and_no_crash(request_: bytes) -> None:
    assert said(request_)[0][-1]["fault"]


def test_a_language_without_words_is_named() -> None:
    assert "‘xx’" in said(asked(golden.demonstration(), "txt", language="xx"))[0][-1]["fault"]


def test_where_memory_runs_out_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(child, "sheet_of", full)
    assert said(asked(golden.demonstration(), "txt"))[0][-1] == {"fault": "memory", "hint": ""}


class TestProcess:
    def test_a_process_of_its_own_says_the_same_and_nothing_else(self) -> None:
        pytest.importorskip("typst")
        request = asked(golden.awkward(), "pdf", patient="MRN 12345")
        lines, document = parted(talk(MODULE, [], request, 120, 50_000_000))
        assert (lines, document) == said(request)
        assert lines[-1]["size"] == len(document)

    def test_it_may_not_take_all_memory(self) -> None:
        done = _run("[bytes(2_000_000_000)]")
        assert done.returncode != 0 and b"MemoryError" in done.stderr

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
    def test_it_cannot_write_a_file(self) -> None:
        assert b"OSError" in _run("[open('x', 'wb', buffering=0).write(b'x') and b'']").stderr


def _run(answer: str) -> Any:
    """The process with these words for an answer, which it makes when its limits hold."""
    code = f"import med42_chat.export.child as child\nchild.answer = lambda asked: {answer}\nchild.main()"
    command = [sys.executable, "-P", "-c", code]
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(command, cwd=folder, env=_environment(), input=b"", capture_output=True, check=False)
