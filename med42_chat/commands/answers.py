"""`ask` and `again`: an answer that is printed while it comes; `tokens` and `verify`, which keep nothing."""

import json
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from med42_chat import services
from med42_chat.commands.common import ENDINGS, QUIET_LINE, Command, ask_passphrase, tell
from med42_chat.commands.verify import verified
from med42_chat.errors import InputError, Med42Error
from med42_chat.jobs import Job, JobState
from med42_chat.library.read import read_text
from med42_chat.records import Message, Turn
from med42_chat.settings import Settings
from med42_chat.terminal import say, say_json

_BASES = {
    "memory": "[From the model's memory, no source.]",
    "nothing": "[No model was asked. 'again ID --memory' gives the model's own answer, without a source.]",
}


def add_commands(command: Command) -> None:
    """Makes the commands."""
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


def _ask(options: Any, chosen: Settings) -> int:
    question = sys.stdin.read() if options.question == "-" else options.question
    attached = [read_text(file, file.name) for file in options.attach]
    with closing(services.open_services(chosen, ask_passphrase)) as opened:
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
    with closing(services.open_services(chosen, ask_passphrase)) as opened:
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
    if message.status in ENDINGS:
        print(ENDINGS[message.status])
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
    print(f"\n— {who} · conversation {id}\n— {QUIET_LINE}", file=sys.stderr)


def _tokens(options: Any, chosen: Settings) -> None:
    turns = _turns(sys.stdin.read())
    runtime = services.open_runtime(chosen)
    try:
        ids = runtime.encode(turns)
    finally:
        runtime.close()
    tell(options, {"tokens": ids, "count": len(ids)}, " ".join(map(str, ids)))


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
