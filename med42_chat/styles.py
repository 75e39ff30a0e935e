"""The style of references that was chosen in the settings: a CSL file, kept in the data folder for page and command."""

from pathlib import Path

from med42_chat.export.style import read_style
from med42_chat.private import cannot_write, write_private

FILE = "references.csl"


def kept(home: Path) -> str:
    """The style that was chosen in the settings; empty for none.

    One that is there and cannot be read is a blank, which is no style: the document is made all the same, and says so.
    """
    try:
        return (home / FILE).read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except OSError:
        return "\n"


def keep(home: Path, data: bytes) -> None:
    """Keeps a style in the data folder, for every export from here on. Raises InputError, StoreError."""
    read_style(data)
    file = home / FILE
    try:
        write_private(file, data.decode("utf-8"))
    except OSError as error:
        raise cannot_write(file, error) from error


def forget(home: Path) -> None:
    """From here on references are AMA lines again. Raises StoreError."""
    file = home / FILE
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(file, error) from error
