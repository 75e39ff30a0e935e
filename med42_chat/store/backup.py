"""The whole store in one encrypted file, and back.

The file is a zip container, uncompressed (encrypted pages do not shrink): `med42.db`, a copy of the database under its own
key; `manifest.json`, its size and checksum; and, where a passphrase protects it, `key.json`, the wrapped key. With that the
backup opens anywhere by the passphrase, otherwise only where the key is. Backups and copies set aside still hold what is
deleted later.
"""

import hashlib
import json
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from med42_chat.errors import NotFound, StoreCorrupt, StoreError, StoreKeyError, StoreTooNew
from med42_chat.private import cannot_write, make_private_folder, new_private_file, put_in_place
from med42_chat.store.connection import DATABASE, RESTORING, connect, plain_errors, writer
from med42_chat.store.database import Store
from med42_chat.store.keys import load_or_create, wrapped_key
from med42_chat.store.lock import FolderLock
from med42_chat.store.migrations import schema_version
from med42_chat.store.snapshot import check_file, keep_newest, remove_with_logs, snapshot
from med42_chat.store.wrapping import Wrapped, unwrap, wrap

FORMAT = 1
_CHUNK = 1 << 20
_ASIDE = "-before-restore.db"
_KEPT_ASIDE = (
    2  # the present one, and the one before: who restores twice because the first backup was the wrong one gets back to the beginning
)


def backup(store: Store, file: Path, passphrase: str | None = None) -> str:
    """Writes the whole store into `file` while it is in use, and checks it. Returns a sentence on where it can be restored.

    Without `passphrase` the folder's own one protects the backup too, if there is one. Raises StoreError or DiskFull; a
    file of that name stays as it was until the new one is finished.
    """
    if file.exists() and not file.is_file():  # it would be replaced: a folder cannot be, a device must not
        raise StoreError(f"{file} is not a file.", "Give the backup a name of its own.")
    wrapped = wrap(store.key, passphrase) if passphrase else wrapped_key(store.home)
    copy, part = (file.with_name(file.name + end) for end in (".db.part", ".part"))
    try:
        snapshot(store.path, store.key, copy)
        new_private_file(part)
        _pack(copy, part, wrapped)
        put_in_place(part, file)
    except OSError as error:
        raise cannot_write(file, error) from error
    finally:
        remove_with_logs(copy)
        remove_with_logs(part)
    store.audit.append("store.backed_up", "", {"bytes": str(file.stat().st_size)})
    if wrapped:
        return "It can be restored on any computer with its passphrase."
    return f"It can be restored only together with the key of {store.home}; give a passphrase to make a backup that opens anywhere."


def restore(home: Path, file: Path, passphrase: str | None = None, use_keyring: bool = True, ask: Callable[[], str] | None = None) -> str:
    """Puts the backup in the place of the database of a folder that nobody has open, whose present state is kept in `backups`,
    beside that of the restore before. Returns a sentence on that.

    The folder keeps its own key: a backup made under another is encrypted anew. `passphrase` is the folder's and the backup's;
    `ask` is called for the backup's where that one is needed and does not open it. Raises NotFound, StoreInUse, StoreKeyError,
    StoreCorrupt, StoreTooNew or DiskFull; until the very last step the present database is untouched.
    """
    with _told_plainly(home):
        make_private_folder(home)
        with FolderLock(home):
            key = prepare(home, file, lambda: load_or_create(home, passphrase, use_keyring).data, passphrase, ask)
            return put_back(home, key)


def prepare(
    home: Path, file: Path, folder_key: Callable[[], bytes], passphrase: str | None = None, ask: Callable[[], str] | None = None
) -> bytes:
    """The first half of `restore`, which leaves the present database alone: the backup, checked and under the folder's key, beside it.

    The folder must be locked, its database may be open. `folder_key` is asked once the file is known to be a backup; returns what it gave.
    """
    if not file.is_file():
        raise NotFound(f"There is no file {file}.", "Check the name of the backup.")
    incoming = _incoming(home)
    with _told_plainly(home):
        remove_with_logs(incoming)  # the log of one that was cut short would be replayed into this one
        try:
            manifest = _unpack(file, incoming)
            key = folder_key()
            _make_ours(incoming, key, lambda: _its_key(manifest, passphrase, ask))
        except BaseException:
            remove_with_logs(incoming)
            raise
    return key


def put_back(home: Path, key: bytes) -> str:
    """The second half: what `prepare` made ready becomes the database. The folder must be locked, and its database closed."""
    with _told_plainly(home):
        try:
            aside = _set_aside(home / DATABASE, key)
            put_in_place(_incoming(home), home / DATABASE)
            keep_newest(home / "backups", f"*{_ASIDE}", _KEPT_ASIDE)
        finally:
            remove_with_logs(_incoming(home))
    return f"What was there before is kept in {aside}." if aside else "The data folder was empty before."


def _incoming(home: Path) -> Path:
    return home / RESTORING


@contextmanager
def _told_plainly(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot_write(home / DATABASE, error) from error


@dataclass(frozen=True, slots=True)
class _Manifest:
    sha256: str
    created_at: int
    wrapped: Wrapped | None


def _pack(copy: Path, target: Path, wrapped: Wrapped | None) -> None:
    about = {"format": FORMAT, "created_at": int(time.time() * 1000), "bytes": copy.stat().st_size, "sha256": _sha256(copy)}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as container:
        container.writestr("manifest.json", json.dumps(about, indent=1))
        if wrapped:
            container.writestr("key.json", json.dumps(dict(wrapped), indent=1))
        container.write(copy, DATABASE)


def _unpack(file: Path, target: Path) -> _Manifest:
    """Writes the container's database to `target`, checked against the manifest."""
    try:
        with zipfile.ZipFile(file) as container:
            about = json.loads(container.read("manifest.json"))
            if about["format"] > FORMAT:
                raise StoreTooNew("This backup was made by a newer version of Med42 Chat.", "Update Med42 Chat, then restore it.")
            wrapped = json.loads(container.read("key.json")) if "key.json" in container.namelist() else None
            new_private_file(target)
            with container.open(DATABASE) as packed, target.open("wb") as out:
                shutil.copyfileobj(packed, out, _CHUNK)
            manifest = _Manifest(about["sha256"], about["created_at"], wrapped)
    # RuntimeError: zipfile's word for members that are encrypted or packed in a way of their own, and for JSON that is too deep.
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError, RuntimeError) as error:
        raise _not_a_backup(file) from error
    if _sha256(target) != manifest.sha256:
        raise _not_a_backup(file)
    return manifest


def _make_ours(incoming: Path, key: bytes, its_key: Callable[[], bytes]) -> None:
    """Checks the unpacked database, under the folder's key or the backup's own; in the end it is under the folder's."""
    theirs = key if _opens(incoming, key) else its_key()
    check_file(incoming, theirs)
    db = writer(incoming, theirs)
    try:
        schema_version(db)
        with plain_errors():
            db.conn.execute("pragma journal_mode=delete").fetchall()
            if theirs != key:
                db.conn.execute(f"pragma rekey=\"x'{key.hex()}'\"").fetchall()
    finally:
        db.conn.close()
    if theirs != key:
        check_file(incoming, key)


def _opens(path: Path, key: bytes) -> bool:
    try:
        connect(path, key).close()
    except StoreKeyError:
        return False
    return True


def _its_key(manifest: _Manifest, passphrase: str | None, ask: Callable[[], str] | None) -> bytes:
    if manifest.wrapped is None:
        raise StoreKeyError(
            "This backup was made with another key and holds none of its own.",
            "Restore it into the data folder it came from, whose key opens it.",
        )
    try:
        return unwrap(manifest.wrapped, passphrase)
    except StoreKeyError:
        if ask is None:
            raise
    return unwrap(manifest.wrapped, ask())


def _set_aside(database: Path, key: bytes) -> Path | None:
    """Copies the present database and its logs into `backups` as they are: damaged or under a lost key, they may be all there is."""
    if not database.exists() or not database.stat().st_size:
        return None
    aside = database.parent / "backups" / f"{time.strftime('%Y%m%d-%H%M%S')}{_ASIDE}"
    make_private_folder(aside.parent)
    for end in ("", "-wal", "-journal"):
        part = database.with_name(database.name + end)
        if part.exists():
            new_private_file(aside.with_name(aside.name + end))
            shutil.copyfile(part, aside.with_name(aside.name + end))
    _drop_log(database, key)
    return aside


def _drop_log(database: Path, key: bytes) -> None:
    """Moves the logs into the database where that works, then removes them: the restored database would replay them."""
    with suppress(StoreError):
        connect(database, key).close()
    for end in ("-wal", "-shm", "-journal"):
        database.with_name(database.name + end).unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _not_a_backup(file: Path) -> StoreCorrupt:
    return StoreCorrupt(f"{file} is not a whole Med42 Chat backup.", "Choose another file, or take a fresh copy of this one.")
