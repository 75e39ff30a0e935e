"""The process in which a file is taken apart: `python -m med42_chat.library.child SUFFIX CHARACTERS SECONDS`, the file on standard input.

It says one line of JSON: {"text", "media_type", "pages"}, or {"fault"} with a word that read.py knows. Anything else is a crash.
"""

import json
import sys

from med42_chat.library.formats import Fault, extract

_MEMORY = 1 << 30  # bytes of address space; PDFium alone needs 60 MB of it


def main(suffix: str, most_characters: int, seconds: int) -> None:
    """Reads standard input, answers on standard output."""
    _limit(seconds)
    try:
        found = extract(sys.stdin.buffer.read(), suffix, most_characters)
        answer: dict[str, object] = {"text": found.text, "media_type": found.media_type, "pages": found.pages}
    except Fault as fault:
        answer = {"fault": str(fault)}
    except MemoryError:
        answer = {"fault": "damaged"}
    print(json.dumps(answer))


def _limit(seconds: int) -> None:
    """From here on the system ends this process when it takes too much. Windows has no such limits."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))  # also when the program that asked is gone
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash must not leave a patient's letter in a core file
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # nor has it anything to write


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
