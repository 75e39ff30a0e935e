"""What is shown of the document behind a citation: the place of the quoted words on its page, or its text with them marked. Pure."""

from dataclasses import replace
from html import escape

from med42_chat.checks import Medicines
from med42_chat.checks.quotes import cited
from med42_chat.checks.text import sentences
from med42_chat.library.boxes import SCALE, Box, around, marks, unpack
from med42_chat.library.places import find
from med42_chat.records import Citation, Holding, Message, Page, Source
from med42_chat.words import Words

_PART = 12_000  # characters of a document without pages that are shown before and after the passage


def at_sentence(answer: Message, citation: Citation, at: int, medicines: Medicines) -> Citation:
    """The citation with the words that the sentence at `at` of the answer rests on; none where it says too freely what the source says.

    A source is often named by several sentences, and what is marked must be what the reader asked for.
    """
    span = next((one for one in sentences(answer.text) if one.start <= at < one.end), None)
    if span is None:
        return citation
    inside = [one for one in answer.findings if span.start <= one.start < span.end]
    moved = [replace(one, start=one.start - span.start, end=one.end - span.start) for one in inside]
    (own,) = cited(span.text, [citation.source], moved, medicines)
    return replace(citation, quote=own.quote)


def passage(citation: Citation) -> str:
    """The passage with the quoted words marked in it."""
    before, quoted, after = around_quote(citation)
    return f"{escape(before)}{marked(quoted)}{escape(after)}"


def around_quote(citation: Citation) -> tuple[str, str, str]:
    """The passage before, in and after the quoted words; all before where nothing is quoted, or where that is not one place."""
    text = citation.source.text
    place = find(text, citation.quote) if citation.quote else None
    return (text[: place[0]], text[place[0] : place[1]], text[place[1] :]) if place else (text, "", "")


def marked(quoted: str) -> str:
    """Words with a mark behind them; nothing for none."""
    return f"<mark>{escape(quoted)}</mark>" if quoted else ""


def gone(words: Words, citation: Citation) -> dict[str, object]:
    """What is said when the document has been removed."""
    return {"kind": "gone", "said": words("viewer.gone"), "passage": passage(citation), "quote": citation.quote}


def shown(words: Words, citation: Citation, holding: Holding, page: Page, newer: Holding | None = None) -> dict[str, object]:
    """Everything but the picture. `page` is the cited one, or all of a document that has no pages."""
    named = words("viewer.newer", title=newer.title) if newer else ""
    told = {"document": holding.id, "title": holding.title, "newer": named, "passage": passage(citation), "quote": citation.quote}
    if page.number is None or not holding.media_type.endswith("/pdf"):
        return {**told, **_text(words, citation, page)}
    quoted = _places(citation, page)
    whole = [] if citation.quote else _passage_boxes(citation.source, page)
    said = "viewer.marked" if quoted else "viewer.passage" if whole else "viewer.not_marked"
    boxes = [_share(box) for box in quoted or whole]
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
    place = quoted or (None if citation.quote else _own_place(citation.source, page))
    said = "viewer.marked" if quoted else "viewer.passage" if place else "viewer.not_marked"
    first, last = max(0, start - _PART), min(len(page.text), end + _PART)
    part = f" {words('viewer.part')}" if last - first < len(page.text) else ""
    html = _with_mark(page.text[first:last], place, first, "" if quoted else ' class="passage"')
    return {"kind": "text", "html": html, "quoted": bool(quoted), "said": words(said) + part}


def _with_mark(text: str, place: tuple[int, int] | None, offset: int, attribute: str) -> str:
    if place is None:
        return escape(text)
    start, end = place[0] - offset, place[1] - offset
    return f"{escape(text[:start])}<mark{attribute}>{escape(text[start:end])}</mark>{escape(text[end:])}"
