"""One answer against the sources that it was given, sentence by sentence. Pure.

What is looked at: marks, quotations, figures with units, frequencies, names of medicines, negations and opposites, references. What is not:
whether a sentence follows from its source in any other respect, and whether the source is right.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from med42_chat.checks.figures import Measure, codes
from med42_chat.checks.medicines import Medicines
from med42_chat.checks.passages import Nearest, Passage, Statement, exchanged, nearest, negation_before, read, stands_in, statement
from med42_chat.checks.polarity import contradiction, wording
from med42_chat.checks.references import Reference, names, references
from med42_chat.checks.text import MARK, Span, marked, plain, quotations, row_below, sentences, without_names
from med42_chat.checks.words import elsewhere, listed, out_of_place, place, written
from med42_chat.records import Finding, FindingKind, FindingState, Source

# A word or two between quotation marks are a term more often than a quotation.
_FEWEST_QUOTED = 3
# Of a sentence that rests on a source, in other words too, at least this share of the words that carry meaning stands there.
_STRANGE, _FEWEST_WORDS = 0.4, 4
# What a number without a known unit counts: the sprays of '5 sprays', which are no 5 mg.
_COUNTED = re.compile(r"\s(?!(?:this|thus|plus|minus|less|does|always|unless|across|patients)\b)[a-z]{3,}s\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence of the answer, the sources it names, and the other ones."""

    span: Span
    said: Statement
    cited: tuple[Passage, ...]
    others: tuple[Passage, ...]
    marks: bool
    references: tuple[Reference, ...]

    def finding(self, start: int, end: int, kind: FindingKind, state: FindingState, told: str, passage: Passage | None = None) -> Finding:
        """A finding at a place of this sentence."""
        return Finding(self.span.start + start, self.span.start + end, kind, state, told, passage.number if passage else None)

    def refers(self, start: int, end: int) -> bool:
        """Whether this place is part of a reference, whose digits are no figures."""
        return any(one.start < end and start < one.end for one in self.references)


def check(answer: str, sources: Sequence[Source], medicines: Medicines) -> tuple[Finding, ...]:
    """Every finding on the answer, in the order of its text.

    A sentence is compared with the sources whose marks it has, a table's head without any with those of its first row. Marks are the
    program's own numbers, `[1]` for `sources`' number 1.
    """
    passages = tuple(read(source, medicines) for source in sources)
    found = [finding for span in sentences(answer) for finding in _findings(_sentence(answer, span, passages, medicines), passages)]
    return tuple(sorted(found, key=lambda finding: (finding.start, finding.end)))


def _sentence(answer: str, span: Span, passages: Sequence[Passage], medicines: Medicines) -> _Sentence:
    marks = [marked(mark[1]) for mark in MARK.finditer(span.text)]
    below = [marked(mark[1]) for mark in MARK.finditer(row_below(answer, span) or "")]
    named = frozenset[int]().union(*(marks or below))
    return _Sentence(
        span,
        statement(without_names(span.text), medicines),
        tuple(passage for passage in passages if passage.number in named),
        tuple(passage for passage in passages if passage.number not in named),
        bool(marks),
        tuple(references(span.text)),
    )


def _findings(sentence: _Sentence, passages: Sequence[Passage]) -> Iterator[Finding]:
    yield from _marks(sentence, passages)
    yield from _references(sentence, passages)
    quoted = [*_quotations(sentence, passages), *_word_for_word(sentence)]
    yield from quoted
    if not sentence.cited:
        yield from _unsourced(sentence)
        return
    near = nearest(sentence.said, sentence.cited)
    compared = [*_measures(sentence, near), *_codes(sentence), *_medicines(sentence, near), *_polarity(sentence, near)]
    yield from compared
    if sentence.marks and not (compared or quoted or sentence.references):
        yield _bare(sentence)


def _bare(sentence: _Sentence) -> Finding:
    """On a sentence with a mark and nothing to compare but its words."""
    words, there = sentence.said.wording.stems, frozenset[str]().union(*(passage.stems for passage in sentence.cited))
    state: FindingState = "not_checked"
    told = "Only the mark was looked at: there is no quotation, figure or medicine here to compare."
    if len(words) >= _FEWEST_WORDS and len(words & there) < _STRANGE * len(words):
        state, told = "doubtful", f"Few words of this sentence stand in {listed(passage.number for passage in sentence.cited)}."
    return sentence.finding(0, len(sentence.span.text), "sentence", state, f"{told} Please read the source.", sentence.cited[0])


def _marks(sentence: _Sentence, passages: Sequence[Passage]) -> Iterator[Finding]:
    numbers = {passage.number for passage in passages}
    for mark in MARK.finditer(sentence.span.text):
        missing = marked(mark[1]) - numbers
        if missing:
            there = f"This answer was given {listed(numbers)}." if numbers else "This answer was given no sources."
            yield sentence.finding(*mark.span(), "mark", "not_found", f"{mark[0]} names a source that does not exist. {there}")
        else:
            (first, *_) = (passage for passage in sentence.cited if passage.number in marked(mark[1]))
            yield sentence.finding(*mark.span(), "mark", "found", f"{mark[0]} names a source that this answer was given.", first)


def _references(sentence: _Sentence, passages: Sequence[Passage]) -> Iterator[Finding]:
    for one in sentence.references:
        holder = next((passage for passage in passages if names(f"{passage.source.title}\n{passage.source.text}", one)), None)
        if holder:
            told = f"{written(one.text)} is named in {place(holder)}."
            yield sentence.finding(one.start, one.end, "reference", "found", told, holder)
        else:
            told = f"{written(one.text)} is named in none of the sources. It may not exist: models make up references."
            yield sentence.finding(one.start, one.end, "reference", "not_found", told)


def _quotations(sentence: _Sentence, passages: Sequence[Passage]) -> Iterator[Finding]:
    for quotation in quotations(sentence.span.text):
        parts = [part for part in (plain(part).strip(" .,;:!?") for part in _around_gaps(quotation.text)) if part]
        if sum(len(part.split()) for part in parts) >= _FEWEST_QUOTED or any(character.isdigit() for part in parts for character in part):
            rest = sentence.span.text[: quotation.start] + sentence.span.text[quotation.end :]
            state, told, holder = _quoted(parts, bool(wording(rest).negations), sentence, passages)
            yield sentence.finding(quotation.start, quotation.end, "quotation", state, told, holder)


def _word_for_word(sentence: _Sentence) -> Iterator[Finding]:
    """On a sentence that stands in its source as it is, though no quotation marks say so."""
    said = MARK.sub(lambda mark: " " * len(mark[0]), without_names(sentence.span.text))
    words = plain(said).strip(" .,;:!?|")
    if not sentence.cited or len(words.split()) < _FEWEST_QUOTED or next(quotations(said), None):
        return
    state, told, holder = _quoted([words], False, sentence, ())
    if state == "found":  # else it only says something alike, and is compared as other sentences are
        yield sentence.finding(len(said) - len(said.lstrip()), len(said.rstrip()), "quotation", state, told, holder)


def _around_gaps(quotation: str) -> list[str]:
    """The pieces of a quotation with something left out: 'stop it … and wait'."""
    return quotation.replace("[...]", "…").replace("[…]", "…").replace("...", "…").split("…")


def _quoted(parts: list[str], negates: bool, sentence: _Sentence, passages: Sequence[Passage]) -> tuple[FindingState, str, Passage | None]:
    where = sentence.cited or tuple(passages)
    holder = next((passage for passage in where if _in_order(parts, passage)), None)
    if holder:
        negations = [negation_before(holder, start) for start in stands_in(parts[0], holder)]
        if all(negations) and not negates:
            told = f"These words stand in {place(holder)}, right after {written(negations[0])}, which is left out here."
            return "doubtful", told, holder
        unmarked = "" if sentence.cited else " This sentence does not name it."
        return "found", f"These words stand in {place(holder)}.{unmarked}", holder
    others = [passage for passage in sentence.others if sentence.cited and _in_order(parts, passage)]
    if sentence.cited:
        named = listed(passage.number for passage in sentence.cited)
        return "not_found", f"These words do not stand in {named}.{elsewhere(others, 'They stand')}", sentence.cited[0]
    return (
        ("not_found", "These words stand in none of the sources.", None)
        if passages
        else ("not_checked", "There is no source to look in.", None)
    )


def _in_order(parts: list[str], passage: Passage) -> bool:
    position = 0
    for part in parts:
        start = next((start for start in stands_in(part, passage) if start >= position), None)
        if start is None:
            return False
        position = start + len(part)
    return True


def _unsourced(sentence: _Sentence) -> Iterator[Finding]:
    if any(not sentence.refers(one.start, one.end) and (one.unit or not one.spelled) for one in sentence.said.measures):
        named = "names no source that exists" if sentence.marks else "names no source"
        told = f"This sentence has figures and {named}. They were not checked."
        yield sentence.finding(0, len(sentence.span.text), "unsourced", "not_checked", told)


def _measures(sentence: _Sentence, near: Nearest | None) -> Iterator[Finding]:
    close = near if near and near.close else None
    swapped = exchanged(sentence.said, close.statement)[0] if close else set()
    for one in sentence.said.measures:
        # 'Two options' is the answer's own counting, unless the source's sentence counts too.
        counts = one.spelled and not one.unit
        if sentence.refers(one.start, one.end) or (counts and one.key not in swapped):
            continue
        if close and one.key in swapped:
            told = out_of_place(one.text, close)
            somewhere = any(one.key in passage.measures for passage in sentence.cited)
            yield sentence.finding(one.start, one.end, one.kind, "doubtful" if somewhere else "not_found", told, close.passage)
        else:
            state, told, passage = _looked_up(one, sentence)
            yield sentence.finding(one.start, one.end, one.kind, state, told, passage)


def _looked_up(one: Measure, sentence: _Sentence) -> tuple[FindingState, str, Passage]:
    for passage in sentence.cited:
        same = passage.measures.get(one.key) or (passage.numbers.get(one.number) if not one.unit else None)
        if same:
            as_written = "" if plain(same.text) == plain(one.text) else f" as {written(same.text)}"
            counted = None if one.unit or not same.unit else _COUNTED.match(sentence.said.text, one.end)
            if counted:
                told = f"{place(passage).capitalize()} has {written(same.text)}, not {written(one.text + counted[0])}."
                return "doubtful", told, passage
            return "found", f"{written(one.text)} stands in {place(passage)}{as_written}.", passage
    for passage in sentence.cited:
        bare = passage.numbers.get(one.number)
        if bare and not bare.unit and one.kind == "figure":
            return "doubtful", f"{place(passage).capitalize()} has the number {written(bare.text)}, without this unit.", passage
    named = listed(passage.number for passage in sentence.cited)
    others = [passage for passage in sentence.others if one.key in passage.measures]
    return "not_found", f"{written(one.text)} does not stand in {named}.{elsewhere(others)}", sentence.cited[0]


def _codes(sentence: _Sentence) -> Iterator[Finding]:
    """B6 where the source has B12 alone. Another name with a number in it (CO2) may well be the answer's own way to put it."""
    for code in codes(sentence.span.text):
        letters = _letters(code[0])
        there = {other: passage for passage in sentence.cited for other in passage.codes if _letters(other) == letters}
        if there and not sentence.refers(*code.span()) and code[0].casefold() not in there:
            other, passage = min(there.items(), key=lambda entry: entry[0])
            told = f"{written(code[0])} does not stand in {place(passage)}, which has {written(other.upper())}."
            yield sentence.finding(*code.span(), "figure", "not_found", told, passage)


def _letters(code: str) -> str:
    return "".join(character for character in code.casefold() if character.isalpha())


def _medicines(sentence: _Sentence, near: Nearest | None) -> Iterator[Finding]:
    close = near if near and near.close else None
    swapped = exchanged(sentence.said, close.statement)[1] if close else set()
    for named in sentence.said.medicines:
        name = written(sentence.said.text[named.start : named.end])
        holder = next((passage for passage in sentence.cited if named.name in passage.medicines), None)
        if close and holder and named.name in swapped:
            told = out_of_place(sentence.said.text[named.start : named.end], close)
            yield sentence.finding(named.start, named.end, "drug", "doubtful", told, close.passage)
        elif holder:
            yield sentence.finding(named.start, named.end, "drug", "found", f"{name} is named in {place(holder)}.", holder)
        else:
            cited = listed(passage.number for passage in sentence.cited)
            others = [passage for passage in sentence.others if named.name in passage.medicines]
            told = f"{name} is not named in {cited}.{elsewhere(others, 'It is named')}"
            yield sentence.finding(named.start, named.end, "drug", "not_found", told, sentence.cited[0])


def _polarity(sentence: _Sentence, near: Nearest | None) -> Iterator[Finding]:
    against = contradiction(sentence.said.wording, near.statement.wording, near.close) if near else None
    if near and against:
        here, there = (written(word) if word else "" for word in against)
        what = f"{here} here and {there} there" if here and there else f"{here} stands only here" if here else f"{there} stands only there"
        told = f"This may say the opposite of {place(near.passage)}: {what}. It says: {written(near.statement.text)}"
        yield sentence.finding(0, len(sentence.span.text), "polarity", "doubtful", told, near.passage)
