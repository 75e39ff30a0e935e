"""What it saves that conversations are kept: the first token of a next question, when one turns to another conversation, after a restart.

Run alone with `python -m tests.bench resume`. It takes some minutes: the 1b shape reads eight conversations of 2,000 tokens from nothing.
"""

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
_QUESTION = 40  # tokens
_SAMPLING = Sampling(max_tokens=16)
_ROUNDS = 4
Prompt = tuple[int, ...]


def measure(model: Path) -> list[Row]:
    """Rows for `model`, a random-weight file with Llama 3's vocabulary."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shelf = Shelf(str(home / "kept"), secrets.token_hex(32), 1 << 33)
        with closing(_runtime(model, home, shelf)) as runtime:
            cold = [_asked(runtime, salt, _prompt(salt, 0)) for salt in range(_CONVERSATIONS)]
            turned = [_asked(runtime, salt, _prompt(salt, 1)) for salt in range(_CONVERSATIONS)]
            last = _CONVERSATIONS - 1
            next_turn = [_asked(runtime, last, _prompt(last, turn)) for turn in range(2, 2 + _ROUNDS)]
            again = [_asked(runtime, last, _prompt(last, 1 + _ROUNDS)) for _ in range(_ROUNDS)]
            edited = [_asked(runtime, last, _prompt(last, 1 + _ROUNDS, edit)) for edit in range(1, 1 + _ROUNDS)]
        with closing(_runtime(model, home, shelf)) as runtime:
            restarted = [_asked(runtime, salt, _prompt(salt, 2)) for salt in range(_CONVERSATIONS)]
    assert all(end.usage.restored_tokens > 0.9 * _LENGTH for end in (*turned, *restarted)), "they were not read back"
    assert all(end.usage.cached_tokens > 0.9 * _LENGTH for end in (*next_turn, *again, *edited)), "they were read anew"
    rows = {
        "the next question": next_turn,
        "the same question again": again,
        "the last question, edited": edited,
        "another of eight conversations": turned,
        "a conversation after a restart": restarted,
    }
    return [_row(what, ends, cold) for what, ends in rows.items()]


def _runtime(model: Path, home: Path, shelf: Shelf) -> LocalRuntime:
    runtime = LocalRuntime(one_way(model, 4096, 2, _PLACES), home / "cache", shelf=shelf)
    runtime.wait_until_loaded()
    return runtime


def _prompt(salt: int, turn: int, edit: int = 0) -> Prompt:
    """The conversation with so many more questions, the last of them in other words."""
    tokens = [(index * 7 + salt) % 250 for index in range(_LENGTH + _QUESTION * turn)]
    if edit:
        tokens[-_QUESTION:] = [token + 250 * edit for token in tokens[-_QUESTION:]]
    return (128000, *tokens)


def _asked(runtime: LocalRuntime, salt: int, prompt: Prompt) -> Finished:
    *_, end = runtime.generate(Request("a", prompt, _SAMPLING, 1, conversation=str(salt)))
    assert isinstance(end, Finished)
    return end


def _row(what: str, ends: list[Finished], cold: list[Finished]) -> Row:
    first, before = (statistics.median(end.timings.first_token_s for end in some) for some in (ends, cold))
    kept = ", read back from encrypted files" if ends[0].usage.restored_tokens else ""
    note = f"{first * 1000:.0f} ms against {before * 1000:.0f}, {_LENGTH:,} tokens{kept}"
    return Row(f"first token: {what} / cold", first / before, "×", 0.05, "<=", note)
