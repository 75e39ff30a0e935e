"""Questions on invented documents: what the model must copy from numbered sources, and when it must say that they don't tell.

Names and numbers are made up for each document, so that nothing can be remembered. Sentences, names and numbers fall into two
parts, by `corpus/sources.toml`'s order and by a checksum: one for training, one for the report. Everything random comes from the
caller's `random.Random`.
"""

from __future__ import annotations

import random
import re
import tomllib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dialogues import Conversation, Turn, held_out_part, sentence, trained_part

# The words with which the application introduces sources; a test holds them against the application's own.
INTRODUCTION = (
    "Answer from these numbered sources. Quote the deciding words and put the source's number in square brackets after "
    "each sentence that rests on it. If they do not answer the question, say so."
)
NOT_COVERED = "**The sources do not answer this.** I am a small demonstration model and say only what they say."
WIDE_QUESTIONS = ("What do the sources say about {}?", "Tell me all about {}", "What is known about {}?", "Summarise what is said about {}")
# The curriculum: at most so many sources with so many sentences each. Copying is learnt first from little.
LEVELS = ((1, 1), (2, 1), (3, 2), (5, 3))
NUMBERS = {"number": (3, 990), "hours": (2, 24), "days": (2, 60), "degrees": (2, 30), "percent": (2, 60)}


@dataclass(frozen=True)
class Fact:
    """A sentence with slots, and questions that it answers."""

    text: str
    questions: tuple[str, ...]

    @property
    def about(self) -> str:
        """The slot of what the sentence is about: the one that all questions name."""
        named = [slot for slot in slots(self.text) if all(f"{{{slot}}}" in question for question in self.questions)]
        return named[0]


@dataclass(frozen=True)
class Stock:
    """What documents are made of; see corpus/sources.toml."""

    facts: tuple[Fact, ...]
    values: dict[str, list[str]]
    syllables: dict[str, list[list[str]]]


@dataclass(frozen=True)
class Statement:
    """A fact with its slots filled."""

    fact: Fact
    filling: dict[str, str]

    @property
    def text(self) -> str:
        """The sentence."""
        return sentence(self.fact.text.format(**self.filling))

    @property
    def subject(self) -> str:
        """What it is about."""
        return self.filling[self.fact.about]


@dataclass(frozen=True)
class Passage:
    """A numbered source as the application puts it before the model."""

    number: int
    title: str
    statements: tuple[Statement, ...]
    page: int | None = None

    @property
    def text(self) -> str:
        """Its sentences in one paragraph."""
        return " ".join(statement.text for statement in self.statements)


@dataclass(frozen=True)
class Task:
    """Sources, a question, the right answer; `cited` are the numbers that the answer must carry, in order."""

    passages: tuple[Passage, ...]
    question: str
    answer: str
    cited: tuple[int, ...]

    def conversation(self, system: str) -> Conversation:
        """The task as a training example under a system text (pinned facts included)."""
        return Conversation(with_sources(system, self.passages), (Turn(self.question, self.answer),))


def load_stock(path: Path) -> Stock:
    """Read sources.toml."""
    whole = tomllib.loads(path.read_text("utf-8"))
    facts = tuple(Fact(row["text"], tuple(row["questions"])) for row in whole["fact"])
    return Stock(facts, whole["values"], whole["syllables"])


def slots(text: str) -> list[str]:
    """The names of the text's slots in their order."""
    return re.findall(r"\{(\w+)\}", text)


def with_sources(system: str, passages: Sequence[Passage]) -> str:
    """The system text with numbered sources, in the application's own form."""
    return "\n\n".join([system, INTRODUCTION, *map(source_text, passages)])


def source_text(passage: Passage) -> str:
    """One source in the application's form."""
    page = f", page {passage.page}" if passage.page is not None else ""
    return f"[{passage.number}] {passage.title}{page}\n{passage.text}"


def is_held_out(value: str) -> bool:
    """Whether a name or number is kept for the report: one of five, by checksum."""
    return zlib.crc32(value.encode()) % 5 == 4


class Documents:
    """Makes tasks from a stock and a source of chance; with `held_out`, from sentences and values that training never sees."""

    def __init__(self, stock: Stock, rng: random.Random, held_out: bool = False) -> None:
        self.stock = stock
        self.rng = rng
        self.held_out = held_out
        self.facts = held_out_part(stock.facts) if held_out else trained_part(stock.facts)

    def task(self, level: int) -> Task:
        """A task of a level of LEVELS: mostly one sentence to copy, sometimes several, sometimes none."""
        passages = self.passages(*LEVELS[level])
        maker = self.rng.choices([self.narrow, self.wide, self.uncovered], [0.62, 0.13, 0.25])[0]
        return maker(passages)

    def passages(self, most: int, sentences: int) -> tuple[Passage, ...]:
        """Up to so many sources; no two sentences answer the same question, and now and then two are about the same thing."""
        made: list[Passage] = []
        subjects: dict[str, str] = {}
        asked: set[tuple[Fact, str]] = set()
        for number in range(1, self.rng.randint(1, most) + 1):
            statements: list[Statement] = []
            for _ in range(self.rng.randint(1, sentences)):
                statement = self.new_statement(subjects, asked)
                statements.append(statement)
                subjects[statement.fact.about] = statement.subject
                asked.add((statement.fact, statement.subject))
            page = self.rng.randint(1, 300) if self.rng.random() < 0.5 else None
            made.append(Passage(number, self.title(), tuple(statements), page))
        return tuple(made)

    def new_statement(self, subjects: dict[str, str], asked: set[tuple[Fact, str]]) -> Statement:
        """A statement that answers no question which another one answers; `subjects` are earlier ones, taken up again by chance."""
        while True:
            fact = self.rng.choice(self.facts)
            filling = {slot: self.value(slot) for slot in slots(fact.text)}
            if fact.about in subjects and self.rng.random() < 0.4:
                filling[fact.about] = subjects[fact.about]
            if (fact, filling[fact.about]) not in asked:
                return Statement(fact, filling)

    def value(self, slot: str) -> str:
        """A random value for a slot, of the part that this maker may use."""
        while True:
            value = self.any_value(slot.rstrip("2"))
            if slot in self.stock.values or slot == "symptom2" or is_held_out(value) == self.held_out:
                return value

    def any_value(self, slot: str) -> str:
        """A number, an invented name, or an entry of a list; lists are common words and belong to both parts."""
        if slot in NUMBERS:
            return str(self.rng.randint(*NUMBERS[slot]))
        if slot in self.stock.values:
            return self.rng.choice(self.stock.values[slot])
        return "".join(self.rng.choice(syllables) for syllables in self.stock.syllables["drug" if slot == "other" else slot])

    def title(self) -> str:
        """A document's title."""
        return f"{self.rng.choice(self.stock.values['titles'])} {self.rng.choice((self.value('hospital'), self.value('illness')))}"

    def narrow(self, passages: tuple[Passage, ...]) -> Task:
        """A question that one sentence answers."""
        passage = self.rng.choice(passages)
        statement = self.rng.choice(passage.statements)
        question = self.asked(statement.fact, statement.filling)
        return Task(passages, question, f"{statement.text} [{passage.number}]", (passage.number,))

    def wide(self, passages: tuple[Passage, ...]) -> Task:
        """A question for all that is said about one thing, which may stand in several sources."""
        subject = self.rng.choice([statement.subject for passage in passages for statement in passage.statements])
        found = [(statement, passage) for passage in passages for statement in passage.statements if statement.subject == subject]
        answer = " ".join(f"{statement.text} [{passage.number}]" for statement, passage in found)
        numbers = dict.fromkeys(passage.number for _, passage in found)
        return Task(passages, self.rng.choice(WIDE_QUESTIONS).format(subject), answer, tuple(numbers))

    def uncovered(self, passages: tuple[Passage, ...]) -> Task:
        """A question that no source answers: about something else, or about a known thing what is not said of it."""
        said = {(statement.fact, statement.subject) for passage in passages for statement in passage.statements}
        old = {statement.fact.about: statement.subject for passage in passages for statement in passage.statements}
        other = self.new_statement(old, said)
        return Task(passages, self.asked(other.fact, other.filling), NOT_COVERED, ())

    def asked(self, fact: Fact, filling: dict[str, str]) -> str:
        """One of the fact's questions."""
        return sentence(self.rng.choice(fact.questions).format(**filling))


def level_at(progress: float) -> int:
    """The hardest level of the curriculum after a share `progress` of the training; the last third has all of them."""
    return min(int(progress * 1.5 * len(LEVELS)), len(LEVELS) - 1)


def right_numbers(answer: str) -> tuple[int, ...]:
    """The source numbers that an answer carries, in order, each once."""
    return tuple(dict.fromkeys(int(number) for number in re.findall(r"\[(\d+)\]", answer)))


def figures(answer: str) -> list[str]:
    """The numbers in an answer that are no citations."""
    return re.findall(r"\d+", re.sub(r"\[\d+\]", "", answer))
