"""The composer as a person uses it: drafts, pastes, files, presets, edited questions, and what does not fit."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from med42_chat.records import Attachment, Draft
from med42_chat.store.conversations import Conversations
from tests.browser.conftest import Site
from tests.browser.test_page import ask, here, until, wait_for_answer
from tests.conftest import serving
from tests.ui.fakes import MED42, PacedRuntime, gate, services

pytestmark = pytest.mark.browser

BOX = "#question textarea"
LETTER = "Dear colleague, thank you for seeing Mrs K. Potassium was 5.9 mmol/l.\n" * 40
PASTE = """text => { const data = new DataTransfer(); data.setData('text/plain', text);
    med42.box().dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})); }"""
DROP = """([name, text]) => { const data = new DataTransfer(); data.items.add(new File([text], name, {type: 'text/plain'}));
    for (const kind of ['dragover', 'drop'])
      document.querySelector('#transcript').dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true})); }"""

# Letter by letter at the page's own pace: from outside, a busy computer would make pauses between them.
TYPE = """async words => { for (const letter of words) { med42.box().value += letter;
    med42.box().dispatchEvent(new Event('input', {bubbles: true})); await new Promise(done => setTimeout(done, 10)); } }"""


def store(site: Site) -> Conversations:
    return site.services.store.conversations


def paste(page: Any, text: str) -> None:
    """A paste as the browser hands it to the page; what the page lets through, the browser puts in."""
    page.focus(BOX)
    page.evaluate(PASTE, text)


def asked(page: Any, *questions: str) -> str:
    """A conversation with these questions answered."""
    for number, question in enumerate(questions, 1):
        ask(page, question)
        until(lambda number=number: page.locator('.answer[data-status="complete"]').count() == number, "no answer")
    return here(page)


def saved(site: Site, id: str, draft: Draft) -> None:
    until(lambda: store(site).draft(id) == draft, f"the draft is {store(site).draft(id)}")


class TestDrafts:
    def test_a_draft_survives_a_reload(self, page: Any, site: Site) -> None:
        id = asked(page, "First?")
        page.fill(BOX, "not sent yet")
        saved(site, id, Draft("not sent yet"))
        page.reload()
        page.wait_for_selector(".turn")
        until(lambda: page.input_value(BOX) == "not sent yet", "the draft is lost")

    def test_what_was_typed_in_the_very_last_moment_survives_too(self, page: Any, site: Site) -> None:
        page.fill(BOX, "gone in a moment")
        page.reload()
        page.wait_for_selector(".greeting")
        until(lambda: page.input_value(BOX) == "gone in a moment", "the draft is lost")

    def test_another_tab_shows_the_draft_with_what_is_attached(self, page: Any, site: Site, browser: Any) -> None:
        id = asked(page, "First?")
        page.fill(BOX, "And this?")
        paste(page, LETTER)
        saved(site, id, Draft("And this?", (Attachment("Pasted text 1", LETTER),)))
        other = site.open(browser, f"#c={id}")
        until(lambda: other.input_value(BOX) == "And this?", "the other tab has no draft")
        assert other.inner_text(".attached .name") == "Pasted text 1"
        other.context.close()

    def test_a_draft_that_another_tab_changed_is_shown_when_its_conversation_is_opened_again(self, page: Any, site: Site) -> None:
        id = asked(page, "First?")
        page.fill(BOX, "from here")
        saved(site, id, Draft("from here"))
        page.evaluate("med42.show('')")
        page.wait_for_selector(".greeting")
        store(site).set_draft(id, Draft("from elsewhere"))
        page.evaluate("id => med42.show(id)", id)
        until(lambda: page.input_value(BOX) == "from elsewhere", "the older draft is shown")

    def test_a_sent_question_leaves_no_draft(self, page: Any, site: Site) -> None:
        page.fill(BOX, "sent at once")
        saved(site, "", Draft("sent at once"))
        page.press(BOX, "Enter")
        wait_for_answer(page)
        saved(site, "", Draft())
        saved(site, here(page), Draft())

    def test_what_is_typed_while_the_first_question_is_on_its_way_is_the_new_conversations(self, page: Any, site: Site) -> None:
        site.runtime.gate = gate()
        page.evaluate("() => { med42.write('First?'); med42.send(); med42.write('And then?'); }")
        page.wait_for_selector('.answer[data-status="streaming"]')
        saved(site, here(page), Draft("And then?"))
        saved(site, "", Draft())
        assert page.input_value(BOX) == "And then?"

    def test_a_question_that_is_refused_comes_back_before_what_was_typed_since(self, page: Any, site: Site) -> None:
        site.runtime.gate = gate()
        ask(page, "first")
        page.wait_for_selector('.answer[data-status="streaming"]')
        paste(page, LETTER)
        page.evaluate("() => { med42.write('second'); med42.send(); med42.write('third'); }")
        page.wait_for_selector(".notice:not([hidden])")
        until(lambda: page.input_value(BOX) == "second\nthird", "it does not come back")
        assert page.locator(".attached li").count() == 1

    def test_a_draft_that_could_not_be_kept_is_kept_when_the_program_is_back(self, browser: Any, tmp_path: Path) -> None:
        opened = services(tmp_path / "home", PacedRuntime(model=MED42))
        opened.acknowledge()
        with serving(opened) as address:
            page = Site(address, opened, PacedRuntime()).open(browser)
        page.fill(BOX, "typed into the void")
        page.wait_for_selector("[data-live=lost]", state="visible")
        with serving(opened, urlsplit(address).port or 0):
            until(lambda: opened.store.conversations.draft("").text == "typed into the void", "it was never kept", 40)
            page.context.close()
        opened.close()


class TestPastes:
    def test_a_long_paste_becomes_a_card_with_its_tokens(self, page: Any) -> None:
        paste(page, LETTER)
        page.wait_for_selector('.attached .figures:has-text("482 tokens")')
        assert "Pasted text 1" in page.inner_text(".attached") and "482 tokens · 2,800 characters" in page.inner_text(".attached")
        assert page.input_value(BOX) == ""

    def test_many_short_lines_are_a_card_and_a_sentence_is_not(self, page: Any) -> None:
        paste(page, "K 5.9\n" * 26)
        assert page.locator(".attached li").count() == 1
        paste(page, "K 5.9")
        assert page.locator(".attached li").count() == 1

    def test_a_card_is_read_removed_or_put_into_the_box(self, page: Any) -> None:
        paste(page, LETTER)
        page.click(".attached .open")
        assert page.inner_text(".reader .whole").startswith("Dear colleague")
        page.click(".reader .actions button:has-text('box')")
        assert page.input_value(BOX) == LETTER
        assert page.locator(".attached li").count() == 0
        paste(page, LETTER)
        page.click(".attached .away-with")
        assert page.locator(".attached li").count() == 0

    def test_it_goes_with_the_question_and_is_gone_from_the_box(self, page: Any, site: Site) -> None:
        paste(page, LETTER)
        ask(page, "What first?")
        wait_for_answer(page)
        assert store(site).branch(here(page))[0].attachments == (Attachment("Pasted text 1", LETTER),)
        assert any("Potassium was 5.9" in turns[-1].text for turns in site.runtime.encoded)
        assert page.locator(".attached li").count() == 0

    def test_a_text_that_no_model_takes_is_refused_in_words_and_nothing_is_lost(self, page: Any) -> None:
        page.fill(BOX, "About this:")
        paste(page, "word " * 900_000)
        page.wait_for_selector('.notice:has-text("4,500,000 characters")')
        assert page.input_value(BOX) == "About this:" and page.locator(".attached li").count() == 0

    def test_texts_that_are_too_much_together_are_refused_too(self, page: Any) -> None:
        for _ in range(2):
            paste(page, "word " * 400_000)
        page.wait_for_selector('.notice:has-text("2,000,000 characters")')
        assert page.locator(".attached li").count() == 1

    def test_a_card_keeps_the_focus_when_its_tokens_are_counted(self, page: Any) -> None:
        paste(page, LETTER)
        page.focus(".attached .open")
        page.wait_for_selector('.attached .figures:has-text("482 tokens")')
        assert page.evaluate("document.activeElement.className") == "open"

    def test_hostile_words_stay_words(self, page: Any) -> None:
        paste(page, '<img src=x onerror="window.hacked=1">\n' * 30)
        page.click(".attached .open")
        assert page.evaluate("window.hacked") is None and page.locator(".attached img, .reader img").count() == 0
        page.keyboard.press("Escape")


class TestFiles:
    def test_a_dropped_file_becomes_a_card(self, page: Any, site: Site) -> None:
        page.evaluate(DROP, ["Brief für Dr. M.txt", "Kalium 5,9 mmol/l"])
        page.wait_for_selector('.attached .figures:has-text("5 tokens")')
        assert page.inner_text(".attached .name") == "Brief für Dr. M.txt"
        saved(site, "", Draft("", (Attachment("Brief für Dr. M.txt", "Kalium 5,9 mmol/l"),)))

    def test_a_chosen_file_that_cannot_be_read_says_why(self, page: Any) -> None:
        page.set_input_files(".files", [{"name": "scan.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n" + bytes(90)}])
        page.wait_for_selector('.notice:has-text("is not a text")')
        assert page.locator(".attached li").count() == 0

    def test_a_file_goes_where_it_was_dropped_wherever_the_reader_goes(self, page: Any, site: Site) -> None:
        id = asked(page, "First?")
        page.evaluate(DROP, ["letter.txt", "Potassium 5.9"])
        page.evaluate("med42.show('')")
        page.wait_for_selector(".greeting")
        saved(site, id, Draft("", (Attachment("letter.txt", "Potassium 5.9"),)))
        assert page.locator(".attached li").count() == 0
        assert store(site).draft("") == Draft()


class TestPresets:
    def test_a_slash_lists_them_and_letters_choose(self, page: Any) -> None:
        page.click(BOX)
        page.keyboard.type("/")
        page.wait_for_selector(".preset >> nth=6")
        page.keyboard.type("diff")
        assert page.locator(".preset").count() == 1
        page.keyboard.press("Escape")
        assert page.locator(".preset-list").is_hidden() and page.input_value(BOX) == ""

    def test_arrows_and_enter_choose_and_the_fields_make_the_question(self, page: Any) -> None:
        page.click(BOX)
        page.keyboard.type("/")
        page.wait_for_selector(".preset >> nth=6")
        for _ in range(3):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_selector('.preset-form h3:text("SOAP note")')
        page.keyboard.type("low back pain")
        page.keyboard.press("Tab")
        page.keyboard.type("since 2 days")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".preset-form", state="hidden")
        question = page.input_value(BOX)
        assert "SOAP note for low back pain" in question and "since 2 days" in question
        assert page.locator(".question").count() == 0  # to be changed, or sent

    def test_the_button_opens_them_and_what_was_typed_becomes_the_notes(self, page: Any) -> None:
        page.fill(BOX, "since 2 days, after lifting")
        page.click('[data-act="presets"]')
        page.click('.preset:has-text("SOAP note")')
        page.wait_for_selector(".preset-form textarea")
        assert page.input_value(".preset-form textarea") == "since 2 days, after lifting"
        page.click(".preset-form .primary")
        page.wait_for_selector(".preset-form", state="hidden")
        assert page.input_value(BOX).count("since 2 days, after lifting") == 1

    def test_a_second_click_on_the_button_closes_them(self, page: Any) -> None:
        page.click('[data-act="presets"]')
        page.wait_for_selector(".preset >> nth=0")
        page.click('[data-act="presets"]')
        assert page.locator(".preset-list").is_hidden()

    def test_a_form_that_is_not_finished_waits_in_its_conversation(self, page: Any) -> None:
        id = asked(page, "First?")
        page.fill(BOX, "/soap")
        page.wait_for_selector(".preset")
        page.keyboard.press("Enter")
        page.wait_for_selector(".preset-form input")
        page.fill(".preset-form textarea", "half of the notes")
        page.evaluate("med42.show('')")
        page.wait_for_selector(".greeting")
        assert page.locator(".preset-form").is_hidden()
        page.evaluate("id => med42.show(id)", id)
        assert page.input_value(".preset-form textarea") == "half of the notes"
        page.keyboard.press("Escape")

    def test_a_path_is_a_question_and_no_preset(self, page: Any) -> None:
        page.fill(BOX, "/ is what I want to ask")
        assert page.locator(".preset-list").is_hidden()


class TestAnEditedQuestion:
    def test_it_becomes_another_version_and_the_draft_comes_back(self, page: Any, site: Site) -> None:
        id = asked(page, "First?", "Second?")
        first = store(site).branch(id)[0]
        page.fill(BOX, "my draft")
        page.evaluate("id => med42.editQuestion(id, 'First?')", first.id)
        assert page.locator(".editing").is_visible() and page.input_value(BOX) == "First?"
        page.fill(BOX, "First, in other words?")
        page.press(BOX, "Enter")
        until(lambda: store(site).branch(id)[0].text == "First, in other words?", "it was not asked")
        assert store(site).branch(id)[0].versions == (first.id, store(site).branch(id)[0].id)
        until(lambda: page.input_value(BOX) == "my draft", "the draft did not come back")
        assert page.locator(".editing").is_hidden()

    def test_escape_leaves_it_as_it_was(self, page: Any, site: Site) -> None:
        id = asked(page, "First?")
        page.fill(BOX, "my draft")
        saved(site, id, Draft("my draft"))
        page.evaluate("id => med42.editQuestion(id, 'First?')", store(site).branch(id)[0].id)
        page.fill(BOX, "changed")
        page.wait_for_timeout(700)
        assert store(site).draft(id) == Draft("my draft")
        page.keyboard.press("Escape")
        assert page.input_value(BOX) == "my draft" and page.locator(".editing").is_hidden()

    def test_arrow_up_in_the_empty_box_takes_the_last_question_with_what_it_came_with(self, page: Any) -> None:
        paste(page, LETTER)
        asked(page, "What first?")
        page.press(BOX, "ArrowUp")
        until(lambda: page.input_value(BOX) == "What first?", "nothing to edit")
        assert page.inner_text(".attached .name") == "Pasted text 1"
        page.keyboard.press("Escape")
        assert page.locator(".attached li").count() == 0

    def test_arrow_up_in_a_text_moves_in_the_text(self, page: Any) -> None:
        asked(page, "First?")
        page.fill(BOX, "one\ntwo")
        page.press(BOX, "ArrowUp")
        assert page.input_value(BOX) == "one\ntwo" and page.locator(".editing").is_hidden()


class TestWhatDoesNotFit:
    @pytest.fixture
    def full(self, page: Any, site: Site) -> str:
        """A conversation in which there is no room for the first exchange any more."""
        id = store(site).create("Long").id
        for words in (5000, 3000):
            site.services.jobs.start(id, "word " * words).join(15)
        page.evaluate("id => med42.show(id)", id)
        page.wait_for_selector(".turn >> nth=3")
        return id

    def test_it_is_marked_as_soon_as_the_conversation_is_opened(self, page: Any, full: str) -> None:
        page.wait_for_selector(".turn.unseen-by-model >> nth=1")

    def test_the_reader_is_asked_first_and_then_no_more_in_this_conversation(self, page: Any, site: Site, full: str) -> None:
        ask(page, "And now?")
        page.wait_for_selector(".unfit")
        assert page.input_value(BOX) == "And now?"
        assert len(store(site).branch(full)) == 4
        page.click('.unfit [data-do="send-anyway"]')
        until(lambda: len(store(site).branch(full)) == 6 and not site.services.jobs.running(full), "it was not sent")
        until(lambda: page.input_value(BOX) == "", "what was sent is still in the box")
        until(lambda: not page.evaluate("med42.isAnswering()"), "no end")
        ask(page, "And then?")
        until(lambda: len(store(site).branch(full)) == 8, "asked again")

    def test_the_reader_is_still_asked_when_the_page_reads_its_conversation_anew(self, page: Any, site: Site, full: str) -> None:
        ask(page, "And now?")
        page.wait_for_selector(".unfit")
        page.evaluate("document.querySelector('#transcript .turn').dataset.old = 'yes'; med42.reopen()")
        until(lambda: not page.locator("[data-old]").count(), "it was not read anew")
        page.click('.unfit [data-do="send-anyway"]')
        until(lambda: len(store(site).branch(full)) == 6, "it was not sent")

    def test_a_question_over_the_context_says_so_while_it_is_typed_and_is_not_sent(self, page: Any, site: Site) -> None:
        page.fill(BOX, "word " * 9000)
        page.wait_for_selector('.fit:has-text("9,002 tokens")')
        before = store(site).total()
        page.press(BOX, "Enter")
        page.wait_for_selector('.notice:has-text("9,002 tokens")')
        assert page.evaluate("med42.box().value.length") == 45_000 and store(site).total() == before
        page.fill(BOX, "short")
        page.wait_for_selector(".fit", state="hidden")

    def test_the_meter_grows_with_what_is_typed_and_attached(self, page: Any) -> None:
        paste(page, LETTER)
        page.fill(BOX, "word " * 500)
        page.wait_for_selector('.meter [data-share="sources"]', state="attached")
        # A meter that comes meanwhile takes the focused one's place.
        until(lambda: [page.focus(".meter"), page.is_visible("#split")][1], "the split is not shown")
        assert "New question" in page.text_content("#split") and "Documents" in page.text_content("#split")


class TestKeys:
    def test_a_question_mark_outside_of_fields_shows_them_all(self, page: Any) -> None:
        page.fill(BOX, "")
        page.keyboard.type("?")
        assert page.input_value(BOX) == "?" and page.locator("dialog.keys").is_hidden()
        page.focus("#transcript .scroll")
        page.keyboard.type("?")
        assert "Begin a new line" in page.inner_text("dialog.keys")
        page.keyboard.press("Escape")
        assert page.locator("dialog.keys").is_hidden()

    def test_control_and_enter_send_from_anywhere(self, page: Any) -> None:
        page.fill(BOX, "from the transcript")
        page.focus("#transcript .scroll")
        page.keyboard.press("Control+Enter")
        wait_for_answer(page)

    def test_an_enter_that_chooses_a_word_of_an_input_method_sends_nothing(self, page: Any) -> None:
        page.fill(BOX, "頭痛")
        page.evaluate("med42.box().dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true}))")
        page.wait_for_timeout(200)
        assert page.input_value(BOX) == "頭痛" and page.locator(".question").count() == 0

    def test_everything_is_reached_by_tab_in_the_order_it_stands(self, page: Any) -> None:
        paste(page, LETTER)
        page.focus(".attached .open")
        names = []
        for _ in range(8):
            names.append(page.evaluate("(e => e.dataset.act || e.id || e.className || e.tagName)(document.activeElement)"))
            page.keyboard.press("Tab")
        assert names == ["open", "away-with", "TEXTAREA", "attach", "presets", "scope", "keys", "send"]


@pytest.mark.parametrize("width", [390, 1024, 1440])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_sticks_out_of_the_composer(page: Any, width: int, theme: str) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=theme)
    paste(page, LETTER)
    page.fill(BOX, "word " * 400)
    page.click('[data-act="presets"]')
    page.wait_for_selector(".preset >> nth=6")
    for part in (".writing", ".preset-list", "#send"):
        box = page.locator(part).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width, part
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.querySelector('.writing')).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if theme == "light" else "rgb(21, 31, 38)")
    page.keyboard.press("Escape")
    page.emulate_media(color_scheme="light")


def test_typing_is_told_to_the_program_once_a_pause_and_never_twice_at_a_time(page: Any, site: Site) -> None:
    def drafts() -> int:
        return sum(url.endswith("/v1/draft") for url in site.requests)

    page.wait_for_timeout(700)
    before = drafts()
    page.evaluate(TYPE, "What are the red flags of headache?")
    saved(site, "", Draft("What are the red flags of headache?"))
    page.wait_for_timeout(500)
    assert 1 <= drafts() - before <= 2


def test_what_was_typed_before_facts_made_the_conversation_goes_along(page: Any, site: Site) -> None:
    page.fill(BOX, "Which antibiotic?")
    page.click("#facts .link")
    page.fill("#facts textarea", "Allergy: penicillin")
    page.click("#facts .primary")
    page.wait_for_selector(".fact")
    saved(site, here(page), Draft("Which antibiotic?"))
    saved(site, "", Draft())  # the next new conversation is another patient's
    assert page.input_value(BOX) == "Which antibiotic?"
