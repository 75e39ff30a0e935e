"""The process in which a CSL style writes references: `python -m med42_chat.export.csl`, style and documents as JSON on its input.

A style is a small program of a stranger's: its macros may call each other for ever, and the library that runs it was not made for that. So
it has a process with an end of its own, and an export goes on without it. The answer is a list: for each document its line, or null
where the style failed. `styled.py` is the other side.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from citeproc import Citation, CitationItem, CitationStylesBibliography, CitationStylesStyle
from citeproc.formatter import plain
from citeproc.source.json import CiteProcJSON
from lxml import etree

from med42_chat.children import limit
from med42_chat.export.style import NAMESPACE, read_style

_MEMORY = 600_000_000  # bytes of address space
_SECONDS = 20  # of processor time


def main() -> None:
    """Reads standard input, answers on standard output."""
    limit(_MEMORY, _SECONDS)
    asked = json.loads(sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(written(asked["style"], asked["documents"])))


def written(style: str, documents: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """The line of each document, which is CSL-JSON with an organisation for its publisher. Raises InputError for what is no style."""
    root = _numberless(read_style(style.encode()))
    writing = CitationStylesStyle(BytesIO(etree.tostring(root)), validate=False)
    names_authors = any("author" in (one.get("variable") or "").split() for one in root.iter(f"{NAMESPACE}names"))
    return [_line(writing, _authored(one) if names_authors else one) for one in documents]


def _line(writing: CitationStylesStyle, document: Mapping[str, Any]) -> str | None:
    try:
        listed = CitationStylesBibliography(writing, CiteProcJSON([document]), plain)
        listed.register(Citation([CitationItem(document["id"])]))
        return "".join(map(str, listed.bibliography()))
    except Exception:  # noqa: BLE001 - what a style asks for may fail in any way; it is this line that is not written, and not the document
        return None


def _numberless(root: Any) -> Any:
    """The style without what stands on the document anyway, or would change its words.

    The number is the answer's own, by which its marks name the source. And a title keeps its capitals and its points: 500 mg must not
    become 500 Mg, nor 2.5 mg 25 mg.
    """
    for element in list(root.iter(f"{NAMESPACE}text", f"{NAMESPACE}number")):
        if element.get("variable") == "citation-number":
            element.getparent().remove(element)
        elif element.get("term") is None:
            for change in ("text-case", "strip-periods"):
                element.attrib.pop(change, None)
    return root


def _authored(document: Mapping[str, Any]) -> dict[str, Any]:
    """With the publisher in the place of authors, as in an AMA line: nothing is known of persons, and named twice it would be two."""
    rest = {name: value for name, value in document.items() if name != "publisher"}
    return rest | ({"author": [{"literal": document["publisher"]}]} if "publisher" in document else {})


if __name__ == "__main__":
    main()
