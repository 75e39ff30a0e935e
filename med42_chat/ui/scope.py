"""What of the library a conversation is answered from: what the button beside the question shows, and what it sets."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from med42_chat.records import Conversation, LibraryUse
from med42_chat.services import Services
from med42_chat.ui import gauges
from med42_chat.words import Words

_USES: Mapping[str, LibraryUse] = {"first": "first", "only": "only", "off": "off"}


@dataclass(frozen=True, slots=True)
class Scope:
    """How the library is used, and which collections are searched: all when none is named."""

    use: LibraryUse = "first"
    collections: tuple[str, ...] = ()


def scope_of(told: Mapping[str, Any]) -> Scope:
    """As the page sends it. What it does not send is as in a new conversation."""
    return Scope(_USES.get(str(told.get("use")), "first"), tuple(str(name) for name in told.get("collections", ())))


class LibraryWatch:
    """What one page was told of the library. Not thread-safe: asked by one stream."""

    def __init__(self, services: Services, words: Words) -> None:
        self._services, self._words = services, words
        self._scope: tuple[object, ...] = ()
        self._added = -1
        self._adding = ""

    def scope(self, conversation: Conversation | None) -> dict[str, object] | None:
        """How the conversation uses the library and what is in it; None where both are as they were told.

        `shelves` are the different sets of collections that documents are in, each with how many are.
        """
        services = self._services
        chosen = Scope(conversation.library, conversation.collections) if conversation else None
        key = (services.library.documents.changed(), chosen)
        if key == self._scope:
            return None
        self._scope = key
        shelves = Counter(one.collections for one in services.library.documents.all() if not one.superseded_by)
        own = {"use": chosen.use, "collections": chosen.collections} if chosen else {}
        return {"conversation": conversation.id if conversation else "", "shelves": list(shelves.items()), **own}

    def adding(self) -> str:
        """How far files are that are being added, for the header."""
        changed = self._services.adding.changed()
        if changed != self._added:
            self._added, self._adding = changed, gauges.adding(self._words, self._services.adding.state())
        return self._adding
