"""How many tokens a text has at most, where nobody can be asked: a guess that may be too high and should not be too low. Pure.

Held against Llama 3's vocabulary by the tests: English and German prose, names of medicines, tables of figures, code, Arabic, Chinese,
scripts that vocabularies know little of. Plain prose comes out at nearly twice what it has, which costs room in the context; were it too
low, a prompt would be refused by the server, or cut by it in silence. Letters thrown together by chance can still have more tokens.
"""

import re

# Letters of scripts that every vocabulary knows one by one: Latin with marks, Greek, Cyrillic, Arabic.
_KNOWN = "\u00c0-\u024f\u0370-\u04ff\u0620-\u064a"
# A space goes with the word behind it, but not with figures, nor with what falls into single bytes.
_PIECES = re.compile(
    rf"(?P<free> (?=[!-/:-~{_KNOWN}]))|(?P<known>[{_KNOWN}])|(?P<word>[A-Z]?[a-z]+)|(?P<capitals>[A-Z]+)|(?P<other>.)", re.DOTALL
)
_EVERYDAY = 8  # letters; longer words are often names, of medicines above all, and fall into shorter pieces


def tokens_at_most(text: str) -> int:
    """An estimate for vocabularies of 32,000 tokens and more."""
    return 1 + sum(_tokens(piece) for piece in _PIECES.finditer(text))


def _tokens(piece: re.Match[str]) -> int:
    text = piece.group()
    match piece.lastgroup:
        case "free":
            return 0
        case "word":
            return -(-len(text) // (3 if len(text) <= _EVERYDAY else 2))
        case "capitals":
            return len(text)
        case "known":
            return 1
    return len(text.encode("utf-8", "replace"))
