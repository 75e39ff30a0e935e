"""A model's process that reads what is kept from a slow disk: half a second for each piece of a file."""

import time
from typing import BinaryIO

from med42_chat.runtime import sealing, worker

_FRAME = sealing._frame


def _slowly(file: BinaryIO) -> bytes:
    time.sleep(0.5)
    return _FRAME(file)


if __name__ == "__main__":
    sealing._frame = _slowly
    worker.main()
