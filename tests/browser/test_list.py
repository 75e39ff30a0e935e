"""The list of conversations as a person uses it: mouse, keyboard and a narrow screen, against the whole application."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from med42_chat.store.conversations import Conversations
from tests.browser.conftest import Site

pytestmark = pytest.mark.browser

ROWS = "document.querySelector('#conversations .rows')"


@pytest.fixture
def store(site: Site) -> Conversations:
    return site.services.store.conversations


@pytest.fixture(autouse=True)
def empty(page: Any, store: Conversations) -> Iterator[None]:
    """Each test has a list of its own; what the last one looked at and searched for is left."""
    with store._connections.write() as db:
        db.conn.execute("delete from messages")
        db.conn.execute("delete from conversations")
    while page.locator("#toasts .dismiss").count():
        page.click("#toasts .dismiss >> nth=0")
    while page.locator(".filters:not([hidden]) .filter").count():
        page.click(".filter >> nth=0")
        page.wait_for_timeout(50)
    page.fill(".find", "")
    page.evaluate("med42.refreshList()")
    page.wait_for_selector(".count:text('No conversations here yet')")
    yield


def until(true: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def show(page: Any, store: Conversations, *titles: str) -> list[str]:
    """Conversations of these titles, the last on top, on the open page."""
    made = [store.create(title).id for title in titles]
    page.evaluate("med42.refreshList()")
    page.wait_for_selector(row(made[-1]))
    return made


def many(page: Any, store: Conversations, count: int) -> None:
    """So many conversations, the last on top, on the open page; written at once, for each alone would wait for the disk."""
    now = int(time.time() * 1000)
    cases = [(f"{number:016x}", f"Case {number:04}", now, now - count + number) for number in range(count)]
    with store._connections.write() as db:
        db.conn.executemany("insert into conversations(uid, title, created_at, updated_at) values (?, ?, ?, ?)", cases)
    page.evaluate("med42.refreshList()")
    page.wait_for_selector(f".count:text('{count:,} conversations')")


def row(id: str) -> str:
    return f'.entry:has([data-key="{id}"])'


def choose(page: Any, id: str, *labels: str) -> None:
    """Chooses from the row's menu, and from the one that this opens."""
    page.hover(row(id))
    page.click(f"{row(id)} .more")
    for label in labels:
        page.click(f'.menu button:text-is("{label}")')


def titles(page: Any) -> list[str]:
    return [str(text) for text in page.locator(".entry .title").all_inner_texts()]


def groups(page: Any) -> list[str]:
    return [str(text) for text in page.locator(".rows .group").all_inner_texts()]


def focused(page: Any) -> str:
    """The title of the row that has the focus."""
    return str(page.evaluate("(document.activeElement.closest('.entry') || document.createElement('p')).textContent"))


def here(page: Any) -> str:
    return str(page.evaluate("med42.conversation()"))


class TestARow:
    def test_is_renamed_in_its_place(self, page: Any, store: Conversations) -> None:
        (id,) = show(page, store, "Headache")
        choose(page, id, "Rename")
        assert page.input_value(".edit") == "Headache"
        page.fill(".edit", "Mrs K., headache")
        page.press(".edit", "Enter")
        page.wait_for_selector('.title:text-is("Mrs K., headache")')
        until(lambda: store.get(id).title == "Mrs K., headache", "not kept")

    def test_keeps_its_name_when_renaming_is_left_by_escape(self, page: Any, store: Conversations) -> None:
        (id,) = show(page, store, "Headache")
        choose(page, id, "Rename")
        page.fill(".edit", "Something else")
        page.press(".edit", "Escape")
        assert page.locator(".edit").count() == 0 and titles(page) == ["Headache"]
        assert store.get(id).title == "Headache"

    def test_keeps_what_is_being_typed_when_the_list_is_refreshed_meanwhile(self, page: Any, store: Conversations) -> None:
        (id,) = show(page, store, "Headache")
        choose(page, id, "Rename")
        page.fill(".edit", "Half a na")
        store.set_folder(id, "Ward 4")
        show(page, store, "Another")
        assert page.input_value(".edit") == "Half a na"
        page.keyboard.type("me")
        page.keyboard.press("Enter")
        until(lambda: store.get(id).title == "Half a name", "not renamed")

    def test_goes_to_the_top_when_it_is_pinned_and_back_when_it_is_not(self, page: Any, store: Conversations) -> None:
        old, _ = show(page, store, "Old", "New")
        choose(page, old, "Pin to the top")
        page.wait_for_selector(".group:text('Pinned')")
        assert (groups(page), titles(page)) == (["Pinned", "Today"], ["Old", "New"])
        choose(page, old, "Unpin")
        page.wait_for_selector(".group:text('Pinned')", state="detached")
        assert titles(page) == ["New", "Old"]
        until(lambda: not store.get(old).pinned, "still pinned")

    def test_says_its_place_in_the_whole_list(self, page: Any, store: Conversations) -> None:
        many(page, store, 400)
        first = page.locator(".entry").first
        assert (first.get_attribute("aria-posinset"), first.get_attribute("aria-setsize")) == ("1", "400")

    def test_with_a_hostile_title_is_only_text(self, page: Any, store: Conversations) -> None:
        hostile = "<img src=x onerror='window.hacked=1'>"
        show(page, store, hostile)
        assert titles(page) == [hostile]
        page.fill(".find", "img src")
        page.wait_for_selector(".entry mark")
        assert page.evaluate("window.hacked") is None


class TestFoldersAndTags:
    def test_a_new_folder_is_typed_in_the_row_and_shows_what_is_in_it(self, page: Any, store: Conversations) -> None:
        inside, outside = show(page, store, "Inside", "Outside")
        assert page.locator(".view").is_hidden()  # nothing to choose from: nothing in the way
        choose(page, inside, "Folder …", "New folder …")
        page.fill(".edit", "Ward 4")
        page.press(".edit", "Enter")
        page.wait_for_selector(f"{row(inside)} .when:text('Ward 4')")
        page.click(".view")
        page.click(".menu button:text-is('Folder: Ward 4 (1)')")
        page.wait_for_selector(row(outside), state="detached")
        assert titles(page) == ["Inside"] and page.inner_text(".filter") == "Folder: Ward 4"
        page.click(".filter")
        page.wait_for_selector(row(outside))

    def test_a_conversation_moves_to_another_folder_and_out_of_it(self, page: Any, store: Conversations) -> None:
        one, other = show(page, store, "One", "Other")
        store.set_folder(other, "Ward 4")
        page.evaluate("med42.refreshList()")
        page.wait_for_selector(".view:not([hidden])")
        choose(page, one, "Folder …", "Ward 4")
        until(lambda: store.get(one).folder == "Ward 4", "not moved")
        choose(page, one, "Folder …", "No folder")
        until(lambda: store.get(one).folder == "", "not taken out")

    def test_tags_are_added_and_taken_away_and_a_folder_and_a_tag_show_what_has_both(self, page: Any, store: Conversations) -> None:
        both, folder, tag = show(page, store, "Both", "Folder only", "Tag only")
        for id in (both, folder):
            store.set_folder(id, "Ward 4")
        choose(page, both, "Tags …", "New tag …")
        page.fill(".edit", "review")
        page.press(".edit", "Enter")
        until(lambda: store.get(both).tags == ("review",), "no tag")
        page.wait_for_selector(f"{row(both)} .when:text('#review')")
        choose(page, tag, "Tags …", "review")
        until(lambda: store.get(tag).tags == ("review",), "no tag")
        page.click(".view")
        page.click(".menu button:text-is('Folder: Ward 4 (2)')")
        page.wait_for_selector(row(tag), state="detached")
        page.click(".view")
        page.click(".menu button:text-is('Tag: review (2)')")
        page.wait_for_selector(row(folder), state="detached")
        assert titles(page) == ["Both"] and page.locator(".filter").count() == 2
        choose(page, both, "Tags …", "review")
        until(lambda: store.get(both).tags == (), "the tag stays")
        page.wait_for_selector(".count:text('No conversations here yet')")

    def test_the_archive_is_out_of_the_way_and_can_be_looked_through(self, page: Any, store: Conversations) -> None:
        (id,) = show(page, store, "Done")
        choose(page, id, "Move to the archive")
        page.wait_for_selector(row(id), state="detached")
        until(lambda: store.get(id).archived, "not in the archive")
        assert "in the archive" in page.inner_text(".toast")
        page.click(".view")
        page.click(".menu button:text-is('Archive (1)')")
        page.wait_for_selector(row(id))
        assert page.inner_text(".count") == "1 conversation in the archive"
        choose(page, id, "Take out of the archive")
        page.wait_for_selector(row(id), state="detached")
        until(lambda: not store.get(id).archived, "still in the archive")


class TestDeleting:
    def test_takes_the_shown_conversation_away_and_undo_brings_it_back_as_it_was(self, page: Any, store: Conversations) -> None:
        (id,) = show(page, store, "By mistake")
        store.begin(id, "quokka?")
        page.click(f"{row(id)} .open")
        page.wait_for_selector(".turn")
        choose(page, id, "Delete")
        page.wait_for_selector(row(id), state="detached")
        page.wait_for_selector(".greeting")
        assert "In 10 seconds it is gone for good" in page.inner_text(".toast")
        page.click(".toast .act")
        page.wait_for_selector(f"{row(id)}[data-current]")
        page.wait_for_selector(".question:has-text('quokka?')")
        until(lambda: here(page) == id and page.locator(".toast").count() == 0, "another one is shown, or the message stays")

    def test_is_for_good_when_its_time_is_up(self, page: Any, store: Conversations, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(site.services.bin, "_patience_s", 0.2)
        (id,) = show(page, store, "For good")
        choose(page, id, "Delete")
        page.wait_for_selector(row(id), state="detached")
        until(lambda: not store._connections.rows("select 1 from conversations where uid = ?", (id,)), "still in the store")
        page.click(".toast .act")
        page.wait_for_selector(".notice:not([hidden])")
        assert "can no longer be brought back" in page.inner_text(".notice")

    def test_and_undo_by_keyboard_alone_keep_the_place_in_the_list(self, page: Any, store: Conversations) -> None:
        show(page, store, "Third", "Second", "First")
        page.focus(".find")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert focused(page).startswith("Second")
        page.keyboard.press("Delete")
        until(lambda: focused(page).startswith("Third"), "the focus is lost")
        until(lambda: "Press Ctrl and Z to Undo" in page.inner_text("#announce"), "nobody says how to take it back")
        page.keyboard.press("Control+z")
        until(lambda: titles(page) == ["First", "Second", "Third"], "not back")
        until(lambda: focused(page).startswith("Third"), "the focus is lost")

    def test_of_two_are_taken_back_one_after_the_other(self, page: Any, store: Conversations) -> None:
        one, two = show(page, store, "One", "Two")
        for id in (one, two):
            choose(page, id, "Delete")
            page.wait_for_selector(row(id), state="detached")
        page.wait_for_selector(".toast >> nth=1")
        page.keyboard.press("Control+z")
        page.wait_for_selector(row(two))
        page.keyboard.press("Control+z")
        page.wait_for_selector(row(one))

    def test_leaves_ctrl_z_to_the_words_that_are_being_typed(self, page: Any, store: Conversations) -> None:
        (id,) = show(page, store, "One")
        choose(page, id, "Delete")
        page.wait_for_selector(".toast")
        page.wait_for_selector(row(id), state="detached")
        page.focus("#question textarea")
        page.keyboard.type("abc")
        page.keyboard.press("Control+z")
        page.wait_for_timeout(200)
        assert page.locator(".toast").count() == 1 and page.locator(row(id)).count() == 0


class TestSearch:
    def test_marks_the_words_in_titles_and_messages(self, page: Any, store: Conversations) -> None:
        _, other = show(page, store, "Zyxomycosis of the knee", "Other")
        store.begin(other, "And a zyxomycosis of the hip?")
        page.fill(".find", "zyxom")
        page.wait_for_selector(".hit mark")
        assert groups(page) == ["In titles", "In messages"]
        assert page.locator(".entry mark").all_inner_texts() == ["Zyxomycosis", "zyxomycosis"]
        assert page.inner_text(".count") == "1 title, 1 message"
        page.fill(".find", "zyxomycosis hamster")
        page.wait_for_selector(".count:text('message')")

    def test_says_when_nothing_is_found_and_shows_the_list_again_when_it_is_emptied(self, page: Any, store: Conversations) -> None:
        show(page, store, "Headache")
        page.fill(".find", "xylophone")
        page.wait_for_selector(".count:text('Nothing found')")
        page.press(".find", "Escape")
        page.wait_for_selector(".count:text('1 conversation')")
        assert page.input_value(".find") == "" and titles(page) == ["Headache"]

    def test_jumps_to_a_message_on_another_branch(self, page: Any, store: Conversations) -> None:
        (id,) = show(page, store, "Branches")
        first, answer = store.begin(id, "Tell of the quokka.")
        store.finish(answer.id, "A small marsupial.", "complete", None)
        _, other = store.begin(id, "Tell of the wombat.", parent=None)
        store.finish(other.id, "A larger one.", "complete", None)
        page.click(f"{row(id)} .open")
        page.wait_for_selector(".question:has-text('wombat')")
        page.fill(".find", "quokka")
        page.click(".entry.hit .open")
        page.wait_for_selector(f'.turn[data-message="{first.id}"]')
        assert store.branch(id)[-1].id == answer.id

    def test_works_by_keyboard_from_key_to_opened_message(self, page: Any, store: Conversations) -> None:
        id, _ = show(page, store, "Knee", "Other")
        store.begin(id, "A zyxomycosis?")
        page.keyboard.press("Control+k")
        page.keyboard.type("zyxomycosis")
        page.wait_for_selector(".entry.hit")
        page.keyboard.press("ArrowDown")
        assert focused(page).startswith("Knee")
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.className") == "find"
        page.keyboard.press("Enter")
        page.wait_for_selector(".question:has-text('zyxomycosis')")
        assert here(page) == id

    def test_enter_pressed_before_the_results_are_there_opens_the_first_of_them(self, page: Any, store: Conversations) -> None:
        id, _ = show(page, store, "Zyxomycosis", "Other")
        page.focus(".find")
        page.evaluate(
            """() => { const find = document.querySelector('.find'); find.value = 'zyxomycosis'; find.dispatchEvent(new Event('input'));
            find.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true })); }"""
        )
        until(lambda: here(page) == id, "not opened")

    def test_finds_what_is_in_the_archive_and_says_so(self, page: Any, store: Conversations) -> None:
        (id,) = show(page, store, "Zyxomycosis")
        store.set_archived(id, True)
        page.fill(".find", "zyx")
        page.wait_for_selector(f"{row(id)} .when:text('Archive')")


class TestALongList:
    def test_shows_its_middle_without_loading_what_is_before_it(self, page: Any, store: Conversations, site: Site) -> None:
        many(page, store, 1500)
        before = len([url for url in site.requests if "predict" in url])
        page.evaluate(f"{ROWS}.scrollTop = {ROWS}.scrollHeight / 2")
        page.wait_for_selector(".title:text-is('Case 0750')")
        assert page.locator(".entry").count() < 60
        assert len([url for url in site.requests if "predict" in url]) - before <= 3

    def test_is_as_high_as_all_its_rows_from_the_start(self, page: Any, store: Conversations) -> None:
        many(page, store, 1500)
        assert page.evaluate(f"{ROWS}.scrollHeight") >= 1500 * 50
        page.evaluate(f"{ROWS}.scrollTop = {ROWS}.scrollHeight")
        page.wait_for_selector(".title:text-is('Case 0000')")

    def test_is_walked_by_keyboard_to_its_end_and_back(self, page: Any, store: Conversations) -> None:
        many(page, store, 450)
        page.focus(".find")
        page.keyboard.press("ArrowDown")
        assert focused(page).startswith("Case 0449")
        page.keyboard.press("End")
        until(lambda: focused(page).startswith("Case 0000"), "the last row is not reached")
        page.keyboard.press("ArrowUp")
        assert focused(page).startswith("Case 0001")
        page.keyboard.press("Home")
        until(lambda: focused(page).startswith("Case 0449"), "the first row is not reached")
        page.keyboard.press("PageDown")
        until(lambda: "Case 04" in focused(page) and "0449" not in focused(page), "no page down")
        page.keyboard.press("Home")
        page.keyboard.press("ArrowUp")
        assert page.evaluate("document.activeElement.className") == "find"

    def test_keeps_the_keyboards_place_while_it_is_scrolled_by_the_wheel(self, page: Any, store: Conversations) -> None:
        many(page, store, 450)
        page.focus(".find")
        page.keyboard.press("ArrowDown")
        page.evaluate(f"{ROWS}.scrollTop = 12000")
        page.wait_for_selector(".title:text-is('Case 0200')")
        assert focused(page).startswith("Case 0449")
        page.keyboard.press("ArrowDown")
        until(lambda: focused(page).startswith("Case 0448"), "the place is lost")

    def test_grows_with_the_size_of_the_text_and_its_menu_stays_in_the_window(self, page: Any, store: Conversations) -> None:
        many(page, store, 450)
        try:
            page.evaluate("document.documentElement.style.setProperty('--text', 1.5)")
            page.wait_for_function(f"{ROWS}.scrollHeight >= 450 * 75")
            lowest = page.locator(".entry").nth(8)
            lowest.hover()
            lowest.locator(".more").click()
            box = page.locator("[role='menu']").bounding_box()
            assert box["y"] >= 0 and box["y"] + box["height"] <= 900
            page.keyboard.press("Escape")
        finally:
            page.evaluate("med42.applyLooks()")
        page.wait_for_function(f"{ROWS}.scrollHeight < 450 * 51")

    def test_shows_many_folders_in_a_menu_that_scrolls(self, page: Any, store: Conversations) -> None:
        for number, id in enumerate(show(page, store, *(f"Case {number}" for number in range(60)))):
            store.set_folder(id, f"Ward {number:02}")
        page.evaluate("med42.refreshList()")
        page.click(".view:not([hidden])")
        box = page.locator("[role='menu']").bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 900
        page.click(".menu button:text-is('Folder: Ward 59 (1)')")
        page.wait_for_selector(".count:text-is('1 conversation')")

    def test_keeps_its_menu_while_an_answer_beside_it_scrolls(self, page: Any, store: Conversations) -> None:
        many(page, store, 450)
        page.locator(".entry").nth(3).hover()
        page.locator(".entry .more").nth(3).click()
        page.evaluate("document.querySelector('#transcript').dispatchEvent(new Event('scroll'))")
        assert page.locator("[role='menu']").count() == 1
        page.evaluate(f"{ROWS}.scrollTop = 900")  # its row has moved away under it
        page.wait_for_selector("[role='menu']", state="detached")

    def test_is_one_stop_of_the_tab_key(self, page: Any, store: Conversations) -> None:
        many(page, store, 50)
        assert page.locator(".rows [tabindex='0']").count() == 2  # the row, and its menu

    def test_stays_where_it_is_when_a_conversation_comes_on_top(self, page: Any, store: Conversations) -> None:
        many(page, store, 450)
        page.evaluate(f"{ROWS}.scrollTop = 5000")
        page.wait_for_selector(".title:text-is('Case 0345')")
        place = page.locator(".entry:has(.title:text-is('Case 0345'))").bounding_box()["y"]
        store.create("Brand new")
        page.evaluate("med42.refreshList()")
        page.wait_for_selector(".count:text('451')")
        page.wait_for_timeout(200)
        assert page.locator(".entry:has(.title:text-is('Case 0345'))").bounding_box()["y"] == pytest.approx(place, abs=1)


class TestOnAPhone:
    @pytest.fixture
    def phone(self, page: Any) -> Any:
        page.set_viewport_size({"width": 390, "height": 844})
        return page

    def test_the_menu_of_a_row_leaves_the_drawer_open_and_deleting_can_be_taken_back(self, phone: Any, store: Conversations) -> None:
        one, _ = show_later(phone, store, "One", "Two")
        phone.click("#header [data-do='left']")
        phone.wait_for_selector(row(one))
        choose(phone, one, "Rename")
        assert phone.locator(".edit").is_visible()
        phone.press(".edit", "Escape")
        choose(phone, one, "Delete")
        phone.wait_for_selector(row(one), state="detached")
        box = phone.locator(".toast").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
        phone.click(".toast .act")
        phone.wait_for_selector(row(one), state="attached")
        phone.wait_for_timeout(300)  # longer than a drawer takes to close
        assert phone.is_visible(row(one))

    def test_opening_a_conversation_closes_the_drawer(self, phone: Any, store: Conversations) -> None:
        one, _ = show_later(phone, store, "One", "Two")
        phone.click("#header [data-do='left']")
        phone.click(f"{row(one)} .open")
        phone.wait_for_selector(row(one), state="hidden")
        assert here(phone) == one


def show_later(page: Any, store: Conversations, *titles: str) -> list[str]:
    """Like `show`, in a drawer that is still closed."""
    made = [store.create(title).id for title in titles]
    page.evaluate("med42.refreshList()")
    page.wait_for_selector(row(made[-1]), state="attached")
    return made
