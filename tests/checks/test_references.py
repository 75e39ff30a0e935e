"""References that a text names by itself, and whether a source names them too."""

import pytest

from med42_chat.checks.references import names, references

ALL = (
    "PMID: 12345678", "PMC7654321", "NCT01234567", "ISBN 978-3-16-148410-0", "10.1000/xyz.12", "https://example.org/a1", "NG28", "CG 180",
    "SIGN 147", "ESC guidelines 2020", "2020 ESC", "Smith et al., 2019", "Smith and Jones (2020)", "Smith (2019)", "Smith-Meyer, 2001",
)  # fmt: skip


@pytest.mark.parametrize("text", ALL)
def test_each_kind_is_found_whole(text: str) -> None:
    assert [one.text for one in references(f"As in {text} guidance.")] == [text]


@pytest.mark.parametrize("text", ALL)
def test_a_source_that_has_it_names_it_and_one_with_another_digit_does_not(text: str) -> None:
    (one,) = references(f"As in {text} guidance.")
    assert names(f"Following {text}, we did.", one)
    digit = text[max(at for at, char in enumerate(text) if char.isdigit())]
    assert not names(f"Following {text.replace(digit, '8' if digit != '8' else '9')}, we did.", one)


@pytest.mark.parametrize(
    "text", ["In June 2019", "Since (2019)", "WHO treated 20 patients", "who in 2019", "Give 500 mg, 2019 times", "the ward (12)"]
)
def test_a_date_or_a_count_is_no_reference(text: str) -> None:
    assert not list(references(text))


def test_spacing_and_capitals_make_no_difference() -> None:
    (one,) = references("NICE NG28")
    assert names("see ng 28", one)
    assert not names("see NG280", one)


def test_an_author_needs_the_year_close_by() -> None:
    (one,) = references("Smith et al., 2019")
    assert names("Smith J, Jones K. A trial of socks. 2019", one)
    assert not names("Smith wrote. " + "Much else was written. " * 20 + "In 2019 it rained.", one)
