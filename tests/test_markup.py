"""Markdown → tree, held against markdown-it-py, a second implementation of CommonMark."""

import re
import time
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from med42_chat.markup import (
    Block,
    Cite,
    Code,
    CodeBlock,
    Emphasis,
    Heading,
    Inline,
    LineBreak,
    Link,
    List,
    ListItem,
    Math,
    MathBlock,
    Paragraph,
    Quote,
    Rule,
    Strike,
    Strong,
    Table,
    Text,
    Tree,
    parse,
    parse_marks,
    plain_text,
)
from tests.constructs import CONSTRUCTS, DIFFERENCES, PATHOLOGICAL, PIECES


def reference(text: str) -> Tree:
    """The tree that markdown-it-py makes of a text, with our stand-in for images."""
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 200}).enable(["table", "strikethrough"])
    return tuple(_block(node) for node in SyntaxTreeNode(parser.parse(text)).children)


def _blocks(node: SyntaxTreeNode) -> tuple[Block, ...]:
    return tuple(_block(child) for child in node.children)


def _block(node: SyntaxTreeNode) -> Block:
    match node.type:
        case "paragraph":
            return Paragraph(_line(node))
        case "heading":
            return Heading(int(node.tag[1:]), _line(node))
        case "bullet_list" | "ordered_list":
            tight = all(block.hidden for item in node.children for block in item.children if block.type == "paragraph")
            items = tuple(ListItem(_blocks(item)) for item in node.children)
            return List(node.type == "ordered_list", int(node.attrs.get("start", 1)), tight, items)
        case "blockquote":
            return Quote(_blocks(node))
        case "fence" | "code_block":
            return CodeBlock(node.info.strip(), node.content.removesuffix("\n"))
        case "table":
            return _table(node)
        case "hr":
            return Rule()
    raise AssertionError(node.type)


def _table(node: SyntaxTreeNode) -> Table:
    rows = [row for part in node.children for row in part.children]
    alignments = tuple(str(cell.attrs.get("style", "")).removeprefix("text-align:") for cell in rows[0].children)
    header, *body = (tuple(_line(cell) for cell in row.children) for row in rows)
    return Table(header, tuple(body), alignments)  # type: ignore[arg-type]


def _line(node: SyntaxTreeNode) -> tuple[Inline, ...]:
    return tuple(inline for child in node.children for inline in _inlines(child))


def _inlines(node: SyntaxTreeNode) -> Iterator[Inline]:
    made = {"em": Emphasis, "strong": Strong, "s": Strike}
    match node.type:
        case "inline":
            yield from _line(node)
        case "text" | "softbreak" | "text_special":
            yield Text(node.content or ("\n" if node.type == "softbreak" else ""))
        case "hardbreak":
            yield LineBreak()
        case "code_inline":
            yield Code(node.content)
        case "link":
            yield Link(unquote(str(node.attrs["href"])), _line(node))
        case "image":
            yield Text(f"[image: {''.join(_words(node))}]")
        case kind:
            yield made[kind](_line(node))


def _words(node: SyntaxTreeNode) -> Iterator[str]:
    for child in node.children:
        yield child.content
        yield from _words(child)


def normal(value: Any) -> Any:
    """The same tree with neighbouring texts as one, addresses unquoted and no tightness where it cannot be seen."""
    if isinstance(value, tuple):
        return _merged(normal(item) for item in value)
    if not is_dataclass(value):
        return value
    assert not isinstance(value, type)
    made = replace(value, **{field.name: normal(getattr(value, field.name)) for field in fields(value)})
    if isinstance(made, Link):
        return replace(made, href=unquote(made.href))
    if isinstance(made, List) and not any(isinstance(block, Paragraph) for item in made.items for block in item.blocks):
        return replace(made, tight=True)
    return made


def _merged(values: Iterator[Any]) -> tuple[Any, ...]:
    merged: list[Any] = []
    for value in values:
        if isinstance(value, Text) and merged and isinstance(merged[-1], Text):
            merged[-1] = Text(merged[-1].text + value.text)
        elif value != Text(""):
            merged.append(value)
    return tuple(merged)


@pytest.mark.parametrize("text", CONSTRUCTS.values(), ids=CONSTRUCTS.keys())
def test_a_construct_parses_as_commonmark_says(text: str) -> None:
    assert normal(parse(text)) == normal(reference(text))


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines: list[str] = []
    for piece in draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6)):
        indent = " " * draw(st.sampled_from([0, 0, 0, 1, 2, 3]))
        # Only separate pieces may be tables of their own: markdown-it takes a list item's lazy line as the head of a table, GFM does not.
        if lines and ("|" in piece or "|" in lines[-1] or draw(st.booleans())):
            lines.append("")
        lines += [indent + line if line else line for line in piece.split("\n")]
    return "\n".join(lines)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(documents())
def test_any_combination_of_constructs_parses_as_commonmark_says(text: str) -> None:
    assert normal(parse(text)) == normal(reference(text))


MARKS = st.lists(
    st.sampled_from([*"*_~`([]!", "**", "***", "~~", "``", "a", "b c", " ", ". ", "snake_case", "(https://x.org)", "\n", "é", '"']),
    max_size=14,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(MARKS.map("".join))
def test_any_combination_of_marks_within_a_line_parses_as_commonmark_says(text: str) -> None:
    text = re.sub(
        r"\n +", "\n", f"x{text}y"
    )  # markdown-it keeps spaces that begin a line within a code span; the specification strips them
    text = re.sub(r"~~~+|```+", "", text)
    assert normal(parse(text)) == normal(reference(text))


@pytest.mark.parametrize(("text", "plain", "reason"), DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_a_known_difference_from_commonmark_is_as_described(text: str, plain: str, reason: str) -> None:
    assert plain_text(parse(text)) == plain
    assert normal(parse(text)) != normal(reference(text)), f"no difference any more: {reason}"


def test_an_image_becomes_its_description() -> None:
    assert plain_text(parse("![a *scan*](http://x.org/a.png 'title')")) == "[image: a scan]"


# Citations


def cites(text: str, sources: Any = (1, 2, 3)) -> list[int]:
    return [int(number) for number in re.findall(r"Cite\(number=(\d+)\)", repr(parse(text, sources)))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Aspirin [1].", [1]),
        ("twice daily[2]", [2]),
        ("[1][3]", [1, 3]),
        ("[1, 3]", [1, 3]),
        ("[1-3]", [1, 2, 3]),
        ("[1–2; 3]", [1, 2, 3]),
        ("**[1]** | *x [2]*", [1, 2]),
        ("- a [1]\n- b [2]", [1, 2]),
        ("|a [1]|b|\n|-|-|\n|c|d [2]|", [1, 2]),
        ("[1](see there)", [1]),
        ("`[1]`", []),
        ("```\n[1]\n```", []),
        ("$x[1]$", []),
        ("\\[1]", []),
        ("[1](https://x.org)", []),
        ("[see [1]](https://x.org)", []),
        ("[1](javascript:x)", []),
        ("![1](https://x.org)", []),
        ("[^1]", []),
        ("[ref 1]", []),
    ],
)
def test_a_mark_is_a_citation_only_in_prose(text: str, expected: list[int]) -> None:
    assert cites(text) == expected


def test_a_mark_that_names_no_source_is_removed_and_reported() -> None:
    parsed = parse_marks("Stop it [9]. Then [1, 7] wait [8][2] now.", {1, 2})
    assert plain_text(parsed.tree) == "Stop it. Then [1] wait [2] now."
    assert parsed.unknown_marks == (9, 7, 8)


def test_without_sources_every_mark_stays_text() -> None:
    assert parse_marks("a [1] b[2]").unknown_marks == ()
    assert plain_text(parse("a [1] b[2]")) == "a [1] b[2]"


@pytest.mark.parametrize(
    "text", ["pressure [120-140]", "pain [1-10]", "a[9] = 0", "[140]", "[0.5]", "[12-16]", "list[0-9]", "m2[9]", "[3, 500]"]
)
def test_values_in_brackets_are_not_taken_for_marks(text: str) -> None:
    assert parse_marks(text, {1, 2}) == (parse(text), ())


# Maths


@pytest.mark.parametrize(
    "text",
    ["$5 and $10", "US$5 to US$6", "costs $5, $6 or $7", "$ 5$", "$5 $", "$5 or 6$ each", "\\$5\\$", "a $ b", "$$", "$$$$", "\\(x", "\\["],
)
def test_money_and_half_formulas_are_no_maths(text: str) -> None:
    assert "Math" not in repr(parse(text))


@pytest.mark.parametrize("text", ["$x$", "$x_1 * y_2$", "$$x$$ is", "\\(x\\)", "is \\[x\\] so", "$2x$", "$10^{-6}$"])
def test_formulas_in_a_line_are_maths(text: str) -> None:
    assert "Math(tex=" in repr(parse(text))


@pytest.mark.parametrize(
    "text", ["$$\nx\n= y\n$$", "\\[\nx\n= y\n\\]", "\\[ x\n= y \\]", "so:\n\\[\nx\n= y\n\\]\nend", "- a\n  \\[\n  x\n  = y\n  \\]"]
)
def test_formulas_on_lines_of_their_own_are_blocks(text: str) -> None:
    assert re.search(r"MathBlock\(tex='x\\n= y'\)", repr(parse(text)))


def test_an_unclosed_formula_does_not_swallow_the_answer() -> None:
    assert isinstance(parse("$$\nx\n\n- a\n\n$$")[1], List)
    assert isinstance(parse("> \\[\n> x\nlazy\n\n\\]")[0], Quote)


# Safety of the text


def words(text: str) -> list[str]:
    return sorted(re.findall(r"[^\W\d_]", text))


PLAIN = st.text(st.characters(exclude_characters="[]()<>&$\\", exclude_categories=("Cs", "Co", "Cc")), max_size=60)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.one_of(PLAIN, st.sampled_from([*PIECES[:34], "|", "> ", "- ", "    ", "`", "**", "#"])), max_size=8).map("\n".join))
def test_no_letter_is_lost(text: str) -> None:
    text = re.sub(r"\[l\].*|<.*|[`~]{3,}.*", "", text)  # addresses and the language of code are not shown as words
    assert words(plain_text(parse(text))) == words(text)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=80))
def test_any_text_at_all_becomes_a_tree_without_unwanted_characters(text: str) -> None:
    shown = plain_text(parse(text, range(5)))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ue000-\uf8ff]", shown)
    shown.encode()


def test_unwanted_characters_are_replaced_visibly_also_when_written_as_entities() -> None:
    assert plain_text(parse("a\x00b &#8238;c &#xd800; d\te\r\nf")) == "a\ufffdb \ufffdc \ufffd d\te\nf"


def depth(value: Any) -> int:
    inner = [getattr(value, field.name) for field in fields(value)] if is_dataclass(value) else value if isinstance(value, tuple) else ()
    return is_dataclass(value) + max((depth(item) for item in inner), default=0)


@pytest.mark.parametrize("text", PATHOLOGICAL.values(), ids=PATHOLOGICAL.keys())
def test_runaway_text_is_parsed_in_time_and_loses_no_letter(text: str) -> None:
    begun = time.process_time()
    tree = parse(text, {1})
    assert time.process_time() - begun < 4  # seconds; about a tenth of it on a quiet machine, and hours where something is quadratic
    assert words(plain_text(tree)) == words(text)
    assert depth(tree) < 100


def test_a_long_answer_is_parsed_quickly_enough_to_be_parsed_again_at_every_update() -> None:
    text = "**Metformin** 500 mg *twice*:\n\n- one `x`\n  - two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n" * 100
    begun = time.process_time()
    parse(text[:9000])
    assert time.process_time() - begun < 0.1


def test_an_empty_text_is_an_empty_tree() -> None:
    assert parse("") == parse(" \n\n") == ()


def test_nothing_is_kept_between_two_parses() -> None:
    assert parse_marks("[9]", {1}).unknown_marks == parse_marks("[9]", {1}).unknown_marks == (9,)
    assert parse("a [1]", {1}) == (Paragraph((Text("a "), Cite(1))),)
    assert parse("$x$\n\n$$x$$") == (Paragraph((Math("x"),)), MathBlock("x"))
