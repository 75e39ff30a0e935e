"""The page: which panels stand where. Each panel wires itself (see desk.py); this is the only file that knows them all."""

import hashlib
from pathlib import Path

import gradio as gr

from med42_chat.services import Services
from med42_chat.settings import ASSETS
from med42_chat.ui import header
from med42_chat.ui.about import About, Demonstration, SafeUse
from med42_chat.ui.composer import Composer
from med42_chat.ui.conversations import ConversationList
from med42_chat.ui.desk import HERE, Desk, Updates
from med42_chat.ui.evidence import EvidencePanel
from med42_chat.ui.exporting import ExportDialog
from med42_chat.ui.facts import Facts
from med42_chat.ui.greeting import Greeting
from med42_chat.ui.library import LibraryDialog
from med42_chat.ui.models import ModelsDialog
from med42_chat.ui.settings import SettingsDialog
from med42_chat.ui.transcript import Transcript
from med42_chat.words import Words


class Page:
    """One page for everybody."""

    def __init__(self, services: Services, words: Words) -> None:
        self.desk = desk = Desk(services, words)
        self.list = ConversationList(desk)
        self.facts = Facts(desk, self.list)
        self.evidence = EvidencePanel(words)
        self.transcript = Transcript(desk, self.evidence, Greeting(services, words, ASSETS / "examples.toml", ASSETS / "library"))
        self.composer = Composer(desk, self.transcript, self.facts, ASSETS / "prompts" / "presets")
        self.safe_use = SafeUse(desk)
        self.settings = SettingsDialog(desk)
        self.models = ModelsDialog(desk)
        self.library = LibraryDialog(desk)
        self.export = ExportDialog(words)
        self.demonstration = Demonstration(words)
        self.about = About(desk, _licences(ASSETS / "licences"))
        desk.shown_by(self.transcript, self.facts, self.evidence, self.composer)

    def build(self) -> gr.Blocks:
        """The whole page, wired."""
        blocks = gr.Blocks(analytics_enabled=False, title="Med42 Chat", fill_width=True)
        with blocks:
            self.desk.build()
            with gr.Row(elem_id="shell"):
                self._lay_out()
            self.safe_use.build()
            self.about.build()
            self.settings.build()
            self.models.build()
            self.library.build()
            self.export.build()
            self._wire(blocks)
        return blocks

    def _lay_out(self) -> None:
        with gr.Column(elem_id="left", min_width=0):
            self.list.build()
        with gr.Column(elem_id="centre", min_width=0):
            header.build(self.desk.words, self.desk.services.server)
            self.facts.build()
            self.transcript.build()
            self.desk.build_notice()
            self.demonstration.build()
            self.composer.build()
        with gr.Column(elem_id="right", min_width=0):
            self.evidence.build()

    def _wire(self, blocks: gr.Blocks) -> None:
        # The same for every run of the program in this data folder: Gradio's script would reload a page whose program has another one,
        # and what was typed would be gone.
        blocks.app_id = int.from_bytes(hashlib.sha256(self.desk.services.token.encode()).digest()[:6], "big")
        outputs = [*self.desk.view, self.list.component, self.safe_use.component]
        self.desk.on(blocks.load, self.start, [self.desk.here], outputs, js=HERE)
        for panel in (self.list, self.facts, self.transcript, self.composer, self.safe_use, self.settings, self.models, self.library):
            panel.wire()

    def start(self, here: str) -> Updates:
        """A page was opened: its conversation, the list, and the safe-use text if nobody has accepted it yet."""
        return {**self.desk.opened(here), **self.list.rows(), **self.safe_use.state()}


def _licences(folder: Path) -> list[str]:
    return ["NOTICE", "LICENSE", *sorted(file.name for file in folder.iterdir() if file.is_file())]
