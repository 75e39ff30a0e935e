"""Finding messages and titles by their words. Any text a person can type is a safe search."""

import re
import secrets
import unicodedata

from med42_chat.records import SearchHit
from med42_chat.store.connection import Connections, Row

# The newest messages that match are looked at; ranking every match of a common word took seconds at a million messages.
_CANDIDATES = 500
_MOST_WORDS = 12
_MOST_TITLES = 5
_SHORTEST_PREFIX = 2

_MESSAGES = """
with candidates as (
  select rowid as id, bm25(messages_fts) as score from messages_fts where messages_fts match :match order by rowid desc limit :candidates
), best as (
  select id, score from candidates order by score, id desc limit :limit
)
select c.uid as conversation, m.uid as message, c.title, m.created_at,
  snippet(messages_fts, 0, :mark, :mark, '…', 16) as snippet
from best
join messages_fts on messages_fts.rowid = best.id
join messages m on m.id = best.id
join conversations c on c.id = m.conversation_id
where messages_fts match :match
order by best.score, best.id desc
"""

_TITLES = """
with candidates as (
  select rowid as id, bm25(titles_fts) as score from titles_fts where titles_fts match :match order by rowid desc limit :candidates
), best as (
  select id, score from candidates order by score, id desc limit :limit
)
select c.uid as conversation, '' as message, c.title, c.updated_at as created_at,
  highlight(titles_fts, 0, :mark, :mark) as snippet
from best
join titles_fts on titles_fts.rowid = best.id
join conversations c on c.id = best.id
where titles_fts match :match
order by best.score, best.id desc
"""


def search(connections: Connections, text: str, limit: int) -> list[SearchHit]:
    """Messages with all the words of `text`, or, when there are none, with any of them; conversations by title first."""
    for match in match_queries(text):
        messages = _hits(connections, _MESSAGES, match, limit)
        shown = {hit.conversation_id for hit in messages}
        titles = [hit for hit in _hits(connections, _TITLES, match, min(limit, _MOST_TITLES)) if hit.conversation_id not in shown]
        if found := (titles + messages)[:limit]:
            return found
    return []


def match_queries(text: str) -> list[str]:
    """What to ask the index, the strictest first: all words, then any word; the last word may be unfinished.

    Every word stands in quotes: nothing typed can be an operator. Text without a letter or digit asks nothing.
    """
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text[:1000]))
    if not words:
        return []
    last = f'"{words[-1]}"*' if len(words[-1]) >= _SHORTEST_PREFIX else f'"{words[-1]}"'
    terms = list(dict.fromkeys(f'"{word}"' for word in words[:-1]))[: _MOST_WORDS - 1]
    terms.append(last)
    return [" AND ".join(terms), " OR ".join(terms)] if len(terms) > 1 else terms


def _hits(connections: Connections, sql: str, match: str, limit: int) -> list[SearchHit]:
    # The mark is new for every search, so that no stored text can contain it; splitting at it gives plain, matching, plain, …
    mark = f"\x02{secrets.token_hex(8)}\x03"
    rows = connections.rows(sql, {"match": match, "candidates": _CANDIDATES, "limit": limit, "mark": mark})
    return [_hit(row, mark) for row in rows]


def _hit(row: Row, mark: str) -> SearchHit:
    return SearchHit(row["conversation"], row["message"], row["title"], tuple(row["snippet"].split(mark)), row["created_at"])
