"""What a question asks for, an amount, a time or somebody to call, and how a sentence looks that offers it. Pure."""

import re

_SPAN = r"(?:second|minute|hour|day|week|month|year)s?"
_TIME = re.compile(rf"\b(?:{_SPAN}|daily|weekly|\w+day|morning|evening|\d\d[:.]\d\d)\b")
_PART = r"(?:half|halved?|doubled?|(?:third|quarter|fifth|sixth|tenth)s?(?! (?:day|week|month|hour|dose|time)))"  # 'by a fifth'
_AMOUNT = re.compile(rf"\d\s*(?:mg|g|kg|ml|l|units?|mmol|kcal|micrograms?|µg|mcg|litres?|%|french|gauge)(?!\w)|\b{_PART}\b")
_NUMBER = re.compile(rf"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|once|twice|{_PART})\b")
_TELEPHONE = re.compile(r"\d{3,}")
_SOMEBODY = re.compile(
    r"\b(?:\w+ologists?|an(?:ae|e)sthe\w+|centre|consultants?|dieti[tc]ian|doctors?|nurses?|pharmacists?|registrar|surgeons?|teams?|therapist"
    r"|unit|intensive care|nobody|laboratory|call(?:ed)?|told|\d{4})\b"
)
_DONE = re.compile(
    r"\b(?:give[ns]?|stop(?:ped)?|start(?:ed)?|begin|begun|measured?|repeat(?:ed)?|taken|call(?:ed)?|told|not|never|only|chosen|replaced)\b"
    r"|\d\s*(?:mg|g|ml|units?|mmol)\b"
)
# What is asked for, and what a sentence must have to offer it. The first that fits counts.
_ASKED = (
    (re.compile(r"\b(?:telephone|phone|number|extension|bleep)\b"), _TELEPHONE),
    (
        re.compile(
            r"\bwhom\b|\bwho (?:decides?|helps?|must|should|do i|do we|to|can|is (?:asked|called|contacted|informed|responsible|told))\b"
        ),
        _SOMEBODY,
    ),
    (
        re.compile(
            rf"\bhow (?:long|soon|fast|quickly|often|recent|old|early|late|urgent|many {_SPAN})\b"
            r"|\b(?:what time|interval|duration|timing|time limit|window|frequency|cut ?off time)\b"
        ),
        _TIME,
    ),
    (re.compile(r"\b(?:dos(?:e|ed|es|age|ing)|how much|amount|max(?:imum)?|(?:what |which )?size)\b"), _AMOUNT),
    (
        re.compile(
            r"\b(?:how (?:many|high|low)|min(?:imum)?|volume|(?:flow )?rate|target|scores?|level|threshold|limit|cut ?off|criteria|ratio"
            r"|points|aim(?:ing)?|equals|equivalent)\b"
        ),
        _NUMBER,
    ),
    (re.compile(r"\b(?:what (?:now|next)|treatment|management|manage|treat|what (?:do|can|should) (?:i|we)(?: do| give)?)\b"), _DONE),
)


def asked_for(question: str) -> tuple[str, re.Pattern[str] | None]:
    """The words that ask, and what a sentence must have in small letters to offer what they ask for; '' and None where nothing is known."""
    plain = question.casefold()
    return next(((found[0], answer) for pattern, answer in _ASKED if (found := pattern.search(plain))), ("", None))
