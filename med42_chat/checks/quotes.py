"""Which words of a source an answer rests on, exactly as they stand there. Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from med42_chat.checks.medicines import Medicines
from med42_chat.checks.passages import Passage, nearest, read, statement
from med42_chat.checks.text import MARK, marked, sentences
from med42_chat.prompt import with_ranges
from med42_chat.records import Citation, Finding, Source, Verdict

_GAP = re.compile(r"\[?(?:…|\.\.\.)\]?")
_LONGEST = 600  # characters of the source between the first and the last words of a quotation with gaps


def cited(answer: str, sources: Sequence[Source], findings: Sequence[Finding], medicines: Medicines) -> tuple[Citation, ...]:
    """Each source with the words of it that the answer rests on, and what `check` found of it."""
    return tuple(Citation(source, _quote(answer, source, findings, medicines), _verdict(source, findings)) for source in sources)


def verbatim(words: str, text: str) -> str:
    """The stretch of `text` that says these words, as it stands there; '' where it does not.

    Layout, punctuation and marks make no difference.
    """
    found = list(_in_order([_squashed(part)[0] for part in _GAP.split(words)], text))
    if not found:
        return ""
    begin, end = found[0][0], found[-1][1]
    return text[begin:end] if len(found) == 1 or end - begin <= _LONGEST else ""


def _in_order(parts: Sequence[str], text: str) -> list[tuple[int, int]]:
    """Where each part stands in the text, one after the other; nothing where one of them does not."""
    letters, places = _squashed(with_ranges(text))
    found: list[tuple[int, int]] = []
    position = 0
    for part in filter(None, parts):
        at = letters.find(part, position)
        while at >= 0 and not _whole(text, places[at], places[at + len(part) - 1]):
            at = letters.find(part, at + 1)
        if at < 0:
            return []
        found.append((places[at], places[at + len(part) - 1] + 1))
        position = at + len(part)
    return found


def _whole(text: str, first: int, last: int) -> bool:
    """Whether no word or figure is cut at these characters: '5 mg' is not in '25 mg' or '2.5 mg'."""
    before, after = text[max(0, first - 2) : first], text[last + 1 : last + 3]
    if text[first].isdigit() and re.fullmatch(r"\d[.,:/]", before):
        return False
    if text[last].isdigit() and re.fullmatch(r"[.,:/]\d", after):
        return False
    return not (text[first].isalnum() and before[-1:].isalnum()) and not (text[last].isalnum() and after[:1].isalnum())


def _quote(answer: str, source: Source, findings: Sequence[Finding], medicines: Medicines) -> str:
    """The longest quotation that was found in the source; else its sentence that says nearly the same as one that cites it."""
    quoted = [
        finding for finding in findings if finding.kind == "quotation" and finding.state == "found" and finding.source == source.number
    ]
    places = [verbatim(answer[finding.start : finding.end], source.text) for finding in quoted]
    return max(places, key=len, default="") or next(_alike(answer, source, medicines), "")


def _alike(answer: str, source: Source, medicines: Medicines) -> Iterator[str]:
    passage: Passage | None = None
    for sentence in sentences(answer):
        if any(source.number in marked(mark[1]) for mark in MARK.finditer(sentence.text)):
            passage = passage or read(source, medicines)
            near = nearest(statement(sentence.text, medicines), [passage])
            words = verbatim(near.statement.text, source.text) if near and near.close else ""
            if words:
                yield words


def _verdict(source: Source, findings: Sequence[Finding]) -> Verdict:
    """The worst of what was looked for in it. That its mark exists says nothing of its words."""
    states = {finding.state for finding in findings if finding.source == source.number and finding.kind != "mark"}
    if "not_found" in states:
        return "not_found"
    return "found" if "found" in states and "doubtful" not in states else "unchecked"


def _squashed(text: str) -> tuple[str, list[int]]:
    """Letters, digits and the signs that make a figure another one, each with its place in the text. Marks are no figures."""
    letters, places = [], []
    text = MARK.sub(lambda mark: " " * len(mark[0]), text)
    for place, character in enumerate(text):
        decimal = character in ".,:/" and text[place - 1 : place].isdigit() and text[place + 1 : place + 2].isdigit()
        for one in unicodedata.normalize("NFKD", character).casefold():
            if decimal or one.isalnum() or one in "%<>≤≥±":
                letters.append(one)
                places.append(place)
    return "".join(letters), places
