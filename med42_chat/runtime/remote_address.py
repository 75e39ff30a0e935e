"""Where a server is, and whether it may be spoken with at all. Pure; knows nothing of HTTP."""

import ipaddress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from med42_chat.errors import SettingsError
from med42_chat.settings import without_secrets

KEY = "MED42_RUNTIME_KEY"  # the environment's name for the server's key


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is. `url` ends without a slash and without '/v1'; `host` is how a person is told of it.

    `way` is how what is sent there gets there: 'encrypted', 'within this computer', or 'open' to everybody on it.
    """

    url: str
    host: str
    way: Literal["encrypted", "within this computer", "open"]
    key: str = field(default="", repr=False)


def address_of(url: str, key: str = "", insecure: bool = False) -> Address:
    """The server at `url`, as a person writes it, with or without '/v1'. Raises SettingsError.

    Without TLS everybody on the way can read patients' words and the key: that is refused beyond this computer, but for `insecure`.
    """
    try:
        parsed = urlsplit(url)
        host, port = parsed.hostname or "", parsed.port or (443 if parsed.scheme == "https" else 80)
    except ValueError as error:
        raise _no_address(url) from error
    plain = url.isascii() and url.isprintable() and " " not in url
    if parsed.scheme not in ("http", "https") or not host or parsed.query or parsed.fragment or not plain:
        raise _no_address(url)
    if parsed.username or parsed.password:
        raise SettingsError("The address of the server has a name or password in it.", f"Put a key into the environment, as {KEY}.")
    way = _way(parsed.scheme, host)
    if way == "open" and not insecure:
        raise SettingsError(
            f"The server {host} would be spoken with unencrypted: everybody on the way could read patients' words, and the key.",
            "Use https:// (docs/remote.md says how), or --runtime-insecure where the way is protected otherwise, as by a VPN.",
        )
    if not key.isascii() or not key.isprintable():
        raise SettingsError(f"The key in {KEY} has characters that no key has.", "Copy it again, without line breaks.")
    return Address(url.rstrip("/").removesuffix("/v1"), f"[{host}]:{port}" if ":" in host else f"{host}:{port}", way, key)


def _no_address(url: str) -> SettingsError:
    return SettingsError(f"'{without_secrets(url)}' is not the address of a server.", "It looks like https://ward-gpu.example:8000.")


def _way(scheme: str, host: str) -> Literal["encrypted", "within this computer", "open"]:
    if scheme == "https":
        return "encrypted"
    try:
        here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, which may lead anywhere
        here = False
    return "within this computer" if here else "open"
