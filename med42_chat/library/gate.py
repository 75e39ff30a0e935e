"""The evidence gate: which of the passages that a search found may stand before the model. Pure.

A search always finds something. What it found counts here as far as it has the words that say what the question is about, each by how rare
it is in the library; everyday words count for little, since a document may put them otherwise. Where a question asks for an amount or a
time, a sentence that has one must speak of the same thing.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from med42_chat.library.english import KINDS, SHORT
from med42_chat.library.words import alike, stem, stems, telling, weak, words
from med42_chat.records import Find

MOST = 5

# The margins, chosen on tests/library/gate/development.toml; what they come to on other questions, docs/library.md says.
_ENOUGH = 0.635  # of the question, that the best passage has
_BESIDE = 0.75  # of what the best has, that a further one has
_RAREST = 3.0  # beyond this a word weighs no more: a small library has every second word but once
_DOUBT = 0.5  # added to what the question weighs: one of everyday words alone is never answered for certain
_WEAK = 0.3  # times the weight of an everyday word, or of a figure: a patient's value lies between those of a table
_SENTENCE = 0.2  # how much the best sentence counts beside the whole passage
_ANSWER = 0.5  # how much, where an amount or a time is asked for, the best sentence with one counts
_HEADING = 0.4  # how much, where all of a subject is asked for, the headings count
_CONTEXT = 0.5  # times the weight of a word that is only leaned on: 'and magnesium?' is about that in the place of something else

_SENTENCES = re.compile(r"(?<=[.;!?])\s+|\n+")
_TIME = re.compile(r"\b(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|daily|weekly)\b|\b\d\d[:.]\d\d\b")
_AMOUNT = re.compile(r"\d\s*(?:mg|g|kg|ml|l|units?|mmol|micrograms?|µg|mcg|litres?|%)(?!\w)")
_NUMBER = re.compile(
    r"(?:\d[\d.,]*|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|half|once|twice)\b)"
    r"(?!\s*(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?)\b)(?![\d.,])"
)
_TELEPHONE = re.compile(r"\d{3,}")
_SOMEBODY = re.compile(
    r"\b(?:\w+olog\w+|an(?:ae|e)sthetist|consultant|dietitian|doctor|nurse|pharmacist|registrar|surgeon|team|therapist|unit)\b"
)
# What is asked for, and what its answer must have.
_ASKED = (
    (re.compile(r"\b(?:telephone|phone|number|extension|bleep)\b"), _TELEPHONE),
    (
        re.compile(r"\bwhom\b|\bwho (?:decides?|helps?|must|should|do i|is (?:asked|called|contacted|informed|responsible|told))\b"),
        _SOMEBODY,
    ),
    (re.compile(r"\bhow (?:long|soon|fast|quickly|often|recent|old|early|late)\b|\bwhat time\b|\binterval|\bduration"), _TIME),
    (re.compile(r"\bhow many (?:minutes|hours|days|weeks|months)\b"), _TIME),
    (re.compile(r"\bdos(?:e|ed|es|age|ing)\b|\bhow much\b|\bamount\b|\bmaximum\b"), _AMOUNT),
    (re.compile(r"\bhow (?:many|high|low)\b|\bminimum\b|\bvolume\b|\brate\b|\btarget\b|\bscore\b|\blevel\b"), _NUMBER),
    *((re.compile(rf"\b(?:what|which) (?:{'|'.join(kind)})\b"), re.compile(rf"\b(?:{'|'.join(members)})\b")) for kind, members in KINDS),
)

# Asked of an illness as a whole, which a document must be about: a list that names it among others is no answer.
_OVERVIEW = re.compile(
    r"\b(?:treat(?:ed|ment)?|manage(?:d|ment)|recogni[sz]ed?|diagnos\w+|defin(?:ed|ition)|investigated|symptoms|prognosis)\b"
)

Forms = Sequence[tuple[str, str]]  # abbreviations with what they stand for


@dataclass(frozen=True, slots=True)
class _Question:
    """`weights` are of its telling words; `asked` is what an answer must have, None for anything; `overview` asks for all of a subject."""

    weights: Mapping[str, float]
    forms: Forms
    asked: re.Pattern[str] | None
    overview: bool

    def share(self, have: frozenset[str]) -> float:
        """How much of the question a text with these stems has, 0 to 1."""
        found = sum(weight for word, weight in self.weights.items() if self._stands_in(word, have))
        return found / (sum(self.weights.values()) + _DOUBT)

    def _stands_in(self, word: str, have: frozenset[str]) -> bool:
        return not alike(word).isdisjoint(have) or any(_short_or_long(word, short.casefold(), long, have) for short, long in self.forms)


def passing(
    question: str,
    finds: Sequence[Find],
    rarity: Callable[[Sequence[str]], Mapping[str, float]],
    forms: Forms = (),
    context: str = "",
) -> list[Find]:
    """At most five of the finds, the best first; none where none answers the question.

    `rarity` gives for words how rare each is in the library, `forms` are the abbreviations that stand in the question, either way;
    `context` has words of an earlier question that this one leans on.
    """
    asked = _question(question, context, rarity(telling(f"{question} {context}")), forms)
    values = [(_value(asked, find), -place) for place, find in enumerate(finds)]
    best = max(values, default=(0.0, 0))[0]
    if best < _ENOUGH:
        return []
    good = sorted((value for value in values if value[0] >= best * _BESIDE), reverse=True)
    return list(_once(finds[-place] for _, place in good))[:MOST]


def _question(words: str, context: str, rarity: Mapping[str, float], forms: Forms) -> _Question:
    text = f"{words} {context}"
    plain, written = text.casefold(), re.findall(r"\w+", text)
    leaned_on = _CONTEXT if telling(words) else 1.0  # 'why?' is about the same thing altogether
    weights = {word: _weight(word, rarity.get(word, 0.0)) * leaned_on for word in telling(context)}
    weights |= {word: _weight(word, rarity.get(word, 0.0)) for word in telling(words)}
    known = [pair for pair in SHORT if pair[0] in written or pair[1] in plain]
    asked = next((answer for asks, answer in _ASKED if asks.search(plain)), None)
    return _Question(weights, (*forms, *known), asked, bool(_OVERVIEW.search(plain)))


def _weight(word: str, rarity: float) -> float:
    return min(rarity, _RAREST) * (_WEAK if weak(word) or word[0].isdigit() else 1.0)


def _value(question: _Question, find: Find) -> float:
    """How much of the question the find has: as a whole, and in the sentence that may be the answer."""
    passage = find.passage
    over = stems(" ".join([find.holding.title, *passage.heading_path]))
    sentences = [one for one in _SENTENCES.split(passage.text) if question.asked is None or question.asked.search(one.casefold())]
    best = max((question.share(over | stems(sentence)) for sentence in sentences), default=0.0)
    part = _SENTENCE if question.asked is None else _ANSWER
    value = (1 - part) * question.share(over | stems(passage.text)) + part * best
    return (1 - _HEADING) * value + _HEADING * question.share(over) if question.overview else value


def _short_or_long(word: str, short: str, long: str, have: frozenset[str]) -> bool:
    """Whether the other form of an abbreviation stands there: what AKI is short for, or AKI for each of those words."""
    return (word == short and stems(long) <= have) or (word in words(long) and stem(short) in have)


def _once(finds: Iterable[Find]) -> Iterator[Find]:
    """Of passages that share text, the first."""
    kept: list[Find] = []
    for find in finds:
        if not any(_overlap(find, other) for other in kept):
            kept.append(find)
            yield find


def _overlap(one: Find, other: Find) -> bool:
    same = (one.holding.id, one.passage.page) == (other.holding.id, other.passage.page)
    return same and one.passage.start < other.passage.end and other.passage.start < one.passage.end
