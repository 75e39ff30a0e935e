"""What each sign of the evidence gate weighs. Written by `python -m tests.bench.fit_gate`; what they come to, docs/library.md says."""

WEIGHTS = {
    "always": -5.64,
    "share": 3.02,
    "sentence": 3.92,
    "unoffered": -3.34,
    "everyday": 2.00,
    "nowhere": -3.25,
    "in passing": -2.53,
    "asked": 0.38,
    "kind only": -0.97,
    "of another": -100.00,
    "search": 3.65,
}
ENOUGH = 0.68  # of the weighted sum, for the best passage
