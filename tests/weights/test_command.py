"""`models …` as a person or a script calls it."""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from med42_chat.__main__ import main
from med42_chat.commands import models as command
from med42_chat.commands.common import command_of
from med42_chat.errors import DownloadFailed, Med42Error, NotFound, WrongContent
from med42_chat.settings import DEMO_MODEL, Settings
from med42_chat.weights import inventory
from med42_chat.weights.catalogue import Entry
from med42_chat.weights.place import UNFINISHED
from tests.weights.hub import State, address
from tests.weights.toml import write_catalogue

NAME = "tiny.Q4_K_M.gguf"


@pytest.fixture
def entry(offered: Callable[..., Entry], model: bytes) -> Entry:
    return offered((NAME, model))


@pytest.fixture
def chosen(entry: Entry, models: Path, home: Path, server: State, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a person whose own catalogue names the tiny model, on the hub of the test."""
    home.mkdir()
    write_catalogue(home / "catalogue.toml", entry)
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    return Settings(home=home, models=models)


@pytest.fixture
def call(chosen: Settings, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a command; gives its exit status and what it printed, read where it is JSON."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true")
    parser = argparse.ArgumentParser()
    command.add_commands(command_of(parser.add_subparsers(required=True), common))

    def run(*arguments: str) -> Any:
        options = parser.parse_args(arguments)
        status = options.run(options, chosen) or 0
        printed = capsys.readouterr()
        return status, json.loads(printed.out) if "--json" in arguments else printed.out, printed.err

    return run


def test_a_model_is_listed_fetched_checked_and_removed(call: Callable[..., Any], models: Path, model: bytes) -> None:
    def state() -> str:
        return next(one["state"] for one in call("list", "--json")[1] if one.get("id") == "tiny-q4")

    assert state() == "absent"
    _, text, said = call("get", "tiny-q4")
    assert "Tiny, unknown is here" in text
    assert "Licence: none" in said
    assert (models / "tiny-q4.gguf").read_bytes() == model
    assert state() == "here"
    status, found, _ = call("check", "tiny-q4", "--json")
    assert (status, found["id"]) == (0, "tiny-q4")
    assert call("remove", "tiny-q4", "--json")[1] == {"removed": "tiny-q4", "bytes": len(model)}
    assert state() == "absent"


def test_what_was_not_finished_is_listed_and_can_be_removed(call: Callable[..., Any], models: Path) -> None:
    (models / UNFINISHED / "tiny-q4").mkdir(parents=True)
    (models / UNFINISHED / "tiny-q4" / "tiny-q4.gguf").write_bytes(b"GGUF")
    assert "unfinished" in call("list")[1]
    assert call("remove", "tiny-q4", "--json")[1]["bytes"] == 4


def test_a_failed_fetch_is_our_error_and_a_wrong_id_offers_the_near_miss(call: Callable[..., Any], server: State) -> None:
    server.refusals[address(NAME)] = (404, "EntryNotFound")
    with pytest.raises(DownloadFailed, match="holds no file"):
        call("get", "tiny-q4")
    with pytest.raises(NotFound) as caught:
        call("get", "tiny-q5")
    assert "tiny-q4" in caught.value.hint


def test_a_file_from_a_stick_is_imported_and_an_unknown_one_listed_as_such(
    call: Callable[..., Any], models: Path, model: bytes, tmp_path: Path
) -> None:
    (tmp_path / "m.gguf").write_bytes(model)
    assert call("import", str(tmp_path / "m.gguf"), "--json")[1]["imported"][0]["id"] == "tiny-q4"
    (tmp_path / "m.gguf").write_bytes(model[:-1] + b"!")
    done = call("import", str(tmp_path / "m.gguf"), "--json")[1]["imported"][0]
    assert done["id"] is None and "not in the catalogue" in done["warning"]
    assert f"{Path(done['files'][0]).name}" in call("list")[1]
    assert call("remove", Path(done["files"][0]).name, "--json")[1]["bytes"] == len(model)


def test_a_damaged_model_is_told_by_check(call: Callable[..., Any], models: Path, model: bytes) -> None:
    (models / "tiny-q4.gguf").write_bytes(model[:-1] + b"!")
    with pytest.raises(WrongContent, match="not what it should be"):
        call("check", "tiny-q4")
    with pytest.raises(NotFound, match="not here"):
        call("check", "med42-8b-q4_k_m")


@pytest.mark.model
def test_a_plan_says_what_there_is_what_to_use_and_how_each_would_run(call: Callable[..., Any]) -> None:
    _, text, _ = call("plan")
    assert "Processor" in text and "Memory" in text and "Disk" in text
    call("get", "tiny-q4")
    _, found, _ = call("plan", "tiny-q4", "--json")
    assert [one["id"] for one in found["plans"]] == ["tiny-q4"]
    assert found["plans"][0]["fit"] in ("yes", "crowded")
    assert found["sentence"]


def test_only_files_of_the_models_folder_are_removed_and_never_the_demonstration(
    call: Callable[..., Any], chosen: Settings, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside.gguf"
    outside.write_bytes(b"GGUF")
    with pytest.raises(NotFound):
        call("remove", str(outside))
    assert outside.exists()
    monkeypatch.setattr(inventory, "is_demonstration", lambda path: path.name == DEMO_MODEL.name)
    shutil.copy(outside, models / DEMO_MODEL.name)
    with pytest.raises(Med42Error, match="belongs to the program"):
        call("remove", DEMO_MODEL.name)


def test_progress_is_a_line_for_each_tenth_where_there_is_no_terminal(call: Callable[..., Any]) -> None:
    said = call("get", "tiny-q4")[2].splitlines()
    assert any(line.startswith("asking") for line in said)
    assert said[-1] == "done: 100% of 0.0 GB"


def test_the_programs_own_command_line_leads_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MED42_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MED42_MODELS", str(tmp_path / "models"))
    assert main(["models", "list", "--json"]) == 0
    assert "med42-8b-q4_k_m" in [one.get("id") for one in json.loads(capsys.readouterr().out)]
    assert main(["models", "check", "nothing"]) == 1
    assert "hint:" in capsys.readouterr().err


def test_no_other_command_pays_for_what_a_download_needs() -> None:
    code = "import sys, med42_chat.__main__; print([name for name in ('huggingface_hub', 'httpx2') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_path_elsewhere_never_means_the_file_of_that_name_in_the_models_folder(
    call: Callable[..., Any], models: Path, model: bytes, tmp_path: Path
) -> None:
    (models / "mine.gguf").write_bytes(model)
    (tmp_path / "mine.gguf").write_bytes(b"another")
    for verb in ("remove", "check"):
        with pytest.raises(NotFound, match="does not lie in"):
            call(verb, str(tmp_path / "mine.gguf"))
    assert (models / "mine.gguf").exists()
    assert call("check", str(models / "mine.gguf"))[0] in (0, 1)
    call("remove", str(models / "mine.gguf"))
    assert not (models / "mine.gguf").exists()


def test_the_model_that_the_settings_name_keeps_its_name(
    call: Callable[..., Any], chosen: Settings, models: Path, model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (models / "from a browser.gguf").write_bytes(model)
    monkeypatch.setattr(command, "named_model", lambda _: models / "from a browser.gguf")
    with pytest.raises(Med42Error, match="in use"):
        call("import", str(models))
    assert (models / "from a browser.gguf").exists()
