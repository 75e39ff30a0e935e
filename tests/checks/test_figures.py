"""Figures and frequencies say the same however they are written, and different things are kept apart."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med42_chat.checks.figures import codes, measures
from med42_chat.checks.text import without_names
from med42_chat.checks.units import UNITS


def keys(text: str) -> set[tuple[Fraction, str]]:
    return {measure.key for measure in measures(text)}


@pytest.mark.parametrize(
    "same",
    [
        ("500 mg", "0.5 g", "500mg", "½ g", "500 milligrams", "0.500 g", "500-mg"),
        ("10,000 units", "10000 IU", "10 000 U", "10\u202f000 units"),
        ("5–10 mg", "5 to 10 mg", "5 mg to 10 mg", "between 5 and 10 mg"),
        ("15 mg/kg", "15 mg per kg", "15 mg / kg"),
        ("3 mmol/L", "3 mmol per litre", "3000 µmol/L", "3 mM"),
        ("2 days", "two days", "48 hours", "a 2-day course"),
        ("within an hour", "within one hour", "60 minutes"),
        ("half an hour", "30 min"),
        ("20 %", "20 per cent", "20%", "20 percent"),
        ("30 mL/min/1.73 m²", "30 ml/min", "30 mL per minute"),
        ("10⁹", "10^9"),
        ("5 mg", "**5** mg", "5 **mg**", "**5** **mg**", "_5_ mg", "`5` mg"),
        ("15 mg/kg", "**15 mg**/kg", "15 mg **per** kg", "**15** mg / **kg**"),
        ("2 million units", "**2** million units", "2 million **units**", "two **million** units"),
        ("2.4 million units", "2,400,000 units", "2400 thousand units"),
        ("500 mg", "five hundred mg", "five hundred milligrams", "five-hundred mg"),
        ("25 mg", "twenty-five mg", "twenty five mg"),
        ("150 mg", "one hundred and fifty mg", "a hundred and fifty mg", "one hundred fifty mg"),
        ("½ tablet", "1/2 tablet", "half a tablet", "half tablet"),
        ("2½ hours", "2.5 hours", "two and a half hours"),
        ("500,000 units", "half a million units", "five hundred thousand units"),
        ("between 100 and 200 mg", "between one hundred and two hundred mg"),
        ("1½ tablets", "1.5 tablets"),
        ("-20 °C", "−20°C"),
    ],
)
def test_the_same_figure_in_other_writing(same: tuple[str, ...]) -> None:
    assert all(keys(text) == keys(same[0]) != set() for text in same)


@pytest.mark.parametrize(
    "same",
    [
        (
            "tds",
            "t.d.s.",
            "three times a day",
            "every 8 hours",
            "8-hourly",
            "q8h",
            "3 times daily",
            "in three divided doses",
            "thrice daily",
            "3× daily",
            "3 per day",
            "3 a day",
        ),
        ("bd", "twice a day", "2 times per day", "every twelve hours"),
        ("daily", "once a day", "od", "every 24 hours", "every day"),
        ("every 4–6 hours", "4 to 6 hourly", "every four to six hours", "q4-6h"),
        ("weekly", "once a week", "every 7 days"),
        ("half-hourly", "half hourly", "every 30 minutes"),
        ("every other day", "on alternate days", "every 2 days", "qod", "q.o.d."),
        ("nightly", "nocte", "every night", "daily"),
        ("tiw", "three times a week"),
    ],
)
def test_the_same_frequency_in_other_writing(same: tuple[str, ...]) -> None:
    assert all(keys(text) == keys(same[0]) != set() for text in same)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5 mg", "5 g"),
        ("5 mg", "5 mL"),
        ("5 mg", "5 mg/kg"),
        ("5 mm", "5 mM"),
        ("5 mg", "50 mg"),
        ("5 mg", "-5 mg"),
        ("5 mg/dL", "5 mg/L"),
        ("bd", "tds"),
        ("every 8 hours", "8 hours"),
        ("2 units per hour", "2 units per day"),
        ("1,000", "1.000"),
        ("weekly", "daily"),
    ],
)
def test_different_things_are_different(one: str, other: str) -> None:
    assert keys(one) != keys(other)


def test_a_dose_a_day_is_a_dose_and_a_frequency() -> None:
    assert keys("5 mg a day") == keys("5 mg daily") == keys("5 mg/day")


def test_page_numbers_and_names_with_a_number_are_no_figures() -> None:
    assert not measures("page 12, pp. 3-4, B12, CD4, COVID-19")
    assert [code[0] for code in codes("vitamin B12, COVID-19, HbA1c and 5mg")] == ["B12", "COVID-19", "HbA1c"]


def test_every_figure_stands_where_it_says() -> None:
    text = "Give **5 mg** q8h, or 0.5 g tds for 7 days."
    assert [text[one.start : one.end] for one in measures(text)] == ["5 mg", "q8h", "0.5 g", "tds", "7 days"]


@given(st.integers(0, 10**6), st.sampled_from(sorted(UNITS)))
def test_any_number_with_any_unit_is_one_figure_with_that_unit(number: int, unit: str) -> None:
    (measure,) = measures(f"about {number} {unit}.")
    assert measure.number == number
    assert measure.unit == UNITS[unit][0]


@given(st.text(max_size=200))
def test_no_text_is_too_strange(text: str) -> None:
    assert all(0 <= one.start < one.end <= len(text) for one in measures(text))


@pytest.mark.parametrize("text", ["10^99999999", "9" * 5000, "5 " * 3000, "1,000" * 2000, "1-" * 3000, "a 5 mg/" * 1000])
def test_no_text_takes_long(text: str) -> None:
    measures(text)


def test_a_number_in_front_of_a_unit_is_no_sources_number() -> None:
    assert without_names("Source 2 says: 5 mg") == " " * 14 + " 5 mg"
    for text in ("a potassium source 40 mmol", "source 2.5 mg", "the source 5 mg"):
        assert without_names(text) == text
