"""The ASGI application: the guard, our own routes (the answers' stream, assets, licences), and Gradio mounted in it.

`build_app` makes it for a port that is known; `serve` finds the port, says where it listens and runs until it is told to end.
"""

import asyncio
import inspect
import json
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import Any, Protocol

import uvicorn
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from med42_chat.errors import Med42Error, SettingsError
from med42_chat.guard import CONVERSATIONS, DOCUMENTS, FILES, Guard, own_names
from med42_chat.pages import Pages
from med42_chat.services import Services
from med42_chat.settings import ASSETS, PROJECT
from med42_chat.ui.intake import Intake
from med42_chat.ui.outlet import Outlet
from med42_chat.weights.download import stay_offline
from med42_chat.words import Words, read_words

_MANIFEST = {
    "name": "Med42 Chat",
    "short_name": "Med42 Chat",
    "start_url": "/",
    "display": "standalone",
    "background_color": "#f4f7f7",
    "theme_color": "#0c6a63",
    "icons": [
        {"src": "/ui/icons/med42.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any"},
        {"src": "/ui/icons/med42-192.png", "sizes": "192x192", "type": "image/png"},
        {"src": "/ui/icons/med42-512.png", "sizes": "512x512", "type": "image/png"},
    ],
}

_POLL_S = 0.125  # eight updates a second: as smooth as reading needs, and cheap
_STILL_HERE_S = 15.0  # a comment in a quiet stream, so that a page that has gone is noticed
_LAST = ("gone", "over")  # after these there is nothing more to see
_PORTS_TRIED = 20


def build_app(services: Services, port: int, is_closing: Callable[[], bool] = lambda: False) -> ASGIApp:
    """The whole application for `port`. Importing Gradio takes a second or two and happens here.

    Open pages' streams end by themselves once `is_closing` says so.
    """
    words = read_words(ASSETS / "words" / f"{services.settings.language}.toml")
    intake = Intake(services, words)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_route("/healthz", _healthz)
    for path, open_view in _views(services, words).items():
        app.add_route(path, _Stream(open_view, is_closing).respond)
    app.add_route("/v1/draft", intake.draft, methods=["POST"])
    app.add_route("/v1/search", intake.search, methods=["POST"])
    app.add_route(FILES, intake.attachment, methods=["POST"])
    app.add_route(DOCUMENTS, intake.document, methods=["POST"])
    app.add_route(CONVERSATIONS, intake.conversation, methods=["POST"])
    app.add_route("/v1/passages", intake.passages, methods=["POST"])
    app.add_route("/v1/backup/{name}", _Backups(services).respond)
    app.add_route("/manifest.json", _manifest)
    app.add_route("/favicon.ico", _icon)
    app.add_route("/licences/{name}", _licence)
    app.router.routes.extend([*Pages(services, words).routes(), *Outlet(services, words).routes()])
    app.mount("/ui", GZipMiddleware(StaticFiles(directory=ASSETS)), name="ui")  # a fifth less to send; no secret in it
    head = _mount_page(app, services, words)
    # The cookie's name holds the port: cookies are shared by all ports of one name.
    return Guard(app, own_names(services.settings.host, port), services.token, f"med42_{port}", head, services.codes)


def serve(services: Services, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serves until interrupted. `ready` gets the address to open, which carries the key, once the page can be read.

    Takes the next free port where `port` is busy. Raises SettingsError if the address is not this computer's or no port is free.
    """
    with listen(host, port) as listening:
        port = int(listening.getsockname()[1])
        app = build_app(services, port, lambda: server.should_exit or services.ended.is_set())
        server = _Server(config(app), services.ended, lambda: ready(f"http://{_shown(host)}:{port}/?k={services.token}"))
        server.run([listening])


def config(app: ASGIApp) -> uvicorn.Config:
    """How uvicorn serves it: no log of who read what, and an end that does not wait for open pages."""
    return uvicorn.Config(app, access_log=False, log_level="error", server_header=False, timeout_graceful_shutdown=2)


class _Server(uvicorn.Server):
    """Says when it has started, and ends when the program is to end."""

    def __init__(self, config: uvicorn.Config, ended: threading.Event, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ended, self._ready = ended, ready

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._ended.is_set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on `port` or the next free one; port 0 takes any."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, port + _PORTS_TRIED) if port else [0]:
        try:
            return socket.create_server((host, candidate), family=family, backlog=128)
        except (OSError, OverflowError) as error:
            last = error
    hint = f"Ports {port} to {port + _PORTS_TRIED - 1} were tried. Choose another with --port, or 127.0.0.1 with --host."
    raise SettingsError(f"The page cannot be served on {host}: {last}.", hint) from last


def _shown(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # only compared
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _mount_page(app: FastAPI, services: Services, words: Words) -> str:
    """Puts Gradio's application under everything of ours; gives what belongs into the page's head."""
    _prepare_gradio(services)
    with _no_stub_files():
        import gradio as gr

    from med42_chat.ui.page import Page
    from med42_chat.ui.theme import head, theme

    gr.mount_gradio_app(
        app,
        Page(services, words).build(),
        path="/",
        theme=theme(),
        footer_links=[],
        run_history=False,  # the default keeps every input in the browser's storage
        enable_monitoring=False,
        show_error=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        max_file_size=1,
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
    )
    settings = services.settings
    looks = {"theme": settings.theme, "text_size": settings.text_size, "contrast": settings.contrast}
    return head(ASSETS, words, looks)


def _prepare_gradio(services: Services) -> None:
    """Gradio reads these when it is imported: nothing is sent anywhere, and what it writes is its owner's alone."""
    folder = services.settings.home / "gradio"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    os.environ |= {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(folder),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    stay_offline()


@contextmanager
def _no_stub_files() -> Iterator[None]:
    """Keeps Gradio from rewriting stub files (.pyi) in its own folder, which takes half of its import.

    It asks `inspect.getfile` where a component lives and leaves it alone on an OSError. Nobody else is answered so.
    """
    getfile = inspect.getfile

    def not_for_stubs(thing: Any) -> str:
        if sys._getframe(1).f_globals.get("__name__") == "gradio.component_meta":
            raise OSError("no stub files")
        return getfile(thing)

    inspect.getfile = not_for_stubs  # type: ignore[assignment]
    try:
        yield
    finally:
        inspect.getfile = getfile


async def _healthz(request: Request) -> Response:
    return JSONResponse({"state": "ok"})


async def _manifest(request: Request) -> Response:
    return JSONResponse(_MANIFEST, media_type="application/manifest+json")


async def _icon(request: Request) -> Response:
    return FileResponse(ASSETS / "icons" / "med42.svg", media_type="image/svg+xml")


async def _licence(request: Request) -> Response:
    # Looked up by name among the files there are: what the address says never becomes a path.
    files = {file.name: file for file in [*(ASSETS / "licences").iterdir(), PROJECT / "NOTICE", PROJECT / "LICENSE"] if file.is_file()}
    file = files.get(request.path_params["name"])
    return FileResponse(file, media_type="text/plain; charset=utf-8") if file else PlainTextResponse("There is no such licence.\n", 404)


class _Backups:
    """Hands out the backups that were made in the page. They are encrypted; only who is let in gets them all the same."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def respond(self, request: Request) -> Response:
        """One backup by its name, among those that there are."""
        files = {file.name: file for file in self._services.backups()}
        file = files.get(request.path_params["name"])
        if file is None:
            return PlainTextResponse("There is no such backup.\n", 404)
        return FileResponse(file, media_type="application/octet-stream", filename=file.name, headers={"Cache-Control": "no-store"})


class _View(Protocol):
    """What one open page sees. Closed when the page goes away."""

    def poll(self) -> list[tuple[str, dict[str, object]]]: ...


OpenView = Callable[[Request], AbstractContextManager[_View]]


def _views(services: Services, words: Words) -> dict[str, OpenView]:
    """What can be followed, by its path: a conversation (perhaps none yet); the library; the models; a speed test, which runs as long."""
    from med42_chat.ui.follow import Follower
    from med42_chat.ui.library_follow import LibraryFollower
    from med42_chat.ui.models_follow import ModelsFollower, SpeedTest

    return {
        "/v1/stream": lambda request: nullcontext(Follower(services, words, request.query_params.get("conversation", ""))),
        "/v1/library": lambda _: nullcontext(LibraryFollower(services, words)),
        "/v1/models": lambda _: nullcontext(ModelsFollower(services, words)),
        "/v1/speed": lambda _: closing(SpeedTest(services, words)),
    }


class _Stream:
    """Tells open pages what changes. One stream for each visible page, and one for what it shows beside its conversation."""

    def __init__(self, open_view: OpenView, is_closing: Callable[[], bool]) -> None:
        self._open_view, self._is_closing = open_view, is_closing

    async def respond(self, request: Request) -> Response:
        """The stream of one view; ends when the page goes away or there is nothing more to see."""
        return StreamingResponse(self._events(request), media_type="text/event-stream")

    async def _events(self, request: Request) -> AsyncIterator[str]:
        with self._open_view(request) as view:
            quiet = 0.0
            while not self._is_closing():
                try:
                    changes = await asyncio.to_thread(view.poll)
                except Med42Error as error:
                    yield _event("trouble", {"message": error.message, "hint": error.hint})
                    return
                for name, data in changes:
                    yield _event(name, data)
                    if name in _LAST:
                        return
                quiet = 0.0 if changes else quiet + _POLL_S
                if quiet >= _STILL_HERE_S:
                    quiet = 0.0
                    yield ": still here\n\n"
                await asyncio.sleep(_POLL_S)


def _event(name: str, data: dict[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
