"""Reads the header of a GGUF file: what model it holds, and whether the file is whole. Knows nothing of llama.cpp.

The file is not trusted. Every length in it is compared with the bytes that are really there before anything is read or
skipped, so that a hostile or damaged header ends in ModelFileError and never in a huge allocation or an endless loop.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from med42_chat.errors import ModelFileError

Scalar = str | int | float | bool
Value = Scalar | tuple[Scalar, ...] | None

# GGUF value types by number: struct format of the fixed-size ones; 8 is a string, 9 an array.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# ggml's tensor types by number: (elements in a block, bytes of a block).
_BLOCKS = {
    **{0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40), 10: (256, 84), 11: (256, 110)},
    **{12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50)},
    **{20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8)},
    **{29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18)},
}
_INPUT, _OUTPUT = "token_embd.weight", "output.weight"
_MOST_ENTRIES = 1 << 24  # entries in one table; the largest vocabularies have a quarter of a million
_MOST_VALUES, _MOST_TENSORS = 1 << 10, 1 << 17
_MOST_LAYERS = 1 << 12  # the largest models have some hundred
_MOST_NAME = 100  # characters of what a model calls itself
_MOST_TEXT = 1 << 20  # bytes of one text that is kept, a chat template at most
_KEPT_ENTRIES = 1024  # arrays up to this length are kept (per-layer head counts); longer ones are only counted
_DOWNLOAD = "Download the file again, or choose another model file."


@dataclass(frozen=True, slots=True)
class Header:
    """What a model file says about itself. Sizes in bytes, counts in tokens, layers and heads; 0, "" or None where it says nothing."""

    path: Path
    size_bytes: int
    expected_bytes: int  # what the tensors need; the file is at least this long
    version: int
    architecture: str
    name: str
    file_type: int | None
    context_length: int
    block_count: int
    embedding_length: int
    head_count: int
    head_count_kv: int
    key_length: int
    value_length: int
    vocabulary: int
    parameters: int
    chat_template: str
    pre_tokenizer: str
    bos_id: int | None
    eos_id: int | None
    eot_id: int | None
    feed_forward: int = 0
    matrices: tuple[tuple[int, int], ...] = ()  # (ggml's type, bytes) of the weights that are multiplied with; the input table is not
    input_bytes: int = 0  # the table that words are looked up in
    output_bytes: int = 0  # the table that words are chosen with; 0 where the file has one table for both

    def kv_bytes(self, context: int) -> int:
        """Bytes of the KV cache for `context` tokens at 16 bits."""
        return context * self.block_count * self.head_count_kv * (self.key_length + self.value_length) * 2


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    dimensions: int
    elements: int
    kind: int
    offset: int

    @property
    def size(self) -> int:
        """Bytes; 0 for a type unknown here."""
        elements, size = _BLOCKS.get(self.kind, (1, 0))
        return -(-self.elements // elements) * size

    @property
    def end(self) -> int:
        """First byte behind the tensor, counted from the start of the data; for a type unknown here, its first byte."""
        return self.offset + self.size


class _Cursor:
    """A place in the header. Never moves beyond the end of the file."""

    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self.data = data
        self.path = path
        self.at = 0

    def skip(self, count: int) -> int:
        """Moves on by `count` bytes; gives where it was."""
        start = self.at
        if count > len(self.data) - start:
            raise ModelFileError(f"The model file {self.path.name} is cut short: it ends inside its own header.", _DOWNLOAD)
        self.at = start + count
        return start

    def number(self, form: str) -> int:
        """One little-endian integer of struct format `form`."""
        return int(self.scalar(form))

    def scalar(self, form: str) -> Scalar:
        value: Scalar = struct.unpack_from("<" + form, self.data, self.skip(struct.calcsize(form)))[0]
        return value

    def text(self) -> str:
        """A string; one that is too long to be meant for people is skipped and read as empty."""
        length = self.number("Q")
        start = self.skip(length)
        return self.data[start : self.at].decode(errors="replace") if length <= _MOST_TEXT else ""

    def skip_texts(self, count: int) -> None:
        """Passes `count` strings. A tight loop: a vocabulary and its merges are 400,000 strings."""
        data, at, last, read = self.data, self.at, len(self.data) - 8, struct.Struct("<Q").unpack_from
        for _ in range(count):
            if at > last:
                break
            at += 8 + read(data, at)[0]
        else:
            self.skip(at - self.at)
            return
        self.skip(len(data))  # beyond the end: raises

    def value(self, kind: int) -> Value:
        """A value of GGUF type `kind`."""
        if kind == _STRING:
            return self.text()
        return self.array() if kind == _ARRAY else self.scalar(self.form(kind))

    def array(self) -> Value:
        """A short array's items, None for a long one, the number of entries for one of texts. The cursor stands behind it."""
        kind, count = self.number("I"), self.number("Q")
        if count > _MOST_ENTRIES:
            raise self.damaged(f"a table of {count:,} entries")
        if kind == _STRING:
            self.skip_texts(count)
            return count
        form = self.form(kind)
        start = self.skip(count * struct.calcsize(form))
        return struct.unpack_from(f"<{count}{form}", self.data, start) if count <= _KEPT_ENTRIES else None

    def form(self, kind: int) -> str:
        if kind not in _SCALARS:
            raise self.damaged(f"a value of the unknown type {kind}")
        return _SCALARS[kind]

    def damaged(self, what: str) -> ModelFileError:
        return ModelFileError(f"The header of the model file {self.path.name} is damaged: it announces {what}.", _DOWNLOAD)


def read_header(path: Path) -> Header:
    """Reads and checks `path`. Raises ModelFileError when it is missing, not a GGUF, damaged or cut short."""
    size = _file_size(path)
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _check_magic(bytes(data[:512]), path)
            header = _parse(_Cursor(data, path), size)
    except OSError as error:
        raise ModelFileError(f"The model file {path} cannot be read: {error.strerror}.", "Check the file's permissions.") from error
    if size < header.expected_bytes:
        missing = header.expected_bytes - size
        raise ModelFileError(
            f"The model file {path.name} is cut short: {missing:,} of {header.expected_bytes:,} bytes are missing.", _DOWNLOAD
        )
    return header


def _file_size(path: Path) -> int:
    hint = "Choose a model file whose name ends in .gguf."
    if path.is_dir():
        raise ModelFileError(f"{path} is a folder, not a model file.", hint)
    try:
        size = path.stat().st_size
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        raise ModelFileError(f"There is no model file at {path}.", hint) from error
    if size == 0:
        raise ModelFileError(f"The model file {path.name} is empty.", _DOWNLOAD)
    return size


def _check_magic(start: bytes, path: Path) -> None:
    if start.startswith(b"GGUF"):
        return
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise ModelFileError(f"{path.name} is a web page, not a model: the download gave a page instead of the file.", _DOWNLOAD)
    if start.startswith(b"version https://git-lfs"):
        raise ModelFileError(
            f"{path.name} is only a Git LFS pointer to the model, not the model.", "Run 'git lfs pull', or download the file."
        )
    raise ModelFileError(f"{path.name} is not a GGUF model file.", "Choose a file in llama.cpp's GGUF format; its name ends in .gguf.")


def _parse(cursor: _Cursor, size: int) -> Header:
    cursor.skip(4)
    version = cursor.number("I")
    if version not in (2, 3):
        text = "written for big-endian computers" if version > 0xFFFF else f"in version {version} of the format"
        raise ModelFileError(
            f"The model file {cursor.path.name} is {text}, which cannot be read here.", "Get a current little-endian GGUF file."
        )
    tensor_count, value_count = cursor.number("Q"), cursor.number("Q")
    values = dict(_values(cursor, value_count))
    tensors = list(_tensors(cursor, tensor_count))
    return _header(cursor, version, size, values, tensors)


def _values(cursor: _Cursor, count: int) -> Iterator[tuple[str, Value]]:
    if count > _MOST_VALUES:
        raise cursor.damaged(f"{count:,} values")
    for _ in range(count):
        key, kind = cursor.text(), cursor.number("I")
        yield key, cursor.value(kind)


def _tensors(cursor: _Cursor, count: int) -> Iterator[_Tensor]:
    if count > _MOST_TENSORS:
        raise cursor.damaged(f"{count:,} tensors")
    for _ in range(count):
        name, dimensions = cursor.text(), cursor.number("I")
        if dimensions > 8:
            raise cursor.damaged(f"a tensor of {dimensions:,} dimensions")
        elements = prod(cursor.number("Q") for _ in range(dimensions))
        yield _Tensor(name, dimensions, elements, cursor.number("I"), cursor.number("Q"))


def _header(cursor: _Cursor, version: int, size: int, values: dict[str, Value], tensors: list[_Tensor]) -> Header:
    architecture = _text(values, "general.architecture")
    if not architecture:
        raise ModelFileError(f"The model file {cursor.path.name} does not say what kind of model it holds.", _DOWNLOAD)

    def own(key: str) -> int:
        number = _number(values, f"{architecture}.{key}") or 0
        if number < 0:
            raise cursor.damaged(f"{key} as {number:,}")
        return number

    if own("block_count") > _MOST_LAYERS:
        raise cursor.damaged(f"{own('block_count'):,} layers")
    heads = own("attention.head_count")
    head_size = own("embedding_length") // heads if heads else 0
    return Header(
        path=cursor.path,
        size_bytes=size,
        expected_bytes=_expected_bytes(cursor, values, tensors),
        version=version,
        architecture=architecture,
        name=_label(_text(values, "general.name")),
        file_type=_number(values, "general.file_type"),
        context_length=own("context_length"),
        block_count=own("block_count"),
        embedding_length=own("embedding_length"),
        head_count=heads,
        head_count_kv=own("attention.head_count_kv") or heads,
        key_length=own("attention.key_length") or head_size,
        value_length=own("attention.value_length") or head_size,
        vocabulary=_number(values, "tokenizer.ggml.tokens") or own("vocab_size"),
        parameters=sum(tensor.elements for tensor in tensors),
        chat_template=_text(values, "tokenizer.chat_template"),
        pre_tokenizer=_text(values, "tokenizer.ggml.pre"),
        bos_id=_number(values, "tokenizer.ggml.bos_token_id"),
        eos_id=_number(values, "tokenizer.ggml.eos_token_id"),
        eot_id=_number(values, "tokenizer.ggml.eot_token_id"),
        feed_forward=own("feed_forward_length"),
        matrices=tuple((one.kind, one.size) for one in tensors if one.dimensions > 1 and one.name != _INPUT),
        input_bytes=sum(one.size for one in tensors if one.name == _INPUT),
        output_bytes=sum(one.size for one in tensors if one.name == _OUTPUT),
    )


def _expected_bytes(cursor: _Cursor, values: dict[str, Value], tensors: list[_Tensor]) -> int:
    alignment = _number(values, "general.alignment") or 32
    if not tensors or alignment < 0:
        return cursor.at
    return -(-cursor.at // alignment) * alignment + max(tensor.end for tensor in tensors)


def _text(values: dict[str, Value], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _label(text: str) -> str:
    """A name as it can stand in a line, whatever a file calls itself."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())[:_MOST_NAME]


def _number(values: dict[str, Value], key: str) -> int | None:
    """A whole number; the largest where the file gives one for each layer."""
    value = values.get(key)
    if isinstance(value, tuple):
        return max((item for item in value if isinstance(item, int)), default=None)
    return value if isinstance(value, int) else None
