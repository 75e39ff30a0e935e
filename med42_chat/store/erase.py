"""Deleting everything: the key first, so that whatever a disk keeps of the rest can no longer be read."""

import shutil
import time
from pathlib import Path

from med42_chat.private import PART, cannot_write
from med42_chat.store.connection import DATABASE, RESTORING
from med42_chat.store.keys import destroy_key
from med42_chat.store.lock import FolderLock

# By name, because a data folder may be someone's Documents with other things in it.
_FOLDERS = ("backups", "cache", "gradio", "window")
_DATABASES = tuple(f"{name}{log}" for name in (DATABASE, RESTORING) for log in ("", "-wal", "-shm", "-journal"))
_FILES = (*_DATABASES, *(name + half for name in ("safe-use.json", "page-key", "settings.toml", "references.csl") for half in ("", PART)))
_PATIENCE_S = 2.0  # the window's own browser may still be writing into its profile


def erase(home: Path, use_keyring: bool = True) -> None:
    """Removes everything the program has put into its data folder, and the folder if nothing else is in it.

    The store must be closed. Backups that were saved elsewhere stay; those that need this folder's key cannot be opened any more.
    Raises StoreInUse, with nothing removed, when another program has begun to use the folder; StoreError when something cannot be
    removed, and the key is gone by then.
    """
    try:
        with FolderLock(home):
            destroy_key(home, use_keyring)
            for name in _FILES:
                (home / name).unlink(missing_ok=True)
            for name in _FOLDERS:
                _remove_folder(home / name)
        (home / "lock").unlink(missing_ok=True)
        if not any(home.iterdir()):
            home.rmdir()
    except OSError as error:
        raise cannot_write(home, error) from error


def _remove_folder(folder: Path) -> None:
    """Removes it with what is in it, and with what others put into it meanwhile."""
    until = time.monotonic() + _PATIENCE_S
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
