"""What comes in beside the page's events: drafts and searches as they are typed, and files that are dropped, with a question or into the
library.

Routes of their own, because a browser that closes a page still delivers a small request, because a search has to be answered between
two keys, and because a file that is too large is refused while it comes. Drafts and files are answered with what they mean for the
model: tokens, and what it would not see. No file is ever put on the disk as it came: there it would lie unencrypted.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from med42_chat.chat import clean, cleaned
from med42_chat.errors import InputError, Med42Error, RuntimeFailure
from med42_chat.export import record
from med42_chat.library import documents
from med42_chat.library.read import MOST_BYTES, text_of
from med42_chat.prompt import Question
from med42_chat.records import Attachment, Conversation, Draft, Parent, Turn
from med42_chat.services import Services
from med42_chat.ui import gauges, library_found, view
from med42_chat.ui.conversations import searched
from med42_chat.words import Words

LARGEST_TEXT = 3_500_000  # bytes of what is sent at once, below the guard's limit

_FOUND = 8  # passages that a search in the library shows at most, beside those that would stand before the model

_Told = Mapping[str, Any]
UNREAD = Response(status_code=400)  # to a page that left while it sent, or to what is no page of ours: no fault for the log


class _Malformed(Exception):
    """What came is not what a page sends."""


class _Stale(Exception):
    """The page named an attachment that its draft does not hold any more."""


class Intake:
    """The doors."""

    def __init__(self, services: Services, words: Words) -> None:
        self._services, self._words = services, words

    async def draft(self, request: Request) -> Response:
        """Keeps what is typed, and says what the model would see of the conversation if it were sent now."""
        try:
            told = json.loads(await request.body())
            return JSONResponse(await asyncio.to_thread(self._keep, told))
        except ClientDisconnect:
            return UNREAD
        except _Stale:
            return JSONResponse({"stale": True}, 409)
        except Med42Error as error:
            return problem(error)

    async def search(self, request: Request) -> Response:
        """What stands in titles and messages; the words come in the body, since an address might be logged."""
        try:
            query = str(_fields(_json(await request.body()), "query")[0])
            return JSONResponse(await asyncio.to_thread(searched, self._services.store.conversations, query))
        except (ClientDisconnect, _Malformed):
            return UNREAD
        except Med42Error as error:
            return problem(error)

    async def attachment(self, request: Request) -> Response:
        """The text of a file, whose name stands in a header: in an address it might be logged."""
        name = self._name(request)
        try:
            data = await self._received(request, MOST_BYTES, ("attach.too_large", "attach.too_large_hint"), name=name)
            attachment = await asyncio.to_thread(text_of, data, name)
            return JSONResponse({**asdict(attachment), **await asyncio.to_thread(self._measured, attachment)})
        except ClientDisconnect:
            return UNREAD
        except Med42Error as error:
            return problem(error)

    async def document(self, request: Request) -> Response:
        """A file for the library, which is kept and read when its turn comes; the collections it goes into stand in a header, too."""
        name, services = self._name(request), self._services
        try:
            collections = _names(_json(unquote(request.headers.get("x-collections", "[]"))))
            too_large = ("library.too_large", "library.too_large_hint")
            data = await self._received(request, documents.MOST_BYTES, too_large, name=name, n=documents.MOST_BYTES // 1_000_000)
            return JSONResponse({"id": await asyncio.to_thread(services.adding.take, name, bytes(data), collections)})
        except (ClientDisconnect, _Malformed):
            return UNREAD
        except Med42Error as error:
            return problem(error)

    async def conversation(self, request: Request) -> Response:
        """A conversation that was exported as JSON; answered with what it is here, and whether it was here already."""
        try:
            too_large, most = ("importing.too_large", "importing.too_large_hint"), record.MOST_BYTES
            data = await self._received(request, most, too_large, name=self._name(request), n=most // 1_000_000)
            restored = await asyncio.to_thread(self._services.exporting.restore, bytes(data))
            return JSONResponse({"id": restored.conversation.id, "title": restored.conversation.title, "outcome": restored.outcome})
        except ClientDisconnect:
            return UNREAD
        except Med42Error as error:
            return problem(error)

    async def passages(self, request: Request) -> Response:
        """What the library has for a question, as it would be looked up when it is asked."""
        try:
            question, collections = _fields(_json(await request.body()), "question", "collections")
            return JSONResponse({"html": await asyncio.to_thread(self._found, str(question), _names(collections))})
        except (ClientDisconnect, _Malformed):
            return UNREAD
        except Med42Error as error:
            return problem(error)

    def _found(self, question: str, collections: tuple[str, ...]) -> str:
        services, asked = self._services, Question(clean(question))
        conversation = Conversation("", "", 0, 0, collections=collections)
        sources = services.chat.look_up(conversation, asked, [], conversation.library).sources
        return library_found.found(self._words, sources, services.library.documents.search(asked.words, _FOUND, collections))

    def _name(self, request: Request) -> str:
        return Path(unquote(request.headers.get("x-name", ""))).name or self._words("attach.unnamed")

    async def _received(self, request: Request, most: int, too_large: tuple[str, str], **values: object) -> bytearray:
        """The body of a request. Raises InputError where it is larger than `most` bytes, in these words."""
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > most:
                raise InputError(*(self._words(name, **values) for name in too_large))
        return data

    def _keep(self, told: _Told) -> dict[str, object]:
        here, store = str(told["conversation"]), self._services.store.conversations
        attachments = _resolved(told["attachments"], store.draft(here).attachments)
        if told["keep"]:
            store.set_draft(here, Draft(clean(str(told["text"])), attachments))
        return {"attachments": [self._measured(one) for one in attachments], **self._preview(here, told, attachments)}

    def _measured(self, attachment: Attachment) -> dict[str, object]:
        """The key under which the page may name it again, and its tokens; none are known while no model is loaded."""
        tokens, status = None, self._services.status()
        if status.model and status.state in ("ready", "busy"):  # one that is coming back would be waited for, and what is typed with it
            with suppress(RuntimeFailure):  # it ended just now
                tokens = self._services.runtime.count([Turn("user", attachment.text)])[0]
        return {"key": _key(attachment), "tokens": tokens}

    def _preview(self, here: str, told: _Told, attachments: Sequence[Attachment]) -> dict[str, object]:
        services, edited = self._services, str(told["edited"])
        if services.jobs.running(here):
            return {}  # what the model sees now is the running answer's to tell
        parent = services.store.conversations.message(edited).parent_id if edited else Parent.LEAF
        preview = services.chat.preview(here, str(told["text"]), attachments, parent=parent)
        if preview is None:
            return {}
        meter, unseen = gauges.meter(self._words, preview.context), view.unseen(preview.left_out)
        return {"meter": meter, "unseen": unseen, "too_long": preview.too_long}


def _json(written: str | bytes) -> object:
    try:
        found: object = json.loads(written)
    except (ValueError, RecursionError) as error:  # the latter of ten thousand brackets
        raise _Malformed from error
    return found


def _fields(told: object, *names: str) -> list[Any]:
    if not isinstance(told, dict) or not all(name in told for name in names):
        raise _Malformed
    return [told[name] for name in names]


def _names(told: object) -> tuple[str, ...]:
    if not isinstance(told, list):
        raise _Malformed
    return tuple(map(str, told))


def attachments_of(told: Sequence[_Told]) -> tuple[Attachment, ...]:
    """Attachments as the page sends them whole."""
    return cleaned([Attachment(one["name"], one["text"], one["media_type"], one["pages"]) for one in told])


def _resolved(told: Sequence[_Told], kept: Sequence[Attachment]) -> tuple[Attachment, ...]:
    """Attachments of which the page sends only the key when the draft already holds them."""
    known = {_key(one): one for one in kept}
    try:
        return tuple(known[one["key"]] if "key" in one else attachments_of([one])[0] for one in told)
    except KeyError as error:
        raise _Stale from error


def _key(attachment: Attachment) -> str:
    return hashlib.sha256(f"{attachment.name}\0{attachment.text}".encode()).hexdigest()[:16]


def problem(error: Med42Error) -> Response:
    """What went wrong, as the page's scripts tell it."""
    return JSONResponse({"message": error.message, "hint": error.hint}, 422)
