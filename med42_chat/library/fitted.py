"""What each sign of the evidence gate weighs. Written by `python -m tests.bench.fit_gate`; what they come to, docs/library.md says."""

WEIGHTS = {
    "always": -7.49,
    "share": 3.88,
    "sentence": 4.05,
    "everyday": 2.05,
    "nowhere": -3.36,
    "in passing": -2.65,
    "asked": 0.66,
    "of another": -100.00,
    "search": 3.86,
}
ENOUGH = 0.43  # of the weighted sum, for the best passage
