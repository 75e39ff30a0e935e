"""Writes a small BERT with random weights as GGUF: a real embedding model for llama.cpp, whose vectors mean nothing."""

import string
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, PoolingType, TokenType


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of a BERT."""

    hidden: int = 64
    layers: int = 2
    heads: int = 4
    feed_forward: int = 128
    context: int = 128


_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def write_embedding(path: Path, pooling: PoolingType | None = PoolingType.MEAN, sizes: Sizes = Sizes()) -> Path:
    """Writes the model to `path`. The same arguments write the same weights."""
    writer = GGUFWriter(path, "bert")
    writer.add_name("random embedding")
    writer.add_context_length(sizes.context)
    writer.add_embedding_length(sizes.hidden)
    writer.add_block_count(sizes.layers)
    writer.add_feed_forward_length(sizes.feed_forward)
    writer.add_head_count(sizes.heads)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    _write_weights(writer, _write_vocabulary(writer), sizes)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file(progress=False)
    writer.close()
    return path


def _write_vocabulary(writer: GGUFWriter) -> int:
    """Single letters, at the beginning of a word and within it: every word is spelt out."""
    letters = string.ascii_lowercase + string.digits
    tokens = [*_SPECIAL, *(f"\u2581{letter}" for letter in letters), *letters, *(f"\u2581{mark}" for mark in string.punctuation)]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL] * len(_SPECIAL) + [TokenType.NORMAL] * (len(tokens) - len(_SPECIAL)))
    writer.add_token_type_count(2)
    for add, name in (
        (writer.add_pad_token_id, "[PAD]"),
        (writer.add_unk_token_id, "[UNK]"),
        (writer.add_bos_token_id, "[CLS]"),
        (writer.add_sep_token_id, "[SEP]"),
        (writer.add_mask_token_id, "[MASK]"),
    ):
        add(tokens.index(name))
    return len(tokens)


def _write_weights(writer: GGUFWriter, vocabulary: int, sizes: Sizes) -> None:
    random = np.random.default_rng(0)

    def matrix(name: str, rows: int, columns: int) -> None:
        writer.add_tensor(f"{name}.weight", random.normal(0, 0.05, (rows, columns)).astype(np.float32))

    def line(name: str, size: int, value: float = 0.0) -> None:
        writer.add_tensor(name, np.full(size, value, np.float32))

    def norm(name: str) -> None:
        line(f"{name}.weight", sizes.hidden, 1.0)
        line(f"{name}.bias", sizes.hidden)

    matrix("token_embd", vocabulary, sizes.hidden)
    matrix("token_types", 2, sizes.hidden)
    matrix("position_embd", sizes.context, sizes.hidden)
    norm("token_embd_norm")
    for layer in range(sizes.layers):
        block = f"blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(block + name, sizes.hidden, sizes.hidden)
            line(f"{block}{name}.bias", sizes.hidden)
        matrix(block + "ffn_up", sizes.feed_forward, sizes.hidden)
        line(block + "ffn_up.bias", sizes.feed_forward)
        matrix(block + "ffn_down", sizes.hidden, sizes.feed_forward)
        line(block + "ffn_down.bias", sizes.hidden)
        norm(block + "attn_output_norm")
        norm(block + "layer_output_norm")
