"""Fits the weights of the evidence gate: `python -m tests.bench.fit_gate` prints them and writes them into library/fitted.py.

A logistic regression on the questions of tests/library/gate in `_SETS`, over three libraries, so that it knows none by heart. Of a
question with an answer the passage that has it counts (where it is not set down which that is, the one that comes first), of one without
the one that would come through first; hence the few rounds. The shares that it prints come from questions that were left out while the
weights were fitted, a whole file at a time: those of one file were written in one go and resemble each other.
"""

import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from med42_chat.commands.evaluate import passing_library
from med42_chat.library import fitted
from med42_chat.library.gate import BESIDE, MOST, signs_of
from med42_chat.library.shorthand import plain
from med42_chat.lookup import Lookup
from med42_chat.records import Document
from tests.library.judged import HERE, both, documents, protocols

Reader = Callable[[], Iterator[tuple[str, Document]]]  # gives a library's documents with the names of their files

_ROUNDS = 5
_STEPS = 25
_PENALTY = 1.0  # on the square of each weight but the constant
# The margin is put where so many of the questions without an answer find nothing, of the files whose writers had seen the documents and
# nothing of the gate. The older ones were sought out to mislead it. The share was chosen while looking at these files.
_ABSTAINS, _BLIND = 0.953, ("fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_NEVER = {"of another": -100.0}  # not fitted: such a passage is no answer, whatever else it has
_SETS: dict[str, Reader] = {
    "development": documents,
    "held-out": documents,
    "further": documents,
    "ward": documents,
    "fresh": documents,
    "near": documents,
    "second": documents,
    "third": documents,
    "protocols": protocols,
    "fourth": both,
    "fifth": both,
    "sixth": documents,
    "seventh": documents,
    "eighth": documents,
    "ninth": documents,
}
_SAID = "What each sign of the evidence gate weighs. Written by `python -m tests.bench.fit_gate`; what they come to, docs/library.md says."

Numbers = NDArray[np.float64]
_NOTHING = -1e9  # what no passage at all weighs


@dataclass(frozen=True, slots=True)
class Case:
    """A question of the file `of` with its signs, a row for each passage; `right` is the one that has the answer, None for none known.

    It is `lost` where nothing can be learnt of it: the search found nothing, or not the passage that has the answer.
    """

    of: str
    signs: Numbers
    answered: bool
    right: int | None
    lost: bool

    def brings(self, weights: Numbers, enough: float) -> bool:
        """Whether anything passes, and with it the passage that has the answer, where it is set down which that is."""
        values = self.signs @ weights
        best = values.max(initial=_NOTHING)
        here = self.right is None or (values[self.right] >= best - BESIDE and int((values > values[self.right]).sum()) < MOST)
        return bool(best >= enough and here and not (self.answered and self.lost))

    def first(self, weights: Numbers) -> int:
        """The row that comes first."""
        return int((self.signs @ weights).argmax())

    def best(self, weights: Numbers) -> float:
        """What that weighs."""
        return float((self.signs @ weights).max(initial=_NOTHING))


Values = list[tuple[Case, Numbers]]  # with the weights that come from the other files


@dataclass(frozen=True, slots=True)
class Shares:
    """Of a file's questions with an answer those that bring the passage that has it, and of those without one those that bring nothing."""

    answers: float
    abstains: float


def main() -> None:
    names, cases = _cases()
    fixed = np.array([_NEVER.get(name, 0.0) for name in names])
    left_out = _left_out(names, cases, fixed)
    enough = _margin(left_out, _BLIND)
    for of in _SETS:
        shares = _shares(left_out, of, enough)
        print(f"{of:12} left out: answers {shares.answers:.2f}, abstains {shares.abstains:.2f}")
    weights = dict(zip(names, _fit(names, [case for case in cases if not case.lost], fixed), strict=True))
    print(*(f"{name:16} {weight:7.2f}" for name, weight in weights.items()), f"{'enough':16} {enough:7.2f}", sep="\n")
    Path(fitted.__file__).write_text(_written(weights, enough), "utf-8")


def held_out() -> dict[str, Shares]:
    """What the gate would come to on each of the blind files, with weights and margin from the others."""
    names, cases = _cases()
    left_out = _left_out(names, cases, np.array([_NEVER.get(name, 0.0) for name in names]))
    return {of: _shares(left_out, of, _margin(left_out, [other for other in _BLIND if other != of])) for of in _BLIND}


def unseen(of: str) -> Shares:
    """What the gate comes to, as it is, on a file that it was not fitted on."""
    names, cases = _cases({of: documents})
    weights = np.array([fitted.WEIGHTS[name] for name in names])
    return _shares([(case, weights) for case in cases], of, fitted.ENOUGH)


def _left_out(names: Sequence[str], cases: Sequence[Case], fixed: Numbers) -> Values:
    """Each question, with weights from the other files."""
    found: Values = []
    for of in _SETS:
        weights = _fit(names, [case for case in cases if case.of != of and not case.lost], fixed)
        found += [(case, weights) for case in cases if case.of == of]
    return found


def _margin(left_out: Values, files: Collection[str]) -> float:
    return float(np.quantile([case.best(weights) for case, weights in left_out if not case.answered and case.of in files], _ABSTAINS))


def _shares(left_out: Values, of: str, enough: float) -> Shares:
    brings = {
        kind: [case.brings(weights, enough) for case, weights in left_out if (case.of, case.answered) == (of, kind)]
        for kind in (True, False)
    }
    return Shares(float(np.mean(brings[True])), 1 - float(np.mean(brings[False])))


def _written(weights: Mapping[str, float], enough: float) -> str:
    listed = "".join(f'    "{name}": {weight:.2f},\n' for name, weight in weights.items())
    return f'"""{_SAID}"""\n\nWEIGHTS = {{\n{listed}}}\nENOUGH = {enough:.2f}  # of the weighted sum, for the best passage\n'


def _fit(names: Sequence[str], cases: Sequence[Case], fixed: Numbers) -> Numbers:
    free = fixed == 0
    weights: Numbers = fixed + np.array([4.0 if name == "share" else 0.0 for name in names])
    for _ in range(_ROUNDS):
        chosen = [case.signs[case.first(weights) if case.right is None else case.right] for case in cases]
        weights = fixed.copy()
        weights[free] = _logistic(np.array(chosen)[:, free], np.array([float(case.answered) for case in cases]))
    return weights


def _logistic(rows: Numbers, answers: Numbers) -> Numbers:
    """Newton's method with a penalty; the steps are halved until each is one downhill."""
    penalty = np.diag([0.01] + [_PENALTY] * (rows.shape[1] - 1))

    def cost(weights: Numbers) -> float:
        sums = rows @ weights
        return float((np.logaddexp(0, sums) - answers * sums).sum() + 0.5 * weights @ penalty @ weights)

    weights = np.zeros(rows.shape[1])
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (likely - answers) + penalty @ weights
        step = np.linalg.solve((rows * (likely * (1 - likely))[:, None]).T @ rows + penalty, slope)
        while cost(weights - step) > cost(weights) and np.abs(step).max() > 1e-6:
            step = step / 2
        weights = weights - step
    return weights


def _cases(sets: Mapping[str, Reader] = _SETS) -> tuple[list[str], list[Case]]:
    names: list[str] = []
    cases: list[Case] = []
    for read in dict.fromkeys(sets.values()):
        with passing_library() as store:
            for name, document in read():
                store.add(document, name.encode(), name)
            for of, question, answered, words in _questions(sets, read):
                signs, right = _look(Lookup(store), question, words)
                names = list(signs[0]) if signs else names
                rows = np.array([list(one.values()) for one in signs]).reshape(len(signs), len(names))
                cases.append(Case(of, rows, answered, right, not signs or (bool(words) and right is None)))
    return names, cases


def _questions(sets: Mapping[str, Reader], read: Reader) -> Iterator[tuple[str, str, bool, str]]:
    """Each question with its file, whether it has an answer, and the words of that, '' where they are not set down."""
    for name, of in sets.items():
        if of is read:
            asked: dict[str, list[Any]] = tomllib.loads((Path(HERE) / "gate" / f"{name}.toml").read_text("utf-8"))
            yield from ((name, _text(one), True, one["words"] if isinstance(one, dict) else "") for one in asked["answerable"])
            yield from ((name, _text(one), False, "") for one in asked["unanswerable"])


def _text(one: dict[str, str] | str) -> str:
    """A question, whether it stands alone or with what is known about it, under either of the two names."""
    return one if isinstance(one, str) else one.get("text") or one["question"]


def _look(lookup: Lookup, question: str, words: str) -> tuple[list[Any], int | None]:
    asked = plain(question)
    finds, forms = lookup.candidates(asked)
    has = [" ".join(words.split()) in " ".join(find.passage.text.split()) for find in finds] if words else []
    return list(signs_of(asked, finds, lookup.documents.rarity, forms)), has.index(True) if True in has else None


if __name__ == "__main__":
    main()
