"""A preset filled in, answered by the preset's own form with what was filled in: for a model too small to copy. Pure.

The demonstration model cannot sort notes, and garbles a dose now and then where it copies them. So `grammar` leaves it one answer: every
line that a person filled in, each once and as it stands, under the heading that its field has in the form; and a blank where nothing
was given. A department's own wording of these presets is recognised as well; what its own fields hold stands under their labels.

Lines are data: what Markdown would read in them is escaped, so that a reader sees '> 50' and '2 * 5 mg' as they were typed, and a bar
does not end a table's cell.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from med42_chat.gbnf import rest
from med42_chat.presets import Field, Preset, filled_in

LEAD = "**Your notes under headings. I am a demonstration model: I copy them and judge nothing.**"
BLANK = "…"
_BREAK = "  \n"  # a line's end that stays one on the screen
# What may be Markdown wherever it stands, and what may be at the head of a line.
_SIGNS = re.compile(r"[\\`*_\[$|]|~(?=~)|(?<=~)~|<(?=[^\s<>]+>)|&(?=#|[A-Za-z])")
_HEAD = re.compile(r"^(?:(?=[#>+=:-])|(\d{1,9})(?=[.)](?:\s|$)))")

Values = Mapping[str, str]


def grammar(question: str, presets: Sequence[Preset], begun: str = "") -> str:
    """GBNF of the one answer to a question that is one of these presets, filled in; empty where it is none. `begun` is how it began."""
    whole = answer(question, presets)
    return f"root ::= {rest(begun, [whole])}" if whole else ""


def answer(question: str, presets: Sequence[Preset]) -> str:
    """The preset's form with what was filled in; empty where the question is no preset that has a form, or nothing was told in it."""
    for preset in presets:
        values = filled_in(preset, question) if preset.id in FORMS else None
        if values and any(field.name in values and not field.default for field in preset.fields):
            return _filled(preset, {name: _shown(value) for name, value in values.items()})
    return ""


def _filled(preset: Preset, values: Values) -> str:
    form = FORMS[preset.id]
    besides = [field for field in preset.fields if field.name in values and field.name not in form.says]
    return "\n\n".join([LEAD, *(_under(field, values) for field in besides), form.write(values)])


def _under(field: Field, values: Values) -> str:
    return f"## {_shown(field.label)}\n{values[field.name]}"


def _shown(value: str) -> str:
    """A field's lines as Markdown that shows them as they are."""
    lines = filter(None, (line.strip() for line in value.replace("\r\n", "\n").replace("\r", "\n").split("\n")))
    return _BREAK.join(map(_escaped, lines))


def _escaped(line: str) -> str:
    # Typed '[' and '\]' would otherwise come out as the two ends of a formula.
    escaped = _SIGNS.sub(r"\\\g<0>", line).replace(r"\\]", r"\\&#93;")
    return _HEAD.sub(_escaped_head, escaped)


def _escaped_head(head: re.Match[str]) -> str:
    return f"{head[1] or ''}\\"


def soap(values: Values) -> str:
    """The notes as what was told; all else is a blank."""
    return _headed(Subjective=values.get("notes"), Objective="", Assessment=values.get("problem"), Plan="")


def discharge(values: Values) -> str:
    """Diagnosis, course and medicines as they were given."""
    return _headed(
        Diagnoses=values.get("diagnosis"),
        Course=values.get("course"),
        Findings_at_discharge="",
        Medicines=values.get("medicines"),
        Next_steps="",
    )


def referral(values: Values) -> str:
    """A letter whose question comes first."""
    letter = f"To: {values.get('addressee') or BLANK}\n\nDear colleague,\n\n{values.get('question') or BLANK}"
    return f"{letter}\n\n{_headed(History_and_findings=values.get('notes'), Done_so_far='')}\n\nWith kind regards"


def medicines(values: Values) -> str:
    """A row for each line of the list."""
    lines = [line.rstrip() for line in (values.get("medicines") or BLANK).split("\n")]
    rows = (f"| {line} | {BLANK} | {BLANK} | check |" for line in lines)
    return "\n".join(("| medicine | reason | risk | suggestion |", "| --- | --- | --- | --- |", *rows))


def _headed(**said: str | None) -> str:
    """What is said under each heading, or a blank."""
    return "\n\n".join(f"## {heading.replace('_', ' ')}\n{text or BLANK}" for heading, text in said.items())


@dataclass(frozen=True, slots=True)
class Form:
    """How a preset is answered: `write` says what was filled in, of the fields that it `says`."""

    says: frozenset[str]
    write: Callable[[Values], str]


# The forms by the preset's id. models/demo trains the model on them.
FORMS: Mapping[str, Form] = {
    "soap": Form(frozenset({"problem", "notes"}), soap),
    "discharge": Form(frozenset({"diagnosis", "course", "medicines"}), discharge),
    "referral": Form(frozenset({"addressee", "question", "notes"}), referral),
    "medicines": Form(frozenset({"medicines"}), medicines),
}
