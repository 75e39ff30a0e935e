"""Invented passages, answers that say the same in other words, and answers with one thing changed. The same seed makes the same.

Everything is made from templates by the same hand as the checks, so figures measured with it flatter them; docs/checks.md says so.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from med42_chat.checks import Medicines, check
from med42_chat.records import Finding, Source

ROOT = Path(__file__).resolve().parents[2]
MARK = re.compile(r"\[[\d, ]+\]")

# A fact as a source writes it, and ways to say it in an answer. Slots: {drug} {other}, {dose} {often} {span} (each in two ways of
# writing), {level} {low} (numbers with a unit), {illness}, {n} (a number alone).
FACTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Give {drug} {dose} {often} for {span}.", ("Give {drug} {dose} {often} for {span}.", "{drug} {dose} is given {often} for {span}.")),
    (
        "The usual dose of {drug} in {illness} is {dose} {often}.",
        ("In {illness}, {drug} is dosed at {dose} {often}.", "The dose of {drug} in {illness} is usually {dose} {often}."),
    ),
    ("Never give {drug} together with {other}.", ("{drug} must not be given together with {other}.", "Do not give {drug} with {other}.")),
    (
        "{drug} is contraindicated in patients with {illness}.",
        ("Avoid {drug} in patients with {illness}.", "Patients with {illness} should not take {drug}."),
    ),
    (
        "Stop {drug} when the potassium rises above {level}.",
        ("When potassium is above {level}, {drug} is stopped.", "{drug} is stopped if the potassium rises above {level}."),
    ),
    (
        "Patients with a sodium below {low} are discussed with the renal team before {drug} is started.",
        (
            "Discuss patients with a sodium below {low} with the renal team before starting {drug}.",
            "If sodium is below {low}, patients are discussed with the renal team before {drug} is started.",
        ),
    ),
    (
        "Measure the plasma level of {drug} {span} after the first dose.",
        ("The plasma level of {drug} is measured {span} after the first dose.", "Check plasma {drug} levels {span} after the first dose."),
    ),
    (
        "{illness} is treated first with {drug}, and with {other} in those who are allergic to it.",
        ("First treatment of {illness} is {drug}; {other} is for those who are allergic.", "{illness} is treated first with {drug}."),
    ),
    (
        "No antibiotic is needed for uncomplicated {illness} that began less than {span} ago.",
        ("Uncomplicated {illness} that began less than {span} ago needs no antibiotic.",),
    ),
    (
        "Observations are taken every {n} minutes until {illness} has been excluded.",
        ("Take observations every {n} minutes until {illness} is excluded.",),
    ),
    (
        "Do not restart {drug} without the advice of a specialist in {illness}.",
        ("{drug} is not restarted without advice from a specialist in {illness}.",),
    ),
    (
        "The infusion of {drug} runs over {span} through a central line.",
        ("{drug} is infused over {span} through a central line.", "Run the infusion of {drug} over {span} by central line."),
    ),
    (
        "Of patients with {illness}, {n} % were readmitted within {span}.",
        ("{n} per cent of patients with {illness} were readmitted within {span}.",),
    ),
    (
        "Oral {drug} is not recommended for severe {illness}.",
        ("For severe {illness}, oral {drug} is not recommended.", "Oral {drug} should not be used for severe {illness}."),
    ),
)  # fmt: skip

DRUGS = (
    "metformin", "apixaban", "amoxicillin", "doxycycline", "lisinopril", "furosemide",
    "digoxin", "warfarin", "lithium", "gentamicin", "prednisolone", "enoxaparin",
)  # fmt: skip
ILLNESSES = ("pneumonia", "cellulitis", "heart failure", "acute gout", "sepsis", "atrial fibrillation", "cystitis", "severe asthma")
# As a source writes it, and as an answer does.
DOSES = (
    ("500 mg", "0.5 g"), ("250 micrograms", "0.25 mg"), ("1,500 mg", "1.5 g"), ("2.5 mg", "2.5 mg"), ("5000 units", "5,000 IU"),
    ("20 mL", "20 ml"), ("15 mg/kg", "15 mg per kg"), ("40 mmol", "40 mmol"), ("5 to 10 mg", "5–10 mg"), ("1 tablet", "one tablet"),
)  # fmt: skip
OFTEN = (
    ("tds", "every 8 hours"), ("twice daily", "bd"), ("once a day", "daily"), ("every 6 hours", "four times a day"),
    ("every 4–6 hours", "4 to 6 hourly"), ("once weekly", "once a week"),
)  # fmt: skip
SPANS = (
    ("five days", "5 days"), ("48 hours", "2 days"), ("30 minutes", "half an hour"),
    ("2 weeks", "14 days"), ("12 hours", "twelve hours"), ("7 days", "one week"),
)  # fmt: skip
LEVELS = ("5.5 mmol/L", "6.0 mmol/L", "5.8 mmol/L", "6.3 mmol/L")
LOWS = ("120 mmol/L", "125 mmol/L", "128 mmol/L")
UNITS = ("mg", "g", "micrograms", "mL", "mmol", "units", "mmol/L", "mg/kg", "tablets", "minutes", "hours", "days", "weeks", "%")


def medicines() -> Medicines:
    """The list that the program ships."""
    return Medicines.parse((ROOT / "assets" / "medicines.txt").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Case:
    """An answer of one sentence, the sources it was given, and what was changed in it: '' for nothing."""

    answer: str
    sources: tuple[Source, ...]
    changed: str = ""


def amber(findings: tuple[Finding, ...]) -> list[Finding]:
    """What a person is asked to look at."""
    return [finding for finding in findings if finding.state in ("not_found", "doubtful")]


def faithful(seed: int, count: int) -> Iterator[Case]:
    """Answers that say what their source says: half of them in its own words, half in others."""
    chance = random.Random(seed)
    for index in range(count):
        yield _case(chance, verbatim=index % 2 == 0)


def changed(seed: int, count: int) -> Iterator[Case]:
    """The same answers with one thing changed; those in which the change has nothing to change are left out."""
    chance = random.Random(seed)
    for case in faithful(seed, count):
        kinds = list(CHANGES)
        chance.shuffle(kinds)
        for kind in kinds:
            answer = CHANGES[kind](chance, case.answer)
            if answer and answer != case.answer:
                yield Case(answer, case.sources, kind)
                break


def _case(chance: random.Random, verbatim: bool) -> Case:
    facts = chance.sample(FACTS, 5)
    filled = [_filled(chance) for _ in facts]
    text = " ".join(_capital(fact[0].format(**slots[0])) for fact, slots in zip(facts, filled, strict=True))
    which = chance.randrange(5)
    said = facts[which][0].format(**filled[which][0]) if verbatim else chance.choice(facts[which][1]).format(**filled[which][1])
    other = Source(2, "Invented protocol B", _capital(FACTS[9][0].format(**_filled(chance)[0])), 7)
    return Case(f"{_capital(said)[:-1]} [1].", (Source(1, "Invented protocol A", text, 3), other))


def _filled(chance: random.Random) -> tuple[dict[str, str], dict[str, str]]:
    """The slots as the source and as the answer writes them."""
    drug, other = chance.sample(DRUGS, 2)
    same = {"drug": drug, "other": other, "illness": chance.choice(ILLNESSES), "n": str(chance.randrange(11, 60))}
    same |= {"level": chance.choice(LEVELS), "low": chance.choice(LOWS)}
    pairs = {"dose": chance.choice(DOSES), "often": chance.choice(OFTEN), "span": chance.choice(SPANS)}
    return same | {name: pair[0] for name, pair in pairs.items()}, same | {name: pair[1] for name, pair in pairs.items()}


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def change_digit(chance: random.Random, answer: str) -> str:
    """One digit of one figure."""
    marks = [found.span() for found in MARK.finditer(answer)]
    places = [at for at, char in enumerate(answer) if char.isdigit() and not any(start <= at < end for start, end in marks)]
    if not places:
        return ""
    at = chance.choice(places)
    return answer[:at] + chance.choice([digit for digit in "123456789" if digit != answer[at]]) + answer[at + 1 :]


def change_unit(chance: random.Random, answer: str) -> str:
    """The unit of one figure."""
    pattern = re.compile(rf"(?<=\d)(\s?)({'|'.join(sorted(map(re.escape, [*UNITS, 'IU', 'ml']), key=len, reverse=True))})(?![\w/])")
    found = list(pattern.finditer(answer))
    if not found:
        return ""
    one = chance.choice(found)
    other = chance.choice([unit for unit in UNITS if unit.lower() != one[2].lower() and {unit, one[2]} != {"units", "IU"}])
    return answer[: one.start(2)] + other + answer[one.end(2) :]


def change_negation(chance: random.Random, answer: str) -> str:
    """Takes a negation away where there is one, else puts one in."""
    for pattern, instead in (
        (r"\bDo not g", "G"),
        (r"\bDo not r", "R"),
        (r"\bNever g", "G"),
        (r"\bNo a", "A"),
        (r"\bneeds no\b", "needs an"),
        (r" not\b", ""),
    ):
        if re.search(pattern, answer):
            return re.sub(pattern, instead, answer, count=1)
    for pattern, instead in ((r"\b(is|are|were) (?!contra)", r"\1 not "), (r"^(Give|Stop|Take|Measure|Check|Run|Discuss) ", r"Never \1 ")):
        if re.search(pattern, answer):
            return re.sub(pattern, instead, answer, count=1)
    return ""


def change_drug(chance: random.Random, answer: str) -> str:
    """The first medicine becomes another."""
    found = re.search("|".join(DRUGS), answer, re.IGNORECASE)
    return (
        answer[: found.start()] + chance.choice([drug for drug in DRUGS if drug not in answer.lower()]) + answer[found.end() :]
        if found
        else ""
    )


def change_direction(chance: random.Random, answer: str) -> str:
    """A word becomes its opposite."""
    opposites = {
        "above": "below",
        "below": "above",
        "before": "after",
        "after": "before",
        "less": "more",
        "Stop": "Start",
        "oral": "intravenous",
    }
    found = re.search(r"\b(" + "|".join(opposites) + r")\b", answer)
    return answer[: found.start()] + opposites[found[0]] + answer[found.end() :] if found else ""


def change_mark(chance: random.Random, answer: str) -> str:
    """The mark names a source that is not there."""
    return answer.replace("[1]", "[4]")


def add_reference(chance: random.Random, answer: str) -> str:
    """A reference that nobody gave."""
    year, number = chance.randrange(1990, 2025), chance.randrange(10**7, 10**8)
    made_up = (
        f"PMID {number}",
        f"doi:10.{number % 9000 + 1000}/j.{number}",
        f"Meyer et al., {year}",
        f"NICE NG{year % 250 + 10}",
        f"ESC {year}",
    )
    return answer.replace(" [1].", f" ({chance.choice(made_up)}) [1].")


CHANGES: dict[str, Callable[[random.Random, str], str]] = {
    "digit": change_digit,
    "unit": change_unit,
    "negation": change_negation,
    "drug": change_drug,
    "direction": change_direction,
    "mark": change_mark,
    "reference": add_reference,
}


def span(chance: random.Random, text: str) -> str:
    """Five to twenty-five words of a passage."""
    words = [found.span() for found in re.finditer(r"\S+", text)]
    first = chance.randrange(len(words) - 5)
    last = min(len(words) - 1, first + chance.randrange(4, 25))
    return text[words[first][0] : words[last][1]]


def quoted(quotation: str, source: Source, listed: Medicines) -> str:
    """The state of the one quotation of an answer."""
    (state,) = [one.state for one in check(f"The protocol says “{quotation}” [1].", (source,), listed) if one.kind == "quotation"]
    return state


def relaid(chance: random.Random, text: str) -> str:
    """The same words as another page would have them."""
    changes: tuple[Callable[[str], str], ...] = (
        lambda words: words.replace(" ", "\n", 2),
        lambda words: words.replace(" ", "\u00a0 ", 3),
        lambda words: re.sub(r"([a-z]{3})([a-z]{3})", r"\1-\n\2", words, count=2),
        lambda words: re.sub(r"([a-z]{3})([a-z]{3})", "\\1\u00ad\\2", words, count=3),
        lambda words: words.replace("fi", "ﬁ").replace("fl", "ﬂ").replace("ff", "ﬀ"),
        lambda words: words.replace("-", "‑").replace("–", "-"),
        lambda words: re.sub(r"(\d) (mg|g|mL|mmol|%)", r"\1\2", words),
        str.upper,
        lambda words: words.replace("given", "**given**"),
        lambda words: words.replace(". ", ".\n"),
        lambda words: words.replace("e", "e\u200b", 2),
    )
    for change in chance.sample(changes, 3):
        text = change(text)
    return text
