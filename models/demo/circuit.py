"""The weights with which a new model begins: random ones, and in its first two layers a circuit that copies.

A model of this size that begins with random weights alone has not begun to copy after a million tokens, and answering from sources is
copying. So the two heads that every model finds in the end are set before training: in the first layer each token learns which token
stood before it; in the second it looks for tokens that stood behind one like itself, and proposes them as the next. Training makes of
that what it needs.
"""

from __future__ import annotations

import torch
from transformers import LlamaForCausalLM

SPREAD = 0.06  # of the embeddings: large enough that a token stands out among those proposed
CONSTANT = 0.6  # one feature that all tokens share: what looks at positions alone has to look at something
WRITTEN = 0.15  # how strongly the token before is written: as strongly as the token itself
MATCH = 3.0  # how strongly like tokens attract each other


@torch.no_grad()
def begin_copying(model: LlamaForCausalLM) -> None:
    """Set the circuit in a model with random weights; its features are random directions, the same for the same seed of torch."""
    hidden, width, groups = sizes(model)
    embeddings = model.model.embed_tokens.weight
    embeddings.normal_(0.0, SPREAD)
    embeddings[:, 0] = CONSTANT
    slow = slow_features(width)
    directions = torch.zeros(hidden, hidden - 1)
    directions[1:] = torch.linalg.qr(torch.randn(hidden - 1, hidden - 1))[0]
    count = groups * len(slow)
    before, itself, copied = directions[:, :count], directions[:, count : 2 * count], directions[:, count : count + groups * width]
    first, second = (layer.self_attn for layer in model.model.layers[:2])
    tell_token_before(first, itself.T.reshape(groups, len(slow), hidden), before.T.reshape(groups, len(slow), hidden), turns(model))
    look_behind_like_tokens(second, itself.T.reshape(groups, len(slow), hidden), before.T.reshape(groups, len(slow), hidden), slow)
    propose(second, copied.T.reshape(groups, width, hidden))


def sizes(model: LlamaForCausalLM) -> tuple[int, int, int]:
    """Hidden size, width of a head, number of key/value heads."""
    config = model.config
    return config.hidden_size, config.hidden_size // config.num_attention_heads, config.num_key_value_heads


def turns(model: LlamaForCausalLM) -> torch.Tensor:
    """By how much the rotary embedding turns each pair of features from one position to the next, in radians."""
    half = sizes(model)[1] // 2
    base: float = model.config.rope_parameters["rope_theta"]
    return torch.tensor([base ** (-pair / half) for pair in range(half)])


def slow_features(width: int) -> list[int]:
    """The features of a head that hardly turn within the context, in the order of transformers, where feature i is paired with i + half."""
    half = width // 2
    return [*range(half // 2, half), *range(half + half // 2, width)]


def tell_token_before(attention: torch.nn.Module, itself: torch.Tensor, before: torch.Tensor, turns: torch.Tensor) -> None:
    """One head of each group looks one position back and writes what stands there under other directions."""
    groups, count, _ = itself.shape
    half = len(turns)
    for group, (keys, queries) in enumerate(heads(attention, groups, 2 * half)):
        head = queries[0]
        attention.k_proj.weight[keys] = 0.0
        attention.k_proj.weight[keys.start : keys.start + half, 0] = 1.0
        attention.q_proj.weight[head] = 0.0
        attention.q_proj.weight[head, 0] = torch.cat([turns.cos(), -turns.sin()])  # turned back by one position
        attention.v_proj.weight[keys.start : keys.start + count] = itself[group]
        attention.o_proj.weight[:, head.start : head.start + count] = WRITTEN * before[group].T


def look_behind_like_tokens(attention: torch.nn.Module, itself: torch.Tensor, before: torch.Tensor, slow: list[int]) -> None:
    """All heads look for positions before which a token like the present one stood, however far away."""
    for group, (keys, queries) in enumerate(heads(attention, len(itself), attention.head_dim)):
        attention.k_proj.weight[[keys.start + feature for feature in slow]] = MATCH * before[group]
        for head in queries:
            attention.q_proj.weight[[head.start + feature for feature in slow]] = MATCH * itself[group]


def propose(attention: torch.nn.Module, copied: torch.Tensor) -> None:
    """What is looked at is what comes next."""
    for group, (keys, queries) in enumerate(heads(attention, len(copied), copied.shape[1])):
        attention.v_proj.weight[keys] = copied[group]
        for head in queries:
            attention.o_proj.weight[:, head] = copied[group].T / len(queries)


def heads(attention: torch.nn.Module, groups: int, width: int) -> list[tuple[slice, list[slice]]]:
    """The rows of each key/value head and those of the query heads that share it."""
    shared = attention.q_proj.weight.shape[0] // (groups * width)
    rows = [slice(head * width, (head + 1) * width) for head in range(groups * shared)]
    return [(rows[group], rows[group * shared : (group + 1) * shared]) for group in range(groups)]
