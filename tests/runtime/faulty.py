"""The model's process as it really is, and what can go wrong with it. Run as `python -m tests.runtime.faulty`.

A signal makes it go wrong while it works, `FAULT` in the environment from the beginning on.
"""

import contextlib
import os
import signal
import time

from med42_chat.runtime import worker
from med42_chat.runtime.protocol import Found, Request
from med42_chat.runtime.scheduler import Events, Scheduler
from med42_chat.runtime.wire import pack

MODULE = "tests.runtime.faulty"
GARBLES, HANGS_UP, CIRCLES, STANDS = signal.SIGUSR1, signal.SIGUSR2, signal.SIGRTMIN, signal.SIGRTMIN + 1
DEADLY = "deadly"  # how the id of a request begins that ends the process
_NO_REPORT = b'{"":"Happened","id":["a"],"event":5}\n'


def main() -> None:
    reports = os.dup(1)

    def garble(*_: object) -> None:
        os.write(reports, _NO_REPORT)

    def hang_up(*_: object) -> None:
        pipe = os.fstat(reports).st_ino
        for number in range(256):
            with contextlib.suppress(OSError):
                if os.fstat(number).st_ino == pipe:
                    os.close(number)

    def circle(*_: object) -> None:
        while True:
            pass

    def stand(*_: object) -> None:
        while True:
            time.sleep(1000)

    for number, handler in ((GARBLES, garble), (HANGS_UP, hang_up), (CIRCLES, circle), (STANDS, stand)):
        signal.signal(number, handler)
    match os.environ.get("FAULT"):
        case "stands":
            stand()
        case "deaf":
            os.close(0)
            os.write(reports, pack(Found()))
            stand()
        case "babbles":
            os.write(reports, b"x" * 1000)
            circle()
    Scheduler.submit = _submit  # type: ignore[method-assign]
    worker.main()


_SUBMIT = Scheduler.submit


def _submit(self: Scheduler, request: Request) -> Events:
    if request.id.startswith(DEADLY):
        os._exit(3)
    return _SUBMIT(self, request)


if __name__ == "__main__":
    main()
