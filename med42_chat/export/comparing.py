"""The process in which a conversation from elsewhere is compared anew: `python -m med42_chat.export.comparing`, the file on its input.

What a file says that a check found may have been written by anybody. So each answer is held again against the passages that the file
carries, and only what comes of that is kept. Whether these passages stand in the documents that they name is not known here. A stranger's
answer may be made to take very long, which is why this is done in a process with an end. It answers with {"size", "notes"} in a line of
JSON and the conversation as a file again, or like the exporting one (child.py) with {"fault", "hint"}.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from med42_chat.checks import Medicines, check, cited
from med42_chat.children import limit
from med42_chat.errors import Med42Error
from med42_chat.export import record
from med42_chat.records import Basis, Evidence, Message, Source
from med42_chat.settings import ASSETS

_MEMORY = 1_500_000_000  # bytes of address space
_SECONDS = 120  # of processor time


def main() -> None:
    """Reads standard input, answers on standard output."""
    limit(_MEMORY, _SECONDS)
    for part in answer(sys.stdin.buffer.read()):
        sys.stdout.buffer.write(part)


def answer(data: bytes) -> Iterator[bytes]:
    """What the process says, piece by piece."""
    try:
        found = record.read(data)
        medicines = Medicines.parse((ASSETS / "medicines.txt").read_text("utf-8"))
        compared = record.write(found.conversation, [compared_anew(one, medicines) for one in found.messages])
        yield json.dumps({"size": len(compared), "notes": []}).encode() + b"\n"
        yield compared
    except Med42Error as error:
        yield json.dumps({"fault": error.message, "hint": error.hint}).encode() + b"\n"
    except MemoryError:
        yield b'{"fault": "memory", "hint": ""}\n'


def compared_anew(message: Message, medicines: Medicines) -> Message:
    """The message with what comes of comparing it with its sources here, in the place of what it says of that itself."""
    sources = [citation.source for citation in message.citations]
    # The program's own words have no source: what has one is a model's answer, also where the file names no model.
    said_by_program = message.evidence is not None and not message.evidence.model and not sources
    findings = () if message.role == "user" or said_by_program else check(message.text, sources, medicines)
    evidence = replace(message.evidence, basis=_basis(message.evidence, sources)) if message.evidence else None
    return replace(message, findings=findings, citations=cited(message.text, sources, findings, medicines), evidence=evidence)


def _basis(evidence: Evidence, sources: Sequence[Source]) -> Basis:
    """What the answer rests on, where the file cannot be right: a wrong word would hide what comes of the comparison, or who answered."""
    if sources and evidence.basis:
        return "sources"
    return "memory" if evidence.basis == "nothing" and evidence.model else evidence.basis


if __name__ == "__main__":
    main()
