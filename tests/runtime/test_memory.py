import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from med42_chat.errors import ModelTooLarge
from med42_chat.gguf import Header, read_header
from med42_chat.runtime.fingerprint import Fingerprints
from med42_chat.runtime.memory import check_memory, memory_needed

GIB = 1 << 30


@pytest.fixture
def med42_8b(tiny: Path) -> Header:
    """A header with the sizes of Med42-v2 8B at four bits."""
    sizes = {"size_bytes": 4_920_734_464, "block_count": 32, "head_count_kv": 8, "key_length": 128, "value_length": 128}
    return replace(read_header(tiny), **sizes)


def test_what_an_8b_model_needs_counts_its_cache(med42_8b: Header) -> None:
    assert memory_needed(med42_8b, 8192) - memory_needed(med42_8b, 0) == GIB
    assert 6 * GIB > memory_needed(med42_8b, 8192) > 5 * GIB


def test_a_model_that_cannot_fit_is_refused_with_figures_and_a_way_out(med42_8b: Header) -> None:
    with pytest.raises(ModelTooLarge, match=r"6\.4 GB .* has 4\.3 GB") as caught:
        check_memory(med42_8b, 8192, total=4 * GIB, available=4 * GIB)
    assert "smaller" in caught.value.hint


def test_a_model_that_only_just_fits_gives_a_warning_and_one_with_room_none(med42_8b: Header) -> None:
    assert "3.2 GB are free" in check_memory(med42_8b, 8192, total=8 * GIB, available=3 * GIB)[0]
    assert check_memory(med42_8b, 8192, total=16 * GIB, available=12 * GIB) == ()


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
