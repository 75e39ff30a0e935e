"""An answer held to whole sentences of its sources: for a model too small to be trusted with words of its own. Pure.

Such a model can choose among sentences, but not copy each of their figures without fail. So `grammar` leaves it a choice and takes the
copying away. It declines, where no sentence has half of the question's words, or it says those that share most with the question, and
of a few others that share much those that it wants, each as it stands and with its number. A table is said whole, and a list with what
announces it: one row alone, and the wrong one, would be a wrong dose that looks right.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from med42_chat.checks.text import sentences
from med42_chat.gbnf import literal
from med42_chat.library.asked import asked_for
from med42_chat.library.lexicon import lexicon
from med42_chat.library.words import stems, telling
from med42_chat.prompt import unmarked
from med42_chat.records import Source

# The demonstration model's own words; models/demo trains it on them.
NOT_COVERED = "**The sources do not answer this.** I am a small demonstration model and say only what they say."
_SAYS = "Source {number} says: {words} [{number}]"
_SHOWS = "Source {number} says:\n\n{rows}"
_BETWEEN = "\n\n"
_ITEM = re.compile(r"(?:[-*+•–]|\d{1,2}[.)])\s*$")  # in front of a list's item

_MOST = 3  # quotations that may be said, and what stands between those that must be
_GAP = 3  # sentences apart: what stands between two of one source belongs to what they say
_WORTH = 0.6  # of the best one's worth, that a further one must have
_CLOSE = 0.85  # with so much of it nobody can tell which is the better one, and both must be said
_COVERED = 0.5  # a quotation with so much of the question's words, by weight, is not passed over in silence
_EVERYWHERE = 0.1  # the weight of a word that every sentence has
_HEADING = 0.4  # what a word counts that only stands over the sentence
_OFFERS = 0.2  # for a sentence that offers what is asked for, a time or an amount
_LATER = 0.1  # against a sentence of each source that is less fitting than the first


@dataclass(frozen=True, slots=True)
class _Quotation:
    """A sentence or a table that may be said, as the answer says it; `parts` are the sentence or the rows, `over` what stands over them."""

    said: str
    source: int
    parts: tuple[str, ...]
    over: frozenset[str]

    @property
    def stems(self) -> list[frozenset[str]]:
        """Those of each part."""
        return [stems(part) for part in self.parts]


@dataclass(frozen=True, slots=True)
class _Choice:
    """What may be said, in the order in which it stands; what `must` be; and whether it may be said that nothing answers."""

    lines: tuple[str, ...]
    must: frozenset[int]
    silent: bool


def grammar(question: str, sources: Sequence[Source], begun: str = "") -> str:
    """GBNF of the answers that may be given to a question on these sources; `begun` is how the answer has begun already."""
    choice = _choice(question, sources)
    rules = [f"root ::= {_rest(begun, choice) if begun else _start(choice)}"]
    for at, line in enumerate(choice.lines):
        rules += [f"line{at} ::= {literal(line)} after{at}", f"after{at} ::= {_after(at, choice)}"]
    return "\n".join(rules)


def _start(choice: _Choice) -> str:
    silent = [literal(NOT_COVERED)] if choice.silent else []
    return " | ".join([*_next(-1, choice), *silent])


def _rest(begun: str, choice: _Choice) -> str:
    """What may follow an answer's beginning: the rest of the quotation in which it was cut, or further ones."""
    rests = [literal(NOT_COVERED[len(begun) :])] * NOT_COVERED.startswith(begun)
    for start in [0, *(gap.end() for gap in re.finditer(_BETWEEN, begun))]:
        said, tail = begun[:start].removesuffix(_BETWEEN), begun[start:]
        last = max((at for at, line in enumerate(choice.lines) if said.endswith(line)), default=-1)
        further = [(at, line) for at, line in enumerate(choice.lines) if at > last and line.startswith(tail)]
        rests += [f"{literal(line[len(tail) :])} after{at}" for at, line in further]
    return " | ".join(rests) or f"({literal(_BETWEEN)} ({' | '.join(_next(-1, choice)) or literal('')}))?"


def _after(at: int, choice: _Choice) -> str:
    """What may follow a quotation: nothing, unless one is still to come that must be, or one that stands further down. None comes twice."""
    further = " | ".join(_next(at, choice))
    must = any(later > at for later in choice.must)
    return f"({literal(_BETWEEN)} ({further})){'' if must else '?'}" if further else literal("")


def _next(at: int, choice: _Choice) -> list[str]:
    """The rules of the quotations that may come next: none behind the first that must be."""
    last = min((later for later in choice.must if later > at), default=len(choice.lines) - 1)
    return [f"line{later}" for later in range(at + 1, last + 1)]


def _choice(question: str, sources: Sequence[Source]) -> _Choice:
    quotations = [quotation for source in sources for quotation in _quotations(source)]
    asked = [lexicon().alike(word) for word in telling(question)]
    every = [have for quotation in quotations for have in quotation.stems]
    weights = [_weight(sum(not ways.isdisjoint(have) for have in every), len(every)) for ways in asked]
    shares = [[_share(asked, weights, have, quotation.over) for have in quotation.stems] for quotation in quotations]
    whole = sum(weights)
    if not any(map(any, shares)):
        return _Choice(tuple(quotation.said for quotation in quotations), frozenset(), True)
    worth = [_worth(question, quotation, own, whole) for quotation, own in zip(quotations, shares, strict=True)]
    best = max(worth)
    ranked = sorted(range(len(worth)), key=lambda at: -worth[at])[:_MOST]
    must = _with_gaps([at for at in sorted(ranked) if worth[at] >= _CLOSE * best], quotations)
    chosen = sorted(must.union(at for at in ranked if worth[at] >= _WORTH * best))
    places = frozenset(chosen.index(at) for at in must)
    return _Choice(tuple(quotations[at].said for at in chosen), places, max(map(max, shares)) < _COVERED * whole)


def _with_gaps(must: Sequence[int], quotations: Sequence[_Quotation]) -> frozenset[int]:
    """These quotations with what stands between neighbours of one source: 'over 50 …' and 'under 30 …' without the case between is half."""
    near = [(one, other) for one, other in pairwise(must) if quotations[one].source == quotations[other].source and other - one <= _GAP]
    return frozenset(must).union(*(range(one, other) for one, other in near))


def _weight(found: int, lines: int) -> float:
    """By how few of the sentences a word stands in."""
    return _EVERYWHERE + math.log((lines + 1) / (found + 1))


def _share(asked: Sequence[frozenset[str]], weights: Sequence[float], have: frozenset[str], over: frozenset[str]) -> float:
    """What the question's words weigh that stand in a sentence, or over it. A word is the ways in which it may be written."""
    there = [1.0 if not ways.isdisjoint(have) else _HEADING if not ways.isdisjoint(over) else 0.0 for ways in asked]
    return sum(weight * share for weight, share in zip(weights, there, strict=True))


def _worth(question: str, quotation: _Quotation, shares: Sequence[float], whole: float) -> float:
    """How well it may answer: what its best part has of the question, and whether that offers what is asked for; and the source's place."""
    _, offer = asked_for(question)
    offers = [offer is not None and bool(offer.search(part.casefold())) for part in quotation.parts]
    best = max(share + whole * _OFFERS * offered for share, offered in zip(shares, offers, strict=True))
    return best - whole * _LATER * (quotation.source - 1)


def _quotations(source: Source) -> Iterator[_Quotation]:
    """The sentences and tables of a source."""
    number, over = source.number, stems(" ".join([source.title, *source.heading_path]))
    for is_table, lines in _blocks(unmarked(source.text)):
        if is_table:
            rows = [_row(line) for line in lines if re.search(r"\w", line)]
            yield _Quotation(_table(number, rows), number, tuple(rows[1:] or rows), over | stems(rows[0]))
        else:
            groups = _with_items("\n".join(lines))
            yield from (_Quotation(_sentence(number, group), number, tuple(group), over) for group in groups)


def _blocks(text: str) -> list[tuple[bool, list[str]]]:
    """The text's tables (True) and what stands between them, as lines.

    Where one goes on in small letters, a sentence was taken for a table, and is put together again: 'Never' above 'give it | at once' must
    not become 'give it'.
    """
    blocks: list[tuple[bool, list[str]]] = []
    for is_table, group in groupby(text.split("\n"), key=lambda line: "|" in line):
        lines = list(group)
        words = "".join(lines).strip()
        if blocks and words[:1].islower() and not "".join(blocks[-1][1]).rstrip().endswith((".", ":", "!", "?")):
            blocks[-1] = (False, [line for line in (*blocks[-1][1], *lines) if line.strip()])
        elif words:
            blocks.append((is_table, lines))
    return blocks


def _with_items(text: str) -> list[list[str]]:
    """The sentences, and with one that announces a list all that the list has: alone it says nothing, and they do not say of what."""
    groups: list[list[str]] = []
    end = 0
    for sentence in sentences(text):
        words, lead = " ".join(sentence.text.split()), text[end : sentence.start]
        end = sentence.end
        if groups and groups[-1][0].endswith(":") and _ITEM.search(lead):
            groups[-1].append(words)
        elif re.search(r"\w", words):
            groups.append([words])
    return groups


def _sentence(number: int, group: Sequence[str]) -> str:
    """A sentence, or a list with what announces it, the number behind each part. Dots, since after '- ' a '> 50' would be a quotation."""
    first, *items = group
    return _BETWEEN.join([_SAYS.format(number=number, words=first), *(f"• {item} [{number}]" for item in items)])


def _row(line: str) -> str:
    return " ".join(line.split()).strip("| ")


def _table(number: int, rows: Sequence[str]) -> str:
    """The rows as Markdown has them, with the number in each: whoever reads one knows where it is from."""
    head, *others = rows
    marked = [f"| {head} |", "|---" * (head.count("|") + 1) + "|", *(f"| {row} [{number}] |" for row in others)]
    return _SHOWS.format(number=number, rows="\n".join(marked)) if others else _SAYS.format(number=number, words=head)
