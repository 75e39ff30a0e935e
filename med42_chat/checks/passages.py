"""A source, read once for every sentence that names it. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from med42_chat.checks.figures import Measure, codes, measures
from med42_chat.checks.medicines import Medicines, Named
from med42_chat.checks.polarity import Wording, negated, stem, wording
from med42_chat.checks.text import MARK, plain, sentences, unbroken
from med42_chat.prompt import with_ranges
from med42_chat.records import Source

Key = tuple[Fraction, str]

# From here on a sentence of the answer and one of the source speak of the same thing, or say nearly the same.
_ALIKE = 0.6
_CLOSE = 0.75
_FEWEST = 2  # meaning words and figures that both have to have
_ROW = re.compile(r"^(?!\|)(.* \| .*\S)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence, of a source or of an answer, with what can be compared in it."""

    text: str
    measures: tuple[Measure, ...]
    medicines: tuple[Named, ...]
    wording: Wording

    @property
    def names(self) -> frozenset[str]:
        """Its medicines, as its wording has them."""
        return frozenset(_token(named.name) for named in self.medicines)


@dataclass(frozen=True, slots=True)
class Passage:
    """A source with what can be looked up in it."""

    source: Source
    plain: str
    statements: tuple[Statement, ...]
    measures: dict[Key, Measure]
    numbers: dict[Fraction, Measure]
    medicines: frozenset[str]
    codes: frozenset[str]
    stems: frozenset[str]

    @property
    def number(self) -> int:
        """The source's number."""
        return self.source.number


@dataclass(frozen=True, slots=True)
class Nearest:
    """The sentence of a source that is most like one of the answer; `close` where they say nearly the same."""

    passage: Passage
    statement: Statement
    close: bool


def statement(text: str, medicines: Medicines) -> Statement:
    """Reads one sentence; marks in it are no figures."""
    text = MARK.sub(lambda mark: " " * len(mark[0]), text)
    figures, named = measures(text), tuple(medicines.named(text))
    return Statement(text, figures, named, wording(_compared(text, figures, named)))


def _compared(text: str, figures: Sequence[Measure], medicines: Sequence[Named]) -> str:
    """The sentence without its figures, and with medicines under the one name that they have here."""
    taken = sorted([(one.start, one.end, " ") for one in figures] + [(one.start, one.end, _token(one.name)) for one in medicines])
    pieces, position = [], 0
    for start, end, instead in taken:
        if start >= position:
            pieces += [text[position:start], instead]
        position = max(position, end)
    return "".join([*pieces, text[position:]])


def _token(name: str) -> str:
    return stem("".join(character for character in name if character.isalpha()))


def read(source: Source, medicines: Medicines) -> Passage:
    """Reads a source's text, and its title and headings for figures and names."""
    # A row of a table, as documents are read, ends with its line: what stands in the next one is not said of it.
    rows = _ROW.sub(r"| \1 |", with_ranges(source.text))
    text = unbroken(rows)
    statements = tuple(statement(sentence.text.rstrip("| "), medicines) for sentence in sentences(text))
    above = [statement(heading, medicines) for heading in (source.title, *source.heading_path)]
    listed = [measure for one in (*statements, *above) for measure in one.measures]
    return Passage(
        source,
        plain(rows),
        statements,
        {measure.key: measure for measure in listed},
        {measure.number: measure for measure in listed if measure.kind == "figure"},
        frozenset(named.name for one in (*statements, *above) for named in one.medicines),
        frozenset(found[0].casefold() for part in (text, source.title, *source.heading_path) for found in codes(part)),
        frozenset[str]().union(*(one.wording.stems for one in (*statements, *above))),
    )


def nearest(said: Statement, passages: Sequence[Passage]) -> Nearest | None:
    """The sentence to compare with, or None where no sentence speaks of the same thing.

    Of sentences that are equally like it, the one that shares the most.
    """
    best = max(
        ((_rank(said, one), passage, one) for passage in passages for one in passage.statements), key=lambda found: found[0], default=None
    )
    if best is None or best[0][0] < _ALIKE:
        return None
    (like, _), passage, one = best
    return Nearest(passage, one, like >= _CLOSE)


def _rank(said: Statement, one: Statement) -> tuple[float, int]:
    """How much of what is said the source's sentence says too (0 to 1), and how much that is.

    A figure or medicine that is missing there does not count against it: it may be what was exchanged.
    """
    stems = said.wording.stems & one.wording.stems
    figures = {measure.key for measure in said.measures} & {measure.key for measure in one.measures}
    shared = len(stems) + len(figures)
    if shared < _FEWEST:
        return 0.0, 0
    expected = said.wording.stems - (said.names - one.wording.stems)
    return shared / (len(expected) + len(figures)), shared


def exchanged(said: Statement, source: Statement) -> tuple[set[Key], set[str]]:
    """Figures and medicines that stand in the place of others, when both sentences say nearly the same.

    A figure has been exchanged when the source's sentence does not have it (or not so often), and has one that is missing here, with
    the same unit or the same number.
    """
    here, there = (Counter(measure.key for measure in one.measures) for one in (said, source))
    missing = [measure for measure in source.measures if measure.key in there - here]
    units, numbers = {measure.unit for measure in missing}, {measure.number for measure in missing if measure.unit}
    figures = {one.key for one in said.measures if one.key in here - there and (one.unit in units or (one.unit and one.number in numbers))}
    ours, theirs = (Counter(named.name for named in one.medicines) for one in (said, source))
    return figures, set(ours - theirs) if theirs - ours else set()


def stands_in(words: str, passage: Passage) -> Iterator[int]:
    """Where these words stand in the passage's plain form, word for word and figure for figure."""
    start = passage.plain.find(words)
    while start >= 0:
        if _whole(passage.plain, start, start + len(words)):
            yield start
        start = passage.plain.find(words, start + 1)


def negation_before(passage: Passage, start: int) -> str:
    """The negation that the passage has right before this place, in the same clause and row; '' for none."""
    return negated(" ".join(re.split(r"[.;]\s|\| \|", passage.plain[:start][-80:])[-1].split()[-4:]))


def _whole(text: str, start: int, end: int) -> bool:
    """Whether the place begins and ends with whole words and figures: '5 mg' is not in '25 mg', '0.5 mg', '5 mg/kg' or '<5 mg'."""
    first, last = text[start], text[end - 1]
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if (first.isalnum() and before[-1:].isalnum()) or (last.isalnum() and after[:1].isalnum()):
        return False
    if first.isdigit() and (before[-1:] in tuple("<>≤≥±-^") or re.fullmatch(r"\d[.,:/]", before)):
        return False
    cut_unit = last.isalnum() and re.fullmatch(r"/\w", after)
    cut_figure = last.isdigit() and re.fullmatch(r"[.,:^-]\d", after)
    return not (cut_unit or cut_figure)
