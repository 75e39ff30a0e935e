"""What each sign of the evidence gate weighs. Written by `python -m tests.bench.fit_gate`; what they come to, docs/library.md says."""

WEIGHTS = {
    "always": -6.50,
    "share": 3.71,
    "sentence": 3.40,
    "everyday": 2.50,
    "nowhere": -3.10,
    "in passing": -2.15,
    "asked": 0.48,
    "another medicine": -100.00,
    "search": 3.33,
}
ENOUGH = 0.15  # of the weighted sum, for the best passage
