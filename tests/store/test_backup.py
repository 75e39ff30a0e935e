"""Backups: one encrypted file, checked, restorable with the key or the passphrase, never over what is there."""

import json
import os
import re
import shutil
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from med42_chat.errors import NotFound, StoreCorrupt, StoreError, StoreInUse, StoreKeyError, StoreTooNew
from med42_chat.records import Attachment, Draft, Feedback
from med42_chat.store import wrapping
from med42_chat.store.backup import backup, restore
from med42_chat.store.connection import connect, writer
from med42_chat.store.database import Store
from med42_chat.store.keys import Key, load_or_create, set_passphrase
from med42_chat.store.migrations import STEPS
from tests.store.samples import asked


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrapping, "_MEMORY_KIB", 64)
    monkeypatch.setattr(wrapping, "_ITERATIONS", 1)


@pytest.fixture
def key(home: Path) -> Key:
    return load_or_create(home, None, use_keyring=False)


@pytest.fixture
def made(home: Path, key: Key, tmp_path: Path) -> Path:
    """A backup, without a passphrase, of a store with one conversation."""
    with Store.open(home, key.data) as store:
        asked(store, "Kept in the backup?")
        backup(store, tmp_path / "med42.backup")
    return tmp_path / "med42.backup"


def questions(home: Path, key: bytes) -> list[str]:
    with Store.open(home, key) as store:
        assert {health.state for health in store.check()} == {"ok"}
        return sorted(head.title for head in store.conversations.recent())


def test_a_backup_is_one_private_file_in_which_nothing_can_be_read(made: Path, tmp_path: Path) -> None:
    assert {path.name for path in tmp_path.iterdir()} == {"home", "med42.backup"}
    assert b"Kept in the backup" not in made.read_bytes()
    assert b"SQLite" not in made.read_bytes()
    if sys.platform != "win32":
        assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_a_backup_holds_what_is_still_in_the_log(home: Path, key: Key, tmp_path: Path) -> None:
    with Store.open(home, key.data) as store:
        for number in range(5):
            asked(store, f"Question {number}")
        note = backup(store, tmp_path / "b")
        assert home.joinpath("med42.db-wal").stat().st_size > 0
        asked(store, "After the backup")
    assert "only together with the key" in note
    restore(home, tmp_path / "b", use_keyring=False)
    assert questions(home, key.data) == [f"Question {number}" for number in range(5)]


def test_restoring_keeps_what_was_there(home: Path, key: Key, made: Path) -> None:
    with Store.open(home, key.data) as store:
        asked(store, "Only in the present one")
    note = restore(home, made, use_keyring=False)
    assert questions(home, key.data) == ["Kept in the backup?"]
    (aside,) = (home / "backups").iterdir()
    assert str(aside) in note
    kept = connect(aside, key.data)
    assert kept.execute("select count(*) from conversations").fetchone()[0] == 2
    kept.close()


def test_an_old_log_is_not_replayed_into_the_restored_database(home: Path, key: Key, made: Path, tmp_path: Path) -> None:
    with Store.open(home, key.data) as store:
        asked(store, "Only in the log")
        shutil.copytree(home, tmp_path / "crashed")  # as a crash would leave it, log and all
    assert (tmp_path / "crashed" / "med42.db-wal").stat().st_size > 0
    restore(tmp_path / "crashed", made, use_keyring=False)
    assert questions(tmp_path / "crashed", key.data) == ["Kept in the backup?"]
    (aside,) = (tmp_path / "crashed" / "backups").glob("*.db")
    kept = connect(aside, key.data)
    assert kept.execute("select count(*) from conversations").fetchone()[0] == 2
    kept.close()


def test_a_backup_with_a_passphrase_opens_anywhere_under_the_new_folders_own_key(home: Path, key: Key, tmp_path: Path) -> None:
    with Store.open(home, key.data) as store:
        asked(store, "From afar?")
        note = backup(store, tmp_path / "b", passphrase="open sesame")
    assert "any computer" in note
    elsewhere = tmp_path / "elsewhere"
    own = load_or_create(elsewhere, None, use_keyring=False)
    restore(elsewhere, tmp_path / "b", passphrase="open sesame", use_keyring=False)
    assert own.data != key.data
    assert questions(elsewhere, own.data) == ["From afar?"]


def test_a_backup_restores_into_a_folder_that_does_not_exist_yet(home: Path, key: Key, tmp_path: Path) -> None:
    with Store.open(home, key.data) as store:
        asked(store, "From afar?")
        backup(store, tmp_path / "b", passphrase="pw")
    elsewhere = tmp_path / "elsewhere"
    assert "empty" in restore(elsewhere, tmp_path / "b", passphrase="pw", use_keyring=False)
    assert questions(elsewhere, load_or_create(elsewhere, "pw", use_keyring=False).data) == ["From afar?"]


def test_the_folders_own_passphrase_protects_its_backups(home: Path, key: Key, tmp_path: Path) -> None:
    set_passphrase(home, key.data, "the folder's", use_keyring=False)
    with Store.open(home, key.data) as store:
        asked(store, "From afar?")
        assert "any computer" in backup(store, tmp_path / "b")
    restore(tmp_path / "elsewhere", tmp_path / "b", passphrase="the folder's", use_keyring=False)
    elsewhere = load_or_create(tmp_path / "elsewhere", "the folder's", use_keyring=False)
    assert questions(tmp_path / "elsewhere", elsewhere.data) == ["From afar?"]


@pytest.mark.parametrize("passphrase", [None, "wrong"])
def test_a_backup_under_another_key_needs_its_passphrase(home: Path, key: Key, tmp_path: Path, passphrase: str | None) -> None:
    with Store.open(home, key.data) as store:
        backup(store, tmp_path / "b", passphrase="right")
    elsewhere = tmp_path / "elsewhere"
    own = load_or_create(elsewhere, None, use_keyring=False)
    with Store.open(elsewhere, own.data) as store:
        asked(store, "Still here")
    with pytest.raises(StoreKeyError):
        restore(elsewhere, tmp_path / "b", passphrase=passphrase, use_keyring=False)
    assert questions(elsewhere, own.data) == ["Still here"]


def test_a_backup_without_a_key_does_not_open_elsewhere(made: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreKeyError, match="another key") as caught:
        restore(tmp_path / "elsewhere", made, passphrase="x", use_keyring=False)
    assert caught.value.hint
    assert not (tmp_path / "elsewhere" / "med42.db").exists()


def test_a_damaged_backup_is_refused_before_anything_is_touched(home: Path, key: Key, made: Path, tmp_path: Path) -> None:
    content = made.read_bytes()
    damaged = [content[: len(content) // 2], b"", b"not a zip", bytes([content[0]]) + content[1:5000] + b"\xff" * 64 + content[5064:]]
    for number, data in enumerate(damaged):
        (tmp_path / f"{number}").write_bytes(data)
        with pytest.raises(StoreCorrupt):
            restore(home, tmp_path / f"{number}", use_keyring=False)
    for name in ("manifest.json", "med42.db"):
        without(made, tmp_path / "without", name)
        with pytest.raises(StoreCorrupt):
            restore(home, tmp_path / "without", use_keyring=False)
    assert questions(home, key.data) == ["Kept in the backup?"]
    assert not (home / "med42.db.restoring").exists()


@pytest.mark.parametrize(("local", "central", "value"), [(6, 8, 1), (8, 10, 99)], ids=["encrypted", "packed in an unknown way"])
def test_a_container_of_another_kind_is_no_backup(home: Path, made: Path, tmp_path: Path, local: int, central: int, value: int) -> None:
    content = bytearray(made.read_bytes())
    for mark, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        for found in re.finditer(re.escape(mark), content):
            content[found.start() + offset] = value
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(StoreCorrupt):
        restore(home, tmp_path / "other", use_keyring=False)


def test_a_manifest_of_brackets_is_no_backup(home: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "deep", "w") as container:
        container.writestr("manifest.json", "[" * 100_000)
    with pytest.raises(StoreCorrupt):
        restore(home, tmp_path / "deep", use_keyring=False)


def test_the_log_of_a_restore_that_was_cut_short_is_not_replayed_into_the_next(home: Path, key: Key, made: Path) -> None:
    cut_short(home, key, "med42.db.restoring")
    restore(home, made, use_keyring=False)
    with zipfile.ZipFile(made) as container:  # the journal would have made it as large as the other
        assert (home / "med42.db").stat().st_size == container.getinfo("med42.db").file_size
    assert questions(home, key.data) == ["Kept in the backup?"]
    assert not list(home.glob("*.restoring*"))


def test_the_journal_of_a_database_that_does_not_open_is_set_aside_with_it_and_not_replayed(home: Path, key: Key, made: Path) -> None:
    cut_short(home, key, "med42.db")
    with (home / "med42.db").open("r+b") as database:
        database.write(bytes(4096))
    restore(home, made, use_keyring=False)
    with zipfile.ZipFile(made) as container:
        assert (home / "med42.db").stat().st_size == container.getinfo("med42.db").file_size
    assert len(list((home / "backups").glob("*-before-restore.db-journal"))) == 1


def test_of_what_restores_set_aside_the_newest_two_are_kept_with_their_logs(home: Path, key: Key, made: Path) -> None:
    backups = home / "backups"
    backups.mkdir()
    for number in range(1, 4):
        for end in ("", "-wal"):
            (backups / f"2020010{number}-000000-before-restore.db{end}").write_bytes(b"old")
    (backups / "20200101-000000-before-step-9.db").write_bytes(b"of a migration")
    (backups / "mine.backup").write_bytes(b"made by hand")
    restore(home, made, use_keyring=False)
    kept = sorted(path.name for path in backups.iterdir())
    assert kept[:3] == ["20200101-000000-before-step-9.db", "20200103-000000-before-restore.db", "20200103-000000-before-restore.db-wal"]
    assert kept[3].endswith("-before-restore.db") and kept[4:] == ["mine.backup"]


def test_a_restore_that_fails_leaves_all_that_was_set_aside(home: Path, key: Key, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "backups").mkdir()
    for number in range(1, 4):
        (home / "backups" / f"2020010{number}-000000-before-restore.db").write_bytes(b"old")

    def full(part: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("med42_chat.store.backup.put_in_place", full)
    with pytest.raises(StoreError):
        restore(home, made, use_keyring=False)
    assert len(list((home / "backups").glob("*-before-restore.db"))) == 4


def test_what_a_restore_that_was_cut_short_left_goes_at_the_next_start(home: Path, key: Key, made: Path) -> None:
    cut_short(home, key, "med42.db.restoring")
    Store.open(home, key.data).close()
    assert not list(home.glob("*.restoring*"))


def cut_short(home: Path, key: Key, name: str) -> None:
    """A larger database under that name, with the journal of a change that a kill had cut short."""
    with Store.open(home, key.data) as store:
        for number in range(300):
            store.conversations.create(f"Since {number}", pinned_facts="x" * 300)
    path = home / name
    if name != "med42.db":
        shutil.copyfile(home / "med42.db", path)
    crashed = connect(path, key.data)
    for command in ("pragma journal_mode=delete", "pragma cache_size=1", "begin", "update conversations set pinned_facts = 'y'"):
        crashed.execute(command).fetchall()
    journal = path.with_name(f"{name}-journal").read_bytes()
    crashed.close()
    path.with_name(f"{name}-journal").write_bytes(journal)


def test_the_backups_passphrase_is_asked_for_only_where_the_folders_does_not_open_it(home: Path, key: Key, tmp_path: Path) -> None:
    with Store.open(home, key.data) as store:
        asked(store, "From afar?")
        backup(store, tmp_path / "b", passphrase="the backup's")
    elsewhere = tmp_path / "elsewhere"
    own = load_or_create(elsewhere, "the folder's", use_keyring=False)
    restore(elsewhere, tmp_path / "b", "the folder's", use_keyring=False, ask=lambda: "the backup's")
    assert questions(elsewhere, own.data) == ["From afar?"]
    restore(home, tmp_path / "b", None, use_keyring=False, ask=lambda: pytest.fail("the folder's own key opens it"))


def without(source: Path, target: Path, left_out: str) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if name != left_out:
                new.writestr(name, old.read(name))


def test_a_backup_of_a_newer_program_is_refused(home: Path, key: Key, made: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(tmp_path / "newer", "w") as new:
        manifest = json.loads(old.read("manifest.json"))
        new.writestr("manifest.json", json.dumps({**manifest, "format": 2}))
        new.writestr("med42.db", old.read("med42.db"))
    with pytest.raises(StoreTooNew):
        restore(home, tmp_path / "newer", use_keyring=False)


def test_a_backup_with_a_newer_schema_is_refused(home: Path, key: Key, tmp_path: Path) -> None:
    with Store.open(home, key.data) as store:
        with store._connections.alone() as db:
            db.conn.execute(f"pragma user_version={len(STEPS) + 1}")
        backup(store, tmp_path / "b")
        with store._connections.alone() as db:
            db.conn.execute(f"pragma user_version={len(STEPS)}")
    with pytest.raises(StoreTooNew):
        restore(home, tmp_path / "b", use_keyring=False)
    assert questions(home, key.data) == []


def test_an_open_store_cannot_be_restored_over(home: Path, key: Key, made: Path) -> None:
    with Store.open(home, key.data), pytest.raises(StoreInUse):
        restore(home, made, use_keyring=False)


def test_a_damaged_database_can_be_replaced_by_a_backup(home: Path, key: Key, made: Path) -> None:
    (home / "med42.db").write_bytes(b"damaged beyond recognition" * 999)
    restore(home, made, use_keyring=False)
    assert questions(home, key.data) == ["Kept in the backup?"]
    (aside,) = (home / "backups").iterdir()
    assert aside.read_bytes().startswith(b"damaged")


def test_the_log_of_a_damaged_database_is_not_replayed_into_the_restored_one(home: Path, key: Key, made: Path, tmp_path: Path) -> None:
    with Store.open(home, key.data) as store:
        asked(store, "Only in the log")
        shutil.copytree(home, tmp_path / "crashed")
    with (tmp_path / "crashed" / "med42.db-wal").open("r+b") as log:
        log.seek(32 + 24 + 100)  # in the first page that the log holds
        log.write(b"\xff" * 8)
    with (tmp_path / "crashed" / "med42.db").open("r+b") as database:
        database.write(bytes(4096))
    restore(tmp_path / "crashed", made, use_keyring=False)
    assert not (tmp_path / "crashed" / "med42.db-wal").exists()
    assert len(list((tmp_path / "crashed" / "backups").iterdir())) == 2  # the damaged database, and its log
    assert questions(tmp_path / "crashed", key.data) == ["Kept in the backup?"]


def test_a_missing_file_is_said(home: Path, key: Key, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        restore(home, tmp_path / "nothing", use_keyring=False)


def test_a_place_that_cannot_be_written_is_said_and_an_older_backup_stays(home: Path, key: Key, made: Path, tmp_path: Path) -> None:
    before = made.read_bytes()
    with Store.open(home, key.data) as store:
        with pytest.raises(StoreError) as caught:
            backup(store, made / "inside a file" / "b")
        assert caught.value.hint
    assert made.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="no device in a folder")
def test_what_is_not_a_file_is_not_replaced_by_a_backup(home: Path, key: Key, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "device")
    with Store.open(home, key.data) as store:
        for place in (tmp_path / "folder", tmp_path / "device"):
            with pytest.raises(StoreError, match="is not a file"):
                backup(store, place)
    assert (tmp_path / "device").is_fifo()


def test_an_older_schema_is_brought_up_to_date_when_it_is_opened(home: Path, key: Key, made: Path) -> None:
    restore(home, made, use_keyring=False)
    db = writer(home / "med42.db", key.data)
    assert db.conn.execute("pragma user_version").fetchone()[0] == len(STEPS)
    db.conn.close()


def test_a_backup_brings_back_versions_attachments_drafts_feedback_folders_and_tags(home: Path, key: Key, tmp_path: Path) -> None:
    letter = Attachment("letter.txt", "Dear colleague")

    def everything(store: Store) -> object:
        talks = store.conversations
        return talks.recent(), talks.branch(id), talks.branch(id, answer), talks.draft(id), talks.draft(""), talks.folders(), talks.tags()

    with Store.open(home, key.data) as store:
        talks = store.conversations
        id, answer = asked(store)
        talks.set_feedback(answer, Feedback("bad", "Wrong dose"))
        talks.begin(id, "And then?", attachments=[letter])
        talks.finish(talks.begin_again(id, talks.branch(id)[0].id)[1].id, "Also.", "complete", None)
        talks.set_draft(id, Draft("typed", (letter,)))
        talks.set_draft("", Draft("new"))
        talks.set_folder(id, "Ward 3")
        talks.set_tags(id, ["to check"])
        talks.recover()
        before = everything(store)
        backup(store, tmp_path / "med42.backup")
        talks.delete(id)
    restore(home, tmp_path / "med42.backup", use_keyring=False)
    with Store.open(home, key.data) as store:
        assert everything(store) == before
