"""Drafts and files as they come in over HTTP, from the door to the store."""

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from med42_chat.errors import WorkerDied
from med42_chat.records import Attachment, Draft
from med42_chat.services import Services
from med42_chat.settings import ASSETS
from med42_chat.ui.intake import Intake
from med42_chat.words import read_words
from tests.ui.fakes import MED42, PacedRuntime, services

LETTER = {"name": "Pasted text 1", "text": "Dear colleague, potassium was 5.9 mmol/l.", "media_type": "text/plain", "pages": None}


@pytest.fixture
def opened(tmp_path: Any) -> Iterator[Services]:
    made = services(tmp_path / "home", PacedRuntime(model=MED42, text="word " * 4000, pause_s=0.0, piece=4000))
    yield made
    made.close()


@pytest.fixture
def browser_like(opened: Services) -> TestClient:
    intake = Intake(opened, read_words(ASSETS / "words" / "en.toml"))
    app = Starlette()
    app.add_route("/v1/draft", intake.draft, methods=["POST"])
    app.add_route("/v1/search", intake.search, methods=["POST"])
    app.add_route("/v1/attachment", intake.attachment, methods=["POST"])
    app.add_route("/v1/document", intake.document, methods=["POST"])
    app.add_route("/v1/passages", intake.passages, methods=["POST"])
    return TestClient(app)


def draft(text: str, conversation: str = "", attachments: Any = (), edited: str = "", keep: bool = True) -> dict[str, object]:
    return {"conversation": conversation, "text": text, "attachments": list(attachments), "edited": edited, "keep": keep}


def answered(opened: Services, question: str, id: str = "") -> str:
    id = id or opened.store.conversations.create().id
    opened.jobs.start(id, question).join(5)
    return id


class TestDrafts:
    def test_what_is_typed_is_kept_with_what_is_attached(self, browser_like: TestClient, opened: Services) -> None:
        browser_like.post("/v1/draft", json=draft("And the dose?", attachments=[LETTER]))
        assert opened.store.conversations.draft("") == Draft("And the dose?", (Attachment(**LETTER),))  # type: ignore[arg-type]

    @pytest.mark.parametrize("state", ["restarting", "ready"])
    def test_what_is_typed_does_not_wait_for_a_model_that_is_coming_back(
        self, browser_like: TestClient, opened: Services, state: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def count(turns: object) -> list[int]:
            assert state == "ready", "it would be waited for"
            raise WorkerDied("It ended just now.", "")

        opened.runtime.state = state  # type: ignore[attr-defined]
        monkeypatch.setattr(opened.runtime, "count", count)
        reply = browser_like.post("/v1/draft", json=draft("And the dose?", attachments=[LETTER]))
        assert reply.status_code == 200 and [one["tokens"] for one in reply.json()["attachments"]] == [None]

    def test_an_attachment_that_the_draft_holds_is_named_by_its_key(self, browser_like: TestClient, opened: Services) -> None:
        key = browser_like.post("/v1/draft", json=draft("One", attachments=[LETTER])).json()["attachments"][0]["key"]
        browser_like.post("/v1/draft", json=draft("Two", attachments=[{"key": key}]))
        assert opened.store.conversations.draft("").attachments[0].text == LETTER["text"]

    def test_a_key_that_is_not_known_any_more_is_asked_for_and_changes_nothing(self, browser_like: TestClient, opened: Services) -> None:
        browser_like.post("/v1/draft", json=draft("One", attachments=[LETTER]))
        answer = browser_like.post("/v1/draft", json=draft("Two", attachments=[{"key": "0" * 16}]))
        assert (answer.status_code, answer.json()) == (409, {"stale": True})
        assert opened.store.conversations.draft("").text == "One"

    def test_the_answer_tells_the_tokens_of_each_attachment(self, browser_like: TestClient, opened: Services) -> None:
        told = browser_like.post("/v1/draft", json=draft("One", attachments=[LETTER])).json()
        assert told["attachments"][0]["tokens"] == len(str(LETTER["text"]).split()) + 2
        opened.runtime.model = None  # type: ignore[attr-defined]
        assert browser_like.post("/v1/draft", json=draft("One", attachments=[LETTER])).json()["attachments"][0]["tokens"] is None

    def test_the_meter_counts_the_question_and_its_documents(self, browser_like: TestClient) -> None:
        bare = browser_like.post("/v1/draft", json=draft("")).json()["meter"]
        typed = browser_like.post("/v1/draft", json=draft("word " * 2000, attachments=[LETTER])).json()["meter"]
        assert 'data-share="question"' not in bare.split("split")[0] or bare != typed
        assert 'data-share="sources"' in typed and 'data-share="sources"' not in bare

    def test_a_question_over_the_context_is_told_with_its_tokens_before_it_is_sent(self, browser_like: TestClient) -> None:
        told = browser_like.post("/v1/draft", json=draft("word " * 9000)).json()
        assert "9,002 tokens" in told["too_long"] and told["unseen"] == []

    def test_what_would_fall_out_is_named(self, browser_like: TestClient, opened: Services) -> None:
        id = answered(opened, "first")
        answered(opened, "second", id)
        told = browser_like.post("/v1/draft", json=draft("third", id)).json()
        assert told["unseen"] == [message.id for message in opened.store.conversations.branch(id)[:2]]

    def test_an_edited_question_is_measured_in_its_own_place_and_leaves_the_draft_alone(
        self, browser_like: TestClient, opened: Services
    ) -> None:
        id = answered(opened, "first")
        answered(opened, "second", id)
        first = opened.store.conversations.branch(id)[0]
        browser_like.post("/v1/draft", json=draft("kept", id))
        told = browser_like.post("/v1/draft", json=draft("other words", id, edited=first.id, keep=False)).json()
        assert told["unseen"] == []
        assert opened.store.conversations.draft(id).text == "kept"

    def test_a_conversation_that_is_gone_is_told_in_words(self, browser_like: TestClient) -> None:
        answer = browser_like.post("/v1/draft", json=draft("?", "feedfacefeedface"))
        assert answer.status_code == 422 and "no conversation" in answer.json()["message"]

    def test_half_a_character_is_kept_as_a_visible_mark(self, browser_like: TestClient, opened: Services) -> None:
        body = b'{"conversation": "", "text": "a\\ud800b", "attachments": [], "edited": "", "keep": true}'
        assert browser_like.post("/v1/draft", content=body).status_code == 200
        assert opened.store.conversations.draft("").text == "a\ufffdb"


class TestFiles:
    def send(self, client: TestClient, content: bytes, name: str) -> Any:
        return client.post("/v1/attachment", content=content, headers={"x-name": name})

    def test_a_text_file_comes_back_with_its_words_and_tokens(self, browser_like: TestClient) -> None:
        told = self.send(browser_like, "Kalium 5,9 mmol/l – bitte prüfen.".encode(), "Brief%20f%C3%BCr%20Dr.%20M.txt").json()
        assert told["name"] == "Brief für Dr. M.txt"
        assert told["text"] == "Kalium 5,9 mmol/l – bitte prüfen."
        assert told["tokens"] == 8  # the scripted model counts words, and two for a turn

    def test_a_file_that_cannot_be_read_is_told_in_words(self, browser_like: TestClient) -> None:
        answer = self.send(browser_like, b"\x89PNG\r\n\x1a\n" + bytes(200), "scan.png")
        assert answer.status_code == 422 and "scan.png" in answer.json()["message"]

    def test_a_file_over_the_limit_is_refused_while_it_comes(self, browser_like: TestClient) -> None:
        answer = self.send(browser_like, b"a" * 20_000_001, "long.txt")
        assert answer.status_code == 422 and "20 MB" in answer.json()["message"]

    def test_a_name_never_becomes_a_path(self, browser_like: TestClient, opened: Services) -> None:
        told = self.send(browser_like, b"Hello.", "..%2F..%2Fsecret.txt").json()
        assert told["name"] == "secret.txt"
        assert not (opened.settings.home.parent / "secret.txt").exists()

    def test_no_copy_of_it_is_ever_on_the_disk(self, browser_like: TestClient) -> None:
        written: list[object] = []

        def watched(event: str, arguments: tuple[object, ...]) -> None:
            if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
                written.append(arguments[0])

        watching = [watched]
        sys.addaudithook(lambda event, arguments: [watch(event, arguments) for watch in watching] and None)
        assert self.send(browser_like, b"A patient's letter.", "letter.txt").status_code == 200
        watching.clear()  # the hook itself cannot be taken out again
        assert [path for path in written if isinstance(path, str) and path != os.devnull] == []

    @pytest.mark.parametrize("path", ["/v1/attachment", "/v1/draft"])
    def test_a_page_that_leaves_while_it_sends_is_no_fault(self, browser_like: TestClient, path: str) -> None:
        said: list[Any] = []
        messages = [{"type": "http.request", "body": b"Half a", "more_body": True}, {"type": "http.disconnect"}]

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            said.append(message)

        scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b"", "root_path": ""}

        async def answered() -> None:
            await browser_like.app(scope, receive, send)

        asyncio.run(answered())
        assert said[0]["status"] == 400


class TestTheLibrary:
    @pytest.mark.parametrize("sent", ["", "{", '"Ward"', "3", "null", "[" * 100_000])
    def test_what_no_page_of_ours_sends_is_refused_without_a_fault(self, browser_like: TestClient, opened: Services, sent: str) -> None:
        bodies = [sent, f'{{"question": "a", "collections": {sent or 1}}}', '{"question": "a"}']
        assert [browser_like.post("/v1/passages", content=body).status_code for body in bodies] == [400] * 3
        assert browser_like.post("/v1/search", content=sent).status_code == 400
        headers = {"x-name": "a.txt", "x-collections": sent[:5_000]}
        assert browser_like.post("/v1/document", content="Falls.", headers=headers).status_code == 400
        assert opened.adding.state().items == ()

    def test_a_file_goes_under_its_bare_name_into_the_collections_that_were_named(self, browser_like: TestClient, opened: Services) -> None:
        headers = {"x-name": quote("../Stürze.txt"), "x-collections": quote('["Ward 3"]')}
        id = browser_like.post("/v1/document", content="Falls\n\nRails up.", headers=headers).json()["id"]
        assert [item.id for item in opened.adding.state().items] == [id]
        end = time.monotonic() + 20
        while not opened.library.documents.all() and time.monotonic() < end:
            time.sleep(0.05)
        (one,) = opened.library.documents.all()
        assert (one.name, one.collections) == ("Stürze.txt", ("Ward 3",))

    def test_a_file_over_the_limit_is_refused_while_it_comes(
        self, browser_like: TestClient, opened: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("med42_chat.library.documents.MOST_BYTES", 1000)
        answer = browser_like.post("/v1/document", content=b"x" * 1001, headers={"x-name": "big.txt"})
        assert answer.status_code == 422 and "‘big.txt’ is larger than" in answer.json()["message"]
        assert opened.adding.state().items == ()

    def test_a_question_shows_what_it_would_be_answered_from_in_these_collections(self, browser_like: TestClient, opened: Services) -> None:
        for name in ("refeeding.html", "early-warning.md"):
            opened.library.add(ASSETS / "library" / name, ["Ward 3"])
        ask = {"question": "How is low phosphate replaced in refeeding syndrome?", "collections": ["Ward 3"]}
        before = browser_like.post("/v1/passages", json=ask).json()["html"].split("<details")[0]
        assert "phosphate" in before and 'class="passage"' in before
        assert "passage" not in browser_like.post("/v1/passages", json={**ask, "collections": ["Ward 4"]}).json()["html"]
        assert "Nothing in these documents" in browser_like.post("/v1/passages", json={**ask, "question": "?!"}).json()["html"]


def test_a_search_is_answered_with_titles_and_messages(browser_like: TestClient, opened: Services) -> None:
    id = answered(opened, "Which quokka?")
    found = browser_like.post("/v1/search", json={"query": "quok"}).json()
    assert found["query"] == "quok"
    assert [row[0] for row, _ in found["titles"]] == [id]
    assert found["messages"][0][3] == ["Which ", "quokka", "?"]
