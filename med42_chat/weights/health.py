"""Is a model file what it should be? Findings in plain words, and repairs that are made in memory and never in the file.

Most faults of published Llama 3 files are in their header: an end-of-answer token that never comes, a missing rule for cutting text
into tokens. llama.cpp can be told the right value when it loads a file; `overrides` are those values. Pure: the header comes in. What
only a loaded model can show is the runtime's to look at.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from med42_chat.gguf import Header

LLAMA3_VOCABULARY = 128_256
_BOS, _END_OF_TEXT, _EOT = 128_000, 128_001, 128_009
_LLAMA3_RULES = frozenset({"llama-bpe", "llama3", "llama-v3"})
_LLAMA3_CONTEXT = 8192
_MED42_V1_VOCABULARY = 32_000
# Checksums of chat templates without their white space and line marks. Meta publishes this one with Llama 3 Instruct.
_KNOWN_TEMPLATES = {"065d2c5e13237e5dd6496260bfad0bc5aac7088317140d13c6e23373c61b64fc": "Llama 3's own"}
_LEAST_WORDS = 512  # tokens of context below which no conversation is possible

State = Literal["ok", "repaired", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. 'repaired' is wrong in the file and right in memory; `hint` says what to do about the rest."""

    name: str
    state: State
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Override:
    """A value that llama.cpp is to use in the place of the file's. `key` is GGUF's name for it; texts have at most 127 bytes."""

    key: str
    value: int | str


@dataclass(frozen=True, slots=True)
class Examination:
    """What a header says about the file's health."""

    findings: tuple[Finding, ...]
    overrides: tuple[Override, ...]


def examine(header: Header, token: Callable[[int], str] | None = None) -> Examination:
    """Looks at everything that a header tells. `token` gives the text of a token's number, where a vocabulary is at hand."""
    findings = [_architecture(header), _context(header), _template(header)]
    overrides: list[Override] = []
    if header.vocabulary == LLAMA3_VOCABULARY and header.architecture == "llama":
        for finding, repairs in (_words(header), _ending(header, token), _beginning(header)):
            findings.append(finding)
            overrides += repairs
    else:
        findings.append(_other_vocabulary(header))
    return Examination(tuple(findings), tuple(overrides))


def _architecture(header: Header) -> Finding:
    size = f"{header.parameters / 1e9:.1f} billion" if header.parameters > 1e9 else f"{header.parameters / 1e6:.0f} million"
    text = f"{header.architecture}, {header.block_count} layers, {size} weights"
    if not header.block_count or not header.embedding_length:
        return Finding("architecture", "error", f"{text}: the file holds no language model.", "Choose another file.")
    return Finding("architecture", "ok", text)


def _context(header: Header) -> Finding:
    size = header.context_length
    if size < _LEAST_WORDS:
        return Finding(
            "context", "warning", f"The file says {size:,} tokens, which leaves no room for a conversation.", "Get another file."
        )
    if header.vocabulary == LLAMA3_VOCABULARY and size > _LLAMA3_CONTEXT and "med42" in header.name.lower():
        text = f"The file says {size:,} tokens; Med42-v2 was trained on {_LLAMA3_CONTEXT:,}."
        return Finding("context", "warning", text, f"Keep the context at {_LLAMA3_CONTEXT:,} tokens.")
    return Finding("context", "ok", f"{size:,} tokens")


def _template(header: Header) -> Finding:
    if header.vocabulary == _MED42_V1_VOCABULARY and "med42" in header.name.lower():
        return Finding("template", "ok", "Med42 v1, which has a prompt form of its own")
    own = _KNOWN_TEMPLATES.get(_template_checksum(header.chat_template))
    if own:
        return Finding("template", "ok", own)
    if header.vocabulary == LLAMA3_VOCABULARY:
        what = "differs from the published one" if header.chat_template else "is missing"
        return Finding("template", "repaired", f"The file's chat template {what}: Llama 3's own form is used.")
    if not header.chat_template:
        return Finding(
            "template", "error", "The file has no chat template.", "Choose a model made for conversation ('Instruct' or 'Chat')."
        )
    return Finding("template", "ok", "the file's own")


def _template_checksum(template: str) -> str:
    return hashlib.sha256("".join(template.split()).replace("\\n", "").encode()).hexdigest()


def _words(header: Header) -> tuple[Finding, list[Override]]:
    if header.pre_tokenizer in _LLAMA3_RULES:
        return Finding("words", "ok", f"cut into tokens by the rule '{header.pre_tokenizer}'"), []
    if header.pre_tokenizer in ("", "default"):
        text = "The file is an early conversion without the rule for cutting words into tokens: Llama 3's is used."
        return Finding("words", "repaired", text), [Override("tokenizer.ggml.pre", "llama-bpe")]
    text = f"Words are cut by the rule '{header.pre_tokenizer}', which is not Llama 3's; answers will be worse."
    return Finding("words", "warning", text, "Get a newer file of this model."), []


def _ending(header: Header, token: Callable[[int], str] | None) -> tuple[Finding, list[Override]]:
    """Many Llama 3 files name the end of a text where the end of an answer is meant, so that answers go on until the limit."""
    if token is not None and token(_EOT) != "<|eot_id|>":
        text = f"The token that ends an answer is missing: number {_EOT} is '{token(_EOT)}'."
        return Finding("ending", "error", text, "This is no Llama 3 Instruct: choose another file."), []
    if _EOT in (header.eos_id, header.eot_id):
        return Finding("ending", "ok", f"answers end at token {_EOT}"), []
    said = "none" if header.eos_id is None else f"{header.eos_id:,}"
    text = f"The file names the wrong token for the end of an answer ({said}): {_EOT} is used."
    return Finding("ending", "repaired", text), [
        Override("tokenizer.ggml.eos_token_id", _EOT),
        Override("tokenizer.ggml.eot_token_id", _EOT),
    ]


def _beginning(header: Header) -> tuple[Finding, list[Override]]:
    if header.bos_id == _BOS:
        return Finding("beginning", "ok", f"texts begin with token {_BOS}"), []
    return Finding("beginning", "repaired", f"The file names no beginning of a text: token {_BOS} is used."), [
        Override("tokenizer.ggml.bos_token_id", _BOS)
    ]


def _other_vocabulary(header: Header) -> Finding:
    if not header.vocabulary:
        return Finding("words", "error", "The file has no vocabulary.", "Choose another file.")
    if header.eos_id is None:
        return Finding(
            "ending", "warning", "The file does not say which token ends an answer.", "If answers do not end, choose another file."
        )
    return Finding("words", "ok", f"cut into tokens by the rule '{header.pre_tokenizer or 'default'}'")
