"""Where the question is written: Enter sends, Shift+Enter begins a line, Esc stops."""

import gradio as gr

from med42_chat.ui.desk import HERE, Desk, Updates

QUIET = "Runs on this computer, nothing leaves it · Med42 is not ready for clinical use: check before acting · Built with Meta Llama 3"


class Composer:
    """`box`, `send` and `stop` are Gradio's own; assets/js/composer.js shows Send or Stop, never both."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

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
        """Binds Stop; what sends belongs to the transcript."""
        self._desk.on(self.stop.click, self.end, [self._desk.here], [], js=HERE)

    def end(self, here: str) -> Updates:
        """Stops the answer of this conversation; what came is kept."""
        self._desk.services.jobs.stop(here)
        return {}
