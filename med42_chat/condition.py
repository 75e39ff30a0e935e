"""The condition of this installation: what it has, what is wrong with it, and what to do about it."""

import shutil
import time

from med42_chat import resume
from med42_chat.errors import RuntimeFailure
from med42_chat.loading import server_of
from med42_chat.records import Health, ModelInfo
from med42_chat.runtime.protocol import Runtime, RuntimeStatus
from med42_chat.settings import Settings
from med42_chat.store.database import Store
from med42_chat.store.keys import Key

_LOW_DISK = 1 << 30  # bytes; below this a long day's work or a backup may not fit
_LOOK_EVERY_S = 0.1  # whether the model has answered the test question
_EXAMINATION_S = 30.0  # how long `check` waits for that


def examine(settings: Settings, store: Store, key: Key, runtime: Runtime) -> list[Health]:
    """What this installation has and what is wrong with it, findings about the model among it. Waits for the model to load."""
    return [
        *store.check(),
        _key_health(key),
        *_model_health(runtime),
        resume.health(settings),
        _disk_health(settings),
        _offline_health(settings),
    ]


def glance(settings: Settings, key: Key, status: RuntimeStatus) -> list[Health]:
    """What can be said at once; `examine` looks deeper and takes longer."""
    loading = Health("model", "warning", status.error or "The model is being loaded.", status.hint)
    line = _model_line(status.model) if status.model else loading
    return [line, _key_health(key), _disk_health(settings), _offline_health(settings)]


def _key_health(key: Key) -> Health:
    return Health("key", "warning" if key.where == "file" else "ok", key.note)


def _model_health(runtime: Runtime) -> list[Health]:
    try:
        model = _examined(runtime, runtime.wait_until_loaded(timeout_s=600))
    except RuntimeFailure as error:
        return [Health("model", "error", error.message, error.hint)]
    return [_model_line(model), *model.findings]


def _examined(runtime: Runtime, model: ModelInfo) -> ModelInfo:
    """The model with its last finding, or as it is when that takes too long."""
    end = time.monotonic() + _EXAMINATION_S
    while not model.examined and time.monotonic() < end:
        time.sleep(_LOOK_EVERY_S)
        model = runtime.status().model or model
    return model


def _model_line(model: ModelInfo) -> Health:
    if model.server:
        text = f"{model.name}, context {model.context:,} tokens, on the {model.device}"
        return Health("model", "warning" if model.warnings else "ok", text, " ".join(model.warnings))
    where = f"{model.layers_offloaded} of {model.layers} layers on {model.device}" if model.layers_offloaded else "on the processor"
    text = f"{model.name}, {model.quantization}, context {model.context:,} tokens, {where}, loaded in {model.load_s:.1f} s"
    warnings = [*model.warnings, *model.backed_off]
    if model.demonstration:
        warnings.append("This is the demonstration model, not Med42.")
    detail = {
        "path": model.path,
        "sha256": model.sha256,
        "llama-cpp-python": model.build,
        "threads": str(model.threads),
        "KV cache": model.cache_type,
        "tuning": model.tuning,
    }
    return Health("model", "warning" if warnings else "ok", text, " ".join(warnings), detail)


def _disk_health(settings: Settings) -> Health:
    free = shutil.disk_usage(settings.home).free
    text = f"{free / 1e9:.1f} GB free for {settings.home}"
    return Health("disk", "ok", text) if free > _LOW_DISK else Health("disk", "warning", text, "Make room: answers may not be saved.")


def _offline_health(settings: Settings) -> Health:
    if address := server_of(settings):
        way = "not encrypted" if address.way == "open" else address.way
        text = f"What is asked, attached, pinned, found and opened is sent to {address.host}, {way}; nothing is sent anywhere else."
        return Health("network", "warning", text, "Start the program without --runtime where nothing may leave this computer.")
    loopback = settings.host in ("127.0.0.1", "localhost", "::1")
    if loopback:
        return Health("network", "ok", "Nothing is sent anywhere; the page is served to this computer only.")
    return Health(
        "network", "warning", f"The page is served on {settings.host}: others on that network can reach it.", "Use --host 127.0.0.1."
    )
