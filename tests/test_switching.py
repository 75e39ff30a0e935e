"""The model is changed while people ask: real processes, real files."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from med42_chat.errors import Med42Error, NotFound
from med42_chat.jobs import Job
from med42_chat.records import ModelInfo, Sampling
from med42_chat.services import Services, open_services
from med42_chat.settings import Settings
from tests.children import running
from tests.shapes import MEDIUM, TINY, write_shape

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a fast, a slow and a damaged model."""
    folder = tmp_path_factory.mktemp("models")
    write_shape(folder / "fast.gguf", TINY)
    write_shape(folder / "slow.gguf", MEDIUM)
    (folder / "cut.gguf").write_bytes((folder / "fast.gguf").read_bytes()[:-1000])
    return folder


@pytest.fixture
def opened(home: Path, models: Path) -> Iterator[Services]:
    settings = Settings(
        home=home,
        models=models,
        model="fast.gguf",
        keyring=False,
        context=1024,
        gpu_layers=0,
        threads=1,
        seed=1,
        sampling=Sampling(max_tokens=40),
    )
    with closing(open_services(settings)) as services:
        services.runtime.wait_until_loaded(30)
        yield services


def ask(opened: Services) -> Job:
    return opened.jobs.start(opened.store.conversations.create().id, "What should be done?")


def answered(job: Job) -> str:
    """The status of its answer."""
    job.join(30)
    state = job.state()
    assert state.answered is not None, state
    return f"{state.answer.status} {state.answered.error}".strip()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def used(opened: Services, name: str) -> ModelInfo:
    opened.use(name)
    until(lambda: not opened.switching)
    return opened.runtime.wait_until_loaded(30)


def test_two_conversations_are_answered_at_once(opened: Services) -> None:
    assert used(opened, "slow.gguf").parallel == 2
    jobs = [ask(opened), ask(opened)]
    until(lambda: all(job.state().text and not job.state().answered for job in jobs))
    assert [answered(job) for job in jobs] == ["length", "length"]
    ends = [job.state().answer.evidence for job in jobs]
    assert all(end is not None and any("Other answers were written at the same time" in note for note in end.notes) for end in ends)


def test_a_model_takes_the_place_of_another_after_the_answer_under_way(opened: Services) -> None:
    slow = used(opened, "slow.gguf")
    assert slow.path.endswith("slow.gguf")
    job = ask(opened)
    until(lambda: job.state().text)
    opened.use("fast.gguf")
    assert opened.switching == "fast.gguf"
    assert answered(job) in ("complete", "length")
    until(lambda: not opened.switching)
    after = ask(opened)
    assert answered(after) in ("complete", "length")
    evidence = after.state().answer.evidence
    assert evidence is not None and evidence.model_sha256 != slow.sha256


def test_nothing_is_left_of_the_model_that_was_replaced(opened: Services) -> None:
    used(opened, "slow.gguf")
    assert len(running("med42_chat.runtime.worker")) == 1


def test_a_file_that_does_not_load_says_so_and_another_can_be_taken(opened: Services) -> None:
    opened.use("cut.gguf")
    until(lambda: opened.runtime.status().state == "failed")
    status = opened.runtime.status()
    assert "cut.gguf is cut short" in status.error and status.hint
    assert "cut short" in answered(ask(opened))
    assert used(opened, "demonstration").demonstration
    assert answered(ask(opened)) in ("complete", "length")


def test_questions_that_come_while_models_change_are_all_answered_and_cannot_put_it_off(
    opened: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("med42_chat.services._PATIENCE_S", 0.5)
    ends: list[str] = []
    enough = threading.Event()

    def person() -> None:
        while not enough.is_set():
            ends.append(answered(ask(opened)))

    people = [threading.Thread(target=person) for _ in range(2)]
    for one in people:
        one.start()
    for name in ("demonstration", "fast.gguf") * 2:
        opened.use(name)
        until(lambda: not opened.switching)
    enough.set()
    for one in people:
        one.join(60)
    assert len(ends) >= 4 and set(ends) <= {"complete", "length"}


def test_a_model_that_is_removed_while_it_waits_to_be_used_does_not_take_the_place_of_the_one_that_works(
    opened: Services, models: Path
) -> None:
    (models / "brief.gguf").write_bytes((models / "fast.gguf").read_bytes())
    used(opened, "slow.gguf")
    job = ask(opened)
    until(lambda: job.state().text)
    opened.use("brief.gguf")
    (models / "brief.gguf").unlink()
    assert answered(job) in ("complete", "length")
    until(lambda: not opened.switching)
    assert isinstance(opened.not_switched, NotFound)
    assert opened.in_use.name == "slow.gguf" and opened.settings.model == "slow.gguf"
    assert answered(ask(opened)) in ("complete", "length")


def test_a_system_prompt_that_cannot_be_read_leaves_the_model_that_works(
    opened: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "system.txt").write_bytes("Für Ärzte".encode("latin-1"))
    with monkeypatch.context() as context:
        context.setattr("med42_chat.services.ASSETS", tmp_path)
        opened.use("slow.gguf")
        until(lambda: not opened.switching)
    assert opened.not_switched is not None and "system.txt" in opened.not_switched.message
    assert opened.in_use.name == "fast.gguf" and opened.settings.model == "fast.gguf"
    assert answered(ask(opened)) in ("complete", "length")


def test_a_speed_test_ends_in_figures_when_the_model_is_changed(opened: Services) -> None:
    used(opened, "slow.gguf")
    steps = opened.speed_test(threading.Event())
    next(steps)
    opened.use("fast.gguf")
    *_, last = steps
    assert last.done
    until(lambda: not opened.switching)


def test_a_name_that_the_settings_would_read_as_another_file_is_not_used(opened: Services, models: Path) -> None:
    (models / " fast.gguf").write_bytes((models / "slow.gguf").read_bytes())
    with pytest.raises(Med42Error, match="cannot be used under this name"):
        opened.use(" fast.gguf")
    (models / "\udcff.gguf").write_bytes(b"GGUF")
    with pytest.raises(Med42Error, match="cannot be used under this name"):
        opened.use("\udcff.gguf")
    (models / " fast.gguf").unlink()
    (models / "\udcff.gguf").unlink()
