"""A piece of an answer's Markdown on one line, as a reader saw it: without its signs, and formulas without their LaTeX. Pure.

For quoting a place that the reader is to find again, not for the answer itself: a formula on one line loses its layout, though no letter.
"""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any
from xml.etree.ElementTree import Element

from med42_chat.markup import Math, MathBlock, Paragraph, Text, clean, parse, plain_text
from med42_chat.markup.formula import mathml

_HIGH = dict(zip("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ", strict=True))
_LOW = dict(zip("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎", strict=True))
_SPACED = frozenset("=<>≤≥≈≠→⇒∼×+−±·")
_SIGNED = re.compile(r"((?:^|[(=<>≤≥]|, ?) ?[−+]) ")  # of a number, and not between two
_ACCENTS = frozenset("^~→˙¨ˇ―‾¯_")


def excerpt(text: str) -> str:
    """The words of this piece of an answer, on one line."""
    return " ".join(clean(plain_text(_without_formulas(parse(text)))).split())


def linear(tex: str) -> str:
    """A formula in the characters of a line: '(a + b)/2', 'x²', '√(x)'; the LaTeX where nothing can be made of it."""
    math = mathml(tex)
    return tex if math is None else _SIGNED.sub(r"\1", " ".join(_line(math).split()))


def _without_formulas(node: Any) -> Any:
    """The tree with its formulas as text."""
    if isinstance(node, Math):
        return Text(linear(node.tex))
    if isinstance(node, MathBlock):
        return Paragraph((Text(linear(node.tex)),))
    if isinstance(node, tuple):
        return tuple(map(_without_formulas, node))
    if is_dataclass(node) and not isinstance(node, type):
        return replace(node, **{field.name: _without_formulas(getattr(node, field.name)) for field in fields(node)})
    return node


def _line(element: Element) -> str:
    match element.tag, [_line(child) for child in element]:
        case "mfrac", [above, below]:
            return f"{_held(above)}/{_held(below)}"
        case "msqrt", parts:
            return f"√{_held(''.join(parts))}"
        case "mroot", [inside, index]:
            return f"{_script(index, _HIGH, '^')}√{_held(inside)}"
        case "msup" | "mover", [base, over]:
            return base + (over if over in _ACCENTS else _script(over, _HIGH, "^"))
        case "msub" | "munder", [base, under]:
            return base + (under if under in _ACCENTS else _script(under, _LOW, "_"))
        case "msubsup" | "munderover", [base, under, over]:
            return base + _script(under, _LOW, "_") + _script(over, _HIGH, "^")
        case "mtable", rows:
            return "; ".join(rows)
        case "mtr", cells:
            return " ".join(cells)
        case "mspace", _:
            return " "
        case "mphantom", _:
            return ""
        case "mo", []:
            return f" {element.text} " if element.text in _SPACED else element.text or ""
        case _, parts:
            return (element.text or "") + "".join(parts)


def _held(text: str) -> str:
    """In brackets where it is more than a number or a name."""
    bare = text.strip()
    return bare if bare.replace(".", "").isalnum() or (bare.startswith("(") and bare.endswith(")") and _is_whole(bare)) else f"({bare})"


def _is_whole(text: str) -> bool:
    """Whether the first bracket is closed by the last one."""
    return all(depth > 0 for depth in _depths(text[:-1]))


def _depths(text: str) -> Iterator[int]:
    depth = 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        yield depth


def _script(text: str, letters: dict[str, str], sign: str) -> str:
    bare = text.replace(" ", "")
    return "".join(letters[one] for one in bare) if bare and set(bare) <= letters.keys() else f"{sign}{_held(text)}" if bare else ""
