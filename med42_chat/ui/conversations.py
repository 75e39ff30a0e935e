"""The list of conversations, newest first, what can be done with its rows, and what a search finds.

The page asks for the rows that are in sight, wherever that is, and says with every event what it looks at: which conversations,
and when its reader's days begin. With the rows it is told how many stand under each heading, so it knows the place of every row
without having it.
"""

import html
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import gradio as gr

from med42_chat.export.record import MOST_BYTES
from med42_chat.records import Conversation, SearchHit
from med42_chat.store.conversations import Conversations
from med42_chat.ui.desk import Desk, Updates, text
from med42_chat.words import Words

Value = dict[str, object]

PAGE = 100  # conversations sent at once, about 12 kB: three screens
TITLES = 30
HITS = 40
_DAYS = (0, 1, 7)  # before these days' beginnings ago end today, yesterday and the previous 7 days

_MARKS = re.compile(r"[*`#|]+")  # Markdown's, which only disturb in two lines of an extract

_TEMPLATE = """
<div class="top"><div class="first"><button type="button" class="new"><i class="icon plus"></i>{new}</button>
<button type="button" class="tool away" data-do="left" aria-label="{close}"><i class="icon close"></i></button></div>
<input type="search" class="find" placeholder="{find_hint}" aria-label="{find}" autocomplete="off" spellcheck="false"></div>
<div class="line"><p class="count" aria-live="polite"></p>
<button type="button" class="view" aria-haspopup="menu" hidden>{view}<i class="icon funnel"></i></button></div>
<div class="filters" hidden></div>
<div class="rows" role="list" aria-label="{name}"></div>
<div class="foot"><button type="button" data-do="library"><i class="icon books"></i>{library}</button>
<button type="button" class="tool take-in" aria-label="{bring}" title="{bring}"><i class="icon import"></i></button>
<input type="file" class="conversations-files" accept=".json,application/json" data-most="{most}" multiple hidden></div>
<div class="landing" hidden><p>{landing}</p></div>
"""


@dataclass(frozen=True, slots=True)
class Place:
    """What a page looks at: the archive or the other conversations, a folder, a tag, and from which row on.

    `days` are the beginnings of the reader's today, yesterday and last seven days (milliseconds, UTC).
    """

    archived: bool
    folder: str
    tag: str
    days: tuple[int, ...]

    @property
    def shelf(self) -> tuple[bool, str, str]:
        """The same as the store's methods take it."""
        return self.archived, self.folder, self.tag


class ConversationList:
    """Its script (assets/js/conversations.js) draws the rows."""

    component: gr.HTML

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._actions: dict[str, Callable[[gr.EventData], None]] = {
            "rename": self._rename,
            "pin": self._pin,
            "folder": self._folder,
            "tags": self._tags,
            "put_away": self._put_away,
            "take_out": self._take_out,
            "delete": self._delete,
            "restore": self._restore,
        }

    def build(self) -> None:
        """Makes the component: 'select' opens, 'submit' does something with a row, 'tick' wants rows."""
        self.component = gr.HTML(
            html_template=_template(self._desk.words),
            js_on_load="med42.conversations(element, props, trigger, watch)",
            apply_default_css=False,
            elem_id="conversations",
        )

    def wire(self) -> None:
        """Binds its events."""
        desk, own = self._desk, [self.component]
        desk.on(self.component.select, self.open, [], desk.view)
        desk.on(self.component.submit, self.act, [], own)
        desk.on(self.component.tick, self.look, [], own)

    def open(self, event: gr.EventData) -> Updates:
        """Shows a conversation, with the branch on which a message is that is looked for; or the empty page. A notice stays where it
        is: it may say why this is read anew, or why the page is empty."""
        id, message = text(event, "id"), text(event, "message")
        if id and message:
            self._desk.store.choose(id, message)
        return {self._desk.notice: gr.skip(), **self._desk.opened(id)}

    def act(self, event: gr.EventData) -> Updates:
        """Does something with a conversation: `do` is its name, see the table above."""
        self._actions[text(event, "do")](event)
        return self.rows(_place(event), _offset(event))

    def look(self, event: gr.EventData) -> Updates:
        """The rows of a place. Not a step of the reader's: a notice stays."""
        return {**self.rows(_place(event), _offset(event), anew=event._data.get("anew") is True), self._desk.notice: gr.skip()}

    def rows(self, place: Place | None = None, offset: int = 0, anew: bool = True) -> Updates:
        """The list as it is now, beginning at `offset`; without a place, as a page sees it first. `anew` with what there is to choose
        from: counting 100,000 tags takes longer than all the rest, and nobody scrolls to see them."""
        place, store = place or Place(False, "", "", _our_days()), self._desk.store
        value = {
            **rows(store.recent(PAGE, offset, *place.shelf), offset),
            "groups": store.periods(place.days, *place.shelf),
            "place": asdict(place),
            "anew": anew,
        }
        choice = {"folders": store.folders(), "tags": store.tags(), "archive": store.total(archived=True)} if anew else {}
        return {self.component: {**value, **choice}}

    def _rename(self, event: gr.EventData) -> None:
        self._desk.store.rename(text(event, "id"), text(event, "title"))

    def _pin(self, event: gr.EventData) -> None:
        self._desk.store.set_pinned(text(event, "id"), event._data.get("on") is True)

    def _folder(self, event: gr.EventData) -> None:
        self._desk.store.set_folder(text(event, "id"), text(event, "folder"))

    def _tags(self, event: gr.EventData) -> None:
        self._desk.store.set_tags(text(event, "id"), [str(tag) for tag in event._data.get("tags", [])])

    def _put_away(self, event: gr.EventData) -> None:
        self._desk.store.set_archived(text(event, "id"), True)

    def _take_out(self, event: gr.EventData) -> None:
        self._desk.store.set_archived(text(event, "id"), False)

    def _delete(self, event: gr.EventData) -> None:
        self._desk.services.jobs.stop(text(event, "id"))
        self._desk.services.bin.put(text(event, "id"))

    def _restore(self, event: gr.EventData) -> None:
        self._desk.services.bin.take_back(text(event, "id"))


def rows(conversations: Sequence[Conversation], offset: int) -> Value:
    """One stretch of the list, beginning at `offset`."""
    return {"kind": "rows", "rows": [_row(one) for one in conversations], "offset": offset, "at": time.time_ns()}


def searched(store: Conversations, query: str) -> Value:
    """The titles and messages with words that begin like those of `query`."""
    return hits(query, store.titles(query, TITLES), store.search(query, HITS))


def hits(query: str, titles: Sequence[tuple[Conversation, tuple[str, ...]]], found: Sequence[SearchHit]) -> Value:
    """What a search gave; `query` lets the page see which of its words this is about."""
    messages = [hit for hit in found if hit.message_id]
    short = [[hit.conversation_id, hit.message_id, hit.title, [_MARKS.sub("", piece) for piece in hit.snippet]] for hit in messages]
    marked = [[_row(one), pieces] for one, pieces in titles]
    return {"query": query, "titles": marked, "messages": short, "more": len(found) == HITS}


def _row(one: Conversation) -> list[object]:
    return [one.id, one.title, one.updated_at, int(one.pinned), one.folder, one.tags, int(one.archived)]


def _template(words: Words) -> str:
    names = ("new", "close", "find_hint", "find", "view", "name")
    others = {"library": "library.button", "bring": "importing.button", "landing": "importing.drop"}
    texts = {name: words(f"list.{name}") for name in names} | {place: words(name) for place, name in others.items()}
    return _TEMPLATE.format(most=MOST_BYTES, **{name: html.escape(text) for name, text in texts.items()})


def _place(event: gr.EventData) -> Place:
    days = tuple(int(day) for day in event._data.get("days", [])) or _our_days()
    return Place(event._data.get("archived") is True, text(event, "folder"), text(event, "tag"), days)


def _offset(event: gr.EventData) -> int:
    return max(0, int(text(event, "offset") or 0))


def _our_days() -> tuple[int, ...]:
    """The beginnings of days where the program runs; a page elsewhere sends its own."""
    today = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    return tuple(int((today - timedelta(days=back)).timestamp() * 1000) for back in _DAYS)
