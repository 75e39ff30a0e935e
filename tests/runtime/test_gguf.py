import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med42_chat.errors import ModelFileError
from med42_chat.gguf import read_header


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf(values: bytes = b"", *, value_count: int = 0, tensors: bytes = b"", tensor_count: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensor_count, value_count) + values + tensors


ARCHITECTURE = text("general.architecture") + struct.pack("<I", 8) + text("llama")


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        read_header(path)
    assert caught.value.hint
    return caught.value.message


def test_a_whole_model_is_described(tiny: Path) -> None:
    header = read_header(tiny)
    assert (header.architecture, header.block_count, header.embedding_length, header.head_count_kv) == ("llama", 2, 64, 2)
    assert (header.context_length, header.vocabulary, header.bos_id, header.pre_tokenizer) == (8192, 262, 257, "llama-bpe")
    assert header.expected_bytes == header.size_bytes == tiny.stat().st_size
    assert header.kv_bytes(8192) == 8192 * 2 * 2 * (16 + 16) * 2


def test_the_real_vocabulary_file_is_read(vocabulary: Path) -> None:
    header = read_header(vocabulary)
    assert header.vocabulary == 128256
    assert header.bos_id == 128000


def test_a_missing_file_a_folder_and_an_empty_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no model file"):
        read_header(tmp_path / "absent.gguf")
    with pytest.raises(ModelFileError, match="folder"):
        read_header(tmp_path)
    assert "empty" in refusal(tmp_path / "a.gguf", b"")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><html><title>404</title>", "web page"),
        (b"\n  <html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"),
        (b"PK\x03\x04 something", "not a GGUF"),
        (b"GG", "not a GGUF"),
        (b"GGUF", "cut short"),
        (gguf(version=1), "version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
        (gguf(), "what kind of model"),
    ],
)
def test_what_is_not_a_model_is_named_for_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in refusal(tmp_path / "a.gguf", content)


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_file_that_is_cut_short_says_how_much_is_missing(tiny: Path, tmp_path: Path, kept: float) -> None:
    content = tiny.read_bytes()
    length = int(len(content) * kept)
    assert f"{len(content) - length:,} of {len(content):,} bytes are missing" in refusal(tmp_path / "a.gguf", content[:length])


HUGE = struct.pack("<Q", 2**63)
HOSTILE = {
    "a text of 2^63 bytes": gguf(HUGE, value_count=1),
    "a value of 2^63 bytes": gguf(text("k") + struct.pack("<I", 8) + HUGE, value_count=1),
    "an array of 2^63 numbers": gguf(text("k") + struct.pack("<II", 9, 10) + HUGE, value_count=1),
    "an array of 2^63 texts": gguf(text("k") + struct.pack("<II", 9, 8) + HUGE, value_count=1),
    "a text in an array of 2^63 bytes": gguf(text("k") + struct.pack("<IIQ", 9, 8, 2) + HUGE, value_count=1),
    "an array of 16 million numbers": gguf(text("k") + struct.pack("<IIQ", 9, 10, 2**24), value_count=1),
    "an array of arrays": gguf(text("k") + struct.pack("<IIQ", 9, 9, 1), value_count=1),
    "an unknown type": gguf(text("k") + struct.pack("<I", 99), value_count=1),
    "16 million layers": gguf(ARCHITECTURE + text("llama.block_count") + struct.pack("<II", 4, 2**24), value_count=2),
    "a negative number of layers": gguf(ARCHITECTURE + text("llama.block_count") + struct.pack("<Ii", 5, -5), value_count=2),
    "a negative context": gguf(ARCHITECTURE + text("llama.context_length") + struct.pack("<Iq", 11, -5), value_count=2),
    "2^63 values": gguf(ARCHITECTURE, value_count=2**63),
    "2^63 tensors": gguf(ARCHITECTURE, value_count=1, tensor_count=2**63),
    "a tensor of 2^31 dimensions": gguf(ARCHITECTURE, value_count=1, tensors=text("t") + struct.pack("<I", 2**31), tensor_count=1),
    "a tensor of 2^252 elements": gguf(
        ARCHITECTURE, value_count=1, tensors=text("t") + struct.pack("<IQQQQIQ", 4, *[2**63] * 4, 0, 0), tensor_count=1
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_is_refused_and_allocates_nothing(tmp_path: Path, name: str) -> None:
    assert refusal(tmp_path / "a.gguf", HOSTILE[name])


def test_a_model_s_name_is_a_line_whatever_it_calls_itself(tmp_path: Path) -> None:
    name = "Med42\x1b[2J\n\u202eevil " + "x" * 5000
    (tmp_path / "a.gguf").write_bytes(gguf(ARCHITECTURE + text("general.name") + struct.pack("<I", 8) + text(name), value_count=2))
    said = read_header(tmp_path / "a.gguf").name
    assert said.startswith("Med42 [2J evil") and said.isprintable() and len(said) == 100


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damage_gives_anything_but_a_header_or_a_clear_error(
    tiny: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(tiny.read_bytes()[:9000])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(st.integers(4, 200), st.integers(4, len(content) - 9)))
        content[at : at + 8] = data.draw(st.binary(min_size=8, max_size=8))
    path = tmp_path_factory.getbasetemp() / "damaged.gguf"
    path.write_bytes(content)
    try:
        read_header(path)
    except ModelFileError as error:
        assert error.message
