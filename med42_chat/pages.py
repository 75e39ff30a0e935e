"""The documents behind citations, for the page: where the quoted words stand, pictures of pages, and the files as they were added.

Nothing of it may stay in the browser: each answer says so, and pictures are kept in this program's memory only.
"""

from collections.abc import Callable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from med42_chat.errors import Med42Error, NotFound
from med42_chat.library.pictures import Kept, fitting, render
from med42_chat.records import Citation, Holding, Message, Source
from med42_chat.services import Services
from med42_chat.store.documents import Documents
from med42_chat.ui import viewer
from med42_chat.words import Words

_NOT_KEPT = {"Cache-Control": "no-store"}
_MOST_DIGITS = 9
_WIDTH = 900  # points across, where the page does not say how wide it shows a picture


class Pages:
    """Answers what the page's viewer asks. Its methods wait for the store, and so each request has a thread of its own."""

    def __init__(self, services: Services, words: Words) -> None:
        self._services, self._words = services, words
        self._pictures = Kept()
        services.library.documents.when_removed(self._pictures.forget)

    def routes(self) -> list[Route]:
        """The addresses that it answers."""
        return [
            Route("/v1/source/{message}/{number}", _told(self.source)),
            Route("/v1/page/{document}/{number}", _told(self.picture)),
            Route("/v1/original/{document}", _told(self.original)),
        ]

    def source(self, request: Request) -> Response:
        """What there is to show of one source of an answer; with `at` of the sentence that stands there, and not of the whole answer."""
        answer = self._services.store.conversations.message(request.path_params["message"])
        citation = _citation(answer, _number(request))
        at = _asked(request, "at")
        if at is not None:
            citation = viewer.at_sentence(answer, citation, at, self._services.chat.medicines)
        return JSONResponse(self._shown(citation), headers=_NOT_KEPT)

    def picture(self, request: Request) -> Response:
        """A page's picture, at least as wide as asked for where that is one of our widths."""
        id, number = request.path_params["document"], _number(request)
        asked = _asked(request, "width")
        width = fitting(_WIDTH if asked is None else asked)
        self._documents.get(id)  # also of a picture that is kept: what was removed is gone
        png = self._pictures.get((id, number, width), lambda: render(self._documents.original(id), number, width))
        try:
            self._documents.get(id)
        except NotFound:  # removed while the picture was made
            self._pictures.forget(id)
            raise
        return Response(png, media_type="image/png", headers=_NOT_KEPT)

    def original(self, request: Request) -> Response:
        """The file as it was added, to be saved and never opened in this page's name."""
        holding = self._documents.get(request.path_params["document"])
        headers = {**_NOT_KEPT, "Content-Disposition": f"attachment; filename*=UTF-8''{quote(holding.name, safe='')}"}
        return Response(self._documents.original(holding.id), media_type="application/octet-stream", headers=headers)

    @property
    def _documents(self) -> Documents:
        return self._services.library.documents

    def _shown(self, citation: Citation) -> dict[str, object]:
        holding = self._holding(citation.source)
        if holding is None:
            return viewer.gone(self._words, citation)
        page = self._documents.page(holding.id, citation.source.page)
        newer = self._documents.get(holding.superseded_by) if holding.superseded_by else None
        return viewer.shown(self._words, citation, holding, page, newer)

    def _holding(self, source: Source) -> Holding | None:
        """The document that was cited, also where it was removed and the same file added again."""
        try:
            return self._documents.get(source.document_id)
        except NotFound:
            return self._documents.with_content(source.document_sha256)


def _asked(request: Request, name: str) -> int | None:
    """A number that may stand behind the address; None for none."""
    return _whole(request.query_params.get(name, ""))


def _number(request: Request) -> int:
    number = _whole(request.path_params["number"])
    if number is None:
        raise NotFound("There is nothing under this number.")
    return number


def _whole(written: str) -> int | None:
    """None also for more digits than anything here has: Python refuses to read thousands of them."""
    return int(written) if written.isdecimal() and len(written) <= _MOST_DIGITS else None


def _citation(answer: Message, number: int) -> Citation:
    found = next((one for one in answer.citations if one.source.number == number), None)
    if found is None:
        raise NotFound(f"This answer has no source {number}.")
    return found


def _told(answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """What goes wrong is said in words."""

    def respond(request: Request) -> Response:
        try:
            return answer(request)
        except Med42Error as error:
            status = 404 if isinstance(error, NotFound) else 422
            return JSONResponse({"message": error.message, "hint": error.hint}, status, headers=_NOT_KEPT)

    return respond
