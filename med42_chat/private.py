"""Files and folders for their owner only, written so that a power cut leaves the old or the new one, never half."""

import errno
import os
import subprocess
import sys
from pathlib import Path

from med42_chat.errors import DiskFull, StoreError

PART = ".part"  # the ending of a file that is not finished


def make_private_folder(folder: Path) -> None:
    """Makes the folder for its owner only. One that exists is left as it is: it may be someone's Documents."""
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep_private(folder)


def new_private_file(path: Path) -> None:
    """Makes an empty file for its owner only in the place of whatever was there."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    keep_private(path)


def write_private(path: Path, text: str) -> None:
    """Writes the whole file or nothing."""
    part = path.with_name(path.name + PART)
    try:
        new_private_file(part)
        part.write_text(text, "utf-8")
        put_in_place(part, path)
    finally:
        part.unlink(missing_ok=True)  # on a full disk half a key would stay


def put_in_place(part: Path, path: Path) -> None:
    """Gives a finished file its real name, after its content is on the disk; the name is on the disk when this returns."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)
    if sys.platform != "win32":  # Windows cannot open folders, and keeps names safe by itself
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def keep_private(path: Path) -> None:
    """On Windows, where permission bits say nothing: only this account's entry stays in the access list. Best effort."""
    if sys.platform == "win32":
        inherit = "(OI)(CI)" if path.is_dir() else ""
        command = ["icacls", str(path), "/inheritance:r", "/grant:r", f"{os.environ.get('USERNAME', '')}:{inherit}F"]
        subprocess.run(command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW)


def cannot_write(target: Path, error: OSError) -> StoreError:
    """What to tell the person when a file could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"There is no room to write {target}.", "Free some space, or choose another place.")
    return StoreError(f"{target} cannot be written ({error.strerror}).", "Check the folder, and that your account may write in it.")
