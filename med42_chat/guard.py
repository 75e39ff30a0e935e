"""The outermost layer of the web application: who may talk to it, and what a browser may do with its answers.

A program on loopback is reachable by every web page that the person has open and by every other user of the computer. So:
only our own names as Host (a foreign name that points here is DNS rebinding), no request made by another page, only the
paths that our page needs, and a key that the opened address carries once and a cookie afterwards. What goes out gets a content
security policy under which text from a model can neither run nor load anything.

Knows nothing of Gradio beyond the paths its page asks for, and nothing of conversations.
"""

import hmac
import logging
import re
import secrets
import socket
from collections.abc import Collection

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from med42_chat.errors import places

_log = logging.getLogger(__name__)

LARGEST_BODY = 4 * 1024 * 1024  # bytes; a paste of 200,000 characters is at most 0.8 MB, and JSON may double it
FILES = "/v1/attachment"
DOCUMENTS = "/v1/document"
CONVERSATIONS = "/v1/import"
_MB = 1024 * 1024
LARGEST_FILES = {FILES: 20 * _MB, DOCUMENTS: 200 * _MB, CONVERSATIONS: 64 * _MB}  # bytes; read piece by piece, and only at these doors

# Everything that the page asks for. Gradio's other doors (files by path, proxy, uploads, API page, monitoring …) stay shut.
OPEN_PATHS = re.compile(
    r"/(healthz|v1/.*|ui/.*|licences/.*|theme\.css|favicon\.ico|manifest\.json|assets/.*|static/.*|gradio_api/run/predict/?"
    r"|gradio_api/app_id/?)?"  # asked after a lost connection, until there is an answer
)

# Nothing of anybody's is in these; a browser asks for an application's manifest without its cookies.
OPEN_TO_ALL = ("/healthz", "/ui/css/plain.css", "/manifest.json", "/favicon.ico")

# 'unsafe-eval' is Gradio's: its page compiles component templates and js= handlers, and stays blank without it.
POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; media-src 'none'; connect-src 'self'; worker-src 'self' blob:; frame-src 'none'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()",
}

NOT_KEPT = ("text/html", "application/json", "text/event-stream")

SIGN_IN = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Med42 Chat</title><link rel="stylesheet" href="/ui/css/plain.css">
<main><h1>Open Med42 Chat with its full address</h1>
<p>This page is for the person who started the program. Use the address that it printed when it started: it ends in
<code>?k=…</code> and is needed once per browser session.</p></main></html>"""

ENTER = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Med42 Chat</title>
<meta http-equiv="refresh" content="0;url=/"><p><a href="/">Open Med42 Chat</a></p></html>"""


def own_names(host: str, port: int) -> frozenset[str]:
    """The values of Host that are ours: loopback always, and the name or, for a wildcard, the names the person chose to serve."""
    names = {"127.0.0.1", "localhost", "[::1]"}
    if host in ("0.0.0.0", "::"):  # only compared: the person asked to be reachable from outside
        names |= _names_of_this_computer()
    else:
        names.add(f"[{host}]" if ":" in host else host)
    with_port = {f"{name}:{port}".lower() for name in names}
    return frozenset(with_port | names if port == 80 else with_port)


def _names_of_this_computer() -> set[str]:
    name = socket.gethostname()
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
    except OSError:
        addresses = set()
    return {name, socket.getfqdn()} | {f"[{address}]" if ":" in address else address for address in addresses}


class Guard:
    """Refuses what our own page would not ask; puts the protecting headers on everything else."""

    def __init__(self, app: ASGIApp, names: Collection[str], key: str, cookie: str, head: str = "", codes: set[str] | None = None) -> None:
        """`head` goes into every page's head: what Gradio is given for that is loaded too late and in no order.

        `codes` let somebody in once in the place of the key, and are removed by that.
        """
        self.codes = codes if codes is not None else set()
        self.app = app
        self.names = names
        self.key = key
        self.cookie = cookie
        self.head = head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on, answers itself, or refuses. WebSockets are refused: the page uses none."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            request = Request(scope)
            answer = self._refusal(request) or self._sign_in(request)
            try:
                await (answer or self.app)(_uncompressed(scope), receive, _Outgoing(send, self.head))
            except Exception as error:  # noqa: BLE001
                # The edge. The application has answered; the server would log the error with its message, which may be a patient's words.
                _log.error("a request ended in a fault of the program: %s", places(error))
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("host", "").lower() not in self.names:
            return _refused("This address is not one of Med42 Chat's own.")
        if not self._is_ours(request):
            return _refused("Med42 Chat does not answer other web pages.")
        if not OPEN_PATHS.fullmatch(_path(request)) or not _path(request).isprintable() or request.method not in ("GET", "HEAD", "POST"):
            return _refused("There is nothing at this address.", 404)
        return _too_large(request)

    def _is_ours(self, request: Request) -> bool:
        origin = request.headers.get("origin")
        if origin is not None and origin.lower().removeprefix("http://").removeprefix("https://") not in self.names:
            return False
        from_elsewhere = request.headers.get("sec-fetch-site", "none") in ("cross-site", "same-site")
        is_link = request.method == "GET" and request.headers.get("sec-fetch-mode") == "navigate" and _path(request) == "/"
        return is_link or not from_elsewhere

    def _sign_in(self, request: Request) -> Response | None:
        if _path(request) in OPEN_TO_ALL or _path(request).startswith("/ui/icons/"):
            return None
        if _path(request) == "/" and self._lets_in(request.query_params.get("k", "")):
            return self._enter()
        if self._is_key(request.cookies.get(self.cookie, "")):
            return None
        return HTMLResponse(SIGN_IN, 401)

    def _lets_in(self, given: str) -> bool:
        if given in self.codes:
            self.codes.discard(given)
            return True
        return self._is_key(given)

    def _is_key(self, given: str) -> bool:
        return bool(given) and hmac.compare_digest(given.encode(), self.key.encode())

    def _enter(self) -> Response:
        # Not a redirect: a strict cookie set by a redirect is not sent on when the address was opened from another program's page.
        response = HTMLResponse(ENTER)
        response.set_cookie(self.cookie, self.key, httponly=True, samesite="strict", path="/")
        return response


def _path(request: Request) -> str:
    """The path as the application will see it: `request.url` leaves out line breaks, and what it says would be another address."""
    return str(request.scope["path"])


def _refused(sentence: str, status: int = 403) -> Response:
    return PlainTextResponse(sentence + "\n", status)


def _too_large(request: Request) -> Response | None:
    length = request.headers.get("content-length", "")
    most = LARGEST_FILES.get(_path(request), LARGEST_BODY)
    if request.method != "POST" or (length.isdecimal() and int(length) <= most):
        return None
    return _refused(f"This is more than one request may hold ({most >> 20} MB).", 413)


def _uncompressed(scope: Scope) -> Scope:
    """Takes 'Accept-Encoding' from the request for a page: into a compressed page no nonce can be written."""
    if scope["path"] != "/":
        return scope
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]}


class _Outgoing:
    """One response on its way out. A page (text/html) is held until it is whole, has our head, and its scripts carry the nonce."""

    def __init__(self, send: Send, head: str) -> None:
        self._send = send
        self._head = head.encode() + b"</head>"
        self._nonce = secrets.token_urlsafe(16)
        self._page_start: Message | None = None
        self._page = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._page_start is None:
            await self._send(message)
        else:
            await self._collect(self._page_start, message)

    async def _begin(self, message: Message) -> None:
        headers = MutableHeaders(raw=message["headers"])
        headers.update(HEADERS)
        headers["Content-Security-Policy"] = POLICY.format(nonce=self._nonce)
        content_type = headers.get("content-type", "")
        if content_type.startswith(NOT_KEPT):
            headers["Cache-Control"] = "no-store"
        if content_type.startswith("text/html"):
            self._page_start = message
        else:
            await self._send(message)

    async def _collect(self, start: Message, message: Message) -> None:
        self._page += message.get("body", b"")
        if message.get("more_body"):
            return
        # Safe by pattern: Gradio escapes '<' in the data that it puts into its page, so every match is a real element.
        page = bytes(self._page).replace(b"</head>", self._head, 1)
        page = re.sub(rb"<script(?=[ >])", f'<script nonce="{self._nonce}"'.encode(), page)
        MutableHeaders(raw=start["headers"])["Content-Length"] = str(len(page))
        await self._send(start)
        await self._send({"type": "http.response.body", "body": page})
