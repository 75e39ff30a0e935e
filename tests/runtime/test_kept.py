"""What is kept of conversations between two starts: the same tokens come out as without, and nothing is read that need not be."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from med42_chat.records import Sampling
from med42_chat.runtime import llama
from med42_chat.runtime.archive import Archive, files_of
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import CacheType, Finished, Found, Load, Override, Prefill, Queued, Request, Shelf
from med42_chat.runtime.scheduler import Scheduler
from med42_chat.runtime.worker import _made_with
from med42_chat.settings import DEMO_MODEL
from tests.runtime.asking import Follower
from tests.runtime.test_alike import SAMPLINGS, Noting, Tokens, prompt_of
from tests.runtime.ways import one_way
from tests.scripted import MODEL

pytestmark = pytest.mark.model


class Started:
    """A model that was just started, with its shelf, and the tokens that it chooses."""

    def __init__(self, path: Path, shelf: Shelf | None, cache_type: CacheType = "f16", parallel: int = 2, made_with: str = "this") -> None:
        load = Load(str(path), 2048, 1, cache_type=cache_type, parallel=parallel)
        self.context = llama.load(load, llama.Log(), lambda _: None).context
        self.context.stop_ids = frozenset()
        self._sampler = self.context.sampler
        self.context.sampler = self._note  # type: ignore[assignment, method-assign]
        self.chosen: Tokens = []
        self.archive = Archive(shelf, made_with) if shelf else None
        self.scheduler = Scheduler(self.context, keeper=self.archive)

    def _note(self, request: Request) -> Noting:
        return Noting(self._sampler(request), self.chosen)

    def answer(self, conversation: str, prompt: Tokens, sampling: Sampling) -> tuple[Tokens, Finished]:
        self.chosen.clear()
        self.scheduler.submit(Request("a", tuple(prompt), sampling, 5, conversation=conversation))
        while True:
            for _, event in self.scheduler.step():
                if isinstance(event, Finished):
                    return list(self.chosen), event

    def leave(self) -> None:
        """Reads answers again as in a pause, then ends as the worker does."""
        while self.scheduler.busy:
            self.scheduler.step()
        while self.scheduler.keep_next():
            pass
        assert self.archive is not None and self.archive.wait(float("inf"))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(str(tmp_path / "kept"), os.urandom(32).hex(), 1 << 30)


@pytest.fixture(scope="module", params=["f16", "q8_0"])
def cache_type(request: pytest.FixtureRequest) -> CacheType:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("length", [101, 203, llama.BATCH + 9])
def test_a_restored_conversation_goes_on_with_the_tokens_of_a_cold_start(
    medium: Path, shelf: Shelf, cache_type: CacheType, sampling: Sampling, length: int
) -> None:
    first = Started(medium, shelf, cache_type)
    written, _ = first.answer("one", prompt_of(length), Sampling(temperature=0, max_tokens=80))
    first.leave()
    prompt = prompt_of(length) + written + prompt_of(70, salt=1)
    warm, end = Started(medium, shelf, cache_type).answer("one", prompt, sampling)
    assert end.usage.restored_tokens == end.usage.cached_tokens >= length + 80 - 64 - 4
    cold, end = Started(medium, None, cache_type).answer("one", prompt, sampling)
    assert (end.usage.restored_tokens, end.usage.cached_tokens) == (0, 0)
    assert warm == cold


def test_the_demonstration_model_goes_on_as_if_it_had_never_ended(shelf: Shelf) -> None:
    first = Started(DEMO_MODEL, shelf)
    prompt = [1, *(5 + index * 11 % 900 for index in range(300))]
    written, _ = first.answer("one", prompt, SAMPLINGS[0])
    first.leave()
    again = [*prompt, *written, *prompt[1:100]]
    warm, end = Started(DEMO_MODEL, shelf).answer("one", again, SAMPLINGS[1])
    cold, _ = Started(DEMO_MODEL, None).answer("one", again, SAMPLINGS[1])
    assert end.usage.restored_tokens >= 240 and warm == cold


def test_it_is_only_what_belongs_to_the_conversation_that_comes_back(small: Path, shelf: Shelf) -> None:
    first = Started(small, shelf)
    first.answer("one", prompt_of(300), SAMPLINGS[0])
    first.answer("", prompt_of(300, salt=2), SAMPLINGS[0])
    first.leave()
    assert len(files_of(Path(shelf.folder))) == 1
    second = Started(small, shelf)
    assert second.answer("two", prompt_of(300), SAMPLINGS[0])[1].usage.cached_tokens == 0
    assert second.answer("one", prompt_of(300, salt=1), SAMPLINGS[0])[1].usage.restored_tokens == 0


def test_what_was_made_in_another_way_is_read_anew_and_removed(small: Path, shelf: Shelf) -> None:
    first = Started(small, shelf)
    first.answer("one", prompt_of(300), SAMPLINGS[1])
    first.leave()
    other = Started(small, shelf, made_with="that")
    assert other.answer("one", prompt_of(300), SAMPLINGS[1])[1].usage.cached_tokens == 0
    assert not files_of(Path(shelf.folder))


def test_closing_writes_what_is_worth_it_and_a_new_process_reads_it(small: Path, shelf: Shelf, tmp_path: Path) -> None:
    prompt = tuple(prompt_of(300))
    for restored in (0, 300):
        runtime = LocalRuntime(one_way(small), tmp_path / "cache", shelf=shelf)
        asked = Request("a", prompt + tuple(prompt_of(restored, salt=1)), Sampling(max_tokens=4), 1, conversation="one")
        *_, end = runtime.generate(asked)
        assert isinstance(end, Finished) and end.usage.restored_tokens == restored
        began = time.monotonic()
        runtime.close()
        assert time.monotonic() - began < 2 and len(files_of(Path(shelf.folder))) == 1
    assert (tmp_path / "cache" / "worker.log").read_text() == ""


def test_a_disk_that_does_not_answer_holds_closing_up_for_a_moment_only(small: Path, shelf: Shelf, tmp_path: Path) -> None:
    runtime = LocalRuntime(one_way(small), tmp_path / "cache", module="tests.runtime.slow_disk", shelf=shelf)
    list(runtime.generate(Request("a", tuple(prompt_of(300)), Sampling(max_tokens=4), 1, conversation="one")))
    assert runtime.worker_pid is not None
    worker = psutil.Process(runtime.worker_pid)
    began = time.monotonic()
    runtime.close()
    assert time.monotonic() - began < 5 and not worker.is_running()
    assert not files_of(Path(shelf.folder))


def test_what_a_process_was_told_to_forget_it_does_not_write_when_it_ends(small: Path, shelf: Shelf, tmp_path: Path) -> None:
    runtime = LocalRuntime(one_way(small), tmp_path / "cache", shelf=shelf)
    for name in ("one", "two"):
        list(runtime.generate(Request("a", tuple(prompt_of(300)), Sampling(max_tokens=4), 1, conversation=name)))
    runtime.forget("one")
    runtime.close()
    archive = Archive(shelf, "")
    assert files_of(Path(shelf.folder)) == [archive._names.path("two")]


def test_what_a_model_computes_with_decides_whether_what_was_kept_fits_and_nothing_else_does() -> None:
    info, load, found = MODEL, Load("model.gguf", 2048, 1), Found((), ("AVX2",))
    made = _made_with(info, load, found)
    others = [{"sha256": "other"}, {"build": "0.4"}, {"template": "model"}, {"context": 4096}, {"cache_type": "q8_0"}, {"threads": 7}]
    for other in others:
        assert _made_with(replace(info, **other), load, found) != made, other  # type: ignore[arg-type]
    assert _made_with(info, replace(load, overrides=(Override("llama.rope.freq_base", 1.0),)), found) != made
    assert _made_with(info, load, Found((), ("AVX512",))) != made
    same = replace(info, path="elsewhere.gguf", load_s=7.0, warnings=("slow",), examined=False, parallel=4)
    assert _made_with(same, replace(load, file="elsewhere.gguf", parallel=4), found) == made


def test_what_is_overdue_is_written_at_the_first_moment_of_rest_by_the_same_process(small: Path, shelf: Shelf, tmp_path: Path) -> None:
    runtime = LocalRuntime(one_way(small), tmp_path / "cache", module="tests.runtime.hasty", shelf=shelf)
    try:
        runtime.wait_until_loaded(20)
        worker, until = runtime.worker_pid, time.monotonic() + 20
        list(runtime.generate(Request("a", tuple(prompt_of(300)), Sampling(max_tokens=4), 1, conversation="one")))
        while not files_of(Path(shelf.folder)):
            assert time.monotonic() < until, "it was not written"
            time.sleep(0.02)
        *_, end = runtime.generate(Request("b", tuple(prompt_of(400)), Sampling(max_tokens=4), 1, conversation="one"))
        assert isinstance(end, Finished) and end.usage.cached_tokens == 300 and end.usage.restored_tokens == 0
        assert runtime.worker_pid == worker
    finally:
        runtime.close()


def test_what_is_being_written_when_the_program_ends_is_written_to_the_end(small: Path, shelf: Shelf, tmp_path: Path) -> None:
    runtime = LocalRuntime(one_way(small), tmp_path / "cache", module="tests.runtime.hasty", shelf=shelf)
    list(runtime.generate(Request("a", tuple(prompt_of(300)), Sampling(max_tokens=4), 1, conversation="one")))
    until = time.monotonic() + 20
    while not list(Path(shelf.folder).glob("*.part")):
        assert time.monotonic() < until, "nothing was begun"
        time.sleep(0.02)
    runtime.close()
    assert len(files_of(Path(shelf.folder))) == 1


def test_closing_does_not_wait_for_an_answer_to_be_read_again(small: Path, shelf: Shelf, tmp_path: Path) -> None:
    runtime = LocalRuntime(one_way(small), tmp_path / "cache", module="tests.runtime.slow_reader", shelf=shelf)
    *_, end = runtime.generate(Request("a", tuple(prompt_of(300)), Sampling(max_tokens=150), 1, conversation="one"))
    assert isinstance(end, Finished) and end.usage.completion_tokens >= 100
    began = time.monotonic()
    runtime.close()
    assert time.monotonic() - began < 2 and len(files_of(Path(shelf.folder))) == 1


@pytest.fixture
def coming_back(medium: Path, shelf: Shelf, tmp_path: Path) -> Iterator[tuple[LocalRuntime, Follower]]:
    """A process that reads what is kept of a conversation from a slow disk, for seconds, and the answer that waits for that."""
    first = LocalRuntime(one_way(medium, parallel=2), tmp_path / "cache", shelf=shelf)
    list(first.generate(Request("a", tuple(prompt_of(500)), Sampling(max_tokens=4), 1, conversation="one")))
    first.close()
    runtime = LocalRuntime(one_way(medium, parallel=2), tmp_path / "cache", module="tests.runtime.slow_to_read", shelf=shelf)
    try:
        runtime.wait_until_loaded(20)
        asked = Request("b", tuple(prompt_of(500) + prompt_of(100, salt=1)), Sampling(max_tokens=4), 1, conversation="one")
        follower = Follower(runtime.generate(asked))
        follower.until(lambda event: isinstance(event, Queued) and event.reason == "fetching")
        yield runtime, follower
    finally:
        runtime.close()


def test_while_one_conversation_is_read_back_another_is_answered(coming_back: tuple[LocalRuntime, Follower]) -> None:
    runtime, waits = coming_back
    *_, end = runtime.generate(Request("c", tuple(prompt_of(100, salt=3)), Sampling(max_tokens=4), 1, conversation="two"))
    assert isinstance(end, Finished) and end.usage.completion_tokens
    assert not any(isinstance(event, Prefill) for event in waits.events)
    end = waits.finish()
    assert end.usage.restored_tokens == 500 and end.reason == "length"


@pytest.mark.parametrize("how", ["stopped", "deleted", "closed"])
def test_what_is_read_back_holds_nobody_up_who_stops_deletes_or_closes(
    coming_back: tuple[LocalRuntime, Follower], how: str, shelf: Shelf
) -> None:
    runtime, waits = coming_back
    began = time.monotonic()
    {"stopped": lambda: runtime.cancel("b"), "deleted": lambda: runtime.forget("one"), "closed": runtime.close}[how]()
    end = waits.finish()
    assert time.monotonic() - began < 2
    assert end.reason == ("length" if how == "deleted" else "died" if how == "closed" else "cancelled") and not end.usage.restored_tokens
    runtime.close()
    assert len(files_of(Path(shelf.folder))) == (how != "deleted")


def test_what_is_deleted_while_its_question_waits_for_the_model_is_answered_and_not_kept(small: Path, shelf: Shelf, tmp_path: Path) -> None:
    runtime = LocalRuntime(one_way(small), tmp_path / "cache", shelf=shelf)
    asked = Request("a", tuple(prompt_of(300)), Sampling(max_tokens=4), 1, conversation="one")
    follower = Follower(runtime.generate(asked))
    follower.until(lambda event: isinstance(event, Queued))
    runtime.forget("one")
    assert follower.finish().usage.completion_tokens
    runtime.close()
    assert not files_of(Path(shelf.folder))


def test_what_was_being_read_back_when_a_process_died_is_not_put_to_the_next_one(
    coming_back: tuple[LocalRuntime, Follower], shelf: Shelf
) -> None:
    runtime, waits = coming_back
    assert runtime.worker_pid is not None
    os.kill(runtime.worker_pid, signal.SIGKILL)
    end = waits.finish()
    assert end.reason == "length" and end.usage.cached_tokens == 0
    runtime.close()
    assert len(files_of(Path(shelf.folder))) == 1  # it is kept again
