"""Settings that change while the program runs, the passphrase, backups, and deleting everything."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from med42_chat import settings as reading
from med42_chat.errors import InputError, SettingsError, StoreKeyError
from med42_chat.services import Services
from med42_chat.settings import Settings
from med42_chat.store.backup import restore
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


class TestErase:
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
