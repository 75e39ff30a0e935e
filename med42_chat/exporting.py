"""A conversation on its way out: packed, made into a document by a process of its own, and kept in memory until it is fetched, once.

What is written on the document and how it looks is the business of `export`; here nothing is parsed. No file is written, and the log
learns nothing of what stands in a conversation.
"""

import contextlib
import json
import logging
import re
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any, Literal

from med42_chat.children import talking
from med42_chat.errors import InputError, Med42Error, NotFound, places
from med42_chat.export import record
from med42_chat.export.sheet import Format, Options
from med42_chat.records import Conversation, Message
from med42_chat.store.audit import Audit
from med42_chat.store.conversations import Conversations
from med42_chat.store.transfer import Restored

Phase = Literal["running", "done", "failed", "cancelled"]

TIME_S = 120.0  # after which the process is ended
_COMPARING = "med42_chat.export.comparing"
_AT_ONCE = 2
_MOST_WAITING = 10
_MOST_KEPT = 5  # documents that wait
_KEPT_S = 300.0  # how long a document waits to be fetched
_MOST_BYTES = 300_000_000  # of a document
_LONGEST_LINE = 100_000  # bytes of what the process says of its work
_LONGEST_NAME = 100  # characters of a title in a file's name
_LONGEST_FIELD = 200  # characters of author and patient reference
_LONGEST_PASSWORD = 127  # bytes: what AES-256 in a PDF takes
_LOOK_EVERY_S = 0.2  # whether one that waits for its turn was cancelled
_UNSAFE = re.compile(r'[<>:"/\\|?*\s]+')
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn")  # controls, marks of direction, halves of characters: Unicode's categories

# What can go wrong in the process, by the word that it says. {seconds} is the time limit.
_FAULTS = {
    "slow": ("Making the document took longer than {seconds:.0f} seconds and was ended.", "Export fewer messages, or export as text."),
    "died": ("The document could not be made.", "Try another format, or fewer messages; nothing of the conversation is lost."),
    "memory": ("The document takes more memory than an export may use.", "Export fewer messages, or export as text."),
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExportState:
    """How far an export is. `progress` is 0 to 1, `size` in bytes and `notes` are for the person, once it is done.

    While it runs, `message` is what is done now: 'reading', 'laying out', 'writing', or nothing while others have their turn. When it has
    failed, `message` and `hint` say why. `name` is what the file may be called on any system.
    """

    id: str
    format: Format
    name: str
    phase: Phase = "running"
    progress: float = 0.0
    message: str = ""
    hint: str = ""
    size: int = 0
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Export:
    """One of them. `document` is None before it is made and after it was fetched."""

    state: ExportState
    stop: threading.Event = field(default_factory=threading.Event)
    document: bytes | None = field(default=None, repr=False)
    thread: threading.Thread | None = None
    end: threading.Timer | None = None


class Exporting:
    """Every method may be called from any thread; only `wait` and `close` wait."""

    def __init__(
        self,
        conversations: Conversations,
        audit: Audit,
        child: str = "med42_chat.export.child",
        time_s: float = TIME_S,
        kept_s: float = _KEPT_S,
    ) -> None:
        self._conversations, self._audit = conversations, audit
        self._child, self._time_s, self._kept_s = child, time_s, kept_s
        self._turns = threading.Semaphore(_AT_ONCE)
        self._changed = threading.Condition()  # guards what follows
        self._exports: dict[str, _Export] = {}
        self._closed = False

    # Out

    def start(self, conversation_id: str, format: Format, options: Options, language: str) -> str:
        """Begins to export the conversation as it is now; the export's id, at once. Options that a format does not know do nothing.

        JSON is the whole conversation with all versions, whichever messages were chosen. Raises NotFound, and InputError for options
        that cannot be, for a conversation without messages, and while too many exports wait.
        """
        _check(format, options)
        wanted = self._wanted(conversation_id, format, options, language)
        id = secrets.token_urlsafe(16)
        one = _Export(ExportState(id, format, file_name(wanted.conversation, format)))
        one.thread = threading.Thread(target=self._run, args=(one, wanted), name="export", daemon=True)
        with self._changed:
            if self._closed or sum(other.state.phase == "running" for other in self._exports.values()) >= _MOST_WAITING:
                raise InputError("Too many documents are being made.", "Wait until one of them is done.")
            self._make_room()
            self._exports[id] = one
            one.thread.start()
        return id

    def state(self, id: str) -> ExportState:
        """How it stands now. Raises NotFound, also some minutes after its end."""
        with self._changed:
            return self._named(id).state

    def wait(self, id: str, seen: float, timeout_s: float) -> ExportState:
        """Like `state`, as soon as there is more progress than `seen` or it has ended, or when the time is over."""
        with self._changed:
            one = self._named(id)
            self._changed.wait_for(lambda: one.state.phase != "running" or one.state.progress > seen, timeout_s)
            return one.state

    def cancel(self, id: str) -> None:
        """Ends it, or forgets its document. Raises NotFound."""
        with self._changed:
            one = self._named(id)
            one.stop.set()
            one.document = None
            self._end(one, replace(one.state, phase="cancelled", message="", hint="", notes=()))

    def take(self, id: str) -> bytes:
        """The document, once: it leaves memory with this. Raises NotFound where it was fetched, was not made, or waited too long."""
        with self._changed:
            one = self._named(id)
            if one.document is None:
                raise NotFound("There is no document to fetch.", "It was fetched already, or is not finished. Export it again.")
            document, one.document = one.document, None
            return document

    def close(self) -> None:
        """Ends all, waits for their processes to be gone, and forgets every document. Closing twice does nothing."""
        with self._changed:
            self._closed = True
            exports = list(self._exports.values())
            self._exports.clear()
        for one in exports:
            one.stop.set()
            if one.end:
                one.end.cancel()
        for one in exports:
            if one.thread:
                one.thread.join()
            one.document = None

    # In

    def restore(self, data: bytes) -> Restored:
        """Takes in a conversation that was exported as JSON; its answers are compared anew with the passages in the file, and marked.

        Raises InputError, which names what is wrong with the file.
        """
        record.read(data)  # what is no conversation is said at once
        found = record.read(self._compared(data))
        return self._conversations.restore(found.conversation, [_marked(one) for one in found.messages])

    def _compared(self, data: bytes) -> bytes:
        try:
            with talking(_COMPARING, [], data, self._time_s) as said:
                return _listen(said, lambda progress, step: None)[0]
        except (OSError, EOFError, Med42Error) as error:  # its time, its memory, or a way to break it
            raise InputError(
                "The file takes too long or too much memory to be compared with its passages. It was not imported.",
                "An answer in it may be far longer than any model writes.",
            ) from error

    # One export

    def _wanted(self, conversation_id: str, format: Format, options: Options, language: str) -> record.Request:
        """Everything the process needs to know, and no more: what was attached leaves the program as JSON only."""
        conversation, messages = self._conversations.whole(conversation_id)
        if not messages:
            raise InputError("There is nothing in this conversation yet.", "Ask a question first.")
        shown = replace(conversation, leaf_id=_leaf(conversation, messages, options.messages))
        if format != "json" and not options.attached:
            messages = [_without_attached_text(message) for message in record.branch(shown, messages)]
        return record.Request(shown, tuple(messages), options, format, language)

    def _run(self, one: _Export, wanted: record.Request) -> None:
        """An export's thread."""
        try:
            with self._turn(one.stop):
                document, notes = self._made(one, wanted)
                self._audit.append("conversation.exported", wanted.conversation.id, {"format": wanted.format, "bytes": str(len(document))})
            self._finish(one, document, notes)
        except Med42Error as error:
            self._fail(one, error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - whoever waits for it must learn of it, and the log must not learn a patient's words
            _log.error("an export failed: %s", places(error))
            self._fail(one, *_FAULTS["died"])

    @contextlib.contextmanager
    def _turn(self, stop: threading.Event) -> Iterator[None]:
        while not self._turns.acquire(timeout=_LOOK_EVERY_S):
            if stop.is_set():
                raise _fault("died", self._time_s)  # nobody reads it: it was cancelled
        try:
            yield
        finally:
            self._turns.release()

    def _made(self, one: _Export, wanted: record.Request) -> tuple[bytes, tuple[str, ...]]:
        began = time.monotonic()
        try:
            with talking(self._child, [], record.request(wanted), self._time_s, one.stop) as said:
                return _listen(said, lambda progress, step: self._tell(one, progress, step))
        except OSError as error:  # no memory for one more process
            raise _fault("memory", self._time_s) from error
        except EOFError as error:
            raise _fault("slow" if time.monotonic() - began >= self._time_s else "died", self._time_s) from error

    def _tell(self, one: _Export, progress: float, step: str) -> None:
        with self._changed:
            if one.state.phase == "running":
                one.state = replace(one.state, progress=max(one.state.progress, progress), message=step)
                self._changed.notify_all()

    def _finish(self, one: _Export, document: bytes, notes: tuple[str, ...]) -> None:
        with self._changed:
            if one.state.phase == "running" and not self._closed:
                one.document = document
                self._end(one, replace(one.state, phase="done", progress=1.0, message="", size=len(document), notes=notes))

    def _fail(self, one: _Export, message: str, hint: str) -> None:
        with self._changed:
            if one.state.phase == "running":
                self._end(one, replace(one.state, phase="failed", message=message, hint=hint))

    def _make_room(self) -> None:
        """Forgets what has ended longest ago, where much is kept: somebody exports again and again and fetches nothing."""
        ended = [id for id, one in self._exports.items() if one.state.phase != "running"]
        for id in ended[: max(0, len(ended) + 1 - _MOST_KEPT)]:
            del self._exports[id]

    def _end(self, one: _Export, state: ExportState) -> None:
        """Tells everybody, and begins the minutes after which it is forgotten."""
        one.state = state
        self._changed.notify_all()
        if one.end is None and not self._closed:
            one.end = threading.Timer(self._kept_s, self._forget, [state.id])
            one.end.daemon = True
            one.end.start()

    def _forget(self, id: str) -> None:
        with self._changed:
            self._exports.pop(id, None)

    def _named(self, id: str) -> _Export:
        if id not in self._exports:
            raise NotFound("This export is no longer there.", "Documents are kept for a few minutes only. Export it again.")
        return self._exports[id]


# What may be asked for


def _check(format: Format, options: Options) -> None:
    if options.password and format != "pdf":
        raise InputError("Only a PDF can be protected by a password.", "Choose PDF, or leave the password out.")
    if len(options.password.encode("utf-8", "surrogatepass")) > _LONGEST_PASSWORD:
        raise InputError("The password is too long for a PDF.", f"It takes {_LONGEST_PASSWORD} plain letters at most.")
    if max(len(options.author), len(options.patient)) > _LONGEST_FIELD:
        raise InputError("The author's name or the patient reference is too long.", f"Each takes {_LONGEST_FIELD} characters at most.")


def _leaf(conversation: Conversation, messages: Sequence[Message], chosen: frozenset[str]) -> str:
    """The end of a branch that all chosen messages stand on: the one that is shown, where that will do. Raises NotFound, InputError."""
    known = {message.id for message in messages}
    if missing := sorted(chosen - known):
        raise NotFound(f"There is no message {missing[0]} in this conversation.", "Open the conversation again.")
    for leaf in (conversation.leaf_id, *sorted(chosen)):
        if chosen <= {message.id for message in record.branch(replace(conversation, leaf_id=leaf), messages)}:
            return leaf
    raise InputError("These messages are versions that do not follow one another.", "Choose messages that stand on the page together.")


def _marked(message: Message) -> Message:
    """As one that came from a file; one that did so before keeps its day, wherever it goes."""
    return replace(message, imported_at=message.imported_at or time.time_ns() // 1_000_000)


def _without_attached_text(message: Message) -> Message:
    return replace(message, attachments=tuple(replace(one, text="") for one in message.attachments))


def file_name(conversation: Conversation, format: Format) -> str:
    """What a conversation's file may be called on any system: '2026-03-14 Red flags of headache.pdf', by when it last changed."""
    day = time.strftime("%Y-%m-%d", time.localtime(conversation.updated_at / 1000))
    # The date comes first, and so no name begins with a dot or is one of those that Windows keeps for itself ('CON').
    seen = "".join(" " if unicodedata.category(letter) in _UNSEEN else letter for letter in conversation.title)
    title = _UNSAFE.sub(" ", unicodedata.normalize("NFC", seen)).strip()[:_LONGEST_NAME].rstrip(" .")
    while len(title.encode()) > 2 * _LONGEST_NAME:
        title = title[:-1].rstrip(" .")
    return f"{day} {title or 'Conversation'}.{format}"


# What the process says


def _listen(said: IO[bytes], tell: Callable[[float, str], None]) -> tuple[bytes, tuple[str, ...]]:
    """The document and the notes on it. Raises EOFError where it ends before that, or says something else."""
    while line := said.readline(_LONGEST_LINE):
        match _json(line):
            case {"progress": int() | float() as progress, "step": str(step)} if 0 <= progress <= 1:
                tell(float(progress), step)
            case {"size": int(size), "notes": list(notes)} if 0 <= size <= _MOST_BYTES:
                document = said.read(size)
                if len(document) < size:
                    break
                return document, tuple(note for note in notes if isinstance(note, str))
            case {"fault": str(fault), "hint": str(hint)}:
                raise _fault(fault, hint=hint)
            case _:
                break
    raise EOFError


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _fault(word: str, time_s: float = TIME_S, hint: str = "") -> Med42Error:
    """The words for a fault; one that is not known here has come with its own."""
    if word not in _FAULTS:
        return Med42Error(word, hint)
    message, known_hint = _FAULTS[word]
    return Med42Error(message.format(seconds=time_s), known_hint)
