"""A key wrapped by a passphrase: Argon2id makes 32 bytes of the passphrase, AES-GCM wraps the key with them."""

import base64
import secrets
from collections.abc import Mapping
from typing import Any

from med42_chat.errors import StoreKeyError

# Half a second and 64 MiB for each guess on one core of today. Kept beside every wrapped key, so that they can grow later.
_MEMORY_KIB, _ITERATIONS, _LANES = 64 * 1024, 3, 4
# What a damaged or forged file may at most make this computer do.
_MOST_MEMORY_KIB, _MOST_ITERATIONS = 4 * 1024 * 1024, 100

Wrapped = Mapping[str, Any]


def wrap(key: bytes, passphrase: str) -> Wrapped:
    """The key under this passphrase, as JSON-ready fields with everything but the passphrase that `unwrap` needs."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    parameters = {
        "kdf": "argon2id",
        "memory_kib": _MEMORY_KIB,
        "iterations": _ITERATIONS,
        "lanes": _LANES,
        "salt": _text(secrets.token_bytes(16)),
    }
    nonce = secrets.token_bytes(12)
    return {**parameters, "nonce": _text(nonce), "key": _text(AESGCM(_derived(parameters, passphrase)).encrypt(nonce, key, None))}


def unwrap(wrapped: Wrapped, passphrase: str | None) -> bytes:
    """The key. Raises StoreKeyError when the passphrase is missing or wrong, or the fields are damaged."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if not passphrase:
        raise StoreKeyError("This is protected by a passphrase.", "Give the passphrase (MED42_PASSPHRASE, or type it when asked).")
    try:
        nonce, sealed = base64.b64decode(wrapped["nonce"]), base64.b64decode(wrapped["key"])
        return AESGCM(_derived(wrapped, passphrase)).decrypt(nonce, sealed, None)
    except InvalidTag as error:
        raise StoreKeyError("The passphrase is wrong.", "Try again; mind capital letters and the keyboard's language.") from error
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise StoreKeyError("The wrapped key is damaged.", "Put the file key.json back from a copy, or restore a backup.") from error


def _derived(parameters: Wrapped, passphrase: str) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    if (
        parameters["kdf"] != "argon2id"
        or not 8 <= parameters["memory_kib"] <= _MOST_MEMORY_KIB
        or parameters["iterations"] > _MOST_ITERATIONS
    ):
        raise ValueError("unknown key derivation")
    kdf = Argon2id(
        salt=base64.b64decode(parameters["salt"]),
        length=32,
        iterations=parameters["iterations"],
        lanes=parameters["lanes"],
        memory_cost=parameters["memory_kib"],
    )
    return kdf.derive(passphrase.encode())


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
