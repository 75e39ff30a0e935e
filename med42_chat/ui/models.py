"""The Models page, a dialog: which models there are, what this computer can run, fetching and using one.

Its script (assets/js/models.js) opens it and sends what was asked for. What it shows comes over a stream of its own while it is open
(models_follow.py), so that a handler here only begins something and says what was wrong with that.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from html import escape

import gradio as gr

from med42_chat.errors import InputError, Med42Error, WeightsError
from med42_chat.ui.desk import Desk, Updates, notice, text, typed_path


class ModelsDialog:
    """Opening it is the event 'expand', every action 'submit' with what to `do` and the model's `id`."""

    component: gr.HTML

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        services = desk.services
        self._actions: Mapping[str, Callable[[str], None]] = {
            "get": lambda id: services.models.get(id),
            "stop": lambda id: services.models.stop(id),
            "verify": lambda id: services.models.verify(id),
            "remove": lambda id: services.models.remove(id),
            "dismiss": lambda id: services.models.dismiss(id),
            "bring": self._bring,
            "measure": lambda _: services.models.measure(anew=True),
            "use": self._use,
        }

    def build(self) -> None:
        """Makes the component; what it shows is empty until it is opened."""
        self.component = gr.HTML(
            html_template=_template(self._desk),
            js_on_load="med42.models(element, props, trigger, watch)",
            apply_default_css=False,
            elem_id="models",
        )

    def wire(self) -> None:
        """Binds its events."""
        self._desk.on(self.component.expand, self.open, [], [self.component])
        self._desk.on(self.component.submit, self.act, [], [self.component])

    def open(self) -> Updates:
        """Somebody looks at it: now this computer is measured, if it was not before."""
        self._desk.services.models.measure()
        return {}

    def act(self, event: gr.EventData) -> Updates:
        """Begins what was asked for. What goes wrong is told in the dialog: the page's notice lies behind it."""
        try:
            self._actions[text(event, "do")](text(event, "id"))
        except Med42Error as error:
            return {self.component: {**notice(error.message, error.hint), "at": time.time_ns()}}
        return {self.component: {**notice(""), "did": text(event, "do"), "at": time.time_ns()}}

    def _use(self, name: str) -> None:
        services = self._desk.services
        services.use(name)
        with suppress(WeightsError):  # is said in the page, and is no fault of this
            for card in services.models.cards():
                if card.work and name in [file.name for file in card.files]:
                    services.models.dismiss(card.work.id)  # that it has come is no news any more

    def _bring(self, path: str) -> None:
        file = typed_path(path)
        if file is None:
            raise InputError(self._desk.words("models.no_path"), self._desk.words("models.no_path_hint"))
        self._desk.services.models.bring(file)


def _template(desk: Desk) -> str:
    def word(name: str) -> str:
        return escape(desk.words(f"models.{name}"))

    def part(name: str) -> str:
        return f'<div data-part="{name}"></div>'

    folder = escape(desk.words("models.folder", folder=desk.services.settings.models))
    return f"""
<dialog class="paper sheet models" aria-labelledby="models-title">
<header><h2 id="models-title" tabindex="-1">{word("title")}</h2>
<button type="button" class="tool" data-close aria-label="{word("close")}"><i class="icon close"></i></button></header>
<div class="problem" role="alert" hidden></div>
<div class="body" tabindex="0" role="region" aria-labelledby="models-title">
<section class="first">{part("advice")}</section>
<section aria-labelledby="models-now"><h3 id="models-now">{word("now")}</h3>{part("now")}{part("speed")}</section>
<section aria-labelledby="models-near"><h3 id="models-near">{word("near")}</h3>{part("near")}<p class="hint">{word("promise")}</p></section>
<section aria-labelledby="models-import"><h3 id="models-import">{word("import")}</h3><p>{word("import_about")}</p>
<form class="bring"><label for="models-path">{word("path")}</label><div><input id="models-path" autocomplete="off" spellcheck="false"
placeholder="{word("path_example")}"><button type="submit" class="secondary">{word("bring")}</button></div></form>
{part("imports")}<p class="hint">{folder}</p></section>
<section aria-labelledby="models-more"><h3 id="models-more">{word("more")}</h3><p>{word("more_about")}</p>{part("more")}</section>
</div>
<p class="unseen" role="status"></p>
</dialog>"""
