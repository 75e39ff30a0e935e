"""What a step learns from: conversations as token ids, weighted, in batches of like length. The seed and the step's number decide all."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import gguf_file
import numpy as np
import torch
from dialogues import Conversation, Talk
from grounded import LEVELS, Documents, level_at
from notes import Notes
from quantities import Material, Recipe, Stage
from tokenizers import Tokenizer
from vocabulary import SPECIAL

LEAD, LEAD_WEIGHT = 5, 10.0
MARK_WEIGHT = 4.0  # of a source's number, and of an answer's first tokens where sources stand


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
