"""Writes GGUF files with Llama 3's architecture and random weights. They answer nonsense, but load, count and compute like real ones.

Without a vocabulary file they get a small one of their own: the 256 bytes and a few control tokens, so that a file takes a
moment to write and random answers are full of halves of characters.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, PoolingType

Array = npt.NDArray[np.generic]
CONTROLS = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
CHATML_CONTROLS = ("<|endoftext|>", "<|im_end|>", "<|im_start|>")
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class Shape:
    """Sizes of a Llama. `quantised` writes Q4_K and needs sizes that 256 divides; otherwise F16."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    quantised: bool = False
    context: int = 8192


TINY = Shape(64, 2, 4, 2, 128)
SMALL = Shape(256, 2, 4, 2, 512, quantised=True)  # 1 MB
MEDIUM = Shape(1024, 8, 16, 4, 2816, quantised=True)  # 50 MB with the small vocabulary, 240 MB with Llama 3's own
OF_1B = Shape(2048, 16, 32, 8, 8192, quantised=True)  # 0.8 GB with Llama 3's vocabulary


def write_shape(
    path: Path,
    shape: Shape = TINY,
    *,
    vocabulary: Path | None = None,
    controls: tuple[str, ...] = CONTROLS,
    chat_template: str = "",
    pooling: PoolingType | None = None,
) -> Path:
    """Writes a model to `path`. The same arguments write the same weights."""
    writer = GGUFWriter(path, "llama")
    size = copy_vocabulary(writer, vocabulary) if vocabulary else _write_vocabulary(writer, controls)
    if chat_template:
        writer.add_chat_template(chat_template)
    if pooling is not None:  # then it is an embedding model
        writer.add_pooling_type(pooling)
    write_sizes(writer, shape, size)
    _Weights(writer, shape).write(size)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file(progress=False)
    writer.close()
    return path


def copy_vocabulary(writer: GGUFWriter, source: Path) -> int:
    reader = GGUFReader(source)
    for field in reader.fields.values():
        if field.name.startswith("tokenizer."):
            items = field.types[1] if field.types[0] == GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=items)
    return len(reader.fields["tokenizer.ggml.tokens"].data)


def _write_vocabulary(writer: GGUFWriter, controls: tuple[str, ...]) -> int:
    # GPT-2's writing of bytes: printable ones stand for themselves, the others for characters from U+0100 on.
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    names = {byte: chr(byte) for byte in printable} | {byte: chr(0x100 + index) for index, byte in enumerate(others)}
    tokens = [*(names[byte] for byte in range(256)), "Ġt", *controls]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 257 + [3] * len(controls))
    writer.add_token_merges(["Ġ t"])
    writer.add_bos_token_id(257)
    writer.add_eos_token_id(258)  # as in Med42's own files, where the end of a turn is not named
    return len(tokens)


def write_sizes(writer: GGUFWriter, shape: Shape, vocabulary: int) -> None:
    writer.add_name("random weights")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.hidden // shape.heads)
    writer.add_rope_freq_base(500000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(vocabulary)


class _Weights:
    def __init__(self, writer: GGUFWriter, shape: Shape) -> None:
        self._writer = writer
        self._shape = shape
        self._random = np.random.default_rng(0)

    def write(self, vocabulary: int) -> None:
        shape = self._shape
        kv_size = shape.hidden // shape.heads * shape.kv_heads
        self._matrix("token_embd", vocabulary, shape.hidden)
        self._matrix("output", vocabulary, shape.hidden)
        self._norm("output_norm")
        for layer in range(shape.layers):
            name = f"blk.{layer}."
            self._norm(name + "attn_norm")
            self._norm(name + "ffn_norm")
            self._matrix(name + "attn_q", shape.hidden, shape.hidden)
            self._matrix(name + "attn_k", kv_size, shape.hidden)
            self._matrix(name + "attn_v", kv_size, shape.hidden)
            self._matrix(name + "attn_output", shape.hidden, shape.hidden)
            self._matrix(name + "ffn_gate", shape.feed_forward, shape.hidden)
            self._matrix(name + "ffn_up", shape.feed_forward, shape.hidden)
            self._matrix(name + "ffn_down", shape.hidden, shape.feed_forward)

    def _norm(self, name: str) -> None:
        self._writer.add_tensor(name + ".weight", np.ones(self._shape.hidden, np.float32))

    def _matrix(self, name: str, rows: int, columns: int) -> None:
        if self._shape.quantised:
            self._writer.add_tensor(name + ".weight", self._q4_k(rows, columns), raw_dtype=GGMLQuantizationType.Q4_K)
        else:
            self._writer.add_tensor(name + ".weight", self._random.normal(0, 0.05, (rows, columns)).astype(np.float16))

    def _q4_k(self, rows: int, columns: int) -> Array:
        """Random blocks of 256 weights in 144 bytes, which begin with two 16-bit scales; small ones keep the weights near 0.02."""
        blocks = self._random.integers(0, 256, (rows * columns // 256, 144), dtype=np.uint8)
        blocks[:, :4] = np.frombuffer(np.array([2e-4, 1.5e-3], np.float16).tobytes(), np.uint8)
        return blocks.reshape(rows, -1)
