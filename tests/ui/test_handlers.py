"""The page's handlers, called as Gradio calls them."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from med42_chat.errors import InputError
from med42_chat.records import Draft
from med42_chat.services import Services
from med42_chat.settings import ASSETS
from med42_chat.ui.composer import Composer
from med42_chat.ui.page import Page
from med42_chat.words import read_words
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


def sent(text: str, here: str = "", **more: object) -> Any:
    return event(**{"number": "1", "here": here, "leaf": None, "text": text, "attachments": [], "edited": "", "accepted": False, **more})


def answered(page: Page, opened: Services, here: str, question: str, **more: object) -> str:
    value: Any = page.composer.ask(sent(question, here, **more))[page.transcript.component]
    job = opened.jobs.running(value["conversation"])
    if job:
        job.join(5)
    return str(value["conversation"])


def refusal(page: Page, asking: Any) -> str:
    """Why a question was not taken; the page is told which one, and puts it back."""
    updates: Any = page.composer.ask(asking)
    assert (updates[page.composer.component]["kind"], updates[page.composer.component]["number"]) == ("kept", "1")
    return str(updates[page.desk.notice]["message"])


def test_the_first_question_makes_a_conversation(page: Page, opened: Services) -> None:
    updates: Any = page.composer.ask(sent("What?"))
    made = updates[page.transcript.component]["conversation"]
    assert opened.store.conversations.get(made).title == "What?"
    assert "What?" in updates[page.transcript.component]["html"]
    assert updates[page.composer.component]["kind"] == "sent" and updates[page.composer.component]["conversation"] == made


def test_an_empty_question_makes_no_conversation(page: Page, opened: Services) -> None:
    before = opened.store.conversations.total()
    with pytest.raises(InputError):
        page.composer.ask(sent("  \n "))
    assert opened.store.conversations.total() == before


def test_a_question_that_cannot_be_started_leaves_no_empty_conversation(
    page: Page, opened: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(id: str, question: str, **more: object) -> None:
        raise InputError("Too long.", "Shorten it.")

    monkeypatch.setattr(opened.jobs, "start", refuse)
    before = opened.store.conversations.total()
    assert refusal(page, sent("What?")) == "Too long."
    assert opened.store.conversations.total() == before


def test_a_question_below_a_message_that_is_not_the_last_one_is_refused(page: Page, opened: Services) -> None:
    id = answered(page, opened, "", "First?")
    seen = opened.store.conversations.branch(id)[-1].id
    answered(page, opened, id, "Second?", leaf=seen)
    assert "has changed" in refusal(page, sent("Third?", id, leaf=seen))
    assert len(opened.store.conversations.branch(id)) == 4


def test_a_question_over_the_context_is_refused_with_its_tokens_and_makes_no_conversation(page: Page, opened: Services) -> None:
    before = opened.store.conversations.total()
    assert re.search(r"9,00\d tokens", refusal(page, sent("word " * 9000)))
    assert opened.store.conversations.total() == before


class TestWhatDoesNotFit:
    @pytest.fixture
    def full(self, page: Page, opened: Services) -> str:
        """A conversation in which the next question has no room for the first exchange."""
        return answered(page, opened, answered(page, opened, "", "word " * 5000), "word " * 3000, accepted=True)

    def test_nothing_is_sent_before_the_reader_knows_what_the_model_will_not_see(self, page: Page, opened: Services, full: str) -> None:
        before = opened.store.conversations.branch(full)
        updates: Any = page.composer.ask(sent("And now?", full))
        told = updates[page.transcript.component]
        assert (told["kind"], told["left_out"]) == ("unfit", [message.id for message in before[:2]])
        assert updates[page.composer.component]["kind"] == "kept"
        assert opened.store.conversations.branch(full) == before

    def test_it_is_sent_once_he_agrees(self, page: Page, opened: Services, full: str) -> None:
        answered(page, opened, full, "And now?", accepted=True)
        assert [message.text for message in opened.store.conversations.branch(full)][-2:] == ["And now?", "Yes."]

    def test_it_is_sent_at_once_while_no_model_can_say_what_fits(self, page: Page, opened: Services, full: str) -> None:
        runtime: Any = opened.runtime
        runtime.state = "loading"
        value: Any = page.composer.ask(sent("And now?", full))[page.transcript.component]
        assert value["kind"] == "asked"
        runtime.state = "ready"
        if job := opened.jobs.running(full):
            job.join(5)


class TestAnEditedQuestion:
    def test_it_stands_beside_the_first_one_and_begins_a_branch(self, page: Page, opened: Services) -> None:
        id = answered(page, opened, answered(page, opened, "", "First?"), "Second?")
        first = opened.store.conversations.branch(id)[0]
        answered(page, opened, id, "First, in other words?", edited=first.id)
        branch = opened.store.conversations.branch(id)
        assert [message.text for message in branch] == ["First, in other words?", "Yes."]
        assert branch[0].versions == (first.id, branch[0].id)

    def test_its_words_and_attachments_are_given_to_be_changed(self, page: Page, opened: Services) -> None:
        letter = {"name": "Letter", "text": "Potassium 5.9", "media_type": "text/plain", "pages": None}
        id = answered(page, opened, "", "What first?", attachments=[letter])
        value: Any = page.composer.edit(event(id=opened.store.conversations.branch(id)[0].id))[page.composer.component]
        assert (value["text"], value["attachments"]) == ("What first?", [letter])


def test_what_was_attached_reaches_the_model_and_stays_with_its_question(page: Page, opened: Services) -> None:
    letter = {"name": "Letter", "text": "Potassium 5.9", "media_type": "text/plain", "pages": None}
    id = answered(page, opened, "", "What first?", attachments=[letter])
    runtime: Any = opened.runtime
    assert "Potassium 5.9" in runtime.encoded[-1][-1].text
    assert opened.store.conversations.branch(id)[0].attachments[0].name == "Letter"


def test_opening_a_conversation_gives_its_draft(page: Page, opened: Services) -> None:
    id = answered(page, opened, "", "What?")
    opened.store.conversations.set_draft(id, Draft("And then?"))
    value: Any = page.list.open(event(id=id))[page.composer.component]
    assert (value["conversation"], value["text"]) == (id, "And then?")


class TestPresets:
    def test_each_file_is_one_and_its_fields_make_a_question(self, page: Page) -> None:
        value: Any = page.composer.list_presets()[page.composer.component]
        assert [one["id"] for one in value["presets"]][:1] == ["ask"] and len(value["presets"]) == 7
        soap = next(one for one in value["presets"] if one["id"] == "soap")
        values = {field["name"]: f"my {field['name']}" for field in soap["fields"]}
        filled: Any = page.composer.fill_preset(event(id="soap", values=values))[page.composer.component]
        assert all(given in filled["text"] for given in values.values())

    def test_a_broken_file_is_told_with_its_line_and_cannot_be_asked(self, opened: Services, tmp_path: Path) -> None:
        (tmp_path / "10-mine.md").write_text('+++\nname = "Mine"\n+++\nWhat about {plan}?\n', "utf-8")
        (tmp_path / "20-good.md").write_text('+++\nname = "Good"\n+++\nWhat now?\n', "utf-8")
        whole = Page(opened, WORDS)
        composer = Composer(whole.desk, whole.transcript, whole.facts, tmp_path)
        composer.build()
        told: Any = composer.list_presets()[composer.component]
        assert [(one["broken"], one["name"]) for one in told["presets"]] == [(True, "10-mine.md"), (False, "Good")]
        assert "Line 4" in told["presets"][0]["hint"]
        with pytest.raises(InputError):
            composer.fill_preset(event(id="mine", values={}))

    def test_one_whose_file_is_gone_says_so(self, page: Page) -> None:
        with pytest.raises(InputError, match="not there any more"):
            page.composer.fill_preset(event(id="no-such", values={}))


def test_an_error_of_ours_becomes_a_notice_and_touches_nothing_else(page: Page) -> None:
    updates = page.desk._told(page.composer.ask)(sent(""))
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
    assert page.desk._told(page.composer.list_presets)()[page.desk.notice] is None


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
