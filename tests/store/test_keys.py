"""Where the key lies, and that it is never replaced."""

import errno
import json
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import keyring.errors
import pytest

from med42_chat import private
from med42_chat.errors import DiskFull, StoreKeyError
from med42_chat.store import keys, vault, wrapping
from med42_chat.store.database import Store
from med42_chat.store.keys import load_or_create, set_passphrase


class MemoryKeyring(keyring.backend.KeyringBackend):
    """A keyring that keeps its entries in memory."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


class BrokenKeyring(MemoryKeyring):
    """A keyring as on a computer without a desktop."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise keyring.errors.NoKeyringError

    get_password = set_password  # type: ignore[assignment]


class HangingKeyring(MemoryKeyring):
    """A keyring whose question nobody answers."""

    def set_password(self, service: str, username: str, password: str) -> None:
        time.sleep(3)


@pytest.fixture
def system_keyring() -> Iterator[MemoryKeyring]:
    yield from using(MemoryKeyring())


def using(backend: MemoryKeyring) -> Iterator[MemoryKeyring]:
    before = keyring.get_keyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id at its smallest, and little patience: the real amounts are tested once."""
    monkeypatch.setattr(wrapping, "_MEMORY_KIB", 64)
    monkeypatch.setattr(wrapping, "_ITERATIONS", 1)
    monkeypatch.setattr(keys, "_PATIENCE_FOR_NEW", 0.3)
    monkeypatch.setattr(keys, "_PATIENCE_FOR_EXISTING", 0.3)


def test_a_new_key_lies_in_the_keyring(home: Path, system_keyring: MemoryKeyring) -> None:
    key = load_or_create(home, None)
    assert (key.where, len(key.data)) == ("keyring", 32)
    assert load_or_create(home, None) == key
    assert list(system_keyring.entries.values()) == [key.data.hex()]
    assert not any(key.data.hex() in path.read_text() for path in home.iterdir())


def test_every_folder_has_its_own_entry_that_moves_with_it(tmp_path: Path, system_keyring: MemoryKeyring) -> None:
    first, second = load_or_create(tmp_path / "a", None), load_or_create(tmp_path / "b", None)
    assert first.data != second.data
    (tmp_path / "a").rename(tmp_path / "moved")
    assert load_or_create(tmp_path / "moved", None).data == first.data


@pytest.mark.parametrize("backend", [BrokenKeyring, HangingKeyring])
def test_without_a_working_keyring_the_key_lies_in_a_private_file(home: Path, backend: type[MemoryKeyring]) -> None:
    for _ in using(backend()):
        began = time.monotonic()
        key = load_or_create(home, None)
        assert time.monotonic() - began < 2
    assert key.where == "file"
    assert "passphrase" in key.note
    assert str(home / "key") in key.note
    if sys.platform != "win32":
        assert stat.S_IMODE((home / "key").stat().st_mode) == 0o600
    assert load_or_create(home, None, use_keyring=False) == key


def test_a_keyring_that_is_switched_off_is_not_asked(home: Path, system_keyring: MemoryKeyring) -> None:
    assert load_or_create(home, None, use_keyring=False).where == "file"
    assert system_keyring.entries == {}


def test_a_passphrase_wraps_the_key(home: Path) -> None:
    key = load_or_create(home, "open sesame", use_keyring=False)
    assert key.where == "passphrase"
    assert load_or_create(home, "open sesame", use_keyring=False) == key
    assert {path.name for path in home.iterdir()} == {"key.json"}
    assert key.data.hex() not in (home / "key.json").read_text()


def test_the_wrapping_is_expensive_to_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    wrapped = wrapping.wrap(bytes(32), "x")
    assert (wrapped["kdf"], wrapped["memory_kib"], wrapped["iterations"], wrapped["lanes"]) == ("argon2id", 65536, 3, 4)
    assert wrapping.unwrap(wrapped, "x") == bytes(32)


@pytest.mark.parametrize("passphrase", [None, "", "open Sesame"])
def test_a_wrong_or_missing_passphrase_is_said(home: Path, passphrase: str | None) -> None:
    load_or_create(home, "open sesame", use_keyring=False)
    with pytest.raises(StoreKeyError) as caught:
        load_or_create(home, passphrase, use_keyring=False)
    assert caught.value.hint


def test_setting_changing_and_removing_the_passphrase_keeps_the_key(home: Path, system_keyring: MemoryKeyring) -> None:
    key = load_or_create(home, None)
    assert set_passphrase(home, key.data, "one").where == "passphrase"
    assert system_keyring.entries == {}, "the unprotected key must not stay behind"
    set_passphrase(home, key.data, "two")
    with pytest.raises(StoreKeyError):
        load_or_create(home, "one")
    assert load_or_create(home, "two").data == key.data
    assert set_passphrase(home, key.data, None, use_keyring=False).where == "file"
    assert load_or_create(home, None).data == key.data
    set_passphrase(home, key.data, "three")
    assert {path.name for path in home.iterdir()} == {"key.json"}


def test_a_change_that_was_interrupted_leaves_a_key_that_opens(home: Path) -> None:
    key = load_or_create(home, None, use_keyring=False)
    plain = (home / "key").read_text()
    set_passphrase(home, key.data, "one", use_keyring=False)
    (home / "key").write_text(plain)  # as if killed before the old file was removed
    assert load_or_create(home, "one", use_keyring=False).where == "passphrase"
    set_passphrase(home, key.data, "two", use_keyring=False)
    assert not (home / "key").exists()


@pytest.mark.parametrize("name", ["key", "key.json", "key.entry"])
def test_a_database_whose_key_is_gone_never_gets_a_new_one(home: Path, name: str, system_keyring: MemoryKeyring) -> None:
    key = load_or_create(home, "pw" if name == "key.json" else None, use_keyring=name == "key.entry")
    Store.open(home, key.data).close()
    content = (home / name).read_text()
    (home / name).unlink()
    before = {path.name: path.read_bytes() for path in home.iterdir()}
    with pytest.raises(StoreKeyError) as caught:
        load_or_create(home, "pw")
    assert caught.value.hint
    assert {path.name: path.read_bytes() for path in home.iterdir()} == before
    (home / name).write_text(content)
    assert load_or_create(home, "pw").data == key.data


def test_a_keyring_that_no_longer_gives_the_key_is_said(home: Path, system_keyring: MemoryKeyring) -> None:
    load_or_create(home, None)
    with pytest.raises(StoreKeyError, match="MED42_KEYRING"):
        load_or_create(home, None, use_keyring=False)
    system_keyring.entries.clear()
    with pytest.raises(StoreKeyError, match="keyring"):
        load_or_create(home, None)


@pytest.mark.parametrize(
    ("name", "content"),
    [("key", ""), ("key", "abc"), ("key", "00" * 31), ("key.json", "{"), ("key.json", "{}"), ("key.json", '"x"'), ("key.json", "[1]")],
)
def test_a_damaged_key_is_said(home: Path, name: str, content: str) -> None:
    home.mkdir()
    (home / name).write_text(content)
    with pytest.raises(StoreKeyError) as caught:
        load_or_create(home, "pw", use_keyring=False)
    assert caught.value.hint


@pytest.mark.parametrize("cost", [{"memory_kib": 2**40}, {"iterations": 2**40}, {"lanes": 2**70}, {"lanes": -1}])
def test_a_forged_cost_cannot_take_the_computer_down(home: Path, cost: dict[str, int]) -> None:
    load_or_create(home, "pw", use_keyring=False)
    forged = {**json.loads((home / "key.json").read_text()), **cost}
    (home / "key.json").write_text(json.dumps(forged))
    with pytest.raises(StoreKeyError):
        load_or_create(home, "pw", use_keyring=False)


def test_the_key_is_not_in_its_repr() -> None:
    key = keys.Key(b"K" * 32, "file", "")
    assert "K" * 4 not in repr(key).replace("Key", "")


@pytest.mark.parametrize("passphrase", [None, "pw"])
def test_a_key_that_a_killed_program_left_half_written_is_removed(home: Path, passphrase: str | None) -> None:
    load_or_create(home, passphrase, use_keyring=False)
    (home / "key.part").write_text("00" * 32)
    load_or_create(home, passphrase, use_keyring=False)
    assert not (home / "key.part").exists()


def test_a_full_disk_leaves_no_half_of_a_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = load_or_create(home, "pw", use_keyring=False)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(private, "put_in_place", full)
    with pytest.raises(DiskFull):
        set_passphrase(home, key.data, None, use_keyring=False)
    assert {path.name for path in home.iterdir()} == {"key.json"}


def test_a_keyring_that_fails_is_no_keyring() -> None:
    for _ in using(BrokenKeyring()):
        assert vault.recall("x", 1.0) is None
        assert vault.remember("x", "y", 1.0) is False
        vault.forget("x", 1.0)
