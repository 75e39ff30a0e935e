"""Deleting everything: the key first, so that whatever a disk keeps of the rest can no longer be read."""

import shutil
from pathlib import Path

from med42_chat.store.connection import DATABASE
from med42_chat.store.keys import destroy_key
from med42_chat.store.private import cannot_write

# By name, because a data folder may be someone's Documents with other things in it.
_FOLDERS = ("backups", "cache", "gradio", "incoming", "window")
_FILES = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}.restoring", "safe-use.json", "page-key", "settings.toml", "lock")


def erase(home: Path, use_keyring: bool = True) -> None:
    """Removes everything the program has put into its data folder, and the folder if nothing else is in it.

    The store must be closed. Backups that were saved elsewhere stay; those that need this folder's key cannot be opened any more.
    Raises StoreError when something cannot be removed; the key is gone by then.
    """
    destroy_key(home, use_keyring)
    try:
        for name in _FOLDERS:
            if (home / name).exists():
                shutil.rmtree(home / name)
        for name in _FILES:
            (home / name).unlink(missing_ok=True)
        if not any(home.iterdir()):
            home.rmdir()
    except OSError as error:
        raise cannot_write(home, error) from error
