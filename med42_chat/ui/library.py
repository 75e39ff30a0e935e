"""The Library page, a dialog: the person's own documents, adding to them, sorting them into collections, looking what is found in them.

Its script (assets/js/library.js) opens it and sends what was asked for; dropped files and searches come in through `intake`. What it
shows comes over a stream of its own while it is open (library_follow.py), so that a handler here only begins something and says what
was wrong with that.
"""

import time
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path

import gradio as gr

from med42_chat.errors import InputError, Med42Error
from med42_chat.ui.desk import Desk, Updates, notice, text, typed_path

_FILES = ".pdf,.docx,.html,.htm,.xhtml,.md,.markdown,.txt,.text"


class LibraryDialog:
    """Every action is the event 'submit' with what to `do`."""

    component: gr.HTML

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._actions: Mapping[str, Callable[[gr.EventData], None]] = {
            "add": self._add,
            "watch": self._watch,
            "unwatch": lambda event: desk.services.adding.unwatch(Path(text(event, "id"))),
            "samples": lambda _: desk.services.adding.samples(),
            "pause": lambda _: desk.services.adding.pause(),
            "go_on": lambda _: desk.services.adding.go_on(),
            "cancel": lambda event: desk.services.adding.cancel(text(event, "id")),
            "dismiss": lambda event: desk.services.adding.dismiss(text(event, "id")),
            "newer": lambda event: desk.services.adding.settle(text(event, "id"), supersedes=True),
            "both": lambda event: desk.services.adding.settle(text(event, "id"), supersedes=False),
            "recognise": lambda event: desk.services.adding.recognise(text(event, "id")),
            "read_again": self._read_again,
            "edit": self._edit,
            "shelve": self._shelve,
            "unshelve": lambda event: desk.services.store.remove_collection(text(event, "name")),
            "search_too": self._search_too,
            "remove": lambda event: desk.services.library.documents.remove(text(event, "id")),
        }

    def build(self) -> None:
        """Makes the component; what it shows is empty until it is opened."""
        self.component = gr.HTML(
            html_template=_template(self._desk),
            js_on_load="med42.library(element, props, trigger, watch)",
            apply_default_css=False,
            elem_id="library",
        )

    def wire(self) -> None:
        """Binds its events."""
        self._desk.on(self.component.submit, self.act, [], [self.component])

    def act(self, event: gr.EventData) -> Updates:
        """Begins or does what was asked for. What goes wrong is told in the dialog: the page's notice lies behind it."""
        try:
            self._actions[text(event, "do")](event)
        except Med42Error as error:
            return {self.component: {**notice(error.message, error.hint), "at": time.time_ns()}}
        return {self.component: {**notice(""), "did": text(event, "do"), "at": time.time_ns()}}

    def _add(self, event: gr.EventData) -> None:
        self._desk.services.adding.add([self._path(event)], collections_of(event))

    def _watch(self, event: gr.EventData) -> None:
        self._desk.services.adding.watch(self._path(event), collections_of(event))

    def _path(self, event: gr.EventData) -> Path:
        path = typed_path(text(event, "where"))
        if path is None:
            raise InputError(self._desk.words("library.no_path"), self._desk.words("library.no_path_hint"))
        return path

    def _read_again(self, event: gr.EventData) -> None:
        self._desk.services.adding.read_again(text(event, "id"))

    def _search_too(self, event: gr.EventData) -> None:
        self._desk.services.library.documents.search_again(text(event, "id"))

    def _edit(self, event: gr.EventData) -> None:
        documents, id = self._desk.services.library.documents, text(event, "id")
        documents.set_details(id, *(text(event, name) for name in ("title", "publisher", "date", "version")))
        documents.set_collections(id, collections_of(event))

    def _shelve(self, event: gr.EventData) -> None:
        """A collection has this name and holds these documents from now on; `was` is its name until now, empty for a new one.

        Those that are not searched are not shown there: they stay in, and are searched in it when their turn comes again.
        """
        documents, name, was = self._desk.services.library.documents, " ".join(text(event, "name").split()), text(event, "was")
        if not name:
            raise InputError(self._desk.words("library.no_name"), self._desk.words("library.no_name_hint"))
        if was and was != name:
            self._desk.services.store.rename_collection(was, name)
        chosen = set(event._data.get("ids", []))
        for one in documents.all():
            if one.superseded_by:
                continue
            others = [other for other in one.collections if other != name]
            wanted = [*others, name] if one.id in chosen else others
            if sorted(wanted) != sorted(one.collections):
                documents.set_collections(one.id, wanted)


def collections_of(event: gr.EventData) -> list[str]:
    """The names of collections that the page sent with an event."""
    return [str(name) for name in event._data.get("collections", []) if str(name).strip()]


def _template(desk: Desk) -> str:
    def word(name: str) -> str:
        return escape(desk.words(f"library.{name}"))

    def part(name: str) -> str:
        return f'<div data-part="{name}"></div>'

    return f"""
<dialog class="paper sheet reference" aria-labelledby="library-title">
<header><h2 id="library-title" tabindex="-1">{word("title")}</h2>
<button type="button" class="tool" data-close aria-label="{word("close")}"><i class="icon close"></i></button></header>
<div class="problem" role="alert" hidden></div>
<div class="body" tabindex="0" role="region" aria-labelledby="library-title">
<section class="first">{part("start")}
<div class="adding"><div class="actions">
<button type="button" class="secondary" data-act="choose"><i class="icon plus"></i>{word("choose")}</button>
<span class="into"><label for="library-into">{word("into_label")}</label> <input id="library-into" list="library-names" autocomplete="off"
 spellcheck="false" placeholder="{word("into_none")}"></span></div><datalist id="library-names" data-part="names"></datalist>
<p class="hint">{word("drop_hint")}</p>
<details data-open="path"><summary>{word("by_path")}</summary>
<form class="bring"><label for="library-path">{word("path")}</label>
<div><input id="library-path" autocomplete="off" spellcheck="false" placeholder="{word("path_example")}">
<button type="submit" class="secondary">{word("add")}</button>
<button type="button" class="secondary" data-act="watch">{word("watch")}</button></div>
<p class="hint">{word("watch_hint")}</p></form></details></div>
{part("watched")}{part("queue")}</section>
<section class="holdings" aria-labelledby="library-documents" hidden><h3 id="library-documents">{word("documents_title")}</h3>
{part("shelves")}
<input type="search" class="find" aria-label="{word("search")}" placeholder="{word("search")}" autocomplete="off" spellcheck="false">
<div class="finds" aria-live="polite"></div>{part("documents")}</section>
</div>
<div class="drop" hidden><p>{word("drop")}</p></div>
<input type="file" class="files" accept="{_FILES}" multiple hidden>
<p class="unseen" role="status"></p>
</dialog>"""
