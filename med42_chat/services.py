"""The only place that opens, connects and closes things."""

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from med42_chat import condition, resume, styles
from med42_chat.adding import Adding
from med42_chat.bin import Bin
from med42_chat.chat import Chat
from med42_chat.checks import Medicines
from med42_chat.errors import InputError, Med42Error, NotFound, SettingsError
from med42_chat.export import style
from med42_chat.exporting import Exporting
from med42_chat.jobs import Jobs
from med42_chat.loading import model_file, open_embedder, server_of, way_of, ways_to_load
from med42_chat.lookup import Lookup
from med42_chat.meaning import Meaning
from med42_chat.presets import read as read_presets
from med42_chat.private import cannot_write, make_private_folder, write_private
from med42_chat.records import ContextUse, Health, Speed
from med42_chat.reference import Library
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import Runtime, RuntimeStatus, Shelf
from med42_chat.runtime.speed import measure
from med42_chat.settings import ASSETS, DEMONSTRATION, FILE, Settings, changed, edited, file_values, is_demonstration
from med42_chat.store.backup import backup, prepare, put_back
from med42_chat.store.database import Store
from med42_chat.store.erase import erase
from med42_chat.store.keys import Key, load_or_create, set_passphrase, wrapped_key
from med42_chat.store.lock import FolderLock
from med42_chat.weights.inventory import own_catalogue, set_aside
from med42_chat.weights.models import Models

_PAGE_KEY_LENGTH = 32  # characters, of 24 random bytes
_SHORTEST_PASSPHRASE = 8  # characters; the key's derivation makes each guess slow, not a short word long
_LOOK_EVERY_S = 0.1  # whether something that is waited for has happened
_PATIENCE_S = 20.0  # how long a change of model waits for a moment in which nobody asks anything
_TEST_ENDS_S = 2.0  # within which a speed test that was stopped has ended, and another one may begin
_FOR_THE_MODEL = frozenset({"model", "context", "threads", "gpu_layers", "kv_type", "parallel"})  # what it is loaded with
_AT_THE_START_ALONE = frozenset({"runtime", "runtime_model", "runtime_insecure"})  # nothing in a page may decide where words are sent
_FROM_THE_NEXT_START = ("home", "models", "host", "port", "window", "keyring", "passphrase", "language", "resume_gb")


@dataclass(slots=True)
class Services:
    """Everything the page needs, open. `token` proves to the server that a request comes from whoever started it.

    `settings`, `runtime`, `chat` and `key` change when a person changes the settings: read them here each time. `ended` is set
    when the program is to end by itself, `erased` with it when everything was deleted. `switching` is the model that waits for
    answers to end before it takes the place of this one, empty where none does; `not_switched` says why one could not. `server` is
    the 'host:port' that runs the model, and to which what is asked is sent; empty where it runs on this computer.
    """

    settings: Settings
    store: Store
    key: Key
    runtime: Runtime
    chat: Chat
    jobs: Jobs
    bin: Bin
    token: str = field(repr=False)
    codes: set[str] = field(default_factory=set, repr=False)  # each lets a browser in once, in the place of the token
    start_runtime: Callable[[Settings], Runtime] = field(default_factory=lambda: open_runtime, repr=False)
    ended: threading.Event = field(default_factory=threading.Event, repr=False)
    erased: bool = False
    library: Library = field(init=False)
    adding: Adding = field(init=False)
    meaning: Meaning = field(init=False)
    exporting: Exporting = field(init=False)
    models: Models = field(init=False)
    server: str = field(init=False)
    in_use: Path | None = field(init=False)  # the model file that the runtime was opened with; None where a server has it
    switching: str = ""
    not_switched: Med42Error | None = None
    _reloading: bool = False  # one runtime ends, so that another can take its place
    _changing: threading.Lock = field(default_factory=threading.Lock, repr=False)  # two pages may change settings at once
    _testing: threading.Lock = field(default_factory=threading.Lock, repr=False)  # held by the speed test that runs

    def __post_init__(self) -> None:
        address = server_of(self.settings)
        self.server = address.host if address else ""
        self.in_use = None if self.server else model_file(self.settings)
        self.bin.deleted = self._forget
        self.library = Library(self.store.documents)
        self.adding = Adding(self.library, self.store.waiting, self.store.watched)
        self.exporting = Exporting(self.store.conversations, self.store.audit)
        self.meaning = Meaning(self.store.documents, self.store.vectors, open_embedder(self.settings))
        self.meaning.keep_filling(self.adding.rests)
        self.models = Models(
            self.settings.models,
            own_catalogue(self.settings),
            self.settings.context,
            in_use=lambda: self.in_use,
            loaded=lambda: way_of(self.runtime.status().model),
            aside=set_aside(self.settings),
        )

    def one_time_code(self) -> str:
        """A code for a place where others may read it, such as a command line."""
        code = secrets.token_urlsafe(24)
        self.codes.add(code)
        return code

    def meter(self, conversation_id: str) -> ContextUse | None:
        """How the conversation fills the context now; None while no model is loaded."""
        preview = self.chat.preview(conversation_id)
        return preview.context if preview else None

    def is_demonstration(self) -> bool:
        """Whether the embedded model is the one that answers now, and not Med42."""
        return self.in_use is not None and is_demonstration(self.in_use)

    def status(self) -> RuntimeStatus:
        """How the model is now; never blocks. While it ends so that another can be loaded, that is what is said."""
        return RuntimeStatus("changing") if self._reloading else self.runtime.status()

    def acknowledged(self) -> bool:
        """Whether the safe-use text was read and accepted in this data folder."""
        return _acknowledgement(self.settings).exists()

    def acknowledge(self) -> None:
        """Keeps that the safe-use text was accepted, and when."""
        _write(_acknowledgement(self.settings), json.dumps({"accepted_at": int(time.time() * 1000)}))
        self.store.audit.append("safe_use.accepted", "", {})

    def apply(self, changes: Mapping[str, str]) -> tuple[str, ...]:
        """Changes settings, as text, now and in the settings file; an empty value is the default again.

        What the model is loaded with starts it anew; the rest holds from the next answer on. Returns the names of those that only
        count from the program's next start on. Raises SettingsError for what cannot be, InputError while an answer needs the
        model as it is; nothing is changed then.
        """
        if not _AT_THE_START_ALONE.isdisjoint(changes):
            raise SettingsError("Where the model runs is not changed from here.", "Start the program with --runtime, or without.")
        with self._changing, self.jobs.held() as answering:
            chosen = changed(self.settings, changes)
            reload = not _FOR_THE_MODEL.isdisjoint(changes) and self._loads_anew(chosen)
            if reload and answering:
                raise InputError("An answer is being written by this model.", "Wait for it, or stop it; then change the model's settings.")
            return self._change(chosen, changes, reload)

    def style(self) -> str:
        """What the style calls itself in which exports have their references; empty for the program's own.

        Raises InputError where it has been spoilt since it was chosen.
        """
        text = styles.kept(self.settings.home)
        return (style.title(style.read_style(text.encode())) or styles.FILE) if text else ""

    def use_style(self, text: str | None) -> None:
        """Takes a CSL style for the references of every export from here on, or the program's own for None.

        Raises InputError for what is no style, StoreError where it cannot be kept; nothing is changed then.
        """
        if text is None:
            styles.forget(self.settings.home)
        else:
            styles.keep(self.settings.home, text.encode("utf-8", "replace"))

    def _loads_anew(self, chosen: Settings) -> bool:
        """Whether these settings want a model that is not loaded, or not so. One that has just come here is no reason by itself."""
        before = tuple(getattr(self.settings, name) for name in _FOR_THE_MODEL - {"model"})
        after = tuple(getattr(chosen, name) for name in _FOR_THE_MODEL - {"model"})
        return before != after or (not self.server and model_file(chosen) != self.in_use)

    def _change(self, chosen: Settings, changes: Mapping[str, str], reload: bool) -> tuple[str, ...]:
        later = tuple(name for name in _FROM_THE_NEXT_START if getattr(chosen, name) != getattr(self.settings, name))
        file, system = model_file(chosen), _system_prompt()  # what may fail comes first: nothing is to be half changed
        _write_settings(self.settings.home, changes)
        if chosen.embedding != self.settings.embedding:
            self.meaning.use(open_embedder(chosen))
        self.settings = chosen
        self.models.context, self.models.aside = chosen.context, set_aside(chosen)
        if reload:
            self._reload(None if self.server else file)
        self.chat = _set_up(self.chat, chosen, self.runtime, system)
        self.jobs.turn_to(self.chat)
        return later

    def _reload(self, file: Path | None) -> None:
        """Ends the model's process, for which the next one needs the memory, and starts that, with this file."""
        self._reloading = True
        try:
            self.runtime.close()
            self.in_use = file
            self.runtime = self.start_runtime(self.settings)
        finally:
            self._reloading = False

    def use(self, name: str) -> None:
        """Turns to another model: the name of a file in the models folder, or DEMONSTRATION. Returns at once.

        Answers under way finish first, and those that begin before they have are still this model's; only where there is no end
        to them do further questions wait. Whether the new model loads is then said by `status`; one that failed is tried
        again when it is named again. Raises NotFound, and SettingsError where the command line or the environment has set the model,
        where a server runs it, or where the settings cannot hold such a name.
        """
        if self.server:
            raise SettingsError(f"The model runs on {self.server}.", "Start the program without --runtime to use one of this computer.")
        self._check_name(name)
        changed(self.settings, {"model": name})
        with self.jobs.held():
            waits, self.switching, self.not_switched = bool(self.switching), name, None
        if not waits:
            threading.Thread(target=self._switch, name="switch", daemon=True).start()

    def _check_name(self, name: str) -> None:
        file = self.settings.models / name
        if name != DEMONSTRATION and (file.name != name or not file.is_file()):
            raise NotFound(f"There is no model file {name} in {self.settings.models}.", "Fetch or import it, or choose another one.")
        if name.strip() != name or name.encode(errors="replace").decode() != name:
            raise SettingsError("A file cannot be used under this name.", "Give it one of plain letters, or import it, which does so.")

    def _switch(self) -> None:
        """Waits for the answers under way, then turns to the model that was named last."""
        patience = time.monotonic() + _PATIENCE_S
        while name := self.switching:
            if self.jobs.any_running():
                if time.monotonic() > patience:
                    self.jobs.shut()
                time.sleep(_LOOK_EVERY_S)
                continue
            with self._changing, self.jobs.held() as answering:
                if answering or self.switching != name:
                    continue
                try:
                    self._turn_to(name)
                except Med42Error as error:  # the settings file cannot be written, or the model was removed meanwhile
                    self.not_switched = error
                finally:
                    self.switching = ""
                    self.jobs.reopen()

    def _turn_to(self, name: str) -> None:
        self._check_name(name)
        changes = {"model": name}
        chosen = changed(self.settings, changes)
        self._change(chosen, changes, self._loads_anew(chosen) or self.runtime.status().state == "failed")

    def speed_test(self, stop: threading.Event) -> Iterator[Speed]:
        """Tests for about 20 seconds how fast the model reads and writes; ends early when `stop` is set, or when a question comes.

        Raises InputError while an answer is being written, and RuntimeFailure's kinds while no model is there, both at once; and
        InputError from the first step where another test goes on.
        """
        if self.jobs.any_running():
            raise InputError("An answer is being written.", "Wait for it, or stop it; then test the speed.")
        self.runtime.wait_until_loaded(timeout_s=0)
        return self._tested(stop)

    def _tested(self, stop: threading.Event) -> Iterator[Speed]:
        if not self._testing.acquire(timeout=_TEST_ENDS_S):
            raise InputError(
                "The speed is being tested already.", "Wait for that test, or stop it: two at once would slow each other down."
            )
        try:
            yield from measure(self.runtime, lambda: stop.is_set() or self.jobs.any_running())
        finally:
            self._testing.release()

    def _forget(self, conversation: str) -> None:
        self.runtime.forget(conversation)  # first, so that it is not written down again
        resume.forget(self.settings, self.store.key, conversation)

    def protect(self, present: str, new: str | None) -> Key:
        """Protects the data folder by a passphrase, changes it, or with None removes it. `present` is the one until now, if there is one.

        Raises StoreKeyError when that is wrong, InputError for a new one that is too short.
        """
        with self._changing:
            if self.key.where == "passphrase":
                load_or_create(self.settings.home, present, self.settings.keyring)
            self.key = protect(self.settings, self.store, new)
            return self.key

    def back_up(self, passphrase: str = "") -> tuple[Path, str]:
        """Writes the whole store into a new file in the data folder. Returns it, and a sentence on where it can be restored."""
        file = self.settings.home / "backups" / f"med42-{time.strftime('%Y%m%d-%H%M%S')}.backup"
        return file, backup(self.store, file, passphrase or None)  # which makes the folder

    def backups(self) -> list[Path]:
        """The backups in the data folder, those brought from elsewhere too, newest first."""
        files = (file for file in (self.settings.home / "backups").glob("*.backup") if file.is_file())
        return sorted(files, key=lambda file: (file.stat().st_mtime, file.name), reverse=True)

    def restore(self, file: Path, passphrase: str = "") -> str:
        """Puts a backup in the place of everything, and lets the program end. Returns a sentence on what was there before.

        Where the backup cannot be opened, the program goes on: `ended` is not set.
        """
        home, key = self.settings.home, self.store.key
        with self._changing:
            prepare(home, file, lambda: key, passphrase or None)
            self.close()
            try:
                with FolderLock(home):
                    return put_back(home, key)
            finally:
                self.ended.set()

    def erase(self) -> None:
        """Deletes everything this program keeps in the data folder, the key first, and lets the program end."""
        with self._changing:
            self.close()
            try:
                erase(self.settings.home, self.settings.keyring)
                self.erased = True
            finally:
                self.ended.set()

    def glance(self) -> list[Health]:
        """What can be said at once of this installation."""
        return condition.glance(self.settings, self.key, self.status())

    def close(self) -> None:
        """Stops the answers, then the model, empties the bin, then closes the store: each needs the next."""
        with self.jobs.held():
            self.switching = ""  # from here on no model takes the place of this one
        self.jobs.reopen()
        self.jobs.close()
        self.adding.close()
        self.meaning.close()
        self.exporting.close()
        self.models.close()
        self.runtime.close()
        self.bin.close()
        self.store.close()


def open_services(settings: Settings, ask_passphrase: Callable[[], str] | None = None) -> Services:
    """Opens all; what was opened is closed again if a later step fails."""
    server_of(settings)  # one that may not be spoken with is refused before a passphrase is asked for
    with ExitStack() as opened:
        store, key = open_store(settings, ask_passphrase)
        opened.callback(store.close)
        start = partial(open_runtime, shelf=resume.open_shelf(settings, store.key, store.conversations.ids()))
        runtime = start(settings)
        opened.callback(runtime.close)
        chat = open_chat(settings, store, runtime)
        token = _page_key(settings.home)
        opened.pop_all()
    return Services(settings, store, key, runtime, chat, Jobs(chat), Bin(store.conversations), token, start_runtime=start)


def open_store(settings: Settings, ask_passphrase: Callable[[], str] | None = None) -> tuple[Store, Key]:
    """The store, and where its key lies."""
    key = open_key(settings, ask_passphrase)
    return Store.open(settings.home, key.data), key


def open_key(settings: Settings, ask_passphrase: Callable[[], str] | None = None) -> Key:
    """The data key. `ask_passphrase` is called where one is needed and was not given. Raises StoreInUse, StoreKeyError or StoreError."""
    home, passphrase = settings.home, settings.passphrase
    try:
        make_private_folder(home)
    except OSError as error:
        raise cannot_write(home, error) from error
    # Of two programs that are started at once in a new folder, the second would put its key in the place of the first one's.
    with FolderLock(home):
        if passphrase is None and ask_passphrase is not None and wrapped_key(home):
            passphrase = ask_passphrase()
        return load_or_create(home, passphrase, settings.keyring)


def protect(settings: Settings, store: Store, passphrase: str | None) -> Key:
    """Protects the key of the open store by a passphrase, or with None puts it back. Raises InputError for one that is too short."""
    if passphrase is not None and len(passphrase) < _SHORTEST_PASSPHRASE:
        raise InputError(f"A passphrase needs at least {_SHORTEST_PASSPHRASE} characters.", "Four or five unrelated words are a good one.")
    key = set_passphrase(settings.home, store.key, passphrase, settings.keyring)
    store.audit.append("key.moved", "", {"to": key.where})
    return key


def open_runtime(settings: Settings, shelf: Shelf | None = None) -> Runtime:
    """The model's process, started, or the way to the server that has it; it loads while the caller goes on. Raises SettingsError.

    Without a `shelf` nothing of what it reads outlives it.
    """
    if address := server_of(settings):
        # Here and not above: the HTTP client takes a quarter of a second to load, which no other start should pay for.
        from med42_chat.runtime.remote import RemoteRuntime

        return RemoteRuntime(address, settings.context, settings.runtime_model)
    return LocalRuntime(partial(ways_to_load, settings), cache=settings.home / "cache", shelf=shelf)


def open_chat(settings: Settings, store: Store, runtime: Runtime) -> Chat:
    """The chat of a store with a model, under the department's system prompt."""
    presets = partial(read_presets, ASSETS / "prompts" / "presets")
    lookup = Lookup(store.documents, store.waiting.unread)
    chat = Chat(store.conversations, runtime, "", lookup=lookup, medicines=open_medicines(), presets=presets)
    return _set_up(chat, settings, runtime, _system_prompt())


def open_medicines() -> Medicines:
    """The names by which a check knows a medicine. Raises SettingsError."""
    return Medicines.parse(_asset("medicines.txt"))


def _system_prompt() -> str:
    """The department's words, read anew each time. Raises SettingsError."""
    return _asset("prompts/system.txt")


def _asset(name: str) -> str:
    file = ASSETS / name
    try:
        return file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise SettingsError(f"The file {file} cannot be read: {error}.", "Put the file back, saved as UTF-8.") from error


def _set_up(chat: Chat, settings: Settings, runtime: Runtime, system: str) -> Chat:
    """The chat as these settings want it."""
    return replace(chat, runtime=runtime, system=system, sampling=settings.sampling, seed=settings.seed)


def _write_settings(home: Path, changes: Mapping[str, str]) -> None:
    file = home / FILE
    file_values(home)  # a file that somebody is in the middle of editing is theirs to mend, not ours to write over
    _write(file, edited(file.read_text("utf-8-sig") if file.exists() else "", changes))


def _write(file: Path, text: str) -> None:
    try:
        write_private(file, text)
    except OSError as error:
        raise cannot_write(file, error) from error


def _page_key(home: Path) -> str:
    """What a browser must know to be let in: the same at each start, so that an open page outlives a restart of the program."""
    file = home / "page-key"
    try:
        key = file.read_text("ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        key = ""
    except OSError as error:
        raise cannot_write(file, error) from error
    if len(key) < _PAGE_KEY_LENGTH:  # an empty one would let everybody in
        key = secrets.token_urlsafe(24)
        _write(file, key)
    return key


def _acknowledgement(settings: Settings) -> Path:
    return settings.home / "safe-use.json"


def speed(services: Services) -> Health:
    """How fast the model reads and writes, after a test of about 20 seconds. Raises what `Services.speed_test` raises."""
    *_, last = services.speed_test(threading.Event())
    words = f"reads {last.read_tokens_s:.0f} tokens a second and writes {last.write_tokens_s:.1f}, about {last.words_s:.1f} words"
    return Health("speed", "ok", words)
