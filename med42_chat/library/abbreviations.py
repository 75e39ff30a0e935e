"""Abbreviations as a document explains them, 'acute kidney injury (AKI)': after Schwartz and Hearst (2003), a simple algorithm. Pure."""

import re

_SHORT = re.compile(r"\(([A-Z][\w-]{1,9})\)")
_MOST = 2_000  # of one document


def pairs(text: str) -> list[tuple[str, str]]:
    """Each short form with its long form in lower case, words parted by single spaces; once, in the order found."""
    found: dict[tuple[str, str], None] = {}
    for match in _SHORT.finditer(text):
        short = match[1]
        if sum(char.isupper() for char in short) < 2 or len(found) >= _MOST:
            continue
        words = re.findall(r"[^\W_]+", text[max(0, match.start() - 150) : match.start()])
        long = _long_form(short.replace("-", ""), words[-min(len(short) + 5, 2 * len(short)) :])
        if long:
            found[short, long] = None
    return list(found)


def _long_form(short: str, words: list[str]) -> str:
    """The shortest end of the words in which all letters of the short form stand in order, its first one at the beginning of a word."""
    text = " ".join(words).lower()
    at = len(text)
    for index in range(len(short) - 1, -1, -1):
        letter = short[index].lower()
        at = text.rfind(letter, 0, at)
        while index == 0 and at > 0 and text[at - 1] != " ":
            at = text.rfind(letter, 0, at)
        if at < 0:
            return ""
    long = text[at:]
    return long if len(long) > len(short) + 2 and " " in long else ""
