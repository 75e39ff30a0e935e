"""What can be found out about an answer by comparing it with its sources, without a model: docs/checks.md says what is looked at.

`check(answer, sources, medicines)` gives findings, which are records (`records.Finding`); `cited` says which words of each source an
answer rests on; `Medicines.parse` reads the list of names in assets/medicines.txt. Nothing here opens a file.
"""

from med42_chat.checks.answer import check
from med42_chat.checks.medicines import Medicines
from med42_chat.checks.quotes import cited

__all__ = ["Medicines", "check", "cited"]
