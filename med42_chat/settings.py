"""What a person can set, read once: defaults < settings file < environment < command line.

The settings file is `settings.toml` in the data folder; a setting `port` is `port = 7042` there, `MED42_PORT` in the
environment and `--port` on the command line. A value that cannot be used is named together with the place it came from.

The settings dialog changes the file: `changed` gives the settings as they would then be, `edited` the file's new text. What
the command line or the environment has set stays as it is, and `places` says so.
"""

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar

import platformdirs

from med42_chat.errors import SettingsError
from med42_chat.records import Sampling

Number = TypeVar("Number", int, float)

PROJECT = Path(__file__).resolve().parent.parent
ASSETS = PROJECT / "assets"
DEMO_MODEL = PROJECT / "models" / "demo" / "med42-chat-demo.gguf"
DEMONSTRATION = "demonstration"
FILE = "settings.toml"
_LONGEST_AUTHOR = 200  # characters: what fits on the head of a document


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, checked. `threads`, `gpu_layers`, `kv_type` and `parallel` None mean: as many as this computer has, as fits best."""

    home: Path
    places: Mapping[str, str] = field(default_factory=dict)  # of what the command line or the environment has set: which of them
    models: Path = PROJECT / "models"
    model: str = ""  # a file, its name in `models`, or DEMONSTRATION; empty: Med42 where the catalogue's is here, else the demonstration
    runtime: str = ""  # the address of a server that runs the model; empty: it runs on this computer
    runtime_model: str = ""  # its name there, where the server has several
    runtime_insecure: bool = False  # whether a server beyond this computer may be spoken with unencrypted
    embedding: str = ""  # an embedding model's file, or its name in `models`; empty: the library is searched by words alone
    host: str = "127.0.0.1"
    port: int = 7042
    window: str = "app"  # how the page is opened: in a window of its own, in the browser, or not at all
    language: str = "en"
    theme: str = "system"  # these three are where a browser begins that has none of its own
    text_size: int = 100
    contrast: str = "normal"
    author: str = ""  # who exports, for the head of documents
    keyring: bool = True
    passphrase: str | None = field(default=None, repr=False)
    context: int = 8192
    threads: int | None = None
    gpu_layers: int | None = None
    kv_type: Literal["f16", "q8_0"] | None = None
    resume_gb: float = 4.0  # of the disk, for what the model has read of conversations; 0 keeps nothing between two starts
    parallel: int | None = None  # answers that are made at once, where memory allows
    seed: int | None = None
    sampling: Sampling = field(default_factory=Sampling)


def read(command_line: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this start. `command_line` holds only what was given there. Raises SettingsError."""
    outer = _known({name[6:].lower(): value for name, value in environment.items() if name.startswith("MED42_")}, strict=False)
    given = [("command line", dict(command_line)), ("environment", outer)]
    home = next((Path(values["home"]) for _, values in given if values.get("home")), _default_home())
    settings = Settings(home=home.expanduser().resolve())
    places = {name: place for place, values in reversed(given) for name in values}
    for place, values in [(str(home / FILE), file_values(home)), *reversed(given)]:
        for name, text in values.items():
            settings = _with(settings, name, text, place)
    return replace(settings, places=places)


def changed(settings: Settings, changes: Mapping[str, str]) -> Settings:
    """The settings with these values, as text; an empty one is the default again. Raises SettingsError, also for what is set elsewhere."""
    for name, text in changes.items():
        if place := settings.places.get(name):
            raise SettingsError(f"The setting '{name}' was set by the {place} of this start.", "Change it there.")
        settings = _with(settings, name, text, FILE) if text.strip() else _by_default(settings, name)
    return settings


def faults(changes: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with these values: a sentence for each setting that cannot be so."""
    return {name: f"It must be {_PARSERS[name][1]}." for name, text in changes.items() if text.strip() and not _can_be(name, text)}


def edited(text: str, changes: Mapping[str, str]) -> str:
    """The settings file's text with these values, which must be usable; all other lines stay. An empty value takes its line away."""
    old = text.removesuffix("\n").split("\n") if text else []
    lines = [line for line in old if _name_of(line) not in changes]
    added = [f"{name} = {_as_toml(name, value.strip())}" for name, value in changes.items() if value.strip()]
    return "".join(f"{line}\n" for line in [*lines, *added])


def file_values(home: Path) -> dict[str, str]:
    """What the settings file says, as text; nothing where there is no file. Raises SettingsError."""
    path = home / FILE
    try:
        values = tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error}.", "Correct the line, or move the file away.") from error
    if "home" in values:
        raise SettingsError(f"{path} has a setting 'home', but it lies in that folder itself.", "Use --home or MED42_HOME.")
    return _known({name: _as_text(value) for name, value in values.items()}, strict=True, place=str(path))


def named_model(settings: Settings) -> Path | None:
    """The model that a person has named, whether it is there or not: it is never replaced by another. None where none was.

    A bare name means the file in the models folder, wherever the program is started; only where none is there, one of the current folder.
    """
    if settings.model == DEMONSTRATION:
        return DEMO_MODEL
    return _file_named(settings.model, settings.models)


def embedding_model(settings: Settings) -> Path | None:
    """The embedding model that a person has named, whether it is there or not. None where none was."""
    return _file_named(settings.embedding, settings.models)


def model_files(settings: Settings) -> list[Path]:
    """The weights in the models folder, by name. Parts of a split file after the first are not models of their own."""
    return sorted(path for path in settings.models.glob("*.gguf") if not _is_later_part(path.name))


def languages() -> list[str]:
    """The languages that there is a file of words for."""
    return sorted(file.stem for file in (ASSETS / "words").glob("*.toml"))


def is_demonstration(model: Path) -> bool:
    """Whether this file is the embedded model, which must be marked wherever it speaks."""
    return model.resolve() == DEMO_MODEL.resolve()


def _file_named(name: str, models: Path) -> Path | None:
    if not name:
        return None
    asked, listed = Path(name).expanduser(), models / name
    bare = asked.name == name
    return asked.absolute() if asked.is_absolute() or (asked.exists() and not (bare and listed.exists())) else listed


def _is_later_part(name: str) -> bool:
    return "-of-" in name and "-00001-of-" not in name


def _default_home() -> Path:
    return Path(platformdirs.user_data_dir("med42-chat", appauthor=False))


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as_toml(name: str, text: str) -> str:
    value = _PARSERS[name][0](text)
    if isinstance(value, int | float):
        return str(value).lower()
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _name_of(line: str) -> str:
    return line.partition("=")[0].strip().strip("\"'") if "=" in line else ""


def _known(values: Mapping[str, str], strict: bool, place: str = "") -> dict[str, str]:
    """Only our settings. An unknown name in the file is a typing error; in the environment it may be somebody else's."""
    unknown = [name for name in values if name not in _PARSERS]
    if unknown and strict:
        near = get_close_matches(unknown[0], _PARSERS, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"Settings are: {', '.join(sorted(_PARSERS))}."
        raise SettingsError(f"{place} has a setting '{unknown[0]}' that does not exist.", hint)
    return {name: value for name, value in values.items() if name in _PARSERS}


def _with(settings: Settings, name: str, text: str, place: str) -> Settings:
    parse, expected = _PARSERS[name]
    try:
        value = parse(text.strip())
    except ValueError:
        shown = {"runtime": without_secrets(text), "passphrase": "…"}.get(name, text)
        raise SettingsError(f"The setting '{name}' is '{shown}' ({place}).", f"It must be {expected}.") from None
    if name in _SAMPLING:
        return replace(settings, sampling=replace(settings.sampling, **{name: value}))
    return replace(settings, **{name: value})


def _by_default(settings: Settings, name: str) -> Settings:
    fresh = Settings(home=settings.home)
    if name in _SAMPLING:
        return replace(settings, sampling=replace(settings.sampling, **{name: getattr(fresh.sampling, name)}))
    return replace(settings, **{name: getattr(fresh, name)})


def _can_be(name: str, text: str) -> bool:
    try:
        _PARSERS[name][0](text.strip())
    except ValueError:
        return False
    return True


def _path(text: str) -> Path:
    if not text:
        raise ValueError
    return Path(text).expanduser().resolve()


def _whole(low: int, high: int) -> Callable[[str], int]:
    return lambda text: _between(int(text), low, high)


def _number(low: float, high: float) -> Callable[[str], float]:
    return lambda text: _between(float(text), low, high)


def _between(value: Number, low: Number, high: Number) -> Number:
    if not low <= value <= high:  # also refuses NaN, which compares false
        raise ValueError
    return value


def _switch(text: str) -> bool:
    values = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in values:
        raise ValueError
    return values[text.lower()]


def _word(text: str) -> str:
    if "\0" in text:  # no path, address or passphrase has one, and the system's calls refuse it
        raise ValueError
    text.encode()  # bytes that are no text could neither be shown nor written down with an answer
    return text


def _line(text: str) -> str:
    if not text.isprintable() or len(text) > _LONGEST_AUTHOR:
        raise ValueError
    return text


def without_secrets(url: str) -> str:
    """A mistyped address as it may be shown: without what may be a password in front of the host, or a key behind it."""
    shown = url.rpartition("@")[2]
    for mark in "?#":
        shown = shown.partition(mark)[0]
    return f"…@{shown}" if "@" in url else shown


def _server(text: str) -> str:
    if text and not text.startswith(("https://", "http://")):
        raise ValueError
    return _word(text)


def _one_of(*words: str) -> Callable[[str], str]:
    return lambda text: words[words.index(text)]  # ValueError for any other


def _language(text: str) -> str:
    return _one_of(*languages())(text)


_PARSERS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "home": (_path, "a folder"),
    "models": (_path, "a folder"),
    "model": (_word, "a GGUF file, the name of one in the models folder, or 'demonstration'"),
    "runtime": (_server, "the address of a server, such as https://ward-gpu.example:8000"),
    "runtime_model": (_word, "the name of one of the server's models"),
    "runtime_insecure": (_switch, "on or off"),
    "embedding": (_word, "a GGUF file of an embedding model, or the name of one in the models folder"),
    "host": (_word, "an address of this computer, 127.0.0.1 for this computer alone"),
    "port": (_whole(0, 65535), "a whole number from 0 to 65535"),
    "window": (_one_of("app", "browser", "none"), "'app', 'browser' or 'none'"),
    "language": (_language, "the name of a file in assets/words, such as 'en'"),
    "theme": (_one_of("system", "light", "dark"), "'system', 'light' or 'dark'"),
    "text_size": (_whole(90, 150), "a whole number of percent from 90 to 150"),
    "contrast": (_one_of("normal", "high"), "'normal' or 'high'"),
    "author": (_line, f"a name of at most {_LONGEST_AUTHOR} characters on one line"),
    "keyring": (_switch, "on or off"),
    "passphrase": (_word, "text"),
    "context": (_whole(512, 1_048_576), "a whole number of tokens from 512; Med42-v2 was trained on 8192"),
    "threads": (_whole(1, 512), "a whole number from 1 to 512"),
    "gpu_layers": (_whole(0, 10_000), "a whole number; 0 keeps the model off the GPU"),
    "kv_type": (_one_of("f16", "q8_0"), "'f16' or 'q8_0', which takes half the memory"),
    "parallel": (_whole(1, 16), "a whole number of answers from 1 to 16"),
    "resume_gb": (_number(0, 10_000), "a number of gigabytes; 0 keeps nothing"),
    "seed": (_whole(0, 2**32 - 2), "a whole number from 0 to 4294967294"),
    "temperature": (_number(0.0, 2.0), "a number from 0 to 2; Med42's card says 0.4"),
    "top_k": (_whole(0, 200_000), "a whole number; Med42's card says 150"),
    "top_p": (_number(0.0, 1.0), "a number from 0 to 1; Med42's card says 0.75"),
    "min_p": (_number(0.0, 1.0), "a number from 0 to 1; 0 is off"),
    "repeat_penalty": (_number(0.5, 2.0), "a number from 0.5 to 2; 1 is off"),
    "max_tokens": (_whole(16, 65_536), "a whole number of tokens from 16 to 65536"),
}
_SAMPLING = frozenset(one.name for one in fields(Sampling))
