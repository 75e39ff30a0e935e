"""Finding messages and titles by their words. Any text a person can type is a safe search.

SQLite's index finds the candidates and ranks them; the extract with its highlights is made here, from the few texts that are
shown: asking the index for extracts, or for the beginnings of long words, took seconds at a million messages.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from med42_chat.records import Conversation, SearchHit
from med42_chat.store.connection import Connections, Row
from med42_chat.store.selects import CONVERSATION, to_conversation

# Only so many matches are ranked: ranking every message with a common word would take seconds.
_CANDIDATES = 500
_MOST_WORDS = 12
_MOST_TITLES = 5
_INDEXED_PREFIX = 3  # letters; the beginnings of words that the index keeps (migration 1)
_LONGEST_ENDING = 8  # letters that the index's stemmer may take off
_EXTRACT_BEFORE, _EXTRACT_AFTER = 40, 160  # characters

# Left out of a search that has other words: they are in nearly every message, and say nothing about any.
_COMMON = (
    "a an and are as at be but by can do does for from had has have how i if in is it its may me my no not of on or she he should so "
    "that the their them then there they this to was we were what when which who why will with would you your"
)

_HIT = "select c.uid as conversation, m.uid as message, c.title, m.created_at, m.text"
_JOINED = "join messages m on m.id = found.id join conversations c on c.id = m.conversation_id"

_RANKED = f"""
with found as (
  select rowid as id, bm25(messages_fts) as score from messages_fts where messages_fts match :match order by rowid desc limit {_CANDIDATES}
)
{_HIT} from (select * from found order by score, id desc limit :limit) as found {_JOINED}
where not c.deleting order by found.score, found.id desc
"""

_COUNT = f"select count(*) as n from (select 1 from messages_fts where messages_fts match ? limit {_CANDIDATES})"

_NEWEST = f"""
with found as (select rowid as id from messages_fts where messages_fts match :match order by rowid desc limit {_CANDIDATES})
{_HIT} from found {_JOINED} where not c.deleting and m.text like :containing order by found.id desc limit :limit
"""

_TITLES = f"""
with found as (
  select rowid as id, bm25(titles_fts) as score from titles_fts where titles_fts match :match order by rowid desc limit {_CANDIDATES}
)
select c.uid as conversation, '' as message, c.title, c.updated_at as created_at, c.title as text
from found join conversations c on c.id = found.id where not c.deleting order by found.score, found.id desc limit :limit
"""

_TITLED = f"""
{CONVERSATION} where not c.deleting and c.id in (
  select rowid from titles_fts where titles_fts match :match order by rowid desc limit {_CANDIDATES}
) order by c.updated_at desc, c.id desc limit :limit
"""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a search: those that are finished, and the last one, which may still be typed."""

    finished: tuple[str, ...]
    last: str

    @property
    def all(self) -> tuple[str, ...]:
        """Every word, in the order typed."""
        return (*self.finished, self.last)


def search(connections: Connections, text: str, limit: int) -> list[SearchHit]:
    """Conversations by their title, then messages with all the words (the last one may be unfinished); failing both, with any of them."""
    words = words_of(text)
    if words is None or limit < 1:
        return []
    messages = _messages(connections, words, limit)
    shown = {hit.conversation_id for hit in messages}
    titles = _hits(connections, _TITLES, words, _beginning(words, words.last), min(limit, _MOST_TITLES))
    hits = [hit for hit in titles if hit.conversation_id not in shown] + messages
    if not hits and words.finished:
        hits = _best(connections, words, _any(words), limit)
    return hits[:limit]


def titles(connections: Connections, text: str, limit: int) -> list[tuple[Conversation, tuple[str, ...]]]:
    """Conversations with all the words in their title, the newest first, each with its title cut into plain and matching pieces.

    The last word may be unfinished, be it a single letter: the titles' index is small enough to gather all that goes on from there.
    """
    words = words_of(text)
    if words is None or limit < 1:
        return []
    rows: list[Row] = []
    for match in (_unfinished(words), _stems(words)):
        rows = rows or connections.rows(_TITLED, {"match": match, "limit": limit})
    found = [to_conversation(row) for row in rows]
    return [(one, extract(one.title, words)) for one in found]


def words_of(text: str) -> Words | None:
    """What is searched for; None when the text holds no letter or digit."""
    found = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text[:1000]))
    words = list(dict.fromkeys(found[-_MOST_WORDS:]))
    common = _COMMON.split()
    telling = [word for word in words if word.lower() not in common] or words
    return Words(tuple(telling[:-1]), telling[-1]) if telling else None


def extract(text: str, words: Words) -> tuple[str, ...]:
    """The text's first place with one of the words, on one line: plain and matching pieces in turn, beginning with plain."""
    first = next(_matches(text, words), None)
    start = max(0, first.start() - _EXTRACT_BEFORE) if first else 0
    if start:
        start = text.find(" ", start, start + _EXTRACT_BEFORE) + 1 or start
    cut = text[start : start + _EXTRACT_BEFORE + _EXTRACT_AFTER]
    pieces, end = [], 0
    for match in _matches(cut, words):
        pieces += [cut[end : match.start()], match[0]]
        end = match.end()
    pieces.append(cut[end:])
    pieces = [re.sub(r"\s+", " ", piece) for piece in pieces]
    pieces[0] = ("…" if start else "") + pieces[0]
    pieces[-1] += "…" if start + len(cut) < len(text) else ""
    return tuple(pieces)


def _messages(connections: Connections, words: Words, limit: int) -> list[SearchHit]:
    """The best with the words as they stand; where those are few, the newest in which the last word goes on."""
    hits = _best(connections, words, _all(words), limit)
    if len(words.last) < _INDEXED_PREFIX:
        return hits
    if len(hits) < limit:
        # The index gives words that begin with three letters at once. More letters it gathers from its beginning to its end:
        # it is asked for them only when the newest with those three letters have none, for then there is little to gather.
        hits = _merged(hits, _hits(connections, _NEWEST, words, _beginning(words, words.last[:_INDEXED_PREFIX]), limit, words.last))
    if not hits:
        hits = _hits(connections, _NEWEST, words, _beginning(words, words.last), limit)
    if not hits:
        hits = _hits(connections, _NEWEST, words, _stems(words), limit, words.last)
    return hits[:limit]


def _best(connections: Connections, words: Words, match: str, limit: int) -> list[SearchHit]:
    """The best matches, or the newest where there are so many that most would not even be compared."""
    count = connections.row(_COUNT, (match,))
    many = count is not None and count["n"] == _CANDIDATES
    return _hits(connections, _NEWEST if many else _RANKED, words, match, limit)


def _hits(connections: Connections, sql: str, words: Words, match: str, limit: int, containing: str = "") -> list[SearchHit]:
    rows = connections.rows(sql, {"match": match, "limit": limit, "containing": f"%{containing}%"})
    return [_hit(row, words) for row in rows]


def _hit(row: Row, words: Words) -> SearchHit:
    return SearchHit(row["conversation"], row["message"], row["title"], extract(row["text"], words), row["created_at"])


def _merged(hits: list[SearchHit], more: list[SearchHit]) -> list[SearchHit]:
    seen = {hit.message_id for hit in hits}
    return hits + [hit for hit in more if hit.message_id not in seen]


# Every word stands in quotes, so that nothing typed can be an operator of the index's language.


def _all(words: Words) -> str:
    return " AND ".join(f'"{word}"' for word in words.all)


def _any(words: Words) -> str:
    return " OR ".join(f'"{word}"' for word in words.all)


def _beginning(words: Words, last: str) -> str:
    if len(last) < _INDEXED_PREFIX:
        return _all(words)
    return " AND ".join([*(f'"{word}"' for word in words.finished), f'"{last}"*'])


def _unfinished(words: Words) -> str:
    return " AND ".join([*(f'"{word}"' for word in words.finished), f'"{words.last}"*'])


def _stems(words: Words) -> str:
    """For a word typed further than the stem the index keeps of it (contraindicatio, kept as contraind): everything it may be kept as."""
    shorter = range(len(words.last), max(_INDEXED_PREFIX, len(words.last) - _LONGEST_ENDING) - 1, -1)
    stems = " OR ".join(f'"{words.last[:length]}"' for length in shorter) or f'"{words.last}"'
    return " AND ".join([*(f'"{word}"' for word in words.finished), f"({stems})"])


def _matches(text: str, words: Words) -> Iterator[re.Match[str]]:
    """The words in the text that the search means: the last one may go on, the others may end differently (headache, headaches)."""
    beginnings = tuple(_folded(word) if word == words.last else _folded(word)[: max(4, len(word) - 3)] for word in words.all)
    return islice((match for match in re.finditer(r"[^\W_]+", text) if _folded(match[0]).startswith(beginnings)), 100)


def _folded(word: str) -> str:
    """Without case and accents, as the index sees it."""
    if word.isascii():
        return word.lower()
    return "".join(letter for letter in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(letter))
