"""From settings to an open page: opens the services, serves until told to end, closes everything in order."""

import logging
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import closing, suppress
from types import FrameType
from urllib.parse import urlsplit

from med42_chat.services import Services, open_services
from med42_chat.settings import Settings, is_demonstration
from med42_chat.web import serve
from med42_chat.window import find_browser, open_window


def run(settings: Settings, ask_passphrase: Callable[[], str] | None = None) -> None:
    """Serves the page until Ctrl+C or a plain `kill`. Raises Med42Error if it cannot start."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, _interrupt)
    services = open_services(settings, ask_passphrase)
    with suppress(KeyboardInterrupt), closing(services):
        serve(services, settings.host, settings.port, lambda address: _say_ready(services, address))
    print("Everything was deleted. Closed." if services.erased else "Closed. Everything is saved.")


def _interrupt(number: int, frame: FrameType | None) -> None:
    """A plain `kill` closes things in order, too: answers stored, the model ended, the store closed."""
    raise KeyboardInterrupt


def _say_ready(services: Services, address: str) -> None:
    settings, model = services.settings, services.in_use
    if urlsplit(address).port != settings.port and settings.port:
        print(f"Port {settings.port} is in use; this is the next free one.")
    print(f"Med42 Chat is open at {address}")
    if model is None:
        print(f"  model   on {services.server}: what is asked is sent there")
    else:
        print(f"  model   {model.name}{' (a demonstration, not Med42)' if is_demonstration(model) else ''}")
    print(f"  data    {settings.home}: {services.key.note}")
    if settings.host not in ("127.0.0.1", "localhost", "::1"):
        print(f"  network others can reach it at {settings.host}, unencrypted; the address above is the key to it")
    print("Ctrl+C ends it.", flush=True)
    if settings.window != "none" and _has_screen():
        # A browser's command line can be read by every user of the computer, so the lasting key must not stand on it.
        # A thread, because some browsers return only when they are closed.
        threading.Thread(
            target=_open, args=(settings, lambda: address.replace(services.token, services.one_time_code())), daemon=True
        ).start()


def _open(settings: Settings, address: Callable[[], str]) -> None:
    """Opens the page in a window of its own where that is wished and can be, otherwise in the person's browser."""
    browser = find_browser() if settings.window == "app" else None
    if browser and open_window(browser, address(), settings.home / "window"):
        return
    with suppress(webbrowser.Error):
        webbrowser.open(address())


def _has_screen() -> bool:
    """Without a screen Python would open a text browser inside this terminal."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
