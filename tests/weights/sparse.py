"""Model files of any size that are written in a moment: real headers and tables, and holes for weights.

llama.cpp reads a hole as zeros, so such a file loads, computes and takes memory like the real one. It has nothing to say. The
vocabulary's part of the header is copied as bytes, for reading and writing its 400,000 texts one by one takes a quarter of a minute.
"""

import mmap
import struct
from collections.abc import Iterator
from math import prod
from pathlib import Path

from med42_chat.gguf import _Cursor
from tests.shapes import Shape

Value = int | float | str
F32, F16, Q4_K, Q6_K = 0, 1, 12, 14  # ggml's types
_BLOCKS = {F32: (1, 4), F16: (1, 2), Q4_K: (256, 144), Q6_K: (256, 210)}  # elements and bytes
_ALIGNMENT = 32
_START = struct.Struct("<4sIQQ")


def write_sparse(path: Path, shape: Shape, vocabulary: Path | None = None, **more: Value) -> Path:
    """A Llama of `shape`: F16, or, quantised, mixed of Q4_K and Q6_K like a Q4_K_M file. `more` replaces values ('.' written as '__')."""
    known, size = _vocabulary(vocabulary) if vocabulary else ({}, 256)
    values = known | {
        key: _packed(value) for key, value in {**_sizes(shape, size), **{k.replace("__", "."): v for k, v in more.items()}}.items()
    }
    low, high = (Q4_K, Q6_K) if shape.quantised else (F16, F16)
    table, end = b"", 0
    tensors = list(_tensors(shape, size, low, high))
    for name, sizes, kind in tensors:
        table += _text(name + ".weight") + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *reversed(sizes), kind, end)
        end += _padded(prod(sizes) // _BLOCKS[kind][0] * _BLOCKS[kind][1])
    start = _START.pack(b"GGUF", 3, len(tensors), len(values)) + b"".join(_text(key) + value for key, value in values.items()) + table
    path.write_bytes(start)
    with path.open("r+b") as file:
        file.truncate(_padded(len(start)) + end)
    return path


def _vocabulary(path: Path) -> tuple[dict[str, bytes], int]:
    """The tokeniser's values as they stand in a file, by key, and how many tokens there are."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        cursor, found, size = _Cursor(data, path), {}, 0
        count = _START.unpack(data[cursor.skip(_START.size) : cursor.at])[3]
        for _ in range(count):
            key, start = cursor.text(), cursor.at
            value = cursor.value(cursor.number("I"))
            if key.startswith("tokenizer."):
                found[key] = data[start : cursor.at]
            size = value if key == "tokenizer.ggml.tokens" and isinstance(value, int) else size
        return found, size


def _sizes(shape: Shape, vocabulary: int) -> dict[str, Value]:
    return {
        "general.architecture": "llama",
        "general.name": "holes",
        "llama.context_length": shape.context,
        "llama.embedding_length": shape.hidden,
        "llama.block_count": shape.layers,
        "llama.feed_forward_length": shape.feed_forward,
        "llama.attention.head_count": shape.heads,
        "llama.attention.head_count_kv": shape.kv_heads,
        "llama.rope.dimension_count": shape.hidden // shape.heads,
        "llama.rope.freq_base": 500000.0,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.vocab_size": vocabulary,
    }


def _packed(value: Value) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    return struct.pack("<II", 4, value) if isinstance(value, int) else struct.pack("<If", 6, value)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _tensors(shape: Shape, vocabulary: int, low: int, high: int) -> Iterator[tuple[str, tuple[int, ...], int]]:
    """Every tensor of a Llama: name, rows and columns, type."""
    hidden, wide, narrow = shape.hidden, shape.feed_forward, shape.hidden // shape.heads * shape.kv_heads
    yield "token_embd", (vocabulary, hidden), low
    yield "output_norm", (hidden,), F32
    yield "output", (vocabulary, hidden), high
    for layer in range(shape.layers):
        block, better = f"blk.{layer}.", high if layer % 2 == 0 else low
        yield block + "attn_norm", (hidden,), F32
        yield block + "ffn_norm", (hidden,), F32
        yield block + "attn_q", (hidden, hidden), low
        yield block + "attn_k", (narrow, hidden), low
        yield block + "attn_v", (narrow, hidden), better
        yield block + "attn_output", (hidden, hidden), low
        yield block + "ffn_gate", (wide, hidden), low
        yield block + "ffn_up", (wide, hidden), low
        yield block + "ffn_down", (hidden, wide), better
