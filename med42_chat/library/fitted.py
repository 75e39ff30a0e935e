"""What each sign of the evidence gate weighs. Written by `python -m tests.bench.fit_gate`; what they come to, docs/library.md says."""

WEIGHTS = {
    "always": -7.43,
    "share": 3.91,
    "sentence": 3.97,
    "everyday": 2.05,
    "nowhere": -3.20,
    "in passing": -2.66,
    "asked": 0.66,
    "of another": -100.00,
    "search": 3.80,
}
ENOUGH = 0.45  # of the weighted sum, for the best passage
