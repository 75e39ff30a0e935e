"""Settings that change while the program runs, the passphrase, backups, and deleting everything."""

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from med42_chat import settings as reading
from med42_chat.condition import examine
from med42_chat.errors import DiskFull, InputError, NotFound, RuntimeFailure, SettingsError, StoreError, StoreInUse, StoreKeyError
from med42_chat.records import Health
from med42_chat.runtime.protocol import Runtime
from med42_chat.services import Services, _page_key, open_store, speed
from med42_chat.settings import ASSETS, DEMO_MODEL, Settings
from med42_chat.store import vault
from med42_chat.store.backup import backup, restore
from med42_chat.store.database import Store
from med42_chat.store.keys import load_or_create
from med42_chat.ui import gauges
from med42_chat.web import serve
from med42_chat.weights import catalogue
from med42_chat.weights.inventory import CATALOGUE
from med42_chat.words import read_words
from tests.ui.fakes import MED42, PacedRuntime, services

WORDS = read_words(ASSETS / "words" / "en.toml")


@pytest.fixture
def opened(home: Path) -> Iterator[Services]:
    made = services(home, PacedRuntime(model=MED42, text="Yes.", pause_s=0.0))
    with closing(made):
        yield made


class Started:
    """Counts the models that were started, and keeps their settings."""

    def __init__(self) -> None:
        self.settings: list[Settings] = []

    def __call__(self, settings: Settings) -> PacedRuntime:
        self.settings.append(settings)
        return PacedRuntime(model=MED42, text="No.", pause_s=0.0)


def answer(opened: Services) -> str:
    id = opened.store.conversations.create().id
    job = opened.jobs.start(id, "What?")
    job.join(5)
    return job.state().text


class TestApply:
    def test_how_words_are_chosen_changes_from_the_next_answer_on_with_the_same_model(self, opened: Services) -> None:
        before = opened.runtime
        assert opened.apply({"temperature": "0.1", "max_tokens": "64", "seed": "7"}) == ()
        answer(opened)
        assert opened.runtime is before
        request = opened.runtime.requests[0]  # type: ignore[attr-defined]
        assert (request.sampling.temperature, request.sampling.max_tokens, request.seed) == (0.1, 64, 7)

    def test_another_context_starts_the_model_anew_and_ends_the_old_one(self, opened: Services) -> None:
        opened.start_runtime = started = Started()
        before = opened.runtime
        opened.apply({"context": "4096"})
        assert before.status().state == "closed"
        assert [one.context for one in started.settings] == [4096]
        assert answer(opened) == "No."

    def test_while_the_old_model_ends_and_until_the_new_one_loads_that_is_what_is_said(
        self, opened: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said, close = [], opened.runtime.close

        def slowly() -> None:
            close()
            said.append((opened.runtime.status().state, opened.status().state, gauges.state(WORDS, opened.status())))

        monkeypatch.setattr(opened.runtime, "close", slowly)
        opened.start_runtime = Started()
        opened.apply({"context": "4096"})
        assert [states[:2] for states in said] == [("closed", "changing")]
        assert "Changing the model" in said[0][2] and "Closed" not in said[0][2]
        assert opened.status() == opened.runtime.status()

    def test_a_model_that_cannot_be_started_is_not_said_to_be_on_its_way(self, opened: Services) -> None:
        def fails(settings: Settings) -> Runtime:
            raise SettingsError("It cannot be.", "Choose another.")

        opened.start_runtime = fails
        with pytest.raises(SettingsError):
            opened.apply({"context": "4096"})
        assert opened.status().state == "closed"

    def test_the_model_is_not_taken_away_under_an_answer(self, opened: Services, home: Path) -> None:
        opened.runtime.gate = threading.Event()  # type: ignore[attr-defined]
        job = opened.jobs.start(opened.store.conversations.create().id, "What?")
        with pytest.raises(InputError, match="being written"):
            opened.apply({"context": "4096"})
        assert opened.settings.context == 8192
        assert not (home / "settings.toml").exists()
        opened.runtime.gate.set()  # type: ignore[attr-defined]
        job.join(5)

    def test_a_med42_that_has_come_here_meanwhile_is_used_when_somebody_says_so(self, opened: Services, tmp_path: Path) -> None:
        entry = next(one for one in catalogue.read(CATALOGUE) if one.family.name == "med42-v2-8b")
        opened.settings = replace(opened.settings, model="", models=tmp_path)
        opened.in_use = DEMO_MODEL
        opened.start_runtime = started = Started()
        (tmp_path / entry.file_names[0]).touch()
        opened.apply({"temperature": "0.1"})
        assert opened.is_demonstration() and not started.settings
        opened.use(entry.file_names[0])
        until(lambda: not opened.switching)
        assert not opened.is_demonstration() and opened.in_use == tmp_path / entry.file_names[0] and len(started.settings) == 1

    def test_what_was_applied_is_read_at_the_next_start(self, opened: Services, home: Path) -> None:
        opened.apply({"temperature": "0.1", "text_size": "120"})
        opened.apply({"temperature": "", "contrast": "high"})
        again = reading.read({"home": str(home)}, {})
        assert (again.sampling.temperature, again.text_size, again.contrast) == (0.4, 120, "high")

    def test_what_only_counts_from_the_next_start_on_is_named_once_it_differs(self, opened: Services) -> None:
        assert opened.apply({"window": "none", "theme": "dark"}) == ("window",)
        assert opened.apply({"window": "none"}) == ()

    def test_a_value_that_cannot_be_used_changes_nothing_at_all(self, opened: Services, home: Path) -> None:
        with pytest.raises(SettingsError):
            opened.apply({"temperature": "0.1", "top_p": "3"})
        assert opened.settings.sampling.temperature == 0.4
        assert not (home / "settings.toml").exists()

    def test_a_settings_file_with_a_mistake_is_left_as_it_is(self, opened: Services, home: Path) -> None:
        (home / "settings.toml").write_text("port = = 3\n")
        with pytest.raises(SettingsError, match="cannot be read"):
            opened.apply({"temperature": "0.1"})
        assert (home / "settings.toml").read_text() == "port = = 3\n"


def until(condition: Callable[[], bool]) -> None:
    """Waits until it holds, or fails."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


class Changing:
    """Starts runtimes that answer with the name of their model. While `closing` is shut, the first one takes its time to end."""

    def __init__(self, opened: Services, tmp_path: Path) -> None:
        self.closing = threading.Event()
        self.closing.set()
        (tmp_path / "other.gguf").touch()
        (tmp_path / "third.gguf").touch()
        opened.settings = replace(opened.settings, models=tmp_path)
        opened.start_runtime = self.start
        first, close = opened.runtime, opened.runtime.close

        def close_slowly() -> None:
            self.closing.wait(5)
            close()

        first.close = close_slowly  # type: ignore[method-assign]

    @staticmethod
    def start(settings: Settings) -> PacedRuntime:
        return PacedRuntime(model=MED42, text=settings.model, pause_s=0.0)


class TestUse:
    @pytest.fixture
    def changing(self, opened: Services, tmp_path: Path) -> Changing:
        return Changing(opened, tmp_path)

    def test_another_model_answers_from_then_on_and_at_the_next_start(self, opened: Services, changing: Changing, home: Path) -> None:
        opened.use("other.gguf")
        until(lambda: not opened.switching)
        assert answer(opened) == "other.gguf"
        assert reading.read({"home": str(home)}, {}).model == "other.gguf"
        opened.use("demonstration")
        until(lambda: not opened.switching)
        assert opened.is_demonstration() and answer(opened) == "demonstration"

    def test_a_running_answer_finishes_first_and_questions_are_answered_meanwhile(self, opened: Services, changing: Changing) -> None:
        opened.runtime.gate = threading.Event()  # type: ignore[attr-defined]
        first = opened.jobs.start(opened.store.conversations.create().id, "What?")
        opened.use("other.gguf")
        second = opened.jobs.start(opened.store.conversations.create().id, "And?")
        assert opened.switching == "other.gguf"
        opened.runtime.gate.set()  # type: ignore[attr-defined]
        first.join(5)
        second.join(5)
        assert (first.state().text, second.state().text) == ("Yes.", "Yes.")
        until(lambda: not opened.switching)
        assert answer(opened) == "other.gguf"

    def test_the_one_that_was_named_last_is_taken(self, opened: Services, changing: Changing) -> None:
        opened.runtime.gate = threading.Event()  # type: ignore[attr-defined]
        job = opened.jobs.start(opened.store.conversations.create().id, "What?")
        opened.use("other.gguf")
        opened.use("third.gguf")
        opened.runtime.gate.set()  # type: ignore[attr-defined]
        job.join(5)
        until(lambda: not opened.switching)
        assert answer(opened) == "third.gguf"

    def test_a_question_that_comes_while_the_model_is_changed_is_answered_by_the_new_one(
        self, opened: Services, changing: Changing
    ) -> None:
        changing.closing.clear()
        opened.use("other.gguf")
        until(lambda: opened.settings.model == "other.gguf")
        texts: list[str] = []
        asking = threading.Thread(target=lambda: texts.append(answer(opened)))
        asking.start()
        time.sleep(0.1)
        changing.closing.set()
        asking.join(5)
        assert texts == ["other.gguf"]

    def test_what_is_not_there_is_refused_and_nothing_is_changed(self, opened: Services, changing: Changing, tmp_path: Path) -> None:
        (tmp_path / "models").mkdir()
        for name in ("missing.gguf", "../other.gguf", "models", ""):
            with pytest.raises(NotFound):
                opened.use(name)
        assert opened.switching == "" and answer(opened) == "Yes."

    def test_a_model_that_did_not_load_is_tried_again_when_it_is_named_again(self, opened: Services, changing: Changing) -> None:
        opened.use("other.gguf")
        until(lambda: not opened.switching)
        failed = opened.runtime
        failed.state = "failed"  # type: ignore[attr-defined]
        opened.use("other.gguf")
        until(lambda: not opened.switching)
        assert opened.runtime is not failed and opened.runtime.status().state == "ready"

    def test_a_model_that_the_command_line_has_set_stays(self, opened: Services, changing: Changing) -> None:
        opened.settings = replace(opened.settings, places={"model": "command line"})
        with pytest.raises(SettingsError, match="command line"):
            opened.use("other.gguf")

    def test_a_switch_that_cannot_be_kept_is_not_made_and_says_why(
        self, opened: Services, changing: Changing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = opened.runtime
        monkeypatch.setattr(Path, "write_text", full)
        opened.use("other.gguf")
        until(lambda: not opened.switching)
        assert isinstance(opened.not_switched, DiskFull)
        assert opened.runtime is before and answer(opened) == "Yes."

    def test_a_program_that_closes_starts_no_other_model(self, opened: Services, changing: Changing) -> None:
        opened.runtime.gate = threading.Event()  # type: ignore[attr-defined]
        opened.jobs.start(opened.store.conversations.create().id, "What?")
        before = opened.runtime
        opened.use("other.gguf")
        opened.close()
        time.sleep(0.3)
        assert opened.runtime is before and not opened.switching


class TestSpeedTest:
    def test_it_reads_and_writes_more_and_more_and_ends(self, opened: Services) -> None:
        opened.runtime.text = "It is a made-up note. " * 9  # type: ignore[attr-defined]
        seen = list(opened.speed_test(threading.Event()))
        assert [one.done for one in seen] == [False] * (len(seen) - 1) + [True]
        assert seen[0].read_tokens_s == 0 and seen[-1].read_tokens_s > 0
        assert seen[-1].words_s == pytest.approx(0.75 * seen[-1].write_tokens_s) and seen[-1].write_tokens_s > 0
        lengths = [(len(one.prompt), one.sampling.max_tokens) for one in opened.runtime.requests]  # type: ignore[attr-defined]
        assert lengths[0] == (64, 16) and lengths[-1] == (512, 128)

    def test_a_line_of_check_says_it_in_words(self, opened: Services) -> None:
        opened.runtime.text = "It is a made-up note. " * 9  # type: ignore[attr-defined]
        line = speed(opened)
        assert line.state == "ok" and "tokens a second" in line.text and "words" in line.text

    def test_it_can_be_stopped_and_gives_way_to_a_question(self, opened: Services) -> None:
        stop = threading.Event()
        speeds = opened.speed_test(stop)
        next(speeds)
        stop.set()
        assert list(speeds)[-1].done and len(opened.runtime.requests) == 1  # type: ignore[attr-defined]
        speeds = opened.speed_test(threading.Event())
        next(speeds)
        opened.runtime.gate = threading.Event()  # type: ignore[attr-defined]
        job = opened.jobs.start(opened.store.conversations.create().id, "What?")
        assert list(speeds)[-1].done
        opened.runtime.gate.set()  # type: ignore[attr-defined]
        job.join(5)
        assert job.state().text == "Yes."

    def test_it_does_not_begin_while_an_answer_is_written_or_without_a_model(self, opened: Services) -> None:
        opened.runtime.gate = threading.Event()  # type: ignore[attr-defined]
        job = opened.jobs.start(opened.store.conversations.create().id, "What?")
        with pytest.raises(InputError, match="being written"):
            opened.speed_test(threading.Event())
        opened.runtime.gate.set()  # type: ignore[attr-defined]
        job.join(5)
        opened.runtime.failure = RuntimeFailure("The model is still loading.")  # type: ignore[attr-defined]
        with pytest.raises(RuntimeFailure):
            opened.speed_test(threading.Event())

    def test_two_of_them_are_not_measured_against_each_other(self, opened: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("med42_chat.services._TEST_ENDS_S", 0.1)
        first = opened.speed_test(threading.Event())
        next(first)
        with pytest.raises(InputError, match="tested already"):
            next(opened.speed_test(threading.Event()))
        assert list(first)[-1].done
        assert list(opened.speed_test(threading.Event()))[-1].done

    def test_another_one_begins_as_soon_as_one_that_was_stopped_has_ended(self, opened: Services) -> None:
        opened.runtime.gate = gate = threading.Event()  # type: ignore[attr-defined]
        stop = threading.Event()
        first = threading.Thread(target=lambda: list(opened.speed_test(stop)))
        first.start()
        while not opened.runtime.requests:  # type: ignore[attr-defined]
            time.sleep(0.01)
        stop.set()
        threading.Timer(0.2, gate.set).start()
        assert list(opened.speed_test(threading.Event()))[-1].done
        first.join(5)


class TestHealth:
    def test_the_findings_about_the_model_are_lines_of_their_own_once_the_last_is_there(self, opened: Services) -> None:
        first = Health("ending", "repaired", "The end was wrong.")
        model = replace(MED42, findings=(first,), examined=False, backed_off=("There was no memory.",), cache_type="q8_0")
        last = Health("answer", "ok", "It ended.")
        opened.runtime.model = model  # type: ignore[attr-defined]
        examined = threading.Timer(0.2, setattr, (opened.runtime, "model", replace(model, findings=(first, last), examined=True)))
        examined.start()
        lines = examine(opened.settings, opened.store, opened.key, opened.runtime)
        assert first in lines and last in lines
        line = next(one for one in lines if one.name == "model")
        assert (line.state, line.hint, line.detail["KV cache"]) == ("warning", "There was no memory.", "q8_0")


class TestPassphrase:
    def test_it_is_set_changed_and_removed_and_the_key_stays_the_same(self, opened: Services, home: Path) -> None:
        data = opened.key.data
        opened.protect("", "correct horse")
        assert opened.key.where == "passphrase"
        opened.protect("correct horse", "battery staple")
        assert load_or_create(home, "battery staple", use_keyring=False).data == data
        opened.protect("battery staple", None)
        assert load_or_create(home, None, use_keyring=False).data == data

    def test_it_is_not_changed_by_who_does_not_know_it(self, opened: Services, home: Path) -> None:
        opened.protect("", "correct horse")
        with pytest.raises(StoreKeyError, match="wrong"):
            opened.protect("a guess!", "battery staple")
        load_or_create(home, "correct horse", use_keyring=False)

    def test_a_short_one_is_refused(self, opened: Services) -> None:
        with pytest.raises(InputError, match="8 characters"):
            opened.protect("", "1234567")


class TestBackup:
    def test_a_backup_from_the_page_opens_elsewhere_by_its_passphrase(self, opened: Services, tmp_path: Path) -> None:
        id = opened.store.conversations.create(title="Kept").id
        file, note = opened.back_up("correct horse")
        assert "any computer" in note and opened.backups() == [file]
        elsewhere = tmp_path / "elsewhere"
        restore(elsewhere, file, "correct horse", use_keyring=False)
        with Store.open(elsewhere, load_or_create(elsewhere, "correct horse", use_keyring=False).data) as store:
            assert store.conversations.get(id).title == "Kept"

    def test_it_is_restored_in_the_place_of_a_newer_store(self, opened: Services, home: Path) -> None:
        opened.store.conversations.create(title="Then")
        file, _ = opened.back_up()
        opened.store.conversations.create(title="Since")
        assert "is kept in" in opened.restore(file)
        assert opened.ended.is_set()
        with Store.open(home, opened.key.data) as store:
            assert [one.title for one in store.conversations.recent()] == ["Then"]
        assert len(list((home / "backups").glob("*-before-restore.db"))) == 1

    def test_one_from_another_computer_opens_by_its_passphrase_in_a_folder_that_has_another(
        self, opened: Services, home: Path, tmp_path: Path
    ) -> None:
        file = self.from_elsewhere(tmp_path)
        opened.protect("", "battery staple")
        opened.restore(file, "correct horse")
        with Store.open(home, load_or_create(home, "battery staple", use_keyring=False).data) as store:
            assert [one.title for one in store.conversations.recent()] == ["From afar"]

    def test_a_mistyped_passphrase_does_not_end_the_program(self, opened: Services, home: Path, tmp_path: Path) -> None:
        file = self.from_elsewhere(tmp_path)
        with pytest.raises(StoreKeyError, match="wrong"):
            opened.restore(file, "korrekt horse")
        assert not opened.ended.is_set()
        assert answer(opened) == "Yes."
        assert not list(home.glob("*.restoring*"))

    @staticmethod
    def from_elsewhere(tmp_path: Path) -> Path:
        elsewhere = tmp_path / "another computer"
        with Store.open(elsewhere, load_or_create(elsewhere, None, use_keyring=False).data) as store:
            store.conversations.create(title="From afar")
            backup(store, tmp_path / "b", "correct horse")
        return tmp_path / "b"

    def test_one_that_was_brought_from_elsewhere_is_offered_under_any_name(self, opened: Services, home: Path) -> None:
        file, _ = opened.back_up()
        brought = file.rename(file.with_name("ward 3.backup"))
        assert opened.backups() == [brought]

    def test_a_folder_that_cannot_be_written_is_said(self, opened: Services, home: Path) -> None:
        (home / "backups").write_text("a file of somebody's")
        with pytest.raises(StoreError, match="cannot be written"):
            opened.back_up()

    def test_what_was_accepted_is_not_half_written_on_a_full_disk(self, opened: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Path, "write_text", full)
        with pytest.raises(DiskFull):
            opened.acknowledge()
        assert not opened.acknowledged()


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


class TestStart:
    def test_two_programs_that_start_at_once_in_a_new_folder_do_not_take_each_others_key(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked, answers = threading.Event(), threading.Event()

        def slow(entry: str, secret: str, patience_s: float) -> bool:
            asked.set()
            return not answers.wait(5)

        monkeypatch.setattr(vault, "remember", slow)
        first = threading.Thread(target=lambda: open_store(Settings(home=home))[0].close())
        first.start()
        assert asked.wait(5)
        with pytest.raises(StoreInUse):
            open_store(Settings(home=home, keyring=False))
        answers.set()
        first.join(5)
        open_store(Settings(home=home, keyring=False))[0].close()

    @pytest.mark.parametrize("content", [b"", b" \n", b"short", b"\xff" * 32])
    def test_a_page_key_that_is_none_is_made_anew(self, home: Path, content: bytes) -> None:
        home.mkdir()
        (home / "page-key").write_bytes(content)
        key = _page_key(home)
        assert len(key) == 32 and key == _page_key(home)


class TestErase:
    def test_what_a_killed_program_left_half_written_is_gone_too(self, opened: Services, home: Path) -> None:
        for name in ("key.part", "page-key.part", "settings.toml.part", "med42.db.restoring", "med42.db.restoring-journal"):
            (home / name).write_text("half")
        opened.erase()
        assert not home.exists()

    def test_the_style_of_references_goes_too(self, opened: Services, home: Path) -> None:
        opened.use_style((Path(__file__).parent / "export" / "styles" / "numbered.csl").read_text("utf-8"))
        assert opened.style() == "Numbered, for tests"
        opened.erase()
        assert not home.exists()

    def test_a_window_that_still_writes_into_its_profile_does_not_stop_it(self, opened: Services, home: Path) -> None:
        (home / "window").mkdir()
        ended = threading.Event()

        def browser() -> None:
            until, number = time.monotonic() + 0.3, 0
            while time.monotonic() < until:
                number += 1
                with suppress(OSError):
                    (home / "window" / f"{number}").write_text("x")
            ended.set()

        threading.Thread(target=browser).start()
        for number in range(300):
            (home / "window" / f"old {number}").write_text("x")
        opened.erase()
        assert ended.wait(5)
        assert not home.exists()

    def test_a_program_that_began_meanwhile_keeps_its_folder(self, opened: Services, home: Path) -> None:
        opened.close()
        with Store.open(home, opened.key.data) as other:
            other.conversations.create(title="Kept")
            with pytest.raises(StoreInUse):
                opened.erase()
            assert other.conversations.total() == 1
        assert not opened.erased

    def test_everything_is_gone_and_what_was_not_ours_stays(self, opened: Services, home: Path) -> None:
        (home / "mine.txt").write_text("a letter of mine")
        opened.apply({"temperature": "0.1"})
        opened.acknowledge()
        opened.protect("", "correct horse")
        opened.back_up()
        answer(opened)
        opened.erase()
        assert [file.name for file in home.iterdir()] == ["mine.txt"]
        assert opened.ended.is_set() and opened.erased

    def test_a_folder_that_held_nothing_else_is_gone_too(self, opened: Services, home: Path) -> None:
        opened.erase()
        assert not home.exists()

    def test_the_server_ends_with_it(self, opened: Services) -> None:
        server = threading.Thread(target=serve, args=(opened, "127.0.0.1", 0, lambda address: opened.erase()))
        server.start()
        server.join(20)
        assert not server.is_alive()

    def test_closing_afterwards_does_no_harm(self, opened: Services, home: Path) -> None:
        opened.erase()
        opened.close()
        assert not home.exists()
