"""Everything without a screen: `python -m med42_chat COMMAND`, also installed as `med42-chat`.

Every command takes `--json`, and fails with `error:` and `hint:` lines on standard error and a non-zero status.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from med42_chat import __version__, settings
from med42_chat.commands import answers, conversations, exporting, library, models, upkeep
from med42_chat.commands.common import command_of
from med42_chat.errors import InputError, Med42Error
from med42_chat.terminal import say

# Commands that have commands of their own.
_ROOMS = (
    ("models", models, "model files: which there are, what fits here, fetch, import, check, remove, take along"),
    ("library", library, "your own documents: add, list, collections, search, show, read again, watch, remove, evaluate, check vectors"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    options = _parser().parse_args(arguments, argparse.Namespace(json=False))
    try:
        return options.run(options, settings.read(_given(options))) or 0
    except Med42Error as error:
        _fail(error, options.json)
        return 1
    except UnicodeEncodeError:  # bytes that are no text, from a shell
        _fail(InputError("An argument or the output holds bytes that are no text.", "Type it anew, in UTF-8."), options.json)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a pipe has gone, as in `list | head`
        sys.stderr.close()
        return 0
    except OSError as error:  # the only files that are not read or written by a part with words of its own are the standard ones
        _fail(
            Med42Error(f"The output cannot be written: {error.strerror}.", "Check where it goes; answers are kept all the same."),
            options.json,
        )
        return 1


def _parser() -> argparse.ArgumentParser:
    # Before the command and after it. What is not given after it must not undo what was given before it.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    common.add_argument("--home", metavar="DIR", help="the data folder")
    parser = argparse.ArgumentParser(prog="med42-chat", description=__doc__.splitlines()[0], parents=[common])
    parser.add_argument("--version", action="version", version=f"Med42 Chat {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = command_of(commands, common)
    for kind in (answers, conversations, exporting, upkeep):
        kind.add_commands(command)
    for name, room, text in _ROOMS:
        made = commands.add_parser(name, help=text, description=text, parents=[common])
        room.add_commands(command_of(made.add_subparsers(required=True, metavar="COMMAND"), common))
    for name in ("ask", "again", "tokens", "check", "serve"):
        commands.choices[name].add_argument("--model", metavar="FILE", help="a GGUF file, or the name of one in the models folder")
        _runtime_options(commands.choices[name])
    for name in ("ask", "again", "check", "serve"):
        commands.choices[name].add_argument("--embedding", metavar="FILE", help="an embedding model, for the search in the library")
    return parser


def _runtime_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--runtime", metavar="URL", help="a server that runs the model; what is asked is sent there (docs/remote.md)")
    command.add_argument("--runtime-model", metavar="NAME", help="the model's name there, where the server has several")
    command.add_argument(
        "--runtime-insecure", action="store_const", const="on", help="also a server beyond this computer without TLS: others can read along"
    )


def _given(options: argparse.Namespace) -> dict[str, str]:
    names = ("home", "model", "runtime", "runtime_model", "runtime_insecure", "embedding", "host", "port", "window")
    named = {name: getattr(options, name, None) for name in names}
    return {name: str(value) for name, value in named.items() if value is not None}


def _fail(error: Med42Error, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": error.message, "hint": error.hint}, ensure_ascii=False), file=sys.stderr)
    else:
        say(f"error: {error.message}", to=sys.stderr)
        if error.hint:
            say(f"hint: {error.hint}", to=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
