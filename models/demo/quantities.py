"""All numbers of the recipe in one place, what it is made from, and where a run keeps its files."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import circuit
import gguf_file
from align import Alignment
from dialogues import Corpus
from grounded import Stock

HERE = Path(__file__).parent
SHAPE = gguf_file.Shape(
    hidden=256, layers=circuit.LAYERS, heads=8, kv_heads=4, feed_forward=512, context=8192, rope_base=500_000.0, norm_epsilon=1e-5
)


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
    knowing: Stage = Stage(steps=7000, tokens=1024, rate=2e-3, grounded_share=0.0)
    together: Stage = Stage(steps=6000, tokens=1024, rate=1e-3, grounded_share=0.3)
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
