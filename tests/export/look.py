"""The pages of a golden conversation as they look now, for whoever edits assets/export/export.typ.

python -m tests.export.look [NAME [a4|letter [FOLDER]]]    'awkward', A4 and the current folder by default: export.pdf, page-1.png …
"""

import sys
from pathlib import Path
from typing import Any

import pypdfium2

from med42_chat.export.sheet import PaperSize
from tests.export import golden, printing

PICTURES = Path(__file__).with_name("pictures")  # that the tests compare with
PAGES = {"awkward": (1, 2), "right to left": (1,)}
SCALE = 0.7  # 50 dots an inch


def main(name: str = "awkward", paper: PaperSize = "a4", folder: str = ".") -> None:
    """Writes the PDF and a picture of each page."""
    made = {**golden.everything(), **{title: lambda one=one: one for title, one in golden.hostile().items()}}[name]()
    written = printing.printed(made, paper=paper, author="Dr A. Example", patient="MRN 12345")
    (Path(folder) / "export.pdf").write_bytes(written.document)
    for number in range(1, len(printing.read(written.document).pages) + 1):
        picture(written.document, number, 1.4).save(Path(folder) / f"page-{number}.png")
    print(*written.notes, sep="\n")


def picture(document: bytes, number: int, scale: float = SCALE) -> Any:
    """A page, counted from 1, as a picture."""
    with pypdfium2.PdfDocument(document) as opened:
        return opened[number - 1].render(scale=scale).to_pil().convert("RGB")


def kept(name: str, number: int) -> Path:
    """Where the picture lies that a page is compared with."""
    return PICTURES / f"{name.replace(' ', '-')}-{number}.png"


def keep() -> None:
    """Takes how the pages look now for how they should look."""
    PICTURES.mkdir(exist_ok=True)
    for name, numbers in PAGES.items():
        document = printing.printed(golden.everything()[name]()).document
        for number in numbers:
            picture(document, number).quantize(64).save(kept(name, number), optimize=True)


if __name__ == "__main__":
    keep() if sys.argv[1:] == ["--keep"] else main(*sys.argv[1:])  # type: ignore[arg-type]
