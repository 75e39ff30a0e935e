"""`check`, `backup`, `restore`, `passphrase`, and `serve`, which opens the page."""

import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from med42_chat import condition, services
from med42_chat.commands.common import Command, ask_passphrase, opened_store, tell
from med42_chat.errors import InputError
from med42_chat.settings import Settings
from med42_chat.store.backup import backup, restore
from med42_chat.store.keys import wrapped_key
from med42_chat.terminal import say_json

_MARKS = {"ok": "ok     ", "repaired": "mended ", "warning": "warning", "error": "ERROR  "}


def add_commands(command: Command) -> None:
    """Makes the commands."""
    check = command("check", _check, "what this installation has and what is wrong with it")
    check.add_argument("--speed", action="store_true", help="also test for about 20 seconds how fast the model reads and writes")
    command("backup", _backup, "the whole store in one encrypted file").add_argument("file", type=Path)
    command("restore", _restore, "put a backup in the place of the present store").add_argument("file", type=Path)
    command("passphrase", _passphrase, "protect the data folder by a passphrase, or change it")
    serve = command("serve", _serve, "open the page")
    serve.add_argument("--host")
    serve.add_argument("--port")
    serve.add_argument(
        "--no-browser", dest="window", action="store_const", const="none", help="do not open the page, only print its address"
    )


def _check(options: Any, chosen: Settings) -> int:
    with closing(services.open_services(chosen, ask_passphrase)) as opened:
        lines = condition.examine(chosen, opened.store, opened.key, opened.runtime)
        lines.append(opened.meaning.health(chosen.embedding))
        if options.speed and opened.runtime.status().model:
            lines.append(services.speed(opened))
    if options.json:
        say_json([asdict(line) for line in lines])
    for line in () if options.json else lines:
        print(f"{_MARKS[line.state]}  {line.name:12} {line.text}")
        for extra in [line.hint, *(f"{name}: {value}" for name, value in line.detail.items())]:
            if extra:
                print(f"{'':21} {extra}")
    return int(any(line.state == "error" for line in lines))


def _backup(options: Any, chosen: Settings) -> None:
    with opened_store(chosen) as store:
        note = backup(store, options.file, passphrase=chosen.passphrase)
    tell(options, {"file": str(options.file), "note": note}, f"Saved {options.file}. {note}")


def _restore(options: Any, chosen: Settings) -> None:
    passphrase = ask_passphrase() if chosen.passphrase is None and wrapped_key(chosen.home) else chosen.passphrase
    ask = (lambda: ask_passphrase("Passphrase of the backup: ")) if sys.stdin.isatty() else None
    note = restore(chosen.home, options.file, passphrase, chosen.keyring, ask)
    tell(options, {"file": str(options.file), "note": note}, f"Restored {options.file}. {note}")


def _passphrase(options: Any, chosen: Settings) -> None:
    with opened_store(chosen) as store:
        first = ask_passphrase("New passphrase: ")
        if first != ask_passphrase("The same again: "):
            raise InputError("The two were not the same.", "Nothing was changed. Try again.")
        key = services.protect(chosen, store, first)
    tell(options, {"where": key.where, "note": key.note}, key.note)


def _serve(options: Any, chosen: Settings) -> None:
    # Here and not above: it brings Gradio along, which takes seconds that no other command should pay for.
    from med42_chat.serve import run

    run(chosen, ask_passphrase)
