"""The process in which a file is taken apart: `python -m med42_chat.library.child WHAT SUFFIX CHARACTERS SECONDS`, the file on its input.

WHAT is 'text', for {"text", "media_type", "pages"}; 'document', for all that whole.py finds; or 'recognise', for the same with text
recognition where a page has no text. The answer is one line of JSON: that, or {"fault"} with a word that the other side knows. But for
'text', a line for each page comes before it, 'page 3 of 12'. Anything else is a crash.
"""

import json
import os
import sys

from med42_chat.children import limit
from med42_chat.library import whole
from med42_chat.library.formats import Fault, extract
from med42_chat.library.pdf import Way

_MEMORY = {"text": 1 << 30, "document": 3 << 30, "recognise": 3 << 30}  # bytes of address space; PDFium alone needs 60 MB of it
_YIELDING = 10  # how much later than other programs it gets the processor: a model may be answering meanwhile


def main(what: str, suffix: str, most_characters: int, seconds: int) -> None:
    """Reads standard input, answers on standard output."""
    limit(_MEMORY[what], seconds)
    try:
        answer = _text(suffix, most_characters) if what == "text" else _document(suffix, most_characters, what == "recognise")
    except Fault as fault:
        answer = {"fault": str(fault)}
    except (MemoryError, RecursionError):
        answer = {"fault": "damaged"}
    print(json.dumps(answer))


def _text(suffix: str, most_characters: int) -> dict[str, object]:
    found = extract(sys.stdin.buffer.read(), suffix, most_characters)
    return {"text": found.text, "media_type": found.media_type, "pages": found.pages}


def _document(suffix: str, most_characters: int, ocr: bool) -> dict[str, object]:
    if hasattr(os, "nice"):
        os.nice(_YIELDING)
    return whole.read(sys.stdin.buffer.read(), suffix, most_characters, Way(ocr, _say_page))


def _say_page(done: int, pages: int) -> None:
    print(f"page {done} of {pages}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
