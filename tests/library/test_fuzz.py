"""Damaged PDF files: each ends as a document or as a sentence, whatever PDFium makes of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from med42_chat.errors import UnreadableFile
from med42_chat.library.documents import document_of
from tests.library import fuzz

COUNT = 200
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="the process that reads them all needs an alarm clock")
def test_two_hundred_damaged_files_are_read_or_told_and_those_that_kill_the_reader_are_told_too() -> None:
    ends: dict[int, str] = {}
    killers = []
    while len(ends) + len(killers) < COUNT:
        done = subprocess.run(
            [sys.executable, "-m", "tests.library.fuzz", str(len(ends) + len(killers)), str(COUNT)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            check=False,
        )
        lines = done.stdout.decode().splitlines()
        ends.update((int(number), end) for number, end in (line.split(" ", 1) for line in lines))
        if done.returncode:
            killers.append(len(ends) + len(killers))
    for number in killers:
        with pytest.raises(UnreadableFile):
            document_of(fuzz.mutated(number), "x.pdf", time_s=fuzz.EACH_S)
    kinds = set(ends.values())
    print(len(killers), {kind: list(ends.values()).count(kind) for kind in kinds})
    assert len(killers) <= 2  # were there more, something of ours would be what breaks
    assert {"damaged"} < kinds and any(end.endswith("pages") and not end.startswith("0") for end in kinds)
