"""What it saves that conversations are kept on the disk: the first token after a restart, and when one turns from one to another."""

import secrets
import statistics
import tempfile
from contextlib import closing
from pathlib import Path

from med42_chat.records import Sampling
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import Finished, Request, Shelf
from tests.bench.rows import Row
from tests.runtime.ways import one_way

_LENGTH = 2000  # tokens of each conversation
_CONVERSATIONS = 8
_PLACES = 2  # in the context
_SAMPLING = Sampling(max_tokens=16)
Prompt = tuple[int, ...]


def measure(model: Path) -> list[Row]:
    """Rows for `model`, a random-weight file of the 100m shape."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shelf = Shelf(str(home / "kept"), secrets.token_hex(32), 1 << 33)
        cold = []
        with closing(_runtime(model, home, shelf)) as runtime:
            for salt in range(_CONVERSATIONS):
                end = _asked(runtime, salt, _prompt(salt, 0))
                cold.append(end.timings.first_token_s)
            turns = [_asked(runtime, salt, _prompt(salt, 1)) for salt in range(_CONVERSATIONS)]
        with closing(_runtime(model, home, shelf)) as runtime:
            restarted = [_asked(runtime, salt, _prompt(salt, 2)) for salt in range(_CONVERSATIONS)]
    return [_row("another of eight conversations", turns, cold), _row("a conversation after a restart", restarted, cold)]


def _runtime(model: Path, home: Path, shelf: Shelf) -> LocalRuntime:
    runtime = LocalRuntime(one_way(model, 4096, 2, _PLACES), home / "cache", shelf=shelf)
    runtime.wait_until_loaded()
    return runtime


def _prompt(salt: int, turn: int) -> Prompt:
    """The conversation with so many more questions of 40 tokens."""
    return (128000, *((index * 7 + salt) % 250 for index in range(_LENGTH + 40 * turn)))


def _asked(runtime: LocalRuntime, salt: int, prompt: Prompt) -> Finished:
    *_, end = runtime.generate(Request("a", prompt, _SAMPLING, 1, conversation=str(salt)))
    assert isinstance(end, Finished)
    return end


def _row(what: str, ends: list[Finished], cold: list[float]) -> Row:
    assert all(end.usage.restored_tokens > 0.9 * _LENGTH for end in ends), "they were not read back"
    ratio = statistics.median(end.timings.first_token_s for end in ends) / statistics.median(cold)
    return Row(f"first token: {what} / cold", ratio, "×", 0.10, "<=", f"{_LENGTH:,} tokens each, read back from encrypted files")
