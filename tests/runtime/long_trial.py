"""A model's process whose trial of how it is best run takes for ever."""

import time

from med42_chat.runtime import worker
from med42_chat.runtime.tuning import Trials


def _for_ever(*_: object) -> None:
    time.sleep(600)


if __name__ == "__main__":
    Trials.tune = _for_ever  # type: ignore[method-assign, assignment]
    worker.main()
