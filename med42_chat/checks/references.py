"""References that a text names by itself: PMID, DOI, trial and guideline numbers, author and year. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from med42_chat.checks.english import NOBODY
from med42_chat.checks.text import level

_BODIES = (
    "NICE|SIGN|WHO|ESC|ESH|AHA|ACC|ADA|EASD|GOLD|GINA|KDIGO|KDOQI|IDSA|ESCMID|BTS|ATS|ERS|EASL|AASLD|ESMO|NCCN|ASCO|ACR|EULAR|RCOG|ACOG|FIGO|"
    "USPSTF|CDC|AWMF|EAU|AUA|ESPEN|ESICM|SCCM|BSG|ACG|AGA|ILAE|ESO|ASA|RCP|RCPCH|BNF|MHRA|EMA|FDA"
)
_GUIDE = (
    r"(?:guidelines?|guidance|recommendations?|statements?|consensus|report|strategy|update|clinical|practice|no\.?|number|from|of|the)"
)
_NAME = r"[A-ZÀ-ÖØ-Þ][^\W\d_]+(?:-[A-ZÀ-ÖØ-Þ][^\W\d_]+)?"
_YEAR = r"(?:19|20)\d{2}[a-z]?"
_REFERENCE = re.compile(
    r"\b(?P<number>PMID:?\s*\d{4,9}|PMC\s?\d{4,9}|NCT\s?\d{8}|ISRCTN\s?\d{6,8}|ISBN[:\s-]*[\d-]{10,17}X?)\b"
    r"|(?P<doi>\b10\.\d{4,9}/[^\s\"<>\]]*[^\s\"<>\].,;:)])"
    r"|(?P<address>\bhttps?://[^\s\"<>\])]*[^\s\"<>\]).,;:])"
    r"|\b(?P<guide>(?:NG|CG|TA|QS|IPG|MTG|HTG|DG|AWMF)\s?-?\d{1,4}(?:[-/]\d{2,4})?)\b"
    rf"|\b(?P<body>{_BODIES})\b\s?(?:{_GUIDE}\s+){{0,4}}(?:\(\s*)?(?P<issue>\d{{2,4}})\b(?!\s*(?:mg|%|mL|patients))"
    rf"|\b(?P<year_first>{_YEAR})\s+(?P<body_after>{_BODIES})\b(?=\s+{_GUIDE})"
    rf"|\b(?P<author>{_NAME})(?:\s+(?:et\s+al\.?|(?:and|&)\s+(?:colleagues|co-?workers|{_NAME})),?\s*\(?|,?\s+\(|,\s+)(?P<year>{_YEAR})\b"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference at `start` to `end` of a text; a source that names it has all of `parts` close together."""

    start: int
    end: int
    text: str
    parts: tuple[str, ...]


def references(text: str) -> Iterator[Reference]:
    """Every reference that the text names."""
    for found in _REFERENCE.finditer(level(text)):
        kind = found.lastgroup or ""
        if found["author"] in NOBODY:
            continue
        groups = {"issue": ("body", "issue"), "body_after": ("body_after", "year_first"), "year": ("author", "year")}.get(kind, (kind,))
        start, end = min(found.start(group) for group in groups), max(found.end(group) for group in groups)
        end += text.startswith(")", end) and "(" in text[start:end]
        yield Reference(start, end, text[start:end], tuple(_bare(found[group]) for group in groups))


def names(source: str, reference: Reference) -> bool:
    """Whether the source's text or title names this reference. How it is spaced and its capitals make no difference."""
    bare = _bare(source)
    first, *rest = (rf"(?<!\w){re.escape(part)}(?!\w)" for part in reference.parts)
    if not rest:
        return re.search(first, bare) is not None
    return re.search(rf"{first}.{{0,80}}?{rest[0]}|{rest[0]}.{{0,80}}?{first}", bare, re.DOTALL) is not None


def _bare(text: str) -> str:
    """'PMID: 123' and 'pmid 123' alike, 'NG 28' and 'NG28' alike."""
    return re.sub(r"\b(pmid|pmc|nct|isrctn|isbn|ng|cg|ta|qs|ipg|mtg|htg|dg|awmf)[:\s-]+(?=\d)", r"\1", level(text).casefold())
