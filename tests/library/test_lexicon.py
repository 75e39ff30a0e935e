"""What words mean: the lines in which it is written down, and that words of another meaning are kept apart."""

import time
from itertools import combinations
from pathlib import Path

import pytest

from med42_chat.library.lexicon import Lexicon, lexicon
from med42_chat.library.words import stem, stems, words
from med42_chat.settings import ASSETS

FILES = sorted((ASSETS / "lexicon").glob("*.txt"))

# Of each line no word may stand for one of another: what is right of the one is wrong of the other.
OPPOSITES = """
    before, prior, beforehand | after, afterwards, following
    start, begin, commence, initiate | stop, cease, discontinue
    start, restart, resume | hold, withhold, omit
    restart, resume | taper, wean
    increase, raise, uptitrate | decrease, reduce, lower, taper, wean, halve
    double, twice | halve, half
    maximum, highest, most | minimum, lowest, least
    high, above, over, raised | low, below, under, reduced
    more, greater | less, fewer
    early, sooner | late, delayed, overdue
    allowed, permitted, safe | forbidden, contraindicated, unsafe
    insert, place | remove, extract
    admission, admitted | discharge, discharged
    day, daily, morning | night, nocte, overnight
    hourly | daily | weekly | monthly
    alert, awake | drowsy, unconscious, sedated
    calm | agitated, aggressive
    adult, adults | child, children, infant, paediatric | newborn, neonate
    inpatient | outpatient
    oral, orally | intravenous, intravenously | intramuscular | subcutaneous | rectal | intrathecal
    acute | chronic
    mild | severe
    arterial | venous
    hyperkalaemia, hyperkalemia | hypokalaemia, hypokalemia
    hypernatraemia, hypernatremia | hyponatraemia, hyponatremia
    hypermagnesaemia | hypomagnesaemia
    hyperphosphataemia | hypophosphataemia
    hypercalcaemia | hypocalcaemia
    hyperglycaemia, hyperglycemia | hypoglycaemia, hypoglycemia
    hypertension, hypertensive | hypotension, hypotensive
    tachycardia, tachycardic | bradycardia, bradycardic
    tachypnoea | bradypnoea | apnoea
    hyperthyroidism, thyrotoxicosis | hypothyroidism
    fever, pyrexia | hypothermia
    hypovolaemia, dehydration | overload
    acidosis | alkalosis
    diarrhoea | constipation
    bleeding, haemorrhage | thrombosis, clot
    anticoagulant | antidote, reversal
    transfusion | infusion
    loading | maintenance
    trough | peak
    potassium | sodium | magnesium | phosphate | calcium
    haemoglobin | platelets | neutrophils
    ct | mri | ultrasound | radiograph
    warfarin | heparin | apixaban | rivaroxaban | dabigatran | edoxaban | enoxaparin
    gentamicin | vancomycin | teicoplanin | amikacin
    adrenaline | noradrenaline | vasopressin
    prednisolone | hydrocortisone | dexamethasone
    insulin | metformin | gliclazide
    pharmacist | microbiologist | haematologist | radiologist | anaesthetist | surgeon | dietitian | physiotherapist
    nasogastric | tracheostomy | gastrostomy
    cannula | catheter | drain
    hip | knee | shoulder
    heart | lung | liver | kidney | brain
    arm | leg
"""


def opposites() -> list[tuple[str, str]]:
    lines = [[words(kind) for kind in line.split("|")] for line in OPPOSITES.strip().splitlines()]
    return [(one, other) for kinds in lines for left, right in combinations(kinds, 2) for one in left for other in right]


@pytest.mark.parametrize(("one", "other"), opposites())
def test_words_of_another_meaning_are_not_taken_for_the_same(one: str, other: str) -> None:
    assert stem(other) not in lexicon().alike(one) and stem(one) not in lexicon().alike(other)


def test_no_medicine_of_a_kind_is_taken_for_another_of_it() -> None:
    lines = [
        line.replace(">", ":")
        for file in FILES
        for line in file.read_text("utf-8").splitlines()
        if {":", ">"} & set(line) and line[0] != "#"
    ]
    kinds = [words(line.partition(":")[2].replace(",", " ")) for line in lines]
    assert len(kinds) > 40
    mixed = {(one, other) for kind in kinds for one, other in combinations(kind, 2) if stem(other) in lexicon().alike(one)}
    assert not mixed


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_no_word_that_stands_in_every_text_stands_for_another(file: Path) -> None:
    text = "a an and are as at be by can do for from have has if in is it may of on or that the they to was we which will with you"
    everywhere = set(text.split())
    said = [one.strip() for line in file.read_text("utf-8").casefold().splitlines() if not line.startswith("#") for one in line.split(",")]
    assert not everywhere & set(said)


def test_what_is_on_one_line_says_the_same_and_what_is_on_two_does_not_say_it_by_way_of_a_word_on_both() -> None:
    known = Lexicon.parse(["dry, parched  # a remark", "dry, sober", "# lush, green"])
    assert known.alike("lush") == {"lush"}
    assert known.alike("dry") == {"dry", "parch", "sober"} and known.alike("parched") == {"parch", "dry"}


def test_an_expression_of_several_words_stands_where_all_that_say_something_do() -> None:
    known = Lexicon.parse(["breathless, short of breath, sob, put on oxygen mask, put on"])
    assert known.means("sob").stands(frozenset({stem("breathless")}))
    assert known.means("sob").stands(stems("a mask with oxygen")) and not known.means("sob").stands(stems("put on a short list"))
    assert [said for said, _ in known.expressions(words("very short of breath since"))] == [["short", "of", "breath"]]


def test_who_asks_for_a_kind_is_answered_by_one_of_it_and_a_mere_name_of_it_by_none() -> None:
    known = Lexicon.parse(["laxative: senna, macrogol", "penicillin > amoxicillin", "fluid < saline"])
    assert known.alike("laxative") == {"laxativ", "senna", "macrogol"} and known.alike("senna") == {"senna"}
    assert known.called("senna") == {"senna", "laxativ"} and known.called("amoxicillin") == {"amoxicillin", "penicillin"}
    assert known.alike("penicillin") == {"penicillin"} and known.alike("fluid") == {"fluid", "salin"} and not known.called("saline")


def test_what_is_of_one_matter_or_falls_under_something_is_near_and_not_the_same() -> None:
    known = Lexicon.parse(["~ wean, reduced", "daughter, step son ^ family"])
    assert known.means("wean").near == {"reduc"} and known.means("daughter").near == {stem("family")} and not known.means("family").near
    assert known.alike("wean") == {"wean"} and known.alike("daughter") == {"daughter"}
    assert [meant.near for _, meant in known.expressions(["step", "son"])] == [{stem("family")}]


def test_the_words_are_read_in_a_moment() -> None:
    """A tenth of a second by itself; the limit is for a crowded computer."""
    lexicon.cache_clear()
    began = time.thread_time()
    assert len(lexicon().meanings) > 5000 and time.thread_time() - began < 5
