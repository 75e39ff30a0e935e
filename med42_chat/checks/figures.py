"""Figures with their units, and frequencies, in one form however they are written: 0.5 g is 500 mg, tds is every 8 hours. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from med42_chat.checks.text import level
from med42_chat.checks.units import FREQUENCIES, PERIODS, SCALES, SPELLED, UNITS, unit


def _any(words: Iterable[str]) -> str:
    """A pattern for any of them, the longest that fits."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


# What may stand between a figure and what belongs to it: in '**5** mg' the emphasis reads as spaces.
_GAP = r"[\s_]{0,6}"
_SCALE = rf"(?:-|(?=[\s_]){_GAP})(?:{_any(SCALES)})\b"
# Longer ones are no figures of a text on medicine, and take long to read.
_DIGITS = (
    r"(?:[1-3]/[2-4](?=\s(?:tab|cap|amp|vial|sachet|patch|m?g\b|mL\b))|\d{1,3}(?:[,\u2009 ]\d{3}){1,4}(?!\d)(?:\.\d{1,15})?"
    r"|\d{1,15}(?!\d)(?:[.,]\d{1,15}(?!\d))?(?:\^\d{1,2}|[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2})?[½¼¾]?|\.\d{1,15}|[½¼¾])"
    rf"(?:{_SCALE})?"
)
_ONE_WORD = _any(word for word in SPELLED if word not in ("a", "an", "half a", "half an", "once", "twice", "thrice"))
_ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SMALL = rf"(?:(?:{_any(word for word in SPELLED if word.endswith('ty'))})[\s-](?:{_any(_ONES)})|{_ONE_WORD})\b"
# 'twenty-five', 'one hundred and fifty', 'two and a half', 'half a million'; 'one hundred and two hundred' are two.
_WORDS = (
    rf"(?:(?:(?:half )?an?(?={_SCALE})|{_SMALL})(?:(?:{_SCALE}){{1,2}}(?:\s(?:and\s)?(?!half){_SMALL}(?!{_SCALE}))?)?(?:\sand\sa\shalf)?)"
)
_NUMBER = rf"(?:{_DIGITS}|\b(?:{_WORDS})\b)"
_TIME = _any(word for word, (base, _) in UNITS.items() if base in ("s", "month") and len(word) > 1)
_UNIT = rf"(?:{_any(UNITS)}|per cent)(?![^\W\d_])"
_PER = rf"{_GAP}(?:/|per\b|(?:an?|each)\b(?=\s+(?:{_TIME})\b))\s*(?:1\.73\s*m(?:2|²|\^2)|{_UNIT})"

_FIGURE = re.compile(
    rf"(?<![^\W_])(?<!\d[.,])(?P<sign>(?:(?<=[\s(])|^)-(?=\d))?"
    rf"(?:(?P<number>{_DIGITS})|(?P<word>\b(?:half an?(?!{_SCALE})|{_WORDS})\b|\ban?\b(?=\s+(?:{_TIME})\b)))"
    rf"(?:(?:-\s?|{_GAP})(?P<unit>{_UNIT})(?P<per>(?:{_PER})*))?",
    re.IGNORECASE,
)
_PERIOD = _any(PERIODS)
_DAYS = r"(?:day|night|week|month)\b"  # '4 a day' says how often; '100 a minute' is a rate
_BY = rf"\s*(?:times\b|x\b|×|doses\b|(?:/|per\b|an?\b)\s*{_DAYS})"
_TIMES = rf"(?P<times>\bonce|\btwice|\bthrice|{_NUMBER}(?=(?:\s*(?:to|or|-)\s*{_NUMBER})?{_BY}))"
_FREQUENCY = re.compile(
    rf"(?<![\w.])(?:"
    rf"{_TIMES}(?:\s*(?:to|or|-)\s*(?P<times2>{_NUMBER}))?\s*(?:times|[x×]|doses)?"
    rf"\s*(?:(?:in )?an?|per|each|every|[/-])?\s*(?P<each>{_PERIOD})"
    rf"|(?:every|each)\s+(?P<gap>{_NUMBER})(?:\s*(?:to|or|-)\s*(?P<gap2>{_NUMBER}))?[\s-]*(?P<of>{_PERIOD})"
    rf"|(?P<hours>{_NUMBER})(?:\s*(?:to|or|-)\s*(?P<hours2>{_NUMBER}))?[\s-]*(?P<ly>hourly)"
    rf"|q\s?(?P<q>\d{{1,3}})(?:-(?P<q2>\d{{1,3}}))?\s?(?P<qh>h|hr|hours?)"
    rf"|in\s+(?P<divided>{_NUMBER})(?:\s*(?:to|or|-)\s*(?P<divided2>{_NUMBER}))?\s+divided\s+doses"
    rf"|(?P<known>{_any(FREQUENCIES)})"
    rf")(?!\w)",
    re.IGNORECASE,
)
_BELOW = re.compile(rf"(?:/|per\b|an?\b|each\b)\s*({_UNIT})", re.IGNORECASE)
# 'per hour' and longer says how often; 'per minute' is a rate.
_OFTEN = frozenset(word for word, a_day in PERIODS.items() if a_day <= 24)
_PAGE = re.compile(r"\b(?:pages?|pp?\.)\s*\d+(?:\s*-\s*\d+)?", re.IGNORECASE)
_JOINED = re.compile(r"\s*(?:-|to|or|and|/)\s*", re.IGNORECASE)
_CODE = re.compile(r"(?<![\w-])(?=[^\W\d_])[^\W_]*?[^\W\d_]-?\d[^\W_]*(?![\w-])")
_PARTS = {"½": Fraction(1, 2), "¼": Fraction(1, 4), "¾": Fraction(3, 4)}
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


@dataclass(frozen=True, slots=True)
class Measure:
    """A number as it stands at `start` to `end` of a text, and what it says: `value` of `unit`, or so many times a day.

    `number` is as written, `value` in the unit's base (0.5 for 500 mg); `unit` is '' for a number alone. `spelled` is a number in words.
    """

    start: int
    end: int
    text: str
    number: Fraction
    value: Fraction
    unit: str = ""
    kind: Literal["figure", "frequency"] = "figure"
    spelled: bool = False

    @property
    def key(self) -> tuple[Fraction, str]:
        """The same for 500 mg and 0.5 g."""
        return self.value, self.unit


def measures(text: str) -> tuple[Measure, ...]:
    """Every figure and frequency, in the order of the text. Page numbers are none."""
    text = level(text)
    taken = [found.span() for found in _PAGE.finditer(text)]
    frequencies = [one for found in _FREQUENCY.finditer(text) for one in _frequency(found)]
    taken += [(one.start, one.end) for one in frequencies] + [found.span() for found in codes(text)]
    figures = [found for found in _FIGURE.finditer(text) if not any(start < found.end() and found.start() < end for start, end in taken)]
    listed = _share_units([one for found in figures for one in _figure(found)], text)
    return tuple(sorted([*frequencies, *listed], key=lambda one: (one.start, one.value)))


def codes(text: str) -> Iterator[re.Match[str]]:
    """Names with a number in them, such as B12, CD4, NG28; not '5mg', which is a figure, nor cmH2O, which is a unit."""
    return (found for found in _CODE.finditer(level(text)) if found[0] not in UNITS)


def _value(written: str) -> Fraction:
    """Of digits or a word; 'twice' is 2, '2½' is 5/2, '10⁹' and '10^9' are what they say."""
    words = re.findall(r"[a-z]+", written.casefold())
    if words and words[-1] in SCALES and not written[0].isalpha():
        return _value(written.removesuffix(written[-len(words[-1]) :]).rstrip(" \t\n_-")) * SCALES[words[-1]]
    if written[0].isalpha():
        return _spelled(" ".join(words))
    if "/" in written:
        return Fraction(written)
    part = _PARTS.get(written[-1], Fraction(0))
    digits = written.rstrip("½¼¾")
    base, power = re.fullmatch(r"([^⁰¹²³⁴⁵⁶⁷⁸⁹^]*)\^?(.*)", digits).groups() if digits else ("0", "")  # type: ignore[union-attr]
    grouped = re.sub(r"[,\u2009 ](?=\d{3}(?:\D|$))", "", base) if re.match(r"\d{1,3}(?:[,\u2009 ]\d{3})+(?!\d)", base) else base
    number = Fraction(grouped.replace(",", "."))
    return (number ** int(power.translate(_RAISED)) if power else number) + part


def _spelled(words: str) -> Fraction:
    """Of a number in words: 'one hundred and fifty' is 150, 'half a million' 500,000."""
    whole = words.removesuffix(" and a half")
    if whole in SPELLED:
        return SPELLED[whole] + Fraction(whole != words, 2)
    before, _, small = whole.rpartition(" ")
    half = Fraction(whole != words, 2)
    if small in SCALES:
        return _spelled(before) * SCALES[small] + half
    return _spelled(before.removesuffix(" and")) + SPELLED[small] + half


def _frequency(found: re.Match[str]) -> Iterator[Measure]:
    """Once for 'every 6 hours', twice for 'every 4 to 6 hours', as times in a day."""
    known = found["known"]
    if known:
        yield _times(found, FREQUENCIES[known.casefold()])
    for name, period, inverse in (("times", "each", False), ("gap", "of", True), ("hours", "ly", True), ("q", "qh", True)):
        for written in (found[name], found[f"{name}2"]):
            if written:
                count, a_day = _value(written), PERIODS[found[period].casefold()]
                yield _times(found, a_day / count if inverse and count else a_day * count)
    for written in (found["divided"], found["divided2"]):
        if written:
            yield _times(found, _value(written))


def _times(found: re.Match[str], a_day: Fraction) -> Measure:
    return Measure(found.start(), found.end(), found[0], a_day, a_day, "a day", "frequency")


def _figure(found: re.Match[str]) -> Iterator[Measure]:
    """The figure, and for '5 mg a day' the frequency that its unit ends with."""
    number = _value(found["number"] or found["word"]) * (-1 if found["sign"] else 1)
    spelled = found["word"] is not None
    if not found["unit"]:
        yield Measure(found.start(), found.end(), found[0], number, number, spelled=spelled)
        return
    name, factor = _unit(found["unit"])
    often = None
    for per in _BELOW.finditer(found["per"]):
        if per[1].casefold() in _OFTEN:
            often = per
        else:
            below, parts = _unit(per[1])
            name, factor = f"{name}/{below}", factor / parts
    yield Measure(found.start(), found.end(), found[0], number, number * factor, name, spelled=spelled)
    if often:
        start, a_day = found.start("per") + often.start(), PERIODS[often[1].casefold()]
        yield Measure(start, start + len(often[0]), often[0], a_day, a_day, "a day", "frequency")


def _unit(spelling: str) -> tuple[str, Fraction]:
    return unit("percent" if spelling.casefold() == "per cent" else spelling)


def _share_units(listed: list[Measure], text: str) -> list[Measure]:
    """The 5 of '5 to 10 mg' is 5 mg: a number alone has the unit of the one it is joined to."""
    for index in range(len(listed) - 2, -1, -1):
        this, following = listed[index], listed[index + 1]
        if this.unit or not following.unit or not _JOINED.fullmatch(text, this.end, following.start):
            continue
        if following.kind == "figure" and following.number:
            factor = following.value / following.number
            listed[index] = replace(this, value=this.number * factor, unit=following.unit)
    return listed
