"""A scripted embedding model, and a library in which it finds more than words do."""

import math
import random
import threading
from collections.abc import Sequence

from med42_chat.errors import RuntimeFailure
from med42_chat.library.lexicon import lexicon
from med42_chat.library.words import telling
from med42_chat.records import Document, Page, Passage
from med42_chat.runtime.embedder import Vector
from med42_chat.store.database import Store

_SIZE = 512
# Nothing in common with what stands in the documents, but what it means: none of these words is in the lexicon.
SYNONYMS = {"zorvax": "quindel", "brimolin": "trefoxin"}


class Synonyms:
    """An embedding model that knows which words mean the same, and nothing else: each meaning has a direction of its own."""

    def __init__(self, knows: bool = True, sha256: str = "synonyms") -> None:
        self.knows, self.sha256 = knows, sha256
        self.asked: list[tuple[str, ...]] = []
        self.error: RuntimeFailure | None = None
        self.closed = False
        self.gate: threading.Event | None = None  # until it is set, nothing is answered
        self.lie: Vector | None = None  # in the place of each vector

    def model(self) -> str:
        return self.sha256

    def embed(self, texts: Sequence[str], question: bool = False, wait_s: float = -1) -> list[Vector]:
        if self.error:
            raise self.error
        self.asked.append(tuple(texts))
        if self.gate:
            self.gate.wait(20)
        if self.lie is not None:
            return [self.lie] * len(texts)
        return [self._vector(text) for text in texts]

    def close(self) -> None:
        self.closed = True

    def _vector(self, text: str) -> Vector:
        sums = [0.0] * _SIZE
        for word in telling(text):
            meaning = min(lexicon().alike(SYNONYMS.get(word, word))) if self.knows else random.Random(f"{word} {text}").random()
            chance = random.Random(str(meaning))
            for _ in range(8):
                sums[chance.randrange(_SIZE)] += chance.choice((-1, 1))
        length = math.hypot(*sums) or 1.0
        return [value / length for value in sums]


def add(store: Store, title: str, texts: Sequence[str], collections: Sequence[str] = ()) -> str:
    passages = tuple(Passage(number, None, (f"Part {number}",), text, 0, len(text)) for number, text in enumerate(texts, start=1))
    document = Document(title, "text/plain", (Page(None, "\n".join(texts)),), passages)
    return store.documents.add(document, repr((title, texts)).encode(), f"{title}.txt", collections).id


def ward(store: Store, sentences: int = 120) -> None:
    """A library whose sentences are made of words that all have another of the same meaning: where that one is used, words find nothing."""
    things = ["doctor", "noradrenaline", "paracetamol", "infection", "stools", "newborn", "seizure", "swelling", "dementia", "contrast"]
    others = ["postponed", "confused", "telephone", "haemoglobin", "teeth", "sleeping", "wheeze", "visitors", "food", "stroke"]
    chance = random.Random(1)
    texts = [f"{' '.join(chance.sample(things, 3))} {' '.join(chance.sample(others, 3))}." for _ in range(sentences)]
    for start in range(0, len(texts), 20):
        add(store, f"Protocol {start}", texts[start : start + 20])
