"""Markdown → tree, held against markdown-it-py, a second implementation of CommonMark."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from med42_chat.markup import (
    Block, Code, CodeBlock, Emphasis, Heading, Inline, LineBreak, Link, List, ListItem, Paragraph, Quote, Rule, Strike, Strong, Table,
    Text, Tree, parse,
)  # fmt: skip
from tests.constructs import CONSTRUCTS


def reference(text: str) -> Tree:
    """The tree that markdown-it-py makes of a text, with our stand-in for images."""
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 200}).enable(["table", "strikethrough"]).disable("reference")
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
