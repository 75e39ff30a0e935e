"""What each sign of the evidence gate weighs. Written by `python -m tests.bench.fit_gate`; what they come to, docs/library.md says."""

WEIGHTS = {
    "always": -5.63,
    "share": 3.05,
    "sentence": 3.92,
    "unoffered": -3.22,
    "everyday": 2.00,
    "nowhere": -3.18,
    "in passing": -2.52,
    "asked": 0.33,
    "kind only": -0.96,
    "of another": -100.00,
    "search": 3.54,
}
ENOUGH = 0.72  # of the weighted sum, for the best passage
