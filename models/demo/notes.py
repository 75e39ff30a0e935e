"""The page's presets that work on a person's notes: the notes under the preset's headings, word for word, and nothing else.

A model of this size cannot sort notes, and must not pretend to. What it can do is copy, and leave blanks. The questions are the
application's own presets, filled in by the application's own rule; what is filled in is invented as documents are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from dialogues import Conversation, Talk, Turn, sentence
from grounded import Documents

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(PROJECT))  # the recipe's environment does not have the application installed

from med42_chat.presets import Preset, fill, read  # noqa: E402

LEAD = "**Your notes under headings. I am a demonstration model: I copy them and judge nothing.**"
BLANK = "…"
SPECIALTIES = ("Cardiology", "Gastroenterology", "Neurology", "Surgery", "Nephrology", "Dermatology", "the eye clinic", "the memory clinic")
DAILY = ("in the morning", "twice a day", "at night", "when needed", "every 8 hours", "once a week", "(new)", "(stopped)")


def soap(values: Mapping[str, str]) -> str:
    """The notes as what was told; all else is a blank."""
    return parts(Subjective=values["notes"], Objective="", Assessment=sentence(values["problem"]), Plan="")


def discharge(values: Mapping[str, str]) -> str:
    """Diagnosis, course and medicines as they were given."""
    return parts(
        Diagnoses=sentence(values["diagnosis"]),
        Course=values["course"],
        Findings_at_discharge="",
        Medicines=values["medicines"],
        Next_steps="",
    )


def referral(values: Mapping[str, str]) -> str:
    """A letter whose question comes first."""
    letter = f"To: {values['addressee'] or BLANK}\n\nDear colleague,\n\n{values['question'] or BLANK}"
    return f"{LEAD}\n\n{letter}\n\n{headed(History_and_findings=values['notes'], Done_so_far='')}\n\nWith kind regards"


def medicines(values: Mapping[str, str]) -> str:
    """A row for each line of the list."""
    rows = (f"| {line} | {BLANK} | {BLANK} | check |" for line in values["medicines"].splitlines())
    return "\n".join((LEAD, "", "| medicine | reason | risk | suggestion |", "| --- | --- | --- | --- |", *rows))


ANSWERS: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "soap": soap,
    "discharge": discharge,
    "referral": referral,
    "medicines": medicines,
}


def parts(**said: str) -> str:
    """The lead and what is said under each heading."""
    return f"{LEAD}\n\n{headed(**said)}"


def headed(**said: str) -> str:
    """What is said under each heading, or a blank."""
    return "\n\n".join(f"## {heading.replace('_', ' ')}\n{text or BLANK}" for heading, text in said.items())


@cache
def presets() -> tuple[Preset, ...]:
    """The application's presets that have an answer here."""
    return tuple(preset for preset in read(PROJECT / "assets" / "prompts" / "presets") if preset.id in ANSWERS)


class Notes:
    """Fills in presets with invented notes; `documents` and `talk` share their source of chance."""

    def __init__(self, talk: Talk, documents: Documents) -> None:
        self.talk = talk
        self.documents = documents
        self.rng = talk.rng

    def turn(self) -> Turn:
        """A filled-in preset and its answer."""
        preset = self.rng.choice(presets())
        given = {field.name: self.value(field.name) or field.default for field in preset.fields}
        return Turn(fill(preset, given), ANSWERS[preset.id](given))

    def conversation(self, system: str) -> Conversation:
        """One such turn."""
        return Conversation(system, (self.turn(),), grounded=True)

    def value(self, field: str) -> str:
        """What a person fills in; what a preset can do without is sometimes missing."""
        if field in ("notes", "course"):
            return self.told()
        if field == "medicines":
            return "\n".join(self.medicine() for _ in range(self.rng.randint(1, 5)))
        if self.rng.random() < 0.35:
            return ""
        if field in ("problem", "diagnosis"):
            return self.rng.choice((self.talk.outside_name("disease"), self.rng.choice(self.talk.known["disease"])))
        return self.rng.choice(SPECIALTIES) if field == "addressee" else self.talk.outside_question()

    def told(self) -> str:
        """Some sentences and scraps."""
        makers = (
            lambda: self.documents.borrowed(()).text,
            lambda: self.documents.about_fact(()).text,
            self.scrap,
            self.scrap,
            self.medicine,
        )
        joint = self.rng.choice((" ", "\n", "; ", ", "))
        return joint.join(self.rng.choice(makers)() for _ in range(self.rng.randint(1, 5)))

    def scrap(self) -> str:
        """A pinned fact, or a few words as notes have them."""
        if self.rng.random() < 0.5:
            return self.talk.filled(self.rng.choice(self.talk.corpus.pinned["facts"]))
        return f"{self.talk.filler()} {self.documents.word()} {self.documents.value('number')} {self.talk.filler()}"

    def medicine(self) -> str:
        """A medicine with a dose."""
        unit = self.rng.choice(("mg", "g", "mg/l", "units"))
        return f"{sentence(self.documents.value('drug'))} {self.documents.value('number')} {unit} {self.rng.choice(DAILY)}"
