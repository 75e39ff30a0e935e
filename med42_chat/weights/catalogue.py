"""The catalogue of model files: what may be fetched, from where, and how to tell that the right bytes came.

Reads `models/catalogue.toml` and a person's own `catalogue.toml` strictly: whatever cannot be used is named by file, entry and
field. Knows nothing of networks or of this computer.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from med42_chat.errors import CatalogueError, NotFound

_ID = r"[a-z0-9][a-z0-9._-]{0,99}"  # a file is named after it
_REPOSITORY = r"\w[\w.-]*/\w[\w.-]*"
_COMMIT = r"[0-9a-f]{40}|main"
_SHA256 = r"[0-9a-f]{64}"
_PIECE = re.compile(r"(?P<stem>.+)\.part(?P<number>\d+)of(?P<count>\d+)")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # what would steer a terminal, or turn a line around
_MOST_TEXT = 2000  # characters
# Sizes beyond these are mistakes, and plans for them would take for ever or end in an overflow.
_MOST, _MOST_LAYERS, _MOST_BYTES = 10**9, 4096, 10**13
_SPLIT = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


@dataclass(frozen=True, slots=True)
class Score:
    """One published result, as published; scores of different sources cannot be compared."""

    test: str
    value: float
    source: str
    url: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A model's sizes, from which the memory for caches and work follows. `window_layers` of the layers see only `window` tokens back.

    `one_table`: words are chosen with the same table that they are looked up in.
    """

    layers: int
    hidden: int
    feed_forward: int
    kv_heads: int
    head_size: int
    vocabulary: int
    window_layers: int = 0
    window: int = 0
    one_table: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """One model, whatever the quantisation. `template` is 'llama-3', 'med42-v1', or 'model' for the one that the file brings."""

    name: str
    title: str
    maker: str
    licence: str
    licence_url: str
    context: int  # tokens it was trained on
    template: str
    about: str
    shape: Shape
    scores: tuple[Score, ...]
    baseline: str = ""  # family that it was made from, to compare with
    thinks: bool = False  # writes its thoughts before the answer


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a repository. `sha256` is empty where nobody has written it down; `exact` says whether `size_bytes` is to the byte."""

    name: str
    size_bytes: int
    exact: bool
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to fetch, import or remove. Its files are named after its id, since different repositories use the same names."""

    id: str
    family: Family
    quantisation: str
    repository: str
    commit: str
    parts: tuple[Part, ...]
    note: str = ""
    own: bool = False  # from the person's own catalogue

    @property
    def title(self) -> str:
        """Such as 'Med42-v2 8B, Q4_K_M'."""
        return f"{self.family.title}, {self.quantisation}"

    @property
    def size_bytes(self) -> int:
        """Bytes to fetch, all parts together."""
        return sum(part.size_bytes for part in self.parts)

    @property
    def hashed(self) -> bool:
        """Whether the right bytes are known beforehand."""
        return all(part.sha256 for part in self.parts)

    @property
    def pinned(self) -> bool:
        """Whether the same file comes today and next year: by its hash, or at least by the repository's commit."""
        return self.hashed or self.commit != "main"

    @property
    def joined(self) -> bool:
        """Whether the parts are pieces of one file, to be put together."""
        return len(self.parts) > 1 and _PIECE.fullmatch(self.parts[0].name) is not None

    @property
    def file_names(self) -> tuple[str, ...]:
        """The files as they lie in the models folder; the first is the one to load."""
        if len(self.parts) == 1 or self.joined:
            return (f"{self.id}.gguf",)
        count = len(self.parts)
        return tuple(f"{self.id}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1))

    @property
    def caution(self) -> str:
        """What is not certain about the file, in words for the person; empty when its bytes are known."""
        if self.hashed:
            return ""
        if self.pinned:
            return "The catalogue has no checksum for this file: it is checked against what the server says of it."
        return "Nothing pins this file: it is what the repository holds on the day, checked only against what the server says of it."


def read(project_file: Path, own_file: Path | None = None) -> tuple[Entry, ...]:
    """Every entry, the project's first. A missing `own_file` is no error. Raises CatalogueError."""
    tables = _tables(project_file)
    families = _families(project_file, tables, {})
    entries = _entries(project_file, tables, families, own=False)
    if own_file is not None and own_file.exists():
        own = _tables(own_file)
        families |= _families(own_file, own, families, _sources(project_file, tables))
        entries += _entries(own_file, own, families, own=True)
    _check_ids(entries, own_file or project_file)
    return tuple(entries)


def is_split_part(name: str) -> bool:
    """Whether a file of this name is one of several that llama.cpp opens together."""
    return _SPLIT.fullmatch(name) is not None


def find(entries: Sequence[Entry], id: str) -> Entry:
    """The entry of that id. Raises NotFound with the nearest one."""
    for entry in entries:
        if entry.id == id.strip().lower():
            return entry
    near = get_close_matches(id.lower(), [entry.id for entry in entries], n=1, cutoff=0.5)
    hint = f"Did you mean '{near[0]}'?" if near else "'models list' shows what there is."
    raise NotFound(f"The catalogue has no model '{id}'.", hint)


def _tables(file: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise CatalogueError(f"The catalogue {file} cannot be read: {error}.", "Correct the line, or move the file away.") from error
    unknown = [name for name in tables if name not in ("source", "family", "file")]
    if unknown:
        raise CatalogueError(f"The catalogue {file} has a table '{unknown[0]}'.", "Tables are [source.…], [family.…] and [[file]].")
    return tables


class _Fields:
    """One table of a catalogue. Every reading checks; `close` finds what was not read."""

    def __init__(self, file: Path, entry: str, table: object) -> None:
        self.file = file
        self.entry = entry
        if not isinstance(table, dict):
            raise self.wrong("", "is not a table of fields")
        self._left: dict[str, Any] = dict(table)

    def wrong(self, field: str, what: str) -> CatalogueError:
        """The error that names file, entry and field."""
        subject = f"'{field}' " if field else ""
        return CatalogueError(f"In the catalogue {self.file}, {self.entry}: {subject}{what}.", "Correct it there, or remove the entry.")

    def text(self, field: str, default: str | None = None, pattern: str = r".*") -> str:
        value = self._take(field, default)
        if not isinstance(value, str) or not (value or default == ""):
            raise self.wrong(field, "must be text")
        if len(value) > _MOST_TEXT or _CONTROL.search(value):
            raise self.wrong(field, f"is longer than {_MOST_TEXT:,} characters, or holds some that cannot be shown")
        if value and not re.fullmatch(pattern, value, re.DOTALL):
            raise self.wrong(field, f"is '{value}', which is not possible there")
        return value

    def whole(self, field: str, default: int | None = None, most: int = _MOST) -> int:
        value = self._take(field, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0 or (value == 0 and default is None):
            raise self.wrong(field, "must be a whole number above 0")
        if value > most:
            raise self.wrong(field, f"must be at most {most:,}")
        return value

    def number(self, field: str) -> float:
        value = self._take(field, None)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= _MOST:
            raise self.wrong(field, f"must be a number above 0 and at most {_MOST:,}")
        return float(value)

    def switch(self, field: str) -> bool:
        value = self._take(field, False)
        if not isinstance(value, bool):
            raise self.wrong(field, "must be true or false")
        return value

    def tables(self, field: str) -> list[Any]:
        value = self._take(field, None)
        if not isinstance(value, list):
            raise self.wrong(field, "must be a list")
        return value

    def table(self, field: str) -> "_Fields":
        return _Fields(self.file, f"{self.entry}, {field}", self._take(field, None))

    def has(self, field: str) -> bool:
        return field in self._left

    def close(self) -> None:
        """Raises when a field is left that nobody asked for: most often a typing error."""
        if self._left:
            raise self.wrong(next(iter(self._left)), "is not a field that exists here")

    def _take(self, field: str, default: object) -> object:
        if field not in self._left and default is None:
            raise self.wrong(field, "is missing")
        return self._left.pop(field, default)


def _sources(file: Path, tables: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    found = {}
    for name, table in _named(file, tables, "source"):
        fields = _Fields(file, f"source '{name}'", table)
        found[name] = (fields.text("title"), fields.text("url", "", r"https?://\S+"))
        fields.close()
    return found


def _named(file: Path, tables: Mapping[str, Any], kind: str) -> list[tuple[str, Any]]:
    value = tables.get(kind, {})
    if not isinstance(value, dict):
        raise CatalogueError(f"In the catalogue {file}, '{kind}' is no table of tables.", f"Write [{kind}.NAME] above each.")
    return list(value.items())


def _families(
    file: Path, tables: Mapping[str, Any], known: Mapping[str, Family], inherited: Mapping[str, tuple[str, str]] | None = None
) -> dict[str, Family]:
    sources = {**(inherited or {}), **_sources(file, tables)}
    found = {}
    for name, table in _named(file, tables, "family"):
        if name in known:
            raise CatalogueError(f"In the catalogue {file}, the family '{name}' exists already.", "Give yours another name.")
        found[name] = _family(name, _Fields(file, f"family '{name}'", table), sources)
    return found


def _family(name: str, fields: _Fields, sources: Mapping[str, tuple[str, str]]) -> Family:
    family = Family(
        name=name,
        title=fields.text("title"),
        maker=fields.text("maker", ""),
        licence=fields.text("licence"),
        licence_url=fields.text("licence_url", "", r"https?://\S+"),
        context=fields.whole("context"),
        template=fields.text("template", "model", r"llama-3|med42-v1|model"),
        about=fields.text("about", ""),
        shape=_shape(fields.table("shape")),
        scores=tuple(_score(fields, table, sources) for table in (fields.tables("scores") if fields.has("scores") else ())),
        baseline=fields.text("baseline", ""),
        thinks=fields.switch("thinks"),
    )
    fields.close()
    return family


def _shape(fields: _Fields) -> Shape:
    shape = Shape(
        layers=fields.whole("layers", most=_MOST_LAYERS),
        hidden=fields.whole("hidden"),
        feed_forward=fields.whole("feed_forward"),
        kv_heads=fields.whole("kv_heads"),
        head_size=fields.whole("head_size"),
        vocabulary=fields.whole("vocabulary"),
        window_layers=fields.whole("window_layers", 0),
        window=fields.whole("window", 0),
        one_table=fields.switch("one_table"),
    )
    fields.close()
    if shape.window_layers > shape.layers:
        raise fields.wrong("window_layers", "must be at most the number of layers")
    return shape


def _score(family: _Fields, table: object, sources: Mapping[str, tuple[str, str]]) -> Score:
    fields = _Fields(family.file, f"{family.entry}, scores", table)
    test, value, source = fields.text("test"), fields.number("value"), fields.text("source")
    fields.close()
    if source not in sources:
        raise fields.wrong("source", f"names '{source}', and there is no [source.{source}]")
    return Score(test, value, *sources[source])


def _entries(file: Path, tables: Mapping[str, Any], families: Mapping[str, Family], own: bool) -> list[Entry]:
    listed = tables.get("file", [])
    if not isinstance(listed, list):
        raise CatalogueError(f"In the catalogue {file}, 'file' is no list of tables.", "Write [[file]] above each.")
    return [_entry(file, number, table, families, own) for number, table in enumerate(listed, 1)]


def _entry(file: Path, number: int, table: object, families: Mapping[str, Family], own: bool) -> Entry:
    named = table.get("id") if isinstance(table, dict) else None
    fields = _Fields(file, f"file '{named}'" if isinstance(named, str) else f"file number {number}", table)
    id, family = fields.text("id", pattern=_ID), fields.text("family")
    if family not in families:
        raise fields.wrong("family", f"names '{family}', and there is no [family.{family}]")
    entry = Entry(
        id=id,
        family=families[family],
        quantisation=fields.text("quantisation", "unknown"),
        repository=fields.text("repository", pattern=_REPOSITORY),
        commit=fields.text("commit", "main", _COMMIT),
        parts=tuple(_part(fields, table) for table in fields.tables("part")),
        note=fields.text("note", ""),
        own=own,
    )
    fields.close()
    _check_parts(fields, entry)
    return entry


def _part(entry: _Fields, table: object) -> Part:
    fields = _Fields(entry.file, f"{entry.entry}, part", table)
    name, exact = fields.text("name"), fields.has("bytes")
    size = fields.whole("bytes", most=_MOST_BYTES) if exact else round(fields.number("gb") * 1e9)
    part = Part(name, size, exact, fields.text("sha256", "", _SHA256))
    fields.close()
    if not 0 < size <= _MOST_BYTES:
        raise fields.wrong("gb", "is no size that a model file has")
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
        raise fields.wrong("name", f"is '{name}', which is not a path inside the repository")
    return part


def _check_parts(fields: _Fields, entry: Entry) -> None:
    """One file, or all parts of one set, in order."""
    names = [part.name for part in entry.parts]
    if len(names) == 1 and names[0].endswith(".gguf") and not _SPLIT.fullmatch(names[0]):
        return
    for pattern in (_PIECE, _SPLIT):
        found = [match for name in names if (match := pattern.fullmatch(name))]
        numbers = [(int(match["number"]), int(match["count"])) for match in found]
        if found and numbers == [(index, len(names)) for index in range(1, len(names) + 1)] and len({m["stem"] for m in found}) == 1:
            return
    raise fields.wrong("part", "must be one .gguf file, or all the parts of one set in order")


def _check_ids(entries: Sequence[Entry], file: Path) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            raise CatalogueError(f"In the catalogue {file}, the id '{entry.id}' stands twice.", "Give one of them another id.")
        seen.add(entry.id)
    owners: dict[str, str] = {}
    for entry in entries:
        for name in entry.file_names:
            if (owner := owners.setdefault(name, entry.id)) != entry.id:
                raise CatalogueError(
                    f"In the catalogue {file}, '{owner}' and '{entry.id}' would both be the file {name}.", "Give one of them another id."
                )
