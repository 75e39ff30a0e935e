"""Everything without a screen: `python -m med42_chat COMMAND`, also installed as `med42-chat`.

Every command takes `--json`, and fails with `error:` and `hint:` lines on standard error and a non-zero status.
"""

import argparse
import getpass
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from med42_chat import __version__, export_command, reference_command, resume, services, settings
from med42_chat.errors import InputError, Med42Error
from med42_chat.jobs import Job, JobState
from med42_chat.library.read import read_text
from med42_chat.records import Conversation, Message, Turn
from med42_chat.settings import Settings
from med42_chat.store.backup import backup, restore
from med42_chat.store.database import Store
from med42_chat.store.keys import wrapped_key
from med42_chat.terminal import say, say_json
from med42_chat.verify_command import verified
from med42_chat.weights import command as models_command

_MARKS = {"ok": "ok     ", "repaired": "mended ", "warning": "warning", "error": "ERROR  "}
_ENDINGS = {
    "length": "[The answer reached its length limit.]",
    "stopped": "[Stopped.]",
    "interrupted": "[Interrupted: the program or the model ended here.]",
    "failed": "[No answer.]",
}
_BASES = {
    "memory": "[From the model's memory, no source.]",
    "nothing": "[No model was asked. 'again ID --memory' gives the model's own answer, without a source.]",
}
_QUIET_LINE = "Built with Meta Llama 3. Med42 is not ready for clinical use: check before acting."


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

    def command(name: str, run: Callable[[Any, Settings], int | None], text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text, parents=[common])
        made.set_defaults(run=run)
        return made

    _answer_commands(command)
    _conversation_commands(command)
    export_command.add_commands(command, _store)
    _upkeep_commands(command)
    text = "model files: which there are, what fits here, fetch, import, check, remove, take along"
    models_command.add_commands(commands.add_parser("models", help=text, description=text, parents=[common]), common)
    text = "your own documents: add, list, collections, search, show, read again, watch, remove, evaluate, check vectors"
    reference_command.add_commands(commands.add_parser("library", help=text, description=text, parents=[common]), common, _store)
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


def _answer_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    ask = command("ask", _ask, "answer a question and keep it")
    ask.add_argument("question", help="'-' reads it from standard input")
    ask.add_argument("--conversation", metavar="ID", help="go on in this conversation")
    ask.add_argument("--facts", metavar="TEXT", help="pin these facts (allergies, problems, medicines) to the conversation")
    ask.add_argument(
        "--attach", metavar="FILE", type=Path, action="append", default=[], help="a text or PDF file that belongs to the question"
    )
    ask.add_argument("--no-library", dest="library", action="store_false", help="answer from the model's memory, without your documents")
    again = command("again", _again, "answer the last question of a conversation once more, beside the answers it has")
    again.add_argument("id")
    again.add_argument("--continue", dest="go_on", action="store_true", help="go on where the last answer was cut off")
    again.add_argument("--memory", action="store_true", help="answer from the model's memory, where the library has nothing")
    command("verify", _verify, "compare an answer with its sources, both given as JSON on standard input")
    command("tokens", _tokens, "the exact prompt token ids of messages given as JSON on standard input")


def _conversation_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    listing = command("list", _list, "conversations, newest first")
    listing.add_argument("--search", metavar="TEXT", help="only messages with these words, wherever they are")
    listing.add_argument("--archived", action="store_true", help="those put away into the archive")
    listing.add_argument("--folder", metavar="NAME", default="", help="only those in this folder")
    listing.add_argument("--tag", metavar="NAME", default="", help="only those with this tag")
    listing.add_argument("--limit", type=_limit, default=50, help="at most this many, 1 to 100000")
    command("show", _show, "a whole conversation").add_argument("id")
    command("delete", _delete, "delete a conversation for good").add_argument("id")


def _upkeep_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
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


def _limit(text: str) -> int:
    if not 1 <= int(text) <= 100_000:
        raise ValueError
    return int(text)


def _given(options: argparse.Namespace) -> dict[str, str]:
    names = ("home", "model", "runtime", "runtime_model", "runtime_insecure", "embedding", "host", "port", "window")
    named = {name: getattr(options, name, None) for name in names}
    return {name: str(value) for name, value in named.items() if value is not None}


def _ask(options: Any, chosen: Settings) -> int:
    question = sys.stdin.read() if options.question == "-" else options.question
    attached = [read_text(file, file.name) for file in options.attach]
    with closing(services.open_services(chosen, _ask_passphrase)) as opened:
        conversations = opened.store.conversations
        id = options.conversation or conversations.create().id
        if options.facts is not None:
            conversations.set_pinned_facts(id, options.facts)
        try:
            job = opened.jobs.start(id, question, attachments=attached, library=options.library)
        except InputError:
            if options.conversation is None:  # nothing was asked, so no empty conversation stays behind
                conversations.delete(id)
            raise
        return _answer(options, job)


def _again(options: Any, chosen: Settings) -> int:
    with closing(services.open_services(chosen, _ask_passphrase)) as opened:
        messages = opened.store.conversations.branch(options.id)
        question = next((message for message in reversed(messages) if message.role == "user"), None)
        if question is None:
            raise InputError("There is no question in this conversation yet.", f"Ask one: ask --conversation {options.id} QUESTION")
        if options.go_on and messages[-1].status == "complete":
            raise InputError("The last answer is whole.", "Without --continue the question is answered once more.")
        keep = messages[-1].text if options.go_on else ""
        return _answer(options, opened.jobs.again(options.id, question.id, keep, memory=options.memory))


def _answer(options: Any, job: Job) -> int:
    """Prints an answer while it comes, then what it rests on. Ctrl+C stops it and keeps what came; once more leaves at once."""
    printer, state, interrupted = _Printer(options.json), job.state(), False
    while state.phase != "done":
        try:
            state = job.wait(state.version, timeout_s=1.0)
            printer.show(state)
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted = True
            job.stop()
    answered = state.answered
    assert answered is not None
    if options.json:
        say_json(_answer_json(answered.message))
    else:
        _print_ending(job.conversation_id, answered.message)
    if answered.error:
        raise Med42Error(answered.error, answered.hint)
    return 130 if interrupted else 0


class _Printer:
    """Writes what is new of an answer; nothing where JSON was asked for."""

    def __init__(self, quiet: bool) -> None:
        self._quiet, self._shown, self._warned = quiet, 0, False

    def show(self, state: JobState) -> None:
        if self._quiet:
            return
        if state.prompted and state.prompted.left_out and not self._warned:
            print(f"[The model does not see {len(state.prompted.left_out)} earlier parts of this conversation.]", file=sys.stderr)
            self._warned = True
        say(state.text[self._shown :], end="", at_once=True)
        self._shown = len(state.text)


def _answer_json(message: Message) -> dict[str, Any]:
    assert message.evidence is not None
    evidence = asdict(message.evidence)
    return {
        "conversation": message.conversation_id,
        "question": message.parent_id,
        "message": message.id,
        "text": message.text,
        "status": message.status,
        "finish_reason": evidence["finish_reason"],
        "citations": [asdict(citation) for citation in message.citations],
        "findings": [asdict(finding) for finding in message.findings],
        "notes": evidence["notes"],
        "left_out": evidence["left_out"],
        "usage": evidence["usage"],
        "timings": evidence["timings"],
        "evidence": evidence,
    }


def _print_ending(id: str, message: Message) -> None:
    evidence = message.evidence
    assert evidence is not None
    print()
    if message.status in _ENDINGS:
        print(_ENDINGS[message.status])
    for citation in message.citations:
        page = f", page {citation.source.page}" if citation.source.page is not None else ""
        say(f"[{citation.source.number}] {citation.source.title}{page}")
    for finding in message.findings:
        if finding.state in ("not_found", "doubtful") or (finding.kind == "unsourced" and evidence.basis == "sources"):
            say(f"[Check: {finding.words}]")
    if evidence.basis in _BASES:
        print(_BASES[evidence.basis])
    marked = " · demonstration model, not Med42" if evidence.demonstration else ""
    speed = f" · {evidence.timings.tokens_per_s:.0f} tokens/s, first after {evidence.timings.first_token_s:.1f} s"
    who = f"{evidence.model}{marked}{speed}" if evidence.usage.completion_tokens else "no model has answered"
    print(f"\n— {who} · conversation {id}\n— {_QUIET_LINE}", file=sys.stderr)


def _list(options: Any, chosen: Settings) -> None:
    if options.search is not None and (options.archived or options.folder or options.tag):
        raise InputError("A search looks through all conversations.", "Leave out --archived, --folder and --tag, or --search.")
    with _store(chosen) as store:
        if options.search is not None:
            hits = store.conversations.search(options.search, options.limit)
            if options.json:
                say_json([asdict(hit) for hit in hits])
            for hit in () if options.json else hits:
                say(f"{hit.conversation_id}  {hit.title}\n    {''.join(hit.snippet)}")
            return
        found = store.conversations.recent(options.limit, 0, options.archived, options.folder, options.tag)
        if options.json:
            say_json([asdict(conversation) for conversation in found])
        for conversation in () if options.json else found:
            say(_list_line(conversation))


def _list_line(conversation: Conversation) -> str:
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(conversation.updated_at / 1000))
    return f"{conversation.id}  {at}  {conversation.message_count:>4}  {conversation.title}"


def _show(options: Any, chosen: Settings) -> None:
    with _store(chosen) as store:
        conversation, messages = store.conversations.get(options.id), store.conversations.branch(options.id)
    if options.json:
        say_json({**asdict(conversation), "messages": [asdict(message) for message in messages]})
        return
    say(f"{conversation.title}\n")
    if conversation.pinned_facts:
        say(f"Pinned facts: {conversation.pinned_facts}\n")
    for message in messages:
        speaker = "You" if message.role == "user" else (message.evidence.model if message.evidence else "") or "Answer"
        say(f"{speaker}{_version(message)}:")
        for attachment in message.attachments:
            say(f"[Attached: {attachment.name}, {len(attachment.text):,} characters]")
        say(message.text)
        print(f"{_ENDINGS.get(message.status, '')}\n")
    print(_QUIET_LINE)


def _version(message: Message) -> str:
    return f" (version {message.versions.index(message.id) + 1} of {len(message.versions)})" if message.versions else ""


def _delete(options: Any, chosen: Settings) -> None:
    with _store(chosen) as store:
        title = store.conversations.get(options.id).title
        store.conversations.delete(options.id)
        resume.forget(chosen, store.key, options.id)
    _say(options, {"deleted": options.id}, f"Deleted: {title}")


def _tokens(options: Any, chosen: Settings) -> None:
    turns = _turns(sys.stdin.read())
    runtime = services.open_runtime(chosen)
    try:
        ids = runtime.encode(turns)
    finally:
        runtime.close()
    _say(options, {"tokens": ids, "count": len(ids)}, " ".join(map(str, ids)))


def _verify(options: Any, chosen: Settings) -> None:
    say_json(verified(sys.stdin.read(), services.open_medicines()))


def _turns(text: str) -> list[Turn]:
    try:
        turns = [Turn(one["role"], str(one["content"])) for one in json.loads(text)]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError("Standard input holds no messages.", 'Give JSON such as [{"role": "user", "content": "…"}].') from error
    if not turns or any(turn.role not in ("system", "user", "assistant") for turn in turns):
        raise InputError("A message has no usable role.", "Roles are system, user and assistant.")
    return turns


def _check(options: Any, chosen: Settings) -> int:
    with closing(services.open_services(chosen, _ask_passphrase)) as opened:
        lines = services.health(chosen, opened.store, opened.key, opened.runtime)
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
    with _store(chosen) as store:
        note = backup(store, options.file, passphrase=chosen.passphrase)
    _say(options, {"file": str(options.file), "note": note}, f"Saved {options.file}. {note}")


def _restore(options: Any, chosen: Settings) -> None:
    passphrase = _ask_passphrase() if chosen.passphrase is None and wrapped_key(chosen.home) else chosen.passphrase
    ask = (lambda: _ask_passphrase("Passphrase of the backup: ")) if sys.stdin.isatty() else None
    note = restore(chosen.home, options.file, passphrase, chosen.keyring, ask)
    _say(options, {"file": str(options.file), "note": note}, f"Restored {options.file}. {note}")


def _passphrase(options: Any, chosen: Settings) -> None:
    with _store(chosen) as store:
        first = _ask_passphrase("New passphrase: ")
        if first != _ask_passphrase("The same again: "):
            raise InputError("The two were not the same.", "Nothing was changed. Try again.")
        key = services.protect(chosen, store, first)
    _say(options, {"where": key.where, "note": key.note}, key.note)


def _serve(options: Any, chosen: Settings) -> None:
    # Here and not above: it brings Gradio along, which takes seconds that no other command should pay for.
    from med42_chat.serve import run

    run(chosen, _ask_passphrase)


@contextmanager
def _store(chosen: Settings) -> Iterator[Store]:
    with services.open_store(chosen, _ask_passphrase)[0] as store:
        yield store


def _ask_passphrase(prompt: str = "Passphrase of this data folder: ") -> str:
    if not sys.stdin.isatty():
        raise InputError("This data folder is protected by a passphrase.", "Set MED42_PASSPHRASE, or start in a terminal.")
    return getpass.getpass(prompt)


def _say(options: Any, value: dict[str, Any], text: str) -> None:
    if options.json:
        say_json(value)
    else:
        print(text)


def _fail(error: Med42Error, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": error.message, "hint": error.hint}, ensure_ascii=False), file=sys.stderr)
    else:
        say(f"error: {error.message}", to=sys.stderr)
        if error.hint:
            say(f"hint: {error.hint}", to=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
