"""What each sign of the evidence gate weighs. Written by `python -m tests.bench.fit_gate`; what they come to, docs/library.md says."""

WEIGHTS = {
    "always": -7.62,
    "share": 4.09,
    "sentence": 3.96,
    "everyday": 2.05,
    "nowhere": -3.32,
    "in passing": -2.47,
    "asked": 0.65,
    "of another": -100.00,
    "search": 3.92,
}
ENOUGH = 0.52  # of the weighted sum, for the best passage
