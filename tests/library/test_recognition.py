"""Text recognition: only where Tesseract is installed and was asked for, and always said."""

import io
import os
import shutil
import sys
from pathlib import Path

import pytest

from med42_chat.errors import InputError, ScannedFile
from med42_chat.library.boxes import unpack
from med42_chat.library.documents import Reading, can_ocr, checked_ocr, document_of
from med42_chat.library.recognition import words
from tests.library import files, pdfs

TABLE = "\n".join(
    "\t".join(row.split())
    for row in (
        "level page_num block_num par_num line_num word_num left top width height conf text",
        "1 1 0 0 0 0 0 0 2479 3508 -1 -",
        "4 1 1 1 1 0 240 400 600 40 -1 -",
        "5 1 1 1 1 1 240 404 200 32 96.9 Give",
        "5 1 1 1 1 2 500 400 100 40 96.1 5",
        "5 1 1 1 1 3 640 410 200 30 91.0 mg",
        "5 1 1 1 1 4 900 410 10 10 4.2 %",
    )
)


@pytest.fixture
def tesseract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of that name that reads the same line in every picture, and fails for what is no picture."""
    program = tmp_path / "bin" / "tesseract"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        "head, size, *_ = sys.stdin.buffer.read().split(b' ', 2)\n"
        "assert head == b'P5' and int(size) > 1000 and sys.argv[1:3] == ['stdin', 'stdout'] and sys.argv[-1] == 'tsv'\n"
        f"print({TABLE!r})\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)


def test_each_character_of_a_word_has_its_share_of_the_words_box_and_its_lines_height() -> None:
    glyphs = [glyph for glyph in words(TABLE, 4.0) if glyph.height]
    assert "".join(glyph.char for glyph in glyphs) == "Give5mg"  # the last one was too unsure
    assert glyphs[1][1:5] == (72.5, 100.0, 85.0, 110.0) and {glyph.top for glyph in glyphs} == {100.0}


@pytest.mark.skipif(sys.platform == "win32", reason="the program that stands in is a script")
@pytest.mark.usefixtures("tesseract")
class TestWithTesseract:
    def test_a_scan_is_a_scan_until_recognition_is_asked_for(self) -> None:
        scan = pdfs.document([pdfs.PICTURE])
        with pytest.raises(ScannedFile, match="no text layer"):
            document_of(scan, "scan.pdf")
        found = document_of(scan, "scan.pdf", reading=Reading(ocr=True))
        assert [page.text for page in found.pages] == ["Give 5 mg"] and len(unpack(found.pages[0].boxes)) == len("Give 5 mg")
        assert found.notes == ("Page 1 was read by text recognition, which makes mistakes: compare figures with the page.",)

    def test_pages_with_text_are_not_recognised(self) -> None:
        both = pdfs.document([files.drawn([(50, 700, "Real words.")]), pdfs.PICTURE])
        found = document_of(both, "x.pdf", reading=Reading(ocr=True))
        assert [page.text for page in found.pages] == ["Real words.", "Give 5 mg"] and "Page 2 was read" in found.notes[0]
        assert document_of(both, "x.pdf").notes == ("Page 2 holds no text that can be read.",)


def test_without_tesseract_it_cannot_be_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not can_ocr() and not checked_ocr(False)
    with pytest.raises(InputError, match="not installed"):
        checked_ocr(True)


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")
def test_the_real_program_reads_a_printed_line() -> None:
    import pypdfium2

    drawn = pypdfium2.PdfDocument(pdfs.document([files.drawn([(50, 700, "Give 500 mg of meropenem every eight hours.")], 14)]))
    picture = pypdfium2.PdfDocument.new()
    image = pypdfium2.PdfImage.new(picture)
    image.set_bitmap(drawn[0].render(scale=3))
    image.set_matrix(pypdfium2.PdfMatrix().scale(612, 792))
    page = picture.new_page(612, 792)
    page.insert_obj(image)
    page.gen_content()
    scan = io.BytesIO()
    picture.save(scan)
    found = document_of(scan.getvalue(), "scan.pdf", reading=Reading(ocr=True))
    assert "500 mg of meropenem every eight hours" in found.pages[0].text
