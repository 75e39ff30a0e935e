"""One line of the benchmark table."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Row:
    """A measured figure beside the limit it has to keep; both in `unit`. None: it could not be measured, and the note says why."""

    name: str
    value: float | None
    unit: str
    limit: float
    comparison: Literal["<=", ">="]
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether the figure keeps its limit. What was not measured breaks none."""
        if self.value is None:
            return True
        return self.value <= self.limit if self.comparison == "<=" else self.value >= self.limit
