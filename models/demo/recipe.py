"""Makes the demonstration model: corpus → tokenizer → tuning of two towers → rounds of DPO → GGUF → report. One command, resumable:

    python models/demo/recipe.py

Run again after an interruption and it goes on at the last checkpoint; `--fresh` begins anew. Every step's examples come
from the seed and the step's number alone, so a resumed run sees what an uninterrupted one would have seen. The trainings' loop is our own
(tuning.py), DPO is trl's (align.py).
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import gguf
import gguf_file
import numpy as np
import torch
from align import align, chat_tokenizer, margins
from batches import ChatFormat
from dialogues import Corpus, load, texts
from evaluation import Examination, Judge
from grounded import Stock, load_stock
from preferences import Pair, Preferences
from quantities import HERE, MINIATURE, SHIPPED, STAGES, Material, Places, Recipe, elsewhere
from report import Report, Training
from tokenizers import Tokenizer
from towers import Towers, joined
from transformers import LlamaForCausalLM
from tuning import Trainer, best_device, trainers
from vocabulary import train_tokenizer, vocabulary_of

ROOM_FOR_TWO = 20 * 10**9  # bytes of memory that two trainings take, each of which gives back nothing
# glibc gives large tensors back with every step and asks for them anew, zeroed, which was two fifths of a step on a CPU. In DPO and the
# examination, whose sizes change more, memory ran out with it: only trainings keep theirs.
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 35), "MALLOC_ARENA_MAX": "1"}


# --- rounds of DPO ---


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


# --- the finished file ---


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


# --- the command ---


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
    parser.add_argument("--only", choices=STAGES, help="one of the trainings, and nothing after it")
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


def tune(options: argparse.Namespace) -> None:
    """Runs the trainings to their ends, each in a process of its own. The two towers learn side by side where there is room for both."""
    cores = options.threads or os.cpu_count() or 1
    beside = cores > 1 and memory() >= ROOM_FOR_TWO
    towers, together = list(STAGES[:2]), list(STAGES[2:])
    for names in ([towers] if beside else [[name] for name in towers]) + [together]:
        started = [trained_apart(name, cores // len(names)) for name in names]
        if any(code != 0 for code in [one.wait() for one in started]):
            raise SystemExit("A training has ended before its last step; run the command again, and it goes on.")


def trained_apart(name: str, threads: int) -> subprocess.Popen[bytes]:
    """A process that runs one training from its checkpoint on."""
    given = [argument for argument in sys.argv[1:] if argument != "--fresh"]
    return subprocess.Popen(
        [sys.executable, __file__, *given, "--only", name, "--threads", str(threads)], env={**os.environ, **KEPT_MEMORY}
    )


def memory() -> int:
    """Bytes of memory in this computer; 0 where it does not say."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0


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
    if options.only:
        wanted = places.training(options.only)
        made = next(one for one in trainers(recipe, material, tokenizer, options.device, places) if one.checkpoint == wanted)
        return made.run(material, ChatFormat(tokenizer))
    tune(options)
    tuned = list(trainers(recipe, material, tokenizer, options.device, places))
    towers = tuned[-1].model
    assert isinstance(towers, Towers)
    model = joined(towers)
    torch.nn.Module.to(model, options.device)
    rounds = aligned(model, tokenizer, material, recipe, places)
    finish(material, tokenizer, tuned, model, rounds, Judge(options.llama_python), places)


def finish(
    material: Material,
    tokenizer: Tokenizer,
    tuned: list[Trainer],
    model: LlamaForCausalLM,
    rounds: list[Round],
    judge: Judge,
    places: Places,
) -> None:
    """Write the file, judge it in llama.cpp, write the report."""
    recipe, chat = tuned[0].recipe, ChatFormat(tokenizer)
    files = write_files(model, tokenizer, recipe, places)
    print(f"{places.model.name}: {places.model.stat().st_size / 1e6:.2f} MB; asking llama.cpp …", flush=True)
    examination = Examination(material.corpus, material.stock, recipe.seed, recipe.judged)
    report = Report(
        topics=len(material.corpus.topics),
        vocabulary=tokenizer.get_vocab_size(),
        parameters=sum(weight.numel() for trainer in tuned[:2] for weight in trainer.model.parameters()),
        file_bytes=places.model.stat().st_size,
        shape=asdict(shape_of(model, recipe)),
        machine=machine(tuned[0].device),
        trainings=[Training(name, each.step, each.totals, each.history) for name, each in zip(STAGES, tuned, strict=True)],
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
