"""The text of people's files: what is read, what is said of those that cannot be, and that no file harms who opens it."""

import random
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from med42_chat import children
from med42_chat.errors import UnreadableFile
from med42_chat.library import read
from med42_chat.library.formats import Fault, extract
from med42_chat.library.read import MOST_BYTES, MOST_CHARACTERS, read_text, text_of
from med42_chat.records import Attachment
from tests.children import running
from tests.library import pdfs

LETTER = ("Discharge letter", "Metformin 1 g (twice a day), eGFR 34 ml/min", "No allergies; potassium 5.9 mmol/l")


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    """Reads bytes as a file of that name."""

    def read_bytes(content: bytes, name: str, **options: Any) -> Attachment:
        path = tmp_path / "upload"
        path.write_bytes(content)
        return read_text(path, name, **options)

    return read_bytes


class TestPdf:
    def test_every_page_is_read_in_its_order(self, opened: Any) -> None:
        found = opened(pdfs.letter(LETTER, ["Second page"]), "letter.pdf")
        assert found == Attachment("letter.pdf", "\n".join(LETTER) + "\n\nSecond page", "application/pdf", pages=2)

    def test_packed_streams_and_lines_before_the_beginning_are_read(self, opened: Any) -> None:
        file = b"Content-Type: application/pdf\r\n\r\n" + pdfs.document([pdfs.text(LETTER)], packed=True)
        assert opened(file, "no ending").text == "\n".join(LETTER)

    def test_a_word_broken_at_a_lines_end_is_one_word_and_figures_are_never_joined(self, opened: Any) -> None:
        text = opened(pdfs.letter(["follow-", "up with 5-", "6 mg"]), "x.pdf").text
        assert text == "follow-up with 5-\n6 mg"

    @pytest.mark.browser
    def test_what_a_browser_printed_is_read(self, opened: Any, browser: Any) -> None:
        page = browser.new_page()
        page.set_content(
            "<h1>Letter</h1><p style='font-family:serif'>first office: 5 µg/kg ≤ 2.5, x ≥ 1</p>"
            "<table><tr><th>Medicine<th>Dose<tr><td>Ramipril<td>5 mg</table>"
            "<p lang=en style='hyphens:manual;width:4em'>hyper&shy;tension</p><p style='break-before:page'>Page two 😀</p>"
        )
        found = opened(page.pdf(), "printed.pdf")
        page.close()
        assert found.pages == 2
        assert [line for line in found.text.splitlines() if line] == [
            "Letter",
            "first office: 5 µg/kg ≤ 2.5, x ≥ 1",
            "Medicine Dose",
            "Ramipril 5 mg",
            "hypertension",
            "Page two 😀",
        ]

    def test_a_scan_is_named_as_one(self, opened: Any) -> None:
        with pytest.raises(UnreadableFile, match=r"‘scan\.pdf’ holds pictures of pages and no text") as raised:
            opened(pdfs.document([pdfs.PICTURE, pdfs.PICTURE]), "scan.pdf")
        assert "OCR" in raised.value.hint

    def test_a_scanned_page_among_others_is_named_where_it_stands(self, opened: Any) -> None:
        found = opened(pdfs.document([pdfs.text(["One"]), pdfs.PICTURE, pdfs.text(["Three"]), b""]), "mixed.pdf")
        assert found.text == "One\n\n[Page 2 holds no text that can be read.]\n\nThree"
        assert found.pages == 4

    def test_a_file_with_a_password_is_named_as_one(self, opened: Any) -> None:
        with pytest.raises(UnreadableFile, match="protected with a password"):
            opened(pdfs.document([pdfs.text(LETTER)], encrypted=True), "locked.pdf")

    @pytest.mark.parametrize(
        "content",
        [b"%PDF-1.7\n", b"%PDF-1.7\n" + bytes(2000), b"\x89PNG\r\n\x1a\n" + bytes(100), b"<html>not one</html>"],
        ids=["header alone", "zeros", "picture", "page of an error"],
    )
    def test_what_is_called_pdf_and_is_none_is_damaged(self, opened: Any, content: bytes) -> None:
        with pytest.raises(UnreadableFile, match=r"‘x\.pdf’ cannot be read"):
            opened(content, "x.pdf")

    def test_pages_without_anything_hold_no_text(self, opened: Any) -> None:
        with pytest.raises(UnreadableFile, match="holds no text"):
            opened(pdfs.document([b"", b""]), "blank.pdf")


class TestHarm:
    def test_a_bomb_ends_as_a_sentence_and_takes_nothing_from_the_program(self, opened: Any) -> None:
        bomb = pdfs.bomb(gigabytes=3)
        assert len(bomb) < 4_000_000
        before = psutil.Process().memory_info().rss
        with pytest.raises(UnreadableFile):
            opened(bomb, "bomb.pdf")
        assert psutil.Process().memory_info().rss - before < 50_000_000

    def test_two_hundred_damaged_files_give_text_or_a_sentence(self, tmp_path: Path) -> None:
        whole = [pdfs.letter(LETTER, LETTER), pdfs.document([pdfs.text(LETTER), pdfs.PICTURE], packed=True)]
        with ThreadPoolExecutor(2) as pool:
            ends = list(pool.map(lambda seed: self._end(tmp_path, whole[seed % 2], seed), range(200)))
        assert {type(end) for end in ends} == {Attachment, UnreadableFile}

    @staticmethod
    def _end(folder: Path, whole: bytes, seed: int) -> Attachment | UnreadableFile:
        draw, content = random.Random(seed), bytearray(whole)
        for _ in range(draw.choice([1, 4, 30])):
            at = draw.randrange(len(content))
            content[at : at + draw.choice([0, 1, 9])] = draw.randbytes(draw.choice([0, 1, 9]))
        if draw.random() < 0.2:
            del content[draw.randrange(len(content)) :]
        path = folder / f"{seed}.pdf"
        path.write_bytes(content)
        try:
            return read_text(path, path.name)
        except UnreadableFile as error:
            return error

    def test_what_takes_too_long_is_ended_and_leaves_no_process(self, opened: Any) -> None:
        began = time.monotonic()
        with pytest.raises(UnreadableFile, match=r"took more than 0\.02 seconds"):
            opened(pdfs.letter(LETTER), "slow.pdf", time_s=0.02)
        assert time.monotonic() - began < 2
        assert not running("med42_chat.library.child")

    def test_the_process_is_told_neither_name_nor_path(self, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        commands: list[list[str]] = []
        popen = subprocess.Popen

        def noted(command: list[str], **options: Any) -> Any:
            commands.append(command)
            return popen(command, **options)

        monkeypatch.setattr(subprocess, "Popen", noted)
        for name in ("John Doe.txt", "Letter.Doe", "Letter.Doe, John"):
            opened(b"words", name)
        assert len(commands) == 3
        assert "doe" not in str(commands).lower() and "upload" not in str(commands)

    def test_the_process_is_not_told_the_passphrase(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MED42_PASSPHRASE", "open sesame")
        monkeypatch.setenv("OTHER", "kept")
        assert "open sesame" not in children._environment().values() and children._environment()["OTHER"] == "kept"

    def test_a_process_that_ends_before_it_has_read_everything_is_no_fault(self, monkeypatch: pytest.MonkeyPatch) -> None:
        popen = subprocess.Popen
        monkeypatch.setattr(subprocess, "Popen", lambda command, **options: popen([command[0], "-c", "print()"], **options))
        with pytest.raises(UnreadableFile, match="it is damaged"):
            text_of(bytes(5_000_000), "x.txt")

    @pytest.mark.parametrize(
        "answer",
        [
            b"\n",
            b"7\n",
            b"[" * 100_000 + b"\n",
            b'{"text": 7, "media_type": "text/plain", "pages": null}\n',
            b'{"text": "x", "media_type": "text/plain", "pages": "many"}\n',
            b'{"text": "%b", "media_type": "text/plain", "pages": 1}\n' % (b"x" * (MOST_CHARACTERS + 1)),
            b'{"fault": "{name.__class__}"}\n',
        ],
        ids=["nothing", "number", "deep", "text", "pages", "long", "fault"],
    )
    def test_an_answer_of_another_shape_counts_as_damage(self, opened: Any, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
        monkeypatch.setattr(read, "ask", lambda *_: answer)
        with pytest.raises(UnreadableFile, match="it is damaged"):
            opened(b"words", "x.txt")

    def test_no_control_character_and_no_half_of_one_comes_through(self, opened: Any) -> None:
        assert opened(b"\xff\xfe" + "a\0b\ud83d c\x1b[31m\td\n".encode("utf-16-le", "surrogatepass"), "x.txt").text == "ab� c[31m\td"


class TestText:
    @pytest.mark.parametrize(
        "content",
        ["Größe ≤ 5 µg".encode(), b"\xef\xbb\xbf" + "Größe ≤ 5 µg".encode(), "Größe ≤ 5 µg".encode("utf-16")],
        ids=["8", "8+", "16"],
    )
    def test_unicode_is_read_with_and_without_its_mark(self, opened: Any, content: bytes) -> None:
        assert opened(content, "x.txt") == Attachment("x.txt", "Größe ≤ 5 µg", "text/plain")

    def test_what_old_programs_of_the_west_wrote_is_read(self, opened: Any) -> None:
        assert opened("Größe “5 µg” – 3 €\r\nZeile 2".encode("cp1252"), "x.txt").text == "Größe “5 µg” – 3 €\nZeile 2"

    def test_markdown_is_told_apart_and_left_as_it_is(self, opened: Any) -> None:
        found = opened(b"# Title\n\n| a | b |\n|---|---|\n\n    code\n", "Notes.MD")
        assert (found.media_type, found.text) == ("text/markdown", "# Title\n\n| a | b |\n|---|---|\n\n    code")

    def test_control_tokens_and_markup_in_a_text_are_words(self, opened: Any) -> None:
        assert opened(b"<|eot_id|> <b>{x}</b> &amp;", "x.txt").text == "<|eot_id|> <b>{x}</b> &amp;"

    @pytest.mark.parametrize(
        ("content", "name", "told"),
        [
            (b"", "x.txt", "holds no text"),
            (b" \n\t\n", "x.txt", "holds no text"),
            (b"\x7fELF" + bytes(50), "program", "is not a text"),
            (bytes(range(1, 256)) * 4, "x.txt", "is not a text"),
            (b"PK\x03\x04" + bytes(50), "letter.docx", "file of an office program"),
            (b"{\\rtf1 words}", "letter.rtf", "file of an office program"),
            (b"x" * (MOST_CHARACTERS + 1), "x.txt", "over 1,000,000 characters"),
        ],
        ids=["empty", "blank", "program", "noise", "docx", "rtf", "long"],
    )
    def test_what_cannot_be_read_is_told_by_its_name(self, opened: Any, content: bytes, name: str, told: str) -> None:
        with pytest.raises(UnreadableFile, match=told) as raised:
            opened(content, name)
        assert raised.value.message.startswith(f"‘{name}’") or f"‘{name}’" in raised.value.message

    def test_a_file_that_is_too_large_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "large.txt"
        with path.open("wb") as file:
            file.truncate(MOST_BYTES + 1)
        with pytest.raises(UnreadableFile, match="larger than 20 MB"):
            read_text(path, "large.txt")

    def test_a_file_that_is_gone_and_a_folder_are_told(self, tmp_path: Path) -> None:
        for path in (tmp_path / "gone.txt", tmp_path):
            with pytest.raises(UnreadableFile, match="cannot be opened"):
                read_text(path, "gone.txt")

    @pytest.mark.parametrize(
        ("given", "shown"),
        [
            (r"C:\Users\x\letter.txt", "letter.txt"),
            ("../../etc/passwd", "passwd"),
            ("a\nb\x1b.txt", "a b.txt"),
            ("", "file"),
            ("x" * 300 + ".txt", "x" * 100 + "…" + "x" * 15 + ".txt"),
        ],
    )
    def test_a_name_is_one_short_line_without_a_path(self, opened: Any, given: str, shown: str) -> None:
        assert opened(b"words", given).name == shown


class TestHtml:
    PAGE = b"""<!DOCTYPE html><html><head><title>Lab</title><style>p{}</style><script>alert("x")</script></head><body>
      <h1>Results &amp; plan</h1><p>Sodium
      <b>128</b>&nbsp;mmol/l<br>low</p><ul><li>restrict<li>measure</ul>
      <table><tr><th>Test<th>Value</tr><tr><td>CRP</td><td>5 &lt; 10</td></tr></table><pre>a  b
 c</pre></body></html>"""

    def test_it_reads_as_a_person_sees_it(self, opened: Any) -> None:
        found = opened(self.PAGE, "page.html")
        lines = [line for line in found.text.splitlines() if line]
        assert found.media_type == "text/html"
        assert lines[:3] == ["Results & plan", "Sodium 128 mmol/l", "low"]
        assert lines[3:] == ["- restrict", "- measure", "Test | Value", "CRP | 5 < 10", "a  b", " c"]

    def test_a_page_is_known_by_its_beginning_too(self, opened: Any) -> None:
        assert opened(b"\n <HTML><p>x</p></HTML>", "saved.txt") == Attachment("saved.txt", "x", "text/html")

    def test_the_encoding_that_it_names_is_believed(self, opened: Any) -> None:
        page = '<html><meta charset="windows-1251"><p>Гипертония</p></html>'.encode("cp1251")
        assert opened(page, "x.htm").text == "Гипертония"

    def test_an_encoding_that_does_not_exist_is_no_fault(self, opened: Any) -> None:
        assert opened(b'<html><meta charset="klingon"><p>caf\xe9</p></html>', "x.htm").text == "café"

    @given(st.text("<>/!-&; abprscriptultd=\"'\n[]", max_size=300))
    def test_no_markup_at_all_ends_otherwise_than_in_text_or_a_fault(self, markup: str) -> None:
        try:
            assert extract(markup.encode(), ".html", 1000).text.strip()
        except Fault as fault:
            assert str(fault) in ("empty", "long")
