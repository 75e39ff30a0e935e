"""Grammars in llama.cpp's form (GBNF), as text: what a model may say, letter by letter. Pure."""

from collections.abc import Sequence

_LETTERS = {"\n": "\\n", "\r": "\\r", '"': '\\"', "\\": "\\\\", "]": "\\]", "^": "\\^", "-": "\\-"}
_Trie = dict[str, "_Trie"]


def literal(text: str) -> str:
    """Exactly this text."""
    whole = text.replace("\0", "\N{REPLACEMENT CHARACTER}")  # there a grammar would end for llama.cpp
    escaped = whole.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def one_of(texts: Sequence[str]) -> str:
    """Any one of these texts."""
    return f"({' | '.join(map(literal, texts))})"


def rest(begun: str, texts: Sequence[str]) -> str:
    """What may follow a beginning where the whole is to be one of these texts; one of them behind a gap where it begins like none."""
    gap = "\n\n" if begun else ""
    return one_of([text[len(begun) :] for text in texts if text.startswith(begun)] or [gap + text for text in texts])


def none_of(beginnings: Sequence[str]) -> list[str]:
    """Rules, `other` the first, for every text that begins with none of these; none of them is empty. GBNF has no 'not', so it is said
    letter by letter: another letter than theirs and then anything, or the same one and then in the same way.
    """
    trie: _Trie = {}
    for beginning in sorted(beginnings, key=len, reverse=True):  # a short one takes the place of those that begin with it
        node = trie
        for letter in beginning[:-1]:
            node = node.setdefault(letter, {})
        node[beginning[-1]] = {}
    return [*_rules(trie, "other"), "anything ::= .*"]


def _rules(node: _Trie, name: str) -> list[str]:
    """The rule of what may follow a part of the beginnings, and those of the parts that are longer by a letter."""
    further = [(letter, f"{name}-{at}", longer) for at, (letter, longer) in enumerate(node.items()) if longer]
    letters = "".join(_LETTERS.get(letter, letter) for letter in node)
    ways = [f"[^{letters}] anything", *(f"{literal(letter)} {rule}" for letter, rule, _ in further)]
    rules = [f"{name} ::= ({' | '.join(ways)})?"]
    for _, rule, longer in further:
        rules += _rules(longer, rule)
    return rules
