"""Fits the weights of the evidence gate: `python -m tests.bench.fit_gate` prints them, to be put into library/gate.py by hand.

A logistic regression on the questions of tests/library/gate in `_SETS`, over two libraries, so that it knows neither by heart. Of a
question with an answer the passage that has it counts, of one without the one that would come through first; hence the few rounds.
The shares that it prints come from questions that were left out while the weights were fitted, a tenth at a time. What it says is enough is
a little strict: the gate keeps back what names none of the medicines that are asked about, too, whatever its sum.
"""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from med42_chat.evaluate_command import passing_library
from med42_chat.library.gate import signs_of
from med42_chat.library.shorthand import plain
from med42_chat.lookup import Lookup
from tests.library.judged import HERE, documents, protocols

_ROUNDS = 5
_STEPS = 25
_WITHOUT = 3.0  # times as much as a question with an answer counts one without
_PENALTY = 3.0  # on the square of each weight but the constant: 1 does as well on these, and lets more of the follow-ups through
_PARTS = 10
_ABSTAINS = 0.96  # of the questions without an answer, where the margin is put
_SETS = {
    "development": documents,
    "held-out": documents,
    "further": documents,
    "ward": documents,
    "fresh": documents,
    "protocols": protocols,
}

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """A question's signs, a row for each passage; `right` is the row that has the answer, -1 for none."""

    signs: Numbers
    right: int


def main() -> None:
    names, cases = _cases()
    left_out = np.concatenate([_held_back(names, cases, part) for part in range(_PARTS)])
    with_answer, without = left_out[left_out[:, 0] == 1, 1], left_out[left_out[:, 0] == 0, 1]
    enough = float(np.quantile(without, _ABSTAINS))
    for name, weight in zip(names, _fit(names, cases), strict=True):
        print(f"{name:12} {weight:6.2f}")
    print(f"enough {enough:.2f}; left out: abstains {np.mean(without <= enough):.2f}, answers {np.mean(with_answer > enough):.2f}")


def _held_back(names: Sequence[str], cases: Sequence[Case], part: int) -> Numbers:
    """Whether there is an answer, and the best passage's sum, for a part of the cases, with weights from the others."""
    weights = _fit(names, [case for place, case in enumerate(cases) if place % _PARTS != part])
    return np.array([(float(case.right >= 0), (case.signs @ weights).max()) for case in cases[part::_PARTS]])


def _fit(names: Sequence[str], cases: Sequence[Case]) -> Numbers:
    weights = np.array([4.0 if name == "share" else 0.0 for name in names])
    for _ in range(_ROUNDS):
        chosen = [case.signs[case.right if case.right >= 0 else int((case.signs @ weights).argmax())] for case in cases]
        weights = _logistic(np.array(chosen), np.array([float(case.right >= 0) for case in cases]))
    return weights


def _logistic(rows: Numbers, answers: Numbers) -> Numbers:
    """Newton's method with a penalty; the steps are halved until each is one downhill."""
    counts = np.where(answers == 1, 1.0, _WITHOUT)
    penalty = np.diag([0.01] + [_PENALTY] * (rows.shape[1] - 1))

    def cost(weights: Numbers) -> float:
        sums = rows @ weights
        return float((counts * (np.logaddexp(0, sums) - answers * sums)).sum() + 0.5 * weights @ penalty @ weights)

    weights = np.zeros(rows.shape[1])
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (counts * (likely - answers)) + penalty @ weights
        step = np.linalg.solve((rows * (counts * likely * (1 - likely))[:, None]).T @ rows + penalty, slope)
        while cost(weights - step) > cost(weights) and np.abs(step).max() > 1e-6:
            step = step / 2
        weights = weights - step
    return weights


def _cases() -> tuple[list[str], list[Case]]:
    names: list[str] = []
    cases: list[Case] = []
    for read in (documents, protocols):
        with passing_library() as store:
            for name, document in read():
                store.add(document, name.encode(), name)
            for question, words in _questions(read):
                signs, right = _look(Lookup(store), question, words)
                if signs and (right >= 0 or not words):
                    names = list(signs[0])
                    cases.append(Case(np.array([list(one.values()) for one in signs]), right))
    return names, cases


def _questions(read: object) -> Iterator[tuple[str, str]]:
    """Each question with the words that answer it, '' where nothing does. Those whose answer is not set down in words are left out."""
    for name, of in _SETS.items():
        if of is read:
            asked: dict[str, list[Any]] = tomllib.loads((Path(HERE) / "gate" / f"{name}.toml").read_text("utf-8"))
            yield from ((_text(one), one["words"]) for one in asked["answerable"] if isinstance(one, dict))
            yield from ((_text(one), "") for one in asked["unanswerable"])


def _text(one: dict[str, str] | str) -> str:
    """A question, whether it stands alone or with what is known about it, under either of the two names."""
    return one if isinstance(one, str) else one.get("text") or one["question"]


def _look(lookup: Lookup, question: str, words: str) -> tuple[list[Any], int]:
    asked = plain(question)
    finds, forms = lookup.candidates(asked)
    has = [" ".join(words.split()) in " ".join(find.passage.text.split()) for find in finds] if words else []
    return list(signs_of(asked, finds, lookup.documents.rarity, forms)), has.index(True) if True in has else -1


if __name__ == "__main__":
    main()
