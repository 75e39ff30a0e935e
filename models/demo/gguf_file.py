"""Writes a trained Llama and its tokenizer as a GGUF file for llama.cpp.

Knows the GGUF format and Hugging Face's names for a Llama's tensors; nothing of training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

NAME = "Med42 Chat demonstration model"
BOS, END_OF_TEXT, START_HEADER, END_HEADER, EOT = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
LAYER_TENSORS = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


@dataclass(frozen=True)
class Shape:
    """The sizes that llama.cpp needs to know; `context` in tokens."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    context: int
    rope_base: float
    norm_epsilon: float


@dataclass(frozen=True)
class Vocabulary:
    """Token texts by id in GPT-2's byte alphabet, merges in order of rank, and which ids are control tokens."""

    tokens: list[str]
    merges: list[str]
    control: frozenset[str]


def write(
    path: Path, shape: Shape, vocabulary: Vocabulary, weights: Mapping[str, NDArray[np.float32]], kind: gguf.GGMLQuantizationType
) -> None:
    """Write the file; `weights` are by Hugging Face's names, matrices are stored as `kind`, norms as 32-bit floats."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(NAME)
    writer.add_license("apache-2.0")
    writer.add_description("Small model that demonstrates Med42 Chat. Not Med42. Not for clinical use.")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if kind == gguf.GGMLQuantizationType.Q8_0 else gguf.LlamaFileType.MOSTLY_F16)
    add_shape(writer, shape, len(vocabulary.tokens))
    add_vocabulary(writer, vocabulary)
    for name, tensor in weights.items():
        add_tensor(writer, gguf_name(name), for_llama_cpp(name, tensor, shape), kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_shape(writer: gguf.GGUFWriter, shape: Shape, vocabulary_size: int) -> None:
    """The model's sizes."""
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.hidden // shape.heads)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_vocab_size(vocabulary_size)


def add_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    """The tokenizer, with <|eot_id|> as end of sequence: generation must stop at the end of a turn."""
    ids = {token: index for index, token in enumerate(vocabulary.tokens)}
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types([control if token in vocabulary.control else normal for token in vocabulary.tokens])
    writer.add_token_merges(vocabulary.merges)
    writer.add_bos_token_id(ids[BOS])
    writer.add_eos_token_id(ids[EOT])
    writer.add_eot_token_id(ids[EOT])
    writer.add_add_bos_token(True)
    writer.add_chat_template(CHAT_TEMPLATE)


def gguf_name(name: str) -> str:
    """llama.cpp's name for a tensor that Hugging Face calls `name`."""
    outer = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}
    if name in outer:
        return outer[name]
    layer, inner = name.removeprefix("model.layers.").removesuffix(".weight").split(".", 1)
    return f"blk.{layer}.{LAYER_TENSORS[inner]}.weight"


def for_llama_cpp(name: str, tensor: NDArray[np.float32], shape: Shape) -> NDArray[np.float32]:
    """The tensor with query and key rows in llama.cpp's order."""
    if "q_proj" in name:
        return interleaved(tensor, shape.heads)
    return interleaved(tensor, shape.kv_heads) if "k_proj" in name else tensor


def interleaved(tensor: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Within each head, row i beside row i + half.

    Hugging Face rotates the first half of a head against the second, llama.cpp's Llama rotates neighbours; without this
    order the file loads and answers nonsense.
    """
    rows, columns = tensor.shape
    return tensor.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def add_tensor(writer: gguf.GGUFWriter, name: str, tensor: NDArray[np.float32], kind: gguf.GGMLQuantizationType) -> None:
    """Store one tensor; vectors stay 32-bit, as llama.cpp wants its norms."""
    kind = gguf.GGMLQuantizationType.F32 if tensor.ndim == 1 else kind
    writer.add_tensor(name, gguf.quants.quantize(np.ascontiguousarray(tensor), kind), raw_dtype=kind)
