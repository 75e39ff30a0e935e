"""Going on with a conversation at once: where what the model has read is kept between two starts, and how much of the disk it may take.

It lies in the data folder's cache, encrypted under a key of its own that is made of the store's. Nobody needs it: what is not there the
model reads anew.
"""

from collections.abc import Iterable
from pathlib import Path

from med42_chat.records import Health
from med42_chat.runtime import archive
from med42_chat.runtime.protocol import Shelf
from med42_chat.runtime.sealing import derived
from med42_chat.settings import Settings

_PURPOSE = b"med42-chat: what the model has read of conversations"


def open_shelf(settings: Settings, store_key: bytes, conversations: Iterable[str]) -> Shelf | None:
    """The shelf, with nothing on it of other conversations than these. Empty, and None, where nothing is to be kept."""
    shelf = _shelf(settings, store_key)
    if shelf is None:
        archive.clear(_folder(settings))
    else:
        archive.tidy(shelf, conversations)
    return shelf


def forget(settings: Settings, store_key: bytes, conversation: str) -> None:
    """Removes what is kept of a conversation."""
    if (shelf := _shelf(settings, store_key)) is not None:
        archive.remove(shelf, conversation)


def health(settings: Settings) -> Health:
    """How much is kept."""
    if not settings.resume_gb:
        return Health("resume", "ok", "Nothing of what the model has read is kept between two starts (resume_gb is 0).")
    count, size = archive.held(_folder(settings))
    conversations = "1 conversation" if count == 1 else f"{count} conversations"
    text = f"what the model has read of {conversations} is kept encrypted: {_in_words(size)} of at most {settings.resume_gb:g} GB"
    return Health("resume", "ok", text)


def _in_words(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _shelf(settings: Settings, store_key: bytes) -> Shelf | None:
    if not settings.resume_gb:
        return None
    return Shelf(str(_folder(settings)), derived(store_key, _PURPOSE).hex(), round(settings.resume_gb * 1e9))


def _folder(settings: Settings) -> Path:
    return settings.home / "cache" / "conversations"
