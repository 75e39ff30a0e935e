"""Model files for tests and benchmarks, made once and kept in `.cache/`."""

import os
from pathlib import Path

from tests.shapes import MEDIUM, OF_1B, write_shape
from tests.vocabulary import llama3_vocabulary

_FOLDER = Path(__file__).resolve().parent.parent / ".cache" / "shapes"
_SHAPES = {"100m": MEDIUM, "1b": OF_1B}  # the second takes 0.8 GB


def llama3_shape(name: str = "100m") -> Path:
    """A Llama-3 shape with Llama 3's own vocabulary and random weights: it speaks nonsense, and next to never stops by itself."""
    path = _FOLDER / f"{name}.gguf"
    if not path.exists():
        _FOLDER.mkdir(parents=True, exist_ok=True)
        unfinished = write_shape(path.with_suffix(f".{os.getpid()}"), _SHAPES[name], vocabulary=llama3_vocabulary())
        unfinished.replace(path)
    return path
