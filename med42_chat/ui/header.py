"""The line above the conversation: name, model, its state in words, speed, context meter, looks, About."""

from html import escape

import gradio as gr

from med42_chat.words import Words


def build(words: Words, server: str = "") -> gr.HTML:
    """The component; the stream fills the parts marked `data-live`. `server` is where the model runs, empty for this computer."""
    return gr.HTML(
        html_template=_template(words, _mark(words, server)), js_on_load="med42.buttons(element)", apply_default_css=False, elem_id="header"
    )


def _mark(words: Words, server: str) -> str:
    """A line that says that what is asked is sent away, and where to, and unfolds to what that is; nothing where it is not."""
    if not server:
        return ""
    mark, meaning = (escape(words(name, server=server)) for name in ("server.mark", "server.meaning"))
    summary = f"<summary><strong>{mark}</strong> <span>{escape(words('server.what'))}</span></summary>"
    return f'<details class="outward">{summary}<p>{meaning}</p></details>'


def _template(words: Words, mark: str) -> str:
    return f"""
<div class="head">
{_tool("left", "menu", words("header.conversations"))}
<h1>Med42 Chat</h1>
<button type="button" class="which" data-do="models" title="{escape(words("models.open"))}" data-live="model"></button>
<button type="button" class="fetching" data-do="models" title="{escape(words("models.open"))}" data-live="fetching"></button>
<span class="gap"></span>
<button type="button" class="fetching" data-do="library" title="{escape(words("library.open"))}" data-live="adding"></button>
<span class="state" data-live="state"></span>
<span class="speed" data-live="speed"></span>
<span class="use" data-live="meter"></span>
{_tool("export", "export", words("exporting.open"), " hidden")}
{_tool("theme", "theme", words("header.theme"))}
{_tool("settings", "sliders", words("header.settings"))}
{_tool("about", "info", words("header.about"))}
{_tool("right", "panel", words("header.evidence"))}
</div>
{mark}
<div class="trouble" role="alert"><div data-live="trouble"></div>
<p data-live="lost" hidden><strong>{escape(words("header.lost"))}</strong> {escape(words("header.lost_hint"))}</p></div>
<p class="unseen" role="status" id="announce"></p>
"""


def _tool(do: str, icon: str, label: str, further: str = "") -> str:
    named = f'aria-label="{escape(label)}" title="{escape(label)}"'
    return f'<button type="button" class="tool" data-do="{do}" {named}{further}><i class="icon {icon}"></i></button>'
