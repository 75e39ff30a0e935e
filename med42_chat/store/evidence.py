"""An answer's evidence as JSON text and back, without loss. Knows nothing of tables."""

import json
from dataclasses import asdict
from typing import Any

from med42_chat.records import ContextUse, Evidence, LeftOut, Sampling, Timings, Usage


def to_json(evidence: Evidence) -> str:
    """The evidence as one JSON object, keys as in `records.Evidence`."""
    return json.dumps(asdict(evidence), separators=(",", ":"))


def from_json(text: str) -> Evidence:
    """The evidence that `to_json` wrote."""
    fields: dict[str, Any] = json.loads(text)
    nested = {
        "sampling": Sampling(**fields["sampling"]),
        "context": ContextUse(**fields["context"]),
        "usage": Usage(**fields["usage"]),
        "timings": Timings(**fields["timings"]),
        "left_out": tuple(LeftOut(**left) for left in fields["left_out"]),
    }
    lists = {name: tuple(fields[name]) for name in ("seen", "sources", "notes")}
    return Evidence(**{**fields, **nested, **lists})
