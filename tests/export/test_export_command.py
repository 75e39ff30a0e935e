"""`export` and `import`: what they write, where, and what they say where it cannot be done."""

import errno
import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from med42_chat.__main__ import main
from med42_chat.commands.exporting import checked_target, write
from med42_chat.errors import DiskFull, InputError, StoreError
from med42_chat.export import record
from med42_chat.export.sheet import Options
from med42_chat.exporting import Exporting
from med42_chat.store.database import Store
from med42_chat.store.keys import load_or_create
from med42_chat.styles import keep
from tests.export.test_exporting import SCRIPTED
from tests.store.samples import asked

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MED42_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MED42_KEYRING", "off")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the document looks like is another test's business: this one holds what the process was given."""
    monkeypatch.setattr("med42_chat.commands.exporting.Exporting", partial(Exporting, child=SCRIPTED))


@pytest.fixture
def conversation(home: Path) -> str:
    with Store.open(home, load_or_create(home, None, "off").data) as store:
        id, _ = asked(store)
    return id


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        out, err = capsys.readouterr()
        return status, out, err

    return command


def messages(home: Path) -> Any:
    with Store.open(home, load_or_create(home, None, "off").data) as store:
        return [store.conversations.whole(one.id) for one in store.conversations.recent()]


# Out


def test_a_document_is_written_whole_for_its_owner_only(run: Run, conversation: str, tmp_path: Path) -> None:
    target = tmp_path / "Report ä.pdf"
    status, out, err = run("export", conversation, "--format", "pdf", "--out", str(target), "--paper", "letter", "--no-sources")
    assert status == 0 and f"Saved {target} ({target.stat().st_size:,} bytes)." in out and "note: One character" in err
    wanted = record.request_of(target.read_bytes())
    assert (wanted.format, wanted.options.paper, wanted.options.sources, wanted.options.evidence) == ("pdf", "letter", False, True)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600 or sys.platform == "win32"
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".part"] == []


def test_what_was_written_is_told_as_json(run: Run, conversation: str, tmp_path: Path) -> None:
    status, out, _ = run("export", conversation, "--format", "txt", "--out", str(tmp_path / "a.txt"), "--ascii", "--json")
    told = json.loads(out)
    assert status == 0 and told["bytes"] == (tmp_path / "a.txt").stat().st_size and told["format"] == "txt" and len(told["notes"]) == 1


def test_author_patient_messages_and_password_reach_the_process(run: Run, conversation: str, tmp_path: Path, home: Path) -> None:
    (tmp_path / "password").write_text("open sesame\nsecond line\n", "utf-8")
    answer = messages(home)[0][1][-1].id
    given = ["--author", "Dr Ä", "--patient", "W7-12", "--message", answer, "--attach-json", "--no-evidence"]
    target = tmp_path / "a.pdf"
    secret = ["--password-file", str(tmp_path / "password")]
    assert run("export", conversation, "--format", "pdf", "--out", str(target), *given, *secret)[0] == 0
    options = record.request_of(target.read_bytes()).options
    assert (options.author, options.patient, options.messages, options.password) == ("Dr Ä", "W7-12", frozenset({answer}), "open sesame")
    assert options.attached and not options.evidence


def test_a_dash_writes_the_document_and_nothing_else_to_standard_output(
    conversation: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["export", conversation, "--format", "md", "--out", "-"]) == 0
    assert record.request_of(capfdbinary.readouterr().out).format == "md"


def test_a_password_is_asked_for_twice(run: Run, conversation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for = iter(["one", "one", "one", "two", "", ""])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(asked_for))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    arguments = ["export", conversation, "--format", "pdf", "--password", "--force", "--out", str(tmp_path / "a.pdf")]
    assert run(*arguments)[0] == 0
    assert record.request_of((tmp_path / "a.pdf").read_bytes()).options.password == "one"
    assert "not the same" in run(*arguments)[2] and "is empty" in run(*arguments)[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "docx", "--password-file", "x"], "--password-file goes with --format pdf"),
        (["--format", "txt", "--attach-json"], "--attach-json goes with --format pdf"),
        (["--format", "md", "--ascii"], "--ascii goes with --format txt"),
        (["--format", "json", "--message", "x"], "always the whole conversation"),
        (["--format", "pdf", "--message", "x"], "no message x"),
        (["--format", "pdf", "--password"], "nobody to ask"),
        (["--format", "pdf", "--password-file", "nowhere"], "no password to be read"),
        (["--format", "pdf", "--author", "x" * 300], "too long"),
    ],
)
def test_what_does_not_go_together_is_refused_and_nothing_is_written(
    run: Run, conversation: str, tmp_path: Path, arguments: list[str], said: str
) -> None:
    status, _, err = run("export", conversation, "--out", str(tmp_path / "out"), *arguments)
    assert status == 1 and said in err and "hint: " in err and not (tmp_path / "out").exists()


def test_the_document_and_json_cannot_share_standard_output(run: Run, conversation: str) -> None:
    status, out, err = run("export", conversation, "--format", "md", "--out", "-", "--json")
    assert status == 1 and out == "" and "--json" in json.loads(err)["error"]


def test_a_pdf_is_not_written_onto_a_terminal(run: Run, conversation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    status, out, err = run("export", conversation, "--format", "pdf", "--out", "-")
    assert (status, out) == (1, "") and "terminal" in err


def test_a_conversation_that_is_not_there_is_named(run: Run, conversation: str, tmp_path: Path) -> None:
    status, _, err = run("export", "nowhere", "--format", "pdf", "--out", str(tmp_path / "a.pdf"))
    assert status == 1 and "no conversation nowhere" in err


def test_an_export_that_fails_says_why_and_leaves_an_old_file_as_it_was(run: Run, home: Path, conversation: str, tmp_path: Path) -> None:
    with Store.open(home, load_or_create(home, None, "off").data) as store:
        store.conversations.rename(conversation, "dies")
    target = tmp_path / "a.pdf"
    target.write_text("old")
    status, _, err = run("export", conversation, "--format", "pdf", "--out", str(target), "--force")
    assert status == 1 and "could not be made" in err and target.read_text() == "old"


# The file


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("nowhere/a.pdf", "There is no folder"),
        ("12/03 report.pdf", "No file's name can hold a '/'"),
        ("folder", "is a folder"),
        ("new/", "is a folder"),
        ("there.pdf", "--force"),
        ("x" * 300, "File name too long"),
        ("there.pdf/a.pdf", "There is no folder"),
    ],
)
def test_a_target_that_cannot_be_is_refused_before_anything_is_made(
    run: Run, conversation: str, tmp_path: Path, out: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "there.pdf").write_text("old")
    status, _, err = run("export", conversation, "--format", "pdf", "--out", out)
    assert status == 1 and said in err and (tmp_path / "there.pdf").read_text() == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_a_device_is_no_file_to_replace(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is no file"):
        checked_target(str(tmp_path / "pipe"), force=True)


def test_force_replaces_the_file_and_without_it_a_file_that_came_meanwhile_stays(tmp_path: Path) -> None:
    target = tmp_path / "a.pdf"
    target.write_text("old")
    with pytest.raises(InputError, match="already"):
        write(target, b"new", force=False)
    assert target.read_text() == "old"
    write(target, b"new", force=True)
    assert target.read_text() == "new" and list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, DiskFull), (errno.EIO, StoreError), (errno.EROFS, StoreError)])
def test_a_disk_that_fails_leaves_the_old_file_and_no_half_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[StoreError]
) -> None:
    target = tmp_path / "a.pdf"
    target.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(kind) as failed:
        write(target, b"new", force=True)
    assert str(target) in failed.value.message and failed.value.hint
    assert target.read_text() == "old" and [file.name for file in tmp_path.iterdir()] == ["a.pdf"]


_ON_A_FULL_DISK = """
set -e
mount -t tmpfs -o size=64k tmpfs "$1"
echo old > "$1/a.pdf"
"$2" -c '
import sys
from pathlib import Path
from med42_chat.errors import DiskFull
from med42_chat.commands.exporting import write
try:
    write(Path(sys.argv[1]) / "a.pdf", bytes(1_000_000), True)
except DiskFull as error:
    print(error.message)
' "$1"
cat "$1/a.pdf"; ls -A "$1"
"""


def test_a_disk_that_is_really_full_is_said_and_leaves_the_old_file(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system gives no file system of one's own")
    command = ["unshare", "-Urm", "sh", "-c", _ON_A_FULL_DISK, "sh", str(tmp_path), sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"There is no room to write {tmp_path}/a.pdf.", "old", "a.pdf"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is forbidden to this account")
def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot be written"):
        write(tmp_path / "a.pdf", b"new", force=False)


# The style of references


STYLE = Path(__file__).parent / "styles" / "numbered.csl"


@pytest.fixture
def chosen(run: Run, home: Path, conversation: str, tmp_path: Path) -> Callable[..., Options]:
    """What the exporting process is asked for with these options."""

    def make(*options: str) -> Options:
        status, _, _ = run("export", conversation, "--format", "txt", "--out", str(tmp_path / "x.txt"), "--force", *options)
        assert status == 0
        return record.request_of((tmp_path / "x.txt").read_bytes()).options

    return make


def test_a_style_file_is_taken_and_the_settings_one_without_being_named(chosen: Callable[..., Options], home: Path) -> None:
    text = STYLE.read_text("utf-8")
    assert chosen().csl == "" and chosen("--csl", str(STYLE)).csl == text
    keep(home, STYLE.read_bytes())
    assert chosen().csl == text and chosen("--no-csl").csl == ""


def test_what_is_no_style_is_refused_before_anything_is_made(run: Run, conversation: str, tmp_path: Path) -> None:
    (tmp_path / "x.csl").write_text("<html/>")
    for file, said in (("x.csl", "no CSL style"), ("nowhere.csl", "cannot be opened")):
        status, _, err = run("export", conversation, "--format", "txt", "--out", str(tmp_path / "x.txt"), "--csl", str(tmp_path / file))
        assert status == 1 and said in err and "hint: " in err and not (tmp_path / "x.txt").exists()
    status, _, err = run("export", conversation, "--format", "json", "--out", "-", "--csl", str(STYLE))
    assert status == 1 and "no references" in err


def test_the_settings_say_who_exports_unless_the_command_does(chosen: Callable[..., Options], home: Path) -> None:
    (home / "settings.toml").write_text('author = "Dr Ada Example"\n', "utf-8")
    assert chosen().author == "Dr Ada Example"
    assert chosen("--author", "Somebody else").author == "Somebody else" and chosen("--author", "").author == ""


# Back


def exported(run: Run, home: Path, tmp_path: Path) -> Path:
    """A conversation's file, as the program writes it."""
    file = tmp_path / "conversation.json"
    file.write_bytes(record.write(*messages(home)[0]))
    return file


def test_a_conversation_that_was_deleted_comes_back_whole(run: Run, home: Path, conversation: str, tmp_path: Path) -> None:
    before, file = messages(home), exported(run, home, tmp_path)
    assert run("delete", conversation)[0] == 0
    status, out, _ = run("import", str(file))
    assert status == 0 and f"conversation {conversation}" in out and "2 messages" in out and "was not checked here" in out
    ((head, kept),), ((_, were),) = messages(home), before
    assert head == before[0][0] and [(one.text, one.evidence) for one in kept] == [(one.text, one.evidence) for one in were]
    assert all(one.imported_at for one in kept)


def test_a_title_cannot_give_orders_to_the_terminal(run: Run, home: Path, conversation: str, tmp_path: Path) -> None:
    file = exported(run, home, tmp_path)
    told = json.loads(file.read_text("utf-8"))
    told["conversation"]["title"] = "Red \x1b[31m\u202eflags"
    file.write_text(json.dumps(told), "utf-8")
    status, out, _ = run("import", str(file))
    assert status == 0 and "Red \ufffd[31m\ufffdflags" in out and "\x1b" not in out


def test_one_that_is_there_is_left_alone_and_one_that_has_changed_gets_a_copy(
    run: Run, home: Path, conversation: str, tmp_path: Path
) -> None:
    before, file = messages(home), exported(run, home, tmp_path)
    assert "Nothing to import" in run("import", str(file))[1] and messages(home) == before
    with Store.open(home, load_or_create(home, None, "off").data) as store:
        store.conversations.set_pinned_facts(conversation, "Allergic to penicillin")
    told = json.loads(run("import", str(file), "--json")[1])
    assert told["outcome"] == "copy" and told["conversation"] != conversation and told["messages"] == 2
    assert len(messages(home)) == 2


def test_a_dash_reads_standard_input(run: Run, home: Path, conversation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = exported(run, home, tmp_path).read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert "Nothing to import" in run("import", "-")[1]


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7 \xff", b'{"format": "med42-chat-conversation", "version": 1, "conversation": 1}'])
def test_a_file_that_is_no_conversation_is_refused_and_nothing_comes_in(
    run: Run, home: Path, conversation: str, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "x.json").write_bytes(content)
    status, _, err = run("import", str(tmp_path / "x.json"))
    assert status == 1 and err.startswith("error: The file ") and "hint: " in err and len(messages(home)) == 1


def test_a_file_that_is_not_there_is_named(run: Run, conversation: str, tmp_path: Path) -> None:
    status, _, err = run("import", str(tmp_path / "nowhere.json"))
    assert status == 1 and "nowhere.json cannot be opened" in err
    assert run("import", str(tmp_path))[0] == 1
