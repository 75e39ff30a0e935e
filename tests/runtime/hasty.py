"""A model's process that keeps everything as soon as there is a moment, on a disk that takes half a second to say that it is written."""

import os
import time

from med42_chat.runtime import strands, worker


def _slowly(_file: int) -> None:
    time.sleep(0.5)


if __name__ == "__main__":
    os.fsync = _slowly
    strands._BYTES_PER_IDLE_S = 1 << 50
    worker.main()
