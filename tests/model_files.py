"""Model files for tests and benchmarks, made once and kept in `.cache/`."""

import os
from pathlib import Path
from typing import Literal

from tests.shapes import MEDIUM, write_shape
from tests.vocabulary import llama3_vocabulary

_FOLDER = Path(__file__).resolve().parent.parent / ".cache" / "shapes"


def shape_file(name: Literal["small", "100m"]) -> Path:
    """A Llama-3 shape of about 100 million weights: 'small' with a vocabulary of bytes, '100m' with Llama 3's own."""
    path = _FOLDER / f"{name}.gguf"
    if not path.exists():
        _FOLDER.mkdir(parents=True, exist_ok=True)
        unfinished = write_shape(path.with_suffix(f".{os.getpid()}"), MEDIUM, vocabulary=llama3_vocabulary() if name == "100m" else None)
        unfinished.replace(path)
    return path
