"""The list of conversations, newest first, and what a search finds in them.

Rows go to the page as short arrays, some hundreds at a time; the page draws only those in sight and asks for more when
the reader comes near the end.
"""

import re
import time
from collections.abc import Sequence

import gradio as gr

from med42_chat.records import Conversation, SearchHit

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


def build() -> gr.HTML:
    """The component; its script is assets/js/conversations.js. Groups by date are made in the page: it knows the reader's time zone.

    It triggers 'select' (open), 'edit' (rename), 'delete', 'input' (search), 'expand' (more) and 'tick' (refresh).
    """
    return gr.HTML(
        html_template=_TEMPLATE,
        js_on_load="med42.conversations(element, props, trigger, watch)",
        apply_default_css=False,
        elem_id="conversations",
    )


def rows(conversations: Sequence[Conversation], offset: int, total: int) -> Value:
    """One stretch of the list, beginning at `offset`."""
    short = [[one.id, one.title, one.updated_at, int(one.pinned)] for one in conversations]
    return {"kind": "rows", "rows": short, "offset": offset, "total": total, "at": time.time_ns()}


def hits(query: str, found: Sequence[SearchHit]) -> Value:
    """What the words of messages gave; `query` lets the page drop an answer that came too late."""
    short = [[hit.conversation_id, hit.message_id, hit.title, [_MARKS.sub("", piece) for piece in hit.snippet]] for hit in found]
    return {"kind": "hits", "query": query, "hits": short, "at": time.time_ns()}
