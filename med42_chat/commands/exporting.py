"""`export` and `import` without a screen: a conversation into a file of its own, and back."""

import argparse
import getpass
import os
import secrets
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, get_args

from med42_chat import styles
from med42_chat.commands.common import Command, opened_store
from med42_chat.errors import InputError, Med42Error
from med42_chat.export import record, style
from med42_chat.export.sheet import Format, Options, PaperSize
from med42_chat.exporting import Exporting, ExportState
from med42_chat.private import PART, cannot_write, new_private_file, put_in_place
from med42_chat.settings import Settings
from med42_chat.store.transfer import Restored
from med42_chat.terminal import say, say_json

_STANDARD = "-"  # standard output or input, in the place of a file's name
_NO_TEXT = ("pdf", "docx")
_LONGEST_PASSWORD_FILE = 1000  # bytes
_LOOK_EVERY_S = 1.0
_ONLY_FOR = {"ascii": "txt", "attach_json": "pdf", "password": "pdf", "password_file": "pdf"}
_IMPORTED = {
    "new": "Imported: {title} ({messages} messages), conversation {id}.",
    "copy": "Imported as a copy, conversation {id}: {title} ({messages} messages). Under its own id there are other words here.",
    "same": "Nothing to import: conversation {id} is here already and says the same.",
}
_COMPARED_ANEW = (
    "Its answers were compared again with the passages that the file carries; "
    "whether these stand in the named documents was not checked here."
)


def add_commands(command: Command) -> None:
    """Makes the two commands."""
    text = "a conversation as a document: PDF, DOCX, HTML, Markdown, text, or JSON that can be imported again"
    _export_options(command("export", export, text))
    text = "a conversation that was exported as JSON, with all its versions, sources and evidence"
    importing = command("import", import_, text)
    importing.add_argument("file", metavar="FILE", help="'-' reads standard input")


def _export_options(exporting: argparse.ArgumentParser) -> None:
    exporting.add_argument("id")
    exporting.add_argument("--format", required=True, choices=get_args(Format))
    exporting.add_argument("--out", required=True, metavar="FILE", help="'-' writes to standard output")
    exporting.add_argument("--force", action="store_true", help="replace a file that is there")
    exporting.add_argument("--message", metavar="ID", action="append", default=[], help="only this message, and others that are named so")
    exporting.add_argument("--no-sources", dest="sources", action="store_false", help="without the list of sources")
    exporting.add_argument("--no-evidence", dest="evidence", action="store_false", help="without how each answer came about")
    exporting.add_argument("--paper", choices=get_args(PaperSize), default="a4")
    exporting.add_argument("--author", metavar="NAME", help="who exports it, for the head of the document; else as the settings say")
    manner = exporting.add_mutually_exclusive_group()
    manner.add_argument("--csl", metavar="FILE", type=Path, help="write the references as this CSL style says; else as the settings say")
    manner.add_argument("--no-csl", action="store_true", help="write them in the program's own style (AMA), whatever the settings say")
    exporting.add_argument(
        "--patient",
        metavar="REFERENCE",
        default="",
        help="whom it is about, for the head of the document; others here can read command lines",
    )
    exporting.add_argument("--attach-json", action="store_true", help="put the conversation's JSON inside the PDF")
    exporting.add_argument("--ascii", action="store_true", help="text with ASCII characters only, for a system that takes no others")
    password = exporting.add_mutually_exclusive_group()
    password.add_argument("--password", action="store_true", help="ask for a password that opens the PDF")
    password.add_argument("--password-file", metavar="FILE", type=Path, help="take the password from the first line of this file")


def export(options: Any, chosen: Settings) -> None:
    """Makes the document and writes it whole or not at all."""
    _check(options)
    target = None if options.out == _STANDARD else checked_target(options.out, options.force)
    wanted = _wanted(options, chosen)
    with opened_store(chosen) as store, closing(Exporting(store.conversations, store.audit)) as exporting:
        state = _followed(exporting, exporting.start(options.id, options.format, wanted, chosen.language))
        document = exporting.take(state.id)
    if target is None:
        sys.stdout.buffer.write(document)
        sys.stdout.buffer.flush()
    else:
        write(target, document, options.force)
    _tell(options, state)


def _check(options: Any) -> None:
    """What belongs to another format is refused and not left out: somebody may rely on it."""
    for name, format in _ONLY_FOR.items():
        if getattr(options, name) and options.format != format:
            raise InputError(f"--{name.replace('_', '-')} goes with --format {format}.", "Leave it out, or choose that format.")
    if options.message and options.format == "json":
        raise InputError("JSON is always the whole conversation.", "Leave --message out, or choose another format.")
    if options.csl is not None and options.format == "json":
        raise InputError("JSON has the sources as they are, and no references.", "Leave --csl out, or choose another format.")
    if options.out == _STANDARD and options.json:
        raise InputError("Standard output cannot take the document and --json.", "Name a file, or leave --json out.")
    if options.out == _STANDARD and options.format in _NO_TEXT and sys.stdout.isatty():
        raise InputError("This document is no text, and standard output is a terminal.", "Name a file.")


def _wanted(options: Any, chosen: Settings) -> Options:
    return Options(
        messages=frozenset(options.message),
        sources=options.sources,
        evidence=options.evidence,
        paper=options.paper,
        author=chosen.author if options.author is None else options.author,
        patient=options.patient,
        attached=options.attach_json,
        ascii=options.ascii,
        password=_password(options),
        csl="" if options.no_csl or options.format == "json" else _style(options.csl, chosen.home),
    )


def _style(file: Path | None, home: Path) -> str:
    """The style that was named, which must be one, or that of the settings."""
    if file is None:
        return styles.kept(home)
    data = _file(str(file), style.MOST_BYTES)
    style.read_style(data)
    return data.decode("utf-8")


def _password(options: Any) -> str:
    if not options.password and options.password_file is None:
        return ""
    password = _password_in(options.password_file) if options.password_file else _password_asked()
    if not password:
        raise InputError("The password is empty.", "Choose one of several words, or leave the option out.")
    return password


def _password_in(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.readline(_LONGEST_PASSWORD_FILE).decode("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise InputError(
            f"There is no password to be read in {file}.", "Name a text file in UTF-8 with the password in its first line."
        ) from error


def _password_asked() -> str:
    if not sys.stdin.isatty():
        raise InputError("There is nobody to ask for the password.", "Use --password-file, or start in a terminal.")
    first = getpass.getpass("Password of the PDF: ")
    if first != getpass.getpass("The same again: "):
        raise InputError("The two were not the same.", "Nothing was exported. Try again.")
    return first


def _followed(exporting: Exporting, id: str) -> ExportState:
    """The state at the end. Says meanwhile how far it is, where somebody looks. Raises Med42Error where it failed."""
    state = exporting.state(id)
    while state.phase == "running":
        state = exporting.wait(id, state.progress, _LOOK_EVERY_S)
        if sys.stderr.isatty():
            print(f"\r{state.progress:4.0%} {state.message:12}", end="\r" if state.phase != "running" else "", file=sys.stderr, flush=True)
    if state.phase != "done":
        raise Med42Error(state.message, state.hint)
    return state


def _tell(options: Any, state: ExportState) -> None:
    if options.json:
        say_json({"file": options.out, "format": state.format, "bytes": state.size, "notes": state.notes})
        return
    if options.out != _STANDARD:
        print(f"Saved {options.out} ({state.size:,} bytes).")
    for note in state.notes:
        say(f"note: {note}", to=sys.stderr)


# The file


def checked_target(out: str, force: bool) -> Path:
    """The file that is to be written. Raises InputError for one that cannot be, or must not without `force`."""
    target = Path(out)
    try:
        if out.endswith(("/", os.sep)) or target.is_dir():
            raise InputError(f"{out} is a folder.", "Name the file in it too.")
        if not target.parent.is_dir():
            raise InputError(
                f"There is no folder {target.parent}.", "Make it first, or choose another place. No file's name can hold a '/'."
            )
        if target.exists() and not target.is_file():
            raise InputError(f"{out} is no file.", "Choose another name; '-' writes to standard output.")
        if target.exists() and not force:
            raise InputError(f"{out} is there already.", "Choose another name, or replace it with --force.")
    except OSError as error:
        raise cannot_write(target, error) from error
    return target


def write(target: Path, document: bytes, force: bool) -> None:
    """The whole file, for its owner only, or nothing. Raises InputError, StoreError and DiskFull."""
    part = target.with_name(f".{secrets.token_hex(8)}{PART}")
    try:
        new_private_file(part)
        part.write_bytes(document)
        checked_target(str(target), force)  # once more: making the document took its time
        put_in_place(part, target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


# Back


def import_(options: Any, chosen: Settings) -> None:
    """Says what became of it."""
    data = sys.stdin.buffer.read(record.MOST_BYTES + 1) if options.file == _STANDARD else _file(options.file, record.MOST_BYTES)
    with opened_store(chosen) as store, closing(Exporting(store.conversations, store.audit)) as exporting:
        restored = exporting.restore(data)
    if options.json:
        say_json({"conversation": restored.conversation.id, "outcome": restored.outcome, "messages": restored.conversation.message_count})
        return
    say(_imported(restored))


def _imported(restored: Restored) -> str:
    conversation = restored.conversation
    said = _IMPORTED[restored.outcome].format(title=conversation.title, messages=conversation.message_count, id=conversation.id)
    return said if restored.outcome == "same" else f"{said} {_COMPARED_ANEW}"


def _file(name: str, most: int) -> bytes:
    """Its content, or one byte more than `most`: whoever reads that says that it is too large."""
    try:
        with Path(name).open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise InputError(f"{name} cannot be opened ({error.strerror}).", "Is it there, and may you read it?") from error
