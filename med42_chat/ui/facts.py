"""The facts of a conversation that are in every prompt: allergies, problems, medicines. One per line."""

import time

import gradio as gr


def build() -> gr.HTML:
    """The component: chips, and an editor in their place. It triggers 'edit' with the conversation and the new text."""
    return gr.HTML(
        html_template='<div class="facts" role="group" aria-label="Always in the prompt"></div>',
        js_on_load="med42.facts(element, props, trigger, watch)",
        apply_default_css=False,
        elem_id="facts",
    )


def value(conversation_id: str, text: str, elsewhere: bool = False) -> dict[str, object]:
    """What the panel shows. With `elsewhere` the text was changed by another window, and the editor keeps what was typed here."""
    return {"conversation": conversation_id, "text": text, "elsewhere": elsewhere, "at": time.time_ns()}
