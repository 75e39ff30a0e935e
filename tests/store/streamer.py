"""A program that streams an answer into a store until it is killed; run by the crash tests.

Says the answer's id, then the number of each piece after the store has acknowledged it.
"""

import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from med42_chat.store.database import Store
from tests.store.samples import KEY


def stream(home: Path, say: Callable[[str], None]) -> None:
    """Streams into this data folder for ever."""
    with Store.open(home, KEY) as store:
        conversation = store.conversations.create()
        _, answer = store.conversations.begin(conversation.id, "Why?")
        say(answer.id)
        for number in count():
            store.conversations.append(answer.id, f"{number} ")
            say(str(number))


if __name__ == "__main__":
    stream(Path(sys.argv[1]), lambda words: print(words, flush=True))
