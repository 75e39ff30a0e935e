"""The list of conversations, newest first, and what a search finds in them.

Rows go to the page as short arrays, some hundreds at a time; the page draws only those in sight and asks for more when
the reader comes near the end.
"""

import re
import time
from collections.abc import Sequence

import gradio as gr

from med42_chat.records import Conversation, SearchHit
from med42_chat.ui.desk import Desk, Updates, text

Value = dict[str, object]

PAGE = 300  # conversations sent at once, about 30 kB
HITS = 40

_MARKS = re.compile(r"[*`#|]+")  # Markdown's, which only disturb in two lines of an extract

_TEMPLATE = """
<div class="top"><div class="first"><button type="button" class="new"><i class="icon plus"></i>New conversation</button>
<button type="button" class="tool away" data-do="left" aria-label="Close"><i class="icon close"></i></button></div>
<input type="search" class="find" placeholder="Search (Ctrl+K)" aria-label="Search conversations" autocomplete="off"
 spellcheck="false"></div>
<p class="count" aria-live="polite"></p>
<div class="rows" role="list" aria-label="Conversations"></div>
"""


class ConversationList:
    """Its script (assets/js/conversations.js) draws the rows; groups by date are made in the page: it knows the reader's time zone."""

    component: gr.HTML

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def build(self) -> None:
        """Makes the component: 'select' opens, 'edit' renames, 'delete', 'input' searches, 'expand' wants more, 'tick' the newest state."""
        self.component = gr.HTML(
            html_template=_TEMPLATE,
            js_on_load="med42.conversations(element, props, trigger, watch)",
            apply_default_css=False,
            elem_id="conversations",
        )

    def wire(self) -> None:
        """Binds its events."""
        desk, own = self._desk, [self.component]
        desk.on(self.component.select, self.open, [], desk.view)
        desk.on(self.component.edit, self.rename, [], own)
        desk.on(self.component.delete, self.delete, [], own)
        desk.on(self.component.input, self.search, [], own)
        desk.on(self.component.expand, self.more, [], own)
        desk.on(self.component.tick, self.refresh, [], own)

    def open(self, event: gr.EventData) -> Updates:
        """Shows a conversation, or the empty page, which leaves a notice where it is: it may say why the page is empty."""
        id = text(event, "id")
        return self._desk.opened(id) if id else {**self._desk.opened(""), self._desk.notice: gr.skip()}

    def rename(self, event: gr.EventData) -> Updates:
        """Gives a conversation another title."""
        self._desk.store.rename(text(event, "id"), text(event, "title"))
        return self.rows()

    def delete(self, event: gr.EventData) -> Updates:
        """Deletes a conversation for good, after its answer has been stopped."""
        self._desk.services.jobs.stop(text(event, "id"))
        self._desk.store.delete(text(event, "id"))
        return self.rows()

    def search(self, event: gr.EventData) -> Updates:
        """Finds words in all messages."""
        query = text(event, "query")
        return {self.component: hits(query, self._desk.store.search(query, HITS))}

    def more(self, event: gr.EventData) -> Updates:
        """The next stretch of the list."""
        return self.rows(int(text(event, "offset")))

    def refresh(self) -> Updates:
        """The list as it is now."""
        return self.rows()

    def rows(self, offset: int = 0) -> Updates:
        """A stretch of the list."""
        return {self.component: rows(self._desk.store.recent(PAGE, offset), offset, self._desk.store.total())}


def rows(conversations: Sequence[Conversation], offset: int, total: int) -> Value:
    """One stretch of the list, beginning at `offset`."""
    short = [[one.id, one.title, one.updated_at, int(one.pinned)] for one in conversations]
    return {"kind": "rows", "rows": short, "offset": offset, "total": total, "at": time.time_ns()}


def hits(query: str, found: Sequence[SearchHit]) -> Value:
    """What the words of messages gave; `query` lets the page drop an answer that came too late."""
    short = [[hit.conversation_id, hit.message_id, hit.title, [_MARKS.sub("", piece) for piece in hit.snippet]] for hit in found]
    return {"kind": "hits", "query": query, "hits": short, "at": time.time_ns()}
