"""Runs a GGUF file in llama.cpp for the recipe: answers, logits, token ids.

A process of its own, since PyTorch and llama.cpp each bring a threading library and need not live in one environment.
Reads one JSON object on standard input and writes one on standard output.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice, takewhile
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray


def main() -> None:
    """Do the job that standard input describes."""
    job: dict[str, Any] = json.load(sys.stdin)
    json.dump({"tokens": tokens, "logits": logits, "answers": answers}[job["do"]](job), sys.stdout)


def opened(job: dict[str, Any], logits_all: bool = False) -> llama_cpp.Llama:
    """The model of the job, on one thread: so small a model gains nothing from two, and loses much where they wait for each other."""
    return llama_cpp.Llama(job["model"], n_ctx=job.get("context", 8192), n_threads=1, logits_all=logits_all, verbose=False)


def tokens(job: dict[str, Any]) -> list[list[int]]:
    """Token ids of each text, special tokens not parsed."""
    llama = opened(job)
    return [llama.tokenize(text.encode(), add_bos=False, special=False) for text in job["texts"]]


def logits(job: dict[str, Any]) -> str:
    """Save the logits of every position of every prompt, one row each; the answer is the file's path."""
    np.save(job["out"], np.concatenate(list(rows(opened(job, logits_all=True), job["prompts"]))))
    return str(job["out"])


def rows(llama: llama_cpp.Llama, prompts: list[list[int]]) -> Iterator[NDArray[np.float32]]:
    """The logits of each prompt, (tokens, vocabulary)."""
    for prompt in prompts:
        llama.reset()  # type: ignore[no-untyped-call]
        llama.eval(prompt)
        yield np.array(llama.scores[: len(prompt)])


def answers(job: dict[str, Any]) -> list[str]:
    """The text that follows each prompt, under the job's sampling and the prompt's grammar."""
    llama = opened(job)
    return [text_after(llama, prompt, grammar, job) for prompt, grammar in zip(job["prompts"], job["grammars"], strict=True)]


def text_after(llama: llama_cpp.Llama, prompt: list[int], grammar: str, job: dict[str, Any]) -> str:
    """The text that follows the prompt. Tokens are counted here: the library's own count stands still while bytes make no character,
    as with a model that knows nothing, and then it never ends.
    """
    sampling = dict(job["sampling"])
    llama.set_seed(sampling.pop("seed", 0))
    held = llama_cpp.LlamaGrammar.from_string(grammar, verbose=False) if grammar else None
    tokens = llama.generate(prompt, temp=sampling.pop("temperature"), grammar=held, **sampling)
    made = list(takewhile(lambda token: token != llama.token_eos(), islice(tokens, job.get("max_tokens", 700))))
    return llama.detokenize(made).decode("utf-8", "replace")


if __name__ == "__main__":
    main()
