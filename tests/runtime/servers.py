"""OpenAI-compatible servers that do what a test tells them: real HTTP on a real socket, with every fault that a server can have.

Their tokens are bytes, but for the control tokens of Llama 3, which are one number each wherever they stand, as in most tokenisers.
"""

import contextlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MARKS = {
    "<|begin_of_text|>": 1000,
    "<|start_header_id|>": 1001,
    "<|end_header_id|>": 1002,
    "<|eot_id|>": 1003,
    "<|end_of_text|>": 1004,
}
_MARK = re.compile("|".join(map(re.escape, MARKS)))

_QUESTIONS = ("/v1/completions", "/v1/chat/completions")

Step = str | bytes | float | Callable[[], None]  # of a streamed answer: a piece of text, raw bytes, a pause in seconds, anything


def tokens(text: str, special: bool = True) -> list[int]:
    """What these servers' tokeniser makes of a text."""
    if not special:
        return list(text.encode())
    ids: list[int] = []
    for part in re.split(f"({_MARK.pattern})", text):
        ids += [MARKS[part]] if part in MARKS else part.encode()
    return ids


def event(text: str = "", reason: str | None = None, **more: Any) -> bytes:
    """One event of a streamed answer, as text completions and chats have it at once."""
    choice = {"index": 0, "text": text, "delta": {"content": text}, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice], **more}).encode() + b"\n\n"


USAGE = event(usage={"prompt_tokens": 321, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 300}})
DONE = b"data: [DONE]\n\n"


@dataclass
class Scripted:
    """A server of one kind. `steps` make each answer; `statuses` are what paths answer in the place of 200; `seen` is what was asked."""

    kind: str = "vllm"
    models: list[dict[str, Any]] = field(default_factory=list)
    steps: Sequence[Step] = ("Yes", ", it", " is.", event(reason="stop"), USAGE, DONE)
    statuses: dict[str, int] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    raw: dict[str, bytes] = field(default_factory=dict)  # what paths say in the place of what they should
    key: str = ""
    headers: dict[str, str] = field(default_factory=dict)  # more of them, of answers to a question
    body: bytes = b'{"error": {"message": "no\\u0007t now"}}'  # of answers with another status
    seen: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)  # set when a client has closed the connection of an answer
    answering: int = 0
    most_at_once: int = 0
    connections: list[socket.socket] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        vllm = {"id": "m42-health/Llama3-Med42-70B", "owned_by": "vllm", "max_model_len": 8192, "created": 1}
        llama_cpp = {"id": "/srv/med42-v2-8b.gguf", "owned_by": "llamacpp", "meta": {"n_params": 8030261312, "n_ctx": 4096}}
        other = {"id": "some-model", "owned_by": "somebody"}
        self.models = self.models or [{"vllm": vllm, "llama.cpp": llama_cpp}.get(self.kind, other)]

    def asked(self, path: str) -> list[Any]:
        """The bodies of what was asked at a path."""
        return [body for where, _, body in self.seen if where == path]

    def says(self, path: str, body: Any) -> Any:
        """What it answers in one piece; None where it does not have that."""
        if path == "/v1/models":
            return {"object": "list", "data": [{**one, "created": time.time_ns()} for one in self.models]}
        if self.kind == "vllm":
            return self._vllm(path, body)
        if self.kind == "llama.cpp":
            return self._llama_cpp(path, body)
        if self.kind == "llama-cpp-python" and path == "/extras/tokenize/count":
            return {"count": 1 + len(tokens(body["input"]))}
        return None

    def _vllm(self, path: str, body: Any) -> Any:
        if path == "/version":
            return {"version": "0.11.0"}
        if path == "/tokenize":
            assert body["add_special_tokens"] is False
            ids = tokens(body["prompt"])
            return {"tokens": ids, "count": len(ids), "max_model_len": 8192}
        return None

    def _llama_cpp(self, path: str, body: Any) -> Any:
        if path == "/props":
            settings = {"n_ctx": 4096}
            return {
                "default_generation_settings": settings,
                "bos_token": "<|begin_of_text|>",
                "build_info": "b6000-abc",
                "model_ftype": "Q8_0",
            }
        if path == "/tokenize":
            bos = [MARKS["<|begin_of_text|>"]] if body.get("add_special") else []
            return {"tokens": bos + tokens(body["content"], body.get("parse_special", True))}
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer would wait for an acknowledgement that comes late
    scripted: Scripted

    def setup(self) -> None:
        super().setup()
        self.scripted.connections.append(self.connection)

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, body: Any) -> None:
        here = self.scripted
        here.seen.append((self.path, dict(self.headers), body))
        status = here.statuses.get(self.path, 200)
        if here.key and self.headers.get("Authorization") != f"Bearer {here.key}":
            status = 401
        if status == 200 and self.path in _QUESTIONS:
            self._stream()
            return
        said = here.says(self.path, body) if self.path not in here.hidden else None
        if self.path in here.raw:
            self._send(200, here.raw[self.path])
        elif said is None and status == 200:
            self._send(404, here.body)
        else:
            self._send(status, json.dumps(said).encode() if status == 200 else here.body)

    def _send(self, status: int, data: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(self.scripted.headers if self.path in _QUESTIONS else {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self) -> None:
        here = self.scripted
        here.answering += 1
        here.most_at_once = max(here.most_at_once, here.answering)
        self.send_response(200)
        for name, value in {"Content-Type": "text/event-stream; charset=utf-8", **here.headers}.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for step in here.steps:
                self._take(step)
        except OSError:
            here.gone.set()
        finally:
            here.answering -= 1
            self.close_connection = True

    def _take(self, step: Step) -> None:
        if isinstance(step, float):
            self._pause(step)
        elif isinstance(step, str | bytes):
            self.wfile.write(event(step) if isinstance(step, str) else step)
        else:
            step()

    def _pause(self, seconds: float) -> None:
        """Waits, and notices meanwhile when the client has gone, as the real servers do."""
        self.connection.settimeout(0.02)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if not self.connection.recv(1, socket.MSG_PEEK):
                    raise ConnectionResetError
            except TimeoutError:
                continue
            except ssl.SSLError:
                continue
        self.connection.settimeout(None)


@contextmanager
def serving(scripted: Scripted, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Runs the server on a free port, or on `port`; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"scripted": scripted}), bind_and_activate=False)
    server.allow_reuse_address, server.daemon_threads = True, True
    server.server_bind()
    server.server_activate()
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    scripted.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    try:
        yield scripted.url
    finally:
        server.shutdown()
        for connection in scripted.connections:
            with contextlib.suppress(OSError):  # it has been closed by the other side
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()
        thread.join()
