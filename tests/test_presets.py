"""Presets: the files that are shipped, how fields are filled in, and what a person is told whose file is broken."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med42_chat.presets import Field, Preset, fill, read

SHIPPED = Path(__file__).resolve().parent.parent / "assets" / "prompts" / "presets"
NOTE = Preset(
    "note",
    "Note",
    fields=(Field("problem", "Problem", default="my patient"), Field("notes", "Notes"), Field("age", "Age")),
    text="Write a note for {problem}.\n\nNotes:\n{notes}\nAge: {age}\n\nKeep every number.",
)
GOOD = '+++\nname = "Plan"\n\n[[fields]]\nname = "plan"\n+++\nWhat speaks against {plan}?\n'


def one(folder: Path, content: str | bytes, name: str = "plan.md") -> Preset:
    """What is read from a folder with this file alone."""
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (preset,) = read(folder)
    return preset


class TestShipped:
    def test_the_seven_are_there_in_the_menus_order(self) -> None:
        ids = [preset.id for preset in read(SHIPPED)]
        assert ids == ["ask", "differential", "explain", "soap", "discharge", "referral", "medicines"]

    @pytest.mark.parametrize("preset", read(SHIPPED), ids=lambda preset: preset.id)
    def test_each_is_whole_and_short_enough_for_a_small_model(self, preset: Preset) -> None:
        assert not preset.broken, preset.hint
        assert preset.hint and preset.instruction
        assert all(field.label and field.placeholder for field in preset.fields)
        assert len(fill(preset, {})) < 700

    @pytest.mark.parametrize("preset", read(SHIPPED), ids=lambda preset: preset.id)
    def test_each_can_be_sent_with_nothing_filled_in_and_no_label_is_left_alone(self, preset: Preset) -> None:
        text = fill(preset, {})
        assert "{" not in text
        assert not any(
            line.endswith(":") and not after for line, after in zip(text.splitlines(), [*text.splitlines()[1:], ""], strict=True)
        )

    @pytest.mark.parametrize("preset", read(SHIPPED), ids=lambda preset: preset.id)
    def test_each_field_reaches_the_text(self, preset: Preset) -> None:
        text = fill(preset, {field.name: f"<{field.name}>" for field in preset.fields})
        assert all(f"<{field.name}>" in text for field in preset.fields)


class TestFill:
    def test_an_empty_field_takes_its_default_its_line_or_its_paragraph_along(self) -> None:
        assert fill(NOTE, {}) == "Write a note for my patient.\n\nKeep every number."
        assert fill(NOTE, {"age": "62"}) == "Write a note for my patient.\n\nNotes:\nAge: 62\n\nKeep every number."
        assert fill(NOTE, {"problem": "asthma", "notes": "wheeze"}) == "Write a note for asthma.\n\nNotes:\nwheeze\n\nKeep every number."

    def test_blanks_alone_count_as_empty(self) -> None:
        assert fill(NOTE, {"problem": " \n ", "notes": "\t"}) == fill(NOTE, {})

    def test_line_breaks_and_blank_lines_of_a_paste_stay(self) -> None:
        assert "first\n\n\n\nsecond" in fill(NOTE, {"notes": "first\n\n\n\nsecond"})

    @given(st.text(), st.text())
    def test_whatever_is_filled_in_comes_through_as_it_is_and_is_never_a_slot(self, problem: str, notes: str) -> None:
        text = fill(NOTE, {"problem": problem + "{notes}", "notes": notes + "{problem}", "stranger": "x"})
        assert f"Write a note for {(problem + '{notes}').strip()}." in text
        assert f"Notes:\n{(notes + '{problem}').strip()}" in text


class TestDepartment:
    def test_a_file_that_is_added_appears_in_the_order_of_the_names(self, tmp_path: Path) -> None:
        (tmp_path / "20-second.md").write_text(GOOD)
        (tmp_path / "10-first.md").write_text(GOOD)
        (tmp_path / "notes.txt").write_text("not a preset")
        assert [(preset.id, preset.name) for preset in read(tmp_path)] == [("first", "Plan"), ("second", "Plan")]

    def test_no_folder_means_no_presets(self, tmp_path: Path) -> None:
        assert read(tmp_path / "nowhere") == ()

    def test_a_label_that_is_not_given_is_made_of_the_name(self, tmp_path: Path) -> None:
        assert one(tmp_path, GOOD.replace("plan", "my_plan")).fields == (Field("my_plan", "My plan"),)

    def test_braces_around_other_things_are_text(self, tmp_path: Path) -> None:
        assert fill(one(tmp_path, GOOD + "{ } {1} {A b} $x^{2}$"), {"plan": "x"}).endswith("{ } {1} {A b} $x^{2}$")

    def test_files_of_windows_editors_are_read(self, tmp_path: Path) -> None:
        preset = one(tmp_path, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
        assert not preset.broken
        assert fill(preset, {"plan": "rest"}) == "What speaks against rest?"

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ("", "Line 1: the file begins with a line of +++."),
            ("# Plan\n+++\n+++\nx", "Line 1: the file begins with a line of +++."),
            ('+++\nname = "Plan"\ntext', "Line 1: the +++ of the first line has no second one after it."),
            ('+++\nname = "Plan"\n+++\n \n', "Line 3: there is no text after the second +++."),
            ("+++\n+++\nx", "the preset has no 'name'."),
            ('+++\nname = "Plan"\nhint = no quotes\n+++\nx', "Line 3: Invalid value."),
            ('+++\nname = "Plan\n+++\nx', "Line 2: "),
            ('+++\nname = "Plan"\nhint = 7\n+++\nx', "Line 3: 'hint' is a text between quotation marks."),
            ('+++\nname = "Plan"\nfields = ["plan"]\n+++\n{plan}', "Line 3: every field begins with a line [[fields]]."),
            (GOOD.replace('"plan"', '"Plan"'), "Line 2: a field's name has small letters, digits and _ only, and this is 'Plan'."),
            (GOOD.replace('"plan"\n', '"plan"\nlines = 99\n'), "Line 6: 'lines' of the field 'plan' is a number from 1 to 20."),
            (GOOD.replace('"plan"\n', '"plan"\nlines = true\n'), "'lines' of the field 'plan' is a number from 1 to 20."),
            (GOOD + "\nand {plam}", "Line 9: {plam} is none of the fields."),
            (GOOD.replace("{plan}", "it"), "Line 5: the text has no {plan}."),
            (GOOD.replace("+++\nW", '[[fields]]\nname = "plan"\n+++\nW'), "there are two fields with the name 'plan'."),
            (b'+++\nname = "\xff"\n+++\nx', "This file is not UTF-8 text."),
        ],
    )
    def test_a_broken_file_is_told_with_its_name_its_line_and_what_to_mend(self, tmp_path: Path, content: str | bytes, told: str) -> None:
        preset = one(tmp_path, content)
        assert preset.broken
        assert preset.name == "plan.md"
        assert told in preset.hint

    def test_a_broken_file_takes_no_other_along(self, tmp_path: Path) -> None:
        (tmp_path / "a.md").write_text("nothing")
        (tmp_path / "b.md").mkdir()
        (tmp_path / "c.md").write_text(GOOD)
        assert [(preset.name, preset.broken) for preset in read(tmp_path)] == [("a.md", True), ("b.md", True), ("Plan", False)]

    @given(st.text())
    def test_no_front_matter_at_all_can_do_more_than_break_its_own_file(self, tmp_path_factory: pytest.TempPathFactory, head: str) -> None:
        preset = one(tmp_path_factory.mktemp("presets"), f"+++\n{head}\n+++\nx".encode("utf-8", "replace"))
        assert preset.broken or preset.name
