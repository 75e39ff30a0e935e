"""What was found out about model files and would take long to find out again. A lost or damaged memory only costs time."""

import contextlib
import json
from pathlib import Path
from typing import Any

from med42_chat.private import PART, new_private_file


class Remembered:
    """Values of JSON by their keys, in the file `memory`."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory

    def get(self, key: str) -> Any:
        """What was noted under `key`; None where nothing was."""
        return self._read().get(key)

    def note(self, key: str, value: object) -> None:
        """Notes it, in one step, so that a crash leaves what was there. A full disk must not keep a model from loading."""
        entries = json.dumps({**self._read(), key: value})
        part = self._memory.with_name(self._memory.name + PART)
        with contextlib.suppress(OSError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            try:
                new_private_file(part)
                part.write_text(entries)
                part.replace(self._memory)  # not synced before: no loading is to wait for a disk that does not answer
            finally:
                part.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        try:
            entries = json.loads(self._memory.read_bytes())
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}
