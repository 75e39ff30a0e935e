"""What a question is about that leans on the one before it: 'and in renal failure?' after one on metformin. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from med42_chat.library.words import telling, weak

_FEW = 2  # telling words of a question that may lean on the one before by being short
_SOME = 6  # of one that refers back

_JOINS = re.compile(r"^\W*(and|or|but|so|then|also|plus|what (?:about|if)|how about|otherwise|same|in|for|with|without|after|before|if)\b")
_ALSO_BEGIN = ("in", "for", "with", "without", "after", "before", "if")  # questions that stand by themselves, too
_REFERS = re.compile(
    r"\b(?:it|its|they|them|their|this|these|those|he|she|him|his|her|instead|there|same|alternatives?)\b"
    r"|\b(?:is|was|does|do|will|would|can|should|about|of|for|like) that\b|\bthat\W*$"
)
# 'Is it safe to …': this 'it' stands for nothing.
_DUMMY = re.compile(r"\b(?:is|was|does|would|will) it (?:\w+ ){0,2}?(?:to|that|if|when|take)\b|\bthere (?:is|are)\b|\b(?:is|are) there\b")
_DETERMINED = re.compile(r"\bthis (?:patient|man|woman|person|case)\b")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as typed, and the words of an earlier one that it leans on, '' where it stands by itself."""

    question: str
    context: str = ""

    @property
    def text(self) -> str:
        """What is looked up."""
        return f"{self.question} {self.context}".strip()

    @property
    def own(self) -> list[str]:
        """The words by which the question itself says what it is about."""
        return telling(self.question)


def in_context(question: str, earlier: Sequence[str]) -> Asked:
    """The question with what it leans on. `earlier` are the conversation's questions until now, the oldest first.

    The context is the last question that stands by itself: what led from there to here is left out, or little would answer all of it.
    """
    if not leans(question):
        return Asked(question)
    base = next((one for one in reversed(earlier) if not leans(one)), earlier[0] if earlier else "")
    own = telling(question)
    return Asked(question, " ".join(word for word in telling(base) if word not in own))


def leans(question: str) -> bool:
    """Whether a question cannot be understood without the one before it."""
    plain = _DETERMINED.sub(" ", _DUMMY.sub(" ", question.casefold()))
    own = telling(plain)
    joins = _JOINS.search(plain)
    if joins and len(own) <= _SOME:
        return len(own) <= _FEW or joins[1] not in _ALSO_BEGIN
    if _REFERS.search(plain):
        return len(own) <= _SOME
    return len(own) <= _FEW and all(weak(word) for word in own)
