"""What a question wants to know of its subject, and whether a sentence says it."""

import pytest

from med42_chat.library.aspects import aspects_of

BY_MOUTH = "haloperidol 0.5 mg by mouth is the first choice."
DOSE = "the loading dose is 25 mg/kg, at most 2 g."
MEASURED = "potassium is measured before feeding begins."


def lacks(question: str, sentence: str) -> set[str]:
    """The aspects of the question of which the sentence says nothing."""
    return {name for name, offers in aspects_of(question).items() if not offers.search(sentence)}


@pytest.mark.parametrize(
    ("question", "sentence", "missing"),
    [
        ("Can haloperidol be given IV?", BY_MOUTH, "by vein"),
        ("can gentamicin go IM", DOSE, "into a muscle"),
        ("morphine to subcut", BY_MOUTH, "under the skin"),
        ("oral vancomycin for a child", DOSE, "by mouth"),
        ("vancomycin via NG", DOSE, "by a tube"),
        ("Potassium 2.8, how fast can it go in?", MEASURED, "a rate"),
        ("How often should the ECG be repeated?", "an ecg is recorded before the first dose.", "how often"),
        ("how many days can a cannula stay in", "a cannula of 20 gauge is right for 4 ml per second.", "hours or days"),
        ("which volume do I dilute vancomycin in", DOSE, "a volume"),
        ("final concentration of vancomycin in mg/ml", DOSE, "a concentration"),
        ("protamine mg per 100 units of heparin", "protamine, at most 50 mg", "a ratio"),
        ("actual or ideal weight for the feed?", "on days 1 and 2 10 kcal/kg", "which weight"),
        ("upper limit for prothrombin complex", "prothrombin complex 25 units/kg", "the most"),
        ("fastest flow through a blue cannula", "the hand is used up to 2 ml per second.", "a colour"),
        ("quetiapine dose in renal failure", "quetiapine 12.5 mg at night", "less"),
        ("second relapse of c diff", "vancomycin 125 mg four times a day for ten days.", "once more"),
        ("missed the evening tablet", "the last tablet is taken on the sixth day.", "missed"),
        ("minimum gap between two doses", "thiamine 300 mg once a day", "a gap"),
        ("does the bag go back in the fridge", "the bag is changed every day.", "kept"),
        ("telephone for audiology", "audiology tests the hearing.", "telephone"),
        ("who decides?", "the dose is halved.", "somebody"),
    ],
)
def test_a_sentence_without_what_is_asked_for_does_not_offer_it(question: str, sentence: str, missing: str) -> None:
    assert missing in lacks(question, sentence)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("Is haloperidol given orally?", BY_MOUTH),
        ("max vancomycin loading dose", DOSE),
        ("How fast does phosphate go in by vein?", "phosphate 20 mmol by vein over 12 hours"),
        ("how quickly must antibiotics go in", "the antibiotic is given within one hour."),
        ("how fast do I wean diazepam", "the dose is brought down by a tenth each day."),
        ("how often is the INR measured", "the inr is measured once a day."),
        ("how many days before the operation", "the last tablet is taken on the sixth day before the operation."),
        ("gentamicin volume", "5 mg/kg in 100 ml of saline over 30 minutes."),
        ("real or adjusted weight for gentamicin?", "above 30, the adjusted weight is used."),
        ("ratio of red cells to plasma", "red cells and plasma one to one"),
        ("which colour bottle?", "levels go to the laboratory in a yellow tube."),
    ],
)
def test_a_sentence_that_says_it_lacks_nothing(question: str, sentence: str) -> None:
    assert not lacks(question, sentence)


@pytest.mark.parametrize("question", ["switch from IV vancomycin", "no IV access", "is IV contrast safe?", "already on IV vancomycin"])
def test_a_way_that_is_left_or_not_there_is_not_asked_for(question: str) -> None:
    assert "by vein" not in aspects_of(question)


def test_by_how_much_a_value_has_risen_is_no_amount() -> None:
    assert lacks("dose?", "creatinine has not risen by more than a quarter.") == {"an amount"}
    assert not lacks("dose?", "the dose is raised by a quarter.")


def test_the_rate_of_heart_and_breath_is_no_speed() -> None:
    assert "a rate" not in aspects_of("points for a resp rate of 26, and what heart rate?")


def test_real_weight_gain_is_no_question_of_which_weight() -> None:
    assert "which weight" not in aspects_of("is that real weight gain")
