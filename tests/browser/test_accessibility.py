"""Nobody is shut out: axe-core in every state of the page, three widths, both themes; the keyboard, zoom, spacing, motion and speech."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from med42_chat.records import Attachment, Feedback
from tests.browser.axe import contrasts, violations
from tests.browser.conftest import Site
from tests.browser.test_page import ask, until
from tests.ui.fakes import ANSWER, MED42, PacedRuntime, gate

pytestmark = pytest.mark.browser

WIDTHS = {"wide": (1440, 900), "laptop": (1024, 768), "phone": (390, 844)}
BOX = "#question textarea"
LETTER = "Dear colleague, thank you for seeing Mrs K. Potassium was 5.9 mmol/l.\n" * 40
PASTE = """text => { const data = new DataTransfer(); data.setData('text/plain', text);
    med42.box().dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})); }"""
TIDY = """() => {
  document.querySelectorAll('dialog[open]').forEach(one => one.close());
  document.querySelectorAll('#toasts .toast').forEach(one => one.remove());
  if (med42.closeMenu) med42.closeMenu();
  med42.leaveTour();
  med42.closeDrawers();
  for (const one of document.querySelectorAll('.preset-form:not([hidden]), .preset-list:not([hidden])')) {
    one.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
  }
  const find = document.querySelector('#conversations .find');
  find.value = '';
  find.dispatchEvent(new Event('input'));
  localStorage.clear();
  med42.applyLooks();
}"""


@pytest.fixture(scope="module")
def opened_with() -> dict[str, Any]:
    """Nothing fades: a colour in the middle of a change is no finding."""
    return {"reduced_motion": "reduce"}


@pytest.fixture
def stage(page: Any, site: Site) -> Iterator["Stage"]:
    page.evaluate(TIDY)
    yield Stage(page, site)
    page.evaluate(TIDY)


@dataclass
class Stage:
    """The open page, and the ways into its states."""

    page: Any
    site: Site

    def conversation(self, *questions: str, text: str = ANSWER, **runtime: Any) -> str:
        """A conversation with these questions, answered by a model in a hurry."""
        hurried = PacedRuntime(**{"model": MED42, "text": text, "pause_s": 0, "piece": 400, **runtime})
        for name, value in vars(hurried).items():
            setattr(self.site.runtime, name, value)
        id = self.site.services.store.conversations.create(questions[0]).id
        for question in questions:
            list(self.site.services.chat.ask(id, question))
        return id

    def show(self, id: str) -> str:
        self.page.evaluate("id => { med42.refreshList(); med42.show(id) }", id)
        self.page.wait_for_selector(".answer .tools, .answer .ending")
        return id

    def answered(self, *questions: str, **further: Any) -> str:
        """Such a conversation on the page."""
        return self.show(self.conversation(*(questions or ("What are the red flags of headache?",)), **further))

    def list(self) -> None:
        """The list in sight, a drawer where the window is narrow."""
        if not self.page.evaluate("med42.isOpen('left')"):
            self.page.click('#header [data-do="left"]')
            self.page.wait_for_selector("#left", state="visible")

    def menu(self, *labels: str) -> None:
        """The menu of the list's first conversation, and what is chosen in it."""
        self.list()
        self.page.focus(".entry .more >> nth=0")
        self.page.keyboard.press("Enter")
        for label in labels:
            self.page.click(f'.menu button:text-is("{label}")')

    def answering(self) -> None:
        """A question whose answer does not come yet."""
        self.site.runtime.gate = gate()
        ask(self.page, "What are the red flags of headache?")
        self.page.wait_for_selector('.answer[data-status="streaming"]')

    def look(self, **looks: str) -> None:
        self.page.evaluate(
            "looks => { for (const [k, v] of Object.entries(looks)) localStorage.setItem(`med42-${k}`, v); med42.applyLooks() }", looks
        )


def empty(stage: Stage) -> None:
    pass


def demonstration(stage: Stage) -> None:
    stage.answered(model=replace(MED42, demonstration=True))
    stage.page.wait_for_selector(".mark")


def conversation(stage: Stage) -> None:
    stage.answered("What are the red flags of headache?", "And in children?")


def evidence(stage: Stage) -> None:
    stage.answered()
    stage.page.click('.answer [data-do="evidence"] >> nth=0')
    stage.page.wait_for_selector("#right", state="visible")


def streaming(stage: Stage) -> None:
    stage.answering()


def stopped(stage: Stage) -> None:
    stage.answering()
    stage.page.keyboard.press("Escape")
    stage.page.wait_for_selector('.answer[data-status="stopped"]')


def cut_at_its_length(stage: Stage) -> None:
    stage.answered(reason="length")


def versions(stage: Stage) -> None:
    id = stage.conversation("What are the red flags of headache?")
    question = stage.site.services.store.conversations.branch(id)[0]
    list(stage.site.services.chat.again(id, question.id))
    stage.show(id)
    stage.page.wait_for_selector(".versions")


def folded(stage: Stage) -> None:
    stage.answered()
    stage.page.click(".answer .fold")


def judged(stage: Stage) -> None:
    id = stage.conversation("What are the red flags of headache?")
    stage.site.services.store.conversations.set_feedback(
        stage.site.services.store.conversations.branch(id)[-1].id, Feedback("bad", "too long")
    )
    stage.show(id)
    stage.page.click('.answer [data-do="good"]')
    stage.page.wait_for_selector(".judgement")


def menu_of_an_answer(stage: Stage) -> None:
    stage.answered()
    stage.page.click('.answer [data-do="more"]')
    stage.page.wait_for_selector(".menu")


def long_question(stage: Stage) -> None:
    id = stage.site.services.store.conversations.create("A letter").id
    list(stage.site.services.chat.ask(id, LETTER, attachments=[Attachment("letter.pdf", LETTER, "application/pdf", 2)]))
    stage.show(id)


def changing_a_question(stage: Stage) -> None:
    stage.answered()
    stage.page.click('.question [data-do="edit"]')
    stage.page.wait_for_selector(".editing")


def unfit(stage: Stage) -> None:
    stage.answered(*(f"Question {number}? " + "word " * 900 for number in range(9)))
    ask(stage.page, "And now?")
    stage.page.wait_for_selector(".unfit")


def presets(stage: Stage) -> None:
    stage.page.click('#composer [data-act="presets"]')
    stage.page.wait_for_selector(".preset")


def form_of_a_preset(stage: Stage) -> None:
    presets(stage)
    stage.page.click('.preset:has-text("Differential")')
    stage.page.wait_for_selector(".preset-form input")


def attachment(stage: Stage) -> None:
    stage.page.focus(BOX)
    stage.page.evaluate(PASTE, LETTER)
    stage.page.wait_for_selector(".attached li")


def attachment_read(stage: Stage) -> None:
    attachment(stage)
    stage.page.click(".attached .open")
    stage.page.wait_for_selector("dialog.reader[open]")


def keys(stage: Stage) -> None:
    stage.page.evaluate("med42.openKeys()")
    stage.page.wait_for_selector("dialog.keys[open]")


def about(stage: Stage) -> None:
    stage.page.evaluate("med42.openAbout()")
    stage.page.wait_for_selector("#about dialog[open]")


def safe_use(stage: Stage) -> None:
    stage.page.evaluate("document.querySelector('#safe-use dialog').showModal()")


def tour(stage: Stage) -> None:
    stage.page.evaluate("med42.tour()")
    stage.page.wait_for_selector(".tour")


def facts(stage: Stage) -> None:
    id = stage.conversation("What are the red flags of headache?")
    stage.site.services.store.conversations.set_pinned_facts(id, "Allergy: penicillin\nCKD 3b")
    stage.show(id)
    stage.page.wait_for_selector(".fact")


def editing_the_facts(stage: Stage) -> None:
    stage.answered()
    stage.page.click("#facts .link")
    stage.page.wait_for_selector("#facts textarea")


def drawer(stage: Stage) -> None:
    stage.answered()
    stage.list()


def search(stage: Stage) -> None:
    stage.answered()
    stage.list()
    stage.page.fill(".find", "headache")
    stage.page.wait_for_selector(".hit, .entry mark")


def search_in_vain(stage: Stage) -> None:
    stage.list()
    stage.page.fill(".find", "xyzzy")
    stage.page.wait_for_selector('.count:has-text("Nothing found")')


def menu_of_a_conversation(stage: Stage) -> None:
    stage.answered()
    stage.menu()


def renaming(stage: Stage) -> None:
    stage.answered()
    stage.menu("Rename")
    stage.page.wait_for_selector(".edit")


def shelves(stage: Stage) -> None:
    id = stage.answered()
    store = stage.site.services.store.conversations
    store.set_folder(id, "Ward 3")
    store.set_tags(id, ["kidney"])
    store.set_pinned(id, True)
    stage.page.evaluate("med42.refreshList()")
    stage.list()
    stage.page.click("#conversations .view")
    stage.page.wait_for_selector(".menu")


def toast(stage: Stage) -> None:
    stage.answered()
    stage.menu("Delete")
    stage.page.wait_for_selector(".toast")


def settings(section: str) -> Callable[[Stage], None]:
    def opened(stage: Stage) -> None:
        stage.page.evaluate("section => med42.openSettings(section)", section)
        stage.page.wait_for_selector(f"#part-{section}", state="visible")

    opened.__name__ = f"settings_{section}"
    return opened


def problem(stage: Stage) -> None:
    stage.page.evaluate("med42.tell({ message: 'The disk is full.', hint: 'Make room, then try again.' })")


def model_loading(stage: Stage) -> None:
    stage.site.runtime.state, stage.site.runtime.progress = "loading", 0.4
    stage.page.wait_for_selector('[data-live="state"]:has-text("Loading")')


def model_failed(stage: Stage) -> None:
    runtime = stage.site.runtime
    runtime.state, runtime.model, runtime.error, runtime.hint = "failed", None, "The model file is cut short.", "Get it again."
    stage.page.wait_for_selector('[data-live="trouble"]:has-text("cut short")')


def program_gone(stage: Stage) -> None:
    stage.page.evaluate("document.querySelector('[data-live=lost]').hidden = false")


def high_contrast(stage: Stage) -> None:
    stage.answered()
    stage.look(contrast="high")


def large_text(stage: Stage) -> None:
    stage.answered()
    stage.look(text_size="150")


STATES: tuple[Callable[[Stage], None], ...] = (
    *(
        empty,
        demonstration,
        conversation,
        evidence,
        streaming,
        stopped,
        cut_at_its_length,
        versions,
        folded,
        judged,
        menu_of_an_answer,
        long_question,
    ),
    *(changing_a_question, unfit, presets, form_of_a_preset, attachment, attachment_read, keys, about, safe_use, tour, facts),
    *(editing_the_facts, drawer, search, search_in_vain, menu_of_a_conversation, renaming, shelves, toast),
    *(settings(section) for section in ("model", "answers", "look", "export", "data", "passphrase", "computer")),
    *(problem, model_loading, model_failed, program_gone, high_contrast, large_text),
)


@pytest.fixture
def sized(stage: Stage, width: str) -> Stage:
    """The stage in a window of that width."""
    stage.page.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
    return stage


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_axe_finds_nothing(sized: Stage, state: Callable[[Stage], None]) -> None:
    sized.look(theme="light")
    state(sized)
    sized.page.wait_for_timeout(100)
    found = violations(sized.page)
    sized.look(theme="dark")
    found += [f"dark: {one}" for one in contrasts(sized.page)]
    assert not found, "\n".join(found)


# What has the focus: where it stands, whether it can be seen, and whether one sees that it has the focus.
FOCUS = """() => {
  const one = document.activeElement;
  const looks = () => {
    const seen = [];
    for (let at = one, up = 0; at && up < 5; at = at.parentElement, up += 1) {
      const { outline, outlineStyle, boxShadow, borderColor, backgroundColor, textDecoration } = getComputedStyle(at);
      seen.push(outlineStyle === 'none' ? '' : outline, boxShadow, borderColor, backgroundColor, textDecoration);
    }
    return seen.join();
  };
  const { left, top, right, bottom } = one.getBoundingClientRect();
  const at = document.elementFromPoint(Math.min((left + right) / 2, left + 20), Math.min((top + bottom) / 2, top + 20));
  const focused = looks();
  one.blur();
  const differs = focused !== looks();
  one.focus({ preventScroll: true });
  const name = (one.getAttribute('aria-label') || one.textContent || one.placeholder || one.tagName).trim().slice(0, 50);
  const place = one.closest('#left, #right, #centre, dialog');
  return {
    name: `${one.tagName} ${name}`,
    place: place ? place.id || 'dialog' : 'page',
    isBody: one === document.body,
    isSeen: right - left > 0 && left >= 0 && top >= 0 && right <= innerWidth + 1 && Boolean(at) && (one.contains(at) || at.contains(one)),
    isMarked: differs,
  };
}"""


def way(page: Any, key: str = "Tab") -> list[dict[str, Any]]:
    """What has the focus in turn, from the page's beginning until it leaves the page."""
    page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges()")
    page.mouse.click(1, 1)
    page.evaluate("document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')")
    stops: list[dict[str, Any]] = []
    for _ in range(400):  # the list holds what the tests before have asked
        page.keyboard.press(key)
        stop = page.evaluate(FOCUS)
        if stop["isBody"] or (stops and stop == stops[0] and len(stops) > 3):
            break
        stops.append(stop)
    return stops


class TestKeyboard:
    @pytest.mark.parametrize("width", WIDTHS)
    @pytest.mark.parametrize("state", [empty, conversation, facts, attachment], ids=lambda state: state.__name__)
    def test_the_tab_key_goes_everywhere_in_order_and_one_always_sees_where_it_is(
        self, sized: Stage, state: Callable[[Stage], None]
    ) -> None:
        state(sized)
        sized.page.wait_for_timeout(600)  # the list and the meter are drawn anew after an answer: a walk meanwhile begins where nobody is
        stops = way(sized.page)
        assert [stop["name"] for stop in stops if not stop["isSeen"]] == []
        assert [stop["name"] for stop in stops if not stop["isMarked"]] == []
        places = [stop["place"] for stop in stops if stop["place"] != "page"]
        order = [place for place, before in zip(places, ["", *places], strict=False) if place != before]
        assert order == [place for place in ("left", "centre", "right") if place in order], "no column is left and come back to"
        assert any("TEXTAREA" in stop["name"] for stop in stops) and any("Send" in stop["name"] for stop in stops)

    def test_everything_that_can_be_clicked_can_have_the_focus(self, stage: Stage) -> None:
        conversation(stage)
        unreachable = stage.page.evaluate(
            "[...document.querySelectorAll('[data-do], [data-act], .example, summary')].filter(one => one.offsetParent && one.tabIndex < 0)"
            ".map(one => one.outerHTML.slice(0, 120))"
        )
        assert unreachable == []

    @pytest.mark.parametrize("state", [keys, about, attachment_read, settings("look")], ids=lambda state: state.__name__)
    def test_a_dialog_keeps_the_focus_and_escape_gives_it_back(self, stage: Stage, state: Callable[[Stage], None]) -> None:
        state(stage)
        places = set()
        for _ in range(25):
            stage.page.keyboard.press("Tab")
            places.add(stage.page.evaluate("document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))"))
        assert places == {True}
        stage.page.keyboard.press("Escape")
        stage.page.wait_for_selector("dialog[open]", state="detached")
        assert stage.page.evaluate("document.activeElement.offsetParent !== null")


# Elements with words that are wider than themselves and say nothing of it.
CUT = """() => [...document.querySelectorAll('button, h1, h2, p')].filter(one => {
  const { overflowX, textOverflow } = getComputedStyle(one);
  return one.offsetParent && one.textContent.trim() && !one.classList.contains('unseen')
    && one.scrollWidth > one.clientWidth + 2 && overflowX === 'hidden' && textOverflow !== 'ellipsis';
}).map(one => one.outerHTML.slice(0, 120))"""


class TestSizes:
    @pytest.mark.parametrize("size", [(720, 450), (320, 640)], ids=["200 % of a laptop", "400 % of a desk"])
    @pytest.mark.parametrize("state", [empty, conversation, unfit, form_of_a_preset, editing_the_facts], ids=lambda state: state.__name__)
    def test_a_magnified_page_is_read_without_scrolling_sideways(
        self, stage: Stage, state: Callable[[Stage], None], size: tuple[int, int]
    ) -> None:
        stage.page.set_viewport_size({"width": size[0], "height": size[1]})
        state(stage)
        assert stage.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert stage.page.evaluate("(one => one.scrollWidth - one.clientWidth)(document.querySelector('#transcript .scroll'))") <= 0
        assert stage.page.is_visible(BOX)

    def test_wider_spaces_between_letters_and_lines_cut_nothing_off(self, stage: Stage) -> None:
        stage.page.set_viewport_size({"width": 390, "height": 844})
        conversation(stage)
        stage.page.add_style_tag(
            content="* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }"
        )
        stage.page.wait_for_timeout(100)
        assert stage.page.evaluate("document.documentElement.scrollWidth") <= 390
        cut = stage.page.evaluate(CUT)
        stage.page.reload()
        stage.page.wait_for_selector(".turn")
        assert not cut, "\n".join(cut)


class TestQuiet:
    def test_nothing_moves_where_motion_is_unwanted(self, stage: Stage) -> None:
        streaming(stage)
        stage.page.wait_for_timeout(200)
        moving = stage.page.evaluate(
            "document.getAnimations().filter(one => one.playState === 'running' && one.effect.getComputedTiming().duration > 10)"
            ".map(one => one.animationName || one.transitionProperty)"
        )
        assert moving == []

    def test_the_status_speaks_at_an_answers_beginning_and_end_and_not_in_between(self, stage: Stage) -> None:
        stage.page.evaluate(
            "() => { window.spoken = []; new MutationObserver(() => spoken.push(document.getElementById('announce').textContent))"
            ".observe(document.getElementById('announce'), { childList: true, characterData: true, subtree: true }) }"
        )
        stage.site.runtime.pause_s = 0.02
        ask(stage.page, "What are the red flags of headache?")
        stage.page.wait_for_selector('.answer[data-status="complete"]')
        until(lambda: len(stage.page.evaluate("spoken")) >= 2, "the end is not announced")
        assert stage.page.evaluate("spoken") == ["The answer is being written", "The answer is complete"]

    def test_nothing_else_reads_a_growing_answer_aloud(self, stage: Stage) -> None:
        streaming(stage)
        live = stage.page.evaluate(
            "[...document.querySelectorAll('.answer .blocks, .answer [data-part]')].map(one => one.closest('[aria-live], [role=status],"
            " [role=alert], [role=log]')).map(one => one && (one.getAttribute('aria-live') || one.getAttribute('role')))"
        )
        assert set(live) <= {None, "off"}

    def test_the_page_has_a_language_a_title_and_one_first_heading(self, stage: Stage) -> None:
        assert stage.page.get_attribute("html", "lang") == "en"
        assert "Med42" in stage.page.title()
        assert stage.page.locator("h1").count() == 1
