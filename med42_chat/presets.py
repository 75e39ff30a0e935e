"""Ready-made questions with fields to fill in: one Markdown file each in assets/prompts/presets, for a department to edit and add to.

A file begins with TOML between two lines of `+++` (name, hint, instruction, and a `[[fields]]` table for each field) and goes on with
the question, in which `{field}` stands for what a person fills in:

    +++
    name = "Second opinion"
    hint = "What would speak against my plan?"

    [[fields]]
    name = "plan"
    label = "My plan"
    +++
    What speaks against this plan? {plan}

The menu shows the files in the order of their names; a number in front ('30-') is for that order alone.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import NoReturn

from med42_chat.errors import Med42Error

_FENCE = "+++"
_SLOT = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_MOST_LINES = 20
_MOST_OPTIONAL = 6  # with it 64 forms are tried


@dataclass(frozen=True, slots=True)
class Field:
    """What a person fills in. `lines` is the height of its box; `default` stands for it when it is left empty."""

    name: str
    label: str
    placeholder: str = ""
    lines: int = 1
    default: str = ""


@dataclass(frozen=True, slots=True)
class Preset:
    """A question to be filled in. `hint` is one line for the menu, `instruction` a sentence above the fields.

    A file that cannot be used is a preset too: `broken`, named for the file, with what is wrong and in which line as its `hint`.
    """

    id: str
    name: str
    hint: str = ""
    instruction: str = ""
    fields: tuple[Field, ...] = ()
    text: str = ""
    broken: bool = False


class _Fault(Med42Error):
    """What is wrong with a file, for the person who edits it; `line` counts from 1, 0 is the file as a whole."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(f"Line {line}: {message}" if line else message)


def read(folder: Path) -> tuple[Preset, ...]:
    """Every preset in the folder, in the order of the files' names; the broken ones say what is wrong with them."""
    return tuple(_read_file(path) for path in sorted(folder.glob("*.md")))


def fill(preset: Preset, values: Mapping[str, str]) -> str:
    """The question with the values in place. A paragraph whose fields are all empty, without a default, is left out, and so is such a line.

    What a person filled in is never read as a slot, and its own line breaks stay.
    """
    given = {field.name: values.get(field.name, "").strip() or field.default for field in preset.fields}
    paragraphs = (part.splitlines() for part in re.split(r"\n\s*\n", preset.text) if _says_something(part, given))
    text = "\n\n".join("\n".join(line for line in lines if _says_something(line, given)) for lines in paragraphs)
    return _SLOT.sub(lambda slot: given[slot[1]], text)


def filled_in(preset: Preset, question: str) -> dict[str, str] | None:
    """What was filled in where a question is this preset's, by field: the way back from `fill`. None where it is another question.

    What stands empty, or is its default, is not there. Where somebody filled in the preset's own words, these part what stands around
    them. A preset with more than six fields that may stay empty is never recognised: which of them did is found by trying.
    """
    optional = [field.name for field in preset.fields if not field.default]
    others = [field.name for field in preset.fields if field.default]
    if len(optional) > _MOST_OPTIONAL:
        return None
    for count in range(len(optional), -1, -1):
        for some in combinations(optional, count):
            form = fill(preset, {name: f"{{{name}}}" for name in (*some, *others)})
            values = _between(form, question.strip())
            if values is not None and all("\n" not in values.get(field.name, "") for field in preset.fields if field.lines == 1):
                defaults = {field.name: field.default for field in preset.fields}
                return {name: value for name, value in values.items() if value not in ("", defaults[name])}
    return None


def _between(form: str, question: str) -> dict[str, str] | None:
    """What stands in the places of a form's slots, where the words around them are the form's."""
    first, *parts = _SLOT.split(form)
    names, joints, last = parts[::2], parts[1:-1:2], parts[-1] if parts else ""
    if not (question.startswith(first) and question[len(first) :].endswith(last)) or "" in joints:
        return None
    rest, values = question[len(first) :].removesuffix(last), []
    for joint in joints:
        value, found, rest = rest.partition(joint)
        if not found:
            return None
        values.append(value.strip())
    pairs = list(zip(names, [*values, rest.strip()], strict=False))  # without a slot there is a rest, and no name for it
    agree = (parts or not rest) and all(dict(pairs)[name] == value for name, value in pairs)
    return dict(pairs) if agree else None


def _says_something(part: str, given: Mapping[str, str]) -> bool:
    slots = _SLOT.findall(part)
    return not slots or any(given[name] for name in slots)


def _read_file(path: Path) -> Preset:
    id = re.sub(r"^\d+-", "", path.stem)
    try:
        return _parse(id, path.read_text("utf-8-sig"))
    except _Fault as fault:
        return Preset(id, path.name, hint=fault.message, broken=True)
    except UnicodeDecodeError:
        return Preset(id, path.name, hint="This file is not UTF-8 text.", broken=True)
    except OSError:
        return Preset(id, path.name, hint="This file cannot be read.", broken=True)


def _parse(id: str, content: str) -> Preset:
    head, text, first_line = _split(content)
    table = _table(head)
    fields = tuple(_field(entry, head) for entry in _entries(table, head))
    _check_slots(text, first_line, [field.name for field in fields], head)
    return Preset(
        id,
        name=_words(table, "name", head) or _missing("name", "the preset"),
        hint=_words(table, "hint", head),
        instruction=_words(table, "instruction", head),
        fields=fields,
        text=text.strip(),
    )


def _split(content: str) -> tuple[str, str, int]:
    """The TOML, the text, and the number of the text's first line."""
    lines = content.splitlines()
    fences = [number for number, line in enumerate(lines) if line.rstrip() == _FENCE]
    if not fences or fences[0] != 0:
        raise _Fault(f"the file begins with a line of {_FENCE}.", 1)
    if len(fences) < 2:
        raise _Fault(f"the {_FENCE} of the first line has no second one after it.", 1)
    end = fences[1]
    text = "\n".join(lines[end + 1 :])
    if not text.strip():
        raise _Fault(f"there is no text after the second {_FENCE}.", end + 1)
    return "\n".join(lines[1:end]), text, end + 2


def _table(head: str) -> dict[str, object]:
    try:
        return tomllib.loads(head)
    except tomllib.TOMLDecodeError as error:
        # Python 3.11 says the line only in the message; an error at the end has none. One line more for the +++ above.
        found = re.search(r"^(.*) \(at (?:line (\d+)|end)", str(error))
        words, line = (found[1], found[2]) if found else (str(error), None)
        raise _Fault(f"{words}.", (int(line) if line else head.count("\n") + 1) + 1) from None


def _entries(table: Mapping[str, object], head: str) -> list[Mapping[str, object]]:
    entries = table.get("fields", [])
    if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries):
        return entries
    raise _Fault("every field begins with a line [[fields]].", _line_of("fields", head))


def _field(entry: Mapping[str, object], head: str) -> Field:
    name = _words(entry, "name", head) or _missing("name", "a field")
    if not _SLOT.fullmatch(f"{{{name}}}"):
        raise _Fault(f"a field's name has small letters, digits and _ only, and this is '{name}'.", _line_of(name, head))
    lines = entry.get("lines", 1)
    if type(lines) is not int or not 1 <= lines <= _MOST_LINES:
        raise _Fault(f"'lines' of the field '{name}' is a number from 1 to {_MOST_LINES}.", _line_of(str(lines), head))
    label = _words(entry, "label", head) or name.replace("_", " ").capitalize()
    return Field(name, label, _words(entry, "placeholder", head), lines, _words(entry, "default", head))


def _words(table: Mapping[str, object], key: str, head: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise _Fault(f"'{key}' is a text between quotation marks.", _line_of(key, head))
    return value.strip()


def _missing(key: str, owner: str) -> NoReturn:
    raise _Fault(f"{owner} has no '{key}'.")


def _check_slots(text: str, first_line: int, names: list[str], head: str) -> None:
    """A name that is written in two ways would else be seen only in the answer."""
    for number, line in enumerate(text.splitlines(), start=first_line):
        for slot in _SLOT.findall(line):
            if slot not in names:
                raise _Fault(f"{{{slot}}} is none of the fields.", number)
    for name in names:
        if names.count(name) > 1:
            raise _Fault(f"there are two fields with the name '{name}'.", _line_of(name, head))
        if f"{{{name}}}" not in text:
            raise _Fault(f"the text has no {{{name}}}.", _line_of(name, head))


def _line_of(words: str, head: str) -> int:
    """The line of the file in which a name or a value stands; the first of the front matter where that cannot be told."""
    lines = enumerate(head.splitlines(), start=2)
    return next((number for number, line in lines if re.search(rf"\b{re.escape(words)}\b", line)), 2)
