"""A model's process to which reading an answer again takes long, as with a large model on a processor."""

import time
from collections.abc import Sequence

from med42_chat.runtime import worker
from med42_chat.runtime.context import Part
from med42_chat.runtime.llama import LlamaContext

_DECODE = LlamaContext.decode


def _slowly(self: LlamaContext, parts: Sequence[Part]) -> bool:
    until = time.monotonic() + 4
    while len(parts[0].tokens) == self.least and time.monotonic() < until and not self._stop.raised:
        time.sleep(0.01)
    return _DECODE(self, parts)


if __name__ == "__main__":
    LlamaContext.decode = _slowly  # type: ignore[method-assign]
    worker.main()
