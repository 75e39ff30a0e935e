"""The settings dialog: what can be changed in plain words, most of it at once.

Its script (assets/js/settings.js) opens it and sends what was changed; the server draws all of it and says under each control
what came of that. What each control means stands in the words' table [settings].
"""

import time
from collections.abc import Callable, Mapping
from html import escape

import gradio as gr

from med42_chat.errors import InputError, Med42Error, NotFound
from med42_chat.settings import faults
from med42_chat.ui.desk import Desk, Updates, text
from med42_chat.ui.settings_form import CARD, Form, meaning_words

Value = dict[str, object]

_FIRST = "model"
_TRIED_S = 5.0  # how long the trial of an embedding model is waited for, which takes longer in a large library


class SettingsDialog:
    """Every action of the dialog is one event 'submit' with what to `do`; opening it is 'expand'."""

    component: gr.HTML

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._actions: Mapping[str, Callable[[gr.EventData], Value]] = {
            "refresh": lambda event: self._drawn(_FIRST),
            "set": self._set,
            "card": self._as_the_card_says,
            "meaning": self._try_meaning,
            "style": self._use_style,
            "no-style": self._use_no_style,
            "protect": self._protect,
            "unprotect": self._unprotect,
            "backup": self._back_up,
            "restore": self._restore,
            "erase": self._erase,
        }

    def build(self) -> None:
        """Makes the component, which is empty until it is opened."""
        words = self._desk.words
        self.component = gr.HTML(
            html_template=f'<dialog class="paper settings" aria-labelledby="settings-title"><header><h2 id="settings-title">'
            f'{escape(words("settings.title"))}</h2><button type="button" class="tool" data-close '
            f'aria-label="{escape(words("settings.close"))}"><i class="icon close"></i></button></header>'
            '<div class="body"></div></dialog>',
            js_on_load="med42.settings(element, props, trigger, watch)",
            apply_default_css=False,
            elem_id="settings",
        )

    def wire(self) -> None:
        """Binds its events."""
        self._desk.on(self.component.expand, self.open, [], [self.component])
        self._desk.on(self.component.submit, self.act, [], [self.component])

    def open(self, event: gr.EventData) -> Updates:
        """The dialog as things stand now, at a section."""
        return {self.component: self._drawn(text(event, "section") or _FIRST, opens=True)}

    def act(self, event: gr.EventData) -> Updates:
        """Does what was asked for. What goes wrong is told where it was asked: the page's notice lies behind the dialog."""
        try:
            return {self.component: self._actions[text(event, "do")](event)}
        except Med42Error as error:
            return {self.component: _said(text(event, "place"), f"{error.message} {error.hint}", bad=True)}

    # What can be done

    def _set(self, event: gr.EventData) -> Value:
        name, value = text(event, "name"), text(event, "value")
        if wrong := faults({name: value}):
            return _said(name, wrong[name], bad=True)
        services = self._desk.services
        before = services.runtime
        later = services.apply({name: value})
        if name == "embedding":  # with a model there is more to be seen than without
            return self._drawn("model", {name: self._desk.words("settings.saved")})
        word = "later" if later else "saved" if services.runtime is before else "loading"
        return _said(name, self._desk.words(f"settings.{word}"))

    def _as_the_card_says(self, event: gr.EventData) -> Value:
        self._desk.services.apply(dict.fromkeys(CARD, ""))
        return self._drawn("answers", {"card": self._desk.words("settings.saved")})

    def _try_meaning(self, event: gr.EventData) -> Value:
        state = self._desk.services.meaning.begin_check(wait_s=_TRIED_S)
        return _said("meaning", meaning_words(self._desk.words, state), bad=bool(state.trouble))

    def _use_style(self, event: gr.EventData) -> Value:
        self._desk.services.use_style(text(event, "text"))
        return self._drawn("export", {"style": self._desk.words("settings.saved")})

    def _use_no_style(self, event: gr.EventData) -> Value:
        self._desk.services.use_style(None)
        return self._drawn("export", {"style": self._desk.words("settings.saved")})

    def _protect(self, event: gr.EventData) -> Value:
        new = text(event, "new")
        if new != text(event, "again"):
            raise InputError(self._desk.words("settings.passphrases_differ"), self._desk.words("settings.nothing_changed"))
        self._desk.services.protect(text(event, "present"), new)
        return self._drawn("passphrase", {"passphrase": self._desk.words("settings.passphrase_set")})

    def _unprotect(self, event: gr.EventData) -> Value:
        self._desk.services.protect(text(event, "present"), None)
        return self._drawn("passphrase", {"passphrase": self._desk.words("settings.passphrase_removed")})

    def _back_up(self, event: gr.EventData) -> Value:
        file, note = self._desk.services.back_up(text(event, "passphrase"))
        return self._drawn("data", {"backup": self._desk.words("settings.backup_made", file=file.name, note=note)})

    def _restore(self, event: gr.EventData) -> Value:
        services = self._desk.services
        file = next((one for one in services.backups() if one.name == text(event, "file")), None)
        if file is None:
            raise NotFound(self._desk.words("settings.backup_gone"), self._desk.words("settings.nothing_changed"))
        try:
            note = services.restore(file, text(event, "passphrase"))
        except Med42Error as error:
            if not services.ended.is_set():
                raise
            return self._ended("restore_failed", f"{error.message} {error.hint}")
        return self._ended("restored", note)

    def _erase(self, event: gr.EventData) -> Value:
        if text(event, "word").strip().lower() != self._desk.words("settings.erase_word"):
            raise InputError(self._desk.words("settings.erase_unsure"), self._desk.words("settings.nothing_changed"))
        try:
            self._desk.services.erase()
        except Med42Error as error:
            return self._ended("erase_failed", f"{error.message} {error.hint}")
        return self._ended("erased")

    # What is shown

    def _ended(self, word: str, note: str = "") -> Value:
        words = self._desk.words
        html = f"<h1>{escape(words(f'settings.{word}'))}</h1><p>{escape(note)}</p><p>{escape(words('settings.ended'))}</p>"
        return {"kind": "ended", "html": html, "at": time.time_ns()}

    def _drawn(self, section: str, said: Mapping[str, str] | None = None, opens: bool = False) -> Value:
        told = {place: {"text": words, "bad": False} for place, words in (said or {}).items()}
        return {
            "kind": "drawn",
            "html": Form(self._desk.words, self._desk.services).html(),
            "section": section,
            "said": told,
            "opens": opens,
            "at": time.time_ns(),
        }


def _said(place: str, words: str, bad: bool = False) -> Value:
    return {"kind": "said", "said": {place: {"text": words, "bad": bad}}, "at": time.time_ns()}
