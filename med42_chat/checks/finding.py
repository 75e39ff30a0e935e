"""What a check says about one place of an answer."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["mark", "quotation", "figure", "frequency", "drug", "polarity", "reference", "unsourced", "sentence"]

# 'found': it stands in the source. 'not_found': it was looked for and does not. 'doubtful': it may, but a person should look.
# 'not_checked': there was nothing to look for, or nowhere to look.
State = Literal["found", "not_found", "doubtful", "not_checked"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked for at `start` to `end` (characters of the answer), and how it went, in `words` for a person.

    `source` is the number of the source it was found in, or the one named that it was not found in; None where there is none.
    A finding says whether words and figures stand in a source. Whether the answer is right, no finding says.
    """

    start: int
    end: int
    kind: Kind
    state: State
    words: str
    source: int | None = None
