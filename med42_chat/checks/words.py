"""What a person is told about a finding. Plain words, and never more than what was looked at."""

from collections.abc import Iterable

from med42_chat.checks.passages import Nearest, Passage


def place(passage: Passage) -> str:
    """'source 2, page 12'."""
    page = passage.source.page
    return f"source {passage.number}" + (f", page {page}" if page is not None else "")


def listed(numbers: Iterable[int]) -> str:
    """'source 2', 'sources 1 and 3', 'sources 1, 2 and 4'."""
    *others, last = (str(number) for number in sorted(numbers))
    return f"sources {', '.join(others)} and {last}" if others else f"source {last}"


def elsewhere(others: Iterable[Passage], stands: str = "It stands") -> str:
    """A sentence on the sources that do have it and are not named; '' for none."""
    numbers = [passage.number for passage in others]
    return f" {stands} in {listed(numbers)}, which this sentence does not name." if numbers else ""


def written(text: str) -> str:
    """Words of an answer or a source, as they are quoted in a finding."""
    return f"“{' '.join(text.split())}”"


def out_of_place(text: str, near: Nearest) -> str:
    """On a figure or a medicine that stands where the source has another."""
    instead = f"the sentence of {place(near.passage)} that says nearly the same"
    return f"{written(text)} does not stand in {instead}: {written(near.statement.text)}"
