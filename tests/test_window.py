"""The page's own window: which browser, and what it is told."""

import sys
import time
from pathlib import Path

import pytest

from med42_chat.window import command, find_browser, open_window

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins for a browser are shell scripts")


def program(folder: Path, name: str, body: str) -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return file


@pytest.mark.skipif(sys.platform == "darwin", reason="there it is looked for among the applications")
def test_a_chromium_on_the_path_is_found_and_without_one_nothing_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_browser() is None
    made = program(tmp_path, "google-chrome", "exit 0")
    assert find_browser() == made


def test_the_window_keeps_nothing_and_speaks_to_nobody_but_us(tmp_path: Path) -> None:
    told = command(Path("chromium"), "http://192.168.1.5:7042/?k=once", tmp_path / "window")
    assert "--app=http://192.168.1.5:7042/?k=once" in told
    assert "--incognito" in told
    assert "--proxy-server=http://127.0.0.1:9" in told
    bypassed = next(one for one in told if one.startswith("--proxy-bypass-list=")).partition("=")[2]
    assert set(bypassed.split(";")) == {"127.0.0.1", "localhost", "192.168.1.5"}


def test_a_browser_that_stays_is_the_window_and_its_profile_is_private(tmp_path: Path) -> None:
    began = time.monotonic()
    assert open_window(program(tmp_path, "stays", "sleep 3"), "http://127.0.0.1:1/", tmp_path / "window")
    assert time.monotonic() - began < 3
    assert (tmp_path / "window").stat().st_mode & 0o777 == 0o700


def test_a_browser_that_cannot_start_is_no_window(tmp_path: Path) -> None:
    assert not open_window(program(tmp_path, "fails", "exit 1"), "http://127.0.0.1:1/", tmp_path / "window")
    assert not open_window(tmp_path / "missing", "http://127.0.0.1:1/", tmp_path / "window")


def test_a_profile_that_cannot_be_made_is_no_window(tmp_path: Path) -> None:
    assert not open_window(program(tmp_path, "stays", "sleep 3"), "http://127.0.0.1:1/", tmp_path / "nowhere" / "window")


def test_the_browser_is_not_told_the_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MED42_PASSPHRASE", "open sesame")
    assert open_window(program(tmp_path, "tells", f"env > {tmp_path / 'told'}"), "http://127.0.0.1:1/", tmp_path / "window")
    assert "sesame" not in (tmp_path / "told").read_text()
