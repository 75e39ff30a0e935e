"""Finding the passages that a question is about. Any text a person can type is a safe search.

Every word of the question may match, those that say nothing left out; what two or three rare words agree on is ranked above what one common
word says. An abbreviation that one of the documents explains is searched as its long form too, as a phrase, and the other way round.
"""

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from med42_chat.store.connection import Connections, Row

_CANDIDATES = 300
_MOST_WORDS = 32
_SMALL = 500  # passages; of fewer, no word is too frequent to be searched
_FREQUENT = 0.05  # of all passages: words in more of them cost much time and rank little
_FEWEST = 2  # words that are searched whatever their frequency
_FEW_PASSAGES = 50
_COUNTED = 5_000  # passages with a word: whether more have it makes no difference
DEEP = 100  # places of a ranking that count where rankings are joined
_BEHIND = 60  # how far before the first place the points of a ranking begin: what most who join rankings set it to
_HEADING = 1.5  # times the weight of a word in the text: between what long web pages (2) and short protocols (1) are found by best

# What questions are made of, and says nothing about what they are about.
_COMMON = (
    "a about all also am an and any are as ask at be because been being but by can could describe did do does doing done else explain "
    "for from get give given go had has have having he her him his how i if in into is it its just know like list long many may me might "
    "more most much must my need no of on one or our out over please same say shall she should so some such tell than that the their "
    "them then there these they this those to too us used using very was we were what when where whether which while who whom whose why "
    "will with within would you your"
)

_SEARCH = """
with found as (
  select * from (select rowid as id, -bm25(passages_fts) as score from passages_fts where passages_fts match :match{within}
    order by score desc limit :candidates)
  union all
  select * from (select rowid as id, :heading * -bm25(headings_fts) as score from headings_fts where headings_fts match :match{within}
    order by score desc limit :candidates)
)
select id, sum(score) as score from found group by id order by score desc, id limit :limit
"""
# The plus keeps SQLite from looking up every passage of the collections in the index, one by one: that took seconds.
_WITHIN = """ and +rowid in (select p.id from passages p join collections c on c.document_id = p.document_id
  where c.name in (select value from json_each(:collections)))"""
_COUNT = "select count(*) as n from (select 1 from passages_fts where passages_fts match ? limit ?)"
_PAIRS = """
select distinct short, long from abbreviations where short in (select value from json_each(:words))
  or (length(short) > 4 and lower(short) in (select lower(value) from json_each(:words)))
  or instr(:question, ' ' || long || ' ') limit 32
"""


def ranked(connections: Connections, question: str, limit: int, collections: Sequence[str] = ()) -> list[Row]:
    """`id` and `score` of the best passages, the best first; of all that is searched, or of these collections only."""
    match = match_of(connections, question)
    if not match or limit < 1:
        return []
    parameters = {
        "match": match,
        "heading": _HEADING,
        "candidates": max(_CANDIDATES, limit),
        "limit": limit,
        "collections": _json(collections),
    }
    return connections.rows(_SEARCH.format(within=_WITHIN if collections else ""), parameters)


def points(ids: Sequence[int], weight: float = 1.0) -> dict[int, float]:
    """What each place in a ranking is worth where rankings are joined: by reciprocal rank, so that scores need not be alike."""
    return {id: weight / (_BEHIND + place) for place, id in enumerate(ids, start=1)}


def joined(found: Sequence[int], near: Mapping[int, float]) -> list[int]:
    """The ids of both: what the words found, the best first, and what else has points."""
    both = Counter(points(found))
    both.update(near)
    return sorted(both, key=lambda id: (-both[id], id))


def rarity(connections: Connections, words: Sequence[str]) -> dict[str, float]:
    """How rare each word is among all passages, by its stem: ln((passages + 1) / (those that hold it + 1/2)), 0 at least.

    One that is in more than some thousands is as rare as one that is in so many, and a library of a page or two counts as a larger one:
    that a word stands in its only passage does not make it a common word.
    """
    (row,) = connections.rows("select max(id) as n from passages")
    total = max(_FEW_PASSAGES, row["n"] or 0)
    counts = {word: connections.rows(_COUNT, (f'"{word}"', _COUNTED))[0]["n"] for word in dict.fromkeys(words) if words_of(word) == [word]}
    return {word: max(0.0, math.log((total + 1) / (count + 0.5))) for word, count in counts.items()}


def match_of(connections: Connections, question: str) -> str:
    """The question in the index's language, '' where it has no word. Everything stands in quotes: nothing typed is an operator."""
    words = words_of(question)
    lower = list(dict.fromkeys(word.lower() for word in words))
    common = _COMMON.split()
    telling = [word for word in lower if word not in common] or lower
    alternatives = [*_rare(connections, telling[:_MOST_WORDS]), *_other_forms(connections, question)]
    return " OR ".join(f'"{one}"' for one in dict.fromkeys(alternatives))


def words_of(text: str) -> list[str]:
    """Letters and digits, in the order typed."""
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text[:4000]))


def _rare(connections: Connections, words: list[str]) -> list[str]:
    """Without those that are in too many passages, as long as enough are left."""
    total = connections.row("select max(id) as n from passages")
    most = int(_FREQUENT * (total["n"] or 0)) if total else 0
    if most < _FREQUENT * _SMALL:
        return words
    rare = [word for word in words if (connections.rows(_COUNT, (f'"{word}"', most + 1))[0]["n"]) <= most]
    return rare if len(rare) >= _FEWEST else words


def abbreviations(connections: Connections, question: str) -> list[tuple[str, str]]:
    """The pairs of AKI and acute kidney injury of which the question has one. Short ones count only as written: 'all' is no ALL."""
    words = words_of(question)
    parameters = {"words": _json(words), "question": f" {' '.join(words).lower()} "}
    return [(row["short"], row["long"]) for row in connections.rows(_PAIRS, parameters)]


def _other_forms(connections: Connections, question: str) -> list[str]:
    """'acute kidney injury' for AKI, and the reverse."""
    there = [word.lower() for word in words_of(question)]
    return [" ".join(words_of(long if short.lower() in there else short)) for short, long in abbreviations(connections, question)]


def _json(values: Sequence[str]) -> str:
    return json.dumps(list(values))
