"""Where the question is written: Enter sends, Shift+Enter begins a line, Esc stops."""

import gradio as gr

from med42_chat.errors import InputError, Med42Error
from med42_chat.ui.desk import HERE, Desk, Updates
from med42_chat.ui.facts import Facts
from med42_chat.ui.transcript import Transcript, asked

# What the page puts into the places of the inputs: where the question was asked, and its words.
_SENT = "(here, question) => med42.sending(question)"

QUIET = "Runs on this computer, nothing leaves it · Med42 is not ready for clinical use: check before acting · Built with Meta Llama 3"


class Composer:
    """`box`, `send` and `stop` are Gradio's own; assets/js/composer.js shows Send or Stop, never both."""

    def __init__(self, desk: Desk, transcript: Transcript, facts: Facts) -> None:
        self._desk, self._transcript, self._facts = desk, transcript, facts

    def build(self) -> None:
        """Makes the components where it is called."""
        with gr.Row(elem_id="composer"):
            self.box = gr.Textbox(
                label="Your question",
                show_label=False,
                placeholder="Ask a clinical question",
                lines=1,  # with one line Enter submits; more lines grow as they are needed
                max_lines=8,
                container=False,
                elem_id="question",
                autofocus=True,
            )
            self.send = gr.Button("Send", variant="primary", elem_id="send", min_width=0)
            self.stop = gr.Button("Stop", variant="stop", elem_id="stop", min_width=0)
        gr.HTML(f'<p id="quiet">{QUIET}</p>', apply_default_css=False)

    def wire(self) -> None:
        """Binds what sends, and Stop."""
        changed = [self._transcript.component, self._facts.component]
        for event in (self.send.click, self.box.submit):
            self._desk.on(event, self.ask, [self._desk.here, self.box], changed, js=_SENT, once=True)
        self._desk.on(self.stop.click, self.end, [self._desk.here], [], js=HERE)

    def ask(self, here: str, question: str) -> Updates:
        """Starts an answer, in a new conversation if there is none yet."""
        if not question.strip():
            raise InputError("There is no question yet.", "Type a question, then press Enter.")
        id = here or self._desk.store.create().id
        try:
            state = self._desk.services.jobs.start(id, question).state()
        except Med42Error:
            if not here:
                self._desk.store.delete(id)
            raise
        conversation = self._desk.store.get(id)
        return {self._transcript.component: asked(here, conversation, state), self._facts.component: self._facts.opened(conversation, [])}

    def end(self, here: str) -> Updates:
        """Stops the answer of this conversation; what came is kept."""
        self._desk.services.jobs.stop(here)
        return {}
