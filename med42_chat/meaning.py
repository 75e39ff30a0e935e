"""Search by meaning beside the search by words, where an embedding model is here and has been shown to help with this very library.

Where runtime (vectors of texts), store (keeping them) and library (comparing them) meet. Whatever goes wrong here, the search by words
goes on as if there were no such model.
"""

import logging
import math
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, Queue
from statistics import mean

from med42_chat.errors import InputError, RuntimeFailure, StoreError
from med42_chat.library.evaluate import ndcg
from med42_chat.library.questions import Made, question
from med42_chat.library.vectors import Matrix, packed
from med42_chat.records import Health
from med42_chat.runtime.embedder import Embedder, Vector
from med42_chat.store.documents import Documents
from med42_chat.store.passages import DEEP, joined, points
from med42_chat.store.vectors import Unread, Vectors, Verdict

_log = logging.getLogger(__name__)
_TOGETHER = 8  # passages that are read at once: a question that comes meanwhile waits for so many
_LOOK_EVERY_S = 2.0  # whether there are passages without a vector
_WAIT_S = 3.0  # how long a search waits for the model, its loading included, before it goes by words alone
_QUESTIONS = 400  # at most, of which the second half decides
_LEAST = 60  # questions: fewer tell nothing
_TRIAL = "Is this read?"
_WEIGHTS = (0.25, 0.5, 1.0, 2.0)  # of the vectors' ranking beside that of the words; the first half of the questions chooses

Progress = Callable[[int, int], None]  # how much of how much is done


@dataclass(frozen=True, slots=True)
class State:
    """How it stands. `known` of `passages` have a vector; `verdict` is None where no check was made that still holds.

    `checking` says that one is being made, `trouble` what is wrong with the model or the last check.
    """

    known: int = 0
    passages: int = 0
    verdict: Verdict | None = None
    checking: bool = False
    trouble: str = ""


class Meaning:
    """One for an open store, whose searches it has a say in from the start. Every method may be called from any thread.

    A search waits `wait_s` seconds for the model, and goes by words alone then.
    """

    def __init__(
        self,
        documents: Documents,
        vectors: Vectors,
        embedder: Embedder | None = None,
        look_every_s: float = _LOOK_EVERY_S,
        wait_s: float = _WAIT_S,
    ) -> None:
        self._look_every_s, self._wait_s = look_every_s, wait_s
        self._documents, self._vectors, self._embedder = documents, vectors, embedder
        self._matrix: tuple[object, Matrix] | None = None  # with what it was made of
        self._closed = threading.Event()
        self._filler: threading.Thread | None = None
        self._checker: threading.Thread | None = None
        self._trouble = ""  # of the last check
        documents.rank_by(self.near)

    def use(self, embedder: Embedder | None) -> None:
        """Turns to another model, or to none; the one until now is closed."""
        before, self._embedder, self._matrix, self._trouble = self._embedder, embedder, None, ""
        if before is not None:
            before.close()

    def near(self, question: str, collections: Sequence[str] = ()) -> Mapping[int, float]:
        """Points for the passages that mean nearly the same; none where that is of no use, or cannot be had now."""
        if (embedder := self._embedder) is None:  # read once: another thread may change it
            return {}
        try:
            verdict = self._vectors.verdict(embedder.model())
            if verdict is None or not verdict.helps:
                return {}
            return points(self._nearest(embedder, self._soon(embedder, question), collections), verdict.weight)
        except RuntimeFailure as error:
            _log.warning("searched by words alone: %s", error.message)
            return {}

    def state(self) -> State:
        """How it stands now; empty without a model."""
        if (embedder := self._embedder) is None:
            return State()
        try:
            model = embedder.model()
        except RuntimeFailure as error:
            return State(trouble=f"{error.message} {error.hint}".strip())
        checking = self._checker is not None and self._checker.is_alive()
        return State(*self._vectors.counts(model), self._vectors.verdict(model), checking, self._trouble)

    def health(self, name: str) -> Health:
        """A line of `check` on the model of this name, which is loaded for it: whether it reads a text, and whether it is used and why."""
        if (embedder := self._embedder) is None:
            return Health("embedding", "ok", "no embedding model is named: the library is searched by words")
        try:
            _asked(embedder, _TRIAL)
            known, passages = self._vectors.counts(embedder.model())
            verdict = self._vectors.verdict(embedder.model())
        except RuntimeFailure as error:
            text = f"{error.message} The library is searched by words alone."
            return Health("embedding", "warning", text, error.hint, {"model": name})
        read = f"it reads texts, and has read {known:,} of {passages:,} passages"
        hint = "" if verdict else "To see whether it helps: library check-vectors, or 'Try it on my library' in the settings."
        return Health("embedding", "ok", f"{_use(verdict)}; {read}", hint, {"model": name, "SHA-256": embedder.model()})

    # Filling

    def keep_filling(self, may: Callable[[], bool]) -> None:
        """From now on reads passages that come, while `may` says so and until `close`."""
        self._filler = threading.Thread(target=self._fill_on, args=(may,), name="meaning", daemon=True)
        self._filler.start()

    def fill(self, progress: Progress = lambda done, of: None, may: Callable[[], bool] = lambda: True) -> None:
        """Reads every passage without a vector, as long as `may` says so. Raises RuntimeFailure's kinds, InputError without a model."""
        embedder, after = self._there(), 0
        model = embedder.model()
        known, passages = self._vectors.counts(model)
        while may() and not self._closed.is_set() and (missing := self._vectors.missing(model, after, _TOGETHER)):
            vectors = _vectors(embedder, [_text(passage) for passage in missing])
            self._vectors.keep(model, zip(missing, map(packed, vectors), strict=True))
            after, known = missing[-1].id, known + len(missing)
            progress(known, max(known, passages))

    def _fill_on(self, may: Callable[[], bool]) -> None:
        seen: object = None
        while not self._closed.wait(self._look_every_s):
            now = (self._embedder, self._documents.changed())
            if now == seen or self._embedder is None or not may():
                continue
            try:
                self.fill(may=may)
                seen = now if may() else None
            except (RuntimeFailure, StoreError) as error:  # the next change of the library tries again
                _log.warning("passages were not read for their meaning: %s", error.message)
                seen = now
            except InputError:  # the model was taken away meanwhile
                seen = None

    # Checking

    def check(self, progress: Progress = lambda done, of: None) -> Verdict:
        """Compares the search with and without vectors on questions made of the library, and keeps what came of it.

        Reads what has no vector yet first. Raises InputError without a model or with too few passages, and RuntimeFailure's kinds.
        """
        embedder = self._there()
        made = self._made()
        self.fill(progress)
        rankings = [
            (self._vectors.by_words(one.text, DEEP), self._nearest(embedder, _asked(embedder, one.text)), one.grades) for one in made
        ]
        chosen, held_out = rankings[: len(rankings) // 2], rankings[len(rankings) // 2 :]
        weight = max(_WEIGHTS, key=lambda weight: _quality(chosen, weight))
        verdict = Verdict(len(held_out), _quality(held_out, 0.0), _quality(held_out, weight), weight)
        self._vectors.set_verdict(embedder.model(), verdict)
        return verdict

    def begin_check(self, wait_s: float = 0.0) -> State:
        """Checks in the background, where that does not go on already. Gives how it stands after `wait_s` seconds at most."""
        if self._checker is None or not self._checker.is_alive():
            self._trouble = ""
            self._checker = threading.Thread(target=self._check_by_itself, name="check vectors", daemon=True)
            self._checker.start()
        self._checker.join(wait_s)
        return self.state()

    def close(self) -> None:
        """Ends the model, in the middle of something too. What was read is kept."""
        self._closed.set()
        self.use(None)
        for thread in (self._filler, self._checker):
            if thread and thread is not threading.current_thread():
                thread.join()

    def _check_by_itself(self) -> None:
        embedder = self._embedder
        try:
            self.check()
        except (InputError, RuntimeFailure, StoreError) as error:
            if self._embedder is embedder:  # of a model that was changed meanwhile nobody wants to know
                self._trouble = f"{error.message} {error.hint}".strip()

    def _there(self) -> Embedder:
        if (embedder := self._embedder) is None:
            raise InputError("There is no embedding model.", "Name a GGUF file of one in the setting 'embedding'.")
        return embedder

    def _made(self) -> list[Made]:
        """Questions, spread over the library."""
        passages = self._vectors.passages()
        under: dict[tuple[str, ...], list[int]] = {}
        for one in passages:
            under.setdefault(one.headings, []).append(one.id)
        order = random.Random(0).sample(passages, len(passages))
        asked = ((one, question(one.headings, one.text, number)) for number, one in enumerate(order))
        made = [Made(text, {str(id): 2 if id == one.id else 1 for id in under[one.headings]}) for one, text in asked if text]
        if len(made) < _LEAST:
            raise InputError(
                f"The library is too small to tell: {len(made)} questions can be made of it, and {_LEAST} are needed.",
                "Add documents, then check again.",
            )
        return made[:_QUESTIONS]

    def _soon(self, embedder: Embedder, question: str) -> Vector:
        """A question's vector, from a thread of its own: a model that is being loaded, or hangs, must not hold up an answer."""
        came: Queue[Vector | RuntimeFailure] = Queue()

        def ask() -> None:
            try:
                came.put(_asked(embedder, question, self._wait_s))
            except RuntimeFailure as error:
                came.put(error)

        threading.Thread(target=ask, name="question's vector", daemon=True).start()
        try:
            answer = came.get(timeout=self._wait_s)
        except Empty:
            raise RuntimeFailure("The embedding model takes too long.", "Try again in a moment.") from None
        if isinstance(answer, RuntimeFailure):
            raise answer
        return answer

    def _nearest(self, embedder: Embedder, vector: Vector, collections: Sequence[str] = ()) -> list[int]:
        among = self._vectors.within(collections) if collections else None
        return self._compared(embedder.model(), len(vector)).nearest(vector, DEEP, among)

    def _compared(self, model: str, size: int) -> Matrix:
        """All vectors of so many dimensions, read anew where something has changed."""
        now = (model, size, self._documents.changed(), self._vectors.changed())
        held = self._matrix
        if held is None or held[0] != now:
            held = self._matrix = (now, Matrix([one for one in self._vectors.all(model) if len(one[1]) == size]))
        return held[1]


def _use(verdict: Verdict | None) -> str:
    if verdict is None:
        return "off: not checked on this library as it is now, which is searched by words"
    figures = f"nDCG@10 {verdict.both:.3f} with it, {verdict.words:.3f} by words alone, on {verdict.questions} questions of this library"
    return f"{'on' if verdict.helps else 'off, because it does not help'}: {figures}"


def _asked(embedder: Embedder, question: str, wait_s: float = -1) -> Vector:
    return _vectors(embedder, [question], question=True, wait_s=wait_s)[0]


def _vectors(embedder: Embedder, texts: Sequence[str], question: bool = False, wait_s: float = -1) -> list[Vector]:
    """A vector for each text. Raises RuntimeFailure's kinds, also for a model whose vectors point nowhere or are too few."""
    vectors = embedder.embed(texts, question, wait_s)
    if len(vectors) != len(texts) or not all(0 < sum(value * value for value in vector) < math.inf for vector in vectors):
        raise RuntimeFailure("The embedding model gives vectors that cannot be compared.", "Its file is damaged: choose another one.")
    return vectors


def _text(passage: Unread) -> str:
    return f"{' › '.join(passage.headings)}\n{passage.text}"


def _quality(rankings: Sequence[tuple[list[int], list[int], Mapping[str, int]]], weight: float) -> float:
    """nDCG@10 with the vectors' ranking counting so much."""
    return mean(ndcg(list(map(str, joined(words, points(near, weight) if weight else {}))), grades) for words, near, grades in rankings)
