"""One program per data folder: a lock that the operating system takes back when its holder dies."""

import os
import sys
import weakref
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from med42_chat.errors import StoreError, StoreInUse

# Windows refuses to read locked bytes: the lock sits far behind the process id, which others must be able to read.
_LOCKED_BYTE = 1 << 20


class FolderLock:
    """Held from its making to `release()` or the death of this process. Raises StoreInUse when another program holds it.

    The file stays when the lock goes: removing it would let two programs lock two files of the same name.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "lock"
        try:
            self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise StoreError(f"The data folder {folder} cannot be written to.", "Check that your account may write in it.") from error
        try:
            _lock(self._descriptor)
        except OSError as error:
            holder = _holder(self._descriptor)
            os.close(self._descriptor)
            raise StoreInUse(
                f"Another Med42 Chat ({holder}) is using the data folder {folder}.",
                "Use that one, close it first, or choose another folder with --home.",
            ) from error
        with suppress(OSError):  # on a full disk nobody can say who holds it; reading goes on
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, str(os.getpid()).encode())
        self._keep_from_children()

    def release(self) -> None:
        """Gives the folder free. Releasing twice does nothing."""
        if self._descriptor >= 0:
            # Said, not only closed: a program just being started may hold the descriptor for another moment.
            _unlock(self._descriptor)
            self._forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def _forget(self) -> None:
        """Closes this process's copy without giving the lock up for others that have one."""
        os.close(self._descriptor)
        self._descriptor = -1

    def _keep_from_children(self) -> None:
        # Started programs never see the descriptor (it is closed on exec); a forked child would keep the lock past our death.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(_forget_in_child, weakref.ref(self)))


def _forget_in_child(lock: "weakref.ref[FolderLock]") -> None:
    held = lock()
    if held is not None and held._descriptor >= 0:
        held._forget()


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _unlock(descriptor: int) -> None:
    if sys.platform != "win32":  # there, closing is enough
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _holder(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    number = os.read(descriptor, 20).decode("ascii", "replace").strip()
    return f"process {number}" if number.isdigit() else "another process"
