"""What a person must be able to read: the safe-use text before the first question, and About at any time."""

from html import escape

import gradio as gr

from med42_chat import __version__
from med42_chat.ui.desk import Desk, Updates

_SAFE_USE = """
<h2>Before the first question</h2>
<p>Med42 is a language model for health questions. Its makers say about it:</p>
<ul>
<li>It is <strong>not ready for real clinical use</strong>. Extensive human evaluation is still under way.</li>
<li>It can give <strong>incorrect or harmful information</strong>, and sound sure of it.</li>
<li>It can repeat biases of the data it was trained on.</li>
<li>Do not rely on it for medical decisions or patient care without rigorous safety testing.</li>
</ul>
<p>So: check every answer against a source you trust, doses and numbers above all. The responsibility stays with you.</p>
<p>Questions and answers stay on this computer, encrypted. Nothing is sent anywhere.</p>
"""

_ABOUT = """
<h2>Med42 Chat {version}</h2>
<p><strong>Built with Meta Llama 3</strong></p>
<p>The model Med42-v2 is made by M42 Health from Meta Llama 3 and stands under the Meta Llama 3 Community License.</p>
<h3>What never leaves this computer</h3>
<p>Questions, answers and pinned facts are stored encrypted in your data folder. The page loads nothing from
elsewhere, and the program sends nothing anywhere: no statistics, no update check, no fonts.</p>
<h3>Not ready for clinical use</h3>
<p>Med42 can be wrong and sound sure. Check before acting; the responsibility stays with you.</p>
<h3>Licences and notices</h3>
<ul class="licences">{licences}</ul>
"""


class SafeUse:
    """The dialog before the first question. Its value is whether it was accepted before."""

    component: gr.HTML

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def build(self) -> None:
        """Makes the component. It triggers 'apply' when the text is accepted."""
        self.component = gr.HTML(
            html_template=f'<dialog class="paper" aria-label="Safe use">{_SAFE_USE}'
            '<p class="actions"><button type="button" class="primary">I have read this</button></p></dialog>',
            js_on_load="med42.safeUse(element, props, trigger, watch)",
            apply_default_css=False,
            elem_id="safe-use",
        )

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

    def __init__(self, licences: list[str]) -> None:
        self._licences = licences

    def build(self) -> None:
        """Makes the component; the header's button opens it."""
        links = "".join(
            f'<li><a href="/licences/{escape(name)}" target="_blank" rel="noopener">{escape(name)}</a></li>' for name in self._licences
        )
        gr.HTML(
            html_template=f'<dialog class="paper" aria-label="About">{_ABOUT.format(version=escape(__version__), licences=links)}'
            '<p class="actions"><button type="button" class="primary">Close</button></p></dialog>',
            js_on_load="med42.about(element)",
            apply_default_css=False,
            elem_id="about",
        )
