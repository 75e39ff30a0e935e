"""What the checks found on an answer: signs at its sentences, and a line below it that says what was looked at and what not. Pure.

A sign is quiet where everything that was looked for was found, and amber where a person should look. What is found is never called
right: words and figures stand in a source, that is all.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Literal

from med42_chat.checks.text import MARK, marked, sentences
from med42_chat.checks.told import AMBER, CLOSERS, compared, is_amber, telling
from med42_chat.markup.render import Pen
from med42_chat.records import Citation, Conversation, Finding, Message
from med42_chat.words import Words

Mood = Literal["look", "fine", "bare"]

_WHOLE = ("polarity", "unsourced", "sentence")  # kinds that are about a whole sentence: no place in it is marked
_FARTHEST = 2_500  # characters of Markdown between two words that are shown one after the other: a link's address
_SHOWN = 2  # findings of what is fine that a card lists without being asked
_LAST_WORD = re.compile(r'[^<>\s]{0,30}(?:\s?<a [^>]*class="cite"[^>]*>\d+</a>)*[^<>\s]{0,30}<button [^>]*class="sign"[^>]*></button>')


# ---- what is said at a sentence ----


@dataclass(frozen=True, slots=True)
class Sign:
    """What stands at the end of one sentence, at `at` of the answer's text."""

    at: int
    mood: Mood
    findings: tuple[Finding, ...]  # what a person should look at first


def signs(message: Message) -> Iterator[Sign]:
    """The signs of an answer, in its order; a sentence on which nothing can be said has none."""
    for span in sentences(message.text):
        there = [one for one in telling(message) if span.start <= one.start < span.end]
        if there:
            end = span.start + len(span.text.rstrip(CLOSERS))
            yield Sign(end, _mood(there), tuple(sorted(there, key=lambda one: not is_amber(one))))


def _mood(findings: Sequence[Finding]) -> Mood:
    if any(map(is_amber, findings)):
        return "look"
    return "fine" if any(one.state == "found" for one in findings) else "bare"


def note(findings: Iterable[Finding]) -> str:
    """What a sign says when it is touched: each finding's words with how it went, as the page's script reads it."""
    return escape(json.dumps([[_state(one), one.words] for one in findings], ensure_ascii=False))


def found_list(words: Words, findings: Sequence[Finding]) -> str:
    """The same, as a list to read: what a person should look at first, and what was found to unfold where it is much."""
    found = [one for one in findings if _state(one) == "found"]
    folded = found if len(_lines(found)) > _SHOWN else []
    shown = _lines(sorted((one for one in findings if one not in folded), key=lambda one: not is_amber(one)))
    listed = f'<ul class="found">{"".join(shown)}</ul>' if shown else ""
    rest = _lines(folded)
    name = words("findings.here", n=len(rest))
    return listed + (f'<details class="rest"><summary>{name}</summary><ul class="found">{"".join(rest)}</ul></details>' if rest else "")


def _lines(findings: Sequence[Finding]) -> list[str]:
    """One line for each thing that is said, however often it is."""
    return list(dict.fromkeys(f'<li data-state="{_state(one)}">{escape(one.words)}</li>' for one in findings))


def _state(finding: Finding) -> str:
    return "look" if is_amber(finding) else finding.state


def _sign(words: Words, sign: Sign) -> str:
    told = escape(" ".join([words(f"findings.sign_{sign.mood}"), *(one.words for one in sign.findings)]))
    return f'<button type="button" class="sign" data-mood="{sign.mood}" data-note="{note(sign.findings)}" aria-label="{told}"></button>'


# ---- an answer written with its signs ----


class MarkingPen(Pen):
    """Writes an answer's tree, and knows at each word where it stands in the answer's text: there the findings have their places."""

    def __init__(self, words: Words, message: Message) -> None:
        self._raw, self._at = message.text, 0
        self._signs = [(sign.at, _sign(words, sign)) for sign in signs(message)]
        amber = (one for one in telling(message) if one.state in AMBER and one.kind not in _WHOLE)
        self._flags = sorted((one.start, one.end, note([one])) for one in amber)
        self._titles = {citation.source.number: _hover(words, citation) for citation in message.citations}
        self._named: frozenset[int] = frozenset()  # by the mark that is being written, still to come
        self._mark_at = 0  # where that mark stands

    def text(self, text: str) -> str:
        """The words with what is to be looked at marked in them, and each sign after its sentence."""
        return "".join(self._piece(piece, start) for piece, start in self._placed(text))

    def code(self, text: str) -> str:
        """As it is; what stands in code is not marked."""
        start = self._raw.find(text, self._at, self._at + _FARTHEST)
        self._at = start + len(text) if start >= 0 else self._at
        return super().code(text) + self._due()

    def cite(self, number: int) -> str:
        """A mark, which says whom it cites when it is touched."""
        if number not in self._named:
            mark = next((one for one in MARK.finditer(self._raw, self._at) if number in marked(one[1])), None)
            self._named, self._at = (marked(mark[1]), mark.end()) if mark else (frozenset(), self._at)
            self._mark_at = mark.start() if mark else self._at
        self._named -= {number}
        told = f' data-at="{self._mark_at}" data-note="{self._titles.get(number, "")}">'
        link = super().cite(number).replace(">", told, 1)
        return link + ("" if self._named else self._due())

    def rest(self) -> str:
        """The signs whose sentences were not met as they stand in the text."""
        self._at = len(self._raw)
        return self._due()

    def _placed(self, text: str) -> list[tuple[str, int]]:
        """The text in pieces with their places: whole, or where escapes and removed marks stand between, as far as it goes on."""
        start = self._raw.find(text, self._at, self._at + len(text) + _FARTHEST)
        if start >= 0:
            return [(text, start)]
        pieces: list[tuple[str, int]] = []
        at = self._at
        for word in re.findall(r"\s+|\S+", text):
            start = max(self._raw.find(word, at, at + _FARTHEST), at)
            if pieces and start == at:
                pieces[-1] = (pieces[-1][0] + word, pieces[-1][1])
            else:
                pieces.append((word, start))
            at = start + len(word)
        return pieces

    def _piece(self, piece: str, start: int) -> str:
        end = start + len(piece)
        inside = [at for at, _ in self._signs if start < at < end]
        edges = [edge for one in self._flags for edge in one[:2] if start < edge < end]
        cuts = [start, *sorted({*inside, *edges}), end]
        written = []
        for left, right in pairwise(cuts):
            self._at = right
            written.append(self._flagged(escape(piece[left - start : right - start]), left) + self._due())
        return "".join(written)

    def _flagged(self, html: str, at: int) -> str:
        told = next((told for start, end, told in self._flags if start <= at < end), "")
        return f'<span class="flag" data-note="{told}">{html}</span>' if told else html

    def _due(self) -> str:
        """The signs of the sentences that have ended by now."""
        due = [html for at, html in self._signs if at <= self._at]
        self._signs = self._signs[len(due) :]
        return "".join(due)


def bound(html: str) -> str:
    """Each sign kept on the line of its sentence's last word and marks: a browser would break the line in front of any of them."""
    return _LAST_WORD.sub(r'<span class="bound">\g<0></span>', html)


def _hover(words: Words, citation: Citation) -> str:
    """Whom a mark cites. Which words its sentence rests on is asked for when they are wanted: that costs a millisecond for each mark."""
    return escape(json.dumps([["title", f"{citation.source.title}{_where(words, citation)}"]], ensure_ascii=False))


def _where(words: Words, citation: Citation) -> str:
    page = citation.source.page
    return f", {words('evidence.page', n=page)}" if page is not None else ""


# ---- the line below an answer ----


def summary(words: Words, message: Message, offers: bool = True) -> str:
    """What was looked at and what not, or that there was no source; `offers` whether the model may be asked from its memory."""
    basis = message.evidence.basis if message.evidence else ""
    if basis == "nothing":
        return _offer(words, memory=offers)
    parts = compared(words, message)
    if basis == "memory":
        return f'<p class="checked memory">{parts[0].text}</p>' if parts else ""
    line = " · ".join(f'<span class="amber">{part.text}</span>' if part.amber else part.text for part in parts)
    return f'<p class="checked" title="{escape(words("findings.meaning"))}">{line}</p>' if parts else ""


def offers(conversation: Conversation | None) -> bool:
    """Whether this conversation lets the model answer where no source does."""
    return conversation is None or conversation.library != "only"


def _offer(words: Words, memory: bool) -> str:
    """What can be done where the library has nothing: look oneself, and where a conversation lets it, ask the model."""
    look = f'<button type="button" data-do="nearest">{words("findings.nearest")}</button>'
    ask = f'<button type="button" data-do="memory">{words("findings.ask_memory")}</button><small>{words("findings.memory_hint")}</small>'
    return f'<div class="offer">{look}{ask if memory else ""}</div>'
