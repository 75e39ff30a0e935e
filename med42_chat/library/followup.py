"""What a question is about that leans on the one before it: 'and in renal failure?' after one on metformin. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from med42_chat.library.english import ALTERNATIVES, LITTLE
from med42_chat.library.shorthand import spelled
from med42_chat.library.words import stem, telling, weak, words

_FEW = 2  # telling words of a question that may lean on the one before by being short
_SOME = 6  # of one that refers back
_BY_ITSELF = 3  # telling words, with which a question that seems to lean on another may well stand by itself

_JOINS = re.compile(r"^\W*(and|or|but|so|then|also|plus|what (?:about|if)|how about|otherwise|same|in|for|with|without|after|before|if)\b")
_ALSO_BEGIN = ("in", "for", "with", "without", "after", "before", "if")  # questions that stand by themselves, too
_REFERS = re.compile(
    r"\b(?:it|its|they|them|their|this|these|those|he|she|him|his|her|instead|there|same|alternatives?)\b"
    r"|\b(?:is|was|does|do|will|would|can|should|about|of|for|like) that\b|\bthat\W*$"
)
# 'Is it safe to …': this 'it' stands for nothing.
_DUMMY = re.compile(r"\b(?:is|was|does|would|will) it (?:\w+ ){0,2}?(?:to|that|if|when|take)\b|\bthere (?:is|are)\b|\b(?:is|are) there\b")
# No question at all, or one about whom it is put to: 'Thank you' and 'Who are you?' are not about the medicine of the question before.
_COURTESY = re.compile(
    r"(?:\W*\b(?:many thanks|thanks?|thank you|thx|cheers|ok(?:ay)?|hello|hi|hey|good (?:morning|afternoon|evening|night)|(?:good)?bye"
    r"|(?:who|what) are you|what (?:can you do|do you know)"
    r"|great|perfect|got it|(?:very|so) much|a lot|for (?:your|the) help|that helps|you are welcome)\b)+\W*"
)
# What asks for the last answer anew, in another manner: 'Explain that to a patient', 'As a table, please', 'Shorter'.
_ANEW = (
    r"(?:explain|summari[sz]e|simplify|shorten|rephrase|reword|rewrite|translate|repeat|restate|condense|say|put|write|make|turn|format"
    r"|give|show|list|tell)"
)
_ANSWER = r"(?:that|this|it|(?:the|your)(?: last| whole)? (?:answer|reply)|the above)"
_MANNER = (
    r"(?:(?:in|into|as|with|using|to|for|a|an|the|my|more|less|much|and|or|very|one|two|three|few|fewer|of|only|just|please|again|me|us"
    r"|simple|simpler|plain|plainer|easy|easier|lay|layman'?s|short|shorter|brief|briefly|longer|clear|clearer|clearly|simply|other|own|bullets?"
    r"|points?|list|table|letter|note|paragraphs?|sentences?|lines?|words|terms|language|english|details?|step|by|steps|summary|version"
    r"|patients?|relatives?|family|lay ?person|layperson|layman|non-specialist|colleague|nurse)\b\W*)"
)
_REWORKED = re.compile(
    rf"\W*(?:(?:please|now|and|then|ok|so|can you|could you|would you|will you)\b\W*)*"
    rf"(?:{_ANEW}\b\W*(?:(?:me|us|to|for|a|the|patient)\b\W*)*{_ANSWER}\b\W*{_MANNER}*"
    rf"|(?:in|as|with)\b\W*{_MANNER}+|(?:shorter|simpler|briefer|again|summari[sz]e|more briefly|in short)\b\W*{_MANNER}*)"
)
_DETERMINED = re.compile(r"\bthis (?:patient|man|woman|person|case)\b")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is looked up, and the words of an earlier one that it leans on, '' where it stands by itself."""

    question: str
    context: str = ""

    @property
    def text(self) -> str:
        """What is looked up."""
        return f"{self.question} {self.context}".strip()


def readings(question: str, earlier: Sequence[str]) -> Iterator[Asked]:
    """The ways in which a question may be meant, the likeliest first. `earlier` are the conversation's questions, the oldest first.

    One that only names another thing of the same kind is the earlier question, asked of that. Else it leans on the last question that
    stands by itself: what led from there to here is left out, or little would answer all of it. One that wants the last answer put in
    another way is looked up as what that one answered.
    """
    if reworks(question) and (answered := [one for one in earlier if not (reworks(one) or _is_courtesy(one))]):
        yield from readings(answered[-1], answered[:-1])
        return
    before, own = _base(earlier), telling(question)
    if exchanged := _exchanged(question, before):
        yield Asked(exchanged)
    if leans(question):
        yield Asked(question, " ".join(word for word in telling(before) if word not in own))
    if not leans(question) or len(own) >= _BY_ITSELF:
        yield Asked(question)


def reworks(question: str) -> bool:
    """Whether a question asks for nothing but the last answer once more, put in another way."""
    return _REWORKED.fullmatch(question.casefold()) is not None


def leans(question: str) -> bool:
    """Whether a question cannot be understood without the one before it."""
    if _is_courtesy(question):
        return False
    plain = _DETERMINED.sub(" ", _DUMMY.sub(" ", question.casefold()))
    own = telling(plain)
    joins = _JOINS.search(plain)
    if joins and len(own) <= _SOME:
        return len(own) <= _FEW or joins[1] not in _ALSO_BEGIN
    if _REFERS.search(plain):
        return len(own) <= _SOME
    return len(own) <= _FEW and all(weak(word) for word in own)


def _base(earlier: Sequence[str]) -> str:
    """The last question that stands by itself, asked of what has been named in the place of something there since."""
    base = ""
    for one in earlier:
        base = _exchanged(one, base) or (base if base and (leans(one) or reworks(one) or _is_courtesy(one)) else one)
    return base


def _is_courtesy(question: str) -> bool:
    return _COURTESY.fullmatch(question.casefold()) is not None


def _exchanged(question: str, before: str) -> str:
    """The question before, asked of what the question names in the place of something there; '' where the question says anything else."""
    own, asked = telling(question), before
    there = [word for word in telling(before) if word not in own]
    if not LITTLE.issuperset(set(words(question)) - set(own)):
        return ""
    for word in (one for one in own if one not in telling(before)):
        other = next((one for one in there if _alternatives(word, one, there)), "")
        if not other:
            return ""
        asked = re.sub(rf"\b{re.escape(other)}\b", word, asked, flags=re.IGNORECASE)
        there.remove(other)
    return asked if asked != before else ""


def _alternatives(word: str, other: str, among: Sequence[str]) -> bool:
    """Whether one may take the other's place. A figure takes that of the only figure."""
    if word[0].isdigit() or other[0].isdigit():
        return word[0].isdigit() and other[0].isdigit() and sum(one[0].isdigit() for one in among) == 1
    return any(kind & _forms(word) and kind & _forms(other) for kind in _kinds())


def _forms(word: str) -> frozenset[str]:
    """The stems of a word and of what it stands for."""
    return frozenset(map(stem, [word, *(long for _, long in spelled(word))]))


@cache
def _kinds() -> tuple[frozenset[str], ...]:
    return tuple(frozenset(map(stem, kind)) for kind in ALTERNATIVES)
