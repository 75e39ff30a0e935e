"""A hub on this computer: a real HTTP server that speaks the protocol of huggingface.co, and misbehaves as it is told.

A file's address answers with its commit, size and SHA-256 and sends on to another host, as the real hub does to its storage;
that host gives byte ranges. `faults` are taken one by one by the requests that would otherwise get bytes.
"""

import hashlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

COMMIT = "c" * 40
REPOSITORY = "someone/a-model"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request for bytes, and where in the answer's body.

    `drop` ends the connection, `stall` stops sending, `drip` sends slowly, `flip` changes a byte, `whole` ignores the range,
    `shift` sends another range than asked for, `more` sends too many bytes, `short` announces and sends too few, `page` sends a
    web page, `status` refuses, `pack` says the body is compressed.
    """

    kind: str
    at: int = 0
    status: int = 503
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class State:
    """The hub's files and what it was asked. `refusals`: status and error code for a path, metadata included."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    head_faults: deque[int] = field(default_factory=deque)  # status codes for the first questions about files
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, range
    sent: int = 0
    etags: bool = True
    page: bool = False  # every address gives a web page, as behind a sign-in page
    released: threading.Event = field(default_factory=threading.Event)  # ends every stalling
    endpoint: str = ""
    storage: str = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        state, path = self.server.state, unquote(self.path)
        state.asked.append((self.command, path, self.headers.get("Range", "")))
        if self.command == "HEAD" and state.head_faults:
            self._reply(state.head_faults.popleft(), b"", {})
        elif state.page:
            self._reply(200, b"<html>Please sign in</html>", {"Content-Type": "text/html"})
        elif path in state.refusals:
            status, code = state.refusals[path]
            self._reply(status, b"", {"X-Error-Code": code} if code else {})
        elif path.startswith("/storage"):
            self._send_file(state.files[path.removeprefix("/storage")])
        elif path not in state.files:
            self._reply(404, b"", {"X-Error-Code": "EntryNotFound"})
        else:
            self._send_on(path, state.files[path])

    def _send_on(self, path: str, data: bytes) -> None:
        state = self.server.state
        headers = {"X-Repo-Commit": COMMIT, "Location": f"{state.storage}/storage{self.path}"}
        if not state.etags:  # a plain mirror: no redirect, no word on what the file is
            self._send_file(data)
            return
        headers |= {"X-Linked-Size": str(len(data)), "X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"'}
        self._reply(302, b"", headers)

    def _send_file(self, data: bytes) -> None:
        state = self.server.state
        fault = state.faults.popleft() if state.faults else Fault("")
        if fault.kind == "status":
            self._reply(fault.status, b"", dict(fault.headers))
        elif fault.kind == "page":
            self._reply(200, b"<!doctype html><title>Sign in</title>", {"Content-Type": "text/html; charset=utf-8"})
        else:
            self._send_range(data, fault)

    def _send_range(self, data: bytes, fault: Fault) -> None:
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and fault.kind != "whole" else 0
        if start >= len(data):
            self._reply(416, b"", {})
            return
        first = max(start - 7, 0) if fault.kind == "shift" and start else start
        body = data[first:]
        length = max(len(body) - fault.at, 0) if fault.kind == "short" else len(body) + (9 if fault.kind == "more" else 0)
        partial = bool(asked) and fault.kind != "whole"
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        if fault.kind == "pack":
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self._send_body(body[:length] + b"x" * (length - len(body)), fault)

    def _send_body(self, body: bytes, fault: Fault) -> None:
        at = min(fault.at, len(body) - 1)
        if fault.kind == "flip":
            body = body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]
        if fault.kind in ("drop", "stall"):
            self._write(body[:at])
            if fault.kind == "stall":
                self.server.state.released.wait(120)  # longer than any client waits
            self.close_connection = True
            self.connection.close()
        elif fault.kind == "drip":
            for place in range(0, len(body), max(len(body) // 5, 1)):
                self._write(body[place : place + max(len(body) // 5, 1)])
                time.sleep(0.01)
        else:
            self._write(body)

    def _write(self, data: bytes) -> None:
        if self.command == "HEAD":
            return
        try:
            self.wfile.write(data)
            self.wfile.flush()
            self.server.state.sent += len(data)
        except OSError:
            self.close_connection = True  # whoever asked has gone

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        port = self.server_address[1]
        # Two names for one address, so that sending on leads to another host.
        self.state = State(endpoint=f"http://127.0.0.1:{port}", storage=f"http://localhost:{port}")

    def handle_error(self, *_: Any) -> None:
        """Whoever hangs up in mid-answer is no error of ours."""


@contextmanager
def hub() -> Iterator[State]:
    """A hub that runs until the end of the block."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True)
    thread.start()
    try:
        yield server.state
    finally:
        server.state.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def address(name: str, repository: str = REPOSITORY, commit: str = COMMIT) -> str:
    """The path of a file, as the hub writes it."""
    return f"/{repository}/resolve/{commit}/{name}"
