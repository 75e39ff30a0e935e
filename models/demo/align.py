"""Preference alignment by trl's DPO, for the demonstration model and for a real base:

    python models/demo/align.py --base FOLDER --preferences FILE.jsonl --out FOLDER

FOLDER is a Llama-3 model in Hugging Face's form, FILE has one JSON object a line with `prompt`, `chosen` and `rejected`, each a list
of {"role", "content"}. A real base is aligned through LoRA and saved whole, ready for llama.cpp's converter.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf_file
import torch
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

Row = dict[str, list[dict[str, str]]]


@dataclass(frozen=True)
class Alignment:
    """The numbers of one round of DPO. `batch` is in pairs, `longest` in tokens; `lora` is the rank, 0 for all weights."""

    beta: float = 0.1
    rate: float = 5e-6
    batch: int = 8
    epochs: int = 1
    longest: int = 1024
    lora: int = 0
    seed: int = 42


def chat_tokenizer(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The demonstration model's tokenizer as transformers and trl want it, with Llama 3's chat template."""
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=gguf_file.BOS, eos_token=gguf_file.EOT, pad_token=gguf_file.END_OF_TEXT
    )
    made.chat_template = gguf_file.CHAT_TEMPLATE
    return made


def align(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], settings: Alignment, work: Path
) -> PreTrainedModel:
    """One round of DPO, with the model itself as reference; returns the aligned model, LoRA merged into it."""
    lora = LoraConfig(r=settings.lora, lora_alpha=2 * settings.lora, target_modules="all-linear", task_type="CAUSAL_LM")
    cpu = model.device.type == "cpu"
    config = DPOConfig(
        output_dir=str(work),
        beta=settings.beta,
        learning_rate=settings.rate,
        per_device_train_batch_size=settings.batch,
        num_train_epochs=settings.epochs,
        max_length=settings.longest,
        lr_scheduler_type="cosine",
        warmup_steps=0.1,
        seed=settings.seed,
        use_cpu=cpu,
        bf16=True,
        gradient_checkpointing=not cpu,
        save_strategy="no",
        logging_steps=10,
        report_to="none",
    )
    trainer = DPOTrainer(
        model=model,
        # Left to itself, trl loads the reference from the model's name, and a model that was just trained has none.
        ref_model=None if settings.lora else copy.deepcopy(model),
        args=config,
        train_dataset=Dataset.from_list(list(rows)),
        processing_class=tokenizer,
        peft_config=lora if settings.lora else None,
    )
    trainer.train()
    aligned: PreTrainedModel = trainer.model.merge_and_unload() if settings.lora else trainer.model
    return aligned


@torch.no_grad()
def margins(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], batch: int = 8) -> list[float]:
    """How much more probable each chosen answer is than the rejected one, as a difference of log-probabilities of whole answers."""
    torch.nn.Module.eval(model)
    whole = [scored(tokenizer, row, answer) for row in rows for answer in ("chosen", "rejected")]
    order = sorted(range(len(whole)), key=lambda index: len(whole[index][0]))
    sums = [0.0] * len(whole)
    for start in range(0, len(order), 2 * batch):
        part = order[start : start + 2 * batch]
        for index, value in zip(part, log_probabilities(model, [whole[index] for index in part]), strict=True):
            sums[index] = value
    return [sums[2 * index] - sums[2 * index + 1] for index in range(len(rows))]


def scored(tokenizer: PreTrainedTokenizerBase, row: Row, answer: str) -> tuple[list[int], int]:
    """The ids of prompt and answer, and how many of them are the prompt's."""
    prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=True)["input_ids"]
    return tokenizer.apply_chat_template(row["prompt"] + row[answer], return_dict=True)["input_ids"], len(prompt)


def log_probabilities(model: PreTrainedModel, scored_ids: Sequence[tuple[list[int], int]]) -> list[float]:
    """The log-probability of each answer; padding stands behind, where causal attention never sees it."""
    longest = max(len(ids) for ids, _ in scored_ids)
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in scored_ids], device=model.device)
    with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=model.device.type != "mps"):
        scores = model(input_ids=ids).logits[:, :-1]
    each = -torch.nn.functional.cross_entropy(scores.float().transpose(1, 2), ids[:, 1:], reduction="none")
    return [float(each[at, start - 1 : len(text) - 1].sum()) for at, (text, start) in enumerate(scored_ids)]


def read_rows(path: Path) -> list[Row]:
    """A department's preference file, checked line by line; ends the program with the number of a line that cannot be used."""
    rows = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        row: Any = json.loads(line)
        if not all(isinstance(row.get(key), list) for key in ("prompt", "chosen", "rejected")):
            raise SystemExit(f"error: {path}, line {number}: expected lists under prompt, chosen and rejected")
        rows.append({key: row[key] for key in ("prompt", "chosen", "rejected")})
    return rows


def main() -> None:
    """Align a real base."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="folder of a Llama-3 model in Hugging Face's form")
    parser.add_argument("--preferences", type=Path, required=True, help="JSON lines with prompt, chosen, rejected")
    parser.add_argument("--out", type=Path, required=True, help="folder for the aligned model")
    parser.add_argument("--lora", type=int, default=16, help="rank of LoRA; 0 trains all weights")
    parser.add_argument("--rate", type=float, default=Alignment.rate, help="learning rate")
    parser.add_argument("--batch", type=int, default=1, help="pairs at once")
    options = parser.parse_args()
    model = AutoModelForCausalLM.from_pretrained(options.base, dtype="auto")
    tokenizer = AutoTokenizer.from_pretrained(options.base)
    rows = read_rows(options.preferences)
    before = margins(model, tokenizer, rows, options.batch)
    aligned = align(model, tokenizer, rows, Alignment(rate=options.rate, batch=options.batch, lora=options.lora), options.out)
    after = margins(aligned, tokenizer, rows, options.batch)
    aligned.save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)
    for when, found in (("before", before), ("after", after)):
        print(f"preferred answer wins, {when}: {sum(margin > 0 for margin in found)} of {len(found)}")


if __name__ == "__main__":
    main()
