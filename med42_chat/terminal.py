"""What commands print: words of documents, models and imported files among it, which a terminal must show and not obey."""

import json
import sys
from typing import TextIO

from med42_chat.markup import clean


def say(text: str, *, end: str = "\n", to: TextIO | None = None, at_once: bool = False) -> None:
    """Prints it, to standard output where nothing else is named. What a terminal would take for an order stands as U+FFFD."""
    print(clean(text), end=end, file=to or sys.stdout, flush=at_once)


def say_json(value: object) -> None:
    """Prints it as JSON. What a terminal would take for an order is escaped: whoever reads the JSON finds it as it was."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    if clean(text) != text:
        text = "".join(one if clean(one) == one else json.dumps(one)[1:-1] for one in text)
    print(text)
