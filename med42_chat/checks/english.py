"""English words that turn a sentence round. Pure data."""

import re


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


NEGATIONS = _words("""
    not no never none neither nor cannot without unless except avoid avoids avoided avoiding avoidance refrain
    contraindicated contraindication contraindications forbidden prohibited
""")
# These have a negation in them and none in their meaning.
HARMLESS = re.compile(
    r"\bnot only\b|\bwhether or not\b|\b(?:no|not) (?:more|less|fewer|later|earlier|longer) than\b|\bcontra-(?=indicat)", re.IGNORECASE
)
# Where a clause ends: after a negation, and before it.
ENDS_AFTER = _words(", ; : . ( ) but however because since although while whereas if when unless")
ENDS_BEFORE = ENDS_AFTER | _words("and or who which that")

# Words that say nothing of what a sentence is about.
STOP = NEGATIONS | _words("""
    a an the this that these those it its they their there he she you your we our who which what
    of and or to in on at by for with from as into within per up out about during if when then than
    is are was were be been being has have had do does did can could may might must shall should will would
    so such also only any all each both more less most very over under
""")

# In each of these, words of one group beside words of another contradict each other.
CONTRASTS: tuple[tuple[frozenset[str], ...], ...] = (
    (_words("above over exceeds exceeding > ≥"), _words("below under beneath < ≤")),
    (_words("more greater higher"), _words("less fewer lower")),
    (
        _words("increase increases increased increasing raise raises raised rise rises"),
        _words("decrease decreases decreased decreasing reduce reduces reduced reduction lower lowers lowered fall falls"),
    ),
    (_words("maximum most"), _words("minimum least")),
    (_words("high"), _words("low")),
    (_words("before"), _words("after")),
    (_words("early"), _words("late")),
    (_words("start starts started begin begins begun initiate initiated"), _words("stop stops stopped discontinue discontinued cease")),
    (_words("continue continues continued"), _words("stop stops stopped discontinue discontinued withhold withheld pause paused")),
    (_words("give gives given administer administered"), _words("withhold withheld omit omitted")),
    (
        _words("oral orally mouth"),
        _words("intravenous intravenously iv"),
        _words("intramuscular intramuscularly im"),
        _words("subcutaneous subcutaneously sc"),
        _words("rectal rectally"),
        _words("topical topically"),
        _words("inhaled nebulised nebulized"),
        _words("intrathecal intrathecally"),
    ),
    (_words("adult adults"), _words("child children neonate neonates infant infants")),
    (_words("acute"), _words("chronic")),
    (_words("left"), _words("right")),
    (_words("positive"), _words("negative")),
    (_words("slow slowly"), _words("rapid rapidly fast quickly")),
    (_words("male males man men"), _words("female females woman women")),
    (_words("sensitivity"), _words("specificity")),
    (_words("systolic"), _words("diastolic")),
    (_words("arterial"), _words("venous")),
    (_words("always"), _words("never")),
)

# Beginnings that turn a word round, and those that negate one.
OPPOSITE_BEGINNINGS = (("hypo", "hyper"), ("intra", "extra"), ("pre", "post"))
NEGATING_BEGINNINGS = ("un", "in", "im", "ir", "non", "a")

# In front of a year, these are no author.
NOBODY = _words("""
    January February March April May June July August September October November December
    Monday Tuesday Wednesday Thursday Friday Saturday Sunday
    In Since Until From By Version Edition Updated Published Page Table Figure Chapter Section
""")
