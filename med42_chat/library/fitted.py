"""What each sign of the evidence gate weighs. Written by `python -m tests.bench.fit_gate`; what they come to, docs/library.md says."""

WEIGHTS = {
    "always": -6.16,
    "share": 3.75,
    "sentence": 3.46,
    "everyday": 2.40,
    "nowhere": -3.14,
    "in passing": -2.45,
    "asked": 0.50,
    "of another": -100.00,
    "search": 3.82,
}
ENOUGH = 0.39  # of the weighted sum, for the best passage
