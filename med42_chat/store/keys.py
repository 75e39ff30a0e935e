"""Where the database's key lies: in the system's keyring, in a file of its owner's, or wrapped by a passphrase.

The key itself is 32 random bytes and never changes; a new passphrase only wraps it anew. Beside the database stands one of

    key.json     the key wrapped by a passphrase, with what unwrapping takes            ("passphrase")
    key.entry    the name of the keyring's entry that holds the key                     ("keyring")
    key          the key as hexadecimal text, readable by its owner only                ("file")

When several are there the first of them counts: every change writes the new place before it removes the old ones. A
database whose key is gone never gets a new one: that would lock its content away for good.
"""

import secrets
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from json import dumps, loads
from pathlib import Path
from typing import Literal

from med42_chat.errors import StoreKeyError
from med42_chat.private import PART, cannot_write, make_private_folder, write_private
from med42_chat.store import vault
from med42_chat.store.connection import DATABASE, KEY_BYTES
from med42_chat.store.wrapping import Wrapped, unwrap, wrap

_WRAPPED, _ENTRY, _PLAIN = "key.json", "key.entry", "key"

# Seconds. A keyring may ask its person to be unlocked: a new key need not wait long for that, an existing one has to.
_PATIENCE_FOR_NEW = 10.0
_PATIENCE_FOR_EXISTING = 60.0


@dataclass(frozen=True, slots=True)
class Key:
    """The 32-byte data key, where it lies, and what the person should know about that."""

    data: bytes = field(repr=False)
    where: Literal["keyring", "file", "passphrase"]
    note: str


def load_or_create(home: Path, passphrase: str | None, use_keyring: bool = True) -> Key:
    """The key of this data folder; a new one only where there is neither a key nor a database. The folder must be locked.

    A passphrase given where none protects the key changes nothing: `set_passphrase` does. Raises StoreKeyError when the
    passphrase is wrong or missing, or the key of an existing database is gone.
    """
    _drop_parts(home)
    if (home / _WRAPPED).exists():
        return _in_passphrase(unwrap(_wrapped(home), passphrase))
    if (home / _ENTRY).exists():
        return _from_keyring(home, use_keyring)
    if (home / _PLAIN).exists():
        return _from_file(home)
    database = home / DATABASE
    if database.exists() and database.stat().st_size:
        raise _gone(f"The key of the database in {home} is gone.")
    return _save(home, secrets.token_bytes(KEY_BYTES), passphrase, use_keyring)


def set_passphrase(home: Path, data_key: bytes, passphrase: str | None, use_keyring: bool = True) -> Key:
    """Protects the key by this passphrase from now on, or, with None, puts it back into the keyring or its file."""
    return _save(home, data_key, passphrase, use_keyring)


def destroy_key(home: Path, use_keyring: bool = True) -> None:
    """Removes the key from the folder and the keyring: without it nobody can read the database again, nor any copy of it."""
    entry = _read(home / _ENTRY) if (home / _ENTRY).exists() else None
    _drop_parts(home)
    for name in (_WRAPPED, _ENTRY, _PLAIN):
        (home / name).unlink(missing_ok=True)
    if entry and use_keyring:
        vault.forget(entry, _PATIENCE_FOR_NEW)


def wrapped_key(home: Path) -> Wrapped | None:
    """The key as this folder's passphrase wraps it, fit to travel with a backup; None when no passphrase protects it."""
    return _wrapped(home) if (home / _WRAPPED).exists() else None


def _save(home: Path, data: bytes, passphrase: str | None, use_keyring: bool) -> Key:
    old_entry = _read(home / _ENTRY) if (home / _ENTRY).exists() else None
    try:
        make_private_folder(home)
        key = _put(home, data, passphrase, use_keyring)
    except OSError as error:
        raise cannot_write(home / _PLAIN, error) from error
    if old_entry and use_keyring:
        vault.forget(old_entry, _PATIENCE_FOR_NEW)
    return key


def _put(home: Path, data: bytes, passphrase: str | None, use_keyring: bool) -> Key:
    if passphrase:
        write_private(home / _WRAPPED, dumps(wrap(data, passphrase), indent=1))
        _only(home, _WRAPPED)
        return _in_passphrase(data)
    entry = secrets.token_hex(8)
    if use_keyring and vault.remember(entry, data.hex(), _PATIENCE_FOR_NEW):
        write_private(home / _ENTRY, entry)
        _only(home, _ENTRY)
        return _in_keyring(data)
    write_private(home / _PLAIN, data.hex())
    _only(home, _PLAIN)
    return _in_file(home, data)


def _only(home: Path, kept: str) -> None:
    for name in (_WRAPPED, _ENTRY, _PLAIN):
        if name != kept:
            (home / name).unlink(missing_ok=True)


def _drop_parts(home: Path) -> None:
    """Removes what a program left that was killed while it wrote: it may be the bare key of a folder that a passphrase protects."""
    for name in (_WRAPPED, _ENTRY, _PLAIN):
        with suppress(OSError):
            (home / (name + PART)).unlink()


def _from_keyring(home: Path, use_keyring: bool) -> Key:
    if not use_keyring:
        raise _gone("The key lies in the system's keyring, and the keyring is switched off (MED42_KEYRING).")
    found = vault.recall(_read(home / _ENTRY), _PATIENCE_FOR_EXISTING)
    if found is None:
        raise _gone("The key lies in the system's keyring, which does not give it: it is locked, missing, or another account's.")
    return _in_keyring(_bytes(found, "The keyring's entry is not a key."))


def _from_file(home: Path) -> Key:
    (home / _PLAIN).chmod(0o600)  # a copy put back by hand may be open to all
    return _in_file(home, _bytes(_read(home / _PLAIN), f"The file {home / _PLAIN} does not hold a key."))


def _wrapped(home: Path) -> Wrapped:
    try:
        fields: Wrapped = loads(_read(home / _WRAPPED))
    except ValueError as error:
        raise _gone(f"The file {home / _WRAPPED} is damaged.") from error
    return fields


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise _gone(f"The file {path} cannot be read.") from error


def _bytes(text: str, complaint: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != KEY_BYTES:
        raise _gone(complaint)
    return data


def _gone(message: str) -> StoreKeyError:
    return StoreKeyError(
        message,
        "Put the key back (unlock the keyring, or restore the key's file from a copy), or restore a backup made with a passphrase "
        "into a new folder.",
    )


def _in_passphrase(data: bytes) -> Key:
    return Key(data, "passphrase", "The key is protected by your passphrase. Keep it well: without it nobody can open the conversations.")


def _in_keyring(data: bytes) -> Key:
    return Key(data, "keyring", "The key lies in this computer's keyring, under your account.")


def _in_file(home: Path, data: bytes) -> Key:
    where = f"The key lies in a file that only your account can read ({home / _PLAIN})"
    # The interpreter's own path: the installed command is not on the path of whoever starts with `make run`.
    return Key(data, "file", f"{where}. A passphrase protects it better: {sys.executable} -m med42_chat passphrase")
