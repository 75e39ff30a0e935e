"""MathML → OMML, the equations that Word knows. Pure.

Every letter of a formula comes out; an element that Word has no structure for gives what is in it, one after the other.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from lxml import etree

Node = Any  # an lxml element: the library comes without types

_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"

_OPENING, _CLOSING = "([{⟨⌈⌊|‖", ")]}⟩⌉⌋|‖"
_DEEPEST = 20  # brackets within brackets that are structures; those around them are mere signs
_LEADING = "=<>≤≥≈→·*/∗≠≪≫~∼"  # signs that need something before them
_SIGNS = _LEADING + "+-−±∓×"
_LARGE = frozenset("∑∏∐∫∬∭∮⋃⋂⋁⋀⨁⨂")
_BARS, _BRACES = "―‾¯_", "⏞⏟⎴⎵"
_COMBINING = {"^": "\u0302", "~": "\u0303", "→": "\u20d7", "˙": "\u0307", "¨": "\u0308", "ˇ": "\u030c"}  # as Word wants an accent
_WITH_LIMITS = frozenset(["msub", "msup", "msubsup", "munder", "mover", "munderover"])
_ARGUMENTS, _NOTHING = frozenset(["e", "num", "den", "sub", "sup", "lim"]), "\u200b"  # an empty one is shown as a box to type into
_STRIKES = {"horizontalstrike": "strikeH", "updiagonalstrike": "strikeBLTR", "downdiagonalstrike": "strikeTLBR"}


def omml(math: Element) -> Node:
    """The equation of a `math` element as `m:oMath`, within a line."""
    return _m("oMath", *_all(math))


def omml_block(math: Element) -> Node:
    """The same on lines of its own."""
    return _m("oMathPara", omml(math))


def _m(name: str, /, *children: Node, **attributes: str) -> Node:
    made = etree.Element(_M + name, {_M + key: value for key, value in attributes.items()}, nsmap={"m": _M[1:-1]})
    made.extend(children)
    if not children and name in _ARGUMENTS:
        made.append(_run(_NOTHING, words=True))
    return made


def _all(elements: Iterable[Element]) -> list[Node]:
    """Elements that stand side by side. Brackets, sums and integrals take what belongs to them into a structure of their own: without
    it Word and LibreOffice draw them small, and an inner bracket not at all."""
    rest = deque(elements)
    made: list[Node] = []
    while rest:
        made += _next(rest)
    return _joined(_complete(made))


def _next(rest: deque[Element]) -> list[Node]:
    """The next element, with what belongs to it."""
    first = rest.popleft()
    end = _counterpart(first, rest)
    if end is not None:
        inside = [rest.popleft() for _ in range(end)]
        return [_bracketed(first, inside, rest.popleft() if rest else None)]
    if _is_large(first):
        return [_large(first, _next(rest) if rest and not _is_large(rest[0]) else [])]
    return _one(first)


def _complete(made: list[Node]) -> list[Node]:
    """A sign at the beginning ('<5') or the end ('Na⁺') as a word: LibreOffice would look for its other side, and show neither."""
    ends = {0: _LEADING, len(made) - 1: _SIGNS}
    return [_run(node[-1].text, words=True) if _is_sign_of(node, ends.get(at, "")) else node for at, node in enumerate(made)]


def _is_sign_of(node: Node, signs: str) -> bool:
    return node.tag == f"{_M}r" and node[-1].text in tuple(signs)


def _joined(made: list[Node]) -> list[Node]:
    """Words that stand side by side as one run: apart, the letters of 'CrCl' would stand as far from each other as factors."""
    joined: list[Node] = []
    for node in made:
        if joined and _is_word(node) and _is_word(joined[-1]):
            joined[-1][-1].text += node[-1].text
        else:
            joined.append(node)
    return joined


def _is_word(node: Node) -> bool:
    return bool(node.tag == f"{_M}r" and node[0].tag == f"{_M}rPr" and node[0][0].tag == f"{_M}nor")


def _counterpart(opening: Element, rest: Sequence[Element]) -> int | None:
    """How many elements stand between this bracket and the one that closes it; all of them where one that grows is never closed.
    None where it is no bracket, one that is not closed, or one around too many others."""
    if not _is_sign(opening, _OPENING):
        return None
    depth = 0
    for place, element in enumerate(rest):
        step = _step(opening, element)
        if step < 0 and not depth:
            return place
        depth += step
        if depth > _DEEPEST:
            return None
    return len(rest) if opening.get("fence") == "true" else None


def _step(opening: Element, element: Element) -> int:
    """1 for another bracket like this one, -1 for one that closes it, 0 for anything else."""
    if opening.get("fence") == "true":  # '\left[ … \right)' need not be of one kind
        return {"prefix": 1, "postfix": -1}.get(element.get("form", ""), 0)
    closing = _CLOSING[_OPENING.index(opening.text or "")]
    return -1 if _is_sign(element, closing) else int(_is_sign(element, opening.text or ""))


def _is_sign(element: Element, signs: str) -> bool:
    return element.tag == "mo" and len(element.text or "") == 1 and (element.text or "") in signs


def _bracketed(opening: Element, inside: list[Element], closing: Element | None) -> Node:
    last = closing.text or "" if closing is not None else ""
    properties = _m("dPr", _m("begChr", val=opening.text or ""), _m("endChr", val=last))
    return _m("d", properties, _m("e", *_all(inside)))


def _one(element: Element) -> list[Node]:
    match element.tag:
        case "mi" | "mn" | "mo" | "mtext":
            return _text(element)
        case "mspace":
            return [_run(" ", upright=True)] if _is_wide(element) else []
        case "mfrac":
            return [_fraction(element)]
        case "msqrt":
            return [_m("rad", _m("radPr", _m("degHide", val="1")), _m("deg"), _m("e", *_all(element)))]
        case "mroot":
            base, degree = _parts(element, 2)
            return [_m("rad", _m("deg", *degree), _m("e", *base))]
        case "msub" | "msup" | "msubsup":
            return [_scripts(element)]
        case "munder" | "mover" | "munderover":
            return [_limits(element)]
        case "mtable":
            return _matrix(element)
        case "mphantom":
            return [_m("phant", _m("phantPr", _m("show", val="0")), _m("e", *_all(element)))]
        case "menclose":
            return [_enclosed(element)]
        case _:
            return _all(element)


def _parts(element: Element, count: int) -> list[list[Node]]:
    """What the first children come to, one list each; what a formula left out is empty."""
    made = [_all(child if child.tag == "mrow" else [child]) for child in element]
    return [*made, *([] for _ in range(count))][:count]


def _text(element: Element) -> list[Node]:
    """A name ('lim', 'CrCl') and a sign like '%' are words: as letters of a formula LibreOffice would take some of them for commands."""
    text = element.text or ""
    is_name = text.isalpha() and (len(text) > 1 or element.get("mathvariant") == "normal")
    words = element.tag == "mtext" or is_name or (element.tag == "mi" and not text.isalnum())
    return [_run(text, upright=element.tag != "mi", words=words)] if text else []


def _run(text: str, upright: bool = False, words: bool = False) -> Node:
    properties = [_m("nor")] if words else [_m("sty", val="p")] if upright else []
    said = _m("t")
    said.text = text
    said.set(_SPACE, "preserve")
    return _m("r", *([_m("rPr", *properties)] if properties else []), said)


def _is_wide(element: Element) -> bool:
    width = element.get("width", "")
    return width.endswith("em") and width != "em" and not width.startswith("-")


def _fraction(element: Element) -> Node:
    above, below = _parts(element, 2)
    kind = [_m("fPr", _m("type", val="noBar"))] if element.get("linethickness") == "0" else []
    return _m("f", *kind, _m("num", *above), _m("den", *below))


def _scripts(element: Element) -> Node:
    base, *scripts = _parts(element, 3)
    if element.tag == "msubsup":
        return _m("sSubSup", _m("e", *base), _m("sub", *scripts[0]), _m("sup", *scripts[1]))
    name = element.tag.removeprefix("m")
    return _m("sSub" if name == "sub" else "sSup", _m("e", *base), _m(name, *scripts[0]))


def _limits(element: Element) -> Node:
    base, *limits = _parts(element, 3)
    sign = (element[1].text or "") if element.tag != "munderover" and len(element) > 1 else ""
    side = "top" if element.tag == "mover" else "bot"
    if sign and sign in _BARS:
        return _m("bar", _m("barPr", _m("pos", val=side)), _m("e", *base))
    if sign and sign in _BRACES:
        return _m("groupChr", _m("groupChrPr", _m("chr", val=sign), _m("pos", val=side)), _m("e", *base))
    if sign and element.get("accent") == "true":
        return _m("acc", _m("accPr", _m("chr", val=_COMBINING.get(sign, sign))), _m("e", *base))
    if element.tag != "mover":
        base = [_m("limLow", _m("e", *base), _m("lim", *limits[0]))]
    above = limits[0] if element.tag == "mover" else limits[1]
    return _m("limUpp", _m("e", *base), _m("lim", *above)) if element.tag != "munder" else base[0]


def _matrix(element: Element) -> list[Node]:
    """A matrix whose rows are all as long as the longest: Word reads no other."""
    rows = [[_all(cell) for cell in row] for row in element]
    columns = max(map(len, rows), default=0)
    cells = ([*row, *([] for _ in range(columns - len(row)))] for row in rows)
    return [_m("m", *(_m("mr", *(_m("e", *cell) for cell in row)) for row in cells))] if columns else []


def _enclosed(element: Element) -> Node:
    notations = element.get("notation", "").split()
    strikes = [strike for name, strike in _STRIKES.items() if name in notations]
    sides = [_m(f"hide{side}", val="1") for side in ("Top", "Bot", "Left", "Right")] if strikes else []
    return _m("borderBox", _m("borderBoxPr", *sides, *(_m(name, val="1") for name in strikes)), _m("e", *_all(element)))


def _is_large(element: Element) -> bool:
    """A sum or an integral, with limits or without."""
    return _sign(element).tag == "mo" and (_sign(element).text or "") in _LARGE


def _sign(element: Element) -> Element:
    return element[0] if element.tag in _WITH_LIMITS and len(element) else element


def _large(element: Element, operand: list[Node]) -> Node:
    """The sign with its limits, and what stands after it."""
    parts = _parts(element, 3) if element.tag in _WITH_LIMITS else [[], [], []]
    below, above = ([], parts[1]) if element.tag in ("msup", "mover") else (parts[1], parts[2])
    place = "undOvr" if element.tag in ("munder", "mover", "munderover") else "subSup"
    hidden = [_m(name, val="1") for name, limit in (("subHide", below), ("supHide", above)) if not limit]
    properties = _m("naryPr", _m("chr", val=_sign(element).text or ""), _m("limLoc", val=place), *hidden)
    return _m("nary", properties, _m("sub", *below), _m("sup", *above), _m("e", *operand))
