"""The process in which a file is taken apart: `python -m med42_chat.library.child WHAT SUFFIX CHARACTERS SECONDS`, the file on its input.

WHAT is 'text', for {"text", "media_type", "pages"}, or 'document', for all that whole.py finds. The answer is one line of JSON: that, or
{"fault"} with a word that the other side knows. Anything else is a crash.
"""

import json
import sys

from med42_chat.library import whole
from med42_chat.library.formats import Fault, extract

_MEMORY = {"text": 1 << 30, "document": 3 << 30}  # bytes of address space; PDFium alone needs 60 MB of it


def main(what: str, suffix: str, most_characters: int, seconds: int) -> None:
    """Reads standard input, answers on standard output."""
    limit(_MEMORY[what], seconds)
    try:
        answer = _text(suffix, most_characters) if what == "text" else whole.read(sys.stdin.buffer.read(), suffix, most_characters)
    except Fault as fault:
        answer = {"fault": str(fault)}
    except (MemoryError, RecursionError):
        answer = {"fault": "damaged"}
    print(json.dumps(answer))


def _text(suffix: str, most_characters: int) -> dict[str, object]:
    found = extract(sys.stdin.buffer.read(), suffix, most_characters)
    return {"text": found.text, "media_type": found.media_type, "pages": found.pages}


def limit(memory: int, seconds: int) -> None:
    """From here on the system ends this process when it takes too much. Windows has no such limits."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))  # also when the program that asked is gone
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash must not leave a patient's letter in a core file
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # nor has it anything to write


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
