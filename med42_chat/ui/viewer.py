"""What is shown of the document behind a citation: the place of the quoted words on its page, or its text with them marked. Pure."""

from html import escape

from med42_chat.library.boxes import SCALE, Box, around, marks, unpack
from med42_chat.library.places import find
from med42_chat.records import Citation, Holding, Page, Source
from med42_chat.ui.words import Words

_PART = 12_000  # characters of a document without pages that are shown before and after the passage


def gone(words: Words) -> dict[str, object]:
    """What is said when the document has been removed."""
    return {"kind": "gone", "said": words("viewer.gone")}


def shown(words: Words, citation: Citation, holding: Holding, page: Page, newer: Holding | None = None) -> dict[str, object]:
    """Everything but the picture. `page` is the cited one, or all of a document that has no pages."""
    told = {"document": holding.id, "title": holding.title, "newer": words("viewer.newer", title=newer.title) if newer else ""}
    if page.number is None or not holding.media_type.endswith("/pdf"):
        return {**told, **_text(words, citation, page)}
    quoted = _places(citation, page)
    passage = [] if citation.quote else _passage_boxes(citation.source, page)
    said = "viewer.marked" if quoted else "viewer.passage" if passage else "viewer.not_marked"
    boxes = [_share(box) for box in quoted or passage]
    rest = {"kind": "pages", "page": page.number, "pages": holding.pages or page.number}
    return {**told, **rest, "marks": boxes, "quoted": bool(quoted), "said": words(said)}


def _places(citation: Citation, page: Page) -> list[Box]:
    return marks(page, citation.quote, *_place(citation.source, page)) if citation.quote else []


def _passage_boxes(source: Source, page: Page) -> list[Box]:
    place = _own_place(source, page) if page.boxes else None
    return around(unpack(page.boxes)[slice(*place)]) if place else []


def _place(source: Source, page: Page) -> tuple[int, int]:
    """Where the passage stands on its page; the whole page where the document was read anew and has other words there."""
    return _own_place(source, page) or (0, len(page.text))


def _own_place(source: Source, page: Page) -> tuple[int, int] | None:
    here = page.text[source.start : source.end] == source.text and bool(source.text)
    return (source.start, source.end) if here else find(page.text, source.text)


def _share(box: Box) -> list[float]:
    """Left, top, width and height in hundredths of the page."""
    edges = (box.left, box.top, box.right - box.left, box.bottom - box.top)
    return [round(100 * edge / SCALE, 3) for edge in edges]


def _text(words: Words, citation: Citation, page: Page) -> dict[str, object]:
    start, end = _place(citation.source, page)
    quoted = find(page.text, citation.quote, start, end) if citation.quote else None
    marked = quoted or (None if citation.quote else _own_place(citation.source, page))
    said = "viewer.marked" if quoted else "viewer.passage" if marked else "viewer.not_marked"
    first, last = max(0, start - _PART), min(len(page.text), end + _PART)
    part = f" {words('viewer.part')}" if last - first < len(page.text) else ""
    html = _with_mark(page.text[first:last], marked, first, "" if quoted else ' class="passage"')
    return {"kind": "text", "html": html, "quoted": bool(quoted), "said": words(said) + part}


def _with_mark(text: str, place: tuple[int, int] | None, offset: int, attribute: str) -> str:
    if place is None:
        return escape(text)
    start, end = place[0] - offset, place[1] - offset
    return f"{escape(text[:start])}<mark{attribute}>{escape(text[start:end])}</mark>{escape(text[end:])}"
