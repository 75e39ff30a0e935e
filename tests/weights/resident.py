"""What the worker really holds, against which plans are measured."""

from pathlib import Path

from med42_chat.records import Sampling
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import Request
from tests.children import running
from tests.runtime.ways import one_way
from tests.shapes import Shape

TINY = Shape(256, 2, 4, 2, 512)
OF_100M = Shape(1024, 8, 16, 4, 2816, quantised=True)
OF_8B = Shape(4096, 32, 32, 8, 14336, quantised=True)  # Med42 8B's own


def resident(model: Path, context: int, cache: Path, parallel: int = 1) -> int:
    """Bytes that the worker really holds once a prompt has filled the context."""
    runtime = LocalRuntime(one_way(model, context, 2, parallel), cache)
    try:
        runtime.wait_until_loaded(300)
        list(runtime.generate(Request("1", (128000, *([5] * (context - 2))), Sampling(max_tokens=1), 0)))
        return held_by("med42_chat.runtime.worker")
    finally:
        runtime.close()


def held_by(module: str) -> int:
    """Bytes that our child process which runs `module` holds."""
    (process,) = running(module)
    return process.memory_info().rss
