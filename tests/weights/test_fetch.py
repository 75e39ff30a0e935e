"""Fetching from a hub that misbehaves: what is right gets its name, what is wrong never does, and nothing need be fetched twice."""

import errno
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from med42_chat.errors import ConnectionLost, DiskFull, DownloadFailed, Med42Error, WeightsError, WrongContent
from med42_chat.weights import place
from med42_chat.weights.catalogue import Entry, Part
from med42_chat.weights.fetch import fetch
from med42_chat.weights.hub import Body, Hub, Remote
from med42_chat.weights.place import UNFINISHED, discard, installed
from med42_chat.weights.progress import Meter, Progress
from tests.weights.hub import REPOSITORY, Fault, State, address

Offered = Callable[..., Entry]
NAME = "tiny.Q4_K_M.gguf"


def run(entry: Entry, models: Path, server: State) -> list[Progress]:
    """Fetches without ever really waiting."""
    return list(fetch(entry, models, Hub(server.endpoint, timeout_s=0.3), sleep=lambda _: None))


def the_file(models: Path) -> bytes:
    return (models / "tiny-q4.gguf").read_bytes()


def test_a_file_comes_whole_and_leaves_nothing_behind(server: State, offered: Offered, model: bytes, models: Path) -> None:
    seen = run(offered((NAME, model)), models, server)
    assert the_file(models) == model
    assert not (models / UNFINISHED / "tiny-q4").exists()
    assert seen[0].state == "asking"
    assert seen[-1] == Progress("done", len(model), len(model))


def test_a_file_that_is_here_is_not_asked_for_again(server: State, offered: Offered, model: bytes, models: Path) -> None:
    entry = offered((NAME, model))
    run(entry, models, server)
    server.asked.clear()
    assert [one.state for one in run(entry, models, server)] == ["done"]
    assert server.asked == []


def test_stopping_keeps_what_came_and_the_next_time_only_the_rest_is_fetched(
    server: State, offered: Offered, model: bytes, models: Path
) -> None:
    entry = offered((NAME, model))
    server.faults.append(Fault("stall", at=len(model) // 2))
    running = fetch(entry, models, Hub(server.endpoint, timeout_s=0.3))
    while next(running).state != "waiting":
        pass
    running.close()
    assert (models / UNFINISHED / "tiny-q4" / "tiny-q4.gguf").stat().st_size == len(model) // 2
    assert not installed(entry, models)
    run(entry, models, server)
    assert the_file(models) == model
    assert server.asked[-1][2] == f"bytes={len(model) // 2}-"


def test_after_a_power_cut_only_what_was_surely_on_the_disk_is_kept(
    server: State, offered: Offered, model: bytes, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("med42_chat.weights.fetch._SYNC_EVERY", 50_000)
    entry = offered((NAME, model))
    unfinished = models / UNFINISHED / entry.id / "tiny-q4.gguf"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(model[:110_000] + bytes(10_000))  # as long as it was, and the last of it never written
    monkeypatch.setattr("psutil.boot_time", lambda: unfinished.stat().st_mtime + 1)
    run(entry, models, server)
    assert the_file(models) == model
    assert {span for _, _, span in server.asked if span} == {"bytes=100000-"}


def test_pieces_of_one_file_are_put_together_and_parts_of_a_split_stay_apart(
    server: State, offered: Offered, model: bytes, models: Path
) -> None:
    cut = len(model) // 3
    run(offered(("m.gguf.part1of2", model[:cut]), ("m.gguf.part2of2", model[cut:]), id="joined"), models, server)
    assert (models / "joined.gguf").read_bytes() == model
    run(offered(("m-00001-of-00002.gguf", model), ("m-00002-of-00002.gguf", b"GGUF" + model[cut:]), id="split"), models, server)
    assert (models / "split-00001-of-00002.gguf").read_bytes() == model
    assert (models / "split-00002-of-00002.gguf").read_bytes() == b"GGUF" + model[cut:]


def test_a_second_piece_that_breaks_off_is_gone_on_with_in_its_middle(server: State, offered: Offered, model: bytes, models: Path) -> None:
    cut = len(model) // 3
    server.faults.extend([Fault(""), Fault("drop", at=1000)])
    run(offered(("m.gguf.part1of2", model[:cut]), ("m.gguf.part2of2", model[cut:])), models, server)
    assert the_file(models) == model
    assert server.asked[-1][2] == "bytes=1000-"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("drop", at=0),
        Fault("drop", at=3),
        Fault("stall", at=500),
        Fault("drip"),
        Fault("more"),
        Fault("short", at=100),
        Fault("status", status=429, headers=(("Retry-After", "7"),)),
        *(Fault("status", status=code) for code in (500, 502, 503, 504)),
    ],
    ids=str,
)
def test_what_may_pass_is_tried_again_by_itself(server: State, offered: Offered, model: bytes, models: Path, fault: Fault) -> None:
    server.faults.append(fault)
    run(offered((NAME, model)), models, server)
    assert the_file(models) == model


def test_a_server_that_cannot_go_on_in_the_middle_or_gives_another_middle_does_no_harm(
    server: State, offered: Offered, model: bytes, models: Path
) -> None:
    server.faults.extend([Fault("drop", at=900), Fault("shift"), Fault("whole"), Fault("drop", at=800)])
    run(offered((NAME, model)), models, server)
    assert the_file(models) == model


def test_a_server_that_fails_at_the_first_question_is_asked_again(server: State, offered: Offered, model: bytes, models: Path) -> None:
    server.head_faults.extend([503, 429])
    seen = run(offered((NAME, model)), models, server)
    assert [one.state for one in seen][:3] == ["asking", "waiting", "waiting"]
    assert the_file(models) == model


def test_a_pause_that_the_server_asks_for_is_kept_and_said(server: State, offered: Offered, model: bytes, models: Path) -> None:
    pauses: list[float] = []
    server.faults.append(Fault("status", status=429, headers=(("Retry-After", "7"),)))
    seen = list(fetch(offered((NAME, model)), models, Hub(server.endpoint), sleep=pauses.append))
    assert pauses == [7.0]
    assert any(one.state == "waiting" and "pause" in one.note and "7 s" in one.note for one in seen)


def test_a_changed_byte_is_found_and_the_next_time_the_right_file_comes(
    server: State, offered: Offered, model: bytes, models: Path
) -> None:
    entry = offered((NAME, model))
    server.faults.append(Fault("flip", at=len(model) - 5))
    with pytest.raises(WrongContent, match="checksum"):
        run(entry, models, server)
    assert list(models.glob("*.gguf")) == []
    run(entry, models, server)
    assert the_file(models) == model


def test_a_changed_byte_in_the_second_piece_costs_only_that_piece(server: State, offered: Offered, model: bytes, models: Path) -> None:
    cut = len(model) // 2
    entry = offered(("m.gguf.part1of2", model[:cut]), ("m.gguf.part2of2", model[cut:]))
    server.faults.extend([Fault(""), Fault("flip", at=7)])
    with pytest.raises(WrongContent):
        run(entry, models, server)
    server.sent = 0
    run(entry, models, server)
    assert the_file(models) == model
    assert server.sent == len(model) - cut


def refused(server: State, entry: Entry, models: Path, status: int, code: str = "") -> Med42Error:
    server.refusals[address(NAME)] = (status, code)
    with pytest.raises(DownloadFailed) as caught:
        run(entry, models, server)
    assert list(models.glob("*.gguf")) == []
    assert caught.value.hint
    return caught.value


def test_each_refusal_says_what_it_is_and_what_to_do(server: State, offered: Offered, model: bytes, models: Path) -> None:
    entry = offered((NAME, model))
    gated = refused(server, entry, models, 403, "GatedRepo")
    assert "accept its terms" in gated.message
    assert "HF_TOKEN" in gated.hint and REPOSITORY in gated.hint
    assert "no repository" in refused(server, entry, models, 401, "RepoNotFound").message
    assert f"no file {NAME}" in refused(server, entry, models, 404, "EntryNotFound").message
    assert "no state" in refused(server, entry, models, 404, "RevisionNotFound").message
    assert "refuses the file" in refused(server, entry, models, 403).message
    assert "pause" in refused(server, entry, models, 429).message
    assert "proxy" in refused(server, entry, models, 407).message
    assert "fault at present" in refused(server, entry, models, 502).message


def test_a_page_in_the_place_of_the_file_is_named(server: State, offered: Offered, model: bytes, models: Path) -> None:
    entry = offered((NAME, model))
    server.faults.append(Fault("page"))
    with pytest.raises(WrongContent, match="web page"):
        run(entry, models, server)
    server.page = True
    with pytest.raises(WrongContent, match="web page"):
        run(entry, models, server)


def test_a_page_that_calls_itself_a_file_is_noticed_at_its_first_bytes(server: State, offered: Offered, models: Path) -> None:
    entry = offered((NAME, b"<html>" + b"x" * 5000))
    with pytest.raises(WrongContent, match="no model file"):
        run(entry, models, server)


def test_a_packed_answer_is_refused(server: State, offered: Offered, model: bytes, models: Path) -> None:
    server.faults.append(Fault("pack"))
    with pytest.raises(DownloadFailed, match="packed"):
        run(offered((NAME, model)), models, server)


def test_another_file_under_the_same_name_is_refused_before_anything_is_fetched(
    server: State, offered: Offered, model: bytes, models: Path
) -> None:
    entry = offered((NAME, model))
    for other in (model[:-1] + b"!", model + b"!"):
        server.files[address(NAME)] = other
        with pytest.raises(WrongContent, match="another file than the catalogue's"):
            run(entry, models, server)
    assert server.sent == 0


def test_a_right_checksum_on_a_damaged_model_is_not_enough(server: State, offered: Offered, model: bytes, models: Path) -> None:
    with pytest.raises(WrongContent, match="cut short"):
        run(offered((NAME, model[:-4000])), models, server)
    assert list(models.glob("*.gguf")) == []


def test_without_a_checksum_in_the_catalogue_the_servers_is_used(server: State, offered: Offered, model: bytes, models: Path) -> None:
    entry = offered((NAME, model), hashed=False, exact=False)
    assert "checked against what the server says" in entry.caution
    server.faults.append(Fault("flip", at=3000))
    with pytest.raises(WrongContent, match="checksum is wrong"):
        run(entry, models, server)
    run(entry, models, server)
    assert the_file(models) == model


def test_a_plain_mirror_will_do_where_the_catalogue_knows_the_checksum(server: State, offered: Offered, model: bytes, models: Path) -> None:
    server.etags = False
    run(offered((NAME, model)), models, server)
    assert the_file(models) == model
    with pytest.raises(WrongContent, match="cannot be verified"):
        run(offered((NAME, model), hashed=False, id="other"), models, server)


def test_a_server_that_is_not_there_is_a_connection_lost_after_some_tries(offered: Offered, model: bytes, models: Path) -> None:
    entry = offered((NAME, model))
    with pytest.raises(ConnectionLost, match="cannot be reached"):
        list(fetch(entry, models, Hub("http://127.0.0.1:9", timeout_s=0.3), sleep=lambda _: None))


def test_a_server_that_keeps_failing_is_given_up_and_what_came_is_kept(server: State, offered: Offered, model: bytes, models: Path) -> None:
    entry = offered((NAME, model))
    server.faults.extend([Fault("drop", at=2000), *[Fault("status", status=500)] * 20])
    with pytest.raises(ConnectionLost):
        run(entry, models, server)
    assert (models / UNFINISHED / "tiny-q4" / "tiny-q4.gguf").stat().st_size == 2000


def test_a_disk_without_room_is_noticed_before_anything_is_fetched(
    server: State, offered: Offered, model: bytes, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "SPARE", 10**18)
    with pytest.raises(DiskFull, match="free"):
        run(offered((NAME, model)), models, server)
    assert server.sent == 0


class FillsTheDisk(Hub):
    """A hub whose bytes find no room, which is where writing them would fail."""

    @contextmanager
    def open(self, entry: Entry, part: Part, remote: Remote, position: int) -> Iterator[Body]:
        def pieces() -> Iterator[bytes]:
            yield b"GGUF"
            raise OSError(errno.ENOSPC, "No space left on device")

        yield Body(0, None, pieces())


def test_a_disk_that_fills_up_on_the_way_is_said_so_and_what_came_is_kept(
    server: State, offered: Offered, model: bytes, models: Path
) -> None:
    with pytest.raises(DiskFull, match="full"):
        list(fetch(offered((NAME, model)), models, FillsTheDisk(server.endpoint)))
    assert (models / UNFINISHED / "tiny-q4" / "tiny-q4.gguf").read_bytes() == b"GGUF"


def test_a_folder_that_cannot_be_used_is_said_so(server: State, offered: Offered, model: bytes, models: Path) -> None:
    (models / "file").write_text("")
    with pytest.raises(WeightsError, match="cannot be used"):
        run(offered((NAME, model)), models / "file", server)


def test_two_at_once_do_not_meet_in_one_file(server: State, offered: Offered, model: bytes, models: Path) -> None:
    entry = offered((NAME, model))
    server.faults.append(Fault("drop", at=4000))
    first = fetch(entry, models, Hub(server.endpoint), sleep=lambda _: None)
    while next(first).state != "waiting":
        pass
    with pytest.raises(DownloadFailed, match="already"):
        run(entry, models, server)
    assert list(first)[-1].state == "done"
    assert the_file(models) == model


def test_a_file_that_another_one_has_just_brought_is_not_fetched_again(server: State, offered: Offered, model: bytes, models: Path) -> None:
    second = fetch(offered((NAME, model)), models, Hub(server.endpoint))
    with place.workplace(models, "tiny-q4"):
        assert next(second).state == "asking"
        (models / "tiny-q4.gguf").write_bytes(model)
    assert list(second)[-1].state == "done"
    assert server.asked == []


def test_a_crash_between_the_names_of_a_split_files_parts_costs_nothing(
    server: State, offered: Offered, model: bytes, models: Path
) -> None:
    entry = offered(("m-00001-of-00002.gguf", model), ("m-00002-of-00002.gguf", b"GGUF rest"))
    (models / "tiny-q4-00002-of-00002.gguf").write_bytes(b"GGUF rest")
    run(entry, models, server)
    assert installed(entry, models)
    assert server.sent == len(model)


def test_what_was_not_finished_can_be_thrown_away(server: State, offered: Offered, model: bytes, models: Path) -> None:
    entry = offered((NAME, model))
    server.faults.extend([Fault("drop", at=2000), *[Fault("status", status=500)] * 9])
    with pytest.raises(ConnectionLost):
        run(entry, models, server)
    assert discard(models, entry.id) == 2000
    assert discard(models, entry.id) == 0


@pytest.mark.parametrize("seed", range(200))
def test_whatever_goes_wrong_a_wrong_file_never_gets_the_name_and_the_right_one_comes_in_the_end(
    server: State, offered: Offered, model: bytes, models: Path, seed: int
) -> None:
    chance = random.Random(seed)
    cut = chance.randrange(1, len(model))
    files = [(NAME, model)] if seed % 2 else [("m.gguf.part1of2", model[:cut]), ("m.gguf.part2of2", model[cut:])]
    entry = offered(*files, hashed=chance.random() < 0.8)
    server.faults.extend(random_faults(chance, len(model)))
    for _ in range(12):
        for file in models.glob("*.gguf"):
            assert file.read_bytes() == model
        if attempt(entry, models, server, chance):
            break
    assert the_file(models) == model


def random_faults(chance: random.Random, size: int) -> Iterator[Fault]:
    kinds = ["drop"] * 5 + ["flip", "whole", "shift", "more", "short", "drip", "page", "status", ""]
    for _ in range(chance.randrange(1, 6)):
        yield Fault(chance.choice(kinds), at=chance.randrange(size), status=chance.choice([429, 500, 503]))


def attempt(entry: Entry, models: Path, server: State, chance: random.Random) -> bool:
    """One attempt that may be ended in its middle, after which the disk may hold less than was written; whether it came to the end."""
    running = fetch(entry, models, Hub(server.endpoint, timeout_s=2), sleep=lambda _: None)
    steps = chance.randrange(1, 8)
    try:
        for number, progress in enumerate(running):
            if progress.state == "done":
                return True
            if number == steps and chance.random() < 0.3:
                running.close()
                break
    except Med42Error:
        pass
    unfinished = models / UNFINISHED / "tiny-q4" / "tiny-q4.gguf"
    if unfinished.exists() and chance.random() < 0.3:
        os.truncate(unfinished, chance.randrange(unfinished.stat().st_size + 1))
    return False


def test_speed_and_time_left_are_those_of_the_last_seconds() -> None:
    now = [0.0]
    meter = Meter(clock=lambda: now[0])
    meter.progress("fetching", 0, 1000)
    now[0] = 100.0
    meter.progress("fetching", 500, 1000)
    now[0] = 102.0
    assert meter.progress("fetching", 600, 1000) == Progress("fetching", 600, 1000, 50.0, 8.0)
    assert meter.progress("fetching", 0, 1000).seconds_left is None
    meter.progress("asking", 0, 1000)
    now[0] = 103.0
    assert meter.progress("fetching", 900, 1000).bytes_per_s == 0, "what was here before has not come in a second"


def test_a_part_that_lies_there_under_its_name_is_read_before_it_is_believed(
    server: State, offered: Offered, model: bytes, models: Path
) -> None:
    entry = offered(("m-00001-of-00002.gguf", model), ("m-00002-of-00002.gguf", b"GGUF rest"))
    (models / "tiny-q4-00002-of-00002.gguf").write_bytes(b"GGUF lies")
    with pytest.raises(WrongContent):
        run(entry, models, server)
    assert not installed(entry, models)
    run(entry, models, server)
    assert (models / "tiny-q4-00002-of-00002.gguf").read_bytes() == b"GGUF rest"
