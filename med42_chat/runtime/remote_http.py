"""One server, spoken with over HTTP: what it is asked, what it answers, and in which words a person hears what went wrong.

No address but the one that was given is ever spoken to: proxies of the environment are not used, redirects not followed. What a server
sends is a stranger's: its length and form are looked at before anything is made of it. The key is sent to it and kept nowhere else.
"""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2

from med42_chat.errors import RuntimeFailure, SettingsError
from med42_chat.runtime.remote_address import KEY, Address

_Value = TypeVar("_Value")

_CONNECT_S = 10.0
_ANSWER_S = 30.0  # for an answer in one piece, of what needs no thinking
_SILENCE_S = 600.0  # without a single byte; a large model that reads a long prompt on a processor is silent for minutes
_MOST_ANSWER = 32 << 20  # bytes of an answer in one piece: the token ids of a long text are the largest
_MOST_LINE = 1 << 20  # bytes of one event
_MOST_WORDS = 300  # characters of a server's own words that are shown
_CLOSE_S = 5.0


class Unreachable(RuntimeFailure):
    """Nothing can be heard of the server, or no more."""


class NotLetIn(RuntimeFailure):
    """The server wants a key, or another one: asking again would be the same."""


class Absent(RuntimeFailure):
    """The server does not have what was asked for: an endpoint, or the model."""


class Garbled(RuntimeFailure):
    """What the server says is not in a form that can be understood."""


class Line:
    """The way to one server: a thread with an event loop, on which everything that is sent and heard runs, so that it can be cut off.

    Every method may be called from any thread but that one.
    """

    def __init__(self, address: Address, silence_s: float = _SILENCE_S) -> None:
        self.address = address
        headers = {"Accept-Encoding": "identity", **({"Authorization": f"Bearer {address.key}"} if address.key else {})}
        timeout = httpx2.Timeout(silence_s, connect=_CONNECT_S)
        # Nothing of the environment but certificates: a proxy named there would read along.
        self._client = httpx2.AsyncClient(headers=headers, timeout=timeout, verify=_trusted(), trust_env=False, follow_redirects=False)
        self._lock, self._closed = threading.Lock(), False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="remote", daemon=True)
        self._thread.start()

    def begin(self, work: Coroutine[Any, Any, _Value]) -> "Future[_Value]":
        """Runs `work` on the line's thread; cancelling what comes back cuts it off. Raises RuntimeFailure where the line is closed."""
        with self._lock:  # what is begun after the end would never be heard of again
            if not self._closed:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise _closing()

    def wait(self, work: Coroutine[Any, Any, _Value]) -> _Value:
        """Runs `work` and waits for it. Raises what it raises, and RuntimeFailure where the line is closed meanwhile."""
        try:
            return self.begin(work).result()
        except CancelledError as error:
            raise _closing() from error

    async def get(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        """What the server answers, as JSON: asked with GET, or with POST where there is a body. Raises RuntimeFailure's kinds."""
        method, url = "GET" if body is None else "POST", self.address.url + path
        # A limit of its own: for the client an answer that comes byte by byte is never late.
        with self._in_words():
            async with asyncio.timeout(_ANSWER_S), self._client.stream(method, url, json=body) as response:
                await self._check(response, path)
                return json.loads(await self._whole(response))

    async def events(self, path: str, body: Mapping[str, object]) -> AsyncGenerator[Any, None]:
        """The events of a streamed answer, as JSON, as they come; ends at the server's '[DONE]'. Raises RuntimeFailure's kinds.

        An answer that breaks off raises Unreachable.
        """
        with self._in_words():
            async with self._client.stream("POST", self.address.url + path, json=body) as response:
                await self._check(response, path)
                if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
                    raise self._garbled()
                async for line in _lines(response.aiter_raw()):
                    name, _, value = line.partition(b":")
                    if name not in (b"data", b"error"):
                        continue  # a comment that keeps the connection open, or a field that is not needed
                    if value.strip() == b"[DONE]":
                        return
                    event = json.loads(value)
                    yield self._sound({"error": event} if name == b"error" else event, path)
        raise _broken_off(self.address.host)

    def close(self) -> None:
        """Cuts everything off and ends the thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        ending.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._loop.stop))
        self._thread.join(_CLOSE_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def _end(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.aclose()

    async def _check(self, response: httpx2.Response, path: str) -> None:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise self._garbled()
        if response.status_code != 200:
            said = _own_words(await self._whole(response))
            raise self.refusal(response.status_code, path, said)

    async def _whole(self, response: httpx2.Response) -> bytes:
        whole = bytearray()
        async for piece in response.aiter_raw():
            whole += piece
            if len(whole) > _MOST_ANSWER:
                raise self._garbled()
        return bytes(whole)

    def _sound(self, event: Any, path: str) -> Any:
        """The event, if it is one. What went wrong in the middle of an answer comes as an event, too."""
        if not isinstance(event, dict):
            raise self._garbled()
        if event.get("error") or event.get("object") == "error":
            code = event["error"].get("code") if isinstance(event.get("error"), dict) else event.get("code")
            raise self.refusal(code if isinstance(code, int) else 500, path, _own_words(json.dumps(event).encode()))
        return event

    def refusal(self, status: int, path: str, said: str) -> RuntimeFailure:
        """What a person is told of a status that is not 200; `said` are the server's own words."""
        host, more = self.address.host, f" It says: {said}" if said else ""
        if status in (401, 403):
            known = "does not accept the key" if self.address.key else "wants a key"
            return NotLetIn(
                f"{host} {known} ({status}).", f"Put the right one into the environment as {KEY}, then start the program again."
            )
        if status in (404, 405, 501):
            return Absent(f"{host} does not have what was asked for, {path} ({status}).{more}", "Check the address, and the model's name.")
        if 300 <= status < 400:
            return Absent(f"{host} sends on to another address, which is not spoken to ({status}).", "Give the final address.")
        if status == 429 or status == 503:
            return RuntimeFailure(f"{host} is busy or still loading ({status}).{more}", "Try again in a moment.")
        if status >= 500:
            return RuntimeFailure(f"{host} has failed ({status}).{more}", "Try again; if it stays so, ask who runs the server.")
        if "context" in said.lower():
            return RuntimeFailure(
                f"The question does not fit into the context of {host}.{more}",
                "Set a smaller context in the settings, as the server has it.",
            )
        return RuntimeFailure(f"{host} refuses the request ({status}).{more}", "Ask who runs the server.")

    def _garbled(self) -> Garbled:
        return Garbled(
            f"{self.address.host} answers with what no such server says.",
            "Check the address: networks with a sign-in page and other kinds of server answer like that.",
        )

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Turns the errors of the network into ours, in this one place."""
        host = self.address.host
        try:
            yield
        except (httpx2.TimeoutException, TimeoutError) as error:
            raise Unreachable(f"{host} does not answer.", "Check that it runs and can be reached from here; then try again.") from error
        except httpx2.ConnectError as error:
            raise _not_connected(host, error) from error
        except httpx2.ProtocolError as error:
            raise _broken_off(host) from error
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise Unreachable(f"The connection to {host} broke.", "Try again; if it happens often, ask who runs the network.") from error
        except (ValueError, RecursionError) as error:  # no JSON, a line without end, bytes that are no text, nested without end
            raise self._garbled() from error


def _trusted() -> ssl.SSLContext:
    """The certificates that this system trusts, or those that SSL_CERT_FILE names. Raises SettingsError."""
    try:
        return httpx2.create_ssl_context()
    except OSError as error:
        raise SettingsError(
            f"The certificates that SSL_CERT_FILE names cannot be read: {error}.", "Correct it, or take it away."
        ) from error


def _closing() -> RuntimeFailure:
    return RuntimeFailure("The program is closing.", "Start it again.")


def _broken_off(host: str) -> Unreachable:
    return Unreachable(f"{host} broke the answer off.", "Ask again; if that happens often, ask who runs the server.")


def _not_connected(host: str, error: httpx2.ConnectError) -> Unreachable:
    causes = list(_causes(error))
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in causes):
        why = next(one.verify_message for one in causes if isinstance(one, ssl.SSLCertVerificationError))
        return Unreachable(
            f"{host} cannot prove that it is the server it says it is ({why}). Nothing was sent to it.",
            "Its certificate must be signed by somebody this computer trusts: ask who runs the server.",
        )
    if any(isinstance(one, ssl.SSLError) for one in causes):
        return Unreachable(f"{host} does not speak TLS. Nothing was sent to it.", "Check the address and the port.")
    if any(isinstance(one, socket.gaierror) for one in causes):
        return Unreachable(f"There is no computer called {host}.", "Check the address, and this computer's network.")
    return Unreachable(f"{host} refuses connections.", "Check that the server runs, and its port; then try again.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or following.__context__


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Whole lines, without their ends. Raises ValueError for one that is too long."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.rstrip(b"\r")
        if len(rest) > _MOST_LINE:
            raise ValueError("a line without end")


def _own_words(body: bytes) -> str:
    """What a server says of an error, short and without anything that is not to be read; empty where it says nothing."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    for name in ("error", "message", "detail"):
        if isinstance(said, dict) and said.get(name):
            said = said[name]
    if not isinstance(said, str):
        return ""
    line = " ".join("".join(one if one.isprintable() else " " for one in said).split())
    return line if len(line) <= _MOST_WORDS else line[: _MOST_WORDS - 1] + "…"
