"""What came with a question as JSON text and back, without loss. Knows nothing of tables."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from med42_chat.records import Attachment


def to_json(attachments: Sequence[Attachment]) -> str:
    """The attachments as a JSON array of objects, keys as in `records.Attachment`."""
    return json.dumps([asdict(one) for one in attachments], separators=(",", ":"))


def from_json(text: str) -> tuple[Attachment, ...]:
    """The attachments that `to_json` wrote."""
    return tuple(Attachment(**fields) for fields in json.loads(text))
