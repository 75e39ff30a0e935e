"""What a search in the library shows: the passages that would stand before the model, and those that share too little with the question.

Pure.
"""

from collections.abc import Sequence
from html import escape

from med42_chat.records import Find, Source
from med42_chat.words import Words


def found(words: Words, sources: Sequence[Source], finds: Sequence[Find]) -> str:
    """`sources` are what the chat would take, `finds` all that has words of the question, both the best first."""
    taken = {_place(one.document_id, one.page, one.start) for one in sources}
    weak = [one for one in finds if _place(one.holding.id, one.passage.page, one.passage.start) not in taken]
    passing = "".join(_passage(words, one.title, one.page, one.heading_path, one.text) for one in sources)
    others = "".join(_passage(words, one.holding.title, one.passage.page, one.passage.heading_path, one.passage.text, True) for one in weak)
    first = words("library.found" if sources else "library.found_nothing")
    shown = "" if sources else " open"  # where there is nothing else they are what one looks for
    rest = f'<details data-open="weak"{shown}><summary>{escape(words("library.found_weak", n=len(weak)))}</summary>{others}</details>'
    return f"<p>{escape(first)}</p>{passing}{rest if weak else ''}"


def _place(document: str, page: int | None, start: int) -> tuple[str, int | None, int]:
    return document, page, start


def _passage(words: Words, title: str, page: int | None, headings: Sequence[str], text: str, is_weak: bool = False) -> str:
    numbered = [words("library.page", n=page)] if page is not None else []
    where = " · ".join([*numbered, *([" › ".join(headings)] if headings else [])])
    return (
        f'<article class="passage{" weak" if is_weak else ""}"><h4><bdi>{escape(title)}</bdi></h4>'
        f'<p class="where">{escape(where)}</p><blockquote dir="auto">{escape(text)}</blockquote></article>'
    )
