"""A stranger's words on a terminal: they are shown, and give no orders."""

import json
from pathlib import Path

import pytest

from med42_chat.__main__ import main
from med42_chat.export import record
from med42_chat.terminal import say, say_json
from tests.export.records import talk

ORDERS = "\x1b[2J\x9b31m\u202e\x07"


def test_what_a_terminal_would_obey_is_shown_as_a_character(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"Red {ORDERS}flags\tof\nheadache ≥ 5 µg")
    assert capsys.readouterr().out == "Red \ufffd[2J\ufffd31m\ufffd\ufffdflags\tof\nheadache ≥ 5 µg\n"


def test_as_json_it_is_escaped_and_read_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"title": f"Red {ORDERS}\ud83d “flags” \\ \n\x7f"}
    say_json(value)
    out = capsys.readouterr().out
    assert json.loads(out) == value and "“flags”" in out and not set(ORDERS[:1] + "\x9b\u202e\x07\x7f") & set(out)


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The conversation 'c1', which a stranger has made, taken in."""
    monkeypatch.setenv("MED42_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MED42_KEYRING", "off")
    head, messages = talk(question=f"What {ORDERS}?", answer=f"Nothing {ORDERS}.")
    file = record.write(head, messages).replace(b"Headache", f"Head{json.dumps(ORDERS)[1:-1]}ache".encode())
    (tmp_path / "x.json").write_bytes(file)
    assert main(["import", str(tmp_path / "x.json")]) == 0
    assert not set(ORDERS) - set("[2J31m") & set(capsys.readouterr().out)


@pytest.mark.parametrize(
    "command", [["list"], ["list", "--search", "nothing"], ["list", "--json"], ["show", "c1"], ["show", "c1", "--json"]]
)
def test_no_command_that_shows_it_passes_its_orders_on(imported: None, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "Head" in out and not (set(ORDERS) - set("[2J31m")) & set(out)
