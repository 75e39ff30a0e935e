"""The dialog that makes a document of a conversation: what goes in, in which format, for whom, and behind which password.

Its script (assets/js/export.js) opens it for a conversation and talks to `outlet`; no event of it comes here. What is typed in it stays
in the page: the author until the page is closed, a patient's reference with its conversation only, a password until the dialog is closed.
"""

from html import escape

import gradio as gr

from med42_chat.words import Words

# Each format with what can be chosen for it beside its messages; what is not named here goes without.
_FORMATS = {
    "pdf": "parts paper people data password",
    "docx": "parts paper people",
    "html": "parts paper people",
    "md": "parts people",
    "txt": "parts people ascii",
    "json": "",
}


class ExportDialog:
    """Nothing in it depends on the conversation: its script fills in the title and the messages."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def build(self) -> None:
        """Makes the component where it is called."""
        gr.HTML(html_template=self._html(), js_on_load="med42.exporting(element)", apply_default_css=False, elem_id="export")

    def _html(self) -> str:
        word = self._word
        body = self._formats() + self._messages() + self._parts() + self._people() + self._password()
        return (
            f'<dialog class="paper sheet outgoing" aria-labelledby="export-title"><header>'
            f'<h2 id="export-title" tabindex="-1">{word("title")}<small dir="auto"></small></h2>'
            f'<button type="button" class="tool" data-close aria-label="{word("close")}"><i class="icon close"></i></button></header>'
            f'<div class="problem" role="alert" hidden></div>'
            f'<form class="body" id="export-form" novalidate>{body}<p class="plain">{word("plain")}</p></form>'
            f"{self._foot()}</dialog>"
        )

    def _formats(self) -> str:
        cards = "".join(self._format(name, choices, first=name == "pdf") for name, choices in _FORMATS.items())
        return f'<fieldset><legend>{self._word("format")}</legend><div class="cards">{cards}</div></fieldset>'

    def _messages(self) -> str:
        word = self._word
        return (
            f'<fieldset class="what"><legend>{word("what")}</legend>'
            f"{self._choice('radio', 'range', 'all', checked=True)}{self._choice('radio', 'range', 'some')}"
            f'<div class="chosen" hidden><p class="actions"><button type="button" class="link" data-mark="all">{word("mark_all")}</button>'
            f'<button type="button" class="link" data-mark="none">{word("mark_none")}</button></p>'
            f'<ul class="messages" aria-label="{word("messages")}"></ul></div></fieldset>'
            f'<p class="whole" hidden>{word("whole")}</p>'
        )

    def _parts(self) -> str:
        return (
            f'<fieldset data-choice="parts"><legend>{self._word("parts")}</legend>'
            f"{self._choice('checkbox', 'sources', checked=True)}{self._choice('checkbox', 'evidence', checked=True)}"
            f"{self._choice('checkbox', 'attached', about='data')}{self._choice('checkbox', 'ascii', about='ascii')}</fieldset>"
        )

    def _people(self) -> str:
        word = self._word
        sizes = "".join(f'<option value="{size}">{word(size)}</option>' for size in ("a4", "letter"))
        paper = f'<label for="export-paper">{word("paper")}</label><select id="export-paper" name="paper">{sizes}</select>'
        return (
            f'<fieldset class="fields" data-choice="people"><legend>{word("head")}</legend>{self._field("author", "text")}'
            f'{self._field("patient", "text", hint=True)}<p class="field" data-choice="paper">{paper}</p></fieldset>'
        )

    def _password(self) -> str:
        return (
            f'<details data-choice="password"><summary>{self._word("protect")}</summary>'
            f'<p class="hint" id="export-password-hint">{self._word("password_hint")}</p>'
            f'<div class="fields">{self._field("password", "password")}{self._field("again", "password")}</div></details>'
        )

    def _foot(self) -> str:
        word = self._word
        return (
            f'<div class="closing"><div class="work" hidden><p class="step"></p><progress max="1"></progress></div>'
            f'<div class="done" hidden><p class="outcome"></p><ul class="notes"></ul></div>'
            f'<p class="actions"><button type="button" class="secondary" data-act="cancel" hidden>{word("cancel")}</button>'
            f'<button type="button" class="secondary" data-act="save" hidden>{word("save_again")}</button>'
            f'<button type="submit" form="export-form" class="primary" data-act="make">{word("make")}</button></p>'
            f'<p class="unseen" role="status"></p></div>'
        )

    # Controls

    def _format(self, name: str, choices: str, first: bool) -> str:
        mark = " checked" if first else ""
        return (
            f'<label class="card"><input type="radio" name="format" value="{name}" data-with="{choices}"{mark}>'
            f"<span><b>{self._word(name)}</b> <small>{self._word(f'{name}_for')}</small></span></label>"
        )

    def _choice(self, kind: str, name: str, value: str = "", checked: bool = False, about: str = "") -> str:
        """A radio button or a box, with its words and a hint; `about` is the choice of a format that it belongs to."""
        word = f"{name}_{value}" if value else name
        belongs = f' data-choice="{about}"' if about else ""
        mark = " checked" if checked else ""
        return (
            f'<label class="choice"{belongs}><input type="{kind}" name="{name}" value="{value}"{mark}>'
            f"<span>{self._word(word)}<small>{self._word(f'{word}_hint')}</small></span></label>"
        )

    def _field(self, name: str, kind: str, hint: bool = False) -> str:
        # A browser offers to keep what it takes for a password of this page, unless it is said to be a new one.
        filled = "new-password" if kind == "password" else "off"
        described = f' aria-describedby="export-{name}-hint"' if hint else ""
        about = f'<small class="hint" id="export-{name}-hint">{self._word(f"{name}_hint")}</small>' if hint else ""
        return (
            f'<p class="field"><label for="export-{name}">{self._word(name)}</label><input id="export-{name}" name="{name}" type="{kind}"'
            f' maxlength="200" autocomplete="{filled}" spellcheck="false" dir="auto"{described}>{about}</p>'
        )

    def _word(self, name: str) -> str:
        return escape(self._words(f"exporting.{name}"))
