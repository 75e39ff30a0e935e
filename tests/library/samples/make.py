"""Makes the sample library, assets/library, from the texts beside this file: `python -m tests.library.samples.make`.

Needs a Chromium for the PDFs and, for the DOCX, the package python-docx, which nothing else here needs. The result is kept in the
repository: run it after a change to a text. Each page says that it is an example.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.conftest import CHROMIUM

TEXTS = Path(__file__).resolve().parent
ROOT = TEXTS.parents[2]
SAMPLES = ROOT / "assets" / "library"
MARK = "Example. Invented. Not for clinical use."
SCREEN = "body { max-width: 44em; margin: 2em auto; font-family: sans-serif }"
PRINTED = ("anticoagulants", "antibiotic-levels", "delirium")
_HEAD = f"<div style='font:8pt sans-serif;width:100%;margin:0 20mm;color:#555'>{MARK}</div>"
_FOOT = (
    "<div style='font:8pt sans-serif;width:100%;margin:0 20mm;color:#555'>Northwater Hospital (invented) · "
    "page <span class=pageNumber></span> of <span class=totalPages></span></div>"
)


def main() -> None:
    """Writes all six files anew."""
    SAMPLES.mkdir(exist_ok=True)
    print_pages()
    word(TEXTS / "contrast.html").save(str(SAMPLES / "contrast.docx"))
    (SAMPLES / "refeeding.html").write_text(
        page("refeeding", "body { max-width: 44em; margin: 2em auto; font-family: sans-serif }"), "utf-8"
    )
    shutil.copyfile(TEXTS / "early-warning.md", SAMPLES / "early-warning.md")
    for path in sorted(SAMPLES.iterdir()):
        print(f"{path.stat().st_size:8,} {path.name}")


def page(name: str, style: str) -> str:
    """A whole HTML page of a text. What must stand on every page of a printed one ends a page without any."""
    end = "" if name in PRINTED else f"<p>{MARK}</p>"
    text = (TEXTS / f"{name}.html").read_text("utf-8")
    head = f"<meta charset=utf-8>\n<title>{title(name)}</title>\n<style>{style}</style>"
    return f"<!doctype html>\n<html lang=en>\n{head}\n{text}{end}\n</html>\n"


def title(name: str) -> str:
    """A text's highest heading."""
    return body(TEXTS / f"{name}.html").findtext("h1", "")


def body(path: Path) -> ElementTree.Element:
    """A text as a tree: these files are written as well-formed XML."""
    return ElementTree.fromstring(f"<body>{path.read_text('utf-8')}</body>")


def print_pages() -> None:
    """The PDFs, in the program's own fonts, so that they come out alike on every system."""
    from playwright.sync_api import sync_playwright

    style = (TEXTS / "print.css").read_text("utf-8").replace("FONTS", (ROOT / "assets" / "fonts").as_uri())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        for name in PRINTED:
            source = TEXTS / f"{name}.print.html"
            source.write_text(page(name, style), "utf-8")
            try:
                shown = browser.new_page()
                shown.goto(source.as_uri())  # from a file: only such a page may load the fonts
                shown.evaluate("document.fonts.ready")
                shown.pdf(
                    path=SAMPLES / f"{name}.pdf",
                    prefer_css_page_size=True,
                    print_background=True,
                    display_header_footer=True,
                    header_template=_HEAD,
                    footer_template=_FOOT,
                )
            finally:
                source.unlink()
        browser.close()


def word(path: Path) -> Any:
    """The text as a Word document with real headings, lists and tables, and the mark in every page's head."""
    from docx import Document

    made = Document()
    made.sections[0].header.paragraphs[0].text = MARK
    made.sections[0].footer.paragraphs[0].text = "Northwater Hospital (invented)"
    made.core_properties.title = title(path.stem)
    made.core_properties.author = "Northwater Hospital (invented)"
    for element in body(path):
        _add(made, element)
    return made


def _add(made: Any, element: ElementTree.Element) -> None:
    if element.tag in ("h1", "h2", "h3"):
        made.add_heading(element.text, int(element.tag[1]))
    elif element.tag in ("ul", "ol"):
        for item in element:
            made.add_paragraph(item.text, "List Bullet" if element.tag == "ul" else "List Number")
    elif element.tag == "table":
        rows = [[cell.text for cell in row] for row in element]
        grid = made.add_table(len(rows), len(rows[0]), "Table Grid")
        for row, cells in zip(grid.rows, rows, strict=True):
            for cell, text in zip(row.cells, cells, strict=True):
                cell.text = text
    else:
        for line in _lines(element):
            made.add_paragraph(line)


def _lines(element: ElementTree.Element) -> Iterator[str]:
    """A paragraph's text, parted where it has a line break."""
    yield element.text or ""
    for part in element:
        yield part.tail or ""


if __name__ == "__main__":
    sys.exit(main())
