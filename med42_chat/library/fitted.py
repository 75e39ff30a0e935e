"""What each sign of the evidence gate weighs. Written by `python -m tests.bench.fit_gate`; what they come to, docs/library.md says."""

WEIGHTS = {
    "always": -6.55,
    "share": 3.83,
    "sentence": 3.85,
    "everyday": 2.37,
    "nowhere": -3.42,
    "in passing": -2.44,
    "asked": 0.52,
    "of another": -100.00,
    "search": 3.78,
}
ENOUGH = 0.41  # of the weighted sum, for the best passage
