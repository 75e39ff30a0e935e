"""Settings that change while the program runs, the passphrase, backups, and deleting everything."""

import errno
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from med42_chat import settings as reading
from med42_chat.errors import DiskFull, InputError, SettingsError, StoreError, StoreInUse, StoreKeyError
from med42_chat.services import Services, _page_key, open_store
from med42_chat.settings import Settings
from med42_chat.store import vault
from med42_chat.store.backup import backup, restore
from med42_chat.store.database import Store
from med42_chat.store.keys import load_or_create
from med42_chat.web import serve
from tests.ui.fakes import MED42, PacedRuntime, services


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

    def test_the_model_is_not_taken_away_under_an_answer(self, opened: Services, home: Path) -> None:
        opened.runtime.gate = threading.Event()  # type: ignore[attr-defined]
        job = opened.jobs.start(opened.store.conversations.create().id, "What?")
        with pytest.raises(InputError, match="being written"):
            opened.apply({"context": "4096"})
        assert opened.settings.context == 8192
        assert not (home / "settings.toml").exists()
        opened.runtime.gate.set()  # type: ignore[attr-defined]
        job.join(5)

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
