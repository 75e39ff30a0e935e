"""What the recipe measured, as the text of REPORT.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TITLES = {
    "first_greedy": "held-out form as the first question, greedy",
    "first_sampled": "held-out form as the first question, the application's sampling",
    "third_greedy": "held-out form as the third question after two other topics, greedy",
    "third_sampled": "held-out form as the third question, the application's sampling",
    "outside_greedy": "unseen outside questions refused, greedy",
    "outside_sampled": "unseen outside questions refused, the application's sampling",
}


@dataclass(frozen=True)
class Report:
    """All measurements of one run; `converter` is keyed by kind of file, `measured` by TITLES."""

    topics: int
    vocabulary: int
    parameters: int
    file_bytes: int
    shape: dict[str, float]
    machine: str
    steps: int
    totals: dict[str, float]
    history: list[dict[str, float]]
    tokens_equal: tuple[int, int]
    converter: dict[str, dict[str, float]]
    measured: dict[str, list[tuple[Any, ...]]]

    def markdown(self) -> str:
        """The whole report."""
        parts = (self.about(), self.quality(), self.misses(), self.faithful(), self.curve())
        return "# Report of the demonstration model\n\nWritten by `recipe.py`; do not edit.\n\n" + "\n\n".join(parts) + "\n"

    def about(self) -> str:
        """Sizes, machine, tokens seen."""
        shape = self.shape
        hours = self.totals["seconds"] / 3600
        return "\n".join(
            (
                f"- {self.topics} topics, vocabulary {self.vocabulary}, {self.parameters / 1e6:.2f} M parameters, "
                f"file {self.file_bytes / 1e6:.2f} MB (Q8_0)",
                f"- {shape['layers']} layers, hidden {shape['hidden']}, feed-forward {shape['feed_forward']}, "
                f"{shape['heads']} heads, {shape['kv_heads']} key/value heads, tied embeddings",
                f"- trained on {self.machine}: {self.steps} steps, {hours:.2f} hours, {self.totals['tokens'] / 1e6:.2f} M tokens seen, "
                f"{self.totals['learnt'] / 1e6:.2f} M of them learnt from (the answers)",
            )
        )

    def quality(self) -> str:
        """Shares of good answers; a held-out form counts when all key facts are in the answer word for word."""
        rows = [f"| {title} | {self.good(key)} of {len(self.measured[key])} | {self.share(key):.1%} |" for key, title in TITLES.items()]
        return "\n".join(("## Answers of the shipped file in llama.cpp", "", "| what | good | share |", "| --- | --- | --- |", *rows))

    def good(self, key: str) -> int:
        """How many of these were good."""
        return sum(bool(row[-2]) for row in self.measured[key])

    def share(self, key: str) -> float:
        """The share of good ones."""
        return self.good(key) / len(self.measured[key])

    def misses(self) -> str:
        """The questions that went wrong under greedy decoding, so that nobody has to guess."""
        wrong = [
            f"- {key.removesuffix('_greedy')}: {row[-3]}"
            for key in TITLES
            if key.endswith("greedy")
            for row in self.measured[key]
            if not row[-2]
        ]
        return "\n".join(("## Went wrong (greedy)", "", *(wrong or ["Nothing."])))

    def faithful(self) -> str:
        """Tokenizer and converter against llama.cpp."""
        same, whole = self.tokens_equal
        rows = [f"| {kind} | {gap['max']:.4f} | {gap['mean']:.5f} | {gap['same']:.2%} |" for kind, gap in self.converter.items()]
        head = ("| file | greatest difference | mean difference | same best token |", "| --- | --- | --- | --- |")
        return "\n".join(
            (
                "## PyTorch against llama.cpp",
                "",
                f"Token ids are equal on {same} of {whole} texts of the corpus. Logits on fixed prompts (32-bit PyTorch):",
                "",
                *head,
                *rows,
            )
        )

    def curve(self) -> str:
        """The loss on the answers, mean since the row before."""
        rows = [f"| {row['step']:.0f} | {row['tokens'] / 1e6:.2f} | {row['loss']:.4f} |" for row in self.history]
        return "\n".join(("## Loss", "", "| step | M tokens | loss |", "| --- | --- | --- |", *rows))
