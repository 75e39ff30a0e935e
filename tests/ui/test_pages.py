"""The addresses behind a citation: what they show, what they refuse, and that nothing of it may be kept."""

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from med42_chat.pages import Pages
from med42_chat.records import Citation, Source
from med42_chat.services import Services
from med42_chat.settings import ASSETS
from med42_chat.words import read_words
from tests.library import pdfs
from tests.store.samples import EVIDENCE
from tests.ui.fakes import services

WORDS = read_words(ASSETS / "words" / "en.toml")
LINES = ["Protocol for zinc", "Zinc syrup is kept in the fridge for 40 days.", "Then it is thrown away by the ward."]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    made = services(tmp_path_factory.mktemp("pages") / "home")
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(opened: Services) -> TestClient:
    return TestClient(Starlette(routes=Pages(opened, WORDS).routes()))


def added(opened: Services, file: Path, *lines: str) -> Source:
    """The only passage of a new document."""
    file.write_bytes(pdfs.letter([*LINES, *lines]))
    holding = opened.library.add(file).holding
    assert holding
    (passage, *_) = opened.library.documents.passages(holding.id)
    return Source(1, holding.title, passage.text, passage.page, holding.sha256, holding.id, start=passage.start, end=passage.end)


def answered(opened: Services, source: Source, quote: str = "40 days") -> str:
    """An answer's id."""
    store = opened.store.conversations
    _, answer = store.begin(store.create("x").id, "x")
    return store.finish(answer.id, "Forty [1].", "complete", replace(EVIDENCE, left_out=()), [Citation(source, quote)]).id


def test_a_source_is_told_with_its_marks(opened: Services, client: TestClient, tmp_path: Path) -> None:
    message = answered(opened, added(opened, tmp_path / "a.pdf", "a"))
    told = client.get(f"/v1/source/{message}/1").json()
    assert told["kind"] == "pages" and len(told["marks"]) == 1 and told["quoted"]
    assert told["quote"] == "40 days"
    assert client.get(f"/v1/source/{message}/1?at=0").json()["quote"] == ""  # 'Forty' says it too freely
    assert client.get(f"/v1/source/{message}/2").status_code == 404


def test_a_page_is_a_picture_that_may_not_be_kept(opened: Services, client: TestClient, tmp_path: Path) -> None:
    source = added(opened, tmp_path / "b.pdf", "b")
    answer = client.get(f"/v1/page/{source.document_id}/1?width=700")
    assert answer.content.startswith(b"\x89PNG") and answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "no-store"
    assert int.from_bytes(answer.content[16:20], "big") in (900, 901)


def test_pictures_of_a_removed_document_are_dropped_at_once(opened: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = b"\x89PNG\r\n\x1a\n canary 7193 IEND\xaeB`\x82"
    monkeypatch.setattr("med42_chat.pages.render", lambda *about: bytes(bytearray(canary)))
    pages = Pages(opened, WORDS)
    client = TestClient(Starlette(routes=pages.routes()))
    source, other = added(opened, tmp_path / "r.pdf", "r"), added(opened, tmp_path / "s.pdf", "s")
    for one in (source, other):
        assert client.get(f"/v1/page/{one.document_id}/1").content == canary
    before = sum(b"canary 7193" in found for found in gc.get_referents(pages._pictures._pictures) if isinstance(found, bytes))
    opened.library.documents.remove(source.document_id)
    after = sum(b"canary 7193" in found for found in gc.get_referents(pages._pictures._pictures) if isinstance(found, bytes))
    assert (before, after) == (2, 1) and client.get(f"/v1/page/{source.document_id}/1").status_code == 404
    assert client.get(f"/v1/page/{other.document_id}/1").content == canary


def test_a_picture_that_was_being_made_while_its_document_was_removed_is_not_kept(
    opened: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = added(opened, tmp_path / "t.pdf", "t")

    def removed_meanwhile(*about: object) -> bytes:
        opened.library.documents.remove(source.document_id)
        return b"canary"

    monkeypatch.setattr("med42_chat.pages.render", removed_meanwhile)
    pages = Pages(opened, WORDS)
    answer = TestClient(Starlette(routes=pages.routes())).get(f"/v1/page/{source.document_id}/1")
    assert answer.status_code == 404 and not pages._pictures._pictures


@pytest.mark.parametrize("width", ["", "-5", "x", "99999999999999999999", "9" * 5000])
def test_any_width_is_answered_with_one_of_ours(opened: Services, client: TestClient, tmp_path: Path, width: str) -> None:
    source = added(opened, tmp_path / "c.pdf", f"c {width[:30]} {len(width)}")
    assert client.get(f"/v1/page/{source.document_id}/1?width={width}").status_code == 200


def test_absurd_numbers_in_an_address_are_answered_in_words(opened: Services, client: TestClient, tmp_path: Path) -> None:
    source = added(opened, tmp_path / "n.pdf", "n")
    message = answered(opened, source)
    assert client.get(f"/v1/source/{message}/1?at={'9' * 5000}").status_code == 200
    for number in ("0", "9" * 30, "9" * 5000):
        assert client.get(f"/v1/source/{message}/{number}").status_code in (404, 422)
        assert client.get(f"/v1/page/{source.document_id}/{number}").status_code in (404, 422)
    assert client.get(f"/v1/original/{message}").status_code == 404
    assert client.get(f"/v1/source/{source.document_id}/1").status_code == 404


def test_what_was_removed_is_gone_even_where_its_picture_was_shown(opened: Services, client: TestClient, tmp_path: Path) -> None:
    source = added(opened, tmp_path / "d.pdf", "d")
    message = answered(opened, source)
    assert client.get(f"/v1/page/{source.document_id}/1").status_code == 200
    opened.library.documents.remove(source.document_id)
    assert client.get(f"/v1/page/{source.document_id}/1").status_code == 404
    assert client.get(f"/v1/original/{source.document_id}").status_code == 404
    told = client.get(f"/v1/source/{message}/1").json()
    assert told["kind"] == "gone" and "no longer in the library" in told["said"]


def test_the_same_file_added_again_is_found_again(opened: Services, client: TestClient, tmp_path: Path) -> None:
    source = added(opened, tmp_path / "e.pdf", "e")
    message = answered(opened, source)
    opened.library.documents.remove(source.document_id)
    again = added(opened, tmp_path / "e2.pdf", "e")
    told = client.get(f"/v1/source/{message}/1").json()
    assert told["document"] == again.document_id != source.document_id and told["quoted"]


def test_an_older_version_names_the_newer_one(opened: Services, client: TestClient, tmp_path: Path) -> None:
    old, new = added(opened, tmp_path / "f.pdf", "f"), added(opened, tmp_path / "g.pdf", "g")
    opened.library.documents.supersede(old.document_id, new.document_id)
    assert "newer version" in client.get(f"/v1/source/{answered(opened, old)}/1").json()["newer"]


def test_the_original_comes_as_a_file_to_save_under_its_own_name(opened: Services, client: TestClient, tmp_path: Path) -> None:
    source = added(opened, tmp_path / 'Dosis "für" 5 µg.pdf', "h")
    answer = client.get(f"/v1/original/{source.document_id}")
    assert answer.content == (tmp_path / 'Dosis "für" 5 µg.pdf').read_bytes()
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''Dosis%20%22f%C3%BCr%22%205%20%C2%B5g.pdf"
    assert answer.headers["content-type"] == "application/octet-stream"


def test_a_page_that_cannot_be_drawn_is_said_in_words(opened: Services, client: TestClient, tmp_path: Path) -> None:
    source = added(opened, tmp_path / "i.pdf", "i")
    answer = client.get(f"/v1/page/{source.document_id}/7")
    assert answer.status_code == 422 and "cannot be shown" in answer.json()["message"]
