"""The embedding model: texts become vectors, and texts that mean much the same become vectors that point much the same way.

`Embedder` is what it is to the rest of the program, `LocalEmbedder` the one whose model runs in a process on this computer.
"""

import array
import base64
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from med42_chat.errors import ModelFileError, RuntimeFailure, WorkerDied
from med42_chat.runtime.fingerprint import Fingerprints
from med42_chat.runtime.process import Process
from med42_chat.runtime.wire import Command, Embed, Embedded, Failure, OpenEmbedding

Vector = Sequence[float]

_MODULE = "med42_chat.runtime.embedding"
_PATIENCE_S = 120.0  # for one answer, the loading of a large file included; then the process is taken to hang
_MOST_DEATHS = 3  # in a row, after which it is not started again


class Embedder(Protocol):
    """Every method may be called from any thread."""

    def model(self) -> str:
        """The model file's SHA-256: vectors of different models cannot be compared. Raises RuntimeFailure's kinds."""
        ...

    def embed(self, texts: Sequence[str], question: bool = False, wait_s: float = -1) -> list[Vector]:
        """A vector of length 1 for each text; questions and passages may be read in different ways.

        Waits as long as others need, or `wait_s` seconds for its turn. Raises RuntimeFailure's kinds.
        """
        ...

    def close(self) -> None:
        """Ends it. Closing twice does nothing."""
        ...


class LocalEmbedder:
    """An `Embedder` whose model runs in a child process, which is started when it is first needed.

    `cache` is a folder for what may be lost: the file's hash and the process's log, neither of which holds a word of any text.
    """

    def __init__(self, file: Path, threads: int, cache: Path, patience_s: float = _PATIENCE_S) -> None:
        self._file, self._threads, self._patience_s = file, threads, patience_s
        self._hashes, self._log = Fingerprints(cache / "model-hashes.json"), cache / "embedding.log"
        self._turn = threading.Lock()
        self._process: Process | None = None
        self._error: RuntimeFailure | None = None  # for good: trying again would not mend it
        self._deaths = 0
        self._closed = False

    def model(self) -> str:
        """The file's SHA-256, which is computed once."""
        try:
            return self._hashes.known(self._file) or self._hashes.compute(self._file, lambda done: None)
        except OSError:
            raise ModelFileError(f"The embedding model {self._file.name} is not there.", "Put it back, or choose another one.") from None

    def embed(self, texts: Sequence[str], question: bool = False, wait_s: float = -1) -> list[Vector]:
        """Starts the process where there is none. Raises WorkerDied when it ends over these texts, and RuntimeFailure while it is busy."""
        if not self._turn.acquire(timeout=wait_s):
            raise RuntimeFailure("The embedding model is busy.", "Try again in a moment.")
        try:
            if self._process is None:
                self._start()
            vectors = _vectors(self._ask(Embed(tuple(texts), question)), len(texts))
            self._deaths = 0
            return vectors
        finally:
            self._turn.release()

    def close(self) -> None:
        """Ends the process, in the middle of something too."""
        self._closed = True
        if process := self._process:
            process.end()

    def _start(self) -> None:
        if self._closed or self._deaths >= _MOST_DEATHS:
            self._error = self._error or RuntimeFailure("The embedding model ended too often, or was closed.", "Choose another one.")
        if self._error:
            raise type(self._error)(self._error.message, self._error.hint)
        if not self._file.is_file():
            self.model()  # raises
        self._process = Process(self._log, _MODULE)
        if self._closed:  # meanwhile, by another thread
            self._process.end()
        self._ask(OpenEmbedding(str(self._file), self._threads))

    def _ask(self, command: Command) -> str:
        """With its turn."""
        assert self._process is not None
        hangs = threading.Timer(self._patience_s, self._process.end)
        hangs.daemon = True
        hangs.start()
        try:
            self._process.send(command)
            answer = next(self._process.reports(), None)
        finally:
            hangs.cancel()
        if isinstance(answer, Embedded):
            return answer.vectors
        self._process.end()
        self._process = None
        if isinstance(answer, Failure):
            self._error = answer.error()
            raise answer.error()
        self._deaths += 1
        raise WorkerDied("The embedding model's process ended.", "Search goes on by words alone.")


def _vectors(packed: str, count: int) -> list[Vector]:
    values = array.array("f", base64.b64decode(packed))
    if sys.byteorder == "big":
        values.byteswap()
    size = len(values) // count if count else 0
    return [values[start : start + size] for start in range(0, count * size, size)] if size else []
