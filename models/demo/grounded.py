"""Questions on invented documents: what the model must copy from numbered sources, and when it must say that they don't tell.

Sentences come in three kinds. *Facts* fill the slots of `corpus/sources.toml` with invented names and numbers; *borrowed* ones are
sentences of the corpus with words exchanged at random; *babble* is random words, the purest copying. So nothing can be remembered.
Facts, borrowed sentences, names and numbers fall into two parts, by order or by a checksum: one for training, one for the report.
Everything random comes from the caller's `random.Random`.
"""

from __future__ import annotations

import random
import re
import tomllib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dialogues import Conversation, Corpus, Turn, held_out_part, made_up, sentence, trained_part

# The words with which the application introduces sources; a test holds them against the application's own.
INTRODUCTION = (
    "Answer from these numbered sources. Quote the deciding words and put the source's number in square brackets after "
    "each sentence that rests on it. If they do not answer the question, say so."
)
NOT_COVERED = "**The sources do not answer this.** I am a small demonstration model and say only what they say."
WIDE_QUESTIONS = ("What do the sources say about {}?", "Tell me all about {}", "What is known about {}?", "Summarise what is said about {}")
SEPARATORS = {" ": 0.7, "\n": 0.15, "\n- ": 0.15}
REAL = 0.25  # share of real names: what a source says of metformin goes before what the model knows of it
BEGUN = 0.3  # share of questions that name the sentence's first word: finding the beginning from the middle is learnt last
BORROWED_LENGTH = range(5, 31)  # in words


@dataclass(frozen=True)
class Level:
    """A step of the curriculum: at most so many sources of so many sentences; `mix` are the shares of facts, borrowed sentences, babble."""

    sources: int
    sentences: int
    mix: tuple[float, float, float]


# Copying is learnt first from little, and from babble, where nothing else helps.
LEVELS = (
    Level(1, 2, (0.3, 0.2, 0.5)),
    Level(2, 2, (0.4, 0.3, 0.3)),
    Level(3, 3, (0.5, 0.35, 0.15)),
    Level(5, 3, (0.55, 0.35, 0.1)),
    Level(5, 7, (0.55, 0.4, 0.05)),
)
NUMBERS = {
    "number": (3, 990),
    "hours": (2, 36),
    "days": (2, 60),
    "weeks": (2, 52),
    "minutes": (2, 90),
    "degrees": (2, 40),
    "percent": (2, 98),
    "few": (2, 12),
}


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
    """What documents are made of; see corpus/sources.toml. `sentences` and `words` are the corpus's own, `names` its real names by slot."""

    facts: tuple[Fact, ...]
    values: dict[str, list[str]]
    syllables: dict[str, list[list[str]]]
    frames: tuple[str, ...]
    sentences: tuple[str, ...]
    words: tuple[str, ...]
    common: frozenset[str]
    names: dict[str, list[str]]


@dataclass(frozen=True)
class Statement:
    """A sentence of a source. `asked` are words that a question names and that stand together in no other sentence; `fact` is None for
    sentences without slots.
    """

    text: str
    asked: tuple[str, ...]
    questions: tuple[str, ...]
    fact: Fact | None = None
    filling: tuple[tuple[str, str], ...] = ()

    @property
    def subject(self) -> str:
        """What it is about."""
        return self.asked[0]

    def clashes(self, other: Statement) -> bool:
        """Whether one sentence would answer a question that belongs to the other."""
        if self.fact and other.fact:
            return self.fact == other.fact and self.subject == other.subject
        return mentions(self.text, other.asked) or mentions(other.text, self.asked)


@dataclass(frozen=True)
class Passage:
    """A numbered source as the application puts it before the model; `separator` stands between its sentences."""

    number: int
    title: str
    statements: tuple[Statement, ...]
    page: int | None = None
    separator: str = " "

    @property
    def text(self) -> str:
        """Its sentences in one paragraph, in lines or as a list."""
        return self.separator.join(statement.text for statement in self.statements).strip()


@dataclass(frozen=True)
class Task:
    """Sources, a question, the right answer; `cited` are the numbers that the answer must carry, in order."""

    passages: tuple[Passage, ...]
    question: str
    answer: str
    cited: tuple[int, ...]

    def conversation(self, system: str) -> Conversation:
        """The task as a training example under a system text (pinned facts included)."""
        return Conversation(with_sources(system, self.passages), (Turn(self.question, self.answer),), grounded=True)


def load_stock(path: Path, corpus: Corpus) -> Stock:
    """Read sources.toml, and take sentences, words and names from the corpus."""
    whole: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    sentences = tuple(dict.fromkeys(text for topic in corpus.topics for text in sentences_of(topic.answer)))
    common = frozenset(corpus.fillers)
    return Stock(
        facts=tuple(Fact(row["text"], tuple(row["questions"])) for row in whole["fact"]),
        values=whole["values"],
        syllables=whole["syllables"],
        frames=tuple(whole["frames"]["questions"]),
        sentences=sentences,
        words=tuple(sorted({word for text in sentences for word in content_words(text, common)})),
        common=common,
        names={
            "drug": [name for topic in corpus.topics if topic.kind == "drug" for name in topic.names],
            "illness": [name for topic in corpus.topics if topic.kind in ("definition", "first-steps") for name in topic.names],
        },
    )


def sentences_of(answer: str) -> list[str]:
    """The answer's plain sentences and list entries of a usable length, without their marks; tables and headings are left out."""
    lines = [line for line in answer.splitlines() if line and line[0] not in "|#"]
    bare = [re.sub(r"^(?:- |\d+\. )|\*\*", "", line) for line in lines]
    parts = [part.strip() for line in bare for part in re.split(r"(?<=[.?!]) ", line)]
    ended = [part if part.endswith((".", "?", "!")) else f"{part.rstrip(':;,')}." for part in parts]
    return [sentence(part) for part in ended if len(part.split()) in BORROWED_LENGTH]


def content_words(text: str, common: frozenset[str]) -> list[str]:
    """The text's words of four letters or more that are not common ones."""
    return [word for word in dict.fromkeys(re.findall(r"(?<!\w)[^\W\d_]{4,}(?!\w)", text)) if word.lower() not in common]


def mentions(text: str, words: Sequence[str]) -> bool:
    """Whether all these words stand in the text, in whatever case."""
    return all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) for word in words)


def slots(text: str) -> list[str]:
    """The names of the text's slots in their order."""
    return re.findall(r"\{(\w+)\}", text)


def with_sources(system: str, passages: Sequence[Passage]) -> str:
    """The system text with numbered sources, in the application's own form."""
    return "\n\n".join([*([system] if system else []), INTRODUCTION, *map(source_text, passages)])


def source_text(passage: Passage) -> str:
    """One source in the application's form."""
    page = f", page {passage.page}" if passage.page is not None else ""
    return f"[{passage.number}] {passage.title}{page}\n{passage.text}"


def quoted(statement: Statement, passage: Passage) -> str:
    """A sentence as an answer says it. The source comes first: which source, where in it, and how it goes on are then three small
    choices, one after the other, and not one large one.
    """
    return f"Source {passage.number} says: {statement.text} [{passage.number}]"


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
        self.sentences = held_out_part(stock.sentences) if held_out else trained_part(stock.sentences)

    # --- tasks ---

    def task(self, level: int) -> Task:
        """One question on new sources."""
        return self.question_on(self.passages(LEVELS[level]), LEVELS[level])

    def conversation(self, level: int, system: str, turns: int) -> Conversation:
        """Several questions on the same sources: most of its tokens are learnt from, where one question learns few of many."""
        passages = self.passages(LEVELS[level])
        tasks = {task.question: task for task in (self.question_on(passages, LEVELS[level]) for _ in range(turns))}
        said = tuple(Turn(task.question, task.answer) for task in tasks.values())
        return Conversation(with_sources(system, passages), said, grounded=True)

    def question_on(self, passages: tuple[Passage, ...], level: Level) -> Task:
        """Mostly one sentence to copy, sometimes several, sometimes none."""
        kind = self.rng.choices(("narrow", "wide", "uncovered"), (0.68, 0.1, 0.22))[0]
        if kind == "uncovered":
            return self.uncovered(passages, level)
        return self.wide(passages) if kind == "wide" else self.narrow(passages)

    def narrow(self, passages: tuple[Passage, ...]) -> Task:
        """A question that one sentence answers."""
        passage = self.rng.choice(passages)
        statement = self.rng.choice(passage.statements)
        return Task(passages, self.rng.choice(statement.questions), quoted(statement, passage), (passage.number,))

    def wide(self, passages: tuple[Passage, ...]) -> Task:
        """A question for all that is said about one thing, which may stand in several sources."""
        subject = self.rng.choice([statement.subject for passage in passages for statement in passage.statements])
        every = [(statement, passage) for passage in passages for statement in passage.statements]
        found = [(statement, passage) for statement, passage in every if mentions(statement.text, [subject])]
        answer = "\n\n".join(quoted(statement, passage) for statement, passage in found)
        numbers = dict.fromkeys(passage.number for _, passage in found)
        return Task(passages, self.rng.choice(WIDE_QUESTIONS).format(subject), answer, tuple(numbers))

    def uncovered(self, passages: tuple[Passage, ...], level: Level) -> Task:
        """A question that no source answers: about something else, or about a known thing what is not said of it."""
        said = [statement for passage in passages for statement in passage.statements]
        while True:
            other = self.new_statement(level, said)
            if other.fact or not any(mentions(statement.text, [word]) for statement in said for word in other.asked):
                return Task(passages, self.rng.choice(other.questions), NOT_COVERED, ())

    # --- sources ---

    def passages(self, level: Level) -> tuple[Passage, ...]:
        """Sources in which no two sentences answer the same question, and now and then two are about the same thing."""
        said: list[Statement] = []
        made: list[Passage] = []
        for number in range(1, self.rng.randint(1, level.sources) + 1):
            count = self.rng.randint(1, level.sentences)
            for _ in range(count):
                said.append(self.new_statement(level, said))
            page = self.rng.randint(1, 300) if self.rng.random() < 0.5 else None
            made.append(
                Passage(number, self.title(), tuple(said[-count:]), page, self.rng.choices(list(SEPARATORS), list(SEPARATORS.values()))[0])
            )
        return tuple(made)

    def new_statement(self, level: Level, said: Sequence[Statement]) -> Statement:
        """A statement that answers no question which one of `said` answers."""
        while True:
            maker = self.rng.choices((self.about_fact, self.borrowed, self.babble), level.mix)[0]
            made = maker(said)
            if not any(made.clashes(other) for other in said):
                return made

    def about_fact(self, said: Sequence[Statement]) -> Statement:
        """A fact with its slots filled; what it is about is by chance what an earlier one is about."""
        fact = self.rng.choice(self.facts)
        filling = {slot: self.value(slot) for slot in slots(fact.text)}
        known = [old.subject for old in said if old.fact and old.fact.about == fact.about]
        if known and self.rng.random() < 0.4:
            filling[fact.about] = self.rng.choice(known)
        questions = tuple(sentence(question.format(**filling)) for question in fact.questions)
        return Statement(sentence(fact.text.format(**filling)), (filling[fact.about],), questions, fact, tuple(filling.items()))

    def borrowed(self, said: Sequence[Statement]) -> Statement:
        """A sentence of the corpus with some of its words and all of its numbers exchanged."""
        text = self.rng.choice(self.sentences)
        for word in content_words(text, self.stock.common):
            if self.rng.random() < 0.35:
                new = self.word() if word[0].islower() else sentence(self.word())
                text = re.sub(rf"\b{word}\b", new, text)
        return self.named_by_words(re.sub(r"\d+", lambda _: self.value("number"), text))

    def babble(self, said: Sequence[Statement]) -> Statement:
        """Random words and numbers."""
        count = self.rng.randint(4, 14)
        words = [self.value("number") if self.rng.random() < 0.12 else self.word() for _ in range(count)]
        return self.named_by_words(sentence(" ".join([self.word(), *words, self.word()])) + ".")

    def named_by_words(self, text: str) -> Statement:
        """The sentence with questions that name one to three of its words."""
        words = content_words(text, self.stock.common) or text.rstrip(".").split()
        asked = self.rng.sample(words, min(len(words), self.rng.choice((1, 2, 2, 3))))
        if self.rng.random() < BEGUN and words[0] not in asked and text.startswith(words[0]):
            asked[0] = words[0]
        frames = [frame for frame in self.stock.frames if frame.count("{}") == len(asked)]
        return Statement(text, tuple(asked), tuple(sentence(frame.format(*asked)) for frame in self.rng.sample(frames, 3)))

    # --- words, names, numbers ---

    def word(self) -> str:
        """A word of the corpus or an invented one."""
        return self.rng.choice(self.stock.words).lower() if self.rng.random() < 0.5 else self.mine(lambda: made_up(self.rng))

    def value(self, slot: str) -> str:
        """A random value for a slot, of the part that this maker may use; lists are common words and belong to both parts."""
        kind = slot.rstrip("23")
        if kind in self.stock.values:
            return self.rng.choice(self.stock.values[kind])
        return self.mine(lambda: self.any_value(kind))

    def mine(self, make: Callable[[], str]) -> str:
        """The first value made that belongs to this maker's part."""
        while True:
            value = make()
            if is_held_out(value) == self.held_out:
                return value

    def any_value(self, kind: str) -> str:
        """A number, a real name or an invented one."""
        if kind in NUMBERS:
            return str(self.rng.randint(*NUMBERS[kind]))
        if kind == "decimal":
            return f"{self.rng.randint(0, 40)}.{self.rng.randint(1, 9)}"
        kind = "drug" if kind == "other" else kind
        if kind in self.stock.names and self.rng.random() < REAL:
            return self.rng.choice(self.stock.names[kind])
        parts = [self.rng.choice(syllables) for syllables in self.stock.syllables[kind]]
        if self.rng.random() < 0.5:  # few syllables make few names: half of them begin as no list does
            parts[:2] = [sentence(made_up(self.rng)) if parts[0][0].isupper() else made_up(self.rng)]
        return "".join(parts)

    def title(self) -> str:
        """A document's title."""
        return f"{self.rng.choice(self.stock.values['titles'])} {self.rng.choice((self.value('hospital'), self.value('illness')))}"


def level_at(progress: float) -> int:
    """The hardest level of the curriculum after a share `progress` of the training; from a fifth on there are all of them."""
    return min(int(progress * 4 * len(LEVELS)), len(LEVELS) - 1)


def right_numbers(answer: str) -> tuple[int, ...]:
    """The source numbers that an answer carries, in order, each once."""
    return tuple(dict.fromkeys(int(number) for number in re.findall(r"\[(\d+)\]", answer)))


def figures(answer: str) -> list[str]:
    """The numbers in an answer that are no citations."""
    return re.findall(r"\d+", re.sub(r"\[\d+\]|Source \d+ says", "", answer))
