"""The settings' dialog where it speaks of the embedding model, and of exports."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest

from med42_chat import styles
from med42_chat.export.style import MOST_BYTES
from med42_chat.meaning import State
from med42_chat.services import Services
from med42_chat.settings import ASSETS
from med42_chat.store.vectors import Verdict
from med42_chat.ui.desk import Desk
from med42_chat.ui.settings import SettingsDialog
from med42_chat.ui.settings_form import Form, meaning_words
from med42_chat.words import read_words
from tests.synonyms import Synonyms, ward
from tests.ui.fakes import MED42, PacedRuntime, services

WORDS = read_words(ASSETS / "words" / "en.toml")
STYLE = (Path(__file__).parents[1] / "export" / "styles" / "numbered.csl").read_text("utf-8")


@pytest.fixture
def opened(home: Path, tmp_path: Path) -> Iterator[Services]:
    made = services(home, PacedRuntime(model=MED42))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "bge-small.gguf").touch()
    made.settings = replace(made.settings, models=tmp_path / "models")
    with closing(made):
        yield made


@pytest.fixture
def dialog(opened: Services) -> SettingsDialog:
    made = SettingsDialog(Desk(opened, WORDS))
    made.build()
    return made


def test_without_a_model_there_is_nothing_to_try(opened: Services) -> None:
    html = Form(WORDS, opened).html()
    assert 'data-set="embedding"' in html and '<option value="bge-small.gguf">' in html and 'data-act="meaning"' not in html


def test_with_one_it_says_how_it_stands_and_offers_to_try_it(opened: Services) -> None:
    opened.settings = replace(opened.settings, embedding="elsewhere/it.gguf")
    opened.meaning.use(Synonyms())
    html = Form(WORDS, opened).html()
    assert '<option value="elsewhere/it.gguf" selected>' in html and 'data-act="meaning"' in html and "Not tried on your library" in html


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State(3, 3), "searched by words alone"),
        (State(1200, 20000, checking=True), "1,200 of 20,000"),
        (State(3, 3, trouble="It is not there."), "It is not there."),
        (State(3, 3, Verdict(90, 0.61, 0.7, 1.0)), "It helps, and is used: nDCG@10 is 0.700 with this model and 0.610 by words alone"),
        (State(3, 3, Verdict(90, 0.61, 0.62, 1.0)), "It is not used"),
    ],
)
def test_how_it_stands_is_said_in_a_sentence(state: State, said: str) -> None:
    assert said in meaning_words(WORDS, state)


def test_choosing_one_draws_what_can_be_done_with_it(dialog: SettingsDialog, opened: Services) -> None:
    chosen = dialog.act(gr.EventData(None, {"do": "set", "place": "embedding", "name": "embedding", "value": "bge-small.gguf"}))
    value = chosen[dialog.component]
    assert value["kind"] == "drawn" and 'data-act="meaning"' in value["html"] and opened.settings.embedding == "bge-small.gguf"


def test_trying_it_says_both_figures_or_why_there_are_none(dialog: SettingsDialog, opened: Services) -> None:
    def tried() -> tuple[str, bool]:
        said = dialog.act(gr.EventData(None, {"do": "meaning", "place": "meaning"}))[dialog.component]["said"]["meaning"]
        return said["text"], said["bad"]

    opened.meaning.use(Synonyms())
    text, bad = tried()
    assert "too small to tell" in text and bad
    ward(opened.store)
    for _ in range(20):
        text, bad = tried()
        if "being tried" not in text:
            break
    assert "It helps, and is used" in text and not bad


def acted(dialog: SettingsDialog, **event: str) -> dict[str, object]:
    value = dialog.act(gr.EventData(None, {"place": "style", **event}))[dialog.component]
    assert isinstance(value, dict)
    return value


def test_a_style_of_references_is_kept_named_and_given_up_again(dialog: SettingsDialog, opened: Services) -> None:
    assert "Now: the program’s own" in Form(WORDS, opened).html()
    drawn = acted(dialog, do="style", text=STYLE)
    assert drawn["section"] == "export" and "Now: Numbered, for tests." in str(drawn["html"]) and styles.kept(opened.settings.home) == STYLE
    assert "Now: the program’s own" in str(acted(dialog, do="no-style")["html"]) and styles.kept(opened.settings.home) == ""


def test_what_is_no_style_is_said_and_the_one_before_stays(dialog: SettingsDialog, opened: Services) -> None:
    acted(dialog, do="style", text=STYLE)
    for text in ("", "<html/>", "\ud83d", "x" * (MOST_BYTES + 1)):
        said = acted(dialog, do="style", text=text)["said"]
        assert isinstance(said, dict) and said["style"]["bad"] and said["style"]["text"]
    assert styles.kept(opened.settings.home) == STYLE


def test_a_style_that_has_been_spoilt_is_told_and_closes_no_dialog(opened: Services) -> None:
    (opened.settings.home / styles.FILE).write_text("<spoilt><b>")
    html = Form(WORDS, opened).html()
    assert "Now: the program’s own, after the AMA, because" in html and "is no XML" in html and 'data-act="no-style"' in html


def test_a_style_cannot_turn_the_words_around_its_name(dialog: SettingsDialog) -> None:
    drawn = acted(dialog, do="style", text=STYLE.replace("Numbered, for tests", "Odd \u202e\u2067name &lt;b&gt;"))
    assert "Now: Odd \ufffd\ufffdname &lt;b&gt;." in str(drawn["html"])


def test_who_exports_is_kept_where_the_person_wants_it(dialog: SettingsDialog, opened: Services) -> None:
    dialog.act(gr.EventData(None, {"do": "set", "place": "author", "name": "author", "value": "Dr Ada <Example>"}))
    assert opened.settings.author == "Dr Ada <Example>" and "Dr Ada &lt;Example&gt;" in Form(WORDS, opened).html()
    bad = acted(dialog, do="set", name="author", value="x" * 201)["said"]
    assert isinstance(bad, dict) and bad["author"]["bad"] and opened.settings.author == "Dr Ada <Example>"
