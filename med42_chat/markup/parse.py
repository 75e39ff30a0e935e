"""Markdown → tree: puts the package `markdown` together with our processors, and takes the tree out of its elements."""

from collections.abc import Container, Iterable
from typing import NamedTuple
from xml.etree.ElementTree import Element

import markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor
from markdown.treeprocessors import Treeprocessor
from markdown.util import Registry

from med42_chat.markup.blocks import CommonMarkBlocks
from med42_chat.markup.characters import clean
from med42_chat.markup.inlines import CommonMarkInlines
from med42_chat.markup.tree import (
    Alignment,
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
)


class Parsed(NamedTuple):
    """A text's tree, and the numbers of the citation marks that named no source and were removed, in their order."""

    tree: Tree
    unknown_marks: tuple[int, ...]


def parse(text: str, sources: Container[int] = ()) -> Tree:
    """The tree of a Markdown text. `sources` are the numbers that a mark `[n]` may name; without any, marks stay text."""
    return parse_marks(text, sources).tree


def parse_marks(text: str, sources: Container[int] = ()) -> Parsed:
    """Like `parse`, and says which marks were removed, so that it can be told and stored."""
    extension = CommonMark(sources)
    markdown.Markdown(extensions=[extension]).convert(text)
    return Parsed(extension.tree, tuple(extension.unknown_marks))


class CommonMark(Extension):  # type: ignore[misc] # the package has no type information
    """The package's own processors replaced by ours. After `convert`, `tree` and `unknown_marks` hold what was found."""

    def __init__(self, sources: Container[int]) -> None:
        super().__init__()
        self._sources = sources
        self.tree: Tree = ()
        self.unknown_marks: list[int] = []

    def extendMarkdown(self, md: markdown.Markdown) -> None:  # noqa: N802 the package's name
        """Registers one processor for each step; there is no HTML to postprocess."""
        md.preprocessors, md.treeprocessors, md.postprocessors = Registry(), Registry(), Registry()
        md.parser.blockprocessors = Registry()
        md.preprocessors.register(_Clean(md), "characters", 10)
        md.parser.blockprocessors.register(CommonMarkBlocks(md.parser), "commonmark", 10)
        md.treeprocessors.register(CommonMarkInlines(md, self._sources, self.unknown_marks), "inline", 20)
        md.treeprocessors.register(_Harvest(self), "harvest", 10)


class _Clean(Preprocessor):  # type: ignore[misc] # the package has no type information
    def run(self, lines: list[str]) -> list[str]:
        return clean("\n".join(lines)).split("\n")


class _Harvest(Treeprocessor):  # type: ignore[misc] # the package has no type information
    """Takes the tree and leaves nothing: the package's HTML is not wanted, and this saves the time to write it."""

    def __init__(self, extension: CommonMark) -> None:
        super().__init__()
        self._extension = extension

    def run(self, root: Element) -> Element:
        self._extension.tree = _blocks(root)
        return Element(root.tag)


def _blocks(elements: Iterable[Element]) -> Tree:
    return tuple(_block(element) for element in elements)


def _block(element: Element) -> Block:
    match element.tag:
        case "p":
            return Paragraph(_inlines(element))
        case "ul" | "ol":
            return _list(element)
        case "blockquote":
            return Quote(_blocks(element))
        case "pre":
            return CodeBlock(element.get("language", ""), element.text or "")
        case "table":
            return _table(element)
        case "hr":
            return Rule()
        case "math":
            return MathBlock(element.text or "")
        case tag:
            return Heading(int(tag[1:]), _inlines(element))


def _list(element: Element) -> List:
    items = tuple(ListItem(_blocks(item)) for item in element)
    return List(element.tag == "ol", int(element.get("start", "1")), element.get("loose") is None, items)


def _table(element: Element) -> Table:
    header, *rows = (tuple(_inlines(cell) for cell in row) for row in element)
    names: dict[str, Alignment] = {"left": "left", "center": "center", "right": "right"}
    return Table(header, tuple(rows), tuple(names.get(name, "") for name in element.get("align", "").split(",")))


def _inlines(element: Element) -> tuple[Inline, ...]:
    inlines: list[Inline] = [Text(element.text)] if element.text else []
    for child in element:
        inlines.append(_inline(child))
        if child.tail:
            inlines.append(Text(child.tail))
    return tuple(inlines)


def _inline(element: Element) -> Inline:
    match element.tag:
        case "em":
            return Emphasis(_inlines(element))
        case "strong":
            return Strong(_inlines(element))
        case "del":
            return Strike(_inlines(element))
        case "code":
            return Code(element.text or "")
        case "br":
            return LineBreak()
        case "math":
            return Math(element.text or "")
        case "cite":
            return Cite(int(element.text or ""))
        case _:
            return Link(element.get("href", ""), _inlines(element))
