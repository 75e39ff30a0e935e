"""The evidence gate: which of the passages that a search found may stand before the model. Pure.

A search always finds something. What it found is weighed here by a few signs: how much of what the question is about stands in a passage,
its title and its headings, each word by how rare it is in the library; whether one sentence has it together, and whether that offers what
exactly is asked for (a rate, an interval, by vein); what stands in none of the passages. Their weighted sum decides.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from med42_chat.library.asked import asked_for
from med42_chat.library.aspects import aspects_of
from med42_chat.library.fitted import ENOUGH, WEIGHTS
from med42_chat.library.lexicon import Meaning, lexicon
from med42_chat.library.shorthand import short_for
from med42_chat.library.words import same_root, stem, stems, telling, weak, words
from med42_chat.records import Find

MOST = 5

_NEVER = -math.inf
_EVERYTHING = 1.0
BESIDE = 2.1  # below the best, where a further one is still let through
_ITSELF = 0.5  # how much it counts for the order that a passage has the question in its own text, and not in its headings

_RAREST = 3.0  # beyond this a word weighs no more: a small library has every second word but once
_DOUBT = 0.5  # added to what the question weighs: one of everyday words alone is never answered for certain
_EVERYDAY = 0.3  # times the weight of an everyday word
_LITTLE = 0.1  # times that of a figure or a single letter: a patient's value lies between those of a table
_RELATED = 0.5  # what a word counts of which only one of the same matter stands there
_ALIKE = 0.9  # what a word counts of which only another for the same stands there
_PART = 0.8  # times that, for a word of an expression that does not stand there as a whole
_PARTLY = 0.5  # what an abbreviation counts at most of whose long form not every word stands there
_CONTEXT = 0.5  # times the weight of a word that is only leaned on: 'and magnesium?' is about that in the place of something else
_NOWHERE = "qzqzqz"  # a word that stands in no library; the score of a search grows with how rare words can be in it
_SCORE = 5.0  # times that, and the score of a search counts no more

_PATIENTS = ("child", "newborn", "pregnant")  # of whom another passage says nothing

_CELLS = " | "  # between the cells of a table's row
_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+")  # what a semicolon joins is about one thing
_PAIR = re.compile(r"\b([^\W\d_]+) and ([^\W\d_]+)\b")
# What a patient takes anyway: 'on warfarin, phosphate 0.3' is about phosphate.
_TAKEN = re.compile(r"\b(?:on|takes?|taking|took) ([^\W\d_]+)")
# Asked of an illness as a whole, which a document must be about: a list that names it among others is no answer.
_OVERVIEW = re.compile(
    r"^\D*\b(?:treat(?:ed|ment)?|manage(?:d|ment)|recogni[sz]ed?|diagnos\w+|defin(?:ed|ition)|investigated|symptoms|prognosis)\b\D*$"
)

Forms = Sequence[tuple[str, str]]  # short forms with what they stand for
Said = Sequence[tuple[Sequence[str], Meaning]]  # expressions of several words with what may stand in their place
Rarity = Callable[[Sequence[str]], Mapping[str, float]]
Signs = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of the question. It stands in a text that has a stem of each set of one of its `ways`: as it is, or written long or short.

    It does, too, in a text with what is `meant` by it. Where none of its `own` stems stands there, only words for the same, that counts for
    less; so does a word of an expression, 'heart failure', of which neither the whole nor what says the same stands there. `related` are
    stems of words of the same matter, with one of which it stands there by half.
    """

    weight: float
    everyday: bool
    own: frozenset[str]
    ways: tuple[tuple[frozenset[str], ...], ...]
    meant: Meaning
    whole: Meaning
    related: frozenset[str]

    @property
    def stems(self) -> frozenset[str]:
        """All that may matter of a text."""
        return self.related.union(*(one for way in self.ways for one in way), self.meant.stems, self.whole.stems)

    def stands(self, have: frozenset[str]) -> float:
        """How far it stands in a text with these stems, 0 to 1."""
        best = max(sum(not one.isdisjoint(have) for one in way) / len(way) for way in self.ways)
        if best < 1 and not self.meant.stands(have):
            return max(best * _PARTLY, 0.0 if self.related.isdisjoint(have) else _RELATED)
        told = _ALIKE if self.own.isdisjoint(have) else 1.0
        return told if self.whole.stands(have) or not self.whole.together else told * _PART


@dataclass(frozen=True, slots=True)
class _Question:
    """`asks` for an amount, a time or something like it; of each of the `aspects` a sentence must offer something; `overview` asks for all.

    `rarest` is how rare a word can be in this library, `weight` what all words weigh together. Of each of `named` a passage must have
    one: stems of what its medicines may be called, scans among them, and its patients, where they are not just any. `medicines` are these
    one by one, without the names of their kinds.
    """

    words: Sequence[_Word]
    asks: bool
    aspects: tuple[re.Pattern[str], ...]
    overview: bool
    rarest: float
    weight: float
    named: tuple[frozenset[str], ...]
    medicines: tuple[frozenset[str], ...]
    stems: frozenset[str]  # of all ways in which its words may be written

    def share(self, have: frozenset[str]) -> float:
        """How much of the question a text with these stems has, 0 to 1."""
        return sum(word.weight * word.stands(have) for word in self.words) / self.weight

    def subject(self, have: frozenset[str]) -> float:
        """The same of what it is about, its everyday words left out."""
        about = [word for word in self.words if not word.everyday]
        return sum(word.weight * word.stands(have) for word in about) / max(sum(word.weight for word in about), _DOUBT)


@dataclass(frozen=True, slots=True)
class _Read:
    """A find with the stems over it, and each of its sentences with its stems."""

    find: Find
    over: frozenset[str]
    sentences: Sequence[tuple[str, frozenset[str]]]


@dataclass(frozen=True, slots=True)
class _Found:
    """A find with its stems that are the question's, too: over it, in its text, in both; and those over it with each sentence's.

    `offering` has of the sentences those that offer something of each aspect that is asked for.
    """

    score: float
    over: frozenset[str]
    text: frozenset[str]
    have: frozenset[str]
    sentences: frozenset[frozenset[str]]
    offering: tuple[frozenset[frozenset[str]], ...]

    def names(self, named: Iterable[frozenset[str]]) -> bool:
        """Whether it speaks of one of each: what is right of one medicine is wrong of another, and what of adults, of children."""
        return not any(one.isdisjoint(self.have) for one in named)


def passing(question: str, finds: Sequence[Find], rarity: Rarity, forms: Forms = (), context: str = "") -> list[Find]:
    """At most five of the finds, the best first; none where none answers the question.

    `rarity` gives for words how rare each is in the library, `forms` are the short forms that stand in the question, either way;
    `context` has words of an earlier question that this one leans on.
    """
    asked, found = _weighed(question, finds, rarity, forms, context)
    values = [sum(WEIGHTS[name] * sign for name, sign in signs.items()) for signs in _all_signs(asked, found)]
    best = max(values, default=_NEVER)
    if best < ENOUGH:
        return []
    good = [place for place, value in enumerate(values) if value >= best - BESIDE]
    good.sort(key=lambda place: -values[place] - _ITSELF * asked.share(found[place].text))
    return list(_once(finds[place] for place in good))[:MOST]


def signs_of(question: str, finds: Sequence[Find], rarity: Rarity, forms: Forms = (), context: str = "") -> list[Signs]:
    """For each find the signs by which it is weighed, each about 0 to 1; none for a question without a telling word."""
    return _all_signs(*_weighed(question, finds, rarity, forms, context))


def _weighed(question: str, finds: Sequence[Find], rarity: Rarity, forms: Forms, context: str) -> tuple[_Question, list[_Found]]:
    """The question and the finds, each with what counts of it."""
    read = [_Read(find, _over(find), tuple(_sentences(find.passage.text))) for find in finds]
    there = frozenset[str]().union(*(one.over for one in read), *(have for one in read for _, have in one.sentences))
    asked = _question(question, context, rarity, forms, there)
    return asked, [_found(asked, one) for one in read]


def _all_signs(asked: _Question, found: Sequence[_Found]) -> list[Signs]:
    nowhere = [word.weight for word in asked.words if not word.everyday and not any(word.stands(one.have) >= _RELATED for one in found)]
    return [_signs(asked, one, sum(nowhere) / asked.weight) for one in found] if asked.words else []


def _signs(asked: _Question, found: _Found, nowhere: float) -> Signs:
    best = _most(asked, found.sentences)
    everyday = sum(word.stands(found.have) for word in asked.words if word.everyday)
    return {
        "always": 1.0,
        "share": asked.share(found.have),
        "sentence": best,
        "unoffered": _unoffered(asked, found, best),
        "everyday": min(everyday / 3, 1.0),
        "nowhere": nowhere,
        "in passing": 1 - asked.subject(found.over) if asked.overview else 0.0,
        "asked": float(asked.asks),
        "kind only": float(not found.names(asked.medicines)),
        "of another": float(not found.names(asked.named)),
        "search": min(found.score / (asked.rarest * _SCORE), 1.0),
    }


def _unoffered(asked: _Question, found: _Found, best: float) -> float:
    """By how much the sentences that offer an aspect have less of the question than the best one, 0 to 1, of the aspect that lacks most."""
    least = min((_most(asked, sentences) for sentences in found.offering), default=_EVERYTHING)
    return max(1 - least / max(best, _LITTLE), 0.0)


def _most(asked: _Question, sentences: Iterable[frozenset[str]]) -> float:
    """How much of the question the sentence has that has most of it."""
    return max(map(asked.share, sentences), default=0.0)


def _question(question: str, context: str, rarity: Rarity, forms: Forms, there: frozenset[str]) -> _Question:
    """`there` are all stems of what was found, for words that are misspelt or another form of theirs."""
    plain = question.casefold()
    asks, _ = asked_for(question)
    own = [word for word in telling(question) if word not in words(asks)]
    leaned_on = [word for word in telling(context) if word not in own]
    rare = rarity([*own, *leaned_on, _NOWHERE, *(word for _, long in forms for word in words(long))])
    known_as = [*lexicon().expressions(words(question)), *lexicon().expressions(words(context))]
    told = [_word(word, rare, forms, known_as, there, 1.0) for word in own]
    counts = _CONTEXT if own else 1.0  # 'why?' is about the same thing altogether
    told += [_word(word, rare, forms, known_as, there, counts) for word in leaned_on]
    rarest, weight = max(rare.get(_NOWHERE, 0.0), 1.0), sum(word.weight for word in told) + _DOUBT
    known = frozenset[str]().union(*(word.stems for word in told))
    taken = _TAKEN.findall(plain)
    called = [(word, names) for word in own if word not in taken and (names := _called(word, forms))]
    medicines = frozenset[str]().union(*(names for _, names in called))
    themselves = tuple(_itself(word, forms) for word, _ in called)
    patients = [meant for one in _PATIENTS if not (meant := lexicon().alike(one)).isdisjoint(map(stem, own))]
    named = tuple(one for one in (medicines, *patients) if one)
    aspects = tuple(aspects_of(question).values())
    overview = bool(_OVERVIEW.search(plain))
    return _Question(told, bool(asks), aspects, overview, rarest, weight, named, themselves, known.union(*named, *themselves))


def _called(word: str, forms: Forms) -> frozenset[str]:
    """The stems of what a medicine may be called, however short it or a text has it; none for any other word."""
    known = lexicon()
    names = [one for one in [word, *(long for short, long in forms if short.casefold() == word)] if known.called(one)]
    return frozenset[str]().union(*(known.called(one).union(map(stem, short_for(one))) for one in names))


def _itself(medicine: str, forms: Forms) -> frozenset[str]:
    """The same without what its kinds are called."""
    longs = [long for short, long in forms if short.casefold() == medicine and " " not in long]
    return lexicon().alike(medicine).union(map(stem, short_for(medicine)), *map(lexicon().alike, longs))


def _word(word: str, rare: Mapping[str, float], forms: Forms, said: Said, there: frozenset[str], counts: float) -> _Word:
    """A word with what else it may be written as. A short form weighs what the rarest word of its long form does."""
    known = lexicon()
    longs = [words(long) for short, long in forms if short.casefold() == word and words(long)]
    shorts = [stem(short.casefold()) for short, long in forms if word in words(long)]
    weight = min(max(_weight(one, rare) for one in long) for long in longs or [[word]])
    everyday = all(map(_everyday, [one for long in longs for one in long] or [word]))
    meant, whole = known.means(word), reduce(or_, (meant for expression, meant in said if word in expression), Meaning())
    itself = meant.words | whole.words
    if not everyday and not longs and itself.isdisjoint(there):
        itself |= same_root(word, there, misspelt=not known.listed(word))
    ways = ((itself,), *(tuple(map(known.alike, long)) for long in longs), *((frozenset([short]),) for short in shorts))
    own = frozenset([stem(word), *shorts, *(stem(one) for long in longs for one in long)])
    near = (meant | whole).near.union(*(known.means(long[0]).near for long in longs if len(long) == 1))
    return _Word(weight * counts, everyday, own, ways, meant | whole, whole, near)


def _weight(word: str, rare: Mapping[str, float]) -> float:
    return min(rare.get(word, 0.0), _RAREST) * (_LITTLE if _says_little(word) else _EVERYDAY if weak(word) else 1.0)


def _everyday(word: str) -> bool:
    return weak(word) or _says_little(word)


def _says_little(word: str) -> bool:
    return len(word) == 1 or not any(map(str.isalpha, word))


def _found(asked: _Question, read: _Read) -> _Found:
    sentences = [(text, have & asked.stems) for text, have in read.sentences]
    over = read.over & asked.stems
    every = frozenset(over | have for _, have in sentences)  # many have the same of it
    headed = " ".join(read.find.passage.heading_path).casefold()
    said = [(f"{headed} {text.casefold()}", over | have) for text, have in sentences] if asked.aspects else []
    offering = tuple(frozenset(have for text, have in said if one.search(text)) for one in asked.aspects)
    text = frozenset[str]().union(*(have for _, have in sentences))
    return _Found(read.find.score, over, text, over | text, every, offering)


def _sentences(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    """The sentences of a text with their stems. A table's row comes with the row at its head, which says what its cells are."""
    head, above = frozenset[str](), ""
    for part in _SENTENCES.split(text):
        have = stems(part)
        head, above = (head or have, above or part) if _CELLS in part else (frozenset(), "")
        yield f"{above} {part}".strip(), have | head


def _over(find: Find) -> frozenset[str]:
    """The stems of title and headings.

    Of 'gentamicin and vancomycin' a passage that speaks of the one only is about that one: its title, which names the other too, says
    nothing. Words of one root ('refeeding and feeding') are no such pair.
    """
    over = " ".join(dict.fromkeys([find.holding.title, *find.passage.heading_path])).casefold()
    pairs = [pair for pair in _PAIR.findall(over) if pair[0] not in pair[1] and pair[1] not in pair[0]]
    own = f"{_PAIR.sub(' ', over)} {find.passage.text.casefold()}" if pairs else ""
    absent = [[stem(word) for word in pair if stem(word) not in own] for pair in pairs]
    return stems(over) - {one[0] for one in absent if len(one) == 1}


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
