"""`library check-vectors` without a screen, and the setting while the program runs: real llama.cpp with a model of random weights."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from med42_chat.__main__ import main
from med42_chat.commands.vectors import said
from med42_chat.settings import ASSETS, Settings, embedding_model
from med42_chat.store.vectors import Verdict
from tests.embedding_shapes import write_embedding
from tests.ui.fakes import MED42, PacedRuntime, services


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "models"
    folder.mkdir()
    write_embedding(folder / "random.gguf")
    yield folder


@pytest.fixture
def arguments(home: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("MED42_MODELS", str(models))
    monkeypatch.setenv("MED42_KEYRING", "off")
    return ["--home", str(home)]


def test_a_model_that_means_nothing_is_checked_and_stays_off(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "library", "add", str(ASSETS / "library")]) == 0
    capsys.readouterr()
    assert main([*arguments, "--json", "library", "check-vectors", "--embedding", "random.gguf"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["helps"] is False and result["both"] < result["words"] + 0.02 and result["questions"] >= 30
    question = ["library", "search", "gentamicin in renal impairment", "--limit", "3"]
    assert main([*arguments, *question]) == 0
    by_words = capsys.readouterr().out
    assert main([*arguments, *question, "--embedding", "random.gguf"]) == 0
    assert capsys.readouterr().out == by_words


def test_without_a_model_or_with_one_that_is_not_there_it_says_what_to_do(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "library", "check-vectors"]) == 1
    assert "error: There is no embedding model." in (said := capsys.readouterr().err) and "hint: " in said
    assert main([*arguments, "library", "add", str(ASSETS / "library")]) == 0
    assert main([*arguments, "library", "check-vectors", "--embedding", "gone.gguf"]) == 1
    assert "gone.gguf is not there" in capsys.readouterr().err
    assert main([*arguments, "library", "search", "gentamicin", "--embedding", "gone.gguf"]) == 0  # by words, as before


def test_both_figures_lead_to_a_plain_sentence() -> None:
    assert "searched with it" in said(Verdict(200, 0.5, 0.6, 1.0))
    assert "no gain of at least 0.02" in said(Verdict(200, 0.5, 0.51, 1.0)) and "by words alone" in said(Verdict(200, 0.5, 0.51, 1.0))


def test_the_model_is_changed_while_the_program_runs(home: Path) -> None:
    with closing(services(home, PacedRuntime(model=MED42))) as opened:
        assert opened.meaning.state().trouble == ""
        before = opened.runtime
        assert opened.apply({"embedding": "gone.gguf"}) == () and opened.runtime is before
        assert "gone.gguf is not there" in opened.meaning.state().trouble
        assert opened.library.search("anything at all") == []
        opened.apply({"embedding": ""})
        assert opened.meaning.state().trouble == ""


def test_a_bare_name_is_looked_for_in_the_models_folder(home: Path, models: Path) -> None:
    settings = Settings(home=home, models=models, embedding="random.gguf")
    assert embedding_model(settings) == models / "random.gguf" and embedding_model(Settings(home=home)) is None
