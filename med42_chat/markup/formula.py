"""LaTeX → MathML, as a small tree of known elements that every writer can walk. Pure.

A formula comes from a model: it may be half written, of any length, or made to harm. What is not on the lists below does not come out.
"""

import html
import re
from typing import Literal
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element

from med42_chat.markup.characters import clean

MATH_LENGTH = 2000  # characters; latex2mathml takes four seconds for a hundred thousand
MATH_DEPTH = 30  # levels, of braces as written and of elements as made

_TAGS = frozenset([
    "math", "menclose", "mfrac", "mi", "mmultiscripts", "mn", "mo", "mover", "mpadded", "mphantom", "mprescripts", "mroot", "mrow",
    "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder", "munderover", "none",
])  # fmt: skip
_LENGTH = re.compile(r"-?[0-9]{0,2}(?:\.[0-9]{1,3})?(?:em|ex|px|pt)?")
# What each attribute may say. No style, class or href, no long lengths: those could reach the network or cover the page.
_ATTRIBUTES = {
    "accent": re.compile("true|false"),
    "accentunder": re.compile("true|false"),
    "columnalign": re.compile("(?:left|center|right| )+"),
    "columnlines": re.compile("(?:none|solid|dashed| )+"),
    "displaystyle": re.compile("true|false"),
    "fence": re.compile("true|false"),
    "form": re.compile("prefix|infix|postfix"),
    "linethickness": _LENGTH,
    "lspace": _LENGTH,
    "mathvariant": re.compile("[a-z-]{1,30}"),
    "maxsize": _LENGTH,
    "minsize": _LENGTH,
    "movablelimits": re.compile("true|false"),
    "notation": re.compile("[a-z ]{1,40}"),
    "rspace": _LENGTH,
    "rowlines": re.compile("(?:none|solid|dashed| )+"),
    "scriptlevel": re.compile(r"[+-]?[0-3]"),
    "stretchy": re.compile("true|false"),
    "width": _LENGTH,
}


def mathml(tex: str, display: Literal["inline", "block"] = "inline") -> Element | None:
    """A `math` element of known elements and attributes, its texts as they are read; None where none can be made of `tex`."""
    if len(tex) > MATH_LENGTH or _brace_depth(tex) > MATH_DEPTH:
        return None
    try:
        element = convert_to_element(tex, display=display)
    except Exception:  # noqa: BLE001 whatever a half-written formula makes the library raise, its source is shown
        return None
    made = _known(element, 0)
    if made is not None and display == "block":
        made.set("display", "block")
    return made


def _brace_depth(tex: str) -> int:
    depth = deepest = 0
    for character in tex:
        depth += (character == "{") - (character == "}")
        deepest = max(deepest, depth)
    return max(deepest, tex.count("\\left"), tex.count("\\begin"))


def _known(element: Element, depth: int) -> Element | None:
    """The element made anew, with known tags and attributes only; None where an unknown tag or too much depth is met in it."""
    if element.tag not in _TAGS or depth > 2 * MATH_DEPTH:
        return None
    made = Element(element.tag, {name: value for name, value in element.items() if _may_say(name, value)})
    # The library leaves entities in its text ('&#x0003D;'), and '\text{<img …>}' as it is.
    made.text = clean(html.unescape(element.text or ""))
    for child in element:
        known = _known(child, depth + 1)
        if known is None:
            return None
        made.append(known)
    return made


def _may_say(name: str, value: str) -> bool:
    return name in _ATTRIBUTES and _ATTRIBUTES[name].fullmatch(value) is not None
