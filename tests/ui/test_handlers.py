"""The page's handlers, called as Gradio calls them."""

import logging
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from med42_chat.errors import InputError
from med42_chat.services import Services
from med42_chat.settings import ASSETS
from med42_chat.ui.page import Page
from med42_chat.ui.words import read_words
from tests.ui.fakes import MED42, PacedRuntime, services

WORDS = read_words(ASSETS / "words" / "en.toml")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    made = services(tmp_path_factory.mktemp("handlers") / "home", PacedRuntime(model=MED42, text="Yes.", pause_s=0.0))
    yield made
    made.close()


@pytest.fixture(scope="module")
def page(opened: Services) -> Page:
    made = Page(opened, WORDS)
    made.build()
    return made


def event(**data: object) -> Any:
    return gr.EventData(None, data)


def answered(page: Page, opened: Services, here: str, question: str) -> str:
    value: Any = page.composer.ask(here, question)[page.transcript.component]
    job = opened.jobs.running(value["conversation"])
    if job:
        job.join(5)
    return str(value["conversation"])


def test_the_first_question_makes_a_conversation_and_empties_the_composer(page: Page, opened: Services) -> None:
    updates: Any = page.composer.ask("", "What?")
    made = updates[page.transcript.component]["conversation"]
    assert opened.store.conversations.get(made).title == "What?"
    assert page.composer.box not in updates  # the page empties it when it sends, so that nothing typed since is lost
    assert "What?" in updates[page.transcript.component]["html"]


def test_an_empty_question_makes_no_conversation(page: Page, opened: Services) -> None:
    before = opened.store.conversations.total()
    with pytest.raises(InputError):
        page.composer.ask("", "  \n ")
    assert opened.store.conversations.total() == before


def test_a_question_that_cannot_be_started_leaves_no_empty_conversation(
    page: Page, opened: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(id: str, question: str) -> None:
        raise InputError("Too long.", "Shorten it.")

    monkeypatch.setattr(opened.jobs, "start", refuse)
    before = opened.store.conversations.total()
    with pytest.raises(InputError):
        page.composer.ask("", "What?")
    assert opened.store.conversations.total() == before


def test_an_error_of_ours_becomes_a_notice_and_touches_nothing_else(page: Page) -> None:
    updates = page.desk._told(page.composer.ask)("", "")
    assert updates == {page.desk.notice: {"message": "There is no question yet.", "hint": "Type a question, then press Enter."}}


def test_a_fault_is_told_plainly_and_its_log_holds_no_patients_words(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    def break_down(words: str) -> Any:
        raise ValueError(f"cannot handle {words}")

    with caplog.at_level(logging.ERROR):
        updates: Any = page.desk._told(break_down)("Mrs Smith has a rash")
    assert "mistake" in updates[page.desk.notice]["message"]
    assert "in break_down: ValueError at test_handlers.py" in caplog.text
    assert "Smith" not in caplog.text + updates[page.desk.notice]["message"]


def test_a_step_that_succeeds_takes_the_notice_away(page: Page) -> None:
    assert page.desk._told(page.list.refresh)()[page.desk.notice] is None


def test_opening_shows_turns_facts_and_evidence(page: Page, opened: Services) -> None:
    id = answered(page, opened, "", "What?")
    opened.store.conversations.set_pinned_facts(id, "Allergy: latex")
    updates: Any = page.list.open(event(id=id))
    assert "Yes." in updates[page.transcript.component]["html"]
    assert updates[page.facts.component]["text"] == "Allergy: latex"
    assert "Llama3-Med42-8B" in updates[page.evidence.component]["html"]


def test_opening_what_is_gone_shows_the_empty_page_and_says_so(page: Page) -> None:
    updates: Any = page.list.open(event(id="feedfacefeedface"))
    assert updates[page.transcript.component]["conversation"] == ""
    assert "no conversation" in updates[page.desk.notice]["message"]


def test_the_list_comes_in_stretches(page: Page, opened: Services) -> None:
    value: Any = page.list.more(event(offset="0"))[page.list.component]
    assert value["total"] == opened.store.conversations.total()
    assert [row[0] for row in value["rows"]] == [one.id for one in opened.store.conversations.recent(300, 0)]


def test_rename_search_and_delete_reach_the_store(page: Page, opened: Services) -> None:
    id = answered(page, opened, "", "quokka bite")
    page.list.rename(event(id=id, title="Animal bite"))
    assert opened.store.conversations.get(id).title == "Animal bite"
    found: Any = page.list.search(event(query="quokka"))[page.list.component]
    assert found["query"] == "quokka"
    assert found["hits"][0][0] == id
    page.list.delete(event(id=id))
    assert id not in [one.id for one in opened.store.conversations.recent(300, 0)]


def test_facts_before_the_first_question_make_the_conversation(page: Page, opened: Services) -> None:
    updates: Any = page.facts.keep(event(id="", text="CKD 3b"))
    made = updates[page.transcript.component]["conversation"]
    assert opened.store.conversations.get(made).pinned_facts == "CKD 3b"


def test_the_safe_use_text_is_shown_until_it_was_accepted(page: Page, opened: Services) -> None:
    before: Any = page.start("")[page.safe_use.component]
    assert before == {"accepted": False}
    page.safe_use.accept()
    assert page.start("")[page.safe_use.component] == {"accepted": True}


def test_every_event_is_private_and_unqueued(opened: Services) -> None:
    blocks = Page(opened, WORDS).build()
    assert blocks.fns
    assert all(fn.api_visibility == "private" and not fn.queue for fn in blocks.fns.values())
