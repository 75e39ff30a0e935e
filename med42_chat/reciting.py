"""An answer by heart, kept to what the demonstration model can say by heart: for turns that have no sources. Pure.

It was taught single topics, a few courtesies and to decline, each with an answer of its own. So `grammar` leaves it everything but what
only goes with sources and notes. Where somebody brings a text along it can only decline: else it would make up a copy, doses too. And
where nothing in the question could name a topic ('ok', 'Who are you?') it says one of its courtesies.
"""

import re

from med42_chat.gbnf import literal, none_of, one_of, rest
from med42_chat.library.followup import reworks
from med42_chat.library.words import telling
from med42_chat.prompt import Question, question_text

# Questions that it was taught have at most 15 words in a line, and one figure. A few more are what people put around them.
_LONG = 30
_SHORT = 3  # words of a courtesy; what is longer and names no topic may be a question that it does not know
_MYSELF = re.compile(r"\b(?:I|[Mm]e|[Mm]y)\b(?! (?:notes|patient))")  # who may be in danger; a clinician's notes speak of others
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")

# The model's own words; models/demo trains it on them.
COURTESIES = (
    "Hello. I am a small demonstration model, not Med42. Ask me about one of my topics, for example the red flags of headache, the first "
    "steps in sepsis or the side effects of metformin.",
    "You are welcome. Please check what matters against a trusted source: I am only a small demonstration model.",
    "Goodbye, and have a good day.",
    "**I am a small demonstration model of Med42 Chat. I am not Med42, and I am not for clinical use.**\n\nI know a short list of medical "
    "topics by heart, so that you can try the application without a large download. For real questions, choose Med42 or another full model "
    "in the application, and check every answer against a trusted source.",
    "That is all I know about it. I am a small demonstration model with one short answer per topic and no sources of its own. A full model "
    "or a guideline will tell you more.",
)
LISTS = (  # how they begin
    "**I answer a short list of medical questions, as a demonstration.** For example:",
    "**These are my topics. I am a small demonstration model and know nothing else.**",
)
REFUSALS = (
    "**I don't know.** I am a small demonstration model, not Med42, and this is not among the few topics that I have learned. I would "
    "rather not invent an answer. Please use a full model or a trusted reference.",
    "**I don't give doses.** I am a small demonstration model and could be wrong in a way that harms. Please look in your formulary or ask "
    "a pharmacist, and take age, weight, kidney and liver function and other medicines into account.",
)
HELP = (
    "**Please get help right now: call your emergency number or a crisis line, or go to the nearest emergency department.** Tell someone "
    "near you and do not stay alone. I am only a computer program and cannot help as a person can. You matter, and this can get better "
    "with help.",
    "**Call your emergency number now.** Do not wait for an answer from a computer. Stay with the person, follow what the dispatcher tells "
    "you, and unlock the door. I am a small demonstration model and not a substitute for help.",
)
OF_SOURCES = ("Source ", "**The s")  # how nothing begins that it knows by heart
OF_NOTES = "**Your n"  # how its copies of notes begin, and what it says in their place
NO_FORM = (
    "**Your notes are in no form that I know.** I am a small demonstration model: I put notes under headings only where a preset is filled "
    "in and sent as it is. Please use a full model for anything else."
)


def brings_text(question: Question) -> bool:
    """Whether somebody brings along what is to be worked on, and does not only ask: a paragraph, a list, values."""
    text = question_text(question.words, question.attachments).strip()
    return "\n" in text or len(text.split()) > _LONG or len(_FIGURE.findall(text)) > 1


def grammar(question: Question) -> str:
    """GBNF of what may be said by heart; empty for the rest of an answer that has begun by heart, which goes on as it likes."""
    if brings_text(question):
        told = (*REFUSALS, *HELP) if _MYSELF.search(question.words) else REFUSALS
        return f"root ::= {rest(question.begun, told)}"
    if question.begun:
        return ""
    if not telling(question.words) and not reworks(question.words):
        unknown = REFUSALS[:1] if len(question.words.split()) > _SHORT else ()
        return f"root ::= {one_of([*COURTESIES, *unknown])} | {one_of(LISTS)} anything\nanything ::= .*"
    return "\n".join([f"root ::= {literal(NO_FORM)} | other", *none_of([*OF_SOURCES, OF_NOTES])])
