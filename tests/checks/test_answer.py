"""What a person is told about an answer."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med42_chat.checks import Medicines, check
from med42_chat.records import Finding, Source
from tests.checks.cases import amber, medicines

POTASSIUM = Source(
    1,
    "Invented protocol: potassium",
    "Give potassium chloride 40 mmol in one litre of saline over four hours. Never give potassium as a bolus, whatever the level.\n\n"
    "Tell the renal team if the eGFR is below 30. Hypokalaemia is measured again after 2 days.",
    4,
)
INFECTIONS = Source(
    2,
    "Invented guide NG900",
    "Amoxicillin 500 mg tds for five days (Meyer et al., 2019). Vitamin B12 is not needed. Doxycycline is second.",
)
SOURCES = (POTASSIUM, INFECTIONS)


@pytest.fixture(scope="module")
def listed() -> Medicines:
    return medicines()


def told(answer: str, listed: Medicines, sources: Sequence[Source] = SOURCES) -> list[tuple[str, str, str, int | None]]:
    """Kind, state, the words of the answer and the source of each finding, without the marks that exist."""
    findings = check(answer, sources, listed)
    return [
        (one.kind, one.state, answer[one.start : one.end], one.source) for one in findings if (one.kind, one.state) != ("mark", "found")
    ]


class TestMarks:
    def test_a_mark_that_names_a_source_is_found(self, listed: Medicines) -> None:
        (mark,) = [one for one in check("So it is [2].", SOURCES, listed) if one.kind == "mark"]
        assert (mark.state, mark.source) == ("found", 2)

    def test_a_mark_that_names_none_is_not(self, listed: Medicines) -> None:
        (mark,) = amber(check("So it is [1-3].", SOURCES, listed))
        assert mark.words == "[1-3] names a source that does not exist. This answer was given sources 1 and 2."

    def test_without_sources_every_mark_is_wrong(self, listed: Medicines) -> None:
        assert told("Give 5 mg [1].", listed, ()) == [
            ("unsourced", "not_checked", "Give 5 mg [1].", None),
            ("mark", "not_found", "[1]", None),
        ]


class TestQuotations:
    @pytest.mark.parametrize(
        "quotation", ["Never give potassium as a bolus", "never give potas-\nsium as a bolus,", "40 mmol … over four hours"]
    )
    def test_words_of_the_source_are_found_with_their_page(self, quotation: str, listed: Medicines) -> None:
        (one,) = [one for one in check(f"It says “{quotation}” [1].", SOURCES, listed) if one.kind == "quotation"]
        assert (one.state, one.words) == ("found", "These words stand in source 1, page 4.")

    def test_words_of_another_source_are_not_this_ones(self, listed: Medicines) -> None:
        (one,) = [one for one in check("“Amoxicillin 500 mg tds” [1].", SOURCES, listed) if one.kind == "quotation"]
        assert one.words == "These words do not stand in source 1. They stand in source 2, which this sentence does not name."

    @pytest.mark.parametrize(
        "quotation", ["0 mmol in one litre", "over four hour", "eGFR is below 3", "over four hours … 40 mmol", "give potassium quickly now"]
    )
    def test_half_a_figure_half_a_word_or_another_order_is_not_found(self, quotation: str, listed: Medicines) -> None:
        assert ("quotation", "not_found", quotation, 1) in told(f"It says “{quotation}” [1].", listed)

    def test_leaving_out_the_negation_in_front_is_said(self, listed: Medicines) -> None:
        (one,) = [one for one in check("One may “give potassium as a bolus” [1].", SOURCES, listed) if one.kind == "quotation"]
        assert (one.state, one.words) == ("doubtful", "These words stand in source 1, page 4, right after “never”, which is left out here.")

    def test_unless_the_sentence_has_it_itself(self, listed: Medicines) -> None:
        assert not amber(check("Never “give potassium as a bolus” [1].", SOURCES, listed))

    def test_a_term_between_quotation_marks_is_no_quotation(self, listed: Medicines) -> None:
        assert told("The “brisk infusion” is one [1].", listed) == [("sentence", "not_checked", "The “brisk infusion” is one [1].", 1)]

    def test_without_a_mark_every_source_is_looked_through(self, listed: Medicines) -> None:
        (one,) = check("“Never give potassium as a bolus”.", SOURCES, listed)
        assert (one.state, one.source, one.words) == ("found", 1, "These words stand in source 1, page 4. This sentence does not name it.")


class TestRows:
    TABLE = Source(
        3, "Reversal", "The reversal\nDrug | Reversal | Note\nWarfarin | Vitamin K 5 mg | not with heparin\nApixaban | It 400 mg | slowly"
    )

    def test_what_stands_in_another_row_is_not_said_of_this_one(self, listed: Medicines) -> None:
        said = "Source 3 says:\n\n| Drug | Reversal | Note |\n|---|---|---|\n| Apixaban | It 400 mg | slowly [3] |"
        assert {state for _, state, _, _ in told(said, listed, [self.TABLE])} == {"found"}
        assert "Apixaban | It 400 mg | slowly [3] |" in [
            words for kind, _, words, _ in told(said, listed, [self.TABLE]) if kind == "quotation"
        ]

    def test_the_row_itself_is_compared(self, listed: Medicines) -> None:
        (one,) = [one for one in check("Warfarin: vitamin K 5 mg with heparin [3].", [self.TABLE], listed) if one.kind == "polarity"]
        assert "Apixaban" not in one.words and "Warfarin | Vitamin K 5 mg | not with heparin”" in one.words


class TestFigures:
    def test_a_figure_after_times_is_that_figure(self, listed: Medicines) -> None:
        source = Source(1, "Protocol", "Give 2*500 mg of paracetamol and 3*250 mg later.")
        kept = told("Give 2*500 mg of paracetamol and 3*250 mg later [1].", listed, [source])
        assert [words for kind, state, words, _ in kept if (kind, state) == ("figure", "found")] == ["2", "500 mg", "3", "250 mg"]
        assert ("figure", "not_found", "2500 mg", 1) in told("Give 2500 mg of paracetamol [1].", listed, [source])

    def test_the_same_dose_in_other_writing_is_found(self, listed: Medicines) -> None:
        findings = check("Amoxicillin 0.5 g every 8 hours for 5 days [2].", SOURCES, listed)
        assert [one.words for one in findings if one.kind in ("figure", "frequency")] == [
            "“0.5 g” stands in source 2 as “500 mg”.",
            "“every 8 hours” stands in source 2 as “tds”.",
            "“5 days” stands in source 2 as “five days”.",
        ]

    def test_a_figure_of_another_source_is_not_this_ones(self, listed: Medicines) -> None:
        (one,) = amber(check("The usual is 40 mmol [2].", SOURCES, listed))
        assert one.words == "“40 mmol” does not stand in source 2. It stands in source 1, which this sentence does not name."

    def test_any_of_the_named_sources_will_do(self, listed: Medicines) -> None:
        assert not amber(check("The usual is 40 mmol, or else 500 mg [1, 2].", SOURCES, listed))

    def test_a_unit_that_the_source_leaves_out_is_doubtful(self, listed: Medicines) -> None:
        (one,) = amber(check("Below 30 mL/min the renal team is told [1].", SOURCES, listed))
        assert (one.state, one.words) == ("doubtful", "Source 1, page 4 has the number “30”, without this unit.")

    def test_a_unit_that_is_not_known_here_is_doubtful_where_the_source_counts_something_else(self, listed: Medicines) -> None:
        (one,) = amber(check("The usual is 40 sprays [1].", SOURCES, listed))
        assert (one.state, one.words) == ("doubtful", "Source 1, page 4 has “40 mmol”, not “40 sprays”.")
        assert not amber(check("Give 40 of it, as is usual [1].", SOURCES, listed))

    def test_a_figure_from_the_sentence_next_to_it_is_noticed(self, listed: Medicines) -> None:
        (one,) = amber(check("Hypokalaemia is measured again after four hours [1].", SOURCES, listed))
        assert one.state == "doubtful"
        assert "2 days" in one.words

    def test_a_figure_with_another_unit_is_noticed_though_the_source_has_it_elsewhere(self, listed: Medicines) -> None:
        source = Source(1, "Gentamicin", "Gentamicin levels are measured after five days. Its usual dose is 5 mg/kg, or 5 hours apart.")
        (one,) = amber(check("Gentamicin levels are measured after 5 hours [1].", (source,), listed))
        assert (one.kind, one.state) == ("figure", "doubtful")

    @pytest.mark.parametrize("naming", ["Source 2 says: ", "As sources 1 and 2 say, "])
    def test_a_source_named_in_words_is_no_figure(self, naming: str, listed: Medicines) -> None:
        sources = [Source(2, "Gout", "Give colchicine 500 micrograms for 3 days.")]
        found = check(f"{naming}Give colchicine 500 micrograms for 3 days. [2]", sources, listed)
        assert [finding.words for finding in found if finding.state != "found"] == []
        assert "not_found" in {finding.state for finding in check("Source 2 says: give it for 5 days. [2]", sources, listed)}

    def test_ones_own_counting_is_no_figure(self, listed: Medicines) -> None:
        assert not amber(check("There are three things to know about potassium [1].", SOURCES, listed))

    def test_another_vitamin_is_noticed_and_another_shorthand_is_not(self, listed: Medicines) -> None:
        assert ("figure", "not_found", "B6", 2) in told("Vitamin B6 is not needed [2].", listed)
        assert not amber(check("CO2 is not needed [2].", SOURCES, listed))

    def test_figures_without_a_source_are_said_to_be_unchecked(self, listed: Medicines) -> None:
        assert told("Give 500 mg.", listed) == [("unsourced", "not_checked", "Give 500 mg.", None)]
        assert told("There are two options.", listed) == []


class TestWords:
    SOURCES = (Source(1, "Delirium", "Haloperidol is avoided in Parkinson's disease. Quetiapine is the medicine of choice."),)

    def test_a_sentence_of_other_words_is_doubtful(self, listed: Medicines) -> None:
        found = check("Thyroid nodules must grow on a choice of ropes. [1]", self.SOURCES, listed)
        assert [(finding.kind, finding.state) for finding in found if finding.kind != "mark"] == [("sentence", "doubtful")]

    def test_one_of_its_own_words_was_only_not_compared(self, listed: Medicines) -> None:
        found = check("One medicine is avoided in Parkinson's disease. [1]", self.SOURCES, listed)
        assert [(finding.kind, finding.state) for finding in found if finding.kind != "mark"] == [("sentence", "not_checked")]


class TestMedicines:
    def test_another_name_of_the_same_medicine_is_found(self, listed: Medicines) -> None:
        source = Source(1, "Pain", "Acetaminophen is the first choice for pain.")
        assert not amber(check("Paracetamol is the first choice for pain [1].", (source,), listed))

    def test_one_that_the_source_does_not_have_is_not_found(self, listed: Medicines) -> None:
        (one,) = amber(check("Clarithromycin 500 mg is usual [2].", SOURCES, listed))
        assert one.words == "“Clarithromycin” is not named in source 2."

    def test_one_that_stands_elsewhere_in_the_source_is_doubtful(self, listed: Medicines) -> None:
        found = amber(check("Doxycycline 500 mg tds for five days [2].", SOURCES, listed))
        assert [(one.kind, one.state) for one in found] == [("drug", "doubtful")]


class TestPolarity:
    @pytest.mark.parametrize(
        "answer",
        [
            "Give potassium as a bolus [1].",
            "Tell the renal team if the eGFR is above 30 [1].",
            "Hyperkalaemia is measured again after 2 days [1].",
            "Vitamin B12 is needed [2].",
            "Do not tell the renal team if the eGFR is below 30 [1].",
        ],
    )
    def test_the_opposite_is_noticed(self, answer: str, listed: Medicines) -> None:
        assert [(one.kind, one.state) for one in amber(check(answer, SOURCES, listed))] == [("polarity", "doubtful")]

    @pytest.mark.parametrize(
        "answer",
        [
            "Potassium must not be given as a bolus [1].",
            "Avoid giving potassium as a bolus [1].",
            "The renal team is told when the eGFR is < 30 [1].",
            "B12 isn't needed [2].",
            "Potassium chloride is given over four hours, not quickly [1].",
        ],
    )
    def test_the_same_in_other_words_is_not(self, answer: str, listed: Medicines) -> None:
        assert not amber(check(answer, SOURCES, listed))


class TestReferences:
    def test_what_a_source_names_is_found_by_text_or_title(self, listed: Medicines) -> None:
        assert told("See Meyer et al. 2019 and NG900 [2].", listed) == [
            ("reference", "found", "Meyer et al. 2019", 2),
            ("reference", "found", "NG900", 2),
        ]

    def test_what_none_names_is_not(self, listed: Medicines) -> None:
        assert told("See PMID 12345678.", listed) == [("reference", "not_found", "PMID 12345678", None)]


def test_one_of_two_words_turned_into_its_opposite_is_doubtful(listed: Medicines) -> None:
    source = Source(1, "Operations", "The last tablet is taken 24 hours before a small operation and 48 hours before a large one.")
    answer = "The last tablet is taken 24 hours before a small operation and 48 hours {} a large one [1]."
    assert not amber(check(answer.format("before"), (source,), listed))
    assert [one.kind for one in amber(check(answer.format("after"), (source,), listed))] == ["polarity"]


def test_a_medicine_that_only_the_heading_over_a_passage_names_is_found(listed: Medicines) -> None:
    passage = Source(1, "Around operations", "The last tablet is taken 48 hours before.", heading_path=("Stopping apixaban",))
    assert ("drug", "found") in [one[:2] for one in told("Apixaban is last taken 48 hours before [1].", listed, (passage,))]


@pytest.mark.parametrize(
    ("head", "row", "kind", "state"),
    [
        ("Sign | 3 points", "Pulse | 40 or less [1]", "figure", "found"),
        ("Sign | 7 points", "Pulse | 40 or less [1]", "figure", "not_found"),
        ("Sign | 3 points", "Pulse | 40 or less", "unsourced", "not_checked"),
    ],
)
def test_a_tables_head_is_compared_with_the_source_of_its_first_row(head: str, row: str, kind: str, state: str, listed: Medicines) -> None:
    source = Source(1, "Score", "| Sign | 3 points |\n|---|---|\n| Pulse | 40 or less |\n| Voice | none |")
    answer = f"Source 1 says:\n\n| {head} |\n| :-- | --- |\n| {row} |\n| Voice | none [1] |"
    findings = [one for one in check(answer, (source,), listed) if one.start < answer.index(":--") and one.kind != "quotation"]
    assert [(one.kind, one.state) for one in findings] == [(kind, state)]


def test_a_tables_head_with_nothing_to_compare_has_no_finding_of_its_own(listed: Medicines) -> None:
    answer = "| Sign | Meaning |\n|---|---|\n| Potassium as a bolus | never [1] |"
    assert all(one.start > answer.index("---") for one in check(answer, SOURCES, listed))


def test_a_sentence_with_nothing_to_compare_is_said_to_be_unchecked(listed: Medicines) -> None:
    assert told("The renal team is kind [1].", listed) == [("sentence", "not_checked", "The renal team is kind [1].", 1)]


@pytest.mark.parametrize("dose", ["**5** g", "5 **g**", "5&nbsp;g", "**5 mg**/kg", "**5** million mg"])
def test_emphasis_does_not_part_a_figure_from_its_unit(dose: str, listed: Medicines) -> None:
    sources = (Source(1, "Anticoagulants", "The ward keeps warfarin in tablets of 5 mg."),)
    assert "found" not in {one.state for one in check(f"Start with {dose} [1].", sources, listed) if one.kind == "figure"}


def test_findings_are_in_the_order_of_the_text(listed: Medicines) -> None:
    findings = check("See NG1 and 5 mg [7]. Then “never do this now” [1]. Give doxycycline 40 mmol [2].", SOURCES, listed)
    assert [one.start for one in findings] == sorted(one.start for one in findings)


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=20))
def test_no_answer_and_no_source_is_too_strange(answer: str, text: str, title: str) -> None:
    small = Medicines.parse("aspirin\n-pril")
    for finding in check(answer + " [1]", (Source(1, title, text),), small):
        assert 0 <= finding.start < finding.end <= len(answer) + 4
        assert "verified" not in finding.words


def test_the_words_never_say_verified(listed: Medicines) -> None:
    answer = "“Never give potassium as a bolus” [1]. Amoxicillin 500 mg bd [2]. NG900. Give 5 mg. Give potassium as a bolus [1][9]."
    findings: tuple[Finding, ...] = check(answer, SOURCES, listed)
    assert len({one.kind for one in findings}) >= 7
    assert not any("verif" in one.words.casefold() for one in findings)
