"""What the library has for a question: which passages stand before the model, and what is to be done where none does.

Where finding passages (the store), and judging and joining questions (library/) meet. Knows nothing of models and prompts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from med42_chat.library import followup, gate, shorthand
from med42_chat.library.words import telling
from med42_chat.records import Basis, Find, LibraryUse, Message, Source

NOTHING_FOUND = "Nothing in your library answers this."
_NOTHING_LEFT = "Nothing in the other collections of this conversation answers this."
_CANDIDATES = 20
_OWN_TEXT = 60  # words: who types so many brings what is to be answered from along, as a preset's notes are


class Documents(Protocol):
    """The part of the store that is searched; see store.documents.Documents."""

    def collections(self) -> list[tuple[str, int]]: ...

    def count(self, collections: Sequence[str] = ()) -> int: ...

    def rarity(self, words: Sequence[str]) -> dict[str, float]: ...

    def abbreviations(self, question: str) -> list[tuple[str, str]]: ...

    def search(self, question: str, limit: int = 10, collections: Sequence[str] = ()) -> list[Find]: ...


@dataclass(frozen=True, slots=True)
class Looked:
    """`sources` are the best first, numbered from 1. `otherwise` is what an answer rests on when none of them stands before the model.

    `nothing` is what a person is told where no model is asked: that nothing was found, that files are still on their way into the library,
    or before all else that a collection is gone in which this conversation is searched. `asked` is the question as it was looked up.
    """

    sources: tuple[Source, ...] = ()
    otherwise: Basis = "memory"
    notes: tuple[str, ...] = ()
    nothing: str = NOTHING_FOUND
    asked: str = ""

    @property
    def basis(self) -> Basis:
        """What the answer rests on if all sources have room."""
        return self.basis_with(self.sources)

    def basis_with(self, seen: Sequence[object]) -> Basis:
        """What it rests on if the model sees these sources."""
        return "sources" if seen else self.otherwise


@dataclass(frozen=True, slots=True)
class Lookup:
    """Looks questions up in these documents. `unread` counts the files that are on their way into them."""

    documents: Documents
    unread: Callable[[], int] = lambda: 0

    def look(self, question: str, brings_text: bool, history: Sequence[Message], use: LibraryUse, collections: Sequence[str]) -> Looked:
        """What there is for a question that follows `history`; `brings_text` says that texts came along with it."""
        without: Basis = "nothing" if use == "only" else "memory"
        if use == "off":
            return Looked(otherwise=without)
        earlier = _questions(history)
        if followup.reworks(question) and brings_text:
            earlier = []  # 'Summarise this' is about what was brought along, and not about the last answer
        elif followup.reworks(question) and without == "memory" and _is_from_memory(history):
            return Looked()
        gone = _gone(collections, self.documents)
        unread = _unread(self.unread())  # counted before the search: a file that is read meanwhile is told rather than missed
        nothing = " ".join([*_not_searched(gone, collections), *_nothing(gone, collections), *unread])
        besides = (*_not_searched(gone, collections), *unread)
        if not self.documents.count(collections):
            return Looked((), "nothing" if gone and not brings_text else without, besides, nothing)
        passing, asked = self._first_passing(question, earlier, collections)
        optional = brings_text or len(question.split()) > _OWN_TEXT or not telling(question)
        notes = (f"Looked up in the library as: {asked.text}",) if asked.text != question.strip() else ()
        sources = tuple(map(_source, range(1, len(passing) + 1), passing))
        return Looked(sources, without if optional else "nothing", (*notes, *besides), nothing, asked.text)

    def _first_passing(self, question: str, earlier: Sequence[str], collections: Sequence[str]) -> tuple[list[Find], followup.Asked]:
        """What passes for the first reading of the question for which anything does, and that reading; the last one where nothing does."""
        for asked in followup.readings(question, earlier):
            if passing := self.passing(asked.question, collections, asked.context):
                break
        return passing, asked

    def passing(self, question: str, collections: Sequence[str] = (), context: str = "") -> list[Find]:
        """The passages that may stand before the model, the best first; `context` has words that the question leans on."""
        question = shorthand.plain(question)
        finds, forms = self.candidates(f"{question} {context}".strip(), collections)
        return gate.passing(question, finds, self.documents.rarity, forms, context)

    def candidates(self, text: str, collections: Sequence[str] = ()) -> tuple[list[Find], list[tuple[str, str]]]:
        """What the gate chooses from, and the short forms that stand in the text, short or long; both forms are searched."""
        forms = list(dict.fromkeys([*self.documents.abbreviations(text), *shorthand.spelled(text)]))
        both = " ".join([text, *dict.fromkeys(one for pair in forms for one in pair)])
        return self.documents.search(both, _CANDIDATES, collections), forms


def _questions(history: Sequence[Message]) -> list[str]:
    return [message.text for message in history if message.role == "user"]


def _is_from_memory(history: Sequence[Message]) -> bool:
    """Whether the last answer rests on no source, so that neither can what puts it in another way."""
    last = next((message for message in reversed(history) if message.role == "assistant"), None)
    return last is not None and last.evidence is not None and last.evidence.basis == "memory"


def _gone(names: Sequence[str], documents: Documents) -> list[str]:
    """Of the collections that a conversation is kept to those that are not there any more."""
    here = {name for name, _ in documents.collections()} if names else set()
    return [name for name in names if name not in here]


def _not_searched(gone: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    if not gone:
        return ()
    listed = ", ".join(f"'{name}'" for name in gone)
    if len(gone) < len(names):
        return (f"Not searched, because it was removed from your library: {listed}.",)
    kept = f"this conversation is kept to {listed}, removed from your library since"
    return (f"Your library was not searched: {kept}. Choose anew what it is answered from.",)


def _nothing(gone: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """That nothing was found, of what was searched."""
    if not gone:
        return (NOTHING_FOUND,)
    return (_NOTHING_LEFT,) if len(gone) < len(names) else ()


def _unread(count: int) -> tuple[str, ...]:
    return (f"{count:,} {'files were' if count != 1 else 'file was'} still waiting to be read into the library.",) if count else ()


def _source(number: int, find: Find) -> Source:
    holding, passage = find.holding, find.passage
    return Source(
        number,
        holding.title,
        passage.text,
        passage.page,
        holding.sha256,
        holding.id,
        passage.heading_path,
        passage.start,
        passage.end,
        holding.publisher,
        holding.date,
        holding.version,
    )
