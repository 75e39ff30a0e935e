"""The page's presets that work on a person's notes: the notes under the preset's headings, word for word, and nothing else.

A model of this size cannot sort notes, and must not pretend to. What it can do is copy, and leave blanks. The questions are the
application's own presets, filled in by the application's own rule, and the answers have its own forms (med42_chat/filling.py), by which
the application holds the finished model to copying without fail. What is filled in is invented as documents are.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from dialogues import Conversation, Talk, Turn, sentence
from grounded import Documents

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(PROJECT))  # the recipe's environment does not have the application installed

from med42_chat.filling import FORMS, LEAD  # noqa: E402
from med42_chat.presets import Preset, fill, read  # noqa: E402

NAMES = ("problem", "diagnosis")
SPECIALTIES = ("Cardiology", "Gastroenterology", "Neurology", "Surgery", "Nephrology", "Dermatology", "the eye clinic", "the memory clinic")
DAILY = ("in the morning", "twice a day", "at night", "when needed", "every 8 hours", "once a week", "(new)", "(stopped)")


def answer(id: str, given: Mapping[str, str]) -> str:
    """The lead, and the preset's form with what it says of the notes: names with a capital, each line as it is."""
    told = {name: sentence(value) if name in NAMES else value for name, value in given.items()}
    return f"{LEAD}\n\n{FORMS[id].write(told)}"


@cache
def presets() -> tuple[Preset, ...]:
    """The application's presets that have an answer here."""
    return tuple(preset for preset in read(PROJECT / "assets" / "prompts" / "presets") if preset.id in FORMS)


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
        return Turn(fill(preset, given), answer(preset.id, given))

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
