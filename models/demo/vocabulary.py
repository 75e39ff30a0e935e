"""The tokenizer: Llama 3's kind, so made that words and figures can be copied."""

from __future__ import annotations

import json
import random
import re
from collections import Counter

import gguf_file
from dialogues import Conversation, Talk, texts
from grounded import Documents
from notes import Notes
from quantities import Material
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

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


def train_tokenizer(material: Material, size: int) -> Tokenizer:
    """A byte-level BPE of `size` tokens, special tokens last, as Llama 3 has them.

    A word must be the same tokens at the head of a sentence as within it, or it could not be copied. So the merges are learnt on words
    without the space before them, and only a frequent small word has a token of its own that begins with a space, which
    Llama 3's rule finds first (`ignore_merges`). Digits, too, stay tokens of their own: ten that stand everywhere are copied
    exactly, 900 rare ones are not.
    """
    split = pre_tokenizers.Split(Regex(LLAMA3_SPLIT), "isolated")
    in_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words = Counter(word for text in read_by_tokenizer(material, size) for word, _ in split.pre_tokenize_str(text))
    whole = [in_bytes.pre_tokenize_str(word)[0][0] for word in frequent_words(words)[: size // 3]]
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = in_bytes
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=size - len(SPECIAL) - len(whole), initial_alphabet=alphabet, show_progress=False)
    bare = (part for word, count in words.items() for part in [without_space(word)] * count)
    pieces.train_from_iterator((part for part in bare if not part.isdigit()), trainer)
    learnt = json.loads(pieces.to_str())["model"]
    ids = {token: number for number, token in enumerate([*sorted(learnt["vocab"], key=learnt["vocab"].__getitem__), *whole])}
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=[tuple(merge) for merge in learnt["merges"]], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, in_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return tokenizer


def read_by_tokenizer(material: Material, size: int) -> list[str]:
    """The texts that the tokenizer learns from. The system text counts many times: it stands at the head of every prompt."""
    documents = Documents(material.stock, random.Random(size))
    notes = Notes(Talk(material.corpus, documents.rng), documents)
    made = [documents.task(3).conversation("") if number % 4 else notes.conversation("") for number in range(400)]
    invented = [part for conversation in made for part in told(conversation)]
    return [*texts(material.corpus), *invented, *[material.corpus.system] * 30]


def frequent_words(words: Counter[str]) -> list[str]:
    """Words and signs with a space before them that are met eight times or more and never begin a sentence; the mark's bracket first."""
    small = [word for word, count in words.most_common() if count >= 8 and re.fullmatch(r" [^\sA-Z].*(?<!\n)", word, re.DOTALL)]
    return list(dict.fromkeys([" [", *small]))


def without_space(word: str) -> str:
    """The word without spaces before and lines behind it; what is nothing else stays."""
    return word.strip(" ").rstrip("\n") or word


def told(conversation: Conversation) -> list[str]:
    """The conversation's texts."""
    return [conversation.system, *(part for turn in conversation.turns for part in (turn.question, turn.answer))]


def vocabulary_of(tokenizer: Tokenizer) -> gguf_file.Vocabulary:
    """What the GGUF header needs of the tokenizer."""
    ids = tokenizer.get_vocab(with_added_tokens=True)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return gguf_file.Vocabulary(sorted(ids, key=ids.__getitem__), [" ".join(pair) for pair in merges], frozenset(SPECIAL))
