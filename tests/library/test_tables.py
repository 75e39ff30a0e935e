"""Tables whose cells have several lines: whole rows where that can be seen, lines as they stand where it cannot."""

import pytest

from med42_chat.library.documents import document_of
from tests.library import files, pdfs

COLUMNS = (50.0, 160.0, 260.0)


def read(*rows: tuple[float, str, str, str]) -> list[str]:
    """The lines of a page on which each text stands in its column, so far from the top."""
    texts = [(x, 740 - top, text) for top, *cells in rows for x, text in zip(COLUMNS, cells, strict=True) if text]
    (page,) = document_of(pdfs.document([files.drawn(texts)]), "x.pdf").pages
    return [line for line in page.text.split("\n") if line]


def test_cells_that_go_on_below_are_one_row() -> None:
    assert read(
        (0, "Medicine", "Dose", "Remarks"),
        (24, "Meropenem", "1 g every", "Halve it when the"),
        (36, "", "eight hours", "clearance falls"),
        (60, "Aztreonam", "2 g", "For the allergic"),
        (84, "Gentamicin", "5 mg/kg", "Once a day"),
    ) == [
        "Medicine | Dose | Remarks",
        "Meropenem | 1 g every eight hours | Halve it when the clearance falls",
        "Aztreonam | 2 g | For the allergic",
        "Gentamicin | 5 mg/kg | Once a day",
    ]


def test_a_short_cell_in_the_middle_of_its_row_belongs_to_it() -> None:
    assert read(
        (0, "Medicine", "Dose", "Remarks"),
        (24, "", "", "Halve it when the"),
        (30, "Meropenem", "1 g", ""),
        (36, "", "", "clearance falls"),
        (60, "Aztreonam", "2 g", "For the allergic"),
    ) == [
        "Medicine | Dose | Remarks",
        "Meropenem | 1 g | Halve it when the clearance falls",
        "Aztreonam | 2 g | For the allergic",
    ]


@pytest.mark.parametrize("step", [12, 24])
def test_where_lines_and_rows_stand_alike_nothing_is_put_together(step: int) -> None:
    rows = [
        ("Medicine", "Dose", "Remarks"),
        ("Meropenem", "1 g every", "Halve it when the"),
        ("", "eight hours", "clearance falls"),
        ("Aztreonam", "2 g", "For the allergic"),
    ]
    assert read(*((float(step * number), *row) for number, row in enumerate(rows))) == [" | ".join(filter(None, row)) for row in rows]


def test_two_doses_under_each_other_stay_two() -> None:
    lines = read(
        (0, "Medicine", "Dose", "Interval"),
        (30, "Meropenem", "1 g", "8 hours"),
        (42, "", "2 g", "12 hours"),
        (66, "Aztreonam", "0.5 g", "24 hours"),
        (90, "Ceftriaxone sodium", "1 g at first", "once in 24 hours"),
    )
    assert lines[1:3] == ["Meropenem | 1 g | 8 hours", "2 g | 12 hours"]


def test_a_word_begins_a_cell_where_its_column_begins_however_near_the_cell_before_it_ends() -> None:
    lines = read(
        (0, "Sign", "What to do", "Who is called"),
        (24, "Rash", "Stop it", "The doctor"),
        (48, "Wheeze", "Adrenaline, 0.5 mg", "Call 2222"),
    )
    assert lines[2] == "Wheeze | Adrenaline, 0.5 mg | Call 2222"


def test_a_row_in_which_every_cell_goes_on_is_one() -> None:
    lines = read(
        (0, "Medicine", "Reversal", "Check after"),
        (24, "Warfarin", "Prothrombin", "20 minutes"),
        (48, "Heparin", "Protamine, at", "15 minutes"),
        (60, "infusion", "most 50 mg", "and an hour"),
        (84, "Dabigatran", "Idarucizumab", "30 minutes"),
    )
    assert lines[2:4] == ["Heparin infusion | Protamine, at most 50 mg | 15 minutes and an hour", "Dabigatran | Idarucizumab | 30 minutes"]


def test_what_stands_above_a_table_is_not_drawn_into_it() -> None:
    lines = read(
        (0, "Table 2. Doses of antibiotics", "", ""),
        (24, "Medicine", "Dose", "Interval"),
        (48, "Meropenem", "1 g", "8 hours"),
        (72, "Aztreonam", "2 g", "8 hours"),
    )
    assert lines[0] == "Table 2. Doses of antibiotics" and lines[1] == "Medicine | Dose | Interval"
