"""Plans for tests: what to load is known, and this computer is not looked at."""

from collections.abc import Callable
from pathlib import Path

from med42_chat.runtime.protocol import Found, Load


def one_way(model: Path, context: int = 8192, threads: int = 1, parallel: int = 1) -> Callable[[Found], list[Load]]:
    """The only way to load `model`: on the processor."""
    return lambda found: [Load(str(model), context, threads, parallel=parallel)]
