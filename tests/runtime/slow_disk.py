"""A model's process whose disk takes for ever to say that something is written."""

import os
import time

from med42_chat.runtime import worker


def _never(_file: int) -> None:
    time.sleep(600)


if __name__ == "__main__":
    os.fsync = _never
    worker.main()
