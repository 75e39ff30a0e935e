"""The weights with which a new model begins: random ones, and among them a circuit that answers from sources.

A model of this size that begins with random weights alone has not begun to copy after a million tokens, and with copying given it still
does not find where to begin: it reads a sentence's first word before it knows what the sentence is about. So what has to be worked out in
turn is set before training, a step in each layer:

0. each token learns which tokens stood one and two places before it (`before`, `earlier`);
1. and with which token its sentence began (`start`), and the number of the source it stands in, or quotes (`source`);
2. each token looks for one like itself, and takes over the start of that one's sentence and the number of its source: a vote;
3. where a sentence is to be quoted, the votes for a start are gathered; votes for a source are counted everywhere;
4. where a source is to be named, the digit with most votes is proposed; where a sentence is to be quoted, the start in that source that is
   most like the votes; where a mark is to be set, the digit of the source that was named;
5. what stood behind a token like the present one, or two behind one like the last, rather in that source, is proposed: copying.

Set like this and trained on nothing, a model names the right one of up to three unseen sources in half of its answers, and proposes about
half of the tokens of what it quotes. Training changes these heads as it changes all others. Heads that are not named here begin random
and quiet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from transformers import LlamaForCausalLM

Directions = torch.Tensor  # hidden × count, columns of length 1 at right angles to each other

LAYERS = 6  # that the circuit needs; those above it begin random
CONSTANT = 0.6  # one feature that all tokens share: what looks at positions alone has to look at something
CODE, OTHER = 0.8, 0.25  # length of a token's embedding in the directions by which it is known, and in all others
BOS_LENGTH = 3.0  # of the first token, to which heads look that have nothing to say: long, so that no noise in it is heard
QUIET, QUIET_WORK = 0.02, 0.1  # what random heads and feed-forward layers say at first, as a share of the usual
SPACE_LENGTH = 0.15  # a bare space stands everywhere: it must be like nothing
WRITTEN = 0.15  # how strongly the tokens before are written
LOUDNESS = 0.85  # of the mark that makes a token behind a bare space as loud as others
MATCH = 18.0  # logits by which like tokens attract each other
SAME_SOURCE = 8.0  # logits by which tokens of one source attract each other
GATHERED = 0.4  # the product of the lengths of what is gathered and of a start's code


@dataclass(frozen=True)
class Signs:
    """Ids of the tokens behind which something begins: a sentence (`stop`, `line`, `dash`), a source's or a mark's number."""

    bos: int
    end_header: int
    stop: int
    line: int
    dash: int
    bracket: int
    mark: int
    space: int
    source: int
    colon: int
    digits: tuple[int, ...]


class Spaces:
    """Random directions, at right angles to each other, for what a token is and for each thing that it learns of its surroundings."""

    def __init__(self, hidden: int, digits: int) -> None:
        basis = torch.zeros(hidden, hidden - 1)  # the first feature is the constant
        basis[1:] = torch.linalg.qr(torch.randn(hidden - 1, hidden - 1))[0]
        widths = (64, 64, 32, 32, 32, digits, digits, digits, hidden - 1 - 224 - 3 * digits)
        parts = basis.split(widths, dim=1)
        self.code, self.before, self.earlier, self.start, self.start_vote, self.source, self.source_vote, self.votes, self.free = parts
        self.outside_code = torch.cat(parts[1:], 1)


class Layer:
    """The attention of one layer, set head by head. `gain` is by how much its norm makes a typical token longer."""

    def __init__(self, model: LlamaForCausalLM, number: int, gain: float) -> None:
        config = model.config
        self.attention = model.model.layers[number].self_attn
        self.gain = gain
        self.width = config.hidden_size // config.num_attention_heads
        self.shared = config.num_attention_heads // config.num_key_value_heads
        half = self.width // 2
        # transformers pairs feature i with i + half; the later ones hardly turn within a context
        self.slow = [*range(half // 2, half), *range(half + half // 2, self.width)]
        base: float = config.rope_parameters["rope_theta"]
        self.turns = torch.tensor([base ** (-pair / half) for pair in range(half)])  # radians from one position to the next
        self.constant = torch.zeros(config.hidden_size)
        self.constant[0] = 1 / CONSTANT  # reads 1 of every token

    def keys(self, group: int) -> slice:
        """The rows of a group's keys and values."""
        return slice(group * self.width, (group + 1) * self.width)

    def queries(self, group: int) -> list[slice]:
        """The rows of the queries of each head that shares the group's keys."""
        return [self.keys(group * self.shared + head) for head in range(self.shared)]

    def clear(self, group: int) -> None:
        """Nothing in a group is random any longer."""
        weights = self.attention
        weights.k_proj.weight[self.keys(group)] = 0.0
        weights.v_proj.weight[self.keys(group)] = 0.0
        for rows in self.queries(group):
            weights.q_proj.weight[rows] = 0.0
            weights.o_proj.weight[:, rows] = 0.0

    def size(self, logits: float) -> float:
        """The length of a key and of a query that attract each other by so many logits, before the norm."""
        return float((logits * self.width**0.5) ** 0.5 / self.gain)

    def near(self, group: int, pairs: Mapping[int, float], when: torch.Tensor | None = None) -> None:
        """Attract to what is near: by so many logits in the rotary pairs, which forget the faster the lower their number. With `when`,
        only for tokens of which that direction reads 1.
        """
        for rows in self.queries(group):
            for pair, logits in pairs.items():
                self.attention.k_proj.weight[self.keys(group).start + pair] = self.size(logits) * self.constant
                self.attention.q_proj.weight[rows.start + pair] = self.size(logits) * (self.constant if when is None else when)

    def notice(self, group: int, sign: torch.Tensor, logits: float, place: int = -1, when: torch.Tensor | None = None) -> None:
        """Attract to tokens of which the direction `sign` reads 1, wherever they stand; each sign needs a place of its own."""
        feature = self.slow[place]
        for rows in self.queries(group):
            self.attention.k_proj.weight[self.keys(group).start + feature] = self.size(logits) * sign
            self.attention.q_proj.weight[rows.start + feature] = self.size(logits) * (self.constant if when is None else when)

    def match(self, group: int, here: Directions, there: Directions, logits: float, first: int = 0) -> None:
        """Attract, by so many logits for each unit of what they share, to tokens that are along `there` what the present one is along
        `here`; takes the places from `first` on.
        """
        size = self.size(logits)
        for at, feature in zip(range(here.shape[1]), self.slow[first:], strict=False):
            self.attention.k_proj.weight[self.keys(group).start + feature] = size * there[:, at]
            for rows in self.queries(group):
                self.attention.q_proj.weight[rows.start + feature] = size * here[:, at]

    def carry(self, group: int, read: torch.Tensor, write: torch.Tensor, share: float) -> None:
        """Take what `read` reads of the token that is looked at, and write it along `write`; both hidden × count."""
        self.attention.v_proj.weight[self.keys(group)][: read.shape[1]] = read.T
        for rows in self.queries(group):
            self.attention.o_proj.weight[:, rows.start : rows.start + write.shape[1]] = share / (self.gain * self.shared) * write


def begin(model: LlamaForCausalLM, signs: Signs, states: Callable[[int], torch.Tensor]) -> None:
    """Set the circuit in a model with random weights, the same for the same seed of torch. `states(n)` gives what typical prompts have
    become after n layers: what a layer looks for can only be set when it is known how long that is.
    """
    with torch.no_grad():
        Circuit(model, signs, states).set()


class Circuit:
    """The embeddings and each layer in turn; a group is the heads that share keys and values, and four of them are needed."""

    def __init__(self, model: LlamaForCausalLM, signs: Signs, states: Callable[[int], torch.Tensor]) -> None:
        self.model = model
        self.signs = signs
        self.states = states
        self.spaces = Spaces(model.config.hidden_size, len(signs.digits))
        self.embeddings: torch.Tensor = model.model.embed_tokens.weight

    def set(self) -> None:
        """All of it, from below: each layer's norm is measured on what those below it make."""
        self.embed()
        for layer in self.model.model.layers:
            layer.self_attn.o_proj.weight *= QUIET
            layer.mlp.down_proj.weight *= QUIET_WORK
        self.tokens_before(self.layer(0))
        self.beginnings(self.layer(1))
        self.votes(self.layer(2))
        self.gathering(self.layer(3))
        self.proposing(self.layer(4))
        self.copying(self.layer(5))

    def layer(self, number: int) -> Layer:
        """A layer with the gain of its norm."""
        lengths = self.states(number).norm(dim=-1) if number else self.embeddings.norm(dim=1)
        return Layer(self.model, number, self.model.config.hidden_size**0.5 / float(lengths.mean()))

    # --- the layers ---

    def embed(self) -> None:
        """All tokens of one length, so that norms make nothing louder; and mostly in the directions by which they are known."""
        signs, spaces, count = self.signs, self.spaces, len(self.embeddings)
        codes = CODE * random_units(count, 64) @ spaces.code.T
        self.embeddings.copy_(codes + OTHER * random_units(count, spaces.outside_code.shape[1]) @ spaces.outside_code.T)
        space = torch.nn.functional.normalize(self.code_of(signs.space), dim=0)
        rest = (CODE**2 * (1 - SPACE_LENGTH**2) + OTHER**2) ** 0.5
        self.embeddings[signs.space] = SPACE_LENGTH * CODE * space + rest * spaces.free[:, 0]
        self.embeddings[signs.bos] = BOS_LENGTH * spaces.free[:, 1]
        self.embeddings[:, 0] = CONSTANT
        self.embeddings[signs.bos, 0] = 0.0  # what looks at what is near must not find it

    def tokens_before(self, layer: Layer) -> None:
        """One head of each group looks one place back, the other two; turned back by so much, a query meets the key that stands there."""
        spaces, weights = self.spaces, layer.attention
        self.gain = layer.gain
        for group in range(4):
            layer.clear(group)
            part = slice(16 * group, 16 * group + 16)
            weights.k_proj.weight[layer.keys(group)][: layer.width // 2, 0] = 1.5
            for back, rows in enumerate(layer.queries(group), 1):
                weights.q_proj.weight[rows, 0] = torch.cat([(layer.turns * back).cos(), -(layer.turns * back).sin()])
            weights.v_proj.weight[layer.keys(group)][:16] = spaces.code[:, part].T
            one, two = (rows.start for rows in layer.queries(group))
            weights.o_proj.weight[:, one : one + 16] = WRITTEN * spaces.before[:, part]
            if group < 2:
                weights.o_proj.weight[:, two : two + 16] = WRITTEN * spaces.earlier[:, part]
        weights.v_proj.weight[16] = spaces.free[:, 0]
        weights.o_proj.weight[:, 16] = WRITTEN * LOUDNESS * spaces.free[:, 2]

    def beginnings(self, layer: Layer) -> None:
        """The nearest sentence start; and the nearest digit behind an opening bracket, or in an answer behind the word for a source."""
        signs, spaces = self.signs, self.spaces
        layer.clear(0)
        layer.near(0, {4: 8, 5: 10, 6: 8})
        layer.notice(0, self.begins(), 32)
        layer.carry(0, spaces.code[:, :32], spaces.start, 1 / self.length(spaces.code[:, :32]))
        layer.clear(1)
        layer.near(1, {5: 8, 6: 8, 7: 8})
        layer.notice(1, self.behind(signs.bracket) + self.two_behind(signs.source), 26)
        layer.carry(1, torch.stack([reader(self.code_of(digit)) for digit in signs.digits], 1), spaces.source, 1.0)

    def votes(self, layer: Layer) -> None:
        """Behind a token like this one: the start of its sentence, and the number of its source."""
        spaces = self.spaces
        for group in range(4):
            layer.clear(group)
            part = slice(16 * group, 16 * group + 16)
            layer.match(group, spaces.code[:, part], spaces.before[:, part], MATCH / (self.known() * self.written()))
            read, write = ((spaces.start, spaces.start_vote), (spaces.source, spaces.source_vote))[group % 2]
            layer.carry(group, read, write, 0.2)

    def gathering(self, layer: Layer) -> None:
        """Where a sentence is to be quoted, the votes for a start are gathered, and stand where else the token two before would; those for
        a source are counted everywhere.
        """
        spaces = self.spaces
        layer.clear(0)
        layer.near(0, {4: 1, 5: 10}, self.behind(self.signs.colon))
        layer.notice(0, spaces.free[:, 1] / BOS_LENGTH, 14)
        layer.carry(0, spaces.start_vote, spaces.earlier, 14.0)
        layer.clear(1)
        layer.near(1, {4: 2, 5: 8})
        layer.carry(1, spaces.source_vote, spaces.votes, 2.5)

    def proposing(self, layer: Layer) -> None:
        """The sentence start that was voted for, in the source that was named; the digit with most votes where a source is to be named; and
        where a mark is to be set, the digit of the source that was named.
        """
        signs, spaces = self.signs, self.spaces
        for group in (0, 2):
            layer.clear(group)
            layer.match(group, spaces.earlier[:, :9], spaces.code[:, :9], MATCH / GATHERED)
            layer.match(group, spaces.source[:, :5], spaces.source[:, :5], 14.0, first=9)
            layer.notice(group, self.begins(), 34, place=-2, when=self.behind(signs.colon))
            layer.notice(group, spaces.free[:, 1] / BOS_LENGTH, 32)
            half = spaces.code[:, 16 * group : 16 * group + 32]
            layer.carry(group, half, half, 6.0)
        digits = torch.nn.functional.normalize(torch.stack([self.code_of(digit) for digit in signs.digits], 1), dim=0)
        for group, when, read in ((1, self.behind(signs.source), spaces.votes), (3, reader(self.code_of(signs.mark)), spaces.source)):
            layer.clear(group)
            layer.near(group, {3: 16, 4: 24}, when)
            layer.notice(group, spaces.free[:, 1] / BOS_LENGTH, 20)
            layer.carry(group, read, digits, 6.0)

    def copying(self, layer: Layer) -> None:
        """What stands behind a token like this one in that source; a bare space tells nothing, so also two behind one like the last."""
        spaces = self.spaces
        for group in range(4):
            layer.clear(group)
            if group < 2:
                part = slice(16 * group, 16 * group + 11)
                layer.match(group, spaces.code[:, part], spaces.before[:, part], 26.0 / (self.known() * self.written()))
            else:
                part = slice(16 * (group - 2), 16 * (group - 2) + 11)
                layer.match(group, spaces.before[:, part], spaces.earlier[:, part], 26.0 / self.written() ** 2)
            layer.match(group, spaces.source[:, :5], spaces.source[:, :5], SAME_SOURCE, first=11)
            half = spaces.code[:, 32 * (group % 2) : 32 * (group % 2) + 32]
            layer.carry(group, half, half, 3.0)

    # --- what they look for ---

    def begins(self) -> torch.Tensor:
        """Reads 1 of a sentence's first token, which stands in a new line, or behind a bare space and that behind a stop or a dash."""
        signs, spaces = self.signs, self.spaces
        bare_space = self.embeddings[signs.space] @ spaces.free[:, 0]
        after_space = reader(WRITTEN * LOUDNESS * self.gain * bare_space * spaces.free[:, 2])
        return self.behind(signs.line) + 0.6 * (self.two_behind(signs.stop) + self.two_behind(signs.dash)) + 0.4 * after_space

    def code_of(self, token: int) -> torch.Tensor:
        """The part of a token's embedding by which it is known."""
        return self.spaces.code @ (self.spaces.code.T @ self.embeddings[token])

    def behind(self, token: int) -> torch.Tensor:
        """Reads 1 of what stands behind this token."""
        return reader(WRITTEN * self.gain * (self.spaces.before @ (self.spaces.code.T @ self.embeddings[token])))

    def two_behind(self, token: int) -> torch.Tensor:
        """Reads 1 of what stands two places behind this token."""
        return reader(WRITTEN * self.gain * (self.spaces.earlier @ (self.spaces.code[:, :32].T @ self.embeddings[token])))

    def length(self, directions: Directions) -> float:
        """How long a token's embedding is along these directions, on average."""
        return float((directions.T @ self.embeddings.T).norm(dim=0).mean())

    def known(self) -> float:
        """How long a quarter of a token's code is."""
        return self.length(self.spaces.code[:, :16])

    def written(self) -> float:
        """How long a quarter of the code of the token before is, as written."""
        return WRITTEN * self.gain * CODE / 2


def reader(vector: torch.Tensor) -> torch.Tensor:
    """The direction that reads 1 of `vector`, and nothing of what stands at right angles to it."""
    return vector / (vector @ vector)


def random_units(count: int, width: int) -> torch.Tensor:
    """Random rows of length 1."""
    return torch.nn.functional.normalize(torch.randn(count, width), dim=1)
