"""Everything for a computer that never sees a network, in one folder: the program, its packages as wheels, a model, and what to do.

`make run` in that folder works by itself: start.py finds `wheels/` and asks nobody. The folder grows under another name and gets its own
in one step, so that a kit that is there is a whole one.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

from filelock import FileLock, Timeout

from med42_chat.errors import WeightsError, WrongContent
from med42_chat.settings import PROJECT
from med42_chat.weights import inventory, wheels
from med42_chat.weights.importing import checksum
from med42_chat.weights.inventory import Item
from med42_chat.weights.place import CHECKSUMS, CHECKSUMS_LOCK, check_room, disk_errors, remember
from med42_chat.weights.plan import gigabytes
from med42_chat.weights.progress import Progress

CARD = "wheels/kit.json"  # which computers the kit is for; start.py compares
_SUMS, _README = "SHA256SUMS", "README-KIT.txt"
_NOT_OF_THE_PROCESSOR = frozenset({"LLAMAFILE", "OPENMP", "REPACK", "ACCELERATE", "KLEIDIAI"})  # in llama.cpp's list of features
_PIECE = 4 << 20  # bytes copied at once
_NOT_THE_PROGRAMS = frozenset({"__pycache__", "build", "wheels", "node_modules"})  # folders, where git does not say what belongs to it

_INSTRUCTIONS = """Med42 Chat for a computer without a network
===========================================

In this folder: the program, the packages that it needs (wheels/), and {model}.
Nothing in it asks any network, neither while it is set up nor later.

What the computer needs
    {system} on {processor}, and Python {python} (python3 --version says which one is there).{features}
    About two gigabytes of disk beside this folder, and the memory that the model takes.

What to do there
    1. Copy this folder to the computer's own disk. A stick is slow, and may be unable to hold what is set up.
    2. See that it arrived whole:     sha256sum --check --quiet SHA256SUMS      (macOS: shasum -a 256 -c SHA256SUMS)
    3. Start it, in this folder:      make run      (or: python3 start.py; Windows: double-click start.bat)
    The first start sets the program up, which takes a few minutes. Every later one starts it at once.

{model_lines}

The program's licence is in LICENSE; NOTICE names what it is built on. A model has a licence of its own, which goes where it goes.
Made by Med42 Chat {version}. {count} files, {size}.
"""

_ONLY_DEMONSTRATION = """The model
    Only the demonstration model is here, which knows little and is not Med42. Bring a real one in with the page's 'Models',
    or with: .venv/bin/python -m med42_chat models import FILE"""


@dataclass(frozen=True, slots=True)
class Kit:
    """A finished kit. `model` is its model's title, empty where only the demonstration is in it; sizes in bytes."""

    folder: Path
    model: str
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Contents:
    """What goes into a kit. `program` are paths inside the program's folder."""

    program: tuple[Path, ...]
    packages: Sequence[Distribution]
    model: Item | None

    def size(self) -> int:
        """Bytes at most: wheels are smaller than what is installed."""
        files = sum((PROJECT / path).stat().st_size for path in self.program)
        return files + sum(map(wheels.size, self.packages)) + (self.model.fetched if self.model else 0)


def export(target: Path, model: Item | None, features: Iterable[str], version: str) -> Generator[Progress, None, Kit]:
    """Makes the kit `target`, a folder that is not there yet. `features` are what this llama.cpp uses of the processor.

    Raises WeightsError's kinds and DiskFull; nothing is left under that name then.
    """
    contents = _Contents(program_files(), wheels.needed(wheels.pins((PROJECT / "requirements.txt").read_text("utf-8"))), model)
    total = contents.size()
    with _built(target.absolute()) as place:
        check_room(place, total)
        making = _Making(place, total)
        yield from making.copy(contents.program, PROJECT)
        yield from making.pack(contents.packages)
        making.write(CARD, json.dumps(_card(features), indent=1))
        if model is not None:
            yield from making.bring(model)
        making.write(_README, _readme(contents, making, features, version))
        making.write(_SUMS, "".join(f"{digest}  {name}\n" for name, digest in sorted(making.sums.items())))
    return Kit(target.absolute(), model.title if model else "", len(making.sums), making.size)


@contextmanager
def _built(target: Path) -> Iterator[Path]:
    """A new folder beside `target` that gets its name when all went well, and is removed otherwise."""
    if target.exists() and (not target.is_dir() or target.is_mount() or any(target.iterdir())):
        raise WeightsError(f"{target} is there already.", f"Name a new folder, such as {target / 'med42-kit'}.")
    if target.resolve().is_relative_to(PROJECT):
        raise WeightsError(f"{target} lies in the program's own folder.", "Choose a folder outside of it, such as one on a stick.")
    place = target.with_name(f".{target.name}.unfinished")
    with disk_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(place):
            shutil.rmtree(place, ignore_errors=True)  # what a crash left
            place.mkdir()
            try:
                yield place
                if hasattr(os, "sync"):
                    os.sync()  # a stick may be pulled as soon as the kit has its name; once, for a file at a time takes minutes
                if target.exists():
                    target.rmdir()  # it is empty; Windows renames onto nothing
                place.rename(target)
            finally:
                shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """For one process at a time: two would build one kit out of two halves."""
    lock = FileLock(place.with_name(f"{place.name}.lock"), timeout=0.2, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise WeightsError("This kit is being made at this moment.", "Wait for it, or name another folder.") from error
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):  # another one waits for it
            Path(lock.lock_file).unlink()


class _Making:
    """A kit that grows in `place`. `sums` are the checksums of its files, by name."""

    def __init__(self, place: Path, total: int) -> None:
        self.place = place
        self.sums: dict[str, str] = {}
        self.size = 0  # bytes in it
        self._total = total
        self._done = 0

    def copy(self, paths: Iterable[Path], root: Path) -> Iterator[Progress]:
        """Files of the program."""
        for path in paths:
            yield from self._copied(root / path, path.as_posix())

    def pack(self, packages: Iterable[Distribution]) -> Iterator[Progress]:
        """Packages, as wheels."""
        (self.place / "wheels").mkdir()
        for package in packages:
            file = wheels.pack(package, self.place / "wheels")
            with file.open("rb") as made:
                self.sums[f"wheels/{file.name}"] = hashlib.file_digest(made, "sha256").hexdigest()
            self.size += file.stat().st_size
            self._done += wheels.size(package)
            yield Progress("copying", self._done, self._total, note=f"packing {file.name}")

    def bring(self, model: Item) -> Iterator[Progress]:
        """A model's files, compared with what they must be. Raises WrongContent."""
        for file in model.files:
            name = f"models/{file.name}"
            yield from self._copied(file, name)
            if checksum(file, model.entry) not in ("", self.sums[name]):
                raise WrongContent(f"{file.name} is not what it should be.", "'models check' says more; fetch or import it again.")
        remember(self.place / "models", {file.name: self.sums[f"models/{file.name}"] for file in model.files})
        (self.place / "models" / CHECKSUMS_LOCK).unlink(missing_ok=True)
        note = self.place / "models" / CHECKSUMS
        self.write(f"models/{CHECKSUMS}", note.read_text("utf-8"))

    def write(self, name: str, text: str) -> None:
        """A file of the kit's own."""
        data = text.encode()
        (self.place / name).write_bytes(data)
        self.sums[name] = hashlib.sha256(data).hexdigest()
        self.size += len(data)

    def _copied(self, source: Path, name: str) -> Iterator[Progress]:
        target, digest = self.place / name, hashlib.sha256()
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as old, target.open("wb") as new:
            while data := old.read(_PIECE):
                new.write(data)
                digest.update(data)
                self._done += len(data)
                self.size += len(data)
                yield Progress("copying", self._done, self._total)
        shutil.copymode(source, target)
        self.sums[name] = digest.hexdigest()


def program_files() -> tuple[Path, ...]:
    """What belongs to the program: what git knows of, or, where there is no git, all that was not made here."""
    if not (PROJECT / "start.py").is_file():
        raise WeightsError(f"{PROJECT} is not a whole program: start.py is missing.", "Use the folder that you start Med42 Chat from.")
    found = _tracked() if (PROJECT / ".git").exists() else []
    listed = found or [path.relative_to(PROJECT) for path in _walked(PROJECT)]
    return tuple(sorted(path for path in listed if (PROJECT / path).is_file()))


def _tracked() -> list[Path]:
    command = ["git", "-C", str(PROJECT), "ls-files", "-z"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
    except OSError:
        return []
    return [Path(name) for name in done.stdout.split("\0") if name] if done.returncode == 0 else []


def _walked(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if path.name not in _NOT_THE_PROGRAMS and not path.name.startswith(".") and not (path / CARD).exists():
                yield from _walked(path)
        elif path.name not in (_SUMS, _README, "bench.json") and not (folder == PROJECT / "models" and path.suffix != ".toml"):
            yield path


def _card(features: Iterable[str]) -> dict[str, object]:
    """Which computers the kit is for."""
    python = "{}.{}".format(*sys.version_info)
    return {"python": python, "system": platform.system(), "processor": platform.machine(), "features": _of_the_processor(features)}


def _of_the_processor(features: Iterable[str]) -> list[str]:
    return [name for name in features if name not in _NOT_OF_THE_PROCESSOR]


def _readme(contents: _Contents, making: _Making, features: Iterable[str], version: str) -> str:
    card, names = _card(features), " ".join(_of_the_processor(features))
    return _INSTRUCTIONS.format(
        model=f"the model {contents.model.title}" if contents.model else "the demonstration model",
        system=card["system"],
        processor=card["processor"],
        python=card["python"],
        features=f"\n    A processor that has what llama.cpp was compiled for here: {names}." if names else "",
        model_lines=_model_lines(contents.model, making.sums) if contents.model else _ONLY_DEMONSTRATION,
        version=version,
        count=len(making.sums) + 2,
        size=gigabytes(making.size),
    )


def _model_lines(model: Item, sums: dict[str, str]) -> str:
    entry = model.entry
    origin = (
        f"From {entry.repository}; licence: {entry.family.licence}" if entry else "The catalogue does not know it, nor where it comes from."
    )
    files = (f"models/{file.name}, {file.stat().st_size:,} bytes, SHA-256 {sums[f'models/{file.name}']}" for file in model.files)
    known_there = entry is not None and not entry.own and inventory.may_be_first(entry)
    used = "The program uses it by itself." if known_there else "Choose it there, under 'Models' in the page."
    return "\n    ".join(["The model", model.title, origin, *files, used])
