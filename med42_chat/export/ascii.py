"""Text in ASCII characters only, for fields that take no others: nothing that carries meaning is dropped or becomes another meaning. Pure.

10⁹ is 10^9 and not 109, 2½ is 2 1/2 and not 21/2, ①5 is (1) 5 and not 15, 4·5 is 4.5, ≮ is 'not <', and µg is mcg, which no hand takes
for mg. A symbol without a form of its own is named in brackets; a letter without one becomes '?'.
"""

import re
import unicodedata

_RAISED = {
    **{raised: str(digit) for digit, raised in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    "⁺": "+", "⁻": "-", "⁼": "=", "⁽": "(", "⁾": ")", "ⁿ": "n", "ⁱ": "i",
}  # fmt: skip
_GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma sigma tau upsilon phi chi psi omega"
_NAMES = {chr(0x3B1 + place): name for place, name in enumerate(_GREEK.split())}
_SIGNS = {
    "≥": ">=", "≤": "<=", "⩾": ">=", "⩽": "<=", "±": "+/-", "∓": "-/+", "×": "x", "÷": "/", "≈": "~", "∼": "~", "≅": "~",
    "→": "->", "⟶": "->", "⇒": "=>", "←": "<-", "↔": "<->", "⇌": "<->", "↑": "(up)", "↓": "(down)", "−": "-",
    "–": "-", "—": " - ", "‐": "-", "‑": "-", "‒": "-", "―": " - ", "…": "...", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
    "‘": "'", "’": "'", "‚": "'", "′": "'", "″": '"', "‹": "'", "›": ">", "•": "-", "◦": "-", "▪": "-", "·": "-", "∙": "-", "⋅": "*",
    "∞": "infinity", "√": "sqrt", "∑": "sum", "∆": "Delta", "µ": "u", "Ω": "Ohm", "€": "EUR ", "£": "GBP ",
    "¥": "JPY ", "§": "section ", "©": "(c)", "®": "(R)", "™": "(TM)", "¹⁄": "1/", "⁄": "/", "∕": "/", "☐": "[ ]", "☑": "[x]",
    "☒": "[x]", "✓": "(yes)", "✔": "(yes)", "✅": "(yes)", "✗": "(no)", "✘": "(no)", "❌": "(no)", "⚠": "(!)", "ß": "ss", "ẞ": "SS",
    "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D",
    "þ": "th", "Þ": "Th", "ı": "i", "。": ".", "、": ",", "\u2028": "\n", "\u2029": "\n",
}  # fmt: skip
_STROKE = "\u0338"  # through a sign, it turns the meaning round; without it ≮ would be <
_STRUCK = "".join(one for one in map(chr, range(0x2190, 0x2300)) if unicodedata.normalize("NFD", one).endswith(_STROKE))
# In this order: what one character means depends on those beside it.
_PHRASES = (
    (re.compile("[㌀-㏿]"), lambda unit: unicodedata.normalize("NFKC", unit[0])),  # ㎍ is µ and g before those are looked at
    (re.compile(f"[{_STRUCK}]"), lambda sign: unicodedata.normalize("NFD", sign[0])),
    (re.compile(f" ?(?:≠|={_STROKE}) ?"), " not equal to "),
    (re.compile(f" ?(.){_STROKE}(?=( )?)"), lambda sign: f" not {sign[1]}{'' if sign[2] else ' '}"),
    # A number in a ring, on a key or with its dot must not run into what it numbers.
    (re.compile("([0-9#*])\ufe0f?\u20e3 ?|([⑴-⒇①-⑳⒈-⒛⓪-⓿㉑-㉟㊱-㊿❶-➓]) ?"), lambda key: f"({key[1] or _number(key[2])}) "),
    (re.compile(r"(?<=\d)(?=[₀-₉])"), "_"),
    (re.compile(r"([₀-₉⁰¹²³⁴-⁹]+)(?=\d)"), r"\1 "),
    (re.compile("[µμ]g"), "mcg"),
    (re.compile(r"(?<=\d)[·∙](?=\d)"), "."),
    (re.compile(f"[{''.join(_RAISED)}]+"), lambda run: "^" + "".join(_RAISED[one] for one in run[0])),
    (re.compile(r"(?<=\d)[¼½¾⅐-⅞]"), lambda part: f" {part[0]}"),
    (re.compile(r"((?<=\d) ?| )?°(?=(\w?))"), lambda sign: f"{'' if sign[1] is None else ' '}deg{' ' if sign[2] else ''}"),
    (re.compile(" ?‰"), " per mille"),
    (re.compile(r"(?<![α-ωΑ-Ω])[α-ωΑ-Ω](?![α-ωΑ-Ω])"), lambda letter: _greek(letter[0])),
)


def in_ascii(text: str) -> str:
    """The text in ASCII characters, its lines as they are."""
    for pattern, form in _PHRASES:
        text = pattern.sub(form, text)
    return "".join(one if one.isascii() else _form(one) for one in text)


def _number(ringed: str) -> str:
    return f"{unicodedata.numeric(ringed):g}"


def _greek(letter: str) -> str:
    if letter in "µμ":
        return "u"
    name = _NAMES.get(letter.lower(), "?")
    return name if letter.islower() else name.capitalize()


def _form(character: str) -> str:
    if character in _SIGNS:
        return _SIGNS[character]
    # Letters with accents, ligatures, fractions, full-width forms: what they are made of, as far as that can be written.
    parts = unicodedata.normalize("NFKD", character)
    made = "".join(part if part.isascii() else _SIGNS.get(part, "") for part in parts if not unicodedata.combining(part))
    return made or _figure(character) or _named(character)


def _figure(character: str) -> str:
    """The digit that a figure of another script is."""
    value = unicodedata.decimal(character, None)
    return "" if value is None else str(value)


def _named(character: str) -> str:
    kind = unicodedata.category(character)
    if kind in ("Mn", "Me", "Cf"):  # accents of the letter before, joiners
        return ""
    if kind.startswith("Z"):
        return " "
    return f"[{unicodedata.name(character, 'sign').lower()}]" if kind.startswith(("S", "P")) and character != "\ufffd" else "?"
