"""The processes that the program under test has started."""

from contextlib import suppress

import psutil


def running(module: str) -> list[psutil.Process]:
    """Our children, and theirs, that run `module` now."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # one that has just ended has no command line any more
            if module in child.cmdline():
                found.append(child)
    return found
