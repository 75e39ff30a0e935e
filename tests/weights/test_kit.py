"""One folder for a computer without a network."""

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from med42_chat.errors import DiskFull, WeightsError, WrongContent
from med42_chat.weights import inventory, kit
from med42_chat.weights.catalogue import Entry
from med42_chat.weights.kit import Kit
from med42_chat.weights.place import known_checksum

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small program that needs one small package, beside the real start.py; git does not know it."""
    root = tmp_path / "program"
    for name, text in {
        "start.py": (ROOT / "start.py").read_text("utf-8"),
        "app.py": "import sys, tabulate; print('running', *sys.argv[1:])",
        "requirements.txt": "tabulate==0.10.0  # shows\nllama-cpp-python==1.0  # runs\n",
        "constraints.txt": "tabulate==0.10.0\n",
        "models/catalogue.toml": "",
        "models/large.gguf": "somebody's",
        ".venv/x": "not the program's",
        "med42_chat/__pycache__/a.pyc": "",
        "med42_chat/a.py": "",
        "old-kit/wheels/kit.json": "{}",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    monkeypatch.setattr(kit, "PROJECT", root)
    return root


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A llama.cpp of a few lines, in the place of the real one."""
    info = tmp_path / "lib" / "llama_cpp_python-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: llama-cpp-python\nVersion: 1.0\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    (tmp_path / "lib" / "llama_cpp.py").write_text("__version__ = '1.0'\ndef llama_supports_gpu_offload(): return False\n")
    (info / "RECORD").write_text(f"llama_cpp.py,,\n{info.name}/METADATA,,\n{info.name}/WHEEL,,\n{info.name}/RECORD,,\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "lib"), *sys.path])
    return


def export(target: Path, model: inventory.Item | None = None) -> Kit:
    steps = kit.export(target, model, ["AVX2"], "0.1.0")
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: Kit = end.value
            return made


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("program", "installed")
def test_a_kit_holds_the_program_its_packages_and_what_to_do(tmp_path: Path) -> None:
    made = export(tmp_path / "kit")
    here = files(tmp_path / "kit")
    assert {"start.py", "app.py", "med42_chat/a.py", "models/catalogue.toml", "README-KIT.txt", "SHA256SUMS", "wheels/kit.json"} <= here
    assert {"wheels/tabulate-0.10.0-py3-none-any.whl", "wheels/llama_cpp_python-1.0-py3-none-any.whl"} <= here
    assert not {name for name in here if "venv" in name or "pycache" in name or "old-kit" in name or "large" in name}
    assert (made.files, made.model) == (len(here), "")
    assert made.size_bytes == sum((tmp_path / "kit" / name).stat().st_size for name in here)
    text = (tmp_path / "kit" / "README-KIT.txt").read_text("utf-8")
    assert "make run" in text and "AVX2" in text and "demonstration" in text and f"{len(here)} files" in text


@pytest.mark.usefixtures("program", "installed")
def test_every_file_has_its_checksum(tmp_path: Path) -> None:
    export(tmp_path / "kit")
    lines = (tmp_path / "kit" / "SHA256SUMS").read_text("utf-8").splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert sums.keys() == files(tmp_path / "kit") - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((tmp_path / "kit" / name).read_bytes()).hexdigest() == digest


@pytest.mark.usefixtures("program", "installed")
def test_it_starts_where_there_is_no_network(tmp_path: Path) -> None:
    export(tmp_path / "kit")
    nobody = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    command = [sys.executable, "start.py", "--port", "7000"]
    done = subprocess.run(command, cwd=tmp_path / "kit", env={**os.environ, **nobody}, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "running --port 7000", done.stdout + done.stderr


@pytest.fixture
def item(offered: Callable[..., Entry], model: bytes, models: Path) -> inventory.Item:
    entry = offered(("tiny.gguf", model))
    (models / "tiny-q4.gguf").write_bytes(model)
    return inventory.of_entry(entry, models)


@pytest.mark.usefixtures("program", "installed")
def test_a_model_goes_along_with_its_checksum_and_licence(item: inventory.Item, model: bytes, tmp_path: Path) -> None:
    assert export(tmp_path / "kit", item).model == "Tiny, Q4_K_M"
    assert (tmp_path / "kit" / "models" / "tiny-q4.gguf").read_bytes() == model
    digest = hashlib.sha256(model).hexdigest()
    assert known_checksum(tmp_path / "kit" / "models" / "tiny-q4.gguf") == digest
    text = (tmp_path / "kit" / "README-KIT.txt").read_text("utf-8")
    assert digest in text and "licence: none" in text and "Choose it there" in text


@pytest.mark.usefixtures("program", "installed")
def test_a_med42_of_the_catalogue_is_used_by_itself_on_the_other_computer(item: inventory.Item, tmp_path: Path) -> None:
    assert item.entry is not None
    med42 = replace(item.entry, family=replace(item.entry.family, name="med42-v2-8b"))
    for entry, said in [(med42, "uses it by itself"), (replace(med42, own=True), "Choose it there")]:
        export(tmp_path / said, replace(item, entry=entry))
        assert said in (tmp_path / said / "README-KIT.txt").read_text("utf-8")


@pytest.mark.usefixtures("program", "installed")
def test_nothing_is_left_of_a_kit_that_failed(item: inventory.Item, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item.files[0].write_bytes(item.files[0].read_bytes()[:-1] + b"!")
    before = set(tmp_path.iterdir())
    with pytest.raises(WrongContent, match="not what it should be"):
        export(tmp_path / "kit", item)
    assert set(tmp_path.iterdir()) == before
    monkeypatch.setattr("med42_chat.weights.place.SPARE", 1 << 60)
    with pytest.raises(DiskFull):
        export(tmp_path / "kit")
    assert set(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("installed")
def test_a_kit_takes_the_place_of_nothing(program: Path, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "mine.txt").write_text("mine")
    for target, reason in [(tmp_path / "stick", "there already"), (program / "kit", "own folder")]:
        with pytest.raises(WeightsError, match=reason):
            export(target)
    assert files(tmp_path / "stick") == {"mine.txt"}
    (tmp_path / "empty").mkdir()
    assert export(tmp_path / "empty").folder == tmp_path / "empty"
    assert "start.py" in files(tmp_path / "empty")


@pytest.mark.usefixtures("installed")
def test_where_git_knows_the_program_nothing_else_goes_along(program: Path, tmp_path: Path) -> None:
    for command in (["init", "--quiet"], ["add", "start.py", "requirements.txt", "med42_chat/a.py"]):
        subprocess.run(["git", "-C", str(program), *command], check=True)
    (program / "patients.txt").write_text("private")
    export(tmp_path / "kit")
    assert {name for name in files(tmp_path / "kit") if not name.startswith("wheels/")} == {
        *("start.py", "requirements.txt", "med42_chat/a.py", "README-KIT.txt", "SHA256SUMS")
    }


@pytest.mark.usefixtures("program", "installed")
def test_the_kit_says_which_computers_it_is_for(tmp_path: Path) -> None:
    export(tmp_path / "kit")
    card: dict[str, Any] = json.loads((tmp_path / "kit" / "wheels" / "kit.json").read_text())
    assert card["python"] == "{}.{}".format(*sys.version_info)
    assert (card["system"], card["processor"], card["features"]) == (platform.system(), platform.machine(), ["AVX2"])


@pytest.mark.usefixtures("program", "installed")
def test_two_kits_at_once_under_one_name_do_not_mix(tmp_path: Path) -> None:
    first = kit.export(tmp_path / "kit", None, ["AVX2"], "0.1.0")
    next(first)
    with pytest.raises(WeightsError, match="being made"):
        export(tmp_path / "kit")
    for _ in first:
        pass
    listed = [line.split("  ")[1] for line in (tmp_path / "kit" / "SHA256SUMS").read_text().splitlines()]
    assert all((tmp_path / "kit" / name).exists() for name in listed)
    assert files(tmp_path / "kit") == {*listed, "SHA256SUMS"}
