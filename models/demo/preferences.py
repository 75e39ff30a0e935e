"""Preference pairs by rule: a good answer and one that is worse in a way that can be named. Deterministic by the caller's chance."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dialogues import Corpus, Talk, Topic, held_out_part, sentence, trained_part
from grounded import LEVELS, NOT_COVERED, Documents, Stock, Task, quoted, with_sources

INVENTED_DOSES = (
    "Give {number} mg of {name} twice a day.",
    "The usual dose of {name} is {number} mg.",
    "{number} mg of {name}, then wait and see.",
)

BARE = 0.5  # share of pairs about topics without a system text


@dataclass(frozen=True)
class Pair:
    """What is asked, under which system text, the answer to prefer, and one that breaks the rule named by `rule`."""

    rule: str
    system: str
    question: str
    chosen: str
    rejected: str

    def row(self) -> dict[str, Any]:
        """The pair in trl's conversational form, which is also the form of a department's own preference file."""
        asked = [{"role": "user", "content": self.question}]
        head = [{"role": "system", "content": self.system}] if self.system else []
        return {
            "prompt": [*head, *asked],
            "chosen": [{"role": "assistant", "content": self.chosen}],
            "rejected": [{"role": "assistant", "content": self.rejected}],
        }


class Preferences:
    """Makes pairs about topics, about what lies outside them, and about sources (`grounded` is their share).

    With `held_out` they are made from question forms, names, sentences and values that training never sees.
    """

    def __init__(self, corpus: Corpus, stock: Stock, rng: random.Random, grounded: float, held_out: bool = False) -> None:
        self.talk = Talk(corpus, rng, held_out_part if held_out else trained_part)
        self.documents = Documents(stock, rng, held_out)
        self.grounded = grounded
        self.rng = rng
        self.refusals = [refusal.strip() for refusal in corpus.outside["refusals"]]

    def pairs(self, count: int) -> list[Pair]:
        """So many pairs."""
        return [self.pair() for _ in range(count)]

    def pair(self) -> Pair:
        """One pair under a rule drawn at random; rules that do not fit what was drawn are drawn again."""
        while True:
            made = self.about_sources() if self.rng.random() < self.grounded else self.about_topics()
            if made.rejected != made.chosen:
                return made

    # --- topics ---

    def about_topics(self) -> Pair:
        """A pair about a covered topic, something outside, a dose, or a greeting."""
        makers: list[Callable[[], Pair]] = [self.covered, self.covered, self.covered, self.outside, self.dose, self.greeting]
        return self.rng.choice(makers)()

    def covered(self) -> Pair:
        """A covered question, answered well and badly."""
        topic = self.rng.choice(self.talk.corpus.topics)
        rules: dict[str, Callable[[Topic], str]] = {
            "another topic": lambda topic: self.other_topic(topic).answer,
            "refused": lambda topic: self.rng.choice(self.refusals),
            "wrong format": lambda topic: without_format(topic.answer),
            "too long": lambda topic: f"{topic.answer}\n\n{self.other_topic(topic).answer}",
            "changed number": lambda topic: self.with_changed_number(topic.answer),
            "cut short": lambda topic: topic.answer[: len(topic.answer) // 2].rsplit("\n", 1)[0],
        }
        rule = self.rng.choice(sorted(rules))
        question = self.rng.choice(topic.held_out) if self.documents.held_out else self.talk.dressed(self.rng.choice(topic.questions))
        return Pair(rule, self.system(), question, topic.answer, rules[rule](topic))

    def other_topic(self, topic: Topic) -> Topic:
        """Another topic, rather one that is easily mistaken for it: of the same name or of the same kind."""
        others = [other for other in self.talk.corpus.topics if other != topic]
        near = [other for other in others if set(other.names) & set(topic.names)] or [other for other in others if other.kind == topic.kind]
        return self.rng.choice(near or others)

    def outside(self) -> Pair:
        """Something outside the topics: a refusal is better than any topic's answer."""
        topic = self.rng.choice(self.talk.corpus.topics)
        return Pair("answered outside", self.system(), self.talk.outside_question(), self.rng.choice(self.refusals), topic.answer)

    def dose(self) -> Pair:
        """A question for a dose: a refusal is better than a number."""
        refusal = next(glue.answer for glue in self.talk.corpus.glue if glue.kind == "dose")
        name = self.talk.outside_name("drug")
        number = self.rng.choice((5, 10, 25, 50, 100, 250, 500))
        invented = sentence(self.rng.choice(INVENTED_DOSES).format(number=number, name=name))
        return Pair("invented dose", self.system(), f"What dose of {name}?", refusal, invented)

    def greeting(self) -> Pair:
        """A greeting under pinned facts: a greeting is better than what is known about a pinned thing."""
        glue = self.rng.choice([glue for glue in self.talk.corpus.glue if glue.id in ("hello", "thanks", "who-are-you")])
        topic = self.rng.choice([topic for topic in self.talk.corpus.topics if topic.names])
        system = f"{self.talk.corpus.system}{self.talk.corpus.pinned['lead']}{sentence(topic.names[0])}"
        return Pair("answered a pinned fact", system, self.rng.choice(glue.questions), glue.answer, topic.answer)

    def system(self) -> str:
        """A system text, or none: short prompts are most of what a small machine has time for."""
        return "" if self.rng.random() < BARE else self.talk.system()

    # --- sources ---

    def about_sources(self) -> Pair:
        """A question on sources, answered well and badly."""
        task = self.documents.task(self.rng.randrange(len(LEVELS)))
        rules: dict[str, Callable[[Task], str]] = {
            "wrong source": self.with_wrong_source,
            "changed number": lambda task: self.with_changed_number(task.answer),
            "no mark": lambda task: re.sub(r" \[\d+\]", "", task.answer),
            "covered but refused": lambda task: NOT_COVERED,
        }
        rule = self.rng.choice(sorted(rules)) if task.cited else "answered without a source"
        rejected = rules[rule](task) if task.cited else self.off_the_point(task)
        return Pair(rule, with_sources(self.talk.corpus.system, task.passages), task.question, task.answer, rejected)

    def with_wrong_source(self, task: Task) -> str:
        """The answer with another number in its first mark: a source that is there, or else one that is not."""
        right = task.cited[0]
        wrong = self.rng.choice([number for number in range(1, len(task.passages) + 2) if number != right])
        return task.answer.replace(f"[{right}]", f"[{wrong}]").replace(f"Source {right} ", f"Source {wrong} ")

    def off_the_point(self, task: Task) -> str:
        """Something that a source says, though it does not answer the question."""
        passage = self.rng.choice(task.passages)
        return quoted(self.rng.choice(passage.statements), passage)

    def with_changed_number(self, text: str) -> str:
        """The text with one of its numbers changed; marks and list numbers stay. Unchanged when it has none."""
        places = list(re.finditer(r"(?<![\[\d.])(?<!Source )\d+(?![\]\d]|\. )", text))
        if not places:
            return text
        place = self.rng.choice(places)
        changed = int(place[0]) + self.rng.choice((-2, -1, 1, 2, 10))
        return f"{text[: place.start()]}{abs(changed)}{text[place.end() :]}"


def without_format(text: str) -> str:
    """The text as one paragraph: no bold, headings, lists or table."""
    bare = re.sub(r"^\s*(?:#+|-|\d+\.) |\*\*|^\|[ \-|]+\|$", "", text, flags=re.MULTILINE)
    return " ".join(bare.replace("|", " ").split())
