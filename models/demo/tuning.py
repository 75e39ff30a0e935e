"""The two towers and their trainings, with checkpoints.

The loop is our own and not trl's: tokens count differently, some positions leap, so that the whole context works, and matrices are
trained by Muon.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import circuit
import gguf_file
import torch
from batches import Batch, ChatFormat, Example, batch_at
from dialogues import Talk
from grounded import LEVELS, Documents
from quantities import STAGES, Material, Places, Recipe, Stage
from tokenizers import Tokenizer
from towers import Towers
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM

Model = LlamaForCausalLM | Towers


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
        bar = tqdm(
            range(self.step, whole),
            self.checkpoint.stem,
            initial=self.step,
            total=whole,
            unit="step",
            mininterval=5,
            position=STAGES.index(self.checkpoint.stem),
        )
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


def trainers(recipe: Recipe, material: Material, tokenizer: Tokenizer, device: str, places: Places) -> Iterator[Trainer]:
    """The three trainings in their order, each at its checkpoint; the last one's model is both towers, as the first two left them."""

    def at_checkpoint(name: str, model: Model, made: list[torch.optim.Optimizer]) -> Trainer:
        trainer = Trainer(model, recipe, getattr(recipe, name), made, device, places.training(name))
        trainer.resume()
        return trainer

    reading = new_model(recipe, material, tokenizer)
    knowing = second_model(reading, recipe)
    yield at_checkpoint("reading", reading, first_optimizers(reading, recipe))
    yield at_checkpoint("knowing", knowing, second_optimizers(knowing, recipe))
    towers = Towers(reading, knowing)
    meeting = typical_meetings(material, ChatFormat(tokenizer)).to(device)
    towers.settle(meeting.ids, meeting.positions)
    yield at_checkpoint("together", towers, second_optimizers(knowing, recipe))
