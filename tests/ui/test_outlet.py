"""The doors by which a conversation leaves as a document and comes back: what they answer, what they refuse, and that nothing is kept."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from med42_chat.export import record
from med42_chat.exporting import Exporting
from med42_chat.records import Attachment
from med42_chat.services import Services
from med42_chat.settings import ASSETS
from med42_chat.ui.intake import Intake
from med42_chat.ui.outlet import Outlet
from med42_chat.words import read_words
from tests.export.records import spoken
from tests.store.samples import CITATIONS, EVIDENCE
from tests.ui.fakes import services

STYLE = (Path(__file__).parents[1] / "export" / "styles" / "author-date.csl").read_text("utf-8")

WORDS = read_words(ASSETS / "words" / "en.toml")
CHOICES: dict[str, Any] = {
    "format": "pdf",
    "messages": [],
    "sources": True,
    "evidence": False,
    "paper": "letter",
    "author": " Dr  Ä\n",
    "patient": "MRN 7",
    "attached": False,
    "ascii": False,
    "password": " sesame ",
}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Services]:
    made = services(tmp_path / "home")
    made.exporting = Exporting(made.store.conversations, made.store.audit, "tests.export.scripted")
    yield made
    made.close()


@pytest.fixture
def client(opened: Services) -> TestClient:
    app = Starlette(routes=Outlet(opened, WORDS).routes())
    app.add_route("/v1/import", Intake(opened, WORDS).conversation, methods=["POST"])
    return TestClient(app)


def talked(opened: Services, title: str = "Zinc: how long?") -> tuple[str, list[str]]:
    """A conversation of one exchange: its id, and those of its messages."""
    store = opened.store.conversations
    id = store.create(title).id
    question, answer = store.begin(id, "**How** long?", attachments=[Attachment("letter.pdf", "SECRET")])
    store.finish(answer.id, "Forty days [2].", "complete", EVIDENCE, CITATIONS)
    return id, [question.id, answer.id]


def started(client: TestClient, conversation: str, **choices: Any) -> Any:
    return client.post("/v1/export", json={**CHOICES, "conversation": conversation, **choices}).json()


def ended(client: TestClient, id: str) -> dict[str, Any]:
    state: dict[str, Any] = {"phase": "running", "progress": -1}
    while state["phase"] == "running":
        state = client.get(f"/v1/export/{id}?seen={state['progress']}").json()
    return state


class TestOut:
    def test_what_can_be_chosen_is_named_by_its_first_words(self, opened: Services, client: TestClient) -> None:
        id, (question, answer) = talked(opened)
        _, last = opened.store.conversations.begin(id, "", attachments=[Attachment("scan.txt", "SECRET")])
        told = client.get(f"/v1/export/of/{id}")
        assert told.headers["cache-control"] == "no-store" and "SECRET" not in told.text
        messages = told.json()["messages"]
        assert messages[0] == {"id": question, "role": "user", "words": "How long?"}
        assert messages[1] == {"id": answer, "role": "assistant", "words": "Forty days [2]."}
        assert messages[2]["words"] == "scan.txt"
        assert (messages[3]["id"], messages[3]["words"], told.json()["title"]) == (last.id, "", "Zinc: how long?")

    def test_a_document_is_begun_followed_and_handed_out_once(self, opened: Services, client: TestClient) -> None:
        id, _ = talked(opened)
        export = started(client, id)["id"]
        state = ended(client, export)
        assert state["phase"] == "done" and state["notes"] == ["One character has no letter."]
        file = client.post(f"/v1/export/{export}/file")
        assert len(file.content) == state["size"] and file.headers["cache-control"] == "no-store"
        assert file.headers["content-type"] == "application/octet-stream"
        assert file.headers["content-disposition"].startswith("attachment; filename*=UTF-8''20")
        again = client.post(f"/v1/export/{export}/file")
        assert again.status_code == 422 and again.json()["hint"]

    def test_only_a_post_takes_it(self, opened: Services, client: TestClient) -> None:
        export = started(client, talked(opened)[0])["id"]
        size = ended(client, export)["size"]
        assert client.get(f"/v1/export/{export}/file").status_code == client.head(f"/v1/export/{export}/file").status_code == 405
        assert len(client.post(f"/v1/export/{export}/file").content) == size

    def test_what_was_chosen_reaches_the_document(self, opened: Services, client: TestClient) -> None:
        id, (_, answer) = talked(opened)
        export = started(client, id, messages=[answer])["id"]
        ended(client, export)
        asked = record.request_of(client.post(f"/v1/export/{export}/file").content)
        assert (asked.format, asked.language, asked.options.messages) == ("pdf", "en", frozenset({answer}))
        options = asked.options
        assert (options.author, options.patient, options.password, options.paper) == ("Dr Ä", "MRN 7", " sesame ", "letter")
        assert (options.sources, options.evidence, options.attached, options.ascii) == (True, False, False, False)

    def test_what_the_settings_say_of_author_and_references_comes_along(self, opened: Services, client: TestClient) -> None:
        id, _ = talked(opened)
        opened.settings = replace(opened.settings, author="Dr Ada Example")
        opened.use_style(STYLE)
        assert client.get(f"/v1/export/of/{id}").json()["author"] == "Dr Ada Example"
        export = started(client, id)["id"]
        ended(client, export)
        assert record.request_of(client.post(f"/v1/export/{export}/file").content).options.csl == STYLE

    def test_a_name_of_any_language_is_a_files_name(self, opened: Services, client: TestClient) -> None:
        export = started(client, talked(opened, 'صداع / "x"\r\nA: b')[0])["id"]
        name = ended(client, export)["name"]
        header = client.post(f"/v1/export/{export}/file").headers["content-disposition"]
        assert "صداع" in name and header.isascii() and header.isprintable() and "/" not in name

    @pytest.mark.parametrize("seen", ["", "-1", "nan", "x", "9" * 5000])
    def test_whatever_a_page_says_it_has_seen_is_answered(self, opened: Services, client: TestClient, seen: str) -> None:
        export = started(client, talked(opened)[0])["id"]
        ended(client, export)
        assert client.get(f"/v1/export/{export}?seen={seen}").json()["phase"] == "done"

    def test_a_cancelled_one_is_gone(self, opened: Services, client: TestClient) -> None:
        export = started(client, talked(opened, "slow")[0])["id"]
        client.get(f"/v1/export/{export}?seen=-1")
        assert client.post(f"/v1/export/{export}/cancel").status_code == 200
        assert ended(client, export)["phase"] == "cancelled"
        assert client.post(f"/v1/export/{export}/file").status_code == 422

    def test_what_goes_wrong_is_said_in_words(self, opened: Services, client: TestClient) -> None:
        state = ended(client, started(client, talked(opened, "fault")[0])["id"])
        assert (state["phase"], state["hint"]) == ("failed", "Choose {HTML}.")
        id, _ = talked(opened)
        assert "no conversation" in started(client, "nowhere")["message"]
        assert "pdf" in started(client, id, format="exe")["hint"]
        assert "PDF" in started(client, id, format="txt")["message"]  # which takes no password
        for path in ("/v1/export/nothing", "/v1/export/of/nothing"):
            assert client.get(path).status_code == 422 and client.get(path).json()["message"]

    @pytest.mark.parametrize("body", ["", "[]", "7", "{}", '{"conversation": "x", "format": "pdf"}', "[" * 100_000, "\x00"])
    def test_what_no_page_sends_is_refused_without_a_fault(self, client: TestClient, body: str) -> None:
        assert client.post("/v1/export", content=body).status_code == 400


class TestIn:
    def test_a_conversation_comes_back_with_everything(self, opened: Services, client: TestClient) -> None:
        store = opened.store.conversations
        id, _ = talked(opened)
        conversation, messages = store.whole(id)
        file = record.write(conversation, messages)
        assert client.post("/v1/import", content=file).json() == {"id": id, "title": "Zinc: how long?", "outcome": "same"}
        store.delete(id)
        assert client.post("/v1/import", content=file).json()["outcome"] == "new"
        assert spoken(store.whole(id)) == spoken((conversation, messages))
        other = record.write(replace(conversation, title="Other"), messages)
        copy = client.post("/v1/import", content=other).json()
        assert copy["outcome"] == "copy" and copy["id"] != id and store.get(copy["id"]).title == "Other"

    @pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xfe", b'{"format": "med42-chat-conversation", "version": 1}', b"[" * 9999])
    def test_anything_else_is_refused_in_words(self, client: TestClient, opened: Services, data: bytes) -> None:
        answer = client.post("/v1/import", content=data)
        assert answer.status_code == 422 and answer.json()["message"] and answer.json()["hint"]
        assert opened.store.conversations.total() == 0

    def test_more_than_a_conversation_holds_is_refused_while_it_comes(self, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(record, "MOST_BYTES", 3_000_000)
        answer = client.post("/v1/import", content=b"x" * 3_000_001, headers={"x-name": "big.json"})
        assert answer.status_code == 422 and "“big.json” is larger than 3 MB" in answer.json()["message"]
