"""Makes the demonstration model: corpus → tokenizer → tuning of two towers → rounds of DPO → GGUF → report. One command, resumable:

    python models/demo/recipe.py

Run again after an interruption and it goes on at the last checkpoint; `--fresh` begins anew. Every step's examples come
from the seed and the step's number alone, so a resumed run sees what an uninterrupted one would have seen.

Tuning has a loop of its own and not trl's: tokens count differently, some positions leap, so that the whole context works, and
matrices are trained by Muon. DPO is trl's (align.py).
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import platform
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import circuit
import gguf
import gguf_file
import numpy as np
import torch
from align import Alignment, align, chat_tokenizer, margins
from dialogues import Conversation, Corpus, Talk, load, texts
from evaluation import Examination, Judge
from grounded import LEVELS, Documents, Stock, level_at, load_stock
from notes import Notes
from preferences import Pair, Preferences
from report import Report, Training
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from towers import Towers, joined
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM

HERE = Path(__file__).parent
SHAPE = gguf_file.Shape(
    hidden=256, layers=circuit.LAYERS, heads=8, kv_heads=4, feed_forward=512, context=8192, rope_base=500_000.0, norm_epsilon=1e-5
)

# Llama 3.0's first ten special tokens in their order; only their ids differ, since this vocabulary is smaller.
SPECIAL = (
    gguf_file.BOS,
    gguf_file.END_OF_TEXT,
    *(f"<|reserved_special_token_{number}|>" for number in range(4)),
    gguf_file.START_HEADER,
    gguf_file.END_HEADER,
    "<|reserved_special_token_4|>",
    gguf_file.EOT,
)
# What llama.cpp does for `tokenizer.ggml.pre = llama-bpe`; another pattern here would make the header untrue.
LLAMA3_SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LEAD, LEAD_WEIGHT = 5, 10.0
MARK_WEIGHT = 4.0  # of a source's number, and of an answer's first tokens where sources stand


Model = LlamaForCausalLM | Towers


@dataclass(frozen=True)
class Stage:
    """One training: its updates, the tokens of each, its rate, and the share of its steps with questions on sources. With `from_easy`
    sources begin few and short; without, all levels are there from the beginning.
    """

    steps: int
    tokens: int
    rate: float
    grounded_share: float
    from_easy: bool = False


@dataclass(frozen=True)
class Recipe:
    """All numbers of the recipe in one place.

    `reading` is the first tower's training, on sources; `knowing` the second's, on topics, with `knowing_layers` of the first's size;
    `together` is the second's beside the first, when it learns which questions are its own. `long` is the size of every `long_every`th
    step, `far` is in positions; `falling` is the last part of a training, in which the learning rate falls. In the circuit's layers
    feed-forward layers learn by `working` times the rate, attention by `looking`, and embeddings by `naming`: faster, they lost in a
    hundred steps what was set in them. The second tower has nothing to lose; its embeddings learn by `knowing_naming`.
    `notes_share` is the share of steps with presets filled in, where there are sources. `bare` is the share of conversations without the
    system text, up to the part `dressed_from` of a training and after it: behind a text ten times as long as the question, a new model
    takes long to find out that the question decides the answer. Every `looked_every` steps `looked_at` unseen questions on sources are
    looked at. `rounds` of DPO use `pairs` pairs each; `judged` limits the questions of each kind in the report.
    """

    vocabulary: int = 4096
    shape: gguf_file.Shape = SHAPE
    reading: Stage = Stage(steps=4500, tokens=1536, rate=2e-3, grounded_share=1.0, from_easy=True)
    knowing: Stage = Stage(steps=5000, tokens=1024, rate=2e-3, grounded_share=0.0)
    together: Stage = Stage(steps=5000, tokens=1024, rate=1e-3, grounded_share=0.3)
    knowing_layers: int = 4
    warmup: int = 50
    working: float = 0.15
    looking: float = 0.03
    naming: float = 0.05
    knowing_naming: float = 0.3
    last_share: float = 0.03
    falling: float = 0.5
    weight_decay: float = 0.1
    long: int = 4096
    long_every: int = 16
    far: int = 6000
    far_share: float = 0.15
    seed: int = 42
    notes_share: float = 0.06
    bare: tuple[float, float] = (0.8, 0.35)
    dressed_from: float = 0.6
    checkpoint_every: int = 200
    looked_every: int = 500
    looked_at: int = 60
    rounds: int = 2
    pairs: int = 40
    # The second tower is written quietly, its weights are small: at the first recipe's 2e-5 five steps undid what it knew.
    alignment: Alignment = field(default_factory=lambda: Alignment(rate=3e-7))
    judged: int = 1000


@dataclass(frozen=True)
class Material:
    """All that training is made from."""

    corpus: Corpus
    stock: Stock


@dataclass(frozen=True)
class Places:
    """Where a run keeps its files: `work` is its own, `model` and `report` are the result."""

    work: Path
    model: Path
    report: Path

    @property
    def tokenizer(self) -> Path:
        """The trained tokenizer: a resumed training must not find other ids."""
        return self.work / "tokenizer.json"

    def training(self, name: str) -> Path:
        """The state of one of the trainings."""
        return self.work / f"{name}.pt"

    def round(self, number: int) -> Path:
        """The state after a round of DPO."""
        return self.work / f"round-{number}.pt"


STAGES = ("reading", "knowing", "together")
SHIPPED = Places(HERE / "build", HERE / "med42-chat-demo.gguf", HERE / "REPORT.md")


def elsewhere(folder: Path) -> Places:
    """A trial's places: nothing that is shipped is touched."""
    return Places(folder, folder / "med42-chat-demo.gguf", folder / "REPORT.md")


# A minute or two on two cores, to see that every stage runs; what comes out knows nothing.
MINIATURE = Recipe(
    vocabulary=900,
    shape=replace(SHAPE, feed_forward=64),
    reading=Stage(steps=12, tokens=512, rate=2e-3, grounded_share=1.0, from_easy=True),
    knowing=Stage(steps=8, tokens=512, rate=2e-3, grounded_share=0.0),
    together=Stage(steps=4, tokens=512, rate=5e-4, grounded_share=0.4),
    knowing_layers=2,
    warmup=2,
    long=1024,
    checkpoint_every=4,
    looked_every=4,
    looked_at=5,
    rounds=2,
    pairs=8,
    alignment=Alignment(batch=4),
    judged=4,
)


# --- tokenizer ---------------------------------------------------------------------------------------------------


def train_tokenizer(material: Material, size: int) -> Tokenizer:
    """A byte-level BPE of `size` tokens, special tokens last, as Llama 3 has them.

    A word must be the same tokens at the head of a sentence as within it, or it could not be copied. So the merges are learnt on words
    without the space before them, and only a frequent small word has a token of its own that begins with a space, which
    Llama 3's rule finds first (`ignore_merges`). Digits, too, stay tokens of their own: ten that stand everywhere are copied
    exactly, 900 rare ones are not.
    """
    split = pre_tokenizers.Split(Regex(LLAMA3_SPLIT), "isolated")
    in_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words = Counter(word for text in read_by_tokenizer(material, size) for word, _ in split.pre_tokenize_str(text))
    whole = [in_bytes.pre_tokenize_str(word)[0][0] for word in frequent_words(words)[: size // 3]]
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = in_bytes
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=size - len(SPECIAL) - len(whole), initial_alphabet=alphabet, show_progress=False)
    bare = (part for word, count in words.items() for part in [without_space(word)] * count)
    pieces.train_from_iterator((part for part in bare if not part.isdigit()), trainer)
    learnt = json.loads(pieces.to_str())["model"]
    ids = {token: number for number, token in enumerate([*sorted(learnt["vocab"], key=learnt["vocab"].__getitem__), *whole])}
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=[tuple(merge) for merge in learnt["merges"]], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, in_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return tokenizer


def read_by_tokenizer(material: Material, size: int) -> list[str]:
    """The texts that the tokenizer learns from. The system text counts many times: it stands at the head of every prompt."""
    documents = Documents(material.stock, random.Random(size))
    notes = Notes(Talk(material.corpus, documents.rng), documents)
    made = [documents.task(3).conversation("") if number % 4 else notes.conversation("") for number in range(400)]
    invented = [part for conversation in made for part in told(conversation)]
    return [*texts(material.corpus), *invented, *[material.corpus.system] * 30]


def frequent_words(words: Counter[str]) -> list[str]:
    """Words and signs with a space before them that are met eight times or more and never begin a sentence; the mark's bracket first."""
    small = [word for word, count in words.most_common() if count >= 8 and re.fullmatch(r" [^\sA-Z].*(?<!\n)", word, re.DOTALL)]
    return list(dict.fromkeys([" [", *small]))


def without_space(word: str) -> str:
    """The word without spaces before and lines behind it; what is nothing else stays."""
    return word.strip(" ").rstrip("\n") or word


def told(conversation: Conversation) -> list[str]:
    """The conversation's texts."""
    return [conversation.system, *(part for turn in conversation.turns for part in (turn.question, turn.answer))]


def vocabulary_of(tokenizer: Tokenizer) -> gguf_file.Vocabulary:
    """What the GGUF header needs of the tokenizer."""
    ids = tokenizer.get_vocab(with_added_tokens=True)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return gguf_file.Vocabulary(sorted(ids, key=ids.__getitem__), [" ".join(pair) for pair in merges], frozenset(SPECIAL))


# --- examples ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """A conversation as token ids; `weights` says how much each token counts (0: not learnt), `breaks` where a turn begins."""

    ids: list[int]
    weights: list[float]
    breaks: list[int]


class ChatFormat:
    """Llama 3's chat format from token ids: texts never become control tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        ids = tokenizer.get_vocab(with_added_tokens=True)
        self.special = {token: ids[token] for token in SPECIAL}
        self.encoded = lru_cache(maxsize=20_000)(self._encode)

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def header(self, role: str) -> list[int]:
        """The ids that open a turn of `role`."""
        opening, closing = self.special[gguf_file.START_HEADER], self.special[gguf_file.END_HEADER]
        return [opening, *self.encoded(role), closing, *self.encoded("\n\n")]

    def turn(self, role: str, text: str) -> list[int]:
        """The ids of a whole turn."""
        return [*self.header(role), *self.encoded(text), self.special[gguf_file.EOT]]

    def example(self, conversation: Conversation) -> Example:
        """The conversation as a training example: the answers and their end are learnt, nothing else.

        An answer's first tokens decide which answer it is, the others follow by heart. With equal weights the choice is
        one token's loss in a hundred and is learnt late, long after the texts.
        """
        ids = self.opening(conversation.system)
        weights, breaks = [0.0] * len(ids), []
        for turn in conversation.turns:
            breaks.append(len(ids))
            asked = [*self.turn("user", turn.question), *self.header("assistant")]
            answered = [*self.encoded(turn.answer), self.special[gguf_file.EOT]]
            ids += asked + answered
            weights += [0.0] * len(asked) + (self.copied(answered) if conversation.grounded else by_heart(answered))
        return Example(ids, weights, breaks)

    def copied(self, answered: list[int]) -> list[float]:
        """The weights of an answer from sources: which sentence is its first tokens' choice, which source that of the mark's number."""
        mark = self.encoded(" [")[-1]
        numbers = {at + 1 for at, token in enumerate(answered) if token == mark}
        return [MARK_WEIGHT if at < 2 * LEAD or at in numbers else 1.0 for at in range(len(answered))]

    def opening(self, system: str) -> list[int]:
        """BOS and, unless it is empty, the system turn."""
        return [self.special[gguf_file.BOS], *(self.turn("system", system) if system else [])]

    def prompt(self, system: str, said: Sequence[tuple[str, str]], question: str) -> list[int]:
        """The ids after which the model answers `question`."""
        ids = self.opening(system)
        for asked, answered in said:
            ids += self.turn("user", asked) + self.turn("assistant", answered)
        return [*ids, *self.turn("user", question), *self.header("assistant")]


def by_heart(answered: list[int]) -> list[float]:
    """The weights of an answer that is known by heart."""
    return [LEAD_WEIGHT] * LEAD + [1.0] * (len(answered) - LEAD)


def alike(examples: list[Example], tokens: int, rng: random.Random) -> list[Example]:
    """Examples of like length, as many as fill `tokens` tokens with their padding; none that is longer, unless all are: the shortest."""
    ranked = sorted(examples, key=lambda example: len(example.ids))
    fitting = [example for example in ranked if len(example.ids) <= tokens]
    if not fitting:
        return ranked[:1]
    counts = [tokens // len(example.ids) for example in fitting]
    enough = [at for at, count in enumerate(counts) if count <= at + 1]
    at = rng.choice(enough or [len(fitting) - 1])
    return fitting[max(0, at + 1 - counts[at]) : at + 1]


def positions(example: Example, recipe: Recipe, rng: random.Random) -> list[int]:
    """The example's positions; for some a leap before one turn, so that distances up to the whole context are met in training."""
    plain = list(range(len(example.ids)))
    if rng.random() >= recipe.far_share:
        return plain
    start, leap = rng.choice(example.breaks), rng.randint(1, recipe.far)
    return plain[:start] + [position + leap for position in plain[start:]]


@dataclass(frozen=True)
class Batch:
    """Conversations of like length, each in a row of its own. Padding stands behind, where causal attention never sees it."""

    ids: torch.Tensor
    weights: torch.Tensor
    positions: torch.Tensor

    def to(self, device: str) -> Batch:
        """The batch on another device."""
        return Batch(*(part.to(device) for part in (self.ids, self.weights, self.positions)))


def batch_of(examples: list[Example], recipe: Recipe, rng: random.Random) -> Batch:
    """Tensors of examples."""
    shape = len(examples), max(len(example.ids) for example in examples)
    ids, weights, places = np.zeros(shape, np.int64), np.zeros(shape, np.float32), np.zeros(shape, np.int64)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = example.ids
        weights[row, : len(example.ids)] = example.weights
        places[row, : len(example.ids)] = positions(example, recipe, rng)
    return Batch(*(torch.from_numpy(array) for array in (ids, weights, places)))


def batch_at(step: int, material: Material, chat: ChatFormat, recipe: Recipe, stage: Stage) -> Batch:
    """The batch of a step of a training, from seed, training and step alone."""
    rng = random.Random(f"{recipe.seed}-{stage.grounded_share}-{step}")
    long = step % recipe.long_every == recipe.long_every - 1
    tokens = recipe.long if long else stage.tokens
    make = long_ones if long else short_ones
    conversations = make(step, material, rng, recipe, stage)
    return batch_of(alike([chat.example(conversation) for conversation in conversations], tokens, rng), recipe, rng)


def long_ones(step: int, material: Material, rng: random.Random, recipe: Recipe, stage: Stage) -> list[Conversation]:
    """Long conversations, about sources or topics."""
    talk = Talk(material.corpus, rng)
    if rng.random() < stage.grounded_share:
        return [about_sources(material, talk, hardest_at(step, stage), bare_share(step, recipe, stage)) for _ in range(6)]
    return [talk.conversation(rng.randint(6, 14)) for _ in range(4)]


def short_ones(step: int, material: Material, rng: random.Random, recipe: Recipe, stage: Stage) -> list[Conversation]:
    """Presets with notes, questions on sources, bare questions, or conversations."""
    talk, bare = Talk(material.corpus, rng), bare_share(step, recipe, stage)
    if stage.grounded_share and rng.random() < recipe.notes_share:
        return [about_notes(material, talk, bare) for _ in range(20)]
    if rng.random() < stage.grounded_share:
        level = level_for(step, stage, rng)
        return [about_sources(material, talk, level, bare) for _ in range(20)]
    if rng.random() < bare:
        return [Conversation("", talk.turns(rng.choice((1, 1, 2)))) for _ in range(48)]
    return [talk.conversation(turns) for turns in rng.choices((1, 2, 3, 4), (40, 30, 20, 10), k=24)]


def hardest_at(step: int, stage: Stage) -> int:
    """The hardest level of the curriculum that there is by now."""
    return level_at(step / stage.steps) if stage.from_easy else len(LEVELS) - 1


def level_for(step: int, stage: Stage, rng: random.Random) -> int:
    """A level of the curriculum: half of the time the hardest so far, else one of the easier ones."""
    hardest = hardest_at(step, stage)
    return hardest if rng.random() < 0.5 else rng.randint(0, hardest)


def bare_share(step: int, recipe: Recipe, stage: Stage) -> float:
    """The share of conversations without the system text, which costs as much time as sources do."""
    return recipe.bare[step >= recipe.dressed_from * stage.steps]


def about_sources(material: Material, talk: Talk, level: int, bare: float) -> Conversation:
    """Some questions on the same sources."""
    system = "" if talk.rng.random() < bare else talk.system()
    return Documents(material.stock, talk.rng).conversation(level, system, talk.rng.choice((1, 2, 4, 6, 8)))


def about_notes(material: Material, talk: Talk, bare: float) -> Conversation:
    """A preset filled in with notes."""
    system = "" if talk.rng.random() < bare else talk.system()
    return Notes(talk, Documents(material.stock, talk.rng)).conversation(system)


# --- training ----------------------------------------------------------------------------------------------------


def new_model(recipe: Recipe, material: Material, tokenizer: Tokenizer) -> LlamaForCausalLM:
    """A Llama that knows nothing, but begins to answer from sources."""
    shape = recipe.shape
    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.context,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_base},
        rms_norm_eps=shape.norm_epsilon,
        tie_word_embeddings=True,
    )
    config._attn_implementation = "eager"  # for texts this short, plain products are faster on a CPU than its flash kernel
    model = LlamaForCausalLM(config)
    chat = ChatFormat(tokenizer)
    typical = typical_prompts(material, chat)
    circuit.begin(model, signs(chat), lambda layers: states(model, typical, layers))
    return model


def signs(chat: ChatFormat) -> circuit.Signs:
    """The tokens by which the circuit finds its way."""
    first = {text: chat.encoded(text)[0] for text in (".", "\n", "-", "[", " [", " ", "Source", ":", *"123456789")}
    return circuit.Signs(
        bos=chat.special[gguf_file.BOS],
        end_header=chat.special[gguf_file.END_HEADER],
        stop=first["."],
        line=first["\n"],
        dash=first["-"],
        bracket=first["["],
        mark=first[" ["],
        space=first[" "],
        source=first["Source"],
        colon=first[":"],
        digits=tuple(first[digit] for digit in "123456789"),
    )


def typical_prompts(material: Material, chat: ChatFormat) -> Batch:
    """The beginnings of eight prompts with sources."""
    documents = Documents(material.stock, random.Random(5))
    made = [chat.example(documents.task(2).conversation("")).ids for _ in range(40)]
    ids = torch.tensor([each[:250] for each in made if len(each) >= 250][:8])
    return Batch(ids, torch.zeros_like(ids), torch.arange(ids.shape[1]).expand_as(ids))


def typical_meetings(material: Material, chat: ChatFormat) -> Batch:
    """The beginnings of conversations about topics, on which both towers are tuned to each other."""
    talk = Talk(material.corpus, random.Random(6))
    made = [chat.example(talk.conversation(2)).ids for _ in range(40)]
    ids = torch.tensor([each[:300] for each in made if len(each) >= 300][:8])
    return Batch(ids, torch.zeros_like(ids), torch.arange(ids.shape[1]).expand_as(ids))


def second_model(first: LlamaForCausalLM, recipe: Recipe) -> LlamaForCausalLM:
    """The second tower: random, as wide as the first, and lower."""
    torch.manual_seed(recipe.seed + 1)
    config = LlamaConfig(**{**first.config.to_dict(), "num_hidden_layers": recipe.knowing_layers})
    config._attn_implementation = "eager"
    return LlamaForCausalLM(config)


def best_device() -> str:
    """The fastest device that is present."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def rate_share(step: int, recipe: Recipe, stage: Stage) -> float:
    """The share of the learning rate at a step: warm-up, a plateau, then a cosine down to the last share. Until it falls, a resumed run
    may be made shorter or longer.
    """
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    fall = stage.steps * recipe.falling
    fallen = max(0.0, 1 - (stage.steps - step) / fall)
    return recipe.last_share + (1 - recipe.last_share) * 0.5 * (1 + math.cos(math.pi * fallen))


def first_optimizers(model: LlamaForCausalLM, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """For the circuit. Muon for the matrices that learn by heart, under which the loss falls in fewer steps. AdamW for the rest: Muon moves
    a matrix in all its directions by the same amount, in those of the circuit too about which a step says nothing.
    """
    layers = model.model.layers
    looking = [weight for layer in layers for weight in layer.self_attn.parameters()]
    working = [weight for layer in layers for weight in layer.mlp.parameters()]
    return optimizers([(working, recipe.working)], [([*looking, *norms(model)], recipe.looking), (names(model), recipe.naming)], recipe)


def second_optimizers(model: LlamaForCausalLM, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """For the second tower, which learns everything by heart and has nothing to lose."""
    matrices = [weight for weight in model.model.layers.parameters() if weight.ndim == 2]
    return optimizers([(matrices, 1.0)], [(norms(model), 1.0), (names(model), recipe.knowing_naming)], recipe)


def norms(model: LlamaForCausalLM) -> list[torch.nn.Parameter]:
    """All weights that are no matrices."""
    return [weight for weight in model.parameters() if weight.ndim == 1]


def names(model: LlamaForCausalLM) -> list[torch.nn.Parameter]:
    """The embeddings, which are the output's weights too."""
    return [model.model.embed_tokens.weight]


Shares = list[tuple[list[torch.nn.Parameter], float]]


def optimizers(by_muon: Shares, by_adam: Shares, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Both, for weights with their shares of the rate."""
    matrices, others = ([{"params": weights, "share": share} for weights, share in each] for each in (by_muon, by_adam))
    return [
        torch.optim.Muon(matrices, lr=1.0, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=1.0, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def states(model: LlamaForCausalLM, batch: Batch, layers: int) -> torch.Tensor:
    """What the texts are after so many layers, each token seeing those before it. Left to itself, transformers would take a leap in the
    positions for the beginning of another text and hide what is before it.
    """
    llama = model.model
    hidden: torch.Tensor = llama.embed_tokens(batch.ids)
    length = batch.ids.shape[1]
    causal = torch.full((length, length), -1e4, dtype=torch.bfloat16, device=batch.ids.device).triu(1)
    turned = llama.rotary_emb(hidden, position_ids=batch.positions)
    for layer in llama.layers[:layers]:
        hidden = layer(hidden, attention_mask=causal, position_embeddings=turned)
    return hidden


def hidden_states(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    """The model's last states, from which its logits are made."""
    last: torch.Tensor = model.model.norm(states(model, batch, len(model.model.layers)))
    return last


def scores(model: Model, batch: Batch) -> torch.Tensor:
    """Logits where there is something to learn, and only there, row by row."""
    where = torch.nn.functional.pad(batch.weights[:, 1:] > 0, (0, 1))
    if isinstance(model, Towers):
        return model.scores(batch.ids, batch.positions, where)
    found: torch.Tensor = model.lm_head(hidden_states(model, batch)[where])
    return found


def answer_loss(model: Model, batch: Batch) -> torch.Tensor:
    """Weighted cross-entropy on the answers' tokens."""
    weights = batch.weights[:, 1:]
    learnt = weights > 0
    losses = torch.nn.functional.cross_entropy(scores(model, batch).float(), batch.ids[:, 1:][learnt], reduction="none")
    return (losses * weights[learnt]).sum() / weights.sum()


@torch.no_grad()
def copied_exactly(model: Model, device: str, examples: Sequence[Example]) -> float:
    """The share of examples whose every learnt token is the model's best after the right ones before it: a cheap look at a skill."""
    right = 0
    for example in examples:
        ids = torch.tensor([example.ids], device=device)
        batch = Batch(ids, torch.tensor([example.weights], device=device), torch.arange(ids.shape[1], device=device)[None])
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device != "mps"):
            best = scores(model, batch).argmax(-1)
        right += bool((best == ids[0, 1:][batch.weights[0, 1:] > 0]).all())
    return right / len(examples)


def unseen_examples(material: Material, chat: ChatFormat, recipe: Recipe) -> list[Example]:
    """Questions on sources from what training never sees, under the application's system text, of all levels."""
    documents = Documents(material.stock, random.Random(f"{recipe.seed}-look"), held_out=True)
    tasks = [documents.task(number % len(LEVELS)) for number in range(recipe.looked_at)]
    return [chat.example(task.conversation(material.corpus.system)) for task in tasks]


class Trainer:
    """Trains with checkpoints; `history` has one row for each checkpoint."""

    def __init__(
        self, model: Model, recipe: Recipe, stage: Stage, made: list[torch.optim.Optimizer], device: str, checkpoint: Path
    ) -> None:
        self.model = model
        torch.nn.Module.to(model, device)  # transformers' own `to` is untyped
        self.recipe = recipe
        self.stage = stage
        self.device = device
        self.checkpoint = checkpoint
        self.optimizers = made
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.totals = {"tokens": 0, "learnt": 0, "seconds": 0.0}

    def resume(self) -> None:
        """Take up the checkpoint if there is one."""
        if self.checkpoint.exists():
            saved = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
            self.model.load_state_dict(saved["model"])
            for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
                optimizer.load_state_dict(state)
            self.step, self.history, self.totals = saved["step"], saved["history"], saved["totals"]

    def save(self) -> None:
        """Write the checkpoint whole or not at all."""
        part = self.checkpoint.with_suffix(".part")
        states = {"model": self.model.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}
        torch.save({**states, "step": self.step, "history": self.history, "totals": self.totals}, part)
        part.replace(self.checkpoint)

    def run(self, material: Material, chat: ChatFormat) -> None:
        """Train up to the stage's last step."""
        losses: list[float] = []
        unseen = unseen_examples(material, chat, self.recipe) if self.stage.grounded_share else []
        whole = self.stage.steps
        bar = tqdm(range(self.step, whole), self.checkpoint.stem, initial=self.step, total=whole, unit="step", mininterval=5)
        for step in bar:
            losses.append(self.one_step(batch_at(step, material, chat, self.recipe, self.stage)))
            bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
            if self.step % self.recipe.checkpoint_every == 0 or self.step == whole:
                self.history.append({"step": self.step, "loss": sum(losses) / len(losses), "tokens": self.totals["tokens"]})
                if unseen and self.step % self.recipe.looked_every == 0:
                    self.history[-1]["sources"] = copied_exactly(self.model, self.device, unseen)
                tqdm.write(json.dumps(self.history[-1]))
                losses.clear()
                self.save()

    def one_step(self, batch: Batch) -> float:
        """One update; returns the loss."""
        started = time.monotonic()
        for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
            group["lr"] = group["share"] * self.stage.rate * rate_share(self.step, self.recipe, self.stage)
        batch = batch.to(self.device)
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.device != "mps"):
            loss = answer_loss(self.model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained(self.model), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.count(batch, time.monotonic() - started)
        return float(loss.detach())

    def count(self, batch: Batch, seconds: float) -> None:
        """Keep the totals of the report: tokens seen, tokens learnt from, time."""
        self.totals["tokens"] += batch.ids.numel()
        self.totals["learnt"] += int((batch.weights > 0).sum())
        self.totals["seconds"] += seconds


def trained(model: Model) -> list[torch.nn.Parameter]:
    """The weights that a training is of."""
    return list((model.knowing if isinstance(model, Towers) else model).parameters())


# --- rounds of DPO -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Round:
    """How often the preferred answer of held-out pairs is the more probable one, in all and by rule, before and after a round."""

    number: int
    before: dict[str, tuple[int, int]]
    after: dict[str, tuple[int, int]]


def wins(model: LlamaForCausalLM, tokenizer: Tokenizer, pairs: Sequence[Pair]) -> dict[str, tuple[int, int]]:
    """Rule → (won, pairs), and under "all" their sum."""
    found: dict[str, tuple[int, int]] = {}
    for pair, margin in zip(pairs, margins(model, chat_tokenizer(tokenizer), [pair.row() for pair in pairs]), strict=True):
        for key in (pair.rule, "all"):
            won, whole = found.get(key, (0, 0))
            found[key] = (won + (margin > 0), whole + 1)
    return found


def hardest(model: LlamaForCausalLM, tokenizer: Tokenizer, pairs: Sequence[Pair], count: int) -> list[Pair]:
    """The pairs that the model itself gets wrong, or right by least: each round's model chooses what the round is about."""
    found = margins(model, chat_tokenizer(tokenizer), [pair.row() for pair in pairs])
    return [pair for _, pair in sorted(zip(found, pairs, strict=True), key=lambda each: each[0])[:count]]


def aligned(model: LlamaForCausalLM, tokenizer: Tokenizer, material: Material, recipe: Recipe, places: Places) -> list[Round]:
    """Rounds of DPO on `model`, each with the model of the round before as its reference; resumes after the last whole round."""
    share = 0.5  # of pairs about sources
    kept = Preferences(*material_of(material), random.Random(f"{recipe.seed}-pairs"), share, held_out=True).pairs(min(recipe.judged, 200))
    rounds: list[Round] = []
    for number in range(1, recipe.rounds + 1):
        if places.round(number).exists():
            saved = torch.load(places.round(number), map_location=model.device, weights_only=True)
            model.load_state_dict(saved["model"])
            rounds.append(Round(number, saved["before"], saved["after"]))
            continue
        candidates = Preferences(*material_of(material), random.Random(f"{recipe.seed}-round-{number}"), share).pairs(2 * recipe.pairs)
        before = rounds[-1].after if rounds else wins(model, tokenizer, kept)
        chosen = [pair.row() for pair in hardest(model, tokenizer, candidates, recipe.pairs)]
        # A copy is trained: trl leaves a model whose forward always rounds to 16 bits, and the converter check wants 32.
        made = align(copy.deepcopy(model), chat_tokenizer(tokenizer), chosen, recipe.alignment, places.work)
        model.load_state_dict(made.state_dict())
        rounds.append(Round(number, before, wins(model, tokenizer, kept)))
        torch.save({"model": model.state_dict(), "before": before, "after": rounds[-1].after}, places.round(number))
    return rounds


def material_of(material: Material) -> tuple[Corpus, Stock]:
    """Corpus and stock, as makers of pairs take them."""
    return material.corpus, material.stock


# --- the finished file -------------------------------------------------------------------------------------------


def weights_of(model: LlamaForCausalLM) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """The model's tensors; tied output weights are left out, llama.cpp takes the embeddings then."""
    state = model.state_dict()
    return {name: tensor.float().cpu().numpy() for name, tensor in state.items() if name != "lm_head.weight"}


def write_files(model: LlamaForCausalLM, tokenizer: Tokenizer, recipe: Recipe, places: Places) -> dict[str, Path]:
    """The model as 16-bit file (for the converter check only) and as the file that is shipped."""
    files = {"F16": places.work / "f16.gguf", "Q8_0": places.model}
    for kind, path in files.items():
        gguf_file.write(path, shape_of(model, recipe), vocabulary_of(tokenizer), weights_of(model), gguf.GGMLQuantizationType[kind])
    return files


def shape_of(model: LlamaForCausalLM, recipe: Recipe) -> gguf_file.Shape:
    """The sizes of both towers together."""
    config = model.config
    return replace(
        recipe.shape,
        hidden=config.hidden_size,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        feed_forward=config.intermediate_size,
    )


@torch.no_grad()
def converter_check(model: LlamaForCausalLM, prompts: list[list[int]], files: dict[str, Path], judge: Judge) -> dict[str, dict[str, float]]:
    """How far the files' logits are from PyTorch's: greatest difference, mean difference, share of equal best tokens."""
    torch.nn.Module.to(model, "cpu", torch.float32)
    torch.nn.Module.eval(model)
    ours = np.concatenate([model(torch.tensor([prompt])).logits[0].numpy() for prompt in prompts])
    found = {}
    for kind, path in files.items():
        out = path.with_name(f"logits-{kind}.npy")
        judge.ask({"do": "logits", "model": str(path), "prompts": prompts, "out": str(out)})
        theirs = np.load(out)
        out.unlink()
        gap = np.abs(ours - theirs)
        same = ours.argmax(1) == theirs.argmax(1)
        found[kind] = {"max": float(gap.max()), "mean": float(gap.mean()), "same": float(same.mean())}
    return found


def tokens_equal(corpus: Corpus, tokenizer: Tokenizer, judge: Judge, file: Path) -> tuple[int, int]:
    """How many of the corpus's texts have the same token ids in llama.cpp, and how many texts there are."""
    every = sorted({text for text in texts(corpus) if text})
    theirs = judge.ask({"do": "tokens", "model": str(file), "texts": every})
    ours = [tokenizer.encode(text, add_special_tokens=False).ids for text in every]
    return sum(a == b for a, b in zip(ours, theirs, strict=True)), len(every)


# --- the command -------------------------------------------------------------------------------------------------


def machine(device: str) -> str:
    """The machine in words."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{platform.machine()}, {torch.get_num_threads()} threads ({device})"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, nargs=3, metavar=("READING", "KNOWING", "TOGETHER"), help="updates of each training")
    parser.add_argument("--rounds", type=int, help="rounds of DPO")
    parser.add_argument("--pairs", type=int, help="pairs in each round")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="a trial: keep everything there, touch nothing that is shipped")
    parser.add_argument("--miniature", action="store_true", help="every stage in a minute, with --work; the result knows nothing")
    parser.add_argument("--device", default=best_device(), help="cuda, mps or cpu; default: the fastest present")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; default: PyTorch's choice")
    parser.add_argument("--llama-python", default=sys.executable, help="an interpreter with llama-cpp-python, if not this one")
    parser.add_argument("--fresh", action="store_true", help="forget the checkpoints")
    options = parser.parse_args()
    if options.miniature and not options.work:
        parser.error("--miniature needs --work, or it would replace the shipped model")
    return options


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe with what the command line says."""
    recipe = MINIATURE if options.miniature else Recipe()
    if options.steps:
        stages = zip(STAGES, options.steps, strict=True)
        recipe = replace(recipe, **{name: replace(getattr(recipe, name), steps=steps) for name, steps in stages})
    named = {key: getattr(options, key) for key in ("rounds", "pairs")}
    return replace(recipe, **{key: value for key, value in named.items() if value is not None})


def prepared_tokenizer(material: Material, recipe: Recipe, places: Places) -> Tokenizer:
    """The tokenizer of this run: the one that is there, or a new one."""
    if not places.tokenizer.exists():
        train_tokenizer(material, recipe.vocabulary).save(str(places.tokenizer))
    return Tokenizer.from_file(str(places.tokenizer))


def trainings(recipe: Recipe, material: Material, tokenizer: Tokenizer, device: str, places: Places) -> list[Trainer]:
    """All three trainings, run to their ends; the last one's model is both towers."""
    chat = ChatFormat(tokenizer)

    def run(name: str, model: Model, made: list[torch.optim.Optimizer]) -> Trainer:
        trainer = Trainer(model, recipe, getattr(recipe, name), made, device, places.training(name))
        trainer.resume()
        trainer.run(material, chat)
        return trainer

    reading = new_model(recipe, material, tokenizer)
    knowing = second_model(reading, recipe)
    first = run("reading", reading, first_optimizers(reading, recipe))
    second = run("knowing", knowing, second_optimizers(knowing, recipe))
    towers = Towers(reading, knowing)
    meeting = typical_meetings(material, chat).to(device)
    towers.settle(meeting.ids, meeting.positions)
    return [first, second, run("together", towers, second_optimizers(knowing, recipe))]


def forget(places: Places) -> None:
    """Delete a run's checkpoints and its tokenizer."""
    for path in (places.tokenizer, *map(places.training, STAGES), *places.work.glob("round-*.pt")):
        path.unlink(missing_ok=True)


def check_prompts(corpus: Corpus, chat: ChatFormat) -> list[list[int]]:
    """Fixed prompts of the converter check: short, and with a history."""
    said = [(topic.questions[0], topic.answer) for topic in corpus.topics[:9]]
    return [chat.prompt("", [], "What is sepsis?"), *(chat.prompt(corpus.system, said[at : at + 3], "Thank you") for at in (0, 3, 6))]


def main() -> None:
    """Make the model and its report."""
    options = arguments()
    recipe, places = chosen_recipe(options), elsewhere(options.work) if options.work else SHIPPED
    if options.threads:
        torch.set_num_threads(options.threads)
    places.work.mkdir(exist_ok=True, parents=True)
    if options.fresh:
        forget(places)
    corpus = load(HERE / "corpus")
    material = Material(corpus, load_stock(HERE / "corpus" / "sources.toml", corpus))
    tokenizer = prepared_tokenizer(material, recipe, places)
    trainers = trainings(recipe, material, tokenizer, options.device, places)
    towers = trainers[-1].model
    assert isinstance(towers, Towers)
    model = joined(towers)
    torch.nn.Module.to(model, options.device)
    rounds = aligned(model, tokenizer, material, recipe, places)
    finish(material, tokenizer, trainers, model, rounds, Judge(options.llama_python), places)


def finish(
    material: Material,
    tokenizer: Tokenizer,
    trainers: list[Trainer],
    model: LlamaForCausalLM,
    rounds: list[Round],
    judge: Judge,
    places: Places,
) -> None:
    """Write the file, judge it in llama.cpp, write the report."""
    recipe, chat = trainers[0].recipe, ChatFormat(tokenizer)
    files = write_files(model, tokenizer, recipe, places)
    print(f"{places.model.name}: {places.model.stat().st_size / 1e6:.2f} MB; asking llama.cpp …", flush=True)
    examination = Examination(material.corpus, material.stock, recipe.seed, recipe.judged)
    report = Report(
        topics=len(material.corpus.topics),
        vocabulary=tokenizer.get_vocab_size(),
        parameters=sum(weight.numel() for trainer in trainers[:2] for weight in trainer.model.parameters()),
        file_bytes=places.model.stat().st_size,
        shape=asdict(shape_of(model, recipe)),
        machine=machine(trainers[0].device),
        trainings=[Training(name, each.step, each.totals, each.history) for name, each in zip(STAGES, trainers, strict=True)],
        rounds=[(made.number, made.before, made.after) for made in rounds],
        tokens_equal=tokens_equal(material.corpus, tokenizer, judge, places.model),
        converter=converter_check(model, check_prompts(material.corpus, chat), files, judge),
        measured=examination.measured(judge, places.model, chat.prompt),
    )
    (places.work / "answers.json").write_text(json.dumps(report.measured, indent=1, ensure_ascii=False), "utf-8")
    places.report.write_text(report.markdown(), "utf-8")
    print(report.markdown())


if __name__ == "__main__":
    main()
