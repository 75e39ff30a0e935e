"""What lies in the models folder: finished and unfinished files of the catalogue's entries, and files that no entry knows.

Quick: names and sizes only. Nothing is opened and nothing hashed, except that `model_of` reads a header.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from med42_chat.errors import ModelFileError, NotFound, WeightsError
from med42_chat.gguf import read_header
from med42_chat.settings import PROJECT, Settings, embedding_model, is_demonstration
from med42_chat.weights import plan
from med42_chat.weights.catalogue import Entry
from med42_chat.weights.place import UNFINISHED, discard, disk_errors, forget, installed

CATALOGUE = PROJECT / "models" / "catalogue.toml"
_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf$")
_PART = re.compile(r"-\d{5}(?P<rest>-of-\d{5}\.gguf)$")

State = Literal["here", "unfinished", "absent"]


@dataclass(frozen=True, slots=True)
class Item:
    """One model as far as it is here: an entry of the catalogue, or files that no entry knows, the one to load first.

    `id` is the entry's, or the first file's name. `fetched` counts the bytes that are here, of an unfinished one too.
    """

    id: str
    entry: Entry | None
    files: tuple[Path, ...]
    state: State
    fetched: int

    @property
    def title(self) -> str:
        """The entry's, or the file's name."""
        return self.entry.title if self.entry else self.id

    @property
    def size_bytes(self) -> int:
        """Of the whole model: as it lies here, or as the catalogue says."""
        return self.entry.size_bytes if self.entry and self.state != "here" else self.fetched


def own_catalogue(chosen: Settings) -> Path:
    """Where a person's own entries stand."""
    return chosen.home / "catalogue.toml"


def items(entries: Sequence[Entry], folder: Path) -> list[Item]:
    """Every entry in the catalogue's order, then the unknown files by name. Raises WeightsError for a folder that cannot be read."""
    with disk_errors(folder):
        return [*(of_entry(entry, folder) for entry in entries), *_unknown(entries, folder)]


def find(id: str, entries: Sequence[Entry], folder: Path) -> Item | None:
    """The entry of that id, or the unknown file of that name. Raises WeightsError for a folder that cannot be read."""
    entry = next((entry for entry in entries if entry.id == id), None)
    with disk_errors(folder):
        return of_entry(entry, folder) if entry else next((item for item in _unknown(entries, folder) if item.id == id), None)


def first_choice(entries: Sequence[Entry], folder: Path) -> Item | None:
    """The model to use where nobody has named one: of the catalogue's Med42-v2 files that are here, the one that came last."""
    here = (item for item in items(entries, folder) if item.state == "here" and item.entry and may_be_first(item.entry))
    return max(here, key=lambda item: item.files[0].stat().st_mtime, default=None)


def may_be_first(entry: Entry) -> bool:
    """Whether the program uses this model where nobody has named one."""
    return entry.family.name.startswith(plan.FIRST_CHOICE)


def of_entry(entry: Entry, folder: Path) -> Item:
    """An entry, as far as it is here."""
    files = tuple(folder / name for name in entry.file_names)
    if installed(entry, folder):
        return Item(entry.id, entry, files, "here", _size(files))
    begun = [*(folder / UNFINISHED / entry.id).glob("*.gguf"), *files]
    fetched = _size(begun)  # nothing, where what had come was thrown away
    return Item(entry.id, entry, (), "unfinished" if fetched else "absent", fetched)


def _unknown(entries: Iterable[Entry], folder: Path) -> list[Item]:
    known = {name for entry in entries for name in entry.file_names}
    # Hidden ones are not meant for people: macOS leaves a '._NAME' beside every file on disks that are not its own.
    found = sorted(file for file in folder.glob("[!.]*.gguf") if file.name not in known and file.is_file() and _is_text(file.name))
    return [_of_files(first, found) for first in found if not _LATER_PART.search(first.name)]


def _is_text(name: str) -> bool:
    """Whether a name can be shown and written down: bytes that are no text would take a whole page or list with them."""
    return name.encode(errors="replace").decode() == name


def _of_files(first: Path, found: Sequence[Path]) -> Item:
    """A file with the later parts that belong to it, if it is the first of several."""
    match = _PART.search(first.name)
    stem, rest = (first.name[: match.start()], match["rest"]) if match else (first.name, "")
    files = tuple(file for file in found if file == first or (match and file.name.startswith(stem) and file.name.endswith(rest)))
    return Item(first.name, None, files, "here", _size(files))


def _size(files: Iterable[Path]) -> int:
    total = 0
    for file in files:
        with suppress(FileNotFoundError, NotADirectoryError):  # it may be removed, or get its name, at any moment
            total += file.stat().st_size
    return total


def files_of(name: str, entries: Sequence[Entry], folder: Path) -> tuple[Path, ...]:
    """The files of a model that is here, by its id or a file's name. Raises NotFound; the demonstration model is nobody's to touch."""
    path = Path(name)
    if path.name != name and path.parent.resolve() != folder.resolve():
        raise NotFound(f"{path} does not lie in {folder}.", "'models import' brings it there.")
    item = find(name, entries, folder) or find(path.name, entries, folder)
    if item is None or item.state != "here":
        missing = folder / (item.entry.file_names[0] if item and item.entry else path.name)
        raise NotFound(f"{missing} is not here.", "'models list' shows what there is; 'models get' fetches.")
    if is_demonstration(item.files[0]):
        raise WeightsError("The demonstration model belongs to the program.", "It is not checked or removed from here.")
    return item.files


def remove(name: str, entries: Sequence[Entry], folder: Path) -> int:
    """Removes a model, finished or not; gives the bytes that are free again. Raises NotFound where there is nothing of it."""
    item = find(name, entries, folder)
    if item is None or item.state == "here":
        files = files_of(name, entries, folder)
    elif item.state == "absent":
        raise NotFound(f"Nothing of '{name}' is here.", "'models list' shows what there is.")
    else:
        files = tuple(file for file in (folder / name for name in item.entry.file_names) if file.exists()) if item.entry else ()
    freed = _size(files) + (discard(folder, item.id) if item else 0)
    forget(folder, [file.name for file in files])
    return freed


def set_aside(chosen: Settings) -> int:
    """Bytes of memory for the embedding model, 0 where none was named or its file cannot be used."""
    file = embedding_model(chosen)
    try:
        return plan.beside(read_header(file)) if file else 0
    except ModelFileError:  # `check` and the settings say so
        return 0


def model_of(item: Item, features: Iterable[str]) -> plan.Model:
    """What a plan needs: from the file where it is here, which is exact, else from the catalogue. Raises ModelFileError."""
    if item.state != "here":
        assert item.entry is not None  # only entries are known without being here
        return plan.of_entry(item.entry)
    model = plan.of_header(read_header(item.files[0]), features, item.title, _size(item.files[1:]), item.id)
    if item.entry is None:
        return model
    near = item.entry.family.shape  # a header says how far layers look back in a way of each architecture's own
    return replace(model, shape=replace(model.shape, window_layers=near.window_layers, window=near.window))
