"""What leaves by the page's doors: a conversation as a document, begun, looked at while it is made, cancelled, and handed out once.

Routes of their own, because a file is no value of a component. No title and no word stands in an address, which might be logged: what is
asked for comes in a body. Nothing of it may stay in the browser but the file that the person saves.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_args
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from med42_chat import styles
from med42_chat.chat import clean
from med42_chat.errors import InputError, Med42Error
from med42_chat.export.sheet import Format, Options
from med42_chat.exporting import ExportState
from med42_chat.records import Message
from med42_chat.services import Services
from med42_chat.ui.intake import UNREAD, problem
from med42_chat.words import Words

_PATIENCE_S = 2.0  # how long a request waits for news; a program that ends does not wait longer for open pages either
_PREVIEW = 140  # characters of a message by which a person knows it
_LONGEST_FIELD = 200  # characters of an author or a patient's reference: one line of the document
_MARKS = re.compile(r"[*`#|>]+")  # Markdown's, which only disturb in a line that recalls a message
_NOT_KEPT = {"Cache-Control": "no-store"}


class _Malformed(Exception):
    """What came is not what a page sends."""


class Outlet:
    """The doors. Those that only wait have a thread of their own for each request, which Starlette sees to."""

    def __init__(self, services: Services, words: Words) -> None:
        self._services, self._words = services, words

    def routes(self) -> list[Route]:
        """The addresses that it answers. What changes something is asked for by POST: no browser does that by itself, or twice."""
        return [
            Route("/v1/export", self.start, methods=["POST"]),
            Route("/v1/export/of/{conversation}", _told(self.choices)),
            Route("/v1/export/{id}", _told(self.state)),
            Route("/v1/export/{id}/cancel", _told(self.cancel), methods=["POST"]),
            Route("/v1/export/{id}/file", _told(self.file), methods=["POST"]),
        ]

    def choices(self, request: Request) -> Response:
        """What a conversation has that can be exported: its title, and the messages of the branch that is shown; and who exports it."""
        store, id = self._services.store.conversations, request.path_params["conversation"]
        title, messages = store.get(id).title, [_recalled(one) for one in store.branch(id)]
        told = {"title": title, "messages": messages, "author": self._services.settings.author}
        return JSONResponse(told, headers=_NOT_KEPT)

    async def start(self, request: Request) -> Response:
        """Begins an export, which is answered with its id."""
        try:
            asked = self._asked(await request.body())
            return JSONResponse({"id": await asyncio.to_thread(self._begin, *asked)}, headers=_NOT_KEPT)
        except (ClientDisconnect, _Malformed):
            return UNREAD
        except Med42Error as error:
            return problem(error)

    def state(self, request: Request) -> Response:
        """How far an export is, as soon as that is no longer what the page has `seen`, or after a while."""
        id = request.path_params["id"]
        return JSONResponse(_shown(self._services.exporting.wait(id, _seen(request), _PATIENCE_S)), headers=_NOT_KEPT)

    def cancel(self, request: Request) -> Response:
        """Ends an export; nothing of it stays."""
        self._services.exporting.cancel(request.path_params["id"])
        return JSONResponse({}, headers=_NOT_KEPT)

    def file(self, request: Request) -> Response:
        """The finished document, once, to be saved and never opened in this page's name."""
        exporting, id = self._services.exporting, request.path_params["id"]
        named = f"attachment; filename*=UTF-8''{quote(exporting.state(id).name, safe='')}"
        headers = {**_NOT_KEPT, "Content-Disposition": named}
        return Response(exporting.take(id), media_type="application/octet-stream", headers=headers)

    def _begin(self, conversation: str, format: Format, options: Options, language: str) -> str:
        """With the style of references that was chosen in the settings."""
        csl = styles.kept(self._services.settings.home)
        return self._services.exporting.start(conversation, format, replace(options, csl=csl), language)

    def _asked(self, body: bytes) -> tuple[str, Format, Options, str]:
        try:
            told = json.loads(body)
            return str(told["conversation"]), self._format(told), options_of(told), self._words.language
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise _Malformed from error

    def _format(self, told: Mapping[str, Any]) -> Format:
        known: tuple[Format, ...] = get_args(Format)
        for one in known:
            if one == told["format"]:
                return one
        raise InputError(self._words("exporting.no_format"), self._words("exporting.no_format_hint", formats=", ".join(known)))


def options_of(told: Mapping[str, Any]) -> Options:
    """What the page sends as its choices."""
    return Options(
        messages=frozenset(str(one) for one in told["messages"]),
        sources=told["sources"] is True,
        evidence=told["evidence"] is True,
        paper="letter" if told["paper"] == "letter" else "a4",
        author=_line(told["author"]),
        patient=_line(told["patient"]),
        attached=told["attached"] is True,
        ascii=told["ascii"] is True,
        password=str(told["password"]),
    )


def _line(typed: object) -> str:
    return " ".join(clean(str(typed)).split())[:_LONGEST_FIELD]


def _recalled(message: Message) -> dict[str, object]:
    """A message as a line by which a person knows it; a question without words by what was attached to it."""
    words = " ".join(_MARKS.sub("", message.text[: 4 * _PREVIEW]).split()) or ", ".join(one.name for one in message.attachments)
    return {"id": message.id, "role": message.role, "words": words[:_PREVIEW]}


def _shown(state: ExportState) -> dict[str, object]:
    return {
        "phase": state.phase,
        "progress": state.progress,
        "name": state.name,
        "size": state.size,
        "message": state.message,
        "hint": state.hint,
        "notes": state.notes,
    }


def _seen(request: Request) -> float:
    """The progress that the page knows of; less than any where it says none."""
    try:
        return float(request.query_params.get("seen", ""))
    except ValueError:
        return -1.0


def _told(answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """What goes wrong is said in words."""

    def respond(request: Request) -> Response:
        try:
            return answer(request)
        except Med42Error as error:
            return problem(error)

    return respond
