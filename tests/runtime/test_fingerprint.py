import errno
import json
import os
from pathlib import Path

import pytest

from med42_chat.runtime.fingerprint import Fingerprints


def test_a_hash_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    file, fingerprints, seen = tmp_path / "a.gguf", Fingerprints(tmp_path / "cache" / "hashes.json"), []
    file.write_bytes(b"abc")
    assert fingerprints.known(file) is None
    digest = fingerprints.compute(file, seen.append)
    assert digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert seen[-1] == 1
    assert Fingerprints(tmp_path / "cache" / "hashes.json").known(file) == digest
    os.utime(file, ns=(1, 1))
    assert fingerprints.known(file) is None


@pytest.mark.parametrize("damage", [b"", b"{", json.dumps([1]).encode()])
def test_a_damaged_memory_of_hashes_costs_only_time(tmp_path: Path, damage: bytes) -> None:
    file, memory = tmp_path / "a.gguf", tmp_path / "hashes.json"
    file.write_bytes(b"abc")
    memory.write_bytes(damage)
    assert Fingerprints(memory).known(file) is None
    assert Fingerprints(memory).compute(file, lambda _: None).startswith("ba7816bf")
    assert Fingerprints(memory).known(file)


def test_a_disk_without_room_costs_only_time_and_is_not_filled_with_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, memory = tmp_path / "a.gguf", tmp_path / "cache" / "hashes.json"
    file.write_bytes(b"abc")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert Fingerprints(memory).compute(file, lambda _: None).startswith("ba7816bf")
    assert list(memory.parent.iterdir()) == []
