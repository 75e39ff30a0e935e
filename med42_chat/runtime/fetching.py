"""What is read back of conversations, one after the other on a thread of its own, so that nobody else's answer waits for a disk."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

Fetched = tuple[Sequence[int], bytearray]  # tokens, and the state behind them
Read = Callable[["Fetch"], Fetched | None]


class Fetch:
    """What is kept of one conversation, on its way into memory. For one thread, beside the one that reads."""

    def __init__(self, conversation: str) -> None:
        self.conversation = conversation
        self.progress = 0.0  # 0 to 1
        self._kept: Fetched | None = None
        self._come = threading.Event()
        self._over = threading.Event()  # nobody waits for it, or it was taken

    @property
    def done(self) -> bool:
        """Whether `take` gives what there is; else it is still being read."""
        return self._come.is_set()

    @property
    def over(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._over.is_set()

    def take(self) -> Fetched | None:
        """What has come, once; None where nothing whole was there, or where it was cancelled."""
        kept, self._kept = self._kept, None
        self._over.set()
        return kept

    def cancel(self) -> None:
        """Ends the reading."""
        self._over.set()
        self._come.set()

    def come(self, kept: Fetched | None) -> None:
        """It has been read, and with None to no end."""
        self._kept = None if self.over else kept
        self._come.set()

    def wait_until_over(self) -> None:
        """Until it was taken, or nobody waits for it."""
        self._over.wait()


class Fetching:
    """Reads with `read`, which looks now and then whether its fetch is over. There is memory for one: the next begins when that is over."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._lock = threading.Lock()  # guards what follows
        self._asked: deque[Fetch] = deque()
        self._is_reading = False

    def begin(self, conversation: str) -> Fetch:
        """Has it read as soon as those are over that were asked for before."""
        fetch = Fetch(conversation)
        with self._lock:
            self._asked.append(fetch)
            if not self._is_reading:
                self._is_reading = True
                threading.Thread(target=self._read_all, name="fetching", daemon=True).start()
        return fetch

    def _read_all(self) -> None:
        while (fetch := self._next()) is not None:
            fetch.come(None if fetch.over else self._read(fetch))
            fetch.wait_until_over()

    def _next(self) -> Fetch | None:
        with self._lock:
            self._is_reading = bool(self._asked)
            return self._asked.popleft() if self._asked else None
