"""What commands share: the open store, the passphrase, and a result said as text or as JSON."""

import argparse
import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from med42_chat import services
from med42_chat.errors import InputError
from med42_chat.settings import Settings
from med42_chat.store.database import Store
from med42_chat.terminal import say_json

Run = Callable[[Any, Settings], int | None]
Command = Callable[[str, Run, str], argparse.ArgumentParser]  # makes a command of that name that does this, with a line that says what

# Of an answer that is not whole, by its status.
ENDINGS = {
    "length": "[The answer reached its length limit.]",
    "stopped": "[Stopped.]",
    "interrupted": "[Interrupted: the program or the model ended here.]",
    "failed": "[No answer.]",
}
QUIET_LINE = "Built with Meta Llama 3. Med42 is not ready for clinical use: check before acting."


def command_of(commands: Any, common: argparse.ArgumentParser) -> Command:
    """A maker of commands below `commands`; `common` holds the options that every command takes."""

    def command(name: str, run: Run, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, parents=[common])
        made.set_defaults(run=run)
        return made

    return command


@contextmanager
def opened_store(chosen: Settings) -> Iterator[Store]:
    """The store alone, without a model."""
    with services.open_store(chosen, ask_passphrase)[0] as store:
        yield store


def ask_passphrase(prompt: str = "Passphrase of this data folder: ") -> str:
    """Asks on the terminal. Raises InputError where there is none."""
    if not sys.stdin.isatty():
        raise InputError("This data folder is protected by a passphrase.", "Set MED42_PASSPHRASE, or start in a terminal.")
    return getpass.getpass(prompt)


def tell(options: Any, value: dict[str, Any], text: str) -> None:
    """The result of a command: `value` where JSON is wanted, else `text`."""
    if options.json:
        say_json(value)
    else:
        print(text)
