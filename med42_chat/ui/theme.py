"""Gradio's theme and the page's head. Colours live in assets/css/page.css as variables; the theme only hands them to Gradio."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import gradio as gr

from med42_chat.words import Words

_SCRIPTS = (
    "page.js",
    "drafts.js",
    "composer.js",
    "attachments.js",
    "presets.js",
    "scope.js",
    "keys.js",
    "transcript.js",
    "notes.js",
    "answers.js",
    "virtual.js",
    "entries.js",
    "conversations.js",
    "viewer.js",
    "panels.js",
    "settings.js",
    "sheet.js",
    "models.js",
    "library.js",
    "export.js",
    "tour.js",
)
_STYLES = (
    "page.css",
    "composer.css",
    "transcript.css",
    "list.css",
    "panels.css",
    "findings.css",
    "viewer.css",
    "settings.css",
    "sheet.css",
    "models.css",
    "library.css",
    "export.css",
    "print.css",
)


def theme() -> gr.themes.Base:
    """Our variables in the places of Gradio's; the same in light and dark, because the variables themselves change."""
    base = gr.themes.Base(font=["Med42 Sans", "system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    return base.set(
        body_background_fill="var(--ground)",
        body_background_fill_dark="var(--ground)",
        body_text_color="var(--ink)",
        body_text_color_dark="var(--ink)",
        background_fill_primary="var(--surface)",
        background_fill_primary_dark="var(--surface)",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        input_background_fill="transparent",
        input_background_fill_dark="transparent",
        input_placeholder_color="var(--muted)",
        input_placeholder_color_dark="var(--muted)",
        button_primary_background_fill="var(--button)",
        button_primary_background_fill_dark="var(--button)",
        button_primary_background_fill_hover="var(--button-hover)",
        button_primary_background_fill_hover_dark="var(--button-hover)",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
    )


def head(assets: Path, words: Words, looks: Mapping[str, object]) -> str:
    """The page's own styles, scripts, words and looks (theme, text_size, contrast).

    Each file has a mark of its content, so that an update is never mixed with an old copy.
    """
    styles = [f'<link rel="stylesheet" href="/ui/css/{name}?{_mark(assets / "css" / name)}">' for name in _STYLES]
    scripts = [f'<script src="/ui/js/{name}?{_mark(assets / "js" / name)}"></script>' for name in _SCRIPTS]
    first, *rest = scripts  # the words belong to what the first script makes
    return "\n".join([*_meta(), *styles, first, f"<script>{words.script()} med42.looks = {json.dumps(looks)};</script>", *rest])


def _meta() -> Iterable[str]:
    yield '<meta name="color-scheme" content="light dark">'
    yield '<meta name="theme-color" content="#0c6a63">'
    yield '<link rel="apple-touch-icon" href="/ui/icons/med42-192.png">'
    yield '<link rel="icon" type="image/svg+xml" href="/ui/icons/med42.svg">'


def _mark(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]
