"""Which words are medicines, and what the shipped list is like."""

import re

from med42_chat.checks import Medicines
from tests.checks.cases import ROOT, medicines


def names(text: str, listed: Medicines | None = None) -> list[str]:
    return [named.name for named in (listed or medicines()).named(text)]


def test_two_names_of_one_medicine_are_the_same() -> None:
    assert names("Acetaminophen, Paracetamol; epinephrine") == ["paracetamol", "paracetamol", "adrenaline"]


def test_the_longest_name_is_meant() -> None:
    assert names("sodium  valproate and potassium chloride") == ["valproate", "potassium chloride"]


def test_a_name_that_is_not_listed_is_known_by_its_ending() -> None:
    assert names("zoxapril and brexumab", Medicines.parse("-pril\n-mab")) == ["zoxapril", "brexumab"]


def test_a_class_or_a_month_is_no_medicine() -> None:
    assert names("Statins in April; therapy with a person") == []


def test_each_stands_where_it_says() -> None:
    text = "Straße, İzmir: give *amoxicillin* or co-trimoxazole."
    assert [text[one.start : one.end] for one in medicines().named(text)] == ["amoxicillin", "co-trimoxazole"]


def test_remarks_blank_lines_and_capitals_are_no_matter() -> None:
    assert names("panadol", Medicines.parse("# a remark\n\nParacetamol = Panadol  # sold as\n")) == ["paracetamol"]


def test_the_shipped_list_has_hundreds_of_names_and_none_twice() -> None:
    lines = (ROOT / "assets" / "medicines.txt").read_text("utf-8").casefold().splitlines()
    listed = [name.strip() for line in lines for name in re.split("=", line.partition("#")[0]) if name.strip()]
    assert len(listed) > 500
    assert len(listed) == len(set(listed))
    assert len({*medicines().names.values()}) > 500
