"""What the Library page shows, as HTML by its parts: what is being added, the collections, each document with what can be done.

Pure: a `Situation` goes in. How far a file is read changes often, so each file has a part of its own inside the queue, and the buttons
beside it stay where they are.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

from med42_chat.adding import Item, Queue
from med42_chat.records import Holding
from med42_chat.store.watched import Folder
from med42_chat.ui.models_words import size
from med42_chat.words import Words

_SHOWN = 30  # files of the queue that are shown one by one
_STATES = ("reading", "failed", "stopped", "done", "waiting")  # which are shown first


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the page shows, as it was at one moment."""

    holdings: Sequence[Holding]
    queue: Queue
    watched: Sequence[Folder] = ()


class Sheet:
    """The page for one situation."""

    def __init__(self, words: Words, now: Situation) -> None:
        self._words, self._now = words, now
        self._by_id: Mapping[str, Holding] = {one.id: one for one in now.holdings}
        self._searched = [one for one in now.holdings if not one.superseded_by]

    def parts(self) -> dict[str, str]:
        """Each part's HTML by its name; those whose name begins with 'work:' stand inside others."""
        return {
            "start": self._start(),
            "queue": self._queue(),
            "watched": "".join(map(self._watching, self._now.watched)),
            "shelves": self._shelves(),
            "documents": "".join(map(self._document, self._searched)),
            "names": "".join(f'<option value="{escape(name)}"></option>' for name in self._collections),
            "work:all": self._pace(),
            **{f"work:{item.id}": self._work(item) for item in self._items},
        }

    @cached_property
    def _collections(self) -> Mapping[str, int]:
        """The collections' names with how many documents are searched in each."""
        counts = Counter(name for one in self._searched for name in one.collections)
        return {name: counts[name] for name in sorted(counts, key=str.casefold)}

    # What there is, or how to begin

    def _start(self) -> str:
        words = self._words
        if not self._now.holdings:
            offer = "" if self._is_busy else f'<p class="actions">{_button("samples", "", words("library.samples"), first=True)}</p>'
            about = f"<p>{escape(words('library.empty_about'))}</p>"
            return f'<div class="empty"><p class="lead">{escape(words("library.empty"))}</p>{about}{offer}</div>'
        pages = sum(one.pages or 0 for one in self._searched)
        what = words("library.documents", n=len(self._searched))
        if pages:
            what = words("library.within", documents=what, pages=words("library.pages", n=pages))
        searched = words("library.searched_one" if len(self._searched) == 1 else "library.searched", what=what)
        return f'<p class="lead">{escape(searched)}</p>'

    # What is being added

    @property
    def _is_busy(self) -> bool:
        return any(item.state in ("waiting", "reading") for item in self._now.queue.items)

    @cached_property
    def _items(self) -> list[Item]:
        """Those that are shown one by one: what is read, what went wrong or asks something, and then the others."""
        ordered = sorted(self._now.queue.items, key=lambda item: _STATES.index(item.state) - 10 * bool(item.older and item.document_id))
        return ordered[:_SHOWN]

    def _queue(self) -> str:
        items, words = self._now.queue.items, self._words
        if not items:
            return ""
        hidden = len(items) - len(self._items)
        more = f'<p class="hint">{escape(words("library.further", n=hidden))}</p>' if hidden else ""
        rows = "".join(self._row(item) for item in self._items)
        return f'<div class="queue"><div class="pace" data-part="work:all"></div><ul>{rows}</ul>{more}{self._queue_actions()}</div>'

    def _queue_actions(self) -> str:
        words = self._words
        if self._is_busy:
            pause = _button("go_on", "", words("library.go_on")) if self._now.queue.paused else _button("pause", "", words("library.pause"))
            return f'<p class="actions">{pause}{_button("cancel", "", words("library.cancel_all"))}</p>'
        return f'<p class="actions">{_button("dismiss", "", words("library.clear"))}</p>'

    def _pace(self) -> str:
        queue, words = self._now.queue, self._words
        ended, whole = progress(queue)
        trouble = f'<p class="alarm">{escape(queue.trouble)}</p>' if queue.trouble else ""
        if not self._is_busy:
            return trouble + f"<p>{escape(words('library.all_read', n=whole))}</p>"
        said = words("library.reading_all", done=min(ended + 1, whole), all=whole)
        if queue.paused:
            said = words("library.paused", done=ended, all=whole)
        elif queue.pages_per_s:
            said += f" · {words('library.speed', speed=f'{queue.pages_per_s:.{0 if queue.pages_per_s >= 10 else 1}f}')}"
        return f"{trouble}<p>{escape(said)}</p>"

    def _row(self, item: Item) -> str:
        what = f'<div class="what"><b><bdi>{escape(item.name)}</bdi></b><div data-part="work:{item.id}"></div></div>'
        return f'<li class="work" data-card="{item.id}" data-state="{item.state}" tabindex="-1">{what}{self._row_action(item)}</li>'

    def _row_action(self, item: Item) -> str:
        act = "cancel" if item.state in ("waiting", "reading") else "dismiss"
        label = escape(self._words("library.cancel" if act == "cancel" else "library.dismiss", name=item.name))
        return (
            f'<button type="button" class="tool" data-act="{act}" data-id="{item.id}" aria-label="{label}" title="{label}">'
            '<i class="icon close"></i></button>'
        )

    def _work(self, item: Item) -> str:
        words = self._words
        if item.state == "waiting":
            return f"<p>{escape(words('library.waits'))}</p>"
        if item.state == "reading":
            return self._reading(item)
        outcome = "" if item.state == "done" and not item.document_id else words(f"library.item_{item.state}")  # a folder's is its message
        question = self._question(item)  # which says what the message says
        said = " ".join(filter(None, [outcome, *([] if question else [item.message]), item.hint]))
        recognise = _button("recognise", item.id, words("library.recognise")) if item.scan else ""
        return f'<p class="outcome{" bad" if item.state == "failed" else ""}">{escape(said)}</p>{recognise}{question}'

    def _reading(self, item: Item) -> str:
        words = self._words
        said = words("library.reading_pages", done=item.pages_done, all=item.pages) if item.pages else words("library.reading")
        value = f' value="{item.pages_done / item.pages:.4f}"' if item.pages else ""
        return f'<p>{escape(said)}</p><progress max="1"{value} aria-label="{escape(f"{item.name}: {said}")}"></progress>'

    def _question(self, item: Item) -> str:
        """Whether a document is a newer version of another: only the person can know."""
        older, words = self._by_id.get(item.older), self._words
        if older is None or item.document_id not in self._by_id:
            return ""
        asked = escape(words("library.newer", title=self._named(older)))
        yes, no = _button("newer", item.id, words("library.newer_yes"), first=True), _button("both", item.id, words("library.newer_no"))
        return f'<div class="asks"><p>{asked}</p><p class="actions">{yes}{no}</p></div>'

    def _watching(self, watched: Folder) -> str:
        words, folder = self._words, watched.path
        into = f" {escape(words('library.into', names=', '.join(watched.collections)))}" if watched.collections else ""
        said = f"<span>{escape(words('library.watched'))} <bdi>{escape(folder)}</bdi>{into}</span>"
        return f'<p class="watched">{said} {_button("unwatch", folder, words("library.unwatch"))}</p>'

    # The collections

    def _shelves(self) -> str:
        words = self._words
        if not self._searched:
            return ""
        chips = [
            self._chip("", words("library.all"), len(self._searched)),
            *(self._chip(name, name, n) for name, n in self._collections.items()),
        ]
        new = f'<button type="button" class="link" data-act="shelf" data-id="">{escape(words("library.new_shelf"))}</button>'
        change = f'<button type="button" class="link change" data-act="shelf" hidden>{escape(words("library.change_shelf"))}</button>'
        label = escape(words("library.shelves"))
        return f'<div class="shelves" role="group" aria-label="{label}">{"".join(chips)}{change}{new}</div>'

    def _chip(self, name: str, label: str, count: int) -> str:
        return (
            f'<button type="button" class="shelf" data-act="filter" data-id="{escape(name)}" aria-pressed="false">'
            f"<bdi>{escape(label)}</bdi> <span>{count:,}</span></button>"
        )

    # The documents

    def _document(self, one: Holding) -> str:
        title, older = escape(one.title), [other for other in self._now.holdings if other.superseded_by == one.id]
        shown = {
            "title": one.title,
            "publisher": one.publisher,
            "date": one.date,
            "version": one.version,
            "collections": one.collections,
        }
        note = f'<span class="badge note">{escape(self._words("library.noted"))}</span>' if one.notes else ""
        known = escape(json.dumps(shown))
        return (
            f'<article class="item document" data-card="{one.id}" tabindex="-1" aria-label="{title}" data-document="{known}">'
            f'<details data-open="{one.id}"><summary><span class="title"><bdi>{title}</bdi>{note}</span>'
            f'<span class="meta">{" · ".join(self._meta(one))}{self._tags(one)}</span></summary>'
            f"{self._inside(one)}{self._versions(older)}</details></article>"
        )

    def _meta(self, one: Holding) -> Iterable[str]:
        if one.publisher:
            yield f"<bdi>{escape(one.publisher)}</bdi>"
        if one.version:
            yield escape(self._words("library.version", version=one.version))
        if one.date:
            yield f"<time>{escape(one.date)}</time>"
        yield escape(self._words("library.pages", n=one.pages) if one.pages else self._words("library.passages", n=one.passages))

    def _tags(self, one: Holding) -> str:
        return "".join(f' <span class="tag"><bdi>{escape(name)}</bdi></span>' for name in one.collections)

    def _inside(self, one: Holding) -> str:
        words = self._words
        notes = "".join(f'<p class="caution">{escape(note)}</p>' for note in one.notes)
        actions = (
            _button("edit", one.id, words("library.edit")),
            _button("read_again", one.id, words("library.read_again")),
            f'<a class="secondary" href="/v1/original/{one.id}" download>{escape(words("library.original"))}</a>',
            self._removal(one),
        )
        return f'{notes}<p class="hint">{escape(self._file(one))}</p><p class="actions">{"".join(actions)}</p>'

    def _file(self, one: Holding) -> str:
        words = self._words
        large = size(one.size_bytes) if one.size_bytes >= 1_000_000 else words("library.kilobytes", n=-(-one.size_bytes // 1000))
        added = time.strftime("%Y-%m-%d", time.localtime(one.added_at / 1000))
        return words("library.file", name=one.name, size=large, date=added, passages=words("library.passages", n=one.passages))

    def _versions(self, older: Sequence[Holding]) -> str:
        if not older:
            return ""
        rows = "".join(f"<li><span>{escape(self._named(one))}</span> {self._return(one)} {self._removal(one)}</li>" for one in older)
        summary = escape(self._words("library.older", n=len(older)))
        return f'<details class="older" data-open="older {older[0].superseded_by}"><summary>{summary}</summary><ul>{rows}</ul></details>'

    def _return(self, one: Holding) -> str:
        """It was no version of the other: what the program took it for, the person puts right."""
        label = escape(self._words("library.search_too_name", title=self._named(one)))
        return _button("search_too", one.id, self._words("library.search_too"), more=f' aria-label="{label}"')

    def _removal(self, one: Holding) -> str:
        question = self._words("library.remove_sure", title=one.title)
        return _button("remove", one.id, self._words("library.remove"), more=f' data-sure="{escape(question)}"')

    def _named(self, one: Holding) -> str:
        details = ", ".join(filter(None, [one.version and self._words("library.version", version=one.version), one.date]))
        return f"{one.title} ({details})" if details else one.title


def progress(queue: Queue) -> tuple[int, int]:
    """How many files have been looked at, and how many there are; folders, which only stand for what is in them, are not counted."""
    files = [item for item in queue.items if not (item.state == "done" and not item.document_id)]
    return sum(item.state not in ("waiting", "reading") for item in files), len(files)


def _button(do: str, id: str, label: str, first: bool = False, more: str = "") -> str:
    name = "primary" if first else "secondary"
    return f'<button type="button" class="{name}" data-act="{do}" data-id="{escape(id)}"{more}>{escape(label)}</button>'
