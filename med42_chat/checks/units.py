"""Units, numbers in words and abbreviations of frequencies, as clinical English writes them. Pure data."""

from fractions import Fraction

_SPELLINGS: dict[tuple[str, Fraction | int], str] = {
    ("g", 1000): "kg kilogram kilograms kilo kilos",
    ("g", 1): "g gram grams gramme grammes",
    ("g", Fraction(1, 10**3)): "mg milligram milligrams milligramme milligrammes mgs",
    ("g", Fraction(1, 10**6)): "µg mcg ug microgram micrograms microgramme microgrammes",
    ("g", Fraction(1, 10**9)): "ng nanogram nanograms",
    ("g", Fraction(1, 10**12)): "pg picogram picograms",
    ("L", 1): "L l litre litres liter liters",
    ("L", Fraction(1, 10)): "dL dl decilitre decilitres deciliter deciliters",
    ("L", Fraction(1, 10**3)): "mL ml millilitre millilitres milliliter milliliters cc",
    ("L", Fraction(1, 10**6)): "µL µl uL microlitre microlitres microliter microliters",
    ("L", Fraction(1, 10**15)): "fL fl",
    ("mol", 1): "mol moles mole",
    ("mol", Fraction(1, 10**3)): "mmol mmols millimole millimoles",
    ("mol", Fraction(1, 10**6)): "µmol umol micromol micromole micromoles",
    ("mol", Fraction(1, 10**9)): "nmol nanomol",
    ("mol", Fraction(1, 10**12)): "pmol picomol",
    ("mol/L", 1): "M",
    ("mol/L", Fraction(1, 10**3)): "mM",
    ("mol/L", Fraction(1, 10**6)): "µM uM",
    ("eq", Fraction(1, 10**3)): "mEq meq milliequivalents",
    ("osm", Fraction(1, 10**3)): "mOsm mosm mosmol mOsmol",
    ("unit", 1): "unit units IU iu U international-units",
    ("unit", Fraction(1, 1000)): "mU mIU",
    ("unit", 1000): "kU kIU",
    ("unit", 10**6): "MU megaunits",
    ("s", 1): "s sec secs second seconds",
    ("s", 60): "min mins minute minutes",
    ("s", 3600): "h hr hrs hour hours",
    ("s", 86400): "d day days",
    ("s", 604800): "week weeks wk wks",
    ("s", 1209600): "fortnight fortnights",
    ("month", 1): "month months",
    ("month", 12): "y yr yrs year years",
    ("%", 1): "% percent",
    ("°C", 1): "°C ℃ °",
    ("°F", 1): "°F ℉",
    ("degree", 1): "degree degrees",
    ("mmHg", 1): "mmHg mmhg",
    ("cmH2O", 1): "cmH2O cmH₂O",
    ("Pa", 1000): "kPa kpa",
    ("m", 1): "m metre metres meter meters",
    ("m", Fraction(1, 100)): "cm centimetre centimetres centimeter centimeters",
    ("m", Fraction(1, 1000)): "mm millimetre millimetres millimeter millimeters",
    ("m", Fraction(1, 10**6)): "µm um micron microns",
    ("m²", 1): "m² m2 m^2",
    ("beat", 1): "bpm beat beats",
    ("breath", 1): "breath breaths",
    ("J", 1): "J joule joules",
    ("cal", 1000): "kcal kilocalories",
    ("V", Fraction(1, 1000)): "mV",
    ("Gy", 1): "Gy gray",
    ("Fr", 1): "Fr French",
    ("gauge", 1): "gauge G",
    ("tablet", 1): "tablet tablets tab tabs",
    ("capsule", 1): "capsule capsules cap caps",
    ("puff", 1): "puff puffs",
    ("drop", 1): "drop drops",
    ("dose", 1): "dose doses",
    ("ampoule", 1): "ampoule ampoules ampule ampules amp amps",
    ("vial", 1): "vial vials",
    ("sachet", 1): "sachet sachets",
    ("patch", 1): "patch patches",
    ("point", 1): "point points",
    ("time", 1): "times",
}

# What a unit is written as → (its base, how many of the base it is). Capitals count: mM is not mm.
UNITS: dict[str, tuple[str, Fraction]] = {
    spelling: (base, Fraction(factor)) for (base, factor), spellings in _SPELLINGS.items() for spelling in spellings.split()
}
# For those who write Mg or KG: the first in the table that is the same but for capitals.
_FOLDED = {spelling.casefold(): unit for spelling, unit in reversed(UNITS.items())}

_COUNTED = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"
)
_TENS = "thirty forty fifty sixty seventy eighty ninety"

# What a number in digits or in words may be multiplied with: '2.4 million'.
SCALES: dict[str, int] = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}

# Numbers in words. 'an' is one only in front of a unit, which those who read it have to look at.
SPELLED: dict[str, Fraction] = {
    **{word: Fraction(number) for number, word in enumerate(_COUNTED.split(), start=1)},
    **{word: Fraction(number) for number, word in zip(range(30, 100, 10), _TENS.split(), strict=True)},
    "once": Fraction(1),
    "twice": Fraction(2),
    "thrice": Fraction(3),
    "half": Fraction(1, 2),
    "half an": Fraction(1, 2),
    "half a": Fraction(1, 2),
    "an": Fraction(1),
    "a": Fraction(1),
}

# Times in a day.
FREQUENCIES: dict[str, Fraction] = {
    **dict.fromkeys(("od", "o.d.", "qd", "q.d.", "daily", "every day", "each day"), Fraction(1)),
    **dict.fromkeys(("qhs", "q.h.s.", "nocte", "nightly", "every night", "each night"), Fraction(1)),
    **dict.fromkeys(("biw", "b.i.w."), Fraction(2, 7)),
    **dict.fromkeys(("tiw", "t.i.w."), Fraction(3, 7)),
    **dict.fromkeys(("bd", "b.d.", "bid", "b.i.d."), Fraction(2)),
    **dict.fromkeys(("tds", "t.d.s.", "tid", "t.i.d."), Fraction(3)),
    **dict.fromkeys(("qds", "q.d.s.", "qid", "q.i.d."), Fraction(4)),
    **dict.fromkeys(("hourly", "every hour", "each hour"), Fraction(24)),
    **dict.fromkeys(("half-hourly", "half hourly"), Fraction(48)),
    **dict.fromkeys(("qod", "q.o.d.", "eod", "every other day", "every second day", "on alternate days", "alternate days"), Fraction(1, 2)),
    **dict.fromkeys(("weekly", "every week", "each week"), Fraction(1, 7)),
    **dict.fromkeys(("fortnightly", "every fortnight", "every other week", "every second week"), Fraction(1, 14)),
    # A month is no number of days: a frequency of its own kind would say little more than this.
    **dict.fromkeys(("monthly", "every month", "each month"), Fraction(12, 365)),
    **dict.fromkeys(("yearly", "annually", "every year", "each year"), Fraction(1, 365)),
}

# How many of them a day has.
PERIODS: dict[str, Fraction] = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), Fraction(86400)),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), Fraction(1440)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "hourly"), Fraction(24)),
    **dict.fromkeys(("d", "day", "days", "daily", "night", "nightly"), Fraction(1)),
    **dict.fromkeys(("week", "weeks", "wk", "weekly"), Fraction(1, 7)),
    **dict.fromkeys(("month", "months", "monthly"), Fraction(12, 365)),
    **dict.fromkeys(("year", "years", "yr", "yearly"), Fraction(1, 365)),
}


def unit(spelling: str) -> tuple[str, Fraction]:
    """A unit's base and how many of it, however it is written: ('g', 1/1000) for 'mg' and for 'Milligrams'."""
    return UNITS.get(spelling) or _FOLDED[spelling.casefold()]
