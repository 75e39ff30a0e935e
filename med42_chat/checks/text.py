"""Text as a check sees it: sentences, marks such as [1], quotations, and the form in which layout makes no difference. Pure."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from med42_chat.checks.units import UNITS

# Before an address in brackets it is a link's name, and the page shows a link.
MARK = re.compile(r"\[(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\](?!\(\S*\))")
_UNIT = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))
# Not 'a potassium source 40 mmol', nor 'source 2.5 mg'.
_NAME = re.compile(rf"\b[Ss]ources? \d{{1,2}}(?:(?:, | and |, and | or )\d{{1,2}})*\b(?![.,]\d|[\s-]?(?:{_UNIT})(?![^\W\d_]))(?: says?:)?")

# 'amoxi-' at a line's end, in small letters or in capitals: a hyphen before a capital, as in 'anti-D', is the word's own.
_BROKEN = re.compile(r"\u00ad\s*|(?:(?<=[a-z])[-‐‑][ \t]*\n\s*(?=[a-z])|(?<=[A-Z])[-‐‑][ \t]*\n\s*(?=[A-Z]))")
# A new block: an empty line, or a line that begins like a list, a heading, a table's row or a quotation. Other line ends are layout.
_BLOCK = re.compile(r"\n(?=[ \t]*(?:\n|[-*+•][ \t]|\d{1,2}[.)][ \t]|#|\||>))|(?<=\|)[ \t]*\n|^#[^\n]*\n", re.MULTILINE)
# A quotation's sign before a figure is rather 'more than': '- > 50 ml/min' is not '50 ml/min'.
_LEAD = re.compile(r"(?:\s|(?!>\s*\d)[-*+•#>|](?=[\s#>|])|\d{1,2}[.)](?=\s))*")
_END = re.compile(r"[.!?…][\"”’»')*_]*(?:\s?\[\d[\d,;\s–-]*\])*(?!\s?\[\d)(?=\s+[\"“‘«(\[*_]*[^\Wa-zß-ÿ_])")
# From the end of a table's head over the line below it to the first row.
_UNDER_HEAD = re.compile(r"[ |]*\n[ \t|:]*-[ \t|:-]*(?:\n([^\n]*)|\Z)")
# What a full stop may follow without ending a sentence.
_SHORT = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|i\.[mv]|p\.[or]|s\.c|b\.[di]\.?d?|t\.[di]\.?[ds]|vs|cf|approx|fig|dr|mr|mrs|prof|st|et al|resp|[A-Z])$",
    re.IGNORECASE,
)
# Straight and curly; single ones only where an apostrophe cannot be meant.
_QUOTED = re.compile(
    r"“([^“”]{1,900})”|\"([^\"]{1,900})\"|«([^«»]{1,900})»|(?<!\w)‘([^‘]{1,900}?)’(?!\w)|(?<![\w'])'([^'\n]{1,900})'(?!\w)"
)

_LETTERS = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_UNSEEN = dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", "")
_LIGATURES = str.maketrans({**_LETTERS, **_UNSEEN})
_SAME = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("“”„‟«»″", '"'),
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **_UNSEEN,
        "*": "",
        **dict.fromkeys("⁄∕", "/"),
        "μ": "µ",
        **_LETTERS,
    }
)
# The last four are letters that a pattern takes for i, s and k, and a table does not.
_LEVEL = str.maketrans("‐‑‒–—−\u00a0\u202f*`μ’⁄∕İıſ\u212a", "------ \u2009  µ'//iisK")
_TIMES = re.compile(r"(?<=\d)\*(?=\d)")  # no emphasis: 2*500 is not 2500
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01234567890123456789")
_LAYOUT = (
    (re.compile(r"\u00ad\s*"), ""),  # a soft hyphen, and the line end after it
    (re.compile(r"(?<=\d)(?=[⁰¹²³⁴⁵⁶⁷⁸⁹])"), "^"),  # 10⁹ is not 109
    (re.compile(r"(?<=[^\W\d_])-\s*(?=[^\W\d_])"), ""),  # a word broken at a line end, which may have had its hyphen before
    (re.compile(r"(?<=\d)-\s+(?=\w)|(?<=\d)\s+-\s+(?=\d)"), "-"),
    (re.compile(r"\s+"), " "),
    (re.compile(r"(?<=[<>≤≥±=(\[]) | (?=[,.;:!?)\]])"), ""),
    (re.compile(r"(?<=\d)(?=[^\W\d_]|[%°])"), " "),  # 5mg is 5 mg
)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text: `text` stands at `start` of the whole."""

    start: int
    text: str

    @property
    def end(self) -> int:
        """Where it ends in the whole."""
        return self.start + len(self.text)


def sentences(text: str) -> Iterator[Span]:
    """The text's sentences, list items, headings and rows, without what stands in front of a list item.

    A mark after the full stop belongs to the sentence before it, and a quotation is never cut.
    """
    for block in _cut(text, 0, [found.end() for found in _BLOCK.finditer(text)]):
        quoted = [(quotation.start, quotation.end) for quotation in quotations(block.text)]
        ends = [end for end in _ends(block.text) if not any(start < end < stop for start, stop in quoted)]
        yield from _cut(block.text, block.start, ends)


def _ends(text: str) -> Iterator[int]:
    return (found.end() for found in _END.finditer(text) if not _SHORT.search(text, max(0, found.start() - 12), found.start()))


def _cut(text: str, offset: int, ends: list[int]) -> Iterator[Span]:
    for start, end in zip([0, *ends], [*ends, len(text)], strict=True):
        lead = _LEAD.match(text, start, end)
        begin = lead.end() if lead else start
        words = text[begin:end].rstrip()
        if words:
            yield Span(offset + begin, words)


def row_below(text: str, span: Span) -> str | None:
    """The first row of the table whose head this sentence of the text is; None for what is no table's head."""
    found = _UNDER_HEAD.match(text, span.end) if "|" in span.text else None
    return (found[1] or "") if found else None


def quotations(text: str) -> Iterator[Span]:
    """What stands between quotation marks, without them."""
    for found in _QUOTED.finditer(text):
        group = found.lastindex or 0
        yield Span(found.start(group), found[group])


def marked(mark: str) -> frozenset[int]:
    """The numbers that a mark names: {2, 3, 4} for '2-4', {1, 3} for '1, 3'."""
    numbers: set[int] = set()
    for part in re.split(r"\s*[,;]\s*", mark):
        first, *_, last = [int(number) for number in re.split(r"\s*[–-]\s*", part)] * 2
        numbers.update(range(min(first, last), max(first, last) + 1))
    return frozenset(numbers)


def without_names(text: str) -> str:
    """An answer's text, as long as before, without 'source 2 says:' and 'sources 1 and 3', whose digits are no figures.

    Nor does '&nbsp;' part a figure from its unit.
    """
    return _NAME.sub(lambda name: " " * len(name[0]), text.replace("&nbsp;", " " * len("&nbsp;")))


def plain(text: str) -> str:
    """The form in which two texts are the same when only layout differs.

    Line breaks, hyphenation, ligatures, kinds of spaces, dashes and quotation marks, capitals, emphasis and marks make no difference.
    Every digit, sign, unit and word does.
    """
    text = _TIMES.sub("×", unicodedata.normalize("NFC", MARK.sub("", text))).translate(_SAME)
    for pattern, replacement in _LAYOUT:
        text = pattern.sub(replacement, text)
    return text.translate(_RAISED).casefold().strip()


def unbroken(text: str) -> str:
    """The text with ligatures taken apart and words joined that a line end broke: what a passage is read as."""
    return _BROKEN.sub("", unicodedata.normalize("NFC", text).translate(_LIGATURES))


def level(text: str) -> str:
    """The text with the same number of characters, in which dashes, spaces and the letter µ are always the same one."""
    return _TIMES.sub("×", text).translate(_LEVEL)
