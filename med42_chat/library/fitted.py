"""What each sign of the evidence gate weighs. Written by `python -m tests.bench.fit_gate`; what they come to, docs/library.md says."""

WEIGHTS = {
    "always": -7.57,
    "share": 4.18,
    "sentence": 3.87,
    "everyday": 2.15,
    "nowhere": -3.35,
    "in passing": -2.56,
    "asked": 0.62,
    "of another": -100.00,
    "search": 3.97,
}
ENOUGH = 0.19  # of the weighted sum, for the best passage
