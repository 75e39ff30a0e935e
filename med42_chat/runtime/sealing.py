"""Bytes as an encrypted file that is written and read piece by piece. Knows nothing of what they mean.

The file begins with what it is and 16 random bytes, from which a key of its own is made; then come frames: a length of four bytes and so
much of AES-256-GCM. Each frame's nonce is its number and whether it is the last, and all are bound to the beginning of the file and to
its `label`: what was changed, cut off, put in another order or comes from another file does not open.
"""

import secrets
from collections.abc import Iterable, Iterator
from typing import BinaryIO

_MAGIC = b"MED42KV1"
_SALT = 16  # bytes
_TAG = 16  # bytes that AES-GCM adds
_FRAME = 256 << 10  # bytes in one frame, so few that both ends stay in the processor's cache
_LONGEST = 8 << 20  # bytes that a frame may have: what a damaged length could make us read
_LENGTH = 4  # bytes


class Damaged(ValueError):
    """The file cannot be opened with this key under this label."""


def derived(key: bytes, purpose: bytes, salt: bytes = b"") -> bytes:
    """A key for one purpose, 32 bytes, made of another: neither the other way round nor from purpose to purpose is there a way."""
    # Here and not above, as in the functions below: the library takes a moment to load, which a start that keeps nothing need not pay.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt, purpose).derive(key)


def seal(file: BinaryIO, key: bytes, label: bytes, head: bytes, body: memoryview) -> Iterator[int]:
    """Writes a head, at most 8 MB long, and a body, at least a byte; gives the count of the body's bytes so far. Raises OSError."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    start = _MAGIC + secrets.token_bytes(_SALT)
    cipher, bound = AESGCM(derived(key, b"file", start)), start + label
    file.write(start)
    for number, (piece, done) in enumerate(_pieces(head, body)):
        sealed = cipher.encrypt(_nonce(number, done == len(body)), piece, bound)
        file.write(len(sealed).to_bytes(_LENGTH, "little"))
        file.write(sealed)
        yield done


def opened(file: BinaryIO, key: bytes, label: bytes) -> Iterator[bytes]:
    """The head, then the pieces of the body, each as soon as it has been read and found to be whole. Raises Damaged and OSError."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    start = file.read(len(_MAGIC) + _SALT)
    if len(start) < len(_MAGIC) + _SALT or not start.startswith(_MAGIC):
        raise Damaged("it does not begin as it must")
    cipher, bound = AESGCM(derived(key, b"file", start)), start + label
    sealed, number = _frame(file), 0
    if not sealed:
        raise Damaged("it was cut off")
    while sealed:
        following = _frame(file)
        try:
            yield cipher.decrypt(_nonce(number, not following), sealed, bound)
        except InvalidTag as error:
            raise Damaged("a part of it is not what was written, or none follows where one must") from error
        sealed, number = following, number + 1


def _pieces(head: bytes, body: memoryview) -> Iterable[tuple[bytes | memoryview, int]]:
    """What goes into each frame, and how much of the body has gone in with it."""
    yield head, 0
    for start in range(0, len(body), _FRAME):
        yield body[start : start + _FRAME], min(start + _FRAME, len(body))


def _frame(file: BinaryIO) -> bytes:
    """The next one, sealed; nothing at the end of the file."""
    length = int.from_bytes(prefix := file.read(_LENGTH), "little")
    if not prefix:
        return b""
    if len(prefix) < _LENGTH or not _TAG <= length <= _LONGEST or len(sealed := file.read(length)) < length:
        raise Damaged("it was cut off")
    return sealed


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
