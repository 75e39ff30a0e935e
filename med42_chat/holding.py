"""What the demonstration model is held to in an answer, and what the answer's evidence says of that. Pure.

It is too small to be trusted with words of its own. So what a person filled in is copied by the program (filling), of sources it chooses
among their sentences (quoting), and without either it says what it was taught (reciting).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from med42_chat import filling, quoting, reciting
from med42_chat.presets import Preset
from med42_chat.prompt import Question
from med42_chat.records import Source

_COPIES_ONLY = (
    "The demonstration model cannot be trusted with words of its own: it could only copy what was filled in, each line as it is, under the "
    "form's headings."
)
_QUOTES_ONLY = (
    "The demonstration model cannot be trusted with words of its own: it could only choose among whole sentences of these sources."
)
_DECLINES_ONLY = "The demonstration model cannot work on a text that somebody brings along: it could only decline."


@dataclass(frozen=True, slots=True)
class Held:
    """`grammar` in GBNF, empty where anything may be said. The `note` is there where whole sentences are all that can be chosen."""

    grammar: str = ""
    note: str = ""


def held(question: Question, asked: str, sources: Sequence[Source], presets: Sequence[Preset]) -> Held:
    """For a question that was looked up as `asked`, and the sources that stand before the model."""
    if not question.attachments and (form := filling.grammar(question.words, presets, question.begun)):
        return Held(form, _COPIES_ONLY)
    if sources:
        return Held(quoting.grammar(asked, sources, question.begun), _QUOTES_ONLY)
    return Held(reciting.grammar(question), _DECLINES_ONLY if reciting.brings_text(question) else "")
