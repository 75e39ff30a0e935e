"""The line above the conversation: name, model, its state in words, speed, context meter, looks, About."""

import gradio as gr

_TEMPLATE = """
<div class="head">
<button type="button" class="tool" data-do="left" aria-label="Conversations"><i class="icon menu"></i></button>
<h1>Med42 Chat</h1>
<span data-live="model"></span>
<span class="gap"></span>
<span class="state" data-live="state"></span>
<span class="speed" data-live="speed"></span>
<span class="use" data-live="meter"></span>
<button type="button" class="tool" data-do="theme" aria-label="Theme"><i class="icon theme"></i></button>
<button type="button" class="tool" data-do="about" aria-label="About"><i class="icon info"></i></button>
<button type="button" class="tool" data-do="right" aria-label="Sources and evidence"><i class="icon panel"></i></button>
</div>
<div class="trouble" role="alert"><div data-live="trouble"></div>
<p data-live="lost" hidden><strong>Med42 Chat does not answer.</strong> It was closed or is starting again. What you typed is
still here. If this stays, open the address that it prints when it starts.</p></div>
<p class="unseen" role="status" id="announce"></p>
"""


def build() -> gr.HTML:
    """The component; the stream fills the parts marked `data-live`."""
    return gr.HTML(html_template=_TEMPLATE, js_on_load="med42.buttons(element)", apply_default_css=False, elem_id="header")
