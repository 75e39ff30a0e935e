"""The page in a window of its own: by a browser that this computer has, without the browser's frame.

The window's browser knows nothing of the person's own: its profile is a private folder, it keeps nothing (a profile would hold
drafts in its session files), and its own errands (updates, translation, field statistics) are sent to a proxy that is not there.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

_NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", "microsoft-edge-stable", "brave-browser",
)  # fmt: skip
_MAC = ("Google Chrome", "Microsoft Edge", "Chromium", "Brave Browser")
_WINDOWS = (r"Google\Chrome\Application\chrome.exe", r"Microsoft\Edge\Application\msedge.exe")
_FOLDERS = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
_SETTLED_S = 2.0  # a browser that cannot start says so sooner

_QUIET = (
    "--incognito",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-features=AutofillServerCommunication,OptimizationHints,MediaRouter,Translate",
    "--proxy-server=http://127.0.0.1:9",
)


def find_browser() -> Path | None:
    """A browser that can show a page as a window of its own, if there is one."""
    if sys.platform == "win32":
        places = [Path(os.environ.get(folder, "")) / name for name in _WINDOWS for folder in _FOLDERS]
    elif sys.platform == "darwin":
        places = [Path(f"/Applications/{name}.app/Contents/MacOS/{name}") for name in _MAC]
    else:
        places = [Path(found) for name in _NAMES if (found := shutil.which(name))]
    return next((place for place in places if place.is_file()), None)


def open_window(browser: Path, address: str, profile: Path) -> bool:
    """Opens the page's window; False when the browser ended at once with an error."""
    try:
        profile.mkdir(mode=0o700, exist_ok=True)
        started = subprocess.Popen(
            command(browser, address, profile),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if not name.startswith("MED42_")},  # one of ours is the passphrase
        )
        return started.wait(_SETTLED_S) == 0
    except subprocess.TimeoutExpired:
        return True  # it is still there: this is the window
    except OSError:
        return False


def command(browser: Path, address: str, profile: Path) -> list[str]:
    """The command line. It can be read by every user of the computer: `address` must hold a code that counts once."""
    ours = ";".join({"127.0.0.1", "localhost", urlsplit(address).hostname or ""} - {""})
    return [str(browser), f"--app={address}", f"--user-data-dir={profile}", f"--proxy-bypass-list={ours}", *_QUIET]
