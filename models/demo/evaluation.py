"""What the finished file answers in llama.cpp, and whether that is right. Knows no PyTorch.

Everything is asked as the application asks this model, which holds it to what it can be trusted with (med42_chat/holding.py). Questions
on sources and presets filled in are put a second time, to the model alone, in words of its own.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dialogues import Corpus, Glue, Talk, Topic, held_out_part, normal
from grounded import INTRODUCTION, LEVELS, NOT_COVERED, Documents, Stock, Task, figures, right_numbers, with_sources
from notes import Notes, presets

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent.parent))

from med42_chat import filling, quoting, reciting  # noqa: E402
from med42_chat.prompt import Question  # noqa: E402
from med42_chat.records import Source  # noqa: E402

EXAMPLES = HERE.parent.parent / "assets" / "examples.toml"
PROTOCOLS = HERE / "corpus" / "protocols.toml"
APP_SAMPLING = {"temperature": 0.4, "top_k": 150, "top_p": 0.75, "min_p": 0.0, "repeat_penalty": 1.0, "seed": 42}
GREEDY = {"temperature": 0.0, "repeat_penalty": 1.0}

WISHES = ("Summarise this: ", "My notes:\n", "Write a SOAP note. Notes: ", "Medication review: ", "Sort these notes\n", "")

Said = list[tuple[str, str]]
Encode = Callable[[str, Said, str], list[int]]


@dataclass(frozen=True)
class Judge:
    """llama.cpp in a process of its own, through judge.py; `python` is an interpreter that has llama-cpp-python."""

    python: str

    def ask(self, job: dict[str, Any]) -> Any:
        """Do a job of judge.py's."""
        command = [self.python, str(HERE / "judge.py")]
        done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"error: llama.cpp could not judge the file\n{done.stderr[-2000:]}")
        return json.loads(done.stdout)

    def answers(self, model: Path, prompts: list[list[int]], grammars: list[str], sampling: dict[str, float]) -> list[str]:
        """The file's answer to each prompt, held to its grammar where that is not empty."""
        job = {"do": "answers", "model": str(model), "prompts": prompts, "grammars": grammars, "sampling": sampling}
        made: list[str] = self.ask(job)
        return made


@dataclass(frozen=True)
class Case:
    """One question put to the file: what stands before it, what makes an answer good, and the grammar that the answer is held to."""

    question: str
    system: str
    said: Said
    good: Callable[[str], bool]
    grammar: str = ""


@dataclass(frozen=True)
class Protocol:
    """One of corpus/protocols.toml."""

    title: str
    text: str
    questions: list[dict[str, str]]
    page: int | None = None

    def source(self, number: int) -> str:
        """It as a numbered source."""
        page = f", page {self.page}" if self.page is not None else ""
        return f"[{number}] {self.title}{page}\n{self.text.strip()}"


class Examination:
    """All cases by name. `most` limits how many of a kind are asked."""

    def __init__(self, corpus: Corpus, stock: Stock, seed: int, most: int) -> None:
        self.corpus = corpus
        self.stock = stock
        self.seed = seed
        self.most = most

    def measured(self, judge: Judge, model: Path, encode: Encode) -> dict[str, list[tuple[str, bool, str]]]:
        """Question, whether the answer was good, and the answer, for each case of each kind, greedy; held-out forms also sampled."""
        kinds = {name: cases[: self.most] for name, cases in self.cases().items()}
        rows = iter(put(judge, model, encode, [case for cases in kinds.values() for case in cases], GREEDY))
        found = {name: [next(rows) for _ in cases] for name, cases in kinds.items()}
        return found | {"held_out_sampled": put(judge, model, encode, kinds["held_out"], APP_SAMPLING)}

    def cases(self) -> dict[str, list[Case]]:
        """The cases of each kind."""
        made = {
            "examples": self.examples(),
            "held_out": [self.case(form, has_facts(topic)) for topic in self.corpus.topics for form in topic.held_out],
            "later": [
                self.case(topic.held_out[0], has_facts(topic), said=self.history_before(topic))
                for topic in evenly(self.corpus.topics, self.most // 3)
            ],
            "outside": [self.case(question, is_refusal) for question in self.unseen(Talk.outside_question, 150)],
            "doses": [self.case(question, self.glue("dose").answer.__eq__) for question in self.unseen(dose_question, 40)],
            "pinned": self.under_pinned_facts(),
            "for_patients": self.follow_ups(),
        }
        return made | self.from_sources()

    def case(self, question: str, good: Callable[[str], bool], system: str = "", said: Said | None = None) -> Case:
        """A case without sources, under the application's system text unless another is given."""
        return Case(question, system or self.corpus.system, said or [], good, reciting.grammar(Question(question)))

    def glue(self, id: str) -> Glue:
        """An entry of glue.toml."""
        return next(glue for glue in self.corpus.glue if glue.id == id)

    def talk(self, purpose: str) -> Talk:
        """Questions from names and phrases that training never saw."""
        return Talk(self.corpus, random.Random(f"{purpose}-{self.seed}"), held_out_part)

    def examples(self) -> list[Case]:
        """The empty page's questions and 'Who are you?', to be answered word for word."""
        asked = tomllib.loads(EXAMPLES.read_text("utf-8"))["questions"]
        forms = ((form, topic) for topic in self.corpus.topics for form in (*topic.questions, *self.corpus.forms[topic.id]))
        answers = {normal(form): topic.answer for form, topic in forms}
        own = self.case("Who are you?", self.glue("who-are-you").answer.__eq__)
        return [own, *(self.case(question, answers[normal(question)].__eq__) for question in asked)]

    def unseen(self, make: Callable[[Talk], str], count: int) -> list[str]:
        """Distinct questions of a kind."""
        talk = self.talk(make.__name__)
        found: dict[str, str] = {}
        while len(found) < count:
            question = make(talk)
            found.setdefault(normal(question), question)
        return list(found.values())

    def under_pinned_facts(self) -> list[Case]:
        """Greetings, thanks and 'Who are you?' with covered things pinned; the answer must be the greeting's own."""
        talk = self.talk("pinned")
        lead = self.corpus.pinned["lead"]
        cases = []
        for entry in (self.glue(id) for id in ("hello", "thanks", "who-are-you", "bye")):
            for question in entry.questions[:8]:
                facts = "\n".join(talk.filled(fact) for fact in ("Takes {drug}", "Problem: {disease}"))
                cases.append(self.case(question, entry.answer.__eq__, f"{self.corpus.system}{lead}{facts}"))
        return cases

    def follow_ups(self) -> list[Case]:
        """'Explain that to a patient' after a topic."""
        talk = self.talk("patients")
        able = [topic for topic in self.corpus.topics if topic.patient_answer]
        return [
            self.case("Explain that to a patient", talk.in_plain_words(topic).__eq__, said=[(topic.questions[0], topic.answer)])
            for topic in able
        ]

    def history_before(self, topic: Topic) -> Said:
        """Two turns about other topics, to see that the last question is what counts."""
        at = self.corpus.topics.index(topic)
        others = [self.corpus.topics[(at + away) % len(self.corpus.topics)] for away in (17, 40)]
        return [(other.questions[0], other.answer) for other in others]

    def from_sources(self) -> dict[str, list[Case]]:
        """Questions on unseen documents: is the right source cited, are all numbers copied, is an unanswered question left so."""
        documents = Documents(self.stock, random.Random(f"sources-{self.seed}"), held_out=True)
        tasks = [documents.task(number % len(LEVELS)) for number in range(200)]
        covered, uncovered = ([task for task in tasks if bool(task.cited) == wanted] for wanted in (True, False))
        held = {
            "right_source": [self.on(task, cites(task)) for task in covered],
            "right_numbers": [self.on(task, copies_figures(task)) for task in covered],
            "not_covered": [self.on(task, NOT_COVERED.__eq__) for task in uncovered],
            "protocols": [case for protocol in self.protocols() for case in self.on_protocol(protocol)],
        }
        notes, notes_alone = self.on_notes()
        alone = {f"{name}_alone": [replace(case, grammar="") for case in cases] for name, cases in held.items()}
        return held | {"notes": notes, "texts": self.on_texts()} | alone | {"notes_alone": notes_alone}

    def unseen_notes(self, purpose: str) -> Notes:
        """Notes with names, facts and phrases that training never saw."""
        rng = random.Random(f"{purpose}-{self.seed}")
        return Notes(Talk(self.corpus, rng, held_out_part), Documents(self.stock, rng, held_out=True))

    def on_notes(self) -> tuple[list[Case], list[Case]]:
        """Presets filled in, to be answered word for word: as the application has them copied, and as the model alone was taught to."""
        notes = self.unseen_notes("notes")
        turns = [notes.turn() for _ in range(60)]
        asked = [self.case(turn.question, filling.answer(turn.question, presets()).__eq__) for turn in turns]
        held = [replace(case, grammar=filling.grammar(case.question, presets())) for case in asked]
        return held, [replace(self.case(turn.question, turn.answer.__eq__), grammar="") for turn in turns]

    def on_texts(self) -> list[Case]:
        """Notes in no form that the application knows, to be declined."""
        notes = self.unseen_notes("texts")
        return [self.case(f"{notes.rng.choice(WISHES)}{notes.told()}", is_declined) for _ in range(60)]

    def protocols(self) -> list[Protocol]:
        """The protocols of an invented hospital, as a person wrote them."""
        return [Protocol(**row) for row in tomllib.loads(PROTOCOLS.read_text("utf-8"))["protocol"]]

    def on_protocol(self, protocol: Protocol) -> list[Case]:
        """Questions on a protocol that stands between two others: the deciding words and its number, or that none answers."""
        every = self.protocols()
        at = every.index(protocol)
        beside = (every[at - 1], protocol, every[(at + 1) % len(every)])
        system = "\n\n".join((self.corpus.system, INTRODUCTION, *(each.source(number) for number, each in enumerate(beside, 1))))
        sources = [source_of(number, each.title, each.text.strip(), each.page) for number, each in enumerate(beside, 1)]
        return [held_to(sources, self.case(question["ask"], says(question["words"], (2,)), system)) for question in protocol.questions]

    def on(self, task: Task, good: Callable[[str], bool]) -> Case:
        """A task as a case."""
        sources = [source_of(each.number, each.title, each.text, each.page) for each in task.passages]
        return held_to(sources, self.case(task.question, good, with_sources(self.corpus.system, task.passages)))


def source_of(number: int, title: str, text: str, page: int | None) -> Source:
    """A source as the application has it."""
    return Source(number, title, text, page, document_sha256="")


def held_to(sources: list[Source], case: Case) -> Case:
    """The case, its answer held to whole sentences of the sources, as the application does it with this model."""
    return replace(case, grammar=quoting.grammar(case.question, sources))


def put(judge: Judge, model: Path, encode: Encode, cases: Sequence[Case], sampling: dict[str, float]) -> list[tuple[str, bool, str]]:
    """Ask all cases, those that are alike in all but what is looked for only once, and judge the answers."""
    asked = [(tuple(encode(case.system, case.said, case.question)), case.grammar) for case in cases]
    distinct = list(dict.fromkeys(asked))
    made = judge.answers(model, [list(prompt) for prompt, _ in distinct], [grammar for _, grammar in distinct], sampling)
    answers = dict(zip(distinct, made, strict=True))
    return [(case.question, bool(case.good(answers[key].strip())), answers[key]) for case, key in zip(cases, asked, strict=True)]


def evenly(items: Sequence[Topic], count: int) -> list[Topic]:
    """So many items from all over the sequence."""
    return list(items[:: max(1, len(items) // max(1, count))])


def has_facts(topic: Topic) -> Callable[[str], bool]:
    """Whether an answer holds all key facts of the topic."""
    return lambda answer: all(fact in answer for fact in topic.key_facts)


def cites(task: Task) -> Callable[[str], bool]:
    """Whether an answer cites the task's sources."""
    return lambda answer: right_numbers(answer) == task.cited


def copies_figures(task: Task) -> Callable[[str], bool]:
    """Whether an answer has the right answer's numbers and no others."""
    return lambda answer: figures(answer) == figures(task.answer)


def says(words: str, cited: tuple[int, ...]) -> Callable[[str], bool]:
    """Whether an answer says these words and cites these sources; without words, whether it says that the sources don't tell."""
    return (lambda answer: words in answer and right_numbers(answer) == cited) if words else NOT_COVERED.__eq__


def is_refusal(answer: str) -> bool:
    """Whether the model says that it does not know, or does not give doses."""
    return "I don't know" in answer[:60] or "I don't give doses" in answer[:60]


def is_declined(answer: str) -> bool:
    """Whether the model says one of the things by which it declines a text."""
    return is_refusal(answer) or answer in (*reciting.HELP, reciting.NO_FORM)


def dose_question(talk: Talk) -> str:
    """A question for a dose."""
    return talk.dose_question("dose")
