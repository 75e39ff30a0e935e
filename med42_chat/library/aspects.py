"""What exactly a question wants to know of its subject, and how a sentence looks that says it. Pure.

A passage may be about the right medicine and still say nothing of it by vein, of how fast it runs or of how often it is measured. So each
aspect has the words of a question that ask for it, and what a sentence must have to offer it: generously, since what is missed here keeps
an answer back. General knowledge of how clinicians ask.
"""

import re

_SPAN = r"(?:second|minute|hour|day|week|month|year)s?"
_LONG = r"(?:hour|day|week|month|year|night|morning|evening)s?"
_COUNT = r"(?:\d+(?:[.,]\d+)*|one|two|three|four|five|six|seven|eight|nine|ten|twelve|half|an?)"
_PART = r"(?:half|halved?|doubled?|(?:third|quarter|fifth|sixth|tenth)s?(?! (?:day|week|month|hour|dose|time)))"  # 'by a fifth'
_WEIGHT = r"(?:actual|ideal|adjusted|lean|real|dry|true|total)"
_TINT = r"(?:blue|pink|gr[ea]y|orange|yellow|purple)"

# What is asked for, and what a sentence must have in small letters to offer it.
_LISTED = {
    "telephone": (r"\b(?:telephone|phone|number|extension|bleep (?:number|no\b))\b", r"\d{3,}"),
    "somebody": (
        r"\bwhom\b|\bwho (?:decides?|helps?|must|should|do i|do we|to|can|is (?:asked|called|contacted|informed|responsible|told))\b",
        r"\b(?:\w+ologists?|an(?:ae|e)sthe\w+|centre|consultants?|dieti[tc]ian|doctors?|nurses?|pharmacists?|registrar|surgeons?|teams?"
        r"|therapist|unit|intensive care|nobody|laboratory|call(?:ed)?|told|\d{4})\b",
    ),
    "a time": (
        rf"\bhow (?:long|soon|fast|quickly|often|recent|old|early|late|urgent|many {_SPAN})\b"
        r"|\b(?:what time|interval|duration|timing|time limit|window|frequency|cut ?off time)\b",
        rf"\b(?:{_SPAN}|daily|weekly|\w+day|morning|evening|\d\d[:.]\d\d)\b",
    ),
    "when": (
        r"\bwhen (?:to|do|does|should|can|may|must|is|are|will|would)\b|\bwhen\??$",
        rf"\b(?:{_SPAN}|before|after|until|when|once|daily|first|next|\w+day|\d\d:\d\d)\b",
    ),
    "hours or days": (r"\bhow many (?:hours|hrs|days|nights|weeks|months|years)\b", rf"\b{_LONG}\b"),
    "how often": (
        r"\bhow (?:often|frequent(?:ly)?|regular(?:ly)?|many times)\b|\b(?:frequency|intervals?)\b",
        rf"\b(?:(?:every|each|per|a|once|twice|times) (?:\w+ )?{_SPAN}|daily|weekly|monthly|hourly|interval|once|twice|without a break"
        rf"|continu\w+|again|times|after {_COUNT} {_SPAN})\b",
    ),
    "a gap": (
        r"\b(?:gap|apart|between (?:two |the )?(?:doses|scans|contrast))\b",
        rf"\b(?:after|later|apart|between|interval|wait\w*)\b.*{_SPAN}|{_SPAN} (?:after|later|apart|between)\b",
    ),
    "once more": (
        r"\b(?:second|third|2nd|3rd|relapse\w*|recur\w+|again|repeat\w*|re-?\w*test\w*|redo)\b",
        r"\b(?:second|third|again|repeat\w*|another|further|relapse\w*|recur\w+|after|every|each|twice|once)\b",
    ),
    "missed": (
        r"\b(?:miss(?:ed|es)?|forgot\w*|late|skip\w*)\b",
        r"\b(?:miss\w*|forg\w+|late\w*|skip\w*|left out|leave out|omit\w*|delay\w*)\b",
    ),
    "an amount": (
        r"\b(?:(?<!first )(?<!next )(?<!which )dos(?:e|ed|es|age|ing)|how much|amount|max(?:imum)?|(?:what |which )?size)\b",
        rf"\d\s*(?:mg|g|kg|ml|l|units?|mmol|kcal|micrograms?|µg|mcg|litres?|%|french|gauge)(?!\w)"
        rf"|(?<!more than )(?<!more than a )\b{_PART}\b",
    ),
    "the most": (
        r"\b(?:max(?:imum|imal)?|upper limit|ceiling (?:for|on|of the dose|dose)|most (?:i|we|you|in|per|that)|highest|biggest|largest"
        r"|fastest|up to how)\b",
        r"\b(?:most|max\w*|no more|not more|more than|up to|limit|ceiling|faster|never|only|longer)\b",
    ),
    "a rate": (
        r"\b(?:how (?:fast|quick(?:ly)?|slow(?:ly)?)|(?:infusion|flow|drip|pump|what|which|hydration|feed(?:ing)?|start(?:ing)?) rate"
        r"|(?<!heart )(?<!resp )(?<!pulse )(?<!respiratory )(?<!breathing )rate(?= (?:for|do|should|to)\b|\??$)"
        r"|over how (?:long|many)|fastest|mls? (?:per|an) hour|run (?:it )?over)\b",
        rf"\b(?:over {_COUNT}|(?:fast(?:er|est)?|slow\w*|rate|within|at once|each day|by an? \w+|(?:same|working) {_LONG}))\b"
        r"|\d\s*\S+ (?:per|an|a|each) (?:second|minute|hour)|/(?:h|hr|min|hour)\b",
    ),
    "a volume": (
        r"\b(?:volume|dilut\w+|(?:what|which) bag|how many mls?|bag size|size (?:of )?bag|how much (?:saline|fluid|water|glucose|dextrose)"
        r"|made up (?:in|to)|mix(?:ed)? (?:it )?(?:in|with))\b",
        r"\d\s*(?:mls?|l|litres?)\b(?!/)|\blitres?\b|\bdilut",
    ),
    "a concentration": (
        r"\b(?:concentration|strength|mg ?/ ?ml|mg per ml)\b",
        r"\d\s*%|mg/ml|mg in \d|mg per ml|micrograms?/ml|units?/ml",
    ),
    "a ratio": (r"\bper \d+ ?units?\b|\bratio\b", r"\b(?:per|for (?:each|every)) \d* ?units?|\bratio|\d ?: ?\d|\bone to \w+"),
    "which weight": (
        rf"\b{_WEIGHT} (?:body ?)?(?:weight(?! gain| loss)|or)\b|\b(?:ibw|abw)\b",
        rf"\b(?:{_WEIGHT}|measured)\b",
    ),
    "less": (
        r"\b(?:dose reduc\w+|reduced dose|adjust\w*|(?:dose|dosing|doses) in (?:renal|kidney|aki|ckd|liver|the elderly|elderly))\b",
        r"\b(?:reduc\w+|half|halve\w*|lower\w*|less|quarter|third|adjust\w*|clearance|egfr|creatinine|kidneys?|renal)\b",
    ),
    "by vein": (
        r"(?<!from )(?<!no )(?<!on )(?<!without )\b(?:iv(?! (?:contrast|access|line))|i\.v\.?|intravenous\w*|by vein|ivi|drip)\b",
        r"\b(?:vein|iv|intravenous\w*|infusions?|infused|runs?|line|saline|injections?|cannula|drip|over \w+ (?:minutes|hours))\b",
    ),
    "into a muscle": (r"\b(?:im|i\.m\.?|intramuscular\w*|muscle)\b", r"\b(?:muscles?|im|intramuscular\w*|thigh|buttock|deltoid)\b"),
    "under the skin": (r"\b(?:sc|s/c|sub ?cut\w*)\b", r"\b(?:skin|sc|sub ?cut\w*)\b"),
    "by mouth": (
        r"(?<!from )(?<!no )\b(?:oral(?:ly)?|po|by mouth|drink)\b",
        r"\b(?:mouth|oral(?:ly)?|po|tablets?|capsules?|swallow\w*|drinks?|liquid|food|eat\w*)\b",
    ),
    "by a tube": (r"\b(?:ngt?|peg|nasogastric|(?:down|via|through) (?:the |an? )?tube)\b", r"\b(?:tubes?|nasogastric|ngt?|peg|nose)\b"),
    "a colour": (rf"\b(?:colou?r|{_TINT})\b", rf"\b(?:colou?rs?|{_TINT}|green|red|black|white)\b"),
    "kept": (
        r"\b(?:stor(?:e|ed|age)|fridge|refrigerat\w*|room temperature|shelf life|expir\w*)\b",
        r"\b(?:stor(?:e|ed|age)|fridge|refrigerat\w*|room temperature|kept|bank|expir\w*|hangs|cupboard)\b|°c",
    ),
}
_ASPECTS = {name: (re.compile(asks), re.compile(offers)) for name, (asks, offers) in _LISTED.items()}


def aspects_of(question: str) -> dict[str, re.Pattern[str]]:
    """The aspects that a question asks for, each with what a sentence must have in small letters to offer it."""
    plain = question.casefold()
    return {name: offers for name, (asks, offers) in _ASPECTS.items() if asks.search(plain)}
