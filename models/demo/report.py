"""What the recipe measured, as the text of REPORT.md."""

from __future__ import annotations

from dataclasses import dataclass

TITLES = {
    "examples": "the empty page's questions and 'Who are you?', word for word",
    "held_out": "held-out forms as the first question, all key facts",
    "held_out_sampled": "the same with the application's sampling",
    "later": "held-out forms after two other topics",
    "outside": "unseen questions outside the topics, refused",
    "doses": "questions for a dose, refused",
    "pinned": "greetings under pinned facts, still greetings",
    "for_patients": "'Explain that to a patient' after a topic, its own version word for word",
    "right_source": "unseen documents: the right source cited",
    "right_numbers": "unseen documents: every number copied, and no other",
    "not_covered": "unseen documents: said that the sources do not tell",
    "protocols": "a ward's protocols by hand: the deciding words and the right source, or that none tells",
    "notes": "presets filled in with unseen notes: every heading, and every word of the notes",
    "texts": "unseen notes in no form that is known: declined",
    "right_source_alone": "in its own words: the right source cited",
    "right_numbers_alone": "in its own words: every number copied, and no other",
    "not_covered_alone": "in its own words: said that the sources do not tell",
    "protocols_alone": "in its own words: the protocols",
    "notes_alone": "in its own words: presets filled in",
}
Wins = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Training:
    """One of the trainings: its updates, what they took in all, and a row for each checkpoint."""

    name: str
    steps: int
    totals: dict[str, float]
    history: list[dict[str, float]]

    def told(self) -> str:
        """How long, and on how much."""
        totals = self.totals
        return (
            f"{self.name}: {self.steps} steps, {totals['seconds'] / 3600:.2f} hours, {totals['tokens'] / 1e6:.2f} M tokens seen, "
            f"{totals['learnt'] / 1e6:.2f} M of them learnt from (the answers)"
        )


@dataclass(frozen=True)
class Report:
    """All measurements of one run; `converter` is keyed by kind of file, `measured` by TITLES."""

    topics: int
    vocabulary: int
    parameters: int
    file_bytes: int
    shape: dict[str, float]
    machine: str
    trainings: list[Training]
    rounds: list[tuple[int, Wins, Wins]]
    tokens_equal: tuple[int, int]
    converter: dict[str, dict[str, float]]
    measured: dict[str, list[tuple[str, bool, str]]]

    def markdown(self) -> str:
        """The whole report."""
        parts = (self.about(), self.quality(), self.alignment(), self.misses(), self.faithful(), self.curve())
        return "# Report of the demonstration model\n\nWritten by `recipe.py`; do not edit.\n\n" + "\n\n".join(parts) + "\n"

    def about(self) -> str:
        """Sizes, machine, tokens seen."""
        shape = self.shape
        return "\n".join(
            (
                f"- {self.topics} topics, vocabulary {self.vocabulary}, {self.parameters / 1e6:.2f} M parameters, "
                f"file {self.file_bytes / 1e6:.2f} MB (Q8_0)",
                f"- {shape['layers']} layers, hidden {shape['hidden']}, feed-forward {shape['feed_forward']}, "
                f"{shape['heads']} heads, {shape['kv_heads']} key/value heads, tied embeddings",
                f"- trained on {self.machine}",
                *(f"- {training.told()}" for training in self.trainings),
            )
        )

    def quality(self) -> str:
        """Shares of good answers, greedy unless the row says otherwise."""
        asked = [key for key in TITLES if key in self.measured]
        rows = [f"| {TITLES[key]} | {self.good(key)} of {len(self.measured[key])} | {self.share(key):.1%} |" for key in asked]
        told = (
            "All is asked as the application asks this model. From sources it says whole sentences of theirs, and the program requires the "
            "one that shares most with the question (`med42_chat/quoting.py`); a preset that was filled in is copied by the program "
            "(`filling.py`); a text that somebody brings along it can only decline (`reciting.py`). 'In its own words' is the same file "
            "without that."
        )
        return "\n".join(("## Answers of the file in llama.cpp", "", told, "", "| what | good | share |", "| --- | --- | --- |", *rows))

    def alignment(self) -> str:
        """Before and after each round of DPO, the share of held-out pairs whose preferred answer is the more probable one."""
        if not self.rounds:
            return "## Preference alignment\n\nThis file was made without rounds of DPO."
        rules = sorted(self.rounds[-1][2], key=lambda rule: (rule != "all", rule))
        columns = [self.rounds[0][1], *(after for _, _, after in self.rounds)]
        rows = [f"| {rule} | {' | '.join(share(column[rule]) for column in columns)} |" for rule in rules]
        head = " | ".join(["rule that the rejected answer breaks", "before", *(f"after round {number}" for number, _, _ in self.rounds)])
        return "\n".join(
            ("## Preference alignment", "", "Held-out pairs won:", "", f"| {head} |", "| --- |" + " --- |" * len(columns), *rows)
        )

    def good(self, key: str) -> int:
        """How many of these were good."""
        return sum(good for _, good, _ in self.measured[key])

    def share(self, key: str) -> float:
        """The share of good ones."""
        return self.good(key) / len(self.measured[key])

    def misses(self) -> str:
        """The questions that went wrong under greedy decoding, so that nobody has to guess."""
        wrong = [f"- {key}: {row[0]}" for key, rows in self.measured.items() if "sampled" not in key for row in rows if not row[1]]
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
        """The loss on the answers, mean since the row before; now and then the share of unseen answers from sources that are right
        word for word, each token after the right ones before it.
        """
        rows = [
            f"| {training.name}, {row['step']:.0f} | {row['tokens'] / 1e6:.2f} | {row['loss']:.4f} | "
            f"{format(row['sources'], '.0%') if 'sources' in row else ''} |"
            for training in self.trainings
            for row in training.history
        ]
        head = ("| training, step | M tokens | loss | unseen sources: whole answer right |", "| --- | --- | --- | --- |")
        return "\n".join(("## Loss", "", *head, *rows))


def share(won: tuple[int, int]) -> str:
    """Won pairs of all, in words."""
    return f"{won[0]} of {won[1]} ({won[0] / won[1]:.0%})"
