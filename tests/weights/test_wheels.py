"""Wheels made again from what is installed."""

import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

from med42_chat.errors import WeightsError
from med42_chat.weights import wheels


def package(folder: Path, name: str, *files: tuple[str, str], requires: str = "", record: bool = True) -> Distribution:
    """An installed package, by hand."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp311-abi3-linux_x86_64\nTag: cp311-abi3-manylinux_2_28_x86_64\n")
    (info / "INSTALLER").write_text("pip")
    for path, text in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    names = [path for path, _ in files] + [f"{info.name}/{file}" for file in ("METADATA", "WHEEL", "INSTALLER", "RECORD")]
    if record:
        (info / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    return Distribution.at(info)


def test_a_packed_package_installs_as_it_was(tmp_path: Path) -> None:
    file = wheels.pack(distribution("click-default-group"), tmp_path)
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--target", str(tmp_path / "there"), str(file)]
    subprocess.run(command, check=True, capture_output=True)
    installed = tmp_path / "there" / "click_default_group.py"
    assert installed.read_bytes() == Path(str(distribution("click-default-group").locate_file("click_default_group.py"))).read_bytes()


def test_what_belongs_to_this_installation_alone_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    here = tmp_path / "lib"
    made = package(
        here,
        "A.Name",
        ("mine/__init__.py", "x = 1"),
        ("mine/__pycache__/__init__.cpython-311.pyc", ""),
        ("../bin/command", ""),
        ("../share/man/a.1", "help"),
    )
    file = wheels.pack(made, tmp_path)
    assert file.name == "A.Name-1.0-cp311-abi3-linux_x86_64.manylinux_2_28_x86_64.whl"
    with zipfile.ZipFile(file) as archive:
        assert sorted(archive.namelist()) == [
            "A.Name-1.0.data/data/share/man/a.1",
            "A.Name-1.0.dist-info/METADATA",
            "A.Name-1.0.dist-info/RECORD",
            "A.Name-1.0.dist-info/WHEEL",
            "mine/__init__.py",
        ]
        record = archive.read("A.Name-1.0.dist-info/RECORD").decode()
    assert "mine/__init__.py,sha256=" in record
    assert wheels.size(made) == sum(len(text) for text in ("x = 1", "help")) + sum(
        (here / "A.Name-1.0.dist-info" / name).stat().st_size for name in ("METADATA", "WHEEL")
    )


def test_the_same_files_give_the_same_wheel(tmp_path: Path) -> None:
    made = package(tmp_path / "lib", "same", ("same.py", "x = 1"))
    first = wheels.pack(made, tmp_path).read_bytes()
    (tmp_path / "lib" / "same.py").touch()
    assert wheels.pack(made, tmp_path).read_bytes() == first


def test_a_package_brings_what_it_needs_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requires = "Requires-Dist: two[extra]\nRequires-Dist: never; sys_platform == 'nowhere'\nRequires-Dist: pytest; extra == 'test'\n"
    package(tmp_path, "one", requires=requires)
    package(tmp_path, "two", requires="Requires-Dist: three; extra == 'extra'\nRequires-Dist: one\n")
    package(tmp_path, "three")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert [one.metadata["Name"] for one in wheels.needed(["one==1.0"])] == ["one", "three", "two"]


def test_a_package_that_is_missing_old_or_without_a_list_of_its_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    package(tmp_path, "one")
    with pytest.raises(WeightsError, match=r"needs nowhere==1\.0, and it is not installed"):
        wheels.needed(["nowhere==1.0"])
    with pytest.raises(WeightsError, match=r"needs one==2\.0, and 1\.0 is installed"):
        wheels.needed(["one==2.0"])
    with pytest.raises(WeightsError, match="not installed by pip"):
        wheels.pack(package(tmp_path, "bare", record=False), tmp_path)


def test_reasons_and_empty_lines_are_no_packages() -> None:
    assert wheels.pins("# a list\n\none==1.0   # for this\ntwo==2.0\n") == ["one==1.0", "two==2.0"]
