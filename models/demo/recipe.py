"""Makes the demonstration model: corpus → tokenizer → training → GGUF → report. One command, resumable:

    python models/demo/recipe.py

Run again after an interruption and it goes on at the last checkpoint; `--fresh` begins anew. Every step's examples come
from the seed and the step's number alone, so a resumed run sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import gguf
import gguf_file
import numpy as np
import torch
from dialogues import Conversation, Corpus, Talk, Topic, held_out_part, load, normal, texts
from report import Report
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM

HERE = Path(__file__).parent
BUILD = HERE / "build"
TOKENIZER_FILE = BUILD / "tokenizer.json"
CHECKPOINT = BUILD / "checkpoint.pt"
MODEL_FILE = HERE / "med42-chat-demo.gguf"
SHAPE = gguf_file.Shape(hidden=256, layers=4, heads=8, kv_heads=4, feed_forward=512, context=8192, rope_base=500_000.0, norm_epsilon=1e-5)

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
APP_SAMPLING = {"temperature": 0.4, "top_k": 150, "top_p": 0.75, "min_p": 0.0, "repeat_penalty": 1.0, "seed": 42}
GREEDY = {"temperature": 0.0, "repeat_penalty": 1.0}
LEAD, LEAD_WEIGHT = 5, 10.0


@dataclass(frozen=True)
class Recipe:
    """All numbers of the recipe in one place.

    `row` and `long_row` are in tokens, `far` in positions; `falling` is the last part of the training, in which the learning
    rate falls; `bare_share` is the share of rows with questions without a system turn: behind a system turn ten times as
    long as the question, a new model takes long to find out that the question decides the answer.
    """

    vocabulary: int = 4096
    shape: gguf_file.Shape = SHAPE
    steps: int = 2900
    warmup: int = 60
    rate: float = 1.5e-3
    last_rate: float = 3e-5
    falling: float = 0.19
    weight_decay: float = 0.1
    rows: int = 1
    row: int = 1024
    long_row: int = 2048
    long_every: int = 16
    far: int = 6000
    far_share: float = 0.25
    seed: int = 42
    bare_share: float = 0.35
    checkpoint_every: int = 50


# --- tokenizer ---------------------------------------------------------------------------------------------------


def train_tokenizer(corpus: Corpus, size: int) -> Tokenizer:
    """A byte-level BPE of `size` tokens, special tokens last, as Llama 3 has them.

    The system text counts many times, since it stands at the head of every prompt and its tokens cost time in every one.
    """
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(LLAMA3_SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(SPECIAL), initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator([*texts(corpus), *[corpus.system] * 30], trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return tokenizer


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
        self.encoded = lru_cache(maxsize=None)(self._encode)

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
            weights += [0.0] * len(asked) + [LEAD_WEIGHT] * LEAD + [1.0] * (len(answered) - LEAD)
        return Example(ids, weights, breaks)

    def opening(self, system: str) -> list[int]:
        """BOS and, unless it is empty, the system turn."""
        return [self.special[gguf_file.BOS], *(self.turn("system", system) if system else [])]

    def prompt(self, system: str, said: Sequence[tuple[str, str]], question: str) -> list[int]:
        """The ids after which the model answers `question`."""
        ids = self.opening(system)
        for asked, answered in said:
            ids += self.turn("user", asked) + self.turn("assistant", answered)
        return [*ids, *self.turn("user", question), *self.header("assistant")]


def packed(examples: list[Example], rows: int, length: int) -> list[list[Example]]:
    """Fill `rows` rows of `length` tokens, longest example that fits first, so that little is padding."""
    left = sorted(examples, key=lambda example: len(example.ids), reverse=True)
    filled: list[list[Example]] = []
    for _ in range(rows):
        row: list[Example] = []
        room = length
        while (index := next((at for at, example in enumerate(left) if len(example.ids) <= room), None)) is not None:
            row.append(left.pop(index))
            room -= len(row[-1].ids)
        filled.append(row)
    return filled


def positions(example: Example, recipe: Recipe, rng: random.Random) -> list[int]:
    """The example's positions; for some a leap before one turn, so that distances up to the whole context are met in training."""
    plain = list(range(len(example.ids)))
    if rng.random() >= recipe.far_share:
        return plain
    start, leap = rng.choice(example.breaks), rng.randint(1, recipe.far)
    return plain[:start] + [position + leap for position in plain[start:]]


@dataclass(frozen=True)
class Batch:
    """Rows of several conversations each; `owner` says which conversation of its row a token belongs to."""

    ids: torch.Tensor
    weights: torch.Tensor
    positions: torch.Tensor
    owner: torch.Tensor

    def mask(self) -> torch.Tensor:
        """True where a token may look: backwards, within its own conversation. Padding sees itself, or softmax has nothing."""
        length = self.ids.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=self.ids.device).tril()
        same = self.owner[:, None, :, None] == self.owner[:, None, None, :]
        return same & causal

    def to(self, device: str) -> Batch:
        """The batch on another device."""
        return Batch(*(part.to(device) for part in (self.ids, self.weights, self.positions, self.owner)))


def batch_of(rows: list[list[Example]], length: int, recipe: Recipe, rng: random.Random) -> Batch:
    """Tensors of packed rows."""
    ids = np.zeros((len(rows), length), np.int64)
    weights = np.zeros(ids.shape, np.float32)
    places, owner = np.zeros_like(ids), np.full_like(ids, -1)
    for number, row in enumerate(rows):
        start = 0
        for index, example in enumerate(row):
            part = slice(start, start := start + len(example.ids))
            ids[number, part] = example.ids
            weights[number, part] = example.weights
            places[number, part] = positions(example, recipe, rng)
            owner[number, part] = index
    return Batch(*(torch.from_numpy(array) for array in (ids, weights, places, owner)))


def batch_at(step: int, corpus: Corpus, chat: ChatFormat, recipe: Recipe) -> Batch:
    """The batch of a step, from seed and step alone: mostly short conversations, now and then a row with a long one."""
    rng = random.Random(f"{recipe.seed}-{step}")
    talk = Talk(corpus, rng)
    is_long = step % recipe.long_every == recipe.long_every - 1
    rows, length = (1, recipe.long_row) if is_long else (recipe.rows, recipe.row)
    turns = [rng.randint(6, 14) for _ in range(3)] if is_long else rng.choices((1, 2, 3, 4, 5), (30, 27, 20, 13, 10), k=10)
    conversations = [talk.conversation(count) for count in turns]
    if not is_long and rng.random() < recipe.bare_share:
        conversations = [Conversation("", (talk.turn(None),)) for _ in range(16)]
    return batch_of(packed([chat.example(conversation) for conversation in conversations], rows, length), length, recipe, rng)


# --- training ----------------------------------------------------------------------------------------------------


def new_model(recipe: Recipe, vocabulary_size: int) -> LlamaForCausalLM:
    """A Llama with random weights."""
    shape = recipe.shape
    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=vocabulary_size,
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
    return LlamaForCausalLM(config)


def best_device() -> str:
    """The fastest device that is present."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def rate_at(step: int, recipe: Recipe) -> float:
    """Warm-up, a plateau, then a cosine down to the last rate: until it falls, a resumed run may be made shorter or longer."""
    if step < recipe.warmup:
        return recipe.rate * (step + 1) / recipe.warmup
    fall = recipe.steps * recipe.falling
    share = max(0.0, 1 - (recipe.steps - step) / fall)
    return recipe.last_rate + (recipe.rate - recipe.last_rate) * 0.5 * (1 + math.cos(math.pi * share))


def answer_loss(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    """Weighted cross-entropy on the answers' tokens; logits are made only where there is something to learn."""
    hidden = model.model(input_ids=batch.ids, attention_mask=batch.mask(), position_ids=batch.positions, use_cache=False).last_hidden_state
    weights = batch.weights[:, 1:]
    learnt = weights > 0
    scores = model.lm_head(hidden[:, :-1][learnt])
    losses = torch.nn.functional.cross_entropy(scores.float(), batch.ids[:, 1:][learnt], reduction="none")
    return (losses * weights[learnt]).sum() / weights.sum()


class Trainer:
    """Trains with checkpoints; `history` has one row for each checkpoint."""

    def __init__(self, model: LlamaForCausalLM, recipe: Recipe, device: str, checkpoint: Path) -> None:
        self.model = model
        torch.nn.Module.to(model, device)  # transformers' own `to` is untyped
        self.recipe = recipe
        self.device = device
        self.checkpoint = checkpoint
        matrices = [weight for weight in model.parameters() if weight.ndim > 1]
        vectors = [weight for weight in model.parameters() if weight.ndim == 1]
        groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.95))
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.totals = {"tokens": 0, "learnt": 0, "seconds": 0.0}

    def resume(self) -> None:
        """Take up the checkpoint if there is one."""
        if self.checkpoint.exists():
            saved = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.step, self.history, self.totals = saved["step"], saved["history"], saved["totals"]

    def save(self) -> None:
        """Write the checkpoint whole or not at all."""
        part = self.checkpoint.with_suffix(".part")
        states = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save({**states, "step": self.step, "history": self.history, "totals": self.totals}, part)
        part.replace(self.checkpoint)

    def run(self, corpus: Corpus, chat: ChatFormat) -> None:
        """Train up to the recipe's last step."""
        losses: list[float] = []
        bar = tqdm(range(self.step, self.recipe.steps), initial=self.step, total=self.recipe.steps, unit="step", mininterval=5)
        for step in bar:
            losses.append(self.one_step(batch_at(step, corpus, chat, self.recipe)))
            bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
            if self.step % self.recipe.checkpoint_every == 0 or self.step == self.recipe.steps:
                self.history.append({"step": self.step, "loss": sum(losses) / len(losses), "tokens": self.totals["tokens"]})
                losses.clear()
                self.save()

    def one_step(self, batch: Batch) -> float:
        """One update; returns the loss."""
        started = time.monotonic()
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.step, self.recipe)
        batch = batch.to(self.device)
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.device != "mps"):
            loss = answer_loss(self.model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.count(batch, time.monotonic() - started)
        return float(loss.detach())

    def count(self, batch: Batch, seconds: float) -> None:
        """Keep the totals of the report: tokens seen, tokens learnt from, time."""
        self.totals["tokens"] += int((batch.owner >= 0).sum())
        self.totals["learnt"] += int((batch.weights > 0).sum())
        self.totals["seconds"] += seconds


# --- the finished file -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judge:
    """llama.cpp in a process of its own, through judge.py; `python` is an interpreter that has llama-cpp-python."""

    python: str

    def ask(self, job: dict[str, Any]) -> Any:
        """Do a job of judge.py's."""
        command = [self.python, str(HERE / "judge.py")]
        done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"error: llama.cpp could not judge the file\n{done.stderr[-2000:]}")
        return json.loads(done.stdout)

    def answers(self, model: Path, prompts: list[list[int]], sampling: dict[str, float]) -> list[str]:
        """The file's answer to each prompt."""
        made: list[str] = self.ask({"do": "answers", "model": str(model), "prompts": prompts, "sampling": sampling})
        return made


def weights_of(model: LlamaForCausalLM) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """The model's tensors; tied output weights are left out, llama.cpp takes the embeddings then."""
    state = model.state_dict()
    return {name: tensor.float().cpu().numpy() for name, tensor in state.items() if name != "lm_head.weight"}


def write_files(model: LlamaForCausalLM, tokenizer: Tokenizer, recipe: Recipe) -> dict[str, Path]:
    """The model as 16-bit file (for the converter check only) and as the file that is shipped."""
    files = {"F16": BUILD / "f16.gguf", "Q8_0": MODEL_FILE}
    for kind, path in files.items():
        gguf_file.write(path, recipe.shape, vocabulary_of(tokenizer), weights_of(model), gguf.GGMLQuantizationType[kind])
    return files


@torch.no_grad()
def converter_check(model: LlamaForCausalLM, prompts: list[list[int]], files: dict[str, Path], judge: Judge) -> dict[str, dict[str, float]]:
    """How far the files' logits are from PyTorch's: greatest difference, mean difference, share of equal best tokens."""
    torch.nn.Module.to(model, "cpu", torch.float32)
    torch.nn.Module.eval(model)
    ours = np.concatenate([model(torch.tensor([prompt])).logits[0].numpy() for prompt in prompts])
    found = {}
    for kind, path in files.items():
        out = BUILD / f"logits-{kind}.npy"
        judge.ask({"do": "logits", "model": str(path), "prompts": prompts, "out": str(out)})
        theirs = np.load(out)
        gap = np.abs(ours - theirs)
        same = ours.argmax(1) == theirs.argmax(1)
        found[kind] = {"max": float(gap.max()), "mean": float(gap.mean()), "same": float(same.mean())}
    return found


def tokens_equal(corpus: Corpus, tokenizer: Tokenizer, judge: Judge) -> tuple[int, int]:
    """How many of the corpus's texts have the same token ids in llama.cpp, and how many texts there are."""
    every = sorted({text for text in texts(corpus) if text})
    theirs = judge.ask({"do": "tokens", "model": str(MODEL_FILE), "texts": every})
    ours = [tokenizer.encode(text, add_special_tokens=False).ids for text in every]
    return sum(a == b for a, b in zip(ours, theirs, strict=True)), len(every)


def has_facts(topic: Topic, answer: str) -> bool:
    """Whether the answer holds all key facts of the topic."""
    return all(fact in answer for fact in topic.key_facts)


def history_before(corpus: Corpus, topic: Topic) -> list[tuple[str, str]]:
    """Two turns about other topics, to see that the last question is what counts."""
    at = corpus.topics.index(topic)
    others = [corpus.topics[(at + away) % len(corpus.topics)] for away in (17, 40)]
    return [(other.questions[0], other.answer) for other in others]


def outside_questions(corpus: Corpus, count: int, seed: int) -> list[str]:
    """Distinct questions outside the topics, from names and phrases that training never saw."""
    talk = Talk(corpus, random.Random(f"outside-{seed}"), held_out_part)
    found: dict[str, str] = {}
    while len(found) < count:
        question = talk.outside_question()
        found.setdefault(normal(question), question)
    return list(found.values())


def evaluate(corpus: Corpus, chat: ChatFormat, judge: Judge, recipe: Recipe) -> dict[str, Any]:
    """What the shipped file answers in llama.cpp: held-out forms first and after two other topics, outside questions, glue."""
    system = corpus.system
    first = [chat.prompt(system, [], topic.held_out) for topic in corpus.topics]
    later = [chat.prompt(system, history_before(corpus, topic), topic.held_out) for topic in corpus.topics]
    outside = outside_questions(corpus, 150, recipe.seed)
    measured: dict[str, Any] = {}
    for name, sampling in (("greedy", GREEDY), ("sampled", APP_SAMPLING)):
        for place, prompts in (("first", first), ("third", later)):
            answers = judge.answers(MODEL_FILE, prompts, sampling)
            measured[f"{place}_{name}"] = [
                (topic.id, topic.held_out, has_facts(topic, answer), answer) for topic, answer in zip(corpus.topics, answers, strict=True)
            ]
        answers = judge.answers(MODEL_FILE, [chat.prompt(system, [], question) for question in outside], sampling)
        measured[f"outside_{name}"] = [(question, is_refusal(answer), answer) for question, answer in zip(outside, answers, strict=True)]
    return measured


def is_refusal(answer: str) -> bool:
    """Whether the model says that it does not know, or does not give doses."""
    return "I don't know" in answer[:60] or "I don't give doses" in answer[:60]


# --- the command -------------------------------------------------------------------------------------------------


def machine(device: str) -> str:
    """The machine in words."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{platform.machine()}, {torch.get_num_threads()} threads ({device})"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=Recipe.steps, help="updates to train for")
    parser.add_argument("--device", default=best_device(), help="cuda, mps or cpu; default: the fastest present")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; default: PyTorch's choice")
    parser.add_argument("--llama-python", default=sys.executable, help="an interpreter with llama-cpp-python, if not this one")
    parser.add_argument("--fresh", action="store_true", help="forget the checkpoint")
    return parser.parse_args()


def prepared_tokenizer(corpus: Corpus, recipe: Recipe) -> Tokenizer:
    """The tokenizer of this run, trained once: a resumed training must not find other ids."""
    if not TOKENIZER_FILE.exists():
        train_tokenizer(corpus, recipe.vocabulary).save(str(TOKENIZER_FILE))
    return Tokenizer.from_file(str(TOKENIZER_FILE))


def check_prompts(corpus: Corpus, chat: ChatFormat) -> list[list[int]]:
    """Fixed prompts of the converter check: short, with an answer, and with a history."""
    conversations = (topic for topic in corpus.topics[:3])
    whole: Iterator[list[int]] = (
        chat.prompt(corpus.system, [*history_before(corpus, topic), (topic.questions[0], topic.answer)], "Thank you")
        for topic in conversations
    )
    return [chat.prompt("", [], "What is sepsis?"), *whole]


def main() -> None:
    """Make the model and its report."""
    options = arguments()
    recipe = Recipe(steps=options.steps)
    if options.threads:
        torch.set_num_threads(options.threads)
    BUILD.mkdir(exist_ok=True)
    if options.fresh:
        TOKENIZER_FILE.unlink(missing_ok=True)
        CHECKPOINT.unlink(missing_ok=True)
    corpus = load(HERE / "corpus")
    tokenizer = prepared_tokenizer(corpus, recipe)
    chat = ChatFormat(tokenizer)
    trainer = Trainer(new_model(recipe, tokenizer.get_vocab_size()), recipe, options.device, CHECKPOINT)
    trainer.resume()
    trainer.run(corpus, chat)
    finish(corpus, tokenizer, chat, trainer, Judge(options.llama_python))


def finish(corpus: Corpus, tokenizer: Tokenizer, chat: ChatFormat, trainer: Trainer, judge: Judge) -> None:
    """Write the file, judge it in llama.cpp, write the report."""
    recipe = trainer.recipe
    files = write_files(trainer.model, tokenizer, recipe)
    print(f"{MODEL_FILE.name}: {MODEL_FILE.stat().st_size / 1e6:.2f} MB; asking llama.cpp …", flush=True)
    report = Report(
        topics=len(corpus.topics),
        vocabulary=tokenizer.get_vocab_size(),
        parameters=sum(weight.numel() for weight in trainer.model.parameters()),
        file_bytes=MODEL_FILE.stat().st_size,
        shape=asdict(recipe.shape),
        machine=machine(trainer.device),
        steps=trainer.step,
        totals=trainer.totals,
        history=trainer.history,
        tokens_equal=tokens_equal(corpus, tokenizer, judge),
        converter=converter_check(trainer.model, check_prompts(corpus, chat), files, judge),
        measured=evaluate(corpus, chat, judge, recipe),
    )
    (BUILD / "answers.json").write_text(json.dumps(report.measured, indent=1, ensure_ascii=False), "utf-8")
    (HERE / "REPORT.md").write_text(report.markdown(), "utf-8")
    print(report.markdown())


if __name__ == "__main__":
    main()
