"""A conversation that a stranger made up, in the page: each text in it is a trap, each number is as large as it may be."""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from med42_chat.export import record
from med42_chat.records import Attachment, Feedback, LeftOut
from med42_chat.settings import ASSETS
from med42_chat.store.database import Store
from med42_chat.ui import evidence, viewer
from med42_chat.ui.view import turns
from med42_chat.words import read_words
from tests.export.records import talk
from tests.store.samples import CITATIONS, EVIDENCE, FINDINGS, KEY

TRAP = "'\"><img src=x onerror=alert(1)><script>alert(1)</script>\u202e\x1b[31m [1]"
# These are looked at when the file is read: they can hold no trap.
SOUND = {"id", "conversation_id", "parent_id", "leaf_id", "role", "status", "verdict", "kind", "state", "reason", "library", "basis"}
SOUND |= {"finish_reason", "document_id", "document_sha256", "seen", "format", "versions"}


@pytest.fixture
def store(home: Any) -> Iterator[Store]:
    with Store.open(home, KEY) as opened:
        yield opened


class Tags(HTMLParser):
    """The names of all elements and attributes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {tag, *(name for name, _ in attrs)}


def trapped(value: Any, number: int, key: str = "") -> Any:
    """The same shape with a trap for every text and `number` for every number, where a file may hold that."""
    if isinstance(value, dict):
        return {name: trapped(one, number, name) for name, one in value.items()}
    if isinstance(value, list):
        return [trapped(one, number, key) for one in value]
    if isinstance(value, str):
        return value if key in SOUND else TRAP
    if (
        isinstance(value, bool)
        or value is None
        or key in {"version", "created_at", "updated_at", "imported_at", "number", "page", "source", "start", "end"}
    ):
        return value
    return number


def strangers_file(number: int) -> bytes:
    parts = {"evidence": EVIDENCE, "citations": CITATIONS, "findings": FINDINGS, "feedback": Feedback("bad", "x", 7)}
    head, (asked, answered) = talk(**parts)
    value = json.loads(record.write(head, (asked, answered)))
    value["messages"][0]["attachments"] = [record.pack(Attachment("a", "b"))]
    value["messages"][1]["evidence"]["left_out"] = [record.pack(LeftOut("source", "1", 3, "x"))]
    return json.dumps(trapped(value, number)).encode()


@pytest.mark.parametrize("number", [0, 7, 10**12])
def test_no_text_of_a_strangers_file_becomes_anything_but_text_on_the_page(store: Store, number: int) -> None:
    found = record.read(strangers_file(number))
    restored = store.conversations.restore(found.conversation, found.messages).conversation
    words, messages = read_words(ASSETS / "words" / "en.toml"), store.conversations.branch(restored.id)
    shown = turns(words, messages) + evidence.panel(words, messages[-1])
    shown += "".join(viewer.passage(one) for one in messages[-1].citations)
    assert "alert(1)" in shown  # it is there, as words
    assert not {"img", "script", "onerror"} & Tags(shown).names
