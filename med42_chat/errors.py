"""Every error that a person meets: what is wrong, and what to do about it.

Med42Error
├── SettingsError
├── InputError           an empty question, one that no context can hold
│   └── UnreadableFile   locked, damaged, too big, not a text
│       └── ScannedFile  pictures of text
├── NotFound             no such conversation, message, model
├── StoreError
│   ├── StoreInUse       another Med42 Chat has this data folder open
│   ├── StoreBusy        the database stayed locked
│   ├── StoreKeyError    wrong key or passphrase
│   ├── StoreCorrupt
│   ├── StoreTooNew      written by a newer version
│   └── DiskFull
├── RuntimeFailure
│   ├── ModelFileError   missing, cut short, not a GGUF
│   ├── ModelTooLarge
│   └── WorkerDied
└── WeightsError         choosing, fetching and importing model files
    ├── CatalogueError   an entry that cannot be used
    ├── DownloadFailed   the file cannot be had
    │   └── ConnectionLost   what came so far is kept, and fetching again goes on from there
    └── WrongContent     what came is not the file that was asked for
"""

import traceback
from pathlib import Path


class Med42Error(Exception):
    """`message` says what is wrong; `hint` says what to do about it. Both are shown as they are."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingsError(Med42Error):
    """A setting has a value that cannot be used."""


class InputError(Med42Error):
    """The question cannot be asked as it is."""


class UnreadableFile(InputError):
    """No text can be had from this file."""


class ScannedFile(UnreadableFile):
    """The file holds pictures of pages and no text layer: only text recognition can read it."""


class NotFound(Med42Error):
    """What was named does not exist."""


class StoreError(Med42Error):
    """The data folder or its database cannot do what was asked."""


class StoreInUse(StoreError):
    """Another Med42 Chat has this data folder open."""


class StoreBusy(StoreError):
    """The database stayed locked by another program."""


class StoreKeyError(StoreError):
    """The key or passphrase does not open this database."""


class StoreCorrupt(StoreError):
    """The database's content is damaged."""


class StoreTooNew(StoreError):
    """The database was written by a newer version of the program."""


class DiskFull(StoreError):
    """No room to write."""


class RuntimeFailure(Med42Error):
    """The model cannot be loaded or cannot answer."""


class ModelFileError(RuntimeFailure):
    """The model file is missing, cut short or not a GGUF."""


class ModelTooLarge(RuntimeFailure):
    """The model does not fit into this computer's memory."""


class WorkerDied(RuntimeFailure):
    """The model's process ended while it was needed."""


class WeightsError(Med42Error):
    """A model file cannot be chosen, fetched, imported or removed."""


class CatalogueError(WeightsError):
    """An entry of the catalogue cannot be used."""


class DownloadFailed(WeightsError):
    """The file cannot be had."""


class ConnectionLost(DownloadFailed):
    """What came so far is kept, and fetching again goes on from there."""


class WrongContent(WeightsError):
    """What came is not the file that was asked for."""


def places(error: BaseException) -> str:
    """Where an unforeseen error happened, innermost first: fit for a log, since its message and values may be a patient's."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    return f"{type(error).__name__} at " + " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
