"""Documents made by hand: a DOCX as Word packs it, and PDF pages whose text is drawn in any order."""

import io
import zipfile
from collections.abc import Iterable, Sequence

_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def docx(body: str, styles: str = "", core: str = "") -> bytes:
    """A DOCX with this XML in its body, styles and properties."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("word/document.xml", f'<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>')
        file.writestr("word/styles.xml", f'<w:styles xmlns:w="{_WORD}">{styles}</w:styles>')
        if core:
            file.writestr("docProps/core.xml", core)
    return packed.getvalue()


def paragraph(text: str, style: str = "") -> str:
    """A paragraph's XML."""
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table's XML."""
    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


def drawn(texts: Iterable[tuple[float, float, str]], size: float = 10) -> bytes:
    """A PDF page's content: each text at its x and y (from the bottom), in the order given."""
    shown = (
        b"BT /F1 %g Tf %g %g Td (%b) Tj ET " % (size, x, y, text.replace("(", "\\(").replace(")", "\\)").encode("cp1252"))
        for x, y, text in texts
    )
    return b"".join(shown)
