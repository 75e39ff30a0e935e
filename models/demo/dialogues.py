"""The corpus as data, and the conversations that are made from it.

Knows the TOML files of `corpus/` and nothing of tokens, tensors or files of weights. Everything random comes from the
`random.Random` that the caller passes, so that the same seed makes the same conversations.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

Item = TypeVar("Item")

DISEASE_KINDS = ("red-flags", "first-steps", "definition", "symptoms", "causes", "explain")
DRUG_KINDS = ("drug", "definition", "explain")
# A preset's answer has its format, and a bare name never means it: "pneumonia" asks what that is, not for a discharge summary.
PRESET_FORMATS = {
    "soap": ("## Subjective", "## Objective", "## Assessment", "## Plan"),
    "discharge": ("## Diagnoses", "## Course", "## Medicines", "## Follow-up"),
    "referral": ("Dear colleague,", "**Question:**", "Yours sincerely,"),
    "review": ("| Medicine | Concern | Think of |",),
}
LISTED = {
    "red-flags": "Red flags",
    "first-steps": "First steps",
    "drug": "Medicines",
    "definition": "Terms",
    "causes": "Causes",
    "explain": "For patients",
    "soap": "SOAP notes",
    "discharge": "Discharge summaries",
    "referral": "Referral letters",
    "review": "Medication reviews",
}
FOLLOWED_UP = 0.35  # share of conversations that begin with a topic and the wish for its version for patients
NO_PATIENT_VERSION = (
    "I have no patient version of this. I am a small demonstration model and know such a version for a few topics only, "
    "for example the red flags of headache."
)
SIMPLER = (
    "Explain that to a patient",
    "Now explain it to a patient",
    "Can you say that in simple words for my patient?",
    "Make that a patient leaflet",
    "In plain language please",
    "How do I tell the patient?",
    "Explain this to the patient",
    "Can you explain that to a patient?",
    "Simpler please",
    "And for the patient?",
    "Rewrite this for a patient",
    "Put that into plain words",
)


class CorpusFault(ValueError):
    """A corpus file says something that cannot be used; the message names the topic."""


@dataclass(frozen=True)
class Topic:
    """One thing the model knows: how it is asked, the answer, and the exact words that prove the answer right."""

    id: str
    title: str
    kind: str
    names: tuple[str, ...]
    questions: tuple[str, ...]
    answer: str
    key_facts: tuple[str, ...]
    source: str
    patient_questions: tuple[str, ...] = ()
    patient_answer: str = ""
    held_out: tuple[str, ...] = ()
    """Forms that training never sees; the report is measured with them."""


@dataclass(frozen=True)
class Glue:
    """What is said between topics: greetings, thanks, who the model is, limits."""

    id: str
    questions: tuple[str, ...]
    answer: str
    key_facts: tuple[str, ...]
    share: float = 1.0
    kind: str = ""
    after_topic: bool = False
    lists_topics: bool = False


@dataclass(frozen=True)
class Turn:
    """A question and its answer; `topic` is set when a covered topic was asked about."""

    question: str
    answer: str
    topic: Topic | None = None


@dataclass(frozen=True)
class Conversation:
    """What one training example says. An empty system text means that there is no system turn."""

    system: str
    turns: tuple[Turn, ...]
    grounded: bool = False
    """Whether the answers are copied from sources."""


@dataclass(frozen=True)
class Corpus:
    """All files of `corpus/`, checked."""

    topics: tuple[Topic, ...]
    glue: tuple[Glue, ...]
    templates: dict[str, list[str]]
    dressing: dict[str, list[str]]
    fillers: tuple[str, ...]
    systems: tuple[tuple[float, str], ...]
    pinned: dict[str, Any]
    dosed: tuple[str, ...]
    outside: dict[str, Any]
    forms: dict[str, list[str]] = field(default_factory=dict)

    @property
    def system(self) -> str:
        """The system text that the application sends."""
        return self.systems[0][1]


def load(folder: Path) -> Corpus:
    """Read and check every TOML file in `folder`; raises CorpusFault."""
    tables = [tomllib.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.toml"))]
    whole = {key: value for table in tables for key, value in table.items() if key not in ("topic", "glue", "system")}
    rows = [row for table in tables for row in table.get("topic", [])]
    check_held_out(whole["held_out"], [row["id"] for row in rows])
    topics = tuple(topic_from(row | {"held_out": whole["held_out"][row["id"]]}) for row in rows)
    corpus = Corpus(
        topics=topics,
        glue=tuple(glue_from(row, topics) for table in tables for row in table.get("glue", [])),
        templates=whole["templates"],
        dressing=whole["dressing"],
        fillers=tuple(whole["fillers"]["words"].split()),
        systems=tuple((row["share"], row["text"]) for table in tables for row in table.get("system", [])),
        pinned=whole["pinned"],
        dosed=tuple(whole["dosed"]["names"]),
        outside={key: whole[key] for key in ("refusals", "diseases", "drugs", "phrases", "case", "everyday", "invented")},
    )
    for topic in topics:
        check_topic(topic, corpus.templates)
    corpus.forms.update(trained_forms(corpus))
    return corpus


def topic_from(row: dict[str, Any]) -> Topic:
    """A row of TOML as a Topic: lists become tuples, texts lose their outer blank lines."""
    return Topic(**frozen(row))


def glue_from(row: dict[str, Any], topics: Sequence[Topic]) -> Glue:
    """A row of TOML as Glue; the one that lists the topics gets the list."""
    glue = Glue(**frozen(row))
    if not glue.lists_topics:
        return glue
    lines = [f"- **{heading}:** {', '.join(listed_names(topics, kind))}" for kind, heading in LISTED.items()]
    return replace(glue, answer="\n".join((glue.answer, "", *lines)))


def listed_names(topics: Sequence[Topic], kind: str) -> list[str]:
    """What the topics of a kind are about, in few words."""
    return [topic.names[0] for topic in topics if topic.kind == kind and topic.names]


def check_held_out(forms: dict[str, list[str]], ids: Sequence[str]) -> None:
    """Raise CorpusFault unless every topic is there once and has held-out forms, and no other has."""
    twice = sorted(id for id, count in Counter(ids).items() if count > 1)
    apart = sorted(set(ids) ^ set(forms))
    if twice or apart:
        raise CorpusFault(f"topics there twice: {twice}; topics without held-out forms, or forms without a topic: {apart}")


def frozen(row: dict[str, Any]) -> dict[str, Any]:
    """The row with values that a frozen dataclass can hold."""
    return {
        key: tuple(value) if isinstance(value, list) else value.strip() if isinstance(value, str) else value for key, value in row.items()
    }


def check_topic(topic: Topic, templates: dict[str, list[str]]) -> None:
    """Raise CorpusFault unless the topic keeps the corpus's own rules."""
    words = len(topic.answer.split())
    faults = [f"key fact {fact!r} is not in the answer" for fact in topic.key_facts if fact not in topic.answer]
    faults += [f"unknown kind {topic.kind!r}"] * (topic.kind not in templates)
    faults += [f"{len(topic.questions)} question forms instead of 6 to 10"] * (not 6 <= len(topic.questions) <= 10)
    faults += [f"{len(topic.key_facts)} key facts instead of 3 to 5"] * (not 3 <= len(topic.key_facts) <= 5)
    faults += [f"{words} words instead of 40 to 120"] * (not 40 <= words <= 120)
    faults += [f"held-out form {form!r} is trained" for form in topic.held_out if normal(form) in map(normal, topic.questions)]
    faults += [f"no {part!r} in a {topic.kind}" for part in PRESET_FORMATS.get(topic.kind, ()) if part not in topic.answer]
    if faults:
        raise CorpusFault(f"{topic.id}: {'; '.join(faults)}")


def normal(question: str) -> str:
    """The question without case and punctuation, to find out whether two forms are the same."""
    return " ".join(re.findall(r"\w+", question.lower()))


def trained_forms(corpus: Corpus) -> dict[str, list[str]]:
    """Topic id → question forms for training: hand-written ones first, then templates; no form twice, none held out."""
    taken = {normal(form) for topic in corpus.topics for form in topic.held_out}
    forms: dict[str, list[str]] = {topic.id: [] for topic in corpus.topics}
    for made in (hand_written, from_templates):
        for topic in corpus.topics:
            for form in made(topic, corpus.templates):
                if normal(form) not in taken:
                    taken.add(normal(form))
                    forms[topic.id].append(form)
    return forms


def hand_written(topic: Topic, templates: dict[str, list[str]]) -> list[str]:
    """The forms that a person wrote."""
    return list(topic.questions)


def from_templates(topic: Topic, templates: dict[str, list[str]]) -> list[str]:
    """The forms that the templates of its kind make, and each bare name unless it is a preset's."""
    made = [template.format(name) for name in topic.names for template in templates[topic.kind]]
    bare = [] if topic.kind in PRESET_FORMATS else list(topic.names)
    return [sentence(form) for form in made + bare]


def sentence(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def lowered(question: str) -> str:
    """The question with its first letter lowered, unless it begins with an abbreviation or with 'I'."""
    return question[:1].lower() + question[1:] if question[1:2].islower() else question


def made_up(rng: random.Random) -> str:
    """A word that no list has: two to four syllables of random letters."""
    onsets = (rng.choice("bcdfghjklmnpqrstvwxz") + rng.choice(("", "", "", "h", "l", "r")) for _ in range(rng.randint(2, 4)))
    return "".join(onset + rng.choice("aeiouy") for onset in onsets) + rng.choice(("", "", "n", "r", "s", "x", "l", "m"))


def trained_part(items: Sequence[Item]) -> list[Item]:
    """Four of five entries, those that training may see."""
    return [item for index, item in enumerate(items) if index % 5 != 4]


def held_out_part(items: Sequence[Item]) -> list[Item]:
    """Every fifth entry, kept for the report."""
    return list(items[4::5])


class Talk:
    """Makes questions and conversations from a corpus and a source of chance."""

    def __init__(self, corpus: Corpus, rng: random.Random, part: Callable[[Sequence[str]], list[str]] = trained_part) -> None:
        self.corpus = corpus
        self.rng = rng
        self.part = part
        self.owners = Counter(name for topic in corpus.topics if topic.kind not in PRESET_FORMATS for name in topic.names)
        self.known = {
            "drug": [name for topic in corpus.topics if topic.kind == "drug" for name in topic.names],
            "disease": [name for topic in corpus.topics if topic.kind in ("definition", "first-steps") for name in topic.names],
        }

    def conversation(self, turns: int) -> Conversation:
        """A conversation of so many turns."""
        system = self.system()
        greeted = self.corpus.pinned["lead"] in system and self.rng.random() < self.corpus.pinned["greeted"]
        return Conversation(system, self.turns(turns, [self.about_glue(False)] if greeted else []))

    def turns(self, count: int, before: Sequence[Turn] = ()) -> tuple[Turn, ...]:
        """So many turns, those `before` included. What has a version for patients is often followed up."""
        said = list(before)
        if not said and count > 1 and self.rng.random() < FOLLOWED_UP:
            topic = self.rng.choice([topic for topic in self.corpus.topics if self.in_plain_words(topic) != NO_PATIENT_VERSION])
            said += [Turn(self.dressed(self.rng.choice(topic.questions)), topic.answer, topic), self.simpler(topic)]
        while len(said) < count:
            said.append(self.turn(said[-1] if said else None))
        return tuple(said)

    def system(self) -> str:
        """One of the system texts, now and then with pinned facts as the application writes them."""
        shares, texts = zip(*self.corpus.systems, strict=True)
        text: str = self.rng.choices(texts, shares)[0]
        pinned = self.corpus.pinned
        if not text or self.rng.random() >= pinned["share"]:
            return text
        facts = self.rng.sample(pinned["facts"], self.rng.randint(1, 5))
        return "".join((text, pinned["lead"], "\n".join(self.filled(fact) for fact in facts)))

    def filled(self, fact: str) -> str:
        """The pinned fact with covered names in its slots."""
        return re.sub(r"\{(drug|disease)\}", lambda slot: self.rng.choice(self.known[slot[1]]), fact)

    def turn(self, before: Turn | None) -> Turn:
        """One question with its answer, of a kind drawn at random."""
        topic = before.topic if before else None
        kinds: list[tuple[float, Callable[[], Turn]]] = [
            (0.6, self.about_topic),
            (0.06, self.for_patient),
            (0.3, self.about_outside),
            (0.15, lambda: self.about_glue(topic is not None)),
        ]
        if topic is not None:
            kinds.append((0.04 if self.in_plain_words(topic) == NO_PATIENT_VERSION else 0.5, lambda: self.simpler(topic)))
        shares, makers = zip(*kinds, strict=True)
        made: Turn = self.rng.choices(makers, shares)[0]()
        return made

    def about_topic(self) -> Turn:
        """A covered topic, asked in one of its trained forms."""
        topic = self.rng.choice(self.corpus.topics)
        own = [name for name in topic.names if self.owners[name] == 1 and topic.kind not in PRESET_FORMATS]
        if own and self.rng.random() < 0.25:
            return Turn(self.carried(self.rng.choice(own)), topic.answer, topic)
        forms = topic.questions if self.rng.random() < 0.6 else self.corpus.forms[topic.id]
        return Turn(self.dressed(self.rng.choice(forms)), topic.answer, topic)

    def for_patient(self) -> Turn:
        """A topic's version for patients."""
        topic = self.rng.choice([topic for topic in self.corpus.topics if topic.patient_answer])
        return Turn(self.dressed(self.rng.choice(topic.patient_questions)), topic.patient_answer)

    def simpler(self, topic: Topic) -> Turn:
        """The wish for a patient version of what was just said."""
        return Turn(self.dressed(self.rng.choice(SIMPLER)), self.in_plain_words(topic))

    def in_plain_words(self, topic: Topic) -> str:
        """The topic's patient version, or the explanation of the same thing, or that there is none."""
        plain = [other.answer for other in self.corpus.topics if other.kind == "explain" and set(other.names) & set(topic.names)]
        return topic.patient_answer or next(iter(plain), NO_PATIENT_VERSION)

    def about_glue(self, after_topic: bool) -> Turn:
        """A greeting, thanks, or a question about the model itself."""
        able = [glue for glue in self.corpus.glue if after_topic or not glue.after_topic]
        glue = self.rng.choices(able, [entry.share for entry in able])[0]
        if glue.kind and self.rng.random() < 0.8:
            return Turn(self.dressed(self.dose_question(glue.kind)), glue.answer)
        return Turn(self.worn(self.rng.choice(glue.questions)), glue.answer)

    def dose_question(self, kind: str) -> str:
        """A question for the dose of a covered, another or an invented medicine, perhaps for a disease."""
        name = self.rng.choice([*self.rng.sample(self.known["drug"], 1), *self.rng.sample(self.corpus.dosed, 1), self.outside_name("drug")])
        disease = self.rng.choice([*self.rng.sample(self.known["disease"], 1), self.outside_name("disease")])
        return sentence(self.rng.choice(self.corpus.templates[kind]).format(name, disease=disease))

    def about_outside(self) -> Turn:
        """Something the model does not know, and its refusal."""
        return Turn(self.dressed(self.outside_question()), self.rng.choice(self.corpus.outside["refusals"]).strip())

    def outside_question(self) -> str:
        """A question outside the topics: another name in a known template, a case, or something else altogether."""
        makers = [self.templated_outside, self.phrase, self.everyday, self.case, self.nothing]
        return self.rng.choices(makers, [0.5, 0.14, 0.14, 0.1, 0.12])[0]()

    def templated_outside(self) -> str:
        """A question that looks like a covered one but names something else."""
        group = self.rng.choice(["disease", "drug"])
        if self.rng.random() < 0.25:
            return self.carried(self.outside_name(group))
        template = self.rng.choice(self.corpus.templates[self.rng.choice(DISEASE_KINDS if group == "disease" else DRUG_KINDS)])
        return sentence((template if self.rng.random() < 0.93 else "{}").format(self.outside_name(group)))

    def outside_name(self, group: str) -> str:
        """A disease or drug outside the topics, real or invented."""
        chance = self.rng.random()
        if chance < 0.5:
            name: str = self.rng.choice(self.part(self.corpus.outside[f"{group}s"]))
            return name
        if chance < 0.65:
            return made_up(self.rng)
        parts = self.corpus.outside["invented"]
        made: str = self.rng.choice(parts["first"]) + self.rng.choice(parts["middle"]) + self.rng.choice(parts[f"{group}_last"])
        return made if self.rng.random() < 0.3 else made.lower()

    def phrase(self) -> str:
        """Something that is no question about a named disease or drug."""
        return self.rng.choice(self.part(self.corpus.outside["phrases"]))

    def everyday(self) -> str:
        """Something that has nothing to do with medicine."""
        lists = self.corpus.outside["everyday"]
        one, other = self.rng.sample(self.part(lists["thing"]), 2)
        return sentence(self.rng.choice(lists["templates"]).format(verb=self.rng.choice(lists["verb"]), thing=one, thing2=other))

    def case(self) -> str:
        """A short case that asks for a judgement."""
        case = self.corpus.outside["case"]
        filled = {key: self.rng.choice(case[key]) for key in ("person", "problem", "symptom", "time")}
        text: str = self.rng.choice(case["templates"]).format(age=self.rng.randint(2, 95), **filled)
        return text

    def dressed(self, question: str) -> str:
        """The question as people type it: polite, introduced, or worn."""
        chance = self.rng.random()
        if chance < 0.25:
            return self.padded(question)
        if chance < 0.75:
            return self.worn(question)
        frame = self.rng.choice(self.corpus.dressing["prefixes"] * 2 + self.corpus.dressing["suffixes"])
        return sentence(frame.replace("{Q}", question).replace("{}", lowered(question)))

    def worn(self, question: str) -> str:
        """The question with what people leave out left out: capitals, the question mark, small words."""
        chance = self.rng.random()
        if chance < 0.4:
            return question
        if chance < 0.5:
            return question.lower().rstrip("?.!")
        if chance < 0.6:
            return question.rstrip("?.!")
        if chance < 0.9:
            return self.thinned(question)
        shorter = re.sub(r"\b(the|a|an|of|in|do|is|are)\s", "", question) if len(question.split()) > 4 else question
        return sentence(shorter)

    def nothing(self) -> str:
        """Words that look like a question and name nothing: to be refused, not guessed at."""
        return sentence(" ".join(self.filler() for _ in range(self.rng.randint(3, 9))))

    def padded(self, question: str) -> str:
        """The question with a few words put in that mean nothing."""
        words = question.split()
        for _ in range(self.rng.randint(1, 4)):
            words.insert(self.rng.randint(0, len(words)), self.filler())
        return " ".join(words)

    def carried(self, name: str) -> str:
        """The name among words that mean nothing: the name alone has to decide, whatever the form of the question."""
        before, after = (" ".join(self.filler() for _ in range(self.rng.randint(0, 4))) for _ in range(2))
        return sentence(f"{before} {name} {after}".strip())

    def filler(self) -> str:
        """A common word that names no topic."""
        return self.rng.choice(self.corpus.fillers)

    def thinned(self, question: str) -> str:
        """The question with some words lost and sometimes out of order, so that no single form is learnt by heart."""
        words = question.split()
        kept = [word for word in words if self.rng.random() > 0.2] or words
        if self.rng.random() < 0.3:
            self.rng.shuffle(kept)
        return " ".join(kept)


def texts(corpus: Corpus) -> Iterator[str]:
    """Every text of the corpus, for the tokenizer to learn from and to be checked with."""
    for topic in corpus.topics:
        yield from (topic.answer, topic.patient_answer, topic.title, *topic.questions, *topic.patient_questions)
        yield from corpus.forms[topic.id]
    for glue in corpus.glue:
        yield from (glue.answer, *glue.questions)
    yield from (text for _, text in corpus.systems)
    yield from (*corpus.dosed, NO_PATIENT_VERSION, *SIMPLER, corpus.pinned["lead"], *corpus.pinned["facts"])
    for key in ("refusals", "diseases", "drugs", "phrases"):
        yield from corpus.outside[key]
    yield from corpus.outside["everyday"]["thing"]
    yield from (frame for frames in corpus.dressing.values() for frame in frames)
