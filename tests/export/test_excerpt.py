"""A quoted piece of an answer: what the reader saw, on one line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med42_chat.export.excerpt import excerpt, linear
from tests.constructs import CONSTRUCTS


@pytest.mark.parametrize(
    ("tex", "seen"),
    [
        (r"\geq 7\ \mu g", "≥ 7 μg"),
        (r"x^2 = \sqrt{4}", "x² = √4"),
        (r"50 \times 10^{9}/\text{L}", "50 × 10⁹/L"),
        (r"\frac{(140-\text{age}) \times w}{72 \times Cr}", "((140 − age) × w)/(72 × Cr)"),
        (r"\frac{850\,\text{mg}}{2}", "(850 mg)/2"),
        (r"\mathrm{H_2O}", "H₂O"),
        (r"t_{1/2}", "t_(1/2)"),
        (r"e^{-kt}", "e^(−kt)"),
        (r"\sum_{i=1}^{n} x_i", "∑_(i = 1)ⁿx_i"),
        (r"\sqrt[3]{V}", "³√V"),
        (r"\bar{x}", "x¯"),
        (r"a = -b - c", "a = −b − c"),
        (r"\begin{matrix} 1 & 2 \\ 3 & 4 \end{matrix}", "1 2; 3 4"),
        ("x" * 2001, "x" * 2001),
        ("", ""),
    ],
)
def test_a_formula_is_quoted_in_characters(tex: str, seen: str) -> None:
    assert linear(tex) == seen


def test_signs_of_markdown_and_of_latex_are_not_what_the_reader_saw() -> None:
    assert excerpt(r"Give **\(\geq 7\)** mg of `x` when $t_1 > 5$ [1].") == "Give ≥ 7 mg of x when t₁ > 5 [1]."
    assert excerpt("$$x^2$$") == "x²" and excerpt("| a | b |\n|---|---|\n| $x_1$ | 5 |") == "a | b x₁ | 5"


def test_every_construct_of_an_answer_can_be_quoted() -> None:
    for text in CONSTRUCTS:
        assert "\n" not in excerpt(text)


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from(list("\\{}^_$ ab12+-frac")), max_size=40))
def test_no_formula_ends_a_document(tex: str) -> None:
    assert isinstance(linear(tex), str) and isinstance(excerpt(f"${tex}$"), str)
