"""An answer's citations as rows, its findings as JSON text, and back, without loss."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from med42_chat.records import Citation, Finding, Source
from med42_chat.store.texts import sound_text

_COLUMNS = (
    "number, title, text, page, document_sha256, document_uid, headings, char_from, char_to, publisher, dated, version, quote, verdict"
)

CITATIONS = f"select json_group_array(json_array({_COLUMNS}) order by ordinal) from citations"
INSERT = f"insert into citations(message_id, ordinal, {_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def rows(message: int, citations: Sequence[Citation]) -> list[tuple[object, ...]]:
    """What INSERT takes."""
    return [(message, ordinal, *_columns(citation)) for ordinal, citation in enumerate(citations)]


def citations(text: str) -> tuple[Citation, ...]:
    """What CITATIONS gave."""
    return tuple(_citation(*fields) for fields in json.loads(text))


def findings_to_json(findings: Sequence[Finding]) -> str:
    """The findings as a JSON array of objects, keys as in `records.Finding`."""
    return json.dumps([asdict(finding) for finding in findings], separators=(",", ":"))


def findings_from_json(text: str) -> tuple[Finding, ...]:
    """The findings that `findings_to_json` wrote."""
    return tuple(Finding(**fields) for fields in json.loads(text))


def _columns(citation: Citation) -> tuple[object, ...]:
    source = citation.source
    return (
        source.number,
        sound_text(source.title),
        sound_text(source.text),
        source.page,
        source.document_sha256,
        source.document_id,
        json.dumps(source.heading_path),
        source.start,
        source.end,
        sound_text(source.publisher),
        source.date,
        sound_text(source.version),
        sound_text(citation.quote),
        citation.verdict,
    )


def _citation(number: int, title: str, text: str, page: int | None, sha256: str, document: str, headings: str, *rest: Any) -> Citation:
    start, end, publisher, date, version, quote, verdict = rest
    path = tuple(json.loads(headings))
    return Citation(Source(number, title, text, page, sha256, document, path, start, end, publisher, date, version), quote, verdict)
