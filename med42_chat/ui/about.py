"""What a person must be able to read: the safe-use text before the first question, and About at any time."""

from html import escape

import gradio as gr

from med42_chat import __version__
from med42_chat.ui.desk import Desk, Updates
from med42_chat.words import Words


class SafeUse:
    """The dialog before the first question. Its value is whether it was accepted before."""

    component: gr.HTML

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def build(self) -> None:
        """Makes the component. It triggers 'apply' when the text is accepted."""
        words = self._desk.words
        self.component = gr.HTML(
            html_template=f'<dialog class="paper" aria-label="{escape(words("safe_use.name"))}">{words("safe_use.text")}{self._kept()}'
            f'<p class="actions"><button type="button" class="primary">{escape(words("safe_use.accept"))}</button></p></dialog>',
            js_on_load="med42.safeUse(element, props, trigger, watch)",
            apply_default_css=False,
            elem_id="safe-use",
        )

    def _kept(self) -> str:
        """Where questions and answers are, and go."""
        server = self._desk.services.server
        return self._desk.words("server.safe_use", server=escape(server)) if server else self._desk.words("safe_use.kept")

    def wire(self) -> None:
        """Binds its events."""
        self._desk.on(self.component.apply, self.accept, [], [self.component])

    def state(self) -> Updates:
        """Whether the text was accepted in this data folder."""
        return {self.component: {"accepted": self._desk.services.acknowledged()}}

    def accept(self) -> Updates:
        """The text was accepted."""
        self._desk.services.acknowledge()
        return self.state()


class About:
    """The About dialog. `licences` are file names under /licences/."""

    def __init__(self, desk: Desk, licences: list[str]) -> None:
        self._words, self._server, self._licences = desk.words, desk.services.server, licences

    def build(self) -> None:
        """Makes the component; the header's button opens it."""
        gr.HTML(html_template=self.html(), js_on_load="med42.about(element)", apply_default_css=False, elem_id="about")

    def html(self) -> str:
        """The dialog."""
        words, server = self._words, escape(self._server)
        sent = words("server.about", server=server) if server else words("about.sent")
        links = "".join(
            f'<li><a href="/licences/{escape(name)}" target="_blank" rel="noopener">{escape(name)}</a></li>' for name in self._licences
        )
        return (
            f'<dialog class="paper" aria-label="{escape(words("about.name"))}">'
            f'{words("about.text", version=escape(__version__), sent=sent)}<ul class="licences">{links}</ul><p class="actions">'
            f'<button type="button" data-tour>{escape(words("about.tour"))}</button>'
            f'<button type="button" data-settings>{escape(words("about.settings"))}</button>'
            f'<button type="button" class="primary">{escape(words("about.close"))}</button></p></dialog>'
        )


class Demonstration:
    """A line above the composer while the demonstration model answers (assets/css/settings.css shows it then)."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def build(self) -> None:
        """Makes the component where it is called."""
        here, instead = escape(self._words("demonstration.here")), escape(self._words("demonstration.instead"))
        gr.HTML(
            html_template=f'<p>{here} <button type="button" class="link" data-do="models">{instead}</button></p>',
            js_on_load="med42.buttons(element)",
            apply_default_css=False,
            elem_id="demonstration",
        )
