"""A process in the place of the exporting one: `python -m tests.export.scripted`. It does what the conversation's title says.

It speaks as the real one does; its document is what it was given. What is written on one is another test's business.
"""

import json
import sys
import time

from med42_chat.export import record


def main() -> None:
    """Reads the request, speaks."""
    data = sys.stdin.buffer.read()
    match record.request_of(data).conversation.title:
        case "slow":
            tell(0.25, "reading")
            time.sleep(60)
        case "dies":
            tell(0.5, "laying out")
            sys.exit(3)
        case "babbles":
            print("what?", flush=True)
            time.sleep(60)
        case "promises":
            print(json.dumps({"size": 10**12, "notes": []}), flush=True)
            time.sleep(60)
        case "half":
            deliver(data, len(data) + 1)
        case "fault":
            print(json.dumps({"fault": "The letters of this language are missing.", "hint": "Choose {HTML}."}))
        case _:
            for step in ("reading", "laying out", "writing"):
                tell(0.5, step)
            deliver(data, len(data))


def tell(progress: float, step: str) -> None:
    """How far it is."""
    print(json.dumps({"progress": progress, "step": step}), flush=True)


def deliver(document: bytes, size: int) -> None:
    """The document, with a size that may be a lie."""
    print(json.dumps({"size": size, "notes": ["One character has no letter."]}), flush=True)
    sys.stdout.buffer.write(document)


if __name__ == "__main__":
    main()
