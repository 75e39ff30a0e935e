"""The only place that opens, connects and closes things."""

import json
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from med42_chat.bin import Bin
from med42_chat.chat import Chat
from med42_chat.errors import RuntimeFailure
from med42_chat.jobs import Jobs
from med42_chat.records import ContextUse, Health
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import Runtime
from med42_chat.settings import ASSETS, Settings, is_demonstration, model_file
from med42_chat.store.database import Store
from med42_chat.store.keys import Key, load_or_create, wrapped_key
from med42_chat.store.private import write_private

_LOW_DISK = 1 << 30  # bytes; below this a long day's work or a backup may not fit


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the page needs, open. `token` proves to the server that a request comes from whoever started it."""

    settings: Settings
    store: Store
    key: Key
    runtime: Runtime
    chat: Chat
    jobs: Jobs
    bin: Bin
    token: str = field(repr=False)
    codes: set[str] = field(default_factory=set, repr=False)  # each lets a browser in once, in the place of the token

    def one_time_code(self) -> str:
        """A code for a place where others may read it, such as a command line."""
        code = secrets.token_urlsafe(24)
        self.codes.add(code)
        return code

    def meter(self, conversation_id: str) -> ContextUse | None:
        """How the conversation fills the context now; None while no model is loaded."""
        preview = self.chat.preview(conversation_id)
        return preview.context if preview else None

    def acknowledged(self) -> bool:
        """Whether the safe-use text was read and accepted in this data folder."""
        return _acknowledgement(self.settings).exists()

    def acknowledge(self) -> None:
        """Keeps that the safe-use text was accepted, and when."""
        _acknowledgement(self.settings).write_text(json.dumps({"accepted_at": int(time.time() * 1000)}), "utf-8")
        self.store.audit.append("safe_use.accepted", "", {})

    def close(self) -> None:
        """Stops the answers, then the model, empties the bin, then closes the store: each needs the next."""
        self.jobs.close()
        self.runtime.close()
        self.bin.close()
        self.store.close()


def open_services(settings: Settings, ask_passphrase: Callable[[], str] | None = None) -> Services:
    """Opens all; what was opened is closed again if a later step fails."""
    with ExitStack() as opened:
        store, key = open_store(settings, ask_passphrase)
        opened.callback(store.close)
        runtime = open_runtime(settings)
        opened.callback(runtime.close)
        chat = open_chat(settings, store, runtime)
        token = _page_key(settings.home)
        opened.pop_all()
    return Services(settings, store, key, runtime, chat, Jobs(chat), Bin(store.conversations), token)


def open_store(settings: Settings, ask_passphrase: Callable[[], str] | None = None) -> tuple[Store, Key]:
    """The store, and where its key lies."""
    key = open_key(settings, ask_passphrase)
    return Store.open(settings.home, key.data), key


def open_key(settings: Settings, ask_passphrase: Callable[[], str] | None = None) -> Key:
    """The data key. `ask_passphrase` is called only where one is needed and none was given."""
    passphrase = settings.passphrase
    if passphrase is None and ask_passphrase is not None and wrapped_key(settings.home):
        passphrase = ask_passphrase()
    return load_or_create(settings.home, passphrase, settings.keyring)


def open_runtime(settings: Settings) -> Runtime:
    """The model's process, started; it loads while the caller goes on."""
    model = model_file(settings)
    return LocalRuntime(
        model,
        context=settings.context,
        threads=settings.threads,
        gpu_layers=settings.gpu_layers,
        cache=settings.home / "cache",
        demonstration=is_demonstration(model),
    )


def open_chat(settings: Settings, store: Store, runtime: Runtime) -> Chat:
    """The chat of a store with a model, under the department's system prompt."""
    system = (ASSETS / "prompts" / "system.txt").read_text("utf-8")
    return Chat(store.conversations, runtime, system, settings.sampling, settings.seed)


def health(settings: Settings, store: Store, key: Key, runtime: Runtime) -> list[Health]:
    """What this installation has and what is wrong with it. Waits for the model to load."""
    return [*store.check(), _key_health(key), _model_health(runtime), _disk_health(settings), _offline_health(settings)]


def _page_key(home: Path) -> str:
    """What a browser must know to be let in: the same at each start, so that an open page outlives a restart of the program."""
    file = home / "page-key"
    if not file.exists():
        write_private(file, secrets.token_urlsafe(24))
    return file.read_text("utf-8").strip()


def _acknowledgement(settings: Settings) -> Path:
    return settings.home / "safe-use.json"


def _key_health(key: Key) -> Health:
    return Health("key", "warning" if key.where == "file" else "ok", key.note)


def _model_health(runtime: Runtime) -> Health:
    try:
        model = runtime.wait_until_loaded(timeout_s=600)
    except RuntimeFailure as error:
        return Health("model", "error", error.message, error.hint)
    where = f"{model.layers_offloaded} of {model.layers} layers on {model.device}" if model.layers_offloaded else "on the processor"
    text = f"{model.name}, {model.quantization}, context {model.context:,} tokens, {where}, loaded in {model.load_s:.1f} s"
    warnings = list(model.warnings)
    if model.demonstration:
        warnings.append("This is the demonstration model, not Med42.")
    detail = {"path": model.path, "sha256": model.sha256, "llama-cpp-python": model.build, "threads": str(model.threads)}
    return Health("model", "warning" if warnings else "ok", text, " ".join(warnings), detail)


def _disk_health(settings: Settings) -> Health:
    free = shutil.disk_usage(settings.home).free
    text = f"{free / 1e9:.1f} GB free for {settings.home}"
    return Health("disk", "ok", text) if free > _LOW_DISK else Health("disk", "warning", text, "Make room: answers may not be saved.")


def _offline_health(settings: Settings) -> Health:
    loopback = settings.host in ("127.0.0.1", "localhost", "::1")
    if loopback:
        return Health("network", "ok", "Nothing is sent anywhere; the page is served to this computer only.")
    return Health(
        "network", "warning", f"The page is served on {settings.host}: others on that network can reach it.", "Use --host 127.0.0.1."
    )
