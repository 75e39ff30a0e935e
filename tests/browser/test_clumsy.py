"""The page under hurried hands and in two windows at once: no word is lost, and none goes where its writer did not look."""

from pathlib import Path
from typing import Any

import pytest

from med42_chat.records import Draft, Message
from tests.browser.conftest import Site
from tests.browser.test_composer import BOX, asked, store
from tests.browser.test_page import ask, here, until, wait_for_answer
from tests.conftest import serving
from tests.ui.fakes import MED42, PacedRuntime, gate, services

pytestmark = pytest.mark.browser


def questions(site: Site, id: str) -> list[str]:
    return [message.text for message in store(site).branch(id) if message.role == "user"]


def notice(page: Any) -> str:
    page.wait_for_selector("#notice .notice:not([hidden])")
    return str(page.inner_text("#notice .notice p"))


def drop(page: Any, *files: tuple[str, str]) -> None:
    page.evaluate(
        """files => { const data = new DataTransfer(); for (const [name, text] of files) data.items.add(new File([text], name));
        document.dispatchEvent(Object.assign(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}))); }""",
        list(files),
    )


class TestTwoWindows:
    def test_a_question_goes_below_what_its_writer_sees_or_not_at_all(self, page: Any, site: Site) -> None:
        id = asked(page, "First?", "Second?")
        earlier = store(site).branch(id)[1]
        page.evaluate("med42.handlers.hello = () => {}")  # the news of the other window is still on its way
        page.evaluate("med42.connect()")
        store(site).begin_again(id, earlier.parent_id or "")
        ask(page, "Third?")
        assert "has changed" in notice(page)
        assert page.input_value(BOX) == "Third?"
        assert questions(site, id) == ["First?"]
        page.reload()
        page.wait_for_selector(".turn")

    def test_why_a_question_was_not_taken_stays_to_be_read(self, page: Any, site: Site) -> None:
        asked(page, "First?")
        page.evaluate("med42.tell({message: 'Read me.', hint: ''}); med42.reopen()")
        page.wait_for_timeout(600)
        assert notice(page) == "Read me."
        page.evaluate("med42.show('')")
        assert page.is_hidden("#notice .notice")

    def test_what_is_typed_in_a_conversation_that_another_window_deletes_is_not_lost(self, page: Any, site: Site) -> None:
        id = asked(page, "First?")
        page.fill(BOX, "typed with care")
        site.services.bin.put(id)
        page.wait_for_selector(".greeting")
        assert "deleted in another window" in notice(page)
        assert page.input_value(BOX) == "typed with care"
        until(lambda: store(site).draft("") == Draft("typed with care"), "it is not kept")

    def test_nor_is_what_waits_behind_a_question_that_is_being_changed(self, page: Any, site: Site) -> None:
        id = asked(page, "First?")
        page.fill(BOX, "a draft")
        page.evaluate("med42.editQuestion(document.querySelector('.question').dataset.message, 'First?')")
        page.fill(BOX, "First, changed?")
        site.services.bin.put(id)
        page.wait_for_selector(".greeting")
        assert page.input_value(BOX) == "First, changed?\na draft"


class TestHurry:
    def test_questions_in_two_conversations_within_a_moment_are_both_asked(self, page: Any, site: Site) -> None:
        one = asked(page, "One?")
        page.evaluate("med42.show('')")
        page.wait_for_selector(".greeting")
        other = asked(page, "Other?")
        page.evaluate("id => { med42.ask('Other again?'); med42.show(id); med42.ask('One again?'); }", one)
        until(lambda: questions(site, one)[1:] == ["One again?"], "the second is not asked")
        until(lambda: questions(site, other)[1:] == ["Other again?"], "the first is not asked")

    def test_a_question_that_is_refused_while_another_is_on_its_way_comes_back_to_its_own_conversation(self, page: Any, site: Site) -> None:
        one = asked(page, "One?")
        page.evaluate("med42.show('')")
        page.wait_for_selector(".greeting")
        other = asked(page, "Other?")
        long = "word " * 9000
        page.evaluate("([id, long]) => { med42.ask(long); med42.show(id); med42.ask('One again?'); }", [one, long])
        until(lambda: questions(site, one)[1:] == ["One again?"], "the second is not asked")
        until(lambda: page.evaluate("id => med42.draft(id).text", other) == long, "the first is lost")

    def test_each_file_that_cannot_be_attached_is_named(self, page: Any) -> None:
        drop(page, ("nothing.txt", ""), ("good.txt", "K 5.9"), ("program.pdf", "MZ\x00\x01\x00"))
        page.wait_for_selector('.attached .figures:has-text("token")')
        until(lambda: "nothing.txt" in notice(page) and "program.pdf" in notice(page), "one is not named")


def marked(page: Any) -> list[str]:
    return list(page.evaluate("[...document.querySelectorAll('.unseen-by-model')].map(one => one.dataset.message)"))


def unseen(message: Message) -> list[str]:
    assert message.evidence
    return [item.id for item in message.evidence.left_out if item.reason == "room"]


def test_the_marks_while_an_answer_is_written_are_what_its_record_says(page: Any, site: Site) -> None:
    id = asked(page, "First?", "Second?")
    question = store(site).branch(id)[0]
    page.evaluate(
        "id => document.dispatchEvent(new CustomEvent('med42:preview', {detail: {conversation: med42.conversation(), unseen: [id]}}))",
        question.id,
    )
    assert marked(page) == [question.id]
    site.runtime.gate = gate()
    page.locator('.answer [data-do="again"]').last.click()
    page.wait_for_selector('.answer[data-status="streaming"]')
    until(lambda: marked(page) == [], "what the model does see is marked as unseen")
    site.runtime.gate.set()
    wait_for_answer(page)
    until(lambda: not page.evaluate("med42.isAnswering()"), "it does not end")
    assert unseen(store(site).branch(here(page))[-1]) == []


class TestDraftsStay:
    def test_an_example_leaves_what_is_being_typed(self, page: Any) -> None:
        page.fill(BOX, "half a question")
        page.locator(".example").first.dblclick()
        wait_for_answer(page)
        assert page.input_value(BOX) == "half a question"
        assert page.locator(".question").count() == 1

    def test_escape_throws_no_changed_question_away(self, page: Any) -> None:
        asked(page, "First?")
        page.fill(BOX, "a draft")
        page.locator(".question").hover()
        page.click('.question [data-do="edit"]')
        until(lambda: page.input_value(BOX) == "First?", "it is not edited")
        page.type(BOX, " And for a child?")
        page.press(BOX, "Escape")
        assert page.input_value(BOX) == "a draft"
        page.click(".toast .act")
        assert page.input_value(BOX) == "First? And for a child?"
        assert page.is_visible(".editing")
        page.click(".editing .leave")
        page.click(".toast .dismiss")
        assert page.input_value(BOX) == "a draft"

    def test_a_question_of_another_window_takes_no_words_from_this_one(self, page: Any, site: Site, browser: Any) -> None:
        id = asked(page, "First?")
        other = site.open(browser, f"#c={id}")
        page.fill(BOX, "of this window")
        until(lambda: store(site).draft(id).text == "of this window", "it is not kept")
        other.fill(BOX, "of the other")
        other.press(BOX, "Enter")
        until(lambda: questions(site, id)[1:] == ["of the other"], "it is not asked")
        until(lambda: store(site).draft(id).text == "of this window", "it is lost for a reload")
        page.evaluate("med42.reopen()")
        page.wait_for_timeout(500)
        assert page.input_value(BOX) == "of this window"
        other.context.close()

    def test_a_draft_that_another_window_has_asked_is_gone_here_too(self, page: Any, site: Site, browser: Any) -> None:
        id = asked(page, "First?")
        page.fill(BOX, "Second?")
        until(lambda: store(site).draft(id).text == "Second?", "it is not kept")
        other = site.open(browser, f"#c={id}")
        until(lambda: other.input_value(BOX) == "Second?", "the other window has no draft")
        other.press(BOX, "Enter")
        until(lambda: page.locator(".question").count() == 2, "this window does not hear of it")
        until(lambda: page.input_value(BOX) == "", "a question that was asked waits to be asked again")
        other.context.close()


def test_a_page_whose_program_has_gone_claims_no_progress_and_says_so_once(browser: Any, tmp_path: Path) -> None:
    runtime = PacedRuntime(model=MED42, gate=gate())
    opened = services(tmp_path / "home", runtime)
    opened.acknowledge()
    with serving(opened) as address:
        page = Site(address, opened, runtime).open(browser)
        ask(page, "First?")
        page.wait_for_selector('.answer[data-status="streaming"] .progress')
        assert page.is_visible("#header .state")
    page.wait_for_selector("[data-live=lost]", state="visible")
    page.wait_for_selector("#header .state", state="hidden")
    page.wait_for_selector(".answer .progress", state="hidden")
    page.fill(BOX, "typed into the void")
    page.press(BOX, "Enter")
    page.wait_for_selector(".toast-wrap", state="attached")
    page.wait_for_timeout(500)
    assert page.is_hidden(".toast-body")
    until(lambda: page.input_value(BOX) == "typed into the void", "it is lost", 40)
    page.context.close()
    opened.close()
