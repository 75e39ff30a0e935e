"""The hub's protocol: what a file is, and its bytes from any place on. The only file that knows huggingface_hub.

huggingface_hub 2.4.0 is used for addresses, metadata, tokens, mirrors (HF_ENDPOINT) and the meaning of errors, but not for the
transfer: its `hf_hub_download` writes to a name of its own for each attempt and deletes that file when the attempt ends, so
nothing could be resumed, and it reports progress to nobody but a terminal. Reading a byte range is a few lines.

Every failure leaves as an error of ours: ConnectionLost where trying again may help, DownloadFailed where it will not.
"""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2  # huggingface_hub's own client; its errors come through unchanged
from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status  # type: ignore[attr-defined]  # lazy re-exports

from med42_chat.errors import ConnectionLost, DownloadFailed, Med42Error, WrongContent
from med42_chat.weights.catalogue import Entry, Part

_TIMEOUT_S = 30.0  # seconds without a single byte after which a connection counts as lost
_LONGEST_WAIT_S = 300.0
_TRANSIENT = frozenset({408, 425, 500, 502, 503, 504})
_AGAIN = "What has come is kept. Try again; the download goes on where it stopped."


class Busy(ConnectionLost):
    """The server asks for patience: `wait_s` seconds."""

    def __init__(self, message: str, hint: str, wait_s: float) -> None:
        super().__init__(message, hint)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Remote:
    """One part as the server describes it. `sha256` is empty where it does not say."""

    url: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Body:
    """What a server sends: bytes from `start` on. `total` is the whole file's size, where it is said."""

    start: int
    total: int | None
    pieces: Iterator[bytes]


class Hub:
    """A hub or a mirror of it. `endpoint` is its address; by default HF_ENDPOINT, or huggingface.co."""

    def __init__(self, endpoint: str | None = None, timeout_s: float = _TIMEOUT_S) -> None:
        self._endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._timeout_s = timeout_s

    def look_up(self, entry: Entry, part: Part) -> Remote:
        """Asks what the file is, without fetching it."""
        url = hf_hub_url(entry.repository, part.name, revision=entry.commit, endpoint=self._endpoint)
        try:
            with self._ours(entry, part):
                found = get_hf_file_metadata(url, timeout=self._timeout_s, endpoint=self._endpoint)
        except ValueError as error:  # from the library's reading of what a server may write as it likes
            raise DownloadFailed(f"{self._endpoint} answers with what no hub says.", "Check HF_ENDPOINT, or try later.") from error
        # A hub names the commit or the checksum. Whoever names neither may be a plain mirror, if at least the size is right.
        named = found.commit_hash or found.etag
        if found.size is None or not (named or found.size == part.size_bytes):
            raise self._no_hub()
        tag = (found.etag or "").lower()
        return Remote(url, found.size, tag if re.fullmatch("[0-9a-f]{64}", tag) else "")  # a small file's tag is a git hash instead

    @contextmanager
    def open(self, entry: Entry, part: Part, remote: Remote, position: int) -> Iterator[Body]:
        """The file's bytes from `position` on, or from an earlier one where the server cannot start there."""
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        if position:
            headers["Range"] = f"bytes={position}-"
        with self._ours(entry, part), get_session().stream("GET", remote.url, headers=headers, timeout=self._timeout_s) as response:
            hf_raise_for_status(response)
            self._check(response)
            start, total = _span(response)
            if start not in (0, position):
                raise ConnectionLost(f"{self._endpoint} sent another part of the file than was asked for.", _AGAIN)
            yield Body(start, total, response.iter_raw())

    def _check(self, response: httpx2.Response) -> None:
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise self._no_hub()
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise DownloadFailed(
                f"{self._endpoint} sends the file packed, and cannot be used.", "A proxy may be doing that: ask who runs it."
            )

    def _no_hub(self) -> Med42Error:
        return WrongContent(
            f"{self._endpoint} answers with a web page instead of the file.",
            "Networks with a sign-in page do that: open a website in a browser, sign in, and try again.",
        )

    @contextmanager
    def _ours(self, entry: Entry, part: Part) -> Iterator[None]:
        """Turns the errors of huggingface_hub and of the network into ours, in this one place."""
        try:
            yield
        except (HfHubHTTPError, EntryNotFoundError) as error:
            raise self._refusal(entry, part, error) from error
        except OfflineModeIsEnabled as error:
            raise DownloadFailed(
                "Downloads are switched off by HF_HUB_OFFLINE.", "Remove that environment variable, or import a file."
            ) from error
        except httpx2.RequestError as error:
            raise self._network(error) from error

    def _refusal(self, entry: Entry, part: Part, error: Exception) -> Med42Error:
        where = f"{self._endpoint}/{entry.repository}"
        if isinstance(error, GatedRepoError):
            return DownloadFailed(
                f"The repository {entry.repository} asks each person to accept its terms first.",
                f"Open {where}, accept the terms, and set HF_TOKEN to a token of your account.",
            )
        if isinstance(error, RevisionNotFoundError):
            return DownloadFailed(f"{where} has no state {entry.commit[:10]} any more.", "The repository was changed: choose another file.")
        if isinstance(error, EntryNotFoundError):
            return DownloadFailed(f"{where} holds no file {part.name}.", "Choose another file, or correct your own catalogue.")
        if isinstance(error, RepositoryNotFoundError):
            return DownloadFailed(
                f"There is no repository {entry.repository} at {self._endpoint}, or it may be seen only after signing in.",
                "Check the name; for a closed repository, set HF_TOKEN to a token of your account.",
            )
        return self._status(error.response) if isinstance(error, HfHubHTTPError) else DownloadFailed(str(error))

    def _status(self, response: httpx2.Response) -> Med42Error:
        code = response.status_code
        if code == 429 or (code == 503 and "Retry-After" in response.headers):
            return Busy(f"{self._endpoint} is asked too often, and wants a pause.", "Try again in some minutes.", _patience(response))
        if code in _TRANSIENT:
            return ConnectionLost(f"{self._endpoint} has a fault at present (status {code}).", _AGAIN)
        if code == 407:
            return _proxy()
        if code in (401, 403):
            return DownloadFailed(f"{self._endpoint} refuses the file (status {code}).", "Set HF_TOKEN to a token that may read it.")
        if code == 416:
            return ConnectionLost(f"{self._endpoint} holds less of the file than is here already.", _AGAIN)
        return DownloadFailed(f"{self._endpoint} answers with status {code}.", "Try later, or choose another file.")

    def _network(self, error: httpx2.RequestError) -> Med42Error:
        if _is_certificate(error):
            return DownloadFailed(
                f"The identity of {self._endpoint} cannot be verified: its certificate is not from an authority known here.",
                "Networks that inspect traffic cause this: ask for the organisation's certificate and set SSL_CERT_FILE to it.",
            )
        if isinstance(error, httpx2.ProxyError):
            return _proxy()
        if isinstance(error, httpx2.UnsupportedProtocol | httpx2.TooManyRedirects):
            return DownloadFailed(f"{self._endpoint} is no usable address.", "Check HF_ENDPOINT.")
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            return ConnectionLost(f"{self._endpoint} cannot be reached.", "Check the network connection. A proxy is set by HTTPS_PROXY.")
        return ConnectionLost(f"The connection to {self._endpoint} was lost.", _AGAIN)


def _span(response: httpx2.Response) -> tuple[int, int | None]:
    """First byte and whole size, from 'Content-Range: bytes 5-9/10' or from the length of a whole file."""
    if response.status_code != 206:
        return 0, _whole(response.headers.get("Content-Length", ""))
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    first, _, last = rest.partition("-")
    total = last.partition("/")[2]
    start = _whole(first) if unit == "bytes" else None
    return (-1, None) if start is None else (start, _whole(total))


def _whole(text: str) -> int | None:
    """A number as a server writes it; None for anything else, such as '²', which Python counts among the digits."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def _patience(response: httpx2.Response) -> float:
    wanted = _whole(response.headers.get("Retry-After", ""))
    return 5.0 if wanted is None else min(float(wanted), _LONGEST_WAIT_S)


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _proxy() -> Med42Error:
    return DownloadFailed(
        "The network's proxy lets nothing through.", "Set HTTPS_PROXY with name and password, or ask who runs the network."
    )
