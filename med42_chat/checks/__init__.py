"""What can be found out about an answer by comparing it with its sources, without a model: docs/checks.md says what is looked at.

`check(answer, sources, medicines)` gives findings; `Medicines.parse` reads the list of names in assets/medicines.txt.
A finding is a record, `records.Finding`. Nothing here opens a file.
"""

from med42_chat.checks.answer import check
from med42_chat.checks.medicines import Medicines

__all__ = ["Medicines", "check"]
