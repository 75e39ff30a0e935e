"""This account's system keyring, asked with patience that ends: a keyring that fails, hangs or is missing is no keyring."""

import queue
import threading
from collections.abc import Callable

_SERVICE = "med42-chat"


def remember(entry: str, secret: str, patience_s: float) -> bool:
    """Puts the secret under `entry`; True when it could be read back."""

    def put_and_read() -> str | None:
        import keyring

        keyring.set_password(_SERVICE, entry, secret)
        return keyring.get_password(_SERVICE, entry)

    return _patiently(put_and_read, patience_s) == secret


def recall(entry: str, patience_s: float) -> str | None:
    """The secret under `entry`, or None."""

    def read() -> str | None:
        import keyring

        return keyring.get_password(_SERVICE, entry)

    return _patiently(read, patience_s)


def forget(entry: str, patience_s: float) -> None:
    """Removes the entry where that is possible."""

    def remove() -> None:
        import keyring

        keyring.delete_password(_SERVICE, entry)

    _patiently(remove, patience_s)


def _patiently(ask: Callable[[], str | None], patience_s: float) -> str | None:
    """What `ask` gives, or None when it fails or is not done in time. A thread that hangs is left behind; it ends with the program."""
    answers: queue.Queue[str | None] = queue.Queue()

    def run() -> None:
        try:
            answers.put(ask())
        except Exception:  # noqa: BLE001  every desktop's back end fails in its own way (D-Bus, COM, plugins), and all mean the same here
            answers.put(None)

    threading.Thread(target=run, name="keyring", daemon=True).start()
    try:
        return answers.get(timeout=patience_s)
    except queue.Empty:
        return None
