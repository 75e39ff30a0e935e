"""The list's handlers, called as Gradio calls them, over a real store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from med42_chat.records import Conversation
from med42_chat.services import Services
from med42_chat.settings import ASSETS
from med42_chat.store.conversations import Conversations
from med42_chat.ui.conversations import PAGE, ConversationList, searched
from med42_chat.ui.desk import Desk
from med42_chat.words import read_words
from tests.ui.fakes import MED42, PacedRuntime, services

WORDS = read_words(ASSETS / "words" / "en.toml")
DAY = 86_400_000
NOON = 20_000 * DAY  # of the reader's today
DAYS = [NOON - DAY // 2, NOON - DAY * 3 // 2, NOON - DAY * 15 // 2]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Services]:
    made = services(tmp_path / "home", PacedRuntime(model=MED42, text="Yes.", pause_s=0.0))
    yield made
    made.close()


@pytest.fixture
def store(opened: Services) -> Conversations:
    return opened.store.conversations


@pytest.fixture
def panel(opened: Services) -> ConversationList:
    desk = Desk(opened, WORDS)
    made = ConversationList(desk)
    with gr.Blocks():
        desk.build_notice()
        made.build()
    return made


def event(**data: object) -> Any:
    return gr.EventData(None, {"archived": False, "folder": "", "tag": "", "days": DAYS, "offset": 0, **data})


def value(panel: ConversationList, updates: Any) -> Any:
    return updates[panel.component]


def look(panel: ConversationList, **data: object) -> Any:
    return value(panel, panel.look(event(**data)))


def ids(shown: Any) -> list[str]:
    return [row[0] for row in shown["rows"]]


def aged(opened: Services, title: str, age_ms: int) -> Conversation:
    made = opened.store.conversations.create(title)
    with opened.store._connections.write() as db:
        db.conn.execute("update conversations set updated_at = ? where uid = ?", (NOON - age_ms, made.id))
    return made


def test_how_many_stand_under_each_heading_follows_the_readers_days(panel: ConversationList, opened: Services) -> None:
    ages = [0, DAY // 4, DAY, 2 * DAY, 7 * DAY, 8 * DAY, 400 * DAY]
    made = [aged(opened, f"{age} ms old", age) for age in ages]
    opened.store.conversations.set_pinned(made[-1].id, True)
    shown = look(panel)
    assert shown["groups"] == [1, 2, 1, 2, 1]
    assert ids(shown) == [made[-1].id, *(one.id for one in made[:-1])]


def test_the_same_list_has_other_headings_for_a_reader_whose_day_began_later(panel: ConversationList, opened: Services) -> None:
    aged(opened, "this morning", DAY // 4)
    assert look(panel)["groups"] == [0, 1, 0, 0, 0]
    assert look(panel, days=[NOON, NOON - DAY, NOON - 7 * DAY])["groups"] == [0, 0, 1, 0, 0]


def test_the_middle_of_a_long_list_comes_without_what_is_before_it(panel: ConversationList, store: Conversations) -> None:
    made = [store.create(f"Case {number}").id for number in range(PAGE * 2 + 10)]
    shown = look(panel, offset=PAGE)
    assert ids(shown) == made[::-1][PAGE : 2 * PAGE]
    assert (shown["offset"], sum(shown["groups"])) == (PAGE, len(made))


def test_scrolling_counts_no_folders_and_tags(panel: ConversationList) -> None:
    assert "tags" not in look(panel) and "tags" in look(panel, anew=True)


def test_a_page_that_has_said_nothing_yet_sees_the_list_by_the_days_of_this_computer(panel: ConversationList, store: Conversations) -> None:
    store.create("just now")
    shown = value(panel, panel.rows())
    assert shown["groups"] == [0, 1, 0, 0, 0] and shown["anew"]


def test_each_action_changes_the_store_and_gives_the_new_list(panel: ConversationList, store: Conversations) -> None:
    id = store.create("Old name").id
    store.create("another")
    panel.act(event(do="rename", id=id, title="Mrs K., headache"))
    panel.act(event(do="folder", id=id, folder="Ward 4"))
    panel.act(event(do="tags", id=id, tags=["review", "dose"]))
    shown = value(panel, panel.act(event(do="pin", id=id, on=True)))
    assert shown["rows"][0][:2] == [id, "Mrs K., headache"]
    assert shown["rows"][0][3:] == [1, "Ward 4", ("dose", "review"), 0]
    assert shown["folders"] == [("Ward 4", 1)] and shown["tags"] == [("dose", 1), ("review", 1)]
    assert value(panel, panel.act(event(do="pin", id=id, on=False)))["rows"][1][3] == 0


def test_a_folder_and_a_tag_together_show_what_has_both(panel: ConversationList, store: Conversations) -> None:
    both, folder, tag = (store.create(name).id for name in ("both", "folder", "tag"))
    for id in (both, folder):
        store.set_folder(id, "Ward 4")
    for id in (both, tag):
        store.set_tags(id, ["review"])
    shown = look(panel, folder="Ward 4", tag="review")
    assert ids(shown) == [both]
    assert shown["place"]["folder"] == "Ward 4" and sum(shown["groups"]) == 1


def test_the_archive_is_a_view_of_its_own(panel: ConversationList, store: Conversations) -> None:
    id = store.create("put away").id
    left = value(panel, panel.act(event(do="put_away", id=id)))
    assert ids(left) == [] and left["archive"] == 1
    assert ids(look(panel, archived=True)) == [id]
    panel.act(event(do="take_out", id=id, archived=True))
    assert ids(look(panel)) == [id]


def test_a_deletion_is_gone_at_once_and_can_be_taken_back(panel: ConversationList, store: Conversations) -> None:
    id = store.create("quokka bite").id
    assert ids(value(panel, panel.act(event(do="delete", id=id)))) == []
    assert searched(store, "quokka")["titles"] == []
    assert ids(value(panel, panel.act(event(do="restore", id=id)))) == [id]


def test_a_deletion_stops_the_answer_that_is_being_written(panel: ConversationList, opened: Services) -> None:
    opened.runtime.pause_s = 0.02  # type: ignore[attr-defined]
    opened.runtime.text = "word " * 400  # type: ignore[attr-defined]
    id = opened.store.conversations.create().id
    job = opened.jobs.start(id, "a long one")
    panel.act(event(do="delete", id=id))
    job.join(5)
    assert opened.jobs.running(id) is None


def test_a_search_marks_titles_and_messages_and_keeps_them_apart(panel: ConversationList, store: Conversations) -> None:
    named = store.create("Warfarin before surgery").id
    _, answer = store.begin(store.create("Other").id, "And warfarin?")
    store.finish(answer.id, "**Stop** it.", "complete", None)
    shown = searched(store, "warf")
    [[row, pieces]] = shown["titles"]
    assert row[0] == named and pieces == ("", "Warfarin", " before surgery")
    [[_, _, title, snippet]] = shown["messages"]
    assert (title, snippet) == ("Other", ["And ", "warfarin", "?"])
    assert shown["more"] is False


@pytest.mark.parametrize("query", ["w", "wa", "warf", "surgery warf", "WARFARIN", "warfarins", "before wárf"])
def test_a_title_is_found_while_its_words_are_typed(store: Conversations, query: str) -> None:
    id = store.create("Warfarin before surgery").id
    store.create("Something else")
    assert [one.id for one, _ in store.titles(query)] == [id]


@pytest.mark.parametrize("query", ["", "  ", "?!", '"', "warfarin xylophone", "arfarin"])
def test_what_no_title_has_finds_none(store: Conversations, query: str) -> None:
    store.create("Warfarin before surgery")
    assert store.titles(query) == []


def test_archived_titles_are_found_and_say_so_deleted_ones_are_not(store: Conversations) -> None:
    kept, gone = store.create("Warfarin one").id, store.create("Warfarin two").id
    store.set_archived(kept, True)
    store.hide(gone)
    assert [(one.id, one.archived) for one, _ in store.titles("warfarin")] == [(kept, True)]


def test_a_hit_opens_the_branch_its_message_is_on(panel: ConversationList, store: Conversations, opened: Services) -> None:
    id = store.create().id
    first, answer = store.begin(id, "quokka?")
    store.finish(answer.id, "A marsupial.", "complete", None)
    second, again = store.begin(id, "wombat?", parent=None)
    store.finish(again.id, "Another.", "complete", None)
    assert [one.id for one in store.branch(id)] == [second.id, again.id]
    panel.open(event(id=id, message=first.id))
    assert [one.id for one in store.branch(id)] == [first.id, answer.id]


def test_a_look_at_the_list_leaves_a_notice_where_it_is(panel: ConversationList) -> None:
    notice = panel._desk.notice
    assert panel.look(event())[notice] == gr.skip()
    assert notice not in panel.act(event(do="rename", id=panel._desk.store.create("a").id, title="b"))
