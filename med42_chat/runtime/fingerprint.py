"""The SHA-256 of model files, computed once per file: gigabytes are not read again at every start."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from med42_chat.runtime.remembered import Remembered

_PIECE = 4 << 20  # bytes read at once


class Fingerprints:
    """Remembers hashes in the JSON file `memory`, by path, size and time of change."""

    def __init__(self, memory: Path) -> None:
        self._memory = Remembered(memory)

    def known(self, path: Path) -> str | None:
        """The hash of `path`, if it is known and the file has not changed since."""
        known = self._memory.get(_identity(path))
        return known if isinstance(known, str) else None

    def compute(self, path: Path, progress: Callable[[float], None]) -> str:
        """Hashes `path`, reporting how far it is (0 to 1), and remembers the result."""
        identity, digest, done = _identity(path), hashlib.sha256(), 0
        size = max(path.stat().st_size, 1)
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                done += len(piece)
                progress(done / size)
        self._memory.note(identity, digest.hexdigest())
        return digest.hexdigest()


def _identity(path: Path) -> str:
    stat = path.stat()
    return f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
