"""`verify`: an answer and its sources as JSON, compared as every answer is. Needs no store and no model."""

import json
from dataclasses import asdict
from typing import Any

from med42_chat.checks import Medicines, check
from med42_chat.checks.text import sentences
from med42_chat.errors import InputError
from med42_chat.records import Finding, Source


def verified(text: str, medicines: Medicines) -> list[dict[str, Any]]:
    """The findings on {"answer": …, "sources": [{"number", "title", "page", "text"}…]}, in the order of the answer. Raises InputError."""
    answer, sources = _read(text)
    return [_told(finding, answer) for finding in check(answer, sources, medicines)]


def _read(text: str) -> tuple[str, list[Source]]:
    try:
        given = json.loads(text)
        answer, sources = given["answer"], [_source(one) for one in given.get("sources", [])]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(
            "Standard input holds no answer with sources.",
            'Give JSON such as {"answer": "…", "sources": [{"number": 1, "title": "…", "page": 12, "text": "…"}]}.',
        ) from error
    if not isinstance(answer, str) or len({source.number for source in sources}) < len(sources):
        raise InputError("The answer is no text, or two sources have one number.", "Each source has a number of its own, as in [1].")
    return answer, sources


def _source(one: dict[str, Any]) -> Source:
    page, text = one.get("page"), one["text"]
    if not isinstance(text, str):
        raise TypeError("a source's text is none")
    return Source(int(one["number"]), str(one.get("title", "")), text, None if page is None else int(page))


def _told(finding: Finding, answer: str) -> dict[str, Any]:
    sentence = next((span.text for span in sentences(answer) if span.start <= finding.start < span.end), "")
    return {"sentence": sentence, "kind": finding.kind, "severity": _severity(finding), "message": finding.words, **_place(finding)}


def _place(finding: Finding) -> dict[str, Any]:
    return {name: value for name, value in asdict(finding).items() if name in ("start", "end", "state", "source")}


def _severity(finding: Finding) -> str:
    """'ok' also for a sentence in which there is nothing to compare; what was not looked up for want of a source is to be looked at."""
    nothing_to_compare = finding.kind == "sentence" and finding.state == "not_checked"
    return "ok" if finding.state == "found" or nothing_to_compare else "warn"
