"""What each sign of the evidence gate weighs. Written by `python -m tests.bench.fit_gate`; what they come to, docs/library.md says."""

WEIGHTS = {
    "always": -7.36,
    "share": 4.16,
    "sentence": 3.68,
    "everyday": 2.42,
    "nowhere": -3.32,
    "in passing": -2.64,
    "asked": 0.53,
    "of another": -100.00,
    "search": 3.95,
}
ENOUGH = -0.30  # of the weighted sum, for the best passage
