"""One line of the benchmark table."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Row:
    """A measured figure beside the limit it has to keep; both in `unit`."""

    name: str
    value: float
    unit: str
    limit: float
    comparison: Literal["<=", ">="]
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether the figure keeps its limit."""
        return self.value <= self.limit if self.comparison == "<=" else self.value >= self.limit
