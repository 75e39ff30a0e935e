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
    start, end = _place(source, page)
    here = page.boxes and (start, end) != (0, len(page.text))
    return around(unpack(page.boxes)[start:end]) if here else []


def _place(source: Source, page: Page) -> tuple[int, int]:
    """Where the passage stands on its page; the whole page where the document was read anew and has other words there."""
    if page.text[source.start : source.end] == source.text:
        return source.start, source.end
    return find(page.text, source.text) or (0, len(page.text))


def _share(box: Box) -> list[float]:
    """Left, top, width and height in hundredths of the page."""
    edges = (box.left, box.top, box.right - box.left, box.bottom - box.top)
    return [round(100 * edge / SCALE, 3) for edge in edges]


def _text(words: Words, citation: Citation, page: Page) -> dict[str, object]:
    start, end = _place(citation.source, page)
    place = find(page.text, citation.quote, start, end) if citation.quote else None
    said = "viewer.marked" if place else "viewer.not_marked" if citation.quote else "viewer.passage"
    first, last = max(0, start - _PART), min(len(page.text), end + _PART)
    part = f" {words('viewer.part')}" if last - first < len(page.text) else ""
    quoted = bool(place)
    left, right = place or (start, end)
    name = "mark" if quoted else 'mark class="passage"'
    html = f"{escape(page.text[first:left])}<{name}>{escape(page.text[left:right])}</mark>{escape(page.text[right:last])}"
    return {"kind": "text", "html": html, "quoted": quoted, "said": words(said) + part}
