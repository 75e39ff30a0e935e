"""Golden conversations as PDF files, and what can be read out of those again."""

import io
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC
from typing import Any

import pypdf
import pytest

from med42_chat.export import pdf
from med42_chat.export.paper import sheet_of
from med42_chat.export.sheet import Options, Sheet
from med42_chat.settings import ASSETS
from med42_chat.words import Words, read_words
from tests.export.golden import Golden

TEMPLATE, FONTS = ASSETS / "export" / "export.typ", ASSETS / "export" / "fonts"


def words() -> Words:
    return read_words(ASSETS / "words" / "en.toml")


def sheet(golden: Golden, options: Options = Options()) -> Sheet:  # noqa: B008 a frozen value
    return sheet_of(golden.conversation, golden.branch, options, words(), UTC)


def printed(golden: Golden, attached: bytes = b"", **options: Any) -> pdf.Written:
    chosen = Options(**options)
    return pdf.write(sheet(golden, chosen), chosen, words(), TEMPLATE, FONTS, attached)


def read(document: bytes, password: str = "") -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(document), password=password or None)


def text(document: bytes, *flags: str) -> str:
    """What poppler reads: what is found when the file is searched."""
    return _run("pdftotext", *flags, "-", "-", document=document).decode()


def check(document: bytes) -> None:
    """Fails where qpdf finds a fault in the file's structure."""
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(document)
        file.flush()
        _run("qpdf", "--check", file.name)


def _run(*command: str, document: bytes = b"") -> bytes:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, input=document, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def elements(reader: pypdf.PdfReader) -> Iterator[Any]:
    """The tagged parts, in reading order."""
    stack: list[Any] = [reader.root_object["/StructTreeRoot"]]
    while stack:
        one = stack.pop().get_object()
        if isinstance(one, list):
            stack += reversed(one)
        elif isinstance(one, dict):
            if "/S" in one:
                yield one
            if "/K" in one:
                stack.append(one["/K"])


def tags(reader: pypdf.PdfReader) -> list[str]:
    """Their kinds: 'H1', 'P', 'Table' …"""
    return [str(one["/S"])[1:] for one in elements(reader)]


def links(reader: pypdf.PdfReader) -> list[Any]:
    """The link annotations of all pages."""
    every = (one.get_object() for page in reader.pages for one in page.get("/Annots", ()))
    return [one for one in every if one["/Subtype"] == "/Link"]


def target(reader: pypdf.PdfReader, link: Any) -> int:
    """The number of the page that a link within the file leads to, counted from 0."""
    place = link["/Dest"].get_object()
    page = reader.named_destinations[place].page if isinstance(place, str) else place[0]
    return reader.get_page_number(page.get_object())


def headings(outline: list[Any]) -> list[Any]:
    """The outline's titles, nested as in the file."""
    return [headings(one) if isinstance(one, list) else one.title for one in outline]
