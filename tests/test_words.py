"""The file of words against the page that reads from it: no word is missing, and none is left over."""

import re
import string
from pathlib import Path

import pytest

from med42_chat.settings import ASSETS, PROJECT, languages
from med42_chat.words import read_words

_SOURCES = [*(PROJECT / "med42_chat").rglob("*.py"), *(ASSETS / "js").glob("*.js")]
_CALL = re.compile(r"""\b(?:words|say|_words)\(\s*f?(["'`])([a-z_]+\.[^"'`]+)\1""")
_PATTERN = re.compile(r"""(["'`])([a-z_]+\.[\w.]*\$?\{[^"'`]*)\1""")
_HOLE = re.compile(r"\$?\{[^{}]*\}")


def texts(language: str = "en") -> dict[str, str]:
    return dict(read_words(ASSETS / "words" / f"{language}.toml")._texts)


def forms(name: str) -> set[str]:
    return {name, f"{name}.one", f"{name}.other"}


def asked_for() -> list[tuple[Path, str]]:
    """Every name that is asked for in so many words, with its file."""
    return [(file, found[1]) for file in _SOURCES for found in _CALL.findall(file.read_text("utf-8"))]


def pattern(name: str) -> re.Pattern[str]:
    """A name with holes, such as f"settings.{section}_title", as what it can become."""
    return re.compile(r"[a-z_\d]+".join(re.escape(part) for part in _HOLE.split(name)))


def test_every_word_that_is_asked_for_is_there() -> None:
    known = texts()
    for file, name in asked_for():
        if _HOLE.search(name):
            assert any(pattern(name).fullmatch(one) for one in known), f"{file.name}: {name}"
        else:
            assert forms(name) & known.keys(), f"{file.name}: {name}"


def test_no_word_is_left_over() -> None:
    sources = "\n".join(file.read_text("utf-8") for file in _SOURCES)
    holes = [pattern(name) for _, name in _PATTERN.findall(sources)]
    left_over = []
    for name in texts():
        bare = re.sub(r"\.(one|other)$", "", name)
        named = any(f"{quote}{bare}{quote}" in sources for quote in "\"'`")
        if not named and not any(one.fullmatch(bare) for one in holes):
            left_over.append(name)
    assert left_over == []


def test_a_text_that_depends_on_a_number_has_both_forms() -> None:
    known = texts()
    for name in known:
        bare, _, form = name.rpartition(".")
        if form in ("one", "other"):
            assert {f"{bare}.one", f"{bare}.other"} <= known.keys(), name


@pytest.mark.parametrize("language", languages())
def test_every_language_has_the_same_words_with_the_same_places_to_fill(language: str) -> None:
    def places(text: str) -> set[str]:
        return {place for _, place, _, _ in string.Formatter().parse(text) if place}

    english, other = texts(), texts(language)
    assert other.keys() == english.keys()
    for name, text in english.items():
        assert places(other[name]) == places(text), name
