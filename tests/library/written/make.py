"""One text, printed by different programs: `python -m tests.library.written.make`. The results are kept beside this file, for the tests.

It needs weasyprint 70.0, typst 0.15.2, and reportlab 5.1.0 with pyphen; nothing else here needs them. The text is that of a
sample document, with words that programs like to set with ligatures and a line of Arabic at its end.
"""

import html
import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
TEXT = HERE.parent / "samples" / "anticoagulants.html"
LIGATURES = "An official flow chart of sufficient effect is filed in the office, and affluent figures are reflected in it."
ARABIC = "الإنتان حالة طارئة"
_END = [("h2", "Office"), ("p", LIGATURES)]

Block = tuple[str, str]  # 'h1', 'h2', 'p', or 'table' with a row a line and cells parted by tabs


def blocks() -> list[Block]:
    """The text, in its order."""
    tree = ElementTree.fromstring(f"<body>{TEXT.read_text('utf-8')}</body>")
    return [*_blocks(tree), *_END]


def _blocks(parent: ElementTree.Element) -> Iterator[Block]:
    for element in parent:
        if element.tag == "div":
            yield from _blocks(element)
        elif element.tag == "table":
            yield "table", "\n".join("\t".join(cell.text or "" for cell in row) for row in element)
        elif not element.get("class"):
            yield element.tag, element.text or ""


def rows(table: str) -> list[list[str]]:
    """A table's cells."""
    return [line.split("\t") for line in table.split("\n")]


def weasyprint() -> bytes:
    """HTML set by WeasyPrint: two columns, hyphens, ligatures of DejaVu."""
    from weasyprint import HTML

    style = (
        "@page{size:A4;margin:18mm;@bottom-center{content:'page ' counter(page)}} body{font:10pt/1.35 'DejaVu Serif';hyphens:auto;"
        "text-align:justify;columns:2;column-gap:8mm} h1{column-span:all} h1,h2{text-align:left;break-after:avoid;hyphens:manual}"
        "table{width:100%;font-size:8pt;text-align:left;hyphens:manual;break-inside:avoid} td{padding:3pt 2pt}"
    )
    arabic = f"<p dir=rtl lang=ar style='font-family:Noto Naskh Arabic'>{ARABIC}</p>"
    page = "".join(_as_html(kind, text) for kind, text in blocks())
    printed: bytes = HTML(string=f"<html lang=en-GB><style>{style}</style><body>{page}{arabic}</body></html>").write_pdf()
    return printed


def _as_html(kind: str, text: str) -> str:
    if kind != "table":
        return f"<{kind}>{html.escape(text)}</{kind}>"
    return f"<table>{''.join('<tr>' + ''.join(f'<td>{html.escape(cell)}' for cell in row) for row in rows(text))}</table>"


def typst() -> bytes:
    """Set by Typst in its own Libertinus: two columns, hyphens."""
    import typst as package

    lines = [
        '#set page("a4", columns: 2, margin: 18mm, numbering: "1")',
        '#set text(10pt, font: "Libertinus Serif", lang: "en", region: "GB", hyphenate: true)',
        "#set par(justify: true)",
        *(_as_typst(kind, text) for kind, text in blocks()),
        f'#text(dir: rtl, lang: "ar", font: "Noto Naskh Arabic")[#{_string(ARABIC)}]',
    ]
    source = HERE / "source.typ"
    source.write_text("\n\n".join(lines), "utf-8")
    try:
        return bytes(package.compile(str(source), format="pdf"))
    finally:
        source.unlink()


def _as_typst(kind: str, text: str) -> str:
    if kind == "table":
        cells = ", ".join(f"[#{_string(cell)}]" for row in rows(text) for cell in row)
        return f"#text(8pt, hyphenate: false)[#table(columns: {len(rows(text)[0])}, stroke: none, {cells})]"
    if kind == "p":
        return f"#{_string(text)}"
    title = f"#heading(level: {kind[1]})[#text(hyphenate: false)[#{_string(text)}]]"
    return f'#place(top, scope: "parent", float: true)[{title}]' if kind == "h1" else title


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def reportlab() -> bytes:
    """Set by ReportLab: two frames a page, Times, hyphens, a grid around tables."""
    import io

    from reportlab.lib import colors
    from reportlab.lib.enums import TA_JUSTIFY
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate, Paragraph, Table

    plain = ParagraphStyle(
        "p", fontName="Times-Roman", fontSize=10, leading=13, spaceAfter=6, alignment=TA_JUSTIFY, hyphenationLang="en_GB"
    )
    styles = {
        "h1": ParagraphStyle("h1", fontName="Times-Bold", fontSize=17, leading=21, spaceAfter=8),
        "h2": ParagraphStyle("h2", fontName="Times-Bold", fontSize=13, leading=16, spaceBefore=8, spaceAfter=4, keepWithNext=True),
        "p": plain,
    }

    def made(kind: str, text: str) -> Flowable:
        if kind != "table":
            return Paragraph(html.escape(text), styles[kind])
        return Table(rows(text), style=[("GRID", (0, 0), (-1, -1), 0.4, colors.grey), ("FONT", (0, 0), (-1, -1), "Times-Roman", 7)])

    out = io.BytesIO()
    width, height = A4
    column = (width - 110) / 2
    frames = [Frame(45 + number * (column + 20), 45, column, height - 90) for number in range(2)]
    document = BaseDocTemplate(out, title="Anticoagulants around operations")
    document.addPageTemplates(
        PageTemplate("two", frames, onPage=lambda canvas, _: canvas.drawCentredString(width / 2, 25, str(canvas.getPageNumber())))
    )
    document.build([made(kind, text) for kind, text in blocks()])
    return out.getvalue()


def main() -> None:
    """Writes all of them anew."""
    for write in (weasyprint, typst, reportlab):
        path = HERE / f"{write.__name__}.pdf"
        path.write_bytes(write())
        print(f"{path.stat().st_size:8,} {path.name}")


if __name__ == "__main__":
    main()
