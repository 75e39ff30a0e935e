"""The models folder as the page sees it: what goes on while nobody waits for it."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from med42_chat.errors import DiskFull, Med42Error, NotFound, WeightsError
from med42_chat.weights import inventory
from med42_chat.weights.catalogue import Entry
from med42_chat.weights.hardware import Device, Hardware, disk_free
from med42_chat.weights.models import Card, Models, Work
from med42_chat.weights.place import UNFINISHED
from med42_chat.weights.plan import Way
from tests.weights.hub import Fault, State, address
from tests.weights.toml import write_catalogue

NAME = "tiny.Q4_K_M.gguf"
Offered = Callable[..., Entry]


def a_computer(_: Path) -> Hardware:
    """16 GB, no graphics card."""
    return Hardware(16 << 30, 12 << 30, 1 << 40, "a processor", 8, bandwidth=40e9)


@pytest.fixture
def shelf(server: State, offered: Offered, model: bytes, models: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Models]:
    """The service, with two entries of a person's own on the hub of the test."""
    home.mkdir()
    entries = [offered((NAME, model)), offered(("second.gguf", model[:-1] + b"2"), id="second")]
    write_catalogue(home / "catalogue.toml", *entries)
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    made = Models(models, home / "catalogue.toml", read_hardware=a_computer)
    yield made
    made.close()


def card(shelf: Models, id: str = "tiny-q4") -> Card:
    return next(card for card in shelf.cards() if card.id == id)


def until(shelf: Models, id: str, seen: Callable[[Work], bool]) -> Work:
    """The work on `id`, as soon as it is as wanted."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        work = next((work for work in shelf.works() if work.id == id), None)
        if work is not None and seen(work):
            return work
        time.sleep(0.01)
    raise AssertionError(f"{id} never came so far: {shelf.works()}")


def ended(shelf: Models, id: str = "tiny-q4") -> Work:
    return until(shelf, id, lambda work: not work.active)


def measured(shelf: Models) -> None:
    """Waits until the hardware was looked at, if it is to be."""
    shelf.measure()
    if shelf._measuring is not None:
        shelf._measuring.join(10)


def test_a_model_is_fetched_while_nobody_waits(shelf: Models, models: Path, model: bytes) -> None:
    before = shelf.changed()
    assert card(shelf).state == "absent"
    shelf.get("tiny-q4")
    assert ended(shelf).state == "done"
    assert (card(shelf).state, card(shelf).fetched) == ("here", len(model))
    assert (models / "tiny-q4.gguf").read_bytes() == model
    assert shelf.changed() > before
    shelf.dismiss("tiny-q4")
    assert card(shelf).work is None


def test_a_stopped_download_goes_on_where_it_was(shelf: Models, server: State, model: bytes) -> None:
    server.faults.append(Fault("stall", at=100_000))
    shelf.get("tiny-q4")
    deadline = time.monotonic() + 20
    while card(shelf).fetched < 90_000 and time.monotonic() < deadline:
        time.sleep(0.01)
    shelf.stop("tiny-q4")
    assert ended(shelf).state == "stopped"
    assert card(shelf).state == "unfinished"
    before, server.sent = card(shelf).fetched, 0
    shelf.get("tiny-q4")
    assert ended(shelf).state == "done"
    assert server.sent == len(model) - before


def test_a_second_download_waits_for_the_first(shelf: Models, server: State) -> None:
    server.faults.append(Fault("stall", at=100_000))
    shelf.get("tiny-q4")
    until(shelf, "tiny-q4", lambda work: work.state == "running")
    shelf.get("second")
    assert until(shelf, "second", lambda work: True).state == "waiting"
    server.released.set()
    assert ended(shelf).state == "done"
    assert ended(shelf, "second").state == "done"


def test_one_that_waits_can_be_stopped_before_its_turn(shelf: Models, server: State) -> None:
    server.faults.append(Fault("stall", at=100_000))
    shelf.get("tiny-q4")
    until(shelf, "tiny-q4", lambda work: work.state == "running")
    shelf.get("second")
    shelf.stop("second")
    assert ended(shelf, "second").state == "stopped"
    assert card(shelf).work is not None and card(shelf).work.active  # type: ignore[union-attr]


def test_what_cannot_be_is_said_before_anything_is_fetched(shelf: Models, server: State, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound):
        shelf.get("tiny-q9")
    monkeypatch.setattr("med42_chat.weights.place.SPARE", 1 << 60)
    with pytest.raises(DiskFull):
        shelf.get("tiny-q4")
    assert server.asked == []


def test_an_error_of_a_download_stands_on_its_card(shelf: Models, server: State) -> None:
    server.refusals[address(NAME)] = (404, "EntryNotFound")
    shelf.get("tiny-q4")
    work = ended(shelf)
    assert work.state == "failed"
    assert "holds no file" in work.message
    assert work.hint


def test_what_an_interrupted_program_left_is_shown_as_unfinished(shelf: Models, models: Path) -> None:
    place = models / UNFINISHED / "tiny-q4"
    place.mkdir(parents=True)
    (place / "tiny-q4.gguf").write_bytes(b"GGUF" * 25)
    assert (card(shelf).state, card(shelf).fetched, card(shelf).work) == ("unfinished", 100, None)


def test_a_download_that_waits_for_the_server_still_says_what_is_here(shelf: Models, server: State, models: Path) -> None:
    (models / UNFINISHED / "tiny-q4").mkdir(parents=True)
    (models / UNFINISHED / "tiny-q4" / "tiny-q4.gguf").write_bytes(b"GGUF" + bytes(96))
    server.head_faults.append(503)
    shelf.get("tiny-q4")
    assert until(shelf, "tiny-q4", lambda work: work.phase == "waiting").done == 100
    shelf.stop("tiny-q4")


def test_what_was_thrown_away_is_not_called_begun(shelf: Models, server: State) -> None:
    server.faults.append(Fault("flip", at=50_000))
    shelf.get("tiny-q4")
    assert "thrown away" in ended(shelf).message
    assert (card(shelf).state, card(shelf).fetched) == ("absent", 0)


def test_a_model_is_verified_and_a_changed_one_found_out(shelf: Models, models: Path, model: bytes) -> None:
    (models / "tiny-q4.gguf").write_bytes(model)
    shelf.verify("tiny-q4")
    assert "catalogue's" in ended(shelf).message
    (models / "tiny-q4.gguf").write_bytes(model[:-1] + b"!")
    shelf.verify("tiny-q4")
    assert (ended(shelf).state, "not what it should be" in ended(shelf).message) == ("failed", True)


def test_a_model_from_a_stick_is_on_its_card_while_it_comes(shelf: Models, model: bytes, tmp_path: Path) -> None:
    (tmp_path / "holiday.gguf").write_bytes(model)
    shelf.bring(tmp_path / "holiday.gguf")
    work = ended(shelf, "holiday.gguf")
    assert (work.state, work.entry) == ("done", "tiny-q4")
    assert "Tiny" in work.message
    assert card(shelf).state == "here"
    assert card(shelf).work == work


def test_an_unknown_file_gets_a_card_of_its_own(shelf: Models, models: Path, model: bytes) -> None:
    (models / "mine.gguf").write_bytes(model)
    (models / "broken.gguf").write_bytes(b"<html>")
    measured(shelf)
    assert (card(shelf, "mine.gguf").entry, card(shelf, "mine.gguf").state) == (None, "here")
    assert card(shelf, "mine.gguf").plan is not None
    assert "web page" in card(shelf, "broken.gguf").fault
    assert card(shelf, "broken.gguf").plan is None


def test_what_only_looks_like_a_model_file_is_no_card(shelf: Models, models: Path) -> None:
    (models / "folder.gguf").mkdir()
    (models / "gone.gguf").symlink_to(models / "nowhere")
    assert not [card for card in shelf.cards() if card.entry is None]


def test_the_parts_of_an_unknown_split_model_are_one_card(shelf: Models, models: Path) -> None:
    for name in ("mine-00001-of-00002.gguf", "mine-00002-of-00002.gguf", "other-00002-of-00002.gguf"):
        (models / name).write_bytes(b"GGUF")
    (found,) = [card for card in shelf.cards() if card.entry is None]
    assert [file.name for file in found.files] == ["mine-00001-of-00002.gguf", "mine-00002-of-00002.gguf"]
    assert found.size_bytes == 8


def test_a_models_folder_that_is_none_is_said(shelf: Models, models: Path, tmp_path: Path, home: Path) -> None:
    assert [card.state for card in Models(tmp_path / "later", home / "catalogue.toml").cards()].count("absent") > 50
    (tmp_path / "file").write_text("")
    made = Models(tmp_path / "file", home / "catalogue.toml")
    with pytest.raises(WeightsError, match="cannot be used"):
        made.get("tiny-q4")


def test_a_file_without_a_checksum_in_the_catalogue_is_not_called_right(shelf: Models, offered: Offered, model: bytes, home: Path) -> None:
    write_catalogue(home / "catalogue.toml", offered((NAME, model), hashed=False))
    shelf.get("tiny-q4")
    assert "the catalogue has no checksum" in ended(shelf).message


def test_an_import_needs_a_whole_path(shelf: Models, tmp_path: Path) -> None:
    wrong = [(Path(), "whole path"), (Path("model.gguf"), "whole path"), (Path("~nobody-here/model.gguf"), "whole path")]
    for path, reason in [*wrong, (tmp_path / "none", "nothing at"), (tmp_path / ("a" * 300), "cannot be used")]:
        with pytest.raises(WeightsError, match=reason):
            shelf.bring(path)


def test_the_model_in_use_is_not_removed(shelf: Models, models: Path, model: bytes, home: Path) -> None:
    (models / "tiny-q4.gguf").write_bytes(model)
    using = Models(models, home / "catalogue.toml", in_use=lambda: models / "tiny-q4.gguf")
    with pytest.raises(WeightsError, match="in use"):
        using.remove("tiny-q4")
    shelf.remove("tiny-q4")
    assert ended(shelf).state == "done"
    assert not (models / "tiny-q4.gguf").exists()


def test_nothing_is_measured_unless_asked_and_then_one_model_is_recommended(shelf: Models) -> None:
    assert (shelf.overview().hardware, shelf.overview().advice) == (None, "")
    assert all(card.plan is None and not card.recommended for card in shelf.cards())
    measured(shelf)
    cards = shelf.cards()
    assert [card.recommended for card in cards].count(True) == 1 and cards[0].recommended
    assert cards[0].title in shelf.overview().advice
    assert all(card.plan is not None for card in cards)


def test_what_is_measured_while_somebody_looks_is_seen_whole_or_not_at_all(shelf: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    look = inventory.items

    def look_slowly(entries: Sequence[Entry], folder: Path) -> list[inventory.Item]:
        monkeypatch.setattr(inventory, "items", look)
        measured(shelf)
        return look(entries, folder)

    monkeypatch.setattr(inventory, "items", look_slowly)
    for is_known in (False, True):
        seen = shelf.overview()
        assert (seen.hardware is not None, bool(seen.advice), seen.cards[0].recommended) == (is_known, is_known, is_known)


def test_a_plan_counts_with_the_room_that_the_loaded_model_will_make(shelf: Models, models: Path, model: bytes, home: Path) -> None:
    (models / "tiny-q4.gguf").write_bytes(model)
    card = Device("CUDA0", "a card", "gpu", "CUDA", 0, 1 << 40)
    full = replace(a_computer(models), devices=(card,))
    made = Models(
        models, home / "catalogue.toml", 8192, lambda: models / "tiny-q4.gguf", lambda: Way(3, 8192, "f16"), read_hardware=lambda _: full
    )
    measured(made)
    used = next(card for card in made.cards() if card.id == "tiny-q4")
    here = made.overview().hardware
    assert here is not None and here.memory_free == full.memory_free
    assert here.disk_free == pytest.approx(disk_free(models), rel=0.1), "a download changes it, and so does everything else"
    assert used.plan is not None and used.plan.way.gpu_layers == 0  # the card has less than a driver takes
    measured_without = Models(models, home / "catalogue.toml", read_hardware=lambda _: full)
    measured(measured_without)
    assert made._with_room(full).devices[0].free > 0


def test_a_plan_counts_with_the_embedding_model_as_soon_as_there_is_one(models: Path, home: Path) -> None:
    made = Models(models, home / "catalogue.toml", read_hardware=lambda _: replace(a_computer(models), memory_total=9 * 10**9))
    measured(made)
    before = {card.id: card.plan.fit for card in made.cards() if card.plan}
    made.aside = 5 * 10**9
    after = {card.id: card.plan.fit for card in made.cards() if card.plan}
    assert list(before.values()).count("no") < list(after.values()).count("no")
    made.close()


def test_what_was_measured_while_a_model_was_being_loaded_is_measured_again(shelf: Models, models: Path, home: Path) -> None:
    ways: list[Way] = []
    seen: list[Hardware] = []

    def read(_: Path) -> Hardware:
        seen.append(a_computer(models))
        return seen[-1]

    made = Models(models, home / "catalogue.toml", 8192, lambda: models / "x.gguf", lambda: ways[0] if ways else None, read)
    measured(made)
    ways.append(Way(0, 8192, "f16"))
    measured(made)
    measured(made)
    assert len(seen) == 2


def test_whatever_is_clicked_in_whatever_order_no_wrong_file_gets_a_name(
    shelf: Models, server: State, models: Path, model: bytes, tmp_path: Path
) -> None:
    chance, before = random.Random(4), psutil.Process().children()
    (tmp_path / "stick.gguf").write_bytes(model)
    kinds = [Fault("drop", at=90_000), Fault("flip", at=50_000), Fault("short", at=9), Fault("status"), Fault("drip")]
    for _ in range(60):
        id = chance.choice(["tiny-q4", "second"])
        if chance.random() < 0.3:
            server.faults.append(chance.choice(kinds))
        action = chance.choice([shelf.get, shelf.get, shelf.stop, shelf.verify, shelf.remove, shelf.dismiss])
        with suppress(Med42Error):
            action(id) if chance.random() < 0.9 else shelf.bring(tmp_path / "stick.gguf")
        time.sleep(chance.random() * 0.1)
        shelf.cards()
    shelf.close()
    assert not any(work.active for work in shelf.works())
    right = {"tiny-q4.gguf": model, "second.gguf": model[:-1] + b"2"}
    assert all(file.read_bytes() == right[file.name] for file in models.glob("*.gguf"))
    assert [child for child in psutil.Process().children() if child not in before] == []


def test_cards_are_quick(shelf: Models) -> None:
    measured(shelf)
    shelf.cards()
    begun = time.perf_counter()
    shelf.cards()
    assert time.perf_counter() - begun < 0.05


def test_a_folder_that_cannot_be_asked_is_said_where_cards_are_and_nowhere_else(home: Path) -> None:
    home.mkdir()
    shelf = Models(home / ("m" * 300), home / "catalogue.toml", read_hardware=a_computer)
    assert shelf.changed() == shelf.changed()
    with pytest.raises(WeightsError, match="cannot be used"):
        shelf.cards()


def test_a_file_whose_name_no_page_can_show_takes_no_other_card_with_it(shelf: Models, models: Path, model: bytes) -> None:
    (models / "\udcff.gguf").write_bytes(model)
    (models / "mine.gguf").write_bytes(model)
    titles = [card.title for card in shelf.cards()]
    assert "mine.gguf" in titles and all(title.encode() for title in titles)
