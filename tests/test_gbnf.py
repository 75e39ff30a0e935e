"""Grammars as text: what they let through is held against Python's own reading of the same rules."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from med42_chat import gbnf

BEGINNINGS = ["Source ", "**The s", "**Your n", "So]^-\n", "S"]


def pattern(rules: list[str]) -> re.Pattern[str]:
    """The rules as a regular expression: each is a name and what it stands for, with the names of others in it."""
    named = dict(rule.split(" ::= ", 1) for rule in rules)

    def expression(name: str) -> str:
        found = re.findall(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|other(?:-\d+)*|anything|[()|?]', named[name])
        return "".join(map(part, found))

    def part(token: str) -> str:
        if token == "anything":
            return "(?s:.*)"
        if token.startswith("other"):
            return f"(?:{expression(token)})"
        return token.replace("(", "(?:") if token[0] not in '"' else re.escape(token[1:-1].encode().decode("unicode_escape"))

    return re.compile(expression("other"))


@pytest.mark.parametrize("beginnings", [BEGINNINGS[:3], BEGINNINGS])
@given(st.one_of(st.text("Sourcef *Thea sYun\n]^-", max_size=12), st.sampled_from(BEGINNINGS), st.text(max_size=5)))
@example("Sourc")
@example("")
@example("Source 1 says")
def test_all_may_be_said_that_begins_in_another_way_and_nothing_else(beginnings: list[str], text: str) -> None:
    forbidden = any(text.startswith(beginning) for beginning in beginnings)
    assert bool(pattern(gbnf.none_of(beginnings)).fullmatch(text)) == (not forbidden)


def test_what_goes_on_is_the_rest_of_what_has_begun() -> None:
    assert gbnf.rest("", ["yes", "no"]) == '("yes" | "no")'
    assert gbnf.rest("ye", ["yes", "no"]) == '("s")'
    assert gbnf.rest("yes", ["yes", "yes, so"]) == '("" | ", so")'
    assert gbnf.rest("Well", ["yes", "no"]) == '("\\n\\nyes" | "\\n\\nno")'


def test_a_text_is_itself_whatever_stands_in_it() -> None:
    assert gbnf.literal('a"b\\c\nd\re\0') == '"a\\"b\\\\c\\nd\\re\N{REPLACEMENT CHARACTER}"'
