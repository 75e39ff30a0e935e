"""Two towers that become one Llama: one answers from sources (circuit.py), one knows the topics by heart.

Trained in one, the two skills are in each other's way: what looks up sources has to move little, and what is known by heart has to move
much, above it, on states in which a question's own words are hardly heard any longer. A tower of its own learns the topics from the words
themselves, as fast as a model that has nothing else to learn. So each is trained alone; then the first is kept as it is, while the second
learns beside it when to speak.

They share nothing but each layer's norm and the sum of their logits, and a Llama of both widths whose matrices are zero outside two blocks
computes exactly that: `joined` makes it. The second tower's states are written `QUIET` times as long in it, so that the shared norm is the
first one's, and what that one learnt alone holds; the second one's norms are set anew on what it meets there.
"""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

QUIET = 1 / 128


class Towers(torch.nn.Module):
    """`reading` stays as it is, `knowing` is trained. They have one vocabulary, heads of the same width, the same rotary base, and the
    second no more layers than the first.
    """

    def __init__(self, reading: LlamaForCausalLM, knowing: LlamaForCausalLM) -> None:
        super().__init__()
        self.reading = reading.requires_grad_(False)
        self.knowing = knowing
        own, other = reading.config.hidden_size, knowing.config.hidden_size
        self.width = own + other
        self.shrunk = (own / self.width) ** 0.5  # the mean is over both widths now
        self.epsilon = float(reading.config.rms_norm_eps)

    def scores(self, ids: torch.Tensor, positions: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        """Logits of the tokens that follow those at `where`, a mask of batch × position; rows of `ids` are padded behind."""
        first, second = self.states(ids, positions)
        with torch.no_grad():
            read = self.reading.lm_head(first[where])
        return read + self.knowing.lm_head(second[where])

    def states(
        self, ids: torch.Tensor, positions: torch.Tensor, louder: list[torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Both towers' last states, normed. With `louder` the second is normed as if it were alone, and how many times as long that makes
        each token at each of its norms is put there.
        """
        one, other = self.reading.model, self.knowing.model
        with torch.no_grad():
            first: torch.Tensor = one.embed_tokens(ids)
            turned = one.rotary_emb(first, position_ids=positions)
            causal = torch.full(2 * (ids.shape[1],), -1e4, dtype=torch.bfloat16, device=ids.device).triu(1)
        second: torch.Tensor = other.embed_tokens(ids)
        for number, layer in enumerate(one.layers):
            beside = other.layers[number] if number < len(other.layers) else None
            for half in (attended, worked):
                scale = self.scale(first, second)
                with torch.no_grad():
                    first = first + half(layer, first * scale.detach() * self.shrunk, causal, turned)
                if beside is not None:
                    second = second + half(beside, second * self.heard(second, scale, louder), causal, turned)
        scale = self.scale(first, second)
        last = second * self.heard(second, scale, louder) * other.norm.weight
        return first * scale.detach() * self.shrunk * one.norm.weight, last

    @torch.no_grad()
    def settle(self, ids: torch.Tensor, positions: torch.Tensor) -> None:
        """Set the second tower's norms so that on these texts what it reads is on average as long as when it was alone."""
        louder: list[torch.Tensor] = []
        self.states(ids, positions, louder)
        model = self.knowing.model
        norms = [norm for layer in model.layers for norm in (layer.input_layernorm, layer.post_attention_layernorm)]
        for norm, times in zip([*norms, model.norm], louder, strict=True):
            norm.weight *= times[:, 1:].mean()  # the first token is unlike all others

    def heard(self, second: torch.Tensor, scale: torch.Tensor, louder: list[torch.Tensor] | None) -> torch.Tensor:
        """By what a norm of the second tower multiplies."""
        if louder is None:
            return scale
        alone = torch.rsqrt(second.float().square().mean(-1, keepdim=True) + self.epsilon)
        louder.append(alone / scale)
        return alone

    def scale(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """By what the shared norm multiplies both."""
        squares = first.float().square().sum(-1, keepdim=True) + (QUIET * second.float()).square().sum(-1, keepdim=True)
        return torch.rsqrt(squares / self.width + self.epsilon)


Turned = tuple[torch.Tensor, torch.Tensor]


def attended(layer: LlamaDecoderLayer, scaled: torch.Tensor, causal: torch.Tensor, turned: Turned) -> torch.Tensor:
    """What a layer's attention adds to states that are of the right length."""
    found: torch.Tensor = layer.self_attn(scaled * layer.input_layernorm.weight, attention_mask=causal, position_embeddings=turned)[0]
    return found


def worked(layer: LlamaDecoderLayer, scaled: torch.Tensor, causal: torch.Tensor, turned: Turned) -> torch.Tensor:
    """What a layer's feed-forward part adds to them."""
    made: torch.Tensor = layer.mlp(scaled * layer.post_attention_layernorm.weight)
    return made


@torch.no_grad()
def joined(towers: Towers) -> LlamaForCausalLM:
    """The Llama that computes the same: matrices in two blocks, and zeros where the second tower has no layer."""
    one, other = towers.reading, towers.knowing
    both = {"hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"}
    sizes = {name: getattr(one.config, name) + getattr(other.config, name) for name in both}
    config = LlamaConfig(**{**one.config.to_dict(), **sizes})
    config._attn_implementation = "eager"
    whole = LlamaForCausalLM(config)
    states, parts, quiet = whole.state_dict(), one.state_dict(), other.state_dict()
    for name, made in states.items():
        made.zero_()
        own = parts[name]
        beside = quiet.get(name)
        if made.ndim == 1:  # a norm: what is written quietly is read loudly
            loud = QUIET**2 if name == "model.norm.weight" else QUIET
            made[: len(own)] = own * towers.shrunk
            made[len(own) :] = beside / loud if beside is not None else 1.0
            continue
        rows = 0 if made.shape[0] == own.shape[0] else own.shape[0]  # embeddings stand side by side, all others corner to corner
        made[: own.shape[0], : own.shape[1]] = own
        if beside is not None:
            writes = name.endswith(("embed_tokens.weight", "lm_head.weight", "o_proj.weight", "down_proj.weight"))
            made[rows:, own.shape[1] :] = beside * (QUIET if writes else 1.0)
    whole.load_state_dict(states)
    return whole
