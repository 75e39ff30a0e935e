"""The page as a person uses it, in a real browser against the whole application over a scripted model."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import Site, Turnstile
from tests.conftest import serving
from tests.ui.fakes import MED42, PacedRuntime, gate, services

pytestmark = pytest.mark.browser


def ask(page: Any, question: str) -> None:
    page.fill("#question textarea", question)
    page.press("#question textarea", "Enter")


def until(true: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def wait_for_answer(page: Any, status: str = "complete") -> Any:
    page.wait_for_selector(f'.answer[data-status="{status}"]')
    return page.locator(".answer").last


def here(page: Any) -> str:
    return str(page.evaluate("med42.conversation()"))


class TestAsking:
    def test_a_question_is_answered_in_the_page_and_kept_in_the_store(self, page: Any, site: Site) -> None:
        ask(page, "What are the red flags of headache?")
        answer = wait_for_answer(page)
        assert "Subarachnoid haemorrhage" in answer.locator("table").inner_text()
        assert page.input_value("#question textarea") == ""
        stored = site.services.store.conversations.branch(here(page))
        assert [message.text for message in stored] == ["What are the red flags of headache?", site.runtime.text]

    def test_an_example_is_asked_by_a_click(self, page: Any) -> None:
        page.click(".example >> nth=0")
        wait_for_answer(page)
        assert page.locator(".question").inner_text().endswith("What are the red flags of headache?")

    def test_shift_and_enter_begin_a_new_line_and_send_nothing(self, page: Any) -> None:
        page.fill("#question textarea", "one")
        page.press("#question textarea", "Shift+Enter")
        page.type("#question textarea", "two")
        assert page.input_value("#question textarea") == "one\ntwo"
        assert page.locator(".question").count() == 0

    def test_an_empty_question_is_refused_with_a_hint(self, page: Any) -> None:
        page.click("#send")
        page.wait_for_selector(".notice:not([hidden])")
        assert "Type a question" in page.inner_text(".notice")
        assert here(page) == ""

    def test_a_second_question_meanwhile_is_refused_and_stays_in_the_composer(self, page: Any, site: Site) -> None:
        site.runtime.gate = gate()
        ask(page, "first")
        page.wait_for_selector('.answer[data-status="streaming"]')
        ask(page, "second")
        page.wait_for_selector(".notice:not([hidden])")
        until(lambda: page.input_value("#question textarea") == "second", "it is lost")

    def test_a_paste_of_200_000_characters_is_taken_whole(self, page: Any, site: Site) -> None:
        letter = ("Discharge letter.\u00adKalium-5,9-mmol/l-bitte-prüfen…" * 5000)[:200_000]  # few words: the scripted model counts them
        page.evaluate("text => med42.write(text)", letter)
        page.press("#question textarea", "Enter")
        page.wait_for_selector(".question details.long")
        assert site.services.store.conversations.branch(here(page))[0].text == letter
        assert "200,000 characters" in page.inner_text(".question summary")
        page.wait_for_selector('.answer:not([data-status="streaming"])')


class TestWhileAnAnswerRuns:
    def test_stop_keeps_what_came_and_says_so(self, page: Any, site: Site) -> None:
        site.runtime.gate = Turnstile(20)
        ask(page, "a long one")
        page.wait_for_selector(".answer .block:has-text('Red flags')")
        began = time.monotonic()
        page.click("#stop")
        answer = wait_for_answer(page, "stopped")
        assert time.monotonic() - began < 5, "it does not wait for the model's next word"
        assert "Stopped by you" in answer.inner_text()
        assert "Red flags" in answer.inner_text()
        assert page.locator("#send").is_visible()

    def test_escape_stops(self, page: Any, site: Site) -> None:
        site.runtime.gate = gate()
        ask(page, "a long one")
        page.wait_for_selector('.answer[data-status="streaming"]')
        page.keyboard.press("Escape")
        wait_for_answer(page, "stopped")

    def test_a_reload_in_the_middle_loses_nothing(self, page: Any, site: Site) -> None:
        site.runtime.gate = Turnstile(60)
        ask(page, "reload me")
        page.wait_for_selector(".answer .block >> nth=1")
        page.reload()
        page.wait_for_selector('.answer[data-status="streaming"] .block')
        page.wait_for_selector("#stop", state="visible")
        site.runtime.gate.set()
        answer = wait_for_answer(page)
        assert "does not rule out a subarachnoid haemorrhage" in answer.inner_text()
        assert page.locator(".turn").count() == 2

    def test_two_tabs_follow_one_conversation(self, page: Any, site: Site, browser: Any) -> None:
        ask(page, "first")
        wait_for_answer(page)
        other = site.open(browser, f"#c={here(page)}")
        other.wait_for_selector(".answer")
        site.runtime.gate = Turnstile(30)
        ask(page, "second")
        other.wait_for_selector('.answer[data-status="streaming"] .block')
        page.wait_for_selector(".turn >> nth=3")
        site.runtime.gate.set()
        until(lambda: other.locator('.answer[data-status="complete"]').count() == 2, "the other tab did not see the end")
        until(lambda: page.locator('.answer[data-status="complete"]').count() == 2, "the first tab did not see the end")
        assert other.locator(".blocks").last.inner_text() == page.locator(".blocks").last.inner_text()
        other.context.close()

    def test_only_the_last_block_is_replaced_while_text_arrives(self, page: Any, site: Site) -> None:
        site.runtime.gate = Turnstile(20)
        ask(page, "mark the first block")
        page.wait_for_selector(".answer .block >> nth=1")
        page.evaluate("document.querySelector('.answer .block').dataset.marked = 'yes'")
        site.runtime.gate.let(60)
        page.wait_for_selector(".answer .block >> nth=2")
        assert page.locator('.answer[data-status="streaming"] .block[data-marked]').count() == 1

    def test_a_reader_who_scrolled_up_is_left_where_he_is(self, page: Any, site: Site) -> None:
        site.runtime.text = "A line of text.\n\n" * 60
        ask(page, "long")
        wait_for_answer(page)
        site.runtime.gate = Turnstile(20)
        ask(page, "again")
        page.wait_for_selector('.answer[data-status="streaming"] .block >> nth=3')
        page.evaluate("document.querySelector('#transcript .scroll').scrollTop = 100")
        site.runtime.gate.set()
        until(lambda: page.locator('.answer[data-status="complete"]').count() == 2, "no second answer")
        assert page.evaluate("document.querySelector('#transcript .scroll').scrollTop") == 100
        page.click(".to-end")
        assert page.evaluate("(s => s.scrollHeight - s.scrollTop - s.clientHeight)(document.querySelector('#transcript .scroll'))") < 50

    def test_a_loading_model_says_so_and_the_page_stays_usable(self, page: Any, site: Site) -> None:
        site.runtime.state, site.runtime.progress, model, site.runtime.model = "loading", 0.42, site.runtime.model, None
        ask(page, "while it loads")
        page.wait_for_selector("text=Waiting: the model is loading")
        page.wait_for_selector("[data-live=state]:has-text('Loading, 42%')")
        site.runtime.state, site.runtime.model = "ready", model
        wait_for_answer(page)

    def test_a_model_that_died_is_told_with_what_came(self, page: Any, site: Site) -> None:
        site.runtime.reason, site.runtime.detail = "died", "The model's process ended."
        ask(page, "kill it")
        answer = wait_for_answer(page, "interrupted")
        assert "The model's process ended." in answer.inner_text()
        assert "Red flags" in answer.inner_text()

    def test_no_model_at_all_is_told_across_the_page(self, page: Any, site: Site) -> None:
        site.runtime.state, site.runtime.error, site.runtime.hint = "failed", "The model file is cut short.", "Get it again."
        page.wait_for_selector("text=The model file is cut short.")
        assert "Get it again." in page.inner_text("#header")

    def test_the_screen_reader_hears_the_beginning_and_the_end_only(self, page: Any, site: Site) -> None:
        page.evaluate("""() => { window.heard = []; new MutationObserver(() => heard.push(document.getElementById('announce').textContent))
            .observe(document.getElementById('announce'), {childList: true}) }""")
        ask(page, "speak")
        wait_for_answer(page)
        page.wait_for_function("heard.length > 1")
        assert page.evaluate("heard") == ["The answer is being written", "The answer is complete"]


class TestEvidence:
    def test_the_panel_shows_how_the_last_answer_came_about(self, page: Any) -> None:
        ask(page, "evidence")
        wait_for_answer(page)
        page.wait_for_selector(".record")
        record = page.inner_text(".record")
        assert "Llama3-Med42-8B" in record
        assert "temperature 0.4, top-k 150, top-p 0.75" in record

    def test_what_the_model_did_not_see_is_listed_at_the_answer(self, page: Any, site: Site) -> None:
        site.runtime.text = "word " * 4000
        site.runtime.pause_s, site.runtime.piece = 0.0, 4000
        for count, question in enumerate(("first long one", "second long one", "third long one"), 1):
            ask(page, question)
            if count == 3:
                page.click('.unfit [data-do="send-anyway"]')
            page.wait_for_selector(f".turn >> nth={2 * count - 1}")
            page.wait_for_selector("#send", state="visible")
        page.wait_for_selector('.answer[data-status="complete"] >> nth=2')
        page.click(".answer .left-out summary >> nth=-1")
        assert "first long one" in page.locator(".answer .left-out").last.inner_text()

    def test_the_demonstration_model_is_marked_in_the_header_and_at_its_answer(self, page: Any, site: Site) -> None:
        assert site.runtime.model
        site.runtime.model = replace(site.runtime.model, demonstration=True)
        ask(page, "who are you?")
        assert "Demonstration model, not Med42" in wait_for_answer(page).inner_text()
        page.wait_for_selector("#header:has-text('Demonstration model, not Med42')")

    def test_the_meter_tells_its_split_on_focus(self, page: Any) -> None:
        ask(page, "meter")
        wait_for_answer(page)
        # With the answer's end another meter takes this one's place.
        until(lambda: [page.focus(".meter"), page.is_visible("#split")][1], "the split is not shown")
        assert re.search(r"\d+ of 8,192 tokens", page.text_content("#split"))


class TestConversations:
    def test_opening_an_address_that_is_gone_says_so(self, page: Any) -> None:
        page.evaluate("med42.show('0123456789abcdef')")
        page.wait_for_selector(".notice:not([hidden])")
        # Whoever opens it and the stream find it out at the same time.
        assert re.search("no conversation|was deleted", page.inner_text(".notice"))

    def test_back_returns_to_the_conversation_before(self, page: Any) -> None:
        ask(page, "the first one")
        wait_for_answer(page)
        page.evaluate("med42.show('')")
        page.wait_for_selector(".greeting")
        page.go_back()
        page.wait_for_selector(".turn")
        assert "the first one" in page.inner_text(".question")

    def test_a_draft_waits_in_its_conversation(self, page: Any) -> None:
        ask(page, "first")
        wait_for_answer(page)
        id = here(page)
        page.fill("#question textarea", "not sent yet")
        page.evaluate("med42.show('')")
        assert page.input_value("#question textarea") == ""
        page.evaluate("id => med42.show(id)", id)
        assert page.input_value("#question textarea") == "not sent yet"


class TestPinnedFacts:
    def test_facts_become_chips_and_reach_the_prompt(self, page: Any, site: Site) -> None:
        page.click("#facts .link")
        page.fill("#facts textarea", "Allergy: penicillin\nCKD 3b")
        page.click("#facts .primary")
        page.wait_for_selector(".fact >> nth=1")
        ask(page, "Which antibiotic?")
        wait_for_answer(page)
        assert site.services.store.conversations.get(here(page)).pinned_facts == "Allergy: penicillin\nCKD 3b"
        asked = [turns for turns in site.runtime.encoded if turns[-1].text == "Which antibiotic?"]  # the meter has parts counted alone
        assert asked and all("Allergy: penicillin" in turns[0].text for turns in asked)
        page.evaluate("med42.show('')")
        page.wait_for_selector(".greeting")
        page.wait_for_timeout(300)
        assert "penicillin" not in page.inner_html("#facts") and page.locator("#facts textarea").count() == 0

    def test_facts_that_are_not_saved_hold_back_the_question_and_wait_in_their_conversation(self, page: Any) -> None:
        ask(page, "the first one")
        wait_for_answer(page)
        first = here(page)
        page.click("#facts .link")
        page.fill("#facts textarea", "Allergy: latex")
        ask(page, "not yet")
        page.wait_for_selector('.notice:has-text("not saved yet")')
        assert page.locator(".question").count() == 1 and page.input_value("#question textarea") == "not yet"
        page.evaluate("med42.show('')")
        page.wait_for_selector(".greeting")
        assert page.locator("#facts textarea").count() == 0
        page.evaluate("id => med42.show(id)", first)
        page.wait_for_selector("#facts textarea")
        assert page.input_value("#facts textarea") == "Allergy: latex" and page.input_value("#question textarea") == "not yet"
        page.click("#facts .primary")
        page.wait_for_selector(".fact")

    def test_a_question_goes_to_the_conversation_in_which_it_was_asked(self, page: Any, site: Site) -> None:
        for name in ("alpha", "bravo"):
            page.evaluate("med42.show('')")
            page.wait_for_selector(".greeting")
            ask(page, name)
            wait_for_answer(page)
        bravo = here(page)
        page.go_back()
        page.wait_for_selector('.question:has-text("alpha")')
        alpha = here(page)
        page.fill("#question textarea", "dose?")
        # Enter, and the other conversation before anything else can happen.
        page.evaluate(
            "id => { med42.box().dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true}));"
            " document.getElementById('send').click(); med42.show(id); }",
            bravo,
        )
        store = site.services.store.conversations
        until(lambda: len(store.branch(alpha)) + len(store.branch(bravo)) > 4, "the question was taken")
        assert [one.text for one in store.branch(alpha) if one.role == "user"] == ["alpha", "dose?"]
        assert [one.text for one in store.branch(bravo) if one.role == "user"] == ["bravo"]
        assert page.input_value("#question textarea") == ""


class TestRestart:
    def test_a_page_outlives_the_program_and_loses_no_draft(self, browser: Any, tmp_path: Path) -> None:
        opened = services(tmp_path / "home", PacedRuntime(model=MED42))
        opened.acknowledge()
        with serving(opened) as address:
            page = Site(address, opened, PacedRuntime()).open(browser)
            page.fill("#question textarea", "not sent yet")
        page.wait_for_selector("[data-live=lost]", state="visible")
        with serving(opened, urlsplit(address).port or 0):
            page.wait_for_selector("[data-live=lost]", state="hidden")
            assert page.input_value("#question textarea") == "not sent yet"
            page.press("#question textarea", "Enter")
            wait_for_answer(page)
            page.context.close()
        opened.close()


class TestLooks:
    def test_the_theme_goes_round_and_is_remembered_by_name_only(self, page: Any) -> None:
        page.evaluate("med42.setLook('theme', 'light')")
        page.click('#header [data-do="theme"]')
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert sum(int(part) for part in re.findall(r"\d+", background)[:3]) < 120
        page.click('#header [data-do="theme"]')
        assert page.evaluate("document.documentElement.dataset.theme") == "system"

    def test_on_a_phone_the_list_is_a_drawer_that_escape_closes(self, page: Any) -> None:
        page.set_viewport_size({"width": 390, "height": 844})
        page.wait_for_selector("#left", state="hidden")
        page.click('#header [data-do="left"]')
        page.wait_for_selector("#left", state="visible")
        page.keyboard.press("Escape")
        page.wait_for_selector("#left", state="hidden")

    @pytest.mark.parametrize("width", [390, 1024, 1440])
    def test_nothing_sticks_out_sideways(self, page: Any, width: int) -> None:
        page.set_viewport_size({"width": width, "height": 844})
        ask(page, "a table, please")
        wait_for_answer(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("(s => s.scrollWidth - s.clientWidth)(document.querySelector('#transcript .scroll'))") <= 0

    def test_about_names_the_base_model_and_its_licence(self, page: Any) -> None:
        page.click('#header [data-do="about"]')
        page.wait_for_selector("#about dialog[open]")
        assert "Built with Meta Llama 3" in page.inner_text("#about dialog")
        link = page.get_attribute("#about .licences a >> nth=-1", "href")
        assert page.evaluate("link => fetch(link).then(answer => answer.ok)", link)
        page.keyboard.press("Escape")


class TestNothingLeaves:
    PAYLOADS = (
        "<script>window.hacked = 1</script>",
        '<img src="http://evil.test/a.png" onerror="window.hacked = 1">',
        "![x](http://evil.test/b.png)",
        "[click](javascript:window.hacked=1)",
        '<svg onload="window.hacked = 1"></svg>',
        '<iframe srcdoc="<script>parent.hacked = 1</script>"></iframe>',
        '<a href="data:text/html,<script>window.hacked=1</script>">x</a>',
        '<form action="http://evil.test/"><button>Go</button></form>',
        '<div style="position:fixed;inset:0;background:url(http://evil.test/c)">',
        "$\\href{javascript:window.hacked=1}{x}$",
        '"><img src=x onerror=window.hacked=1>',
        "${window.hacked = 1} {{window.hacked}}",
    )

    def test_hostile_markdown_runs_nothing_and_loads_nothing(self, page: Any, site: Site) -> None:
        site.runtime.text = "\n\n".join(self.PAYLOADS)
        ask(page, site.runtime.text)
        wait_for_answer(page)
        hostile = "script, img, iframe, svg, form, object, embed, style, link, [style], [onerror], [onload]"
        assert page.locator(f".turn :is({hostile}, a[href^='javascript'], a[href^='data'])").count() == 0
        page.reload()
        page.wait_for_selector(".answer")
        assert page.evaluate("window.hacked") is None

    def test_a_hostile_title_and_fact_stay_text(self, page: Any, site: Site) -> None:
        conversation = site.services.store.conversations.create('<img src=x onerror="window.hacked=1">')
        site.services.store.conversations.set_pinned_facts(conversation.id, '<img src=x onerror="window.hacked=1">')
        page.evaluate("id => { med42.refreshList(); med42.show(id) }", conversation.id)
        page.wait_for_selector(".fact")
        page.wait_for_selector(f'[data-key="{conversation.id}"]')
        assert page.evaluate("window.hacked") is None

    def test_the_browsers_storage_holds_the_themes_name_and_nothing_else(self, page: Any) -> None:
        ask(page, "Patient John Doe, born 1950")
        wait_for_answer(page)
        page.fill("#question textarea", "Patient Jane Roe")
        kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
        assert "Doe" not in kept
        assert "Roe" not in kept
        assert set(page.evaluate("Object.keys(localStorage)")) <= {"med42-theme"}

    def test_no_page_asked_any_other_host_and_no_script_failed(self, page: Any, site: Site) -> None:
        ask(page, "and this one")
        wait_for_answer(page)
        assert {urlsplit(url).netloc for url in site.requests if url.startswith("http")} == {urlsplit(site.root).netloc}
        assert site.requests
        assert site.faults == []

    def test_without_the_key_there_is_only_a_word_how_to_open_it(self, browser: Any, site: Site) -> None:
        stranger = browser.new_context().new_page()
        stranger.goto(site.root)
        assert "full address" in stranger.inner_text("h1")
        stranger.context.close()
