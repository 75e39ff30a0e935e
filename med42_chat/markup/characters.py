"""What single characters mean before any Markdown: which ones may not pass, and what an entity or an escape stands for."""

import html
import html.entities
import re

# Controls (tab and line feed aside), overrides and isolates of writing direction, lone surrogates, private use, noncharacters: they hide
# or reorder words on a screen, and the PDF and XML writers refuse some of them.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff]"
)

PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

ENTITY = re.compile(r"&(?:#[xX][0-9a-fA-F]{1,6}|#[0-9]{1,7}|[A-Za-z][A-Za-z0-9]{1,31});")
_ESCAPE_OR_ENTITY = re.compile(r"\\([!-/:-@\[-`{-~])|" + ENTITY.pattern)


def clean(text: str) -> str:
    """The same text with line ends as line feeds and every unwanted character visibly replaced by U+FFFD."""
    return _UNWANTED.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def decode_entity(entity: str) -> str:
    """The characters of `&name;` or `&#number;`; the entity itself where the name means nothing."""
    decoded = html.unescape(entity)
    # html.unescape knows some names without a semicolon and would turn '&notit;' into '¬it;', which CommonMark does not.
    if entity[1] != "#" and entity[1:] not in html.entities.html5:
        return entity
    return clean(decoded) or "\ufffd"


def unescape(text: str) -> str:
    """Backslash escapes and entities resolved, as in a link's destination."""
    return _ESCAPE_OR_ENTITY.sub(lambda match: match[1] or decode_entity(match[0]), text)
