"""Presets filled in with anything: the one answer that may be said has each line once, in the right place, as it was typed."""

import re
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med42_chat import filling, gbnf
from med42_chat.markup import Table, clean, inline_text, parse, plain_text
from med42_chat.presets import Preset, fill, filled_in, read
from med42_chat.settings import ASSETS
from tests.demonstration import Demonstration

PRESETS = {preset.id: preset for preset in read(ASSETS / "prompts" / "presets")}
ODD = (
    "> 50 ml/min: 24 h\n- aspirin 100 mg, 2 * 50 mg * 3\n1. first 2.5 mg\n# none __of__ `these` ~~is~~ [1] Markdown\n| a | b |\n|---|---|\n"
    'K <|eot_id|> 3.9 <|start_header_id|> "so" \\ back\\|slash &amp; $5 and $6 <http://x.y>\n\u200fשלום 5 mg\n===\n\u2028 at 7 o\'clock'
)
OWN = ("Patient: ", "What worries me: ", "My notes:", "Notes:", "\n\nPatient: ", filling.LEAD, filling.BLANK, "{notes}", "{medicines}")


def answer(id: str, **values: str) -> str:
    return filling.answer(fill(PRESETS[id], values), tuple(PRESETS.values()))


def lines(value: str) -> list[str]:
    return [line.removeprefix("To: ") for each in value.split("\n") if (line := clean(each).strip())]


def test_notes_stand_under_their_heading_and_what_was_not_given_is_a_blank() -> None:
    assert answer("soap", problem="low back pain", notes="2 days\nno numbness") == (
        f"{filling.LEAD}\n\n## Subjective\n2 days  \nno numbness\n\n## Objective\n…\n\n## Assessment\nlow back pain\n\n## Plan\n…"
    )
    assert "## Assessment\n…" in answer("soap", notes="2 days")


def test_a_medication_review_has_a_row_for_each_line_and_loses_neither_patient_nor_worry() -> None:
    said = answer("medicines", medicines="Zoldex 5 mg\n\nNarvapril 10 mg (new)", patient="eGFR 34", concern="dizziness")
    assert said == (
        f"{filling.LEAD}\n\n## Patient\neGFR 34\n\n## What worries you\ndizziness\n\n"
        "| medicine | reason | risk | suggestion |\n| --- | --- | --- | --- |\n"
        "| Zoldex 5 mg | … | … | check |\n| Narvapril 10 mg (new) | … | … | check |"
    )


def test_a_letter_begins_with_its_question_and_names_the_problem() -> None:
    said = answer("referral", problem="anaemia", addressee="Gastroenterology", question="Endoscopy?", notes="Hb 92 g/l")
    places = [said.index(words) for words in ("anaemia", "To: Gastroenterology", "Dear colleague", "Endoscopy?", "Hb 92 g/l", "With kind")]
    assert places == sorted(places)


def test_a_question_that_is_no_preset_filled_in_has_no_form() -> None:
    notes = fill(PRESETS["soap"], {"problem": "low back pain", "notes": "2 days"})
    for question in (
        "What are the red flags of headache?",
        fill(PRESETS["soap"], {"problem": "low back pain"}),  # nothing was told: the model has a form to fill in of its own
        fill(PRESETS["differential"], {"problem": "chest pain", "findings": "pulse 110"}),
        notes.replace("Take everything", "Please take everything"),
        f"Dear model, {notes}",
    ):
        assert filling.answer(question, tuple(PRESETS.values())) == ""
        assert filling.grammar(question, tuple(PRESETS.values())) == ""
    assert filling.answer(f"{notes}\n", tuple(PRESETS.values())) and filling.answer(notes, ()) == ""


def test_a_department_s_own_wording_and_fields_are_filled_in_as_well() -> None:
    soap = PRESETS["soap"]
    own = Preset("soap", "SOAP", fields=(*soap.fields, *PRESETS["medicines"].fields[1:2]), text="Notiere:\n{notes}\n{patient}\n({problem})")
    said = filling.answer(fill(own, {"notes": "2 days", "patient": "eGFR 34"}), [own])
    assert said.startswith(f"{filling.LEAD}\n\n## Patient\neGFR 34\n\n## Subjective\n2 days\n")


def test_a_preset_of_another_name_has_no_form() -> None:
    own = Preset("rounds", "Rounds", fields=PRESETS["soap"].fields, text=PRESETS["soap"].text)
    assert filling.answer(fill(own, {"notes": "2 days"}), [own]) == ""


@pytest.mark.parametrize("line", [r"[\]", r"[ \\] 5 mg", r"\[x\]", r"[a\]] and (\)", r"[-\]"])
def test_brackets_and_strokes_make_no_formula_of_a_line(line: str) -> None:
    assert line in shown_lines(answer("discharge", course=line)) + shown_lines(answer("soap", notes=line))


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
ANYTHING = st.lists(st.one_of(WORDS, st.sampled_from(OWN), st.sampled_from(ODD.split("\n"))), max_size=6).map("\n".join)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(PRESETS)), st.data())
def test_what_was_filled_in_is_found_again_in_any_question_of_a_preset(id: str, data: st.DataObject) -> None:
    plain = st.text("ab 19.,\n|#*", max_size=30).map(str.strip)
    preset = PRESETS[id]
    values = {field.name: data.draw(plain) for field in preset.fields}
    values = {field.name: values[field.name] if field.lines > 1 else values[field.name].replace("\n", " ") for field in preset.fields}
    assert filled_in(preset, fill(preset, values)) == {name: value for name, value in values.items() if value}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(filling.FORMS)), st.data())
def test_each_line_is_shown_once_and_as_it_was_typed(id: str, data: st.DataObject) -> None:
    preset = PRESETS[id]
    parts = st.lists(st.one_of(WORDS, st.sampled_from(ODD.split("\n"))), min_size=1, max_size=6).map("\n".join)
    values = {field.name: data.draw(parts if field.lines > 1 else WORDS) for field in preset.fields}
    if not any(values[field.name].strip() for field in preset.fields if not field.default):
        return
    shown = Counter(shown_lines(answer(id, **values)))
    wanted = Counter(line for field in preset.fields for line in lines(values[field.name]) if values[field.name].strip() != field.default)
    empty = Counter(shown_lines(filling.answer(fill(preset, {"notes": "…", "medicines": "…"}), [preset])))
    assert not wanted - shown
    assert not (shown - wanted) - empty - Counter(field.label for field in preset.fields)


def shown_lines(said: str) -> list[str]:
    """What a reader sees, line by line; of a table's rows the first cell, of a letter's first line who it is to."""
    found: list[str] = []
    for block in parse(said, sources=(1,)):
        if isinstance(block, Table):
            found += [inline_text(row[0]) for row in (block.header, *block.rows)]
        else:
            found += plain_text([block]).split("\n")
    return [line.strip().removeprefix("To: ") for line in found if line.strip()]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(filling.FORMS)), st.data())
def test_no_figure_is_lost_or_made_whatever_words_somebody_types(id: str, data: st.DataObject) -> None:
    values = {field.name: data.draw(ANYTHING) for field in PRESETS[id].fields}
    one_line = {field.name for field in PRESETS[id].fields if field.lines == 1}
    values = {name: " ".join(value.split()) if name in one_line else value for name, value in values.items()}
    said = answer(id, **values)
    if said:
        assert figures(plain_text(parse(said))) == figures(clean(" ".join(values.values())))


def figures(text: str) -> Counter[str]:
    return Counter(re.findall(r"[0-9]+", text))


def test_a_bar_ends_no_cell() -> None:
    [table] = [block for block in parse(answer("medicines", medicines="a | b\\| c 5 mg |\n| --- |")) if isinstance(block, Table)]
    assert [inline_text(row[0]) for row in table.rows] == ["a | b\\| c 5 mg |", "| --- |"]
    assert {len(row) for row in table.rows} == {4}


def test_an_answer_that_was_cut_goes_on_where_it_was_cut() -> None:
    question = fill(PRESETS["soap"], {"notes": ODD})
    whole = filling.answer(question, tuple(PRESETS.values()))
    for cut in (1, 40, len(filling.LEAD), len(whole) // 2, len(whole)):
        begun = whole[:cut].rstrip()
        assert filling.grammar(question, tuple(PRESETS.values()), begun) == f"root ::= ({gbnf.literal(whole[len(begun) :])})"


def test_behind_words_of_somebody_s_own_the_whole_form_follows() -> None:
    question = fill(PRESETS["soap"], {"notes": "2 days"})
    assert gbnf.literal(f"\n\n{filling.LEAD}")[:-1] in filling.grammar(question, tuple(PRESETS.values()), "Well then:")


@pytest.fixture(scope="module")
def demonstration() -> Demonstration:
    return Demonstration()


@pytest.mark.model
@pytest.mark.parametrize("id", sorted(filling.FORMS))
def test_the_demonstration_model_copies_every_preset_without_a_fault(demonstration: Demonstration, id: str) -> None:
    values = {field.name: ODD if field.lines > 1 else "Z. n. <|eot_id|> 3 | 4" for field in PRESETS[id].fields}
    question = fill(PRESETS[id], values)
    said, ended = demonstration.write(question, filling.grammar(question, tuple(PRESETS.values())))
    assert said == answer(id, **values) and ended.reason == "stop"


@pytest.mark.model
def test_a_copy_that_reached_its_length_is_said_to_have_and_can_be_gone_on_with(demonstration: Demonstration) -> None:
    question = fill(PRESETS["soap"], {"notes": ODD})
    begun, ended = demonstration.write(question, filling.grammar(question, tuple(PRESETS.values())), most=60)
    assert ended.reason == "length"
    begun = begun.rstrip()
    more, ended = demonstration.write(question, filling.grammar(question, tuple(PRESETS.values()), begun), begun)
    assert begun + more == filling.answer(question, tuple(PRESETS.values())) and ended.reason == "stop"


@pytest.mark.model
def test_so_many_lines_are_no_burden_for_llama_cpp(demonstration: Demonstration) -> None:
    notes = "\n".join(f"{at} metformin {at * 5} mg twice a day" for at in range(3000))
    form = filling.grammar(fill(PRESETS["soap"], {"notes": notes}), tuple(PRESETS.values()))
    said, ended = demonstration.write("So many?", form, most=30)
    assert ended.reason == "length" and said.startswith(filling.LEAD[:40])


def test_it_is_pure() -> None:
    code = "import sys, med42_chat.filling; print([name for name in ('numpy', 'llama_cpp', 'pypdfium2', 'lxml') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
