"""What each sign of the evidence gate weighs. Written by `python -m tests.bench.fit_gate`; what they come to, docs/library.md says."""

WEIGHTS = {
    "always": -7.52,
    "share": 4.18,
    "sentence": 3.88,
    "everyday": 1.92,
    "nowhere": -3.14,
    "in passing": -2.62,
    "asked": 0.61,
    "another medicine": -100.00,
    "search": 3.71,
}
ENOUGH = 0.41  # of the weighted sum, for the best passage
