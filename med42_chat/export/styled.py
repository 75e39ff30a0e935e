"""References as a CSL style has them: which documents there are, what the style's own process makes of them, and what of that is used.

A line that the style could not write, or that does not have the document's title in it to the letter, stays the AMA line, and is counted.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from med42_chat.children import talk
from med42_chat.errors import InputError
from med42_chat.export.style import read_style
from med42_chat.markup import clean
from med42_chat.records import Source
from med42_chat.words import Words

_PROCESS = "med42_chat.export.csl"
_TIME_S = 20.0
_LONGEST_LINE = 2_000  # characters
_MOST_ANSWER = 50_000_000  # bytes
_DATE = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")


class Work(NamedTuple):
    """What a reference says of a document, and all that it depends on."""

    title: str
    publisher: str
    date: str
    version: str


@dataclass(frozen=True, slots=True)
class Styled:
    """The lines that the style wrote, and in plain words what went wrong, for whoever gets the document; empty where nothing did."""

    lines: Mapping[Work, str] = field(default_factory=dict)
    trouble: str = ""


AMA = Styled()  # no style: the program's own lines


def work(source: Source) -> Work:
    """The document that a source is a passage of."""
    title, publisher, version = (" ".join(clean(one).split()) for one in (source.title, source.publisher, source.version))
    return Work(title, publisher, source.date.strip(), version)


def styled(words: Words, style: str, sources: Iterable[Source], time_s: float = _TIME_S) -> Styled:
    """The references of these sources as the style has them."""
    works = list(dict.fromkeys(map(work, sources)))
    if not (style and works):
        return AMA
    try:
        read_style(style.encode())
        lines = _written(style, works, time_s)
    except InputError as error:
        return Styled(trouble=words("export.style_unfit", why=error.message))
    fit = {one: line for one, line in zip(works, lines, strict=True) if line and _is_fit(one, line)}
    return Styled(fit, words("export.style_failed", n=len(works) - len(fit), all=len(works)) if len(fit) < len(works) else "")


def _written(style: str, works: list[Work], time_s: float) -> list[str]:
    """The process's lines, on one line each; empty for one that it could not write, all of them where it ended or said something else."""
    asked = {"style": style, "documents": [_document(at, one) for at, one in enumerate(works)]}
    try:
        said = json.loads(talk(_PROCESS, [], json.dumps(asked).encode("ascii"), time_s, _MOST_ANSWER))
    except (OSError, ValueError, RecursionError):
        said = None
    if not isinstance(said, list) or len(said) != len(works):
        return [""] * len(works)
    return [" ".join(clean(line).split()) if isinstance(line, str) else "" for line in said]


def _document(at: int, one: Work) -> dict[str, Any]:
    """CSL-JSON of what is known. What is not known is not there: the library would print 'None'."""
    known = {"title": one.title, "publisher": one.publisher, "version": one.version}
    issued = {"issued": _issued(one.date)} if one.date else {}
    return {"id": f"d{at}", "type": "report", **{name: value for name, value in known.items() if value}, **issued}


def _issued(written: str) -> dict[str, Any]:
    found = _DATE.fullmatch(written)
    if not found or not 1 <= int(found[2] or 1) <= 12 or not 1 <= int(found[3] or 1) <= 31:
        return {"literal": " ".join(clean(written).split())}
    return {"date-parts": [[int(part) for part in found.groups() if part]]}


def _is_fit(one: Work, line: str) -> bool:
    """Whether the title stands there as it is, but for a full stop at its end, which the style's own may take the place of."""
    title = one.title.rstrip(". ")
    return bool(title) and len(line) <= _LONGEST_LINE and title in line
