"""The SHA-256 of model files, computed once per file: gigabytes are not read again at every start."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

_PIECE = 4 << 20  # bytes read at once


class Fingerprints:
    """Remembers hashes in the JSON file `memory`, by path, size and time of change. A lost or damaged memory only costs time."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory

    def known(self, path: Path) -> str | None:
        """The hash of `path`, if it is known and the file has not changed since."""
        return self._read().get(_identity(path))

    def compute(self, path: Path, progress: Callable[[float], None]) -> str:
        """Hashes `path`, reporting how far it is (0 to 1), and remembers the result."""
        identity, digest, done = _identity(path), hashlib.sha256(), 0
        size = max(path.stat().st_size, 1)
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                done += len(piece)
                progress(done / size)
        self._write({**self._read(), identity: digest.hexdigest()})
        return digest.hexdigest()

    def _read(self) -> dict[str, str]:
        try:
            entries = json.loads(self._memory.read_bytes())
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}

    def _write(self, entries: dict[str, str]) -> None:
        """Replaces the memory in one step, so that a crash leaves the old one. A full disk must not keep a model from loading."""
        try:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._memory.parent, delete=False) as file:
                json.dump(entries, file)
            Path(file.name).replace(self._memory)
        except OSError:
            return


def _identity(path: Path) -> str:
    stat = path.stat()
    return f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
