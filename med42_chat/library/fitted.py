"""What each sign of the evidence gate weighs. Written by `python -m tests.bench.fit_gate`; what they come to, docs/library.md says."""

WEIGHTS = {
    "always": -5.67,
    "share": 3.00,
    "sentence": 3.97,
    "unoffered": -3.36,
    "everyday": 2.03,
    "nowhere": -3.44,
    "in passing": -2.53,
    "asked": 0.39,
    "kind only": -1.04,
    "of another": -100.00,
    "search": 3.65,
}
ENOUGH = 0.42  # of the weighted sum, for the best passage
