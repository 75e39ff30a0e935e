"""Opening, migrating, checking, and every way in which that can fail."""

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from med42_chat.errors import DiskFull, StoreBusy, StoreCorrupt, StoreError, StoreKeyError, StoreTooNew
from med42_chat.store.connection import connect, engine, plain_errors, writer
from med42_chat.store.database import Store
from med42_chat.store.migrations import STEPS, migrate, schema_version
from tests.store.samples import KEY, OTHER_KEY, asked

TRIGGERS = {f"{table}_fts_{event}" for table in ("messages", "titles", "passages") for event in ("insert", "delete", "update")}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has access lists instead")
def test_folder_and_files_are_their_owners_only(store: Store, home: Path) -> None:
    asked(store)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {path.name for path in home.iterdir()} == {"lock", "med42.db", "med42.db-wal", "med42.db-shm"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()} == {0o600}


def test_everything_is_still_there_after_closing_and_opening(home: Path) -> None:
    with Store.open(home, KEY) as store:
        conversation, _ = asked(store)
        before = store.conversations.branch(conversation)
    assert not home.joinpath("med42.db-wal").exists()
    with Store.open(home, KEY) as store:
        assert store.conversations.branch(conversation) == before


def test_the_writer_is_as_durable_and_as_forgetful_as_it_has_to_be(store: Store) -> None:
    def setting(name: str) -> Any:
        return store._connections._writer.conn.execute(f"pragma {name}").fetchone()[0]

    assert (setting("journal_mode"), setting("synchronous"), setting("fullfsync"), setting("foreign_keys")) == ("wal", 2, 1, 1)
    assert (setting("secure_delete"), setting("temp_store")) == (1, 2)


def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(StoreError):
        store._connections.rows("delete from conversations")


def test_a_failed_block_is_undone_nested_ones_too(store: Store) -> None:
    conversation, _ = asked(store)
    before = store.audit.verify().detail
    with pytest.raises(RuntimeError), store._connections.write():
        store.conversations.rename(conversation, "Never")
        store.audit.append("test", "never", {})
        raise RuntimeError
    assert store.conversations.get(conversation).title != "Never"
    assert store.audit.verify().detail == before
    store.conversations.rename(conversation, "After")
    assert store.conversations.get(conversation).title == "After"


def test_a_wrong_key_is_said_without_noise_and_without_the_key(home: Path) -> None:
    Store.open(home, KEY).close()
    code = f"""
from pathlib import Path
from med42_chat.store.database import Store
try:
    Store.open(Path({str(home)!r}), bytes.fromhex({OTHER_KEY.hex()!r}))
except Exception as error:
    import traceback
    print(type(error).__name__, error.hint, traceback.format_exc())
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert ran.stdout.startswith("StoreKeyError")
    assert ran.stderr == ""
    assert OTHER_KEY.hex() not in ran.stdout
    Store.open(home, KEY).close()


def test_a_key_of_the_wrong_length_is_refused(home: Path) -> None:
    with pytest.raises(StoreKeyError):
        Store.open(home, b"short")


def test_a_file_that_is_no_database_is_refused_and_left_alone(home: Path) -> None:
    home.mkdir()
    (home / "med42.db").write_bytes(b"holiday pictures" * 1000)
    with pytest.raises(StoreKeyError):
        Store.open(home, KEY)
    assert (home / "med42.db").read_bytes() == b"holiday pictures" * 1000


def test_a_database_of_a_newer_program_is_refused_and_left_alone(home: Path) -> None:
    Store.open(home, KEY).close()
    db = writer(home / "med42.db", KEY)
    db.conn.execute(f"pragma user_version={len(STEPS) + 1}")
    db.conn.close()
    before = (home / "med42.db").read_bytes()
    with pytest.raises(StoreTooNew) as caught:
        Store.open(home, KEY)
    assert "Update" in caught.value.hint
    assert (home / "med42.db").read_bytes() == before


def test_an_unknown_migration_counts_as_newer(home: Path) -> None:
    Store.open(home, KEY).close()
    db = writer(home / "med42.db", KEY)
    db.conn.execute("update _sqlite_migrations set name = 'm001_other' where name = 'm001_initial'")
    db.conn.close()
    with pytest.raises(StoreTooNew):
        Store.open(home, KEY)


def test_a_damaged_page_is_found_by_the_check_and_said_on_reading(home: Path) -> None:
    with Store.open(home, KEY) as store:
        conversation, _ = asked(store, answer="A long answer. " * 2000)
    damage(home / "med42.db")
    with Store.open(home, KEY) as store:
        assert "error" in {health.state for health in store.check() if health.name == "database"}
        with pytest.raises(StoreCorrupt) as caught:
            store.conversations.branch(conversation)
        assert caught.value.hint


def damage(path: Path) -> None:
    """Turns one bit in every page of the answer's overflow chain: the last pages of the file."""
    data = bytearray(path.read_bytes())
    for at in range(len(data) - 6 * 4096 + 100, len(data), 4096):
        data[at] ^= 1
    path.write_bytes(data)


def test_an_index_that_does_not_agree_is_made_anew(store: Store) -> None:
    asked(store, "About haemochromatosis?")
    with store._connections.write() as db:
        db.conn.execute("insert into messages_fts(messages_fts) values ('delete-all')")
    assert store._connections.rows("select rowid from messages_fts where messages_fts match 'haemochromatosis'") == []
    assert {health.name: health.state for health in store.check()}["search"] == "warning"
    assert store.conversations.search("haemochromatosis")
    assert {health.state for health in store.check()} == {"ok"}


def test_the_search_triggers_are_there(store: Store) -> None:
    assert {row["name"] for row in store._connections.rows("select name from sqlite_master where type = 'trigger'")} == TRIGGERS


def test_every_table_refuses_wrong_types(store: Store) -> None:
    plain = store._connections.rows("select name from pragma_table_list where type = 'table' and strict = 0 and schema = 'main'")
    assert {row["name"] for row in plain} - {"sqlite_schema", "sqlite_sequence", "_sqlite_migrations"} == set()


def second_step(db: Any) -> None:
    db.conn.execute("alter table documents add column language text")


def broken_step(db: Any) -> None:
    db.conn.execute("alter table documents add column broken text")
    db.conn.execute("select * from no_such_table")


def test_a_migration_comes_after_a_checked_backup(home: Path) -> None:
    with Store.open(home, KEY) as store:
        asked(store, "Before the step?")
    db = writer(home / "med42.db", KEY)
    migrate(db, home / "med42.db", KEY, [*STEPS, second_step])
    assert schema_version(db, [*STEPS, second_step]) == len(STEPS) + 1
    db.conn.execute("select language from documents")
    db.conn.close()
    (copy,) = (home / "backups").iterdir()
    old = connect(copy, KEY)
    assert old.execute("select count(*) from messages where text = 'Before the step?'").fetchone()[0] == 1
    assert [row["name"] for row in old.execute("select name from pragma_table_info('documents') where name = 'language'")] == []
    old.close()


def test_a_database_of_the_first_version_is_brought_up_to_date_with_everything_in_it(home: Path) -> None:
    home.mkdir()
    db = writer(home / "med42.db", KEY)
    migrate(db, home / "med42.db", KEY, STEPS[:1])
    db.conn.execute("insert into conversations(uid, title, created_at, updated_at, leaf_id, n_messages) values ('c', 'Old', 1, 2, 2, 2)")
    for row in (("q", None, "user", "Why?"), ("a", 1, "assistant", "Because.")):
        db.conn.execute(
            "insert into messages(uid, conversation_id, parent_id, role, status, text, created_at) values (?, 1, ?, ?, 'complete', ?, 1)",
            row,
        )
    db.conn.close()
    with Store.open(home, KEY) as store:
        talks = store.conversations
        assert [(head.title, head.folder, head.tags, head.leaf_id) for head in talks.recent()] == [("Old", "", (), "a")]
        assert [(one.text, one.versions, one.attachments) for one in talks.branch("c")] == [("Why?", (), ()), ("Because.", (), ())]
        assert talks.begin_again("c", "q")[1].versions[0] == "a"
        talks.choose("c", "a")
        assert [hit.message_id for hit in talks.search("because")] == ["a"]
        assert {health.state for health in store.check()} == {"ok"}
    assert len(list((home / "backups").iterdir())) == 1


def test_a_migration_that_fails_leaves_the_database_as_it_was(home: Path) -> None:
    Store.open(home, KEY).close()
    db = writer(home / "med42.db", KEY)
    with pytest.raises(StoreError):
        migrate(db, home / "med42.db", KEY, [*STEPS, broken_step])
    assert "broken" not in {row["name"] for row in db.conn.execute("select name from pragma_table_info('documents')")}
    db.conn.close()
    Store.open(home, KEY).close()


def test_five_backups_are_kept(home: Path) -> None:
    Store.open(home, KEY).close()
    backups = home / "backups"
    backups.mkdir()
    for number in range(7):
        (backups / f"2020010{number}-000000-before-step-1.db").write_bytes(b"old")
    db = writer(home / "med42.db", KEY)
    migrate(db, home / "med42.db", KEY, [*STEPS, second_step])
    db.conn.close()
    kept = sorted(path.name for path in backups.iterdir())
    assert len(kept) == 5
    assert kept[-1].endswith(f"-before-step-{len(STEPS) + 1}.db")


def test_a_new_database_needs_no_backup(store: Store, home: Path) -> None:
    assert not (home / "backups").exists()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SQLITE_FULL", DiskFull),
        ("SQLITE_BUSY", StoreBusy),
        ("SQLITE_BUSY_SNAPSHOT", StoreBusy),
        ("SQLITE_LOCKED", StoreBusy),
        ("SQLITE_LOCKED_SHAREDCACHE", StoreBusy),
        ("SQLITE_NOTADB", StoreKeyError),
        ("SQLITE_CORRUPT", StoreCorrupt),
        ("SQLITE_CORRUPT_VTAB", StoreCorrupt),
        ("SQLITE_READONLY", StoreError),
        ("SQLITE_READONLY_DIRECTORY", StoreError),
        ("SQLITE_CANTOPEN", StoreError),
        ("SQLITE_IOERR_WRITE", StoreError),
        ("SQLITE_CONSTRAINT_UNIQUE", StoreError),
        ("", StoreError),
    ],
)
def test_every_sqlite_error_becomes_one_of_ours_with_a_hint(name: str, kind: type[StoreError]) -> None:
    error = engine().OperationalError("near 'secret words': oh no")
    error.sqlite_errorname = name
    with pytest.raises(StoreError) as caught, plain_errors():
        raise error
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error
    assert caught.value.hint
    assert "secret" not in caught.value.message


def test_a_place_where_no_folder_can_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError) as caught:
        Store.open(tmp_path / "file" / "home", KEY)
    assert caught.value.hint


def test_naming_the_store_does_not_load_it() -> None:
    heavy = {"sqlite_utils", "sqlcipher3", "keyring", "cryptography"}
    code = f"import sys, med42_chat.store.database, med42_chat.store.backup; print({heavy} & {{*sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert ran.stdout.strip() == "set()"


def test_a_collection_is_renamed_and_removed_wherever_it_is_named(store: Store) -> None:
    conversation = store.conversations.create().id
    store.conversations.set_library(conversation, "only", ["Ward", "ICU"])
    store.watched.watch("/somewhere", ["Ward"])
    store.waiting.add_content("a.md", b"Words.", ["Ward", "Ward 3"])

    def named() -> list[set[str]]:
        places = store.conversations.get(conversation), store.watched.folders()[0], store.waiting.all()[0]
        return [set(place.collections) for place in places]

    store.rename_collection("Ward", "Ward 3")
    assert named() == [{"Ward 3", "ICU"}, {"Ward 3"}, {"Ward 3"}]
    store.remove_collection("Ward 3")
    assert named() == [{"Ward 3", "ICU"}, set(), set()]  # a conversation says that it is gone, and does not search all in its place
