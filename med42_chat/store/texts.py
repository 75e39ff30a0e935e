"""What people type, as it can be kept: whole characters, names on one line, a title from a question. Pure."""

from collections.abc import Iterable

_TITLE_LENGTH = 60
_LONGEST_LINE = 200


def sound_text(text: str) -> str:
    """The text with half characters (lone surrogates, as broken pastes have) joined or replaced: SQLite takes whole ones only."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def one_line(text: str) -> str:
    """The text on one line, at most 200 characters."""
    return " ".join(sound_text(text).split())[:_LONGEST_LINE]


def names(texts: Iterable[str]) -> list[str]:
    """Each name on one line and once; empty ones left out."""
    return list(dict.fromkeys(name for text in texts if (name := one_line(text))))


def title_of(question: str) -> str:
    """The question's first line, cut at a word near 60 characters."""
    line = next((words for line in question.splitlines() if (words := one_line(line))), "")
    if len(line) <= _TITLE_LENGTH:
        return line
    whole_words, _, _ = line[: _TITLE_LENGTH + 1].rpartition(" ")
    return (whole_words or line[:_TITLE_LENGTH]).rstrip(" ,;:.") + "…"
