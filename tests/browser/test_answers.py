"""What a reader does with answers, in a real browser: versions, continuing, copying, judging, folding, and what the model does not see."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from med42_chat.records import Attachment
from tests.browser.conftest import Site, Turnstile
from tests.ui.fakes import ANSWER, MED42, gate

pytestmark = pytest.mark.browser

LAST = ".answer >> nth=-1 >> "
DETAIL = "\n\n".join(
    f"Reason {number}, in as many words as a reason needs to be long enough to be folded away. " * 3 for number in range(4)
)


def until(true: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def here(page: Any) -> str:
    return str(page.evaluate("med42.conversation()"))


def ask(page: Any, site: Site, question: str, text: str = "Yes.", status: str = "complete") -> None:
    """Asks, and waits until the answer is there."""
    site.runtime.text = text
    count = page.locator(".answer").count()
    page.fill("#question textarea", question)
    page.press("#question textarea", "Enter")
    page.wait_for_selector(f'.answer[data-status="{status}"] >> nth={count}')


def do(page: Any, what: str) -> None:
    """Presses a button of the last answer."""
    page.click(f'{LAST}[data-do="{what}"]')


def shown(page: Any) -> list[str]:
    """The words of each message on the screen."""
    texts = page.eval_on_selector_all(
        "#transcript .turn",
        "all => all.map(one => [...one.querySelectorAll('.block > :not(button), .typed')].map(p => p.textContent).join(' '))",
    )
    return [str(text) for text in texts]


def again(page: Any, site: Site, text: str) -> None:
    """Asks for a further version of the last answer, and waits for it."""
    site.runtime.text = text
    do(page, "again")
    page.wait_for_selector(f'.answer[data-status="complete"] >> text="{text}"')


class TestVersions:
    def test_a_further_answer_keeps_the_first_and_arrows_lead_to_both(self, page: Any, site: Site) -> None:
        ask(page, site, "Which dose?", "First version.")
        again(page, site, "Second version.")
        assert shown(page) == ["Which dose?", "Second version."]
        assert page.inner_text(f"{LAST}.versions") == "2 of 2"
        do(page, "back")
        page.wait_for_selector('.answer >> text="First version."')
        assert page.inner_text(f"{LAST}.versions") == "1 of 2"
        assert site.services.store.conversations.branch(here(page))[-1].text == "First version."

    def test_the_arrow_keeps_the_focus_from_version_to_version(self, page: Any, site: Site) -> None:
        ask(page, site, "Which dose?", "First version.")
        again(page, site, "Second version.")
        page.focus(f'{LAST}[data-do="back"]')
        page.keyboard.press("Enter")
        page.wait_for_selector('.answer >> text="First version."')
        assert page.evaluate("document.activeElement.dataset.do") == "back"
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector('.answer >> text="Second version."')

    def test_later_messages_stay_on_their_branch_and_it_is_said(self, page: Any, site: Site) -> None:
        ask(page, site, "One?", "Answer one.")
        ask(page, site, "Two?", "Answer two.")
        site.runtime.text = "Answer one, again."
        page.click('.answer >> nth=0 >> [data-do="again"]')
        page.wait_for_selector('.answer[data-status="complete"] >> text="Answer one, again."')
        assert shown(page) == ["One?", "Answer one, again."]
        assert page.inner_text(".kept") == "Later messages are kept in the other version."
        do(page, "back")
        until(lambda: shown(page) == ["One?", "Answer one.", "Two?", "Answer two."], "the other branch is not shown")
        assert page.locator(".kept").count() == 0

    def test_a_changed_question_is_another_version_with_its_own_answer(self, page: Any, site: Site) -> None:
        ask(page, site, "Dose of apixaban?", "5 mg.")
        page.hover(".question")
        page.click('.question [data-do="edit"]')
        page.fill("#question textarea", "Dose of rivaroxaban?")
        site.runtime.text = "20 mg."
        page.press("#question textarea", "Enter")
        page.wait_for_selector('.answer[data-status="complete"] >> text="20 mg."')
        assert shown(page) == ["Dose of rivaroxaban?", "20 mg."]
        page.click('.question [data-do="back"]')
        until(lambda: shown(page) == ["Dose of apixaban?", "5 mg."], "the first version is not shown")

    def test_another_tab_follows_to_the_version_that_is_shown(self, page: Any, site: Site, browser: Any) -> None:
        ask(page, site, "Which dose?", "First version.")
        other = site.open(browser, f"#c={here(page)}")
        other.wait_for_selector(".answer")
        again(page, site, "Second version.")
        other.wait_for_selector('.answer[data-status="complete"] >> text="Second version."')
        assert other.locator(".turn").count() == 2
        do(page, "back")
        other.wait_for_selector('.answer >> text="First version."')
        other.context.close()

    def test_no_version_is_changed_while_an_answer_is_written(self, page: Any, site: Site) -> None:
        ask(page, site, "One?", "First version.")
        again(page, site, "Second version.")
        site.runtime.gate = gate()
        page.fill("#question textarea", "Two?")
        page.press("#question textarea", "Enter")
        page.wait_for_selector('.answer[data-status="streaming"]')
        page.click('.answer >> nth=0 >> [data-do="back"]')
        page.wait_for_selector('.notice:has-text("still being written")')
        assert shown(page)[1] == "Second version."


class TestIncomplete:
    def test_an_answer_that_reached_its_length_goes_on_where_it_ended(self, page: Any, site: Site) -> None:
        site.runtime.reason = "length"
        ask(page, site, "Write a letter", "Dear colleague, ", "length")
        assert "reached its length limit" in page.inner_text(f"{LAST}.ending")
        site.runtime.reason, site.runtime.text = "stop", "thank you for seeing her."
        do(page, "continue")
        page.wait_for_selector('.answer[data-status="complete"]')
        assert shown(page)[1].startswith("Dear colleague,") and shown(page)[1].endswith("thank you for seeing her.")
        assert page.inner_text(f"{LAST}.versions") == "2 of 2"

    def test_a_failed_answer_is_tried_again(self, page: Any, site: Site) -> None:
        site.runtime.reason, site.runtime.detail = "failed", "The model could not."
        ask(page, site, "Try", "", "failed")
        site.runtime.reason, site.runtime.text = "stop", "Now it works."
        page.click(f'{LAST}.ending [data-do="again"]')
        page.wait_for_selector('.answer[data-status="complete"] >> text="Now it works."')


class TestCopying:
    @pytest.fixture(autouse=True)
    def allowed(self, page: Any) -> None:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    def clipboard(self, page: Any) -> str:
        return str(page.evaluate("navigator.clipboard.readText()"))

    def test_copy_gives_plain_words_and_says_so(self, page: Any, site: Site) -> None:
        ask(page, site, "Copy", "Give **aspirin**.\n\n- now")
        do(page, "copy")
        page.wait_for_selector(f"{LAST}text=Copied")
        assert self.clipboard(page) == "Give aspirin.\n\n- now"
        kinds = page.evaluate("navigator.clipboard.read().then(items => items[0].types)")
        assert "text/html" in kinds  # tables and bold print for programs that take them

    @pytest.mark.parametrize(
        ("item", "words"), [("Copy as Markdown", "Give **aspirin**."), ("Copy with sources", "Written by Llama3-Med42-8B")]
    )
    def test_the_menu_gives_markdown_and_sources(self, page: Any, site: Site, item: str, words: str) -> None:
        ask(page, site, "Copy", "Give **aspirin**.")
        do(page, "more")
        page.click(f'.menu [role="menuitem"]:text-is("{item}")')
        page.wait_for_selector(f"{LAST}text=Copied")
        assert words in self.clipboard(page)

    def test_a_question_is_copied_as_typed(self, page: Any, site: Site) -> None:
        ask(page, site, "Give **aspirin**?")
        page.hover(".question")
        page.click('.question [data-do="copy"]')
        page.wait_for_selector(".question .done")
        assert self.clipboard(page) == "Give **aspirin**?"


class TestMenu:
    def test_keys_move_in_it_and_escape_gives_the_focus_back(self, page: Any, site: Site) -> None:
        ask(page, site, "Menu")
        page.focus(f'{LAST}[data-do="more"]')
        page.keyboard.press("Enter")
        page.wait_for_selector('.menu[role="menu"]')
        assert page.evaluate("document.activeElement.textContent") == "Copy as Markdown"
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement.textContent") == "Copy with sources"
        page.keyboard.press("p")
        assert page.evaluate("document.activeElement.textContent") == "Pin as a fact"
        page.keyboard.press("End")
        assert page.evaluate("document.activeElement.textContent") == "Export this answer …"
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement.textContent") == "Copy as Markdown"
        page.keyboard.press("Escape")
        assert page.locator('.menu[role="menu"]').count() == 0
        assert page.evaluate("document.activeElement.dataset.do") == "more"

    def test_a_second_click_closes_it(self, page: Any, site: Site) -> None:
        ask(page, site, "Menu")
        do(page, "more")
        assert page.get_attribute(f'{LAST}[data-do="more"]', "aria-expanded") == "true"
        do(page, "more")
        assert page.locator('.menu[role="menu"]').count() == 0


class TestJudging:
    def test_a_bad_answer_is_kept_with_its_reason_and_can_be_taken_back(self, page: Any, site: Site) -> None:
        ask(page, site, "Judge")
        do(page, "bad")
        page.click('.judgement .reason:text-is("Not correct")')
        page.fill(".judgement input", "5 mg is too much")
        page.keyboard.press("Enter")
        page.wait_for_selector(".judgement", state="detached")
        answer = site.services.store.conversations.branch(here(page))[-1].id
        feedback = lambda: site.services.store.conversations.message(answer).feedback  # noqa: E731
        until(lambda: feedback() and feedback().reason == "Not correct: 5 mg is too much", "the reason is not kept")
        page.reload()
        page.wait_for_selector(f'{LAST}[data-do="bad"][aria-pressed="true"]')
        page.wait_for_selector(".record >> text=5 mg is too much")
        do(page, "bad")
        until(lambda: feedback() is None, "the judgement is still there")
        page.wait_for_selector(f'{LAST}[data-do="bad"][aria-pressed="false"]')

    def test_escape_leaves_the_reason_out_and_the_judgement_in(self, page: Any, site: Site) -> None:
        ask(page, site, "Judge")
        do(page, "good")
        page.wait_for_selector(".judgement")
        page.keyboard.press("Escape")
        assert page.locator(".judgement").count() == 0
        assert page.evaluate("document.activeElement.dataset.do") == "good"
        until(lambda: site.services.store.conversations.branch(here(page))[-1].feedback, "not kept")


class TestPinning:
    def test_the_marked_words_go_into_the_facts(self, page: Any, site: Site) -> None:
        ask(page, site, "Pin", "She is allergic to latex. And more.")
        page.evaluate("getSelection().selectAllChildren(document.querySelector('.answer .block p'))")
        page.evaluate("getSelection().getRangeAt(0).setEnd(document.querySelector('.answer .block p').firstChild, 24)")
        do(page, "more")
        page.click('.menu [role="menuitem"]:text-is("Pin as a fact")')
        page.wait_for_selector("#facts textarea")
        assert "She is allergic to latex" in page.input_value("#facts textarea")
        page.keyboard.press("Escape")

    def test_without_marked_words_the_first_sentence_is_taken(self, page: Any, site: Site) -> None:
        ask(page, site, "Mrs K. has CKD 3b. What now?")
        page.evaluate("getSelection().removeAllRanges()")
        page.hover(".question")
        page.click('.question [data-do="pin"]')
        page.wait_for_selector("#facts textarea")
        assert page.input_value("#facts textarea").strip() == "Mrs K. has CKD 3b."
        page.keyboard.press("Escape")


class TestBottomLine:
    def test_nothing_is_hidden_until_the_reader_folds_it(self, page: Any, site: Site) -> None:
        ask(page, site, "Fold", f"Give aspirin.\n\n{DETAIL}")
        assert page.locator(".answer .block >> nth=-1").is_visible()
        page.focus(".fold")
        page.keyboard.press("Enter")
        assert page.locator(".answer .block:visible").count() == 1
        assert page.inner_text(".fold") == "Show the detail (4 parts)"
        assert page.get_attribute(".fold", "aria-expanded") == "false"
        page.evaluate("med42.reopen()")
        page.wait_for_timeout(600)
        assert page.locator(".answer .block:visible").count() == 1
        page.click(".fold")
        assert page.locator(".answer .block:visible").count() == 5

    def test_all_answers_fold_at_once_from_the_menu(self, page: Any, site: Site) -> None:
        for question in ("one", "two"):
            ask(page, site, question, f"Give aspirin.\n\n{DETAIL}")
        do(page, "more")
        page.click('.menu [role="menuitem"]:text-is("Show only the bottom lines")')
        assert page.locator(".answer.folded").count() == 2


class TestQuestions:
    def test_attachments_stand_folded_with_their_question(self, page: Any, site: Site) -> None:
        store = site.services.store.conversations
        id = store.create().id
        letter = Attachment("letter.pdf", "Dear colleague", "application/pdf", 2)
        site.services.jobs.start(id, "Read this", attachments=(letter,)).join(10)
        page.evaluate("id => med42.show(id)", id)
        page.wait_for_selector(".question .attachment")
        assert "2 pages" in page.inner_text(".attachment summary")
        assert not page.locator(".attachment .typed").is_visible()
        page.click(".attachment summary")
        assert page.inner_text(".attachment .typed") == "Dear colleague"


class TestUnseen:
    @pytest.fixture(autouse=True)
    def small(self, page: Any, site: Site) -> None:
        assert site.runtime.model
        site.runtime.model = replace(MED42, context=400)  # 200 of them are kept for the answer

    def fill(self, page: Any, site: Site) -> None:
        for question in ("the first one", "the second one", "the third one"):
            ask(page, site, question, "word " * 45)

    def test_what_the_model_will_not_see_is_marked_before_anything_is_sent(self, page: Any, site: Site) -> None:
        self.fill(page, site)
        sent = len(site.runtime.requests)
        page.fill("#question textarea", "and this " * 30)
        page.press("#question textarea", "Enter")
        page.wait_for_selector(".unfit")
        assert len(site.runtime.requests) == sent
        assert "the first one" in page.inner_text(".unfit")
        marked = [text for text in shown(page)[: page.locator(".unseen-by-model").count()] if text.startswith("the ")]
        assert marked[0] == "the first one"
        assert page.inner_text(".unseen-line") == "The model does not see what is above"
        assert page.input_value("#question textarea").startswith("and this")
        page.click('.unfit [data-do="send-anyway"]')
        until(lambda: len(site.runtime.requests) == sent + 1, "not sent")
        page.wait_for_selector(".unfit", state="detached")

    def test_shorten_goes_back_to_the_box_with_the_words(self, page: Any, site: Site) -> None:
        self.fill(page, site)
        page.fill("#question textarea", "and this " * 30)
        page.press("#question textarea", "Enter")
        page.wait_for_selector(".unfit")
        page.keyboard.press("Tab")
        page.click('.unfit [data-do="shorten"]')
        assert page.evaluate("document.activeElement.matches('#question textarea')")
        assert page.locator(".unfit").count() == 0
        page.fill("#question textarea", "short")
        page.wait_for_selector(".unseen-by-model", state="detached")

    def test_a_message_that_would_be_lost_is_pinned_from_the_bar(self, page: Any, site: Site) -> None:
        self.fill(page, site)
        page.fill("#question textarea", "and this " * 30)
        page.press("#question textarea", "Enter")
        page.wait_for_selector(".unfit")
        page.click('.unfit [data-do="pin-unseen"] >> nth=0')
        page.wait_for_selector("#facts textarea")
        assert "the first one" in page.input_value("#facts textarea")
        page.keyboard.press("Escape")

    def test_the_marks_also_stand_quietly_in_an_opened_conversation(self, page: Any, site: Site) -> None:
        store = site.services.store.conversations
        id = store.create("Long").id
        for number in range(6):
            site.runtime.text = "word " * 60
            site.services.jobs.start(id, f"Question {number}").join(10)
        page.evaluate("id => med42.show(id)", id)
        page.wait_for_selector(".unseen-line")
        assert page.locator(".unseen-by-model").count() >= 2
        assert page.locator(".unfit").count() == 0


class TestState:
    def test_the_speed_is_told_while_writing_and_after_it(self, page: Any, site: Site) -> None:
        site.runtime.text, site.runtime.pause_s = "word " * 4000, 0.01
        page.fill("#question textarea", "How fast?")
        page.press("#question textarea", "Enter")
        page.wait_for_selector('.progress:has-text("tokens/s")')
        page.keyboard.press("Escape")
        page.wait_for_selector('.answer[data-status="stopped"]')
        assert "first word after 0.2 s" in page.inner_text(".figures")
        page.click(".figures")
        page.wait_for_selector(".record")

    def test_the_meter_names_every_share(self, page: Any, site: Site) -> None:
        ask(page, site, "One?", ANSWER)
        page.fill("#question textarea", "Two?")
        for share in ("Instructions", "Earlier messages", "New question", "Kept for the answer", "Free"):
            # Until the draft is counted, the meter is another one, and may be replaced under the focus.
            until(lambda share=share: [page.focus(".meter"), share in page.inner_text("#split")][1], f"{share} is missing")


class TestGrowing:
    @pytest.mark.parametrize("lost", ["one.remove()", "one.querySelector('.blocks').replaceChildren()"])
    def test_what_was_drawn_too_early_is_told_anew(self, page: Any, site: Site, lost: str) -> None:
        site.runtime.gate = Turnstile(30)
        site.runtime.text = f"Give aspirin.\n\n{DETAIL}"
        page.fill("#question textarea", "Grow?")
        page.press("#question textarea", "Enter")
        page.wait_for_selector(".answer .block >> nth=1")
        page.locator(".answer").evaluate(f"one => {lost}")  # as a drawing does that is older than what the stream has told
        site.runtime.gate.let(60)
        page.wait_for_selector('.answer[data-status="streaming"] .block >> nth=2')
        assert page.inner_text('.answer[data-status="streaming"] .block >> nth=0').startswith("Give aspirin.")


class TestLooks:
    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("width", [390, 1024, 1440])
    def test_nothing_sticks_out_with_everything_open(self, page: Any, site: Site, width: int, theme: str) -> None:
        page.set_viewport_size({"width": width, "height": 844})
        page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        ask(page, site, "One?", f"{ANSWER}\n\n{DETAIL}")
        again(page, site, "Another.")
        do(page, "bad")
        do(page, "more")
        page.wait_for_selector('.menu[role="menu"]')
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("(s => s.scrollWidth - s.clientWidth)(document.querySelector('#transcript .scroll'))") <= 0
        box = page.locator('.menu[role="menu"]').bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= 844
        page.keyboard.press("Escape")

    def test_the_end_of_an_answer_moves_nothing_that_is_read(self, page: Any, site: Site) -> None:
        site.runtime.gate = Turnstile(30)
        site.runtime.text = f"Give aspirin.\n\n{DETAIL}"
        page.fill("#question textarea", "Jump?")
        page.press("#question textarea", "Enter")
        page.wait_for_selector(".answer .block >> nth=1")
        place = "[...document.querySelectorAll('.answer .block')].slice(0, 2).map(one => Math.round(one.getBoundingClientRect().top))"
        before = page.evaluate(place)
        site.runtime.gate.set()
        page.wait_for_selector('.answer[data-status="complete"] .fold')
        assert page.evaluate(place) == before

    def test_an_arabic_list_has_its_bullets_on_the_right(self, page: Any, site: Site) -> None:
        ask(page, site, "عربي", "- تناول الدواء\n- ثم نم")
        assert page.evaluate("getComputedStyle(document.querySelector('.answer ul')).direction") == "rtl"
        assert page.evaluate("getComputedStyle(document.querySelector('.answer ul')).paddingRight") != "0px"

    @pytest.fixture
    def paper(self, page: Any) -> Iterator[Callable[[], None]]:
        yield lambda: page.emulate_media(media="print")
        page.emulate_media(media="screen")

    def test_on_paper_everything_is_there_and_nothing_to_press(self, page: Any, site: Site, paper: Callable[[], None]) -> None:
        ask(page, site, "Print", f"Give aspirin.\n\n{DETAIL}")
        page.click(".fold")
        paper()
        assert page.locator(".answer .block:visible").count() == 5
        for gone in (".tools", "#composer", "#left", ".fold", "#right"):
            assert not page.locator(gone).first.is_visible(), gone
        assert page.locator(".question h2").is_visible()

    def test_no_script_failed(self, page: Any, site: Site) -> None:
        ask(page, site, "and this one")
        assert site.faults == []
