"""Several ways to load a model, what the file is told, and what is found in it. Real llama.cpp, small files."""

import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from med42_chat.errors import ModelFileError, ModelTooLarge, RuntimeFailure, WeightsError
from med42_chat.records import Health, ModelInfo, Sampling
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import Found, Load, Override, Prefill, Request
from med42_chat.settings import DEMO_MODEL
from tests.shapes import CHATML, CHATML_CONTROLS, Shape, write_shape

pytestmark = pytest.mark.model
HUGE = 1 << 22  # tokens of context, which take 32 GB in the model of this shape
_SHAPE = Shape(256, 8, 4, 4, 256, context=HUGE)
_ROOM = 8 << 30  # bytes that processes of these tests may have, lest a computer that promises more than it has is filled
Try = Callable[..., LocalRuntime]


@pytest.fixture
def trying(tmp_path: Path) -> Iterator[Try]:
    """Starts runtimes with the ways to load that are given, and closes them after the test."""
    runtimes = []

    def start(*ways: Load, plan: Callable[[Found], Sequence[Load]] | None = None) -> LocalRuntime:
        runtimes.append(LocalRuntime(plan or (lambda found: ways), tmp_path / "cache"))
        return runtimes[-1]

    yield start
    for runtime in runtimes:
        runtime.close()


@pytest.fixture(autouse=True)
def little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that a runtime starts cannot have more than a few gigabytes.

    The tests' own process is not limited: after some thousand tests it has more addresses than that in use, and threads would not start.
    """
    limited = tmp_path / "python"
    limited.write_text(f'#!/bin/sh\nulimit -v {_ROOM >> 10}\nexec {shlex.quote(sys.executable)} "$@"\n')
    limited.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(limited))


@pytest.fixture(scope="session")
def vast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that says it was trained on any number of tokens."""
    return write_shape(tmp_path_factory.mktemp("vast") / "vast.gguf", _SHAPE)


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def examined(runtime: LocalRuntime) -> ModelInfo:
    until(lambda: (model := runtime.status().model) and model.examined)
    return runtime.wait_until_loaded()


def finding(model: ModelInfo, name: str) -> Health:
    return next(one for one in model.findings if one.name == name)


def test_where_memory_is_short_the_next_way_is_taken_and_said(trying: Try, vast: Path) -> None:
    ways = [
        Load(str(vast), size, 1, note=note)
        for size, note in [(HUGE, ""), (HUGE // 2, "Half of it."), (4096, "The context is 4,096."), (512, "")]
    ]
    info = trying(*ways).wait_until_loaded(20)
    assert info.context == 4096
    assert [line.rpartition(". ")[2] for line in info.backed_off] == ["Half of it.", "The context is 4,096."]
    assert "not enough memory for a context of 4,194,304 tokens" in info.backed_off[0]


def test_where_no_way_is_left_the_last_reason_stands(trying: Try, vast: Path) -> None:
    with pytest.raises(ModelTooLarge, match="2,097,152") as caught:
        trying(Load(str(vast), HUGE, 1), Load(str(vast), HUGE // 2, 1)).wait_until_loaded(20)
    assert "2 ways" in caught.value.hint


def test_a_damaged_file_is_not_tried_in_another_way(trying: Try, tiny: Path) -> None:
    missing_layer = Load(str(tiny), 512, 1, overrides=(Override("llama.block_count", 3),))
    runtime = trying(missing_layer, Load(str(tiny), 512, 1))
    with pytest.raises(ModelFileError, match="cannot load"):
        runtime.wait_until_loaded(20)


def test_a_process_that_dies_while_loading_is_followed_by_another_way_at_once(trying: Try, medium: Path) -> None:
    runtime: LocalRuntime

    def plan(found: Found) -> list[Load]:
        pid = runtime.worker_pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # so that it is still loading when it is killed
        threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()
        return [Load(str(medium), 8192, 1), Load(str(medium), 1024, 1, note="The context is smaller.")]

    runtime = trying(plan=plan)
    info = runtime.wait_until_loaded(20)
    assert info.context == 1024
    assert info.backed_off == (
        "The model's process ended while it was loading (signal 9, as when memory is short). The context is smaller.",
    )


def test_a_process_that_dies_before_it_has_written_a_word_is_followed_by_another_way(trying: Try, medium: Path) -> None:
    runtime = trying(Load(str(medium), 8192, 1), Load(str(medium), 1024, 1, note="The context is smaller."))
    runtime.wait_until_loaded(20)
    assert runtime.worker_pid is not None
    os.kill(runtime.worker_pid, signal.SIGKILL)
    until(lambda: runtime.status().state == "restarting")
    info = runtime.wait_until_loaded(20)
    assert info.context == 1024
    assert info.backed_off == ("The model's process ended at its first work (signal 9, as when memory is short). The context is smaller.",)


def test_a_process_that_dies_later_is_started_in_the_way_that_worked(trying: Try, vast: Path) -> None:
    runtime = trying(Load(str(vast), HUGE, 1), Load(str(vast), 4096, 1), Load(str(vast), 512, 1))
    examined(runtime)
    killed = runtime.worker_pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    until(lambda: runtime.worker_pid not in (killed, None))
    assert runtime.wait_until_loaded(20).context == 4096
    assert len(runtime.wait_until_loaded().backed_off) == 1


def test_what_cannot_be_planned_is_said_and_leaves_no_process(trying: Try) -> None:
    def plan(found: Found) -> list[Load]:
        assert found.devices and found.features
        raise ModelTooLarge("It needs 43 GB.", "Choose a smaller one.")

    runtime = trying(plan=plan)
    with pytest.raises(ModelTooLarge, match="43 GB"):
        runtime.wait_until_loaded(20)
    assert runtime.status().hint == "Choose a smaller one."
    until(lambda: runtime.worker_pid is None)


def test_a_disk_that_fails_while_it_is_planned_is_said(trying: Try) -> None:
    def plan(found: Found) -> list[Load]:
        raise PermissionError(13, "Permission denied", "/mnt/models")

    with pytest.raises(RuntimeFailure, match="/mnt/models"):
        trying(plan=plan).wait_until_loaded(20)


def test_the_file_s_values_are_replaced_in_memory_and_its_bytes_stay(trying: Try, tmp_path: Path) -> None:
    path = write_shape(tmp_path / "chatml.gguf", controls=CHATML_CONTROLS, chat_template=CHATML)
    before = path.read_bytes()
    plain = trying(Load(str(path), 512, 1)).wait_until_loaded(20)
    told = trying(
        Load(str(path), 512, 1, overrides=(Override("tokenizer.ggml.eos_token_id", 97), Override("general.name", "Told")))
    ).wait_until_loaded(20)
    assert 97 not in plain.stop_ids and 97 in told.stop_ids
    assert path.read_bytes() == before


def test_the_cache_is_kept_as_asked_and_the_log_is_believed_for_it(trying: Try, small: Path) -> None:
    assert trying(Load(str(small), 512, 1)).wait_until_loaded(20).cache_type == "f16"
    info = trying(Load(str(small), 512, 1, cache_type="q8_0")).wait_until_loaded(20)
    assert info.cache_type == "q8_0"


def test_layers_that_were_meant_for_a_card_and_are_on_none_are_said(trying: Try, tiny: Path) -> None:
    info = trying(Load(str(tiny), 512, 1, gpu_layers=3)).wait_until_loaded(20)
    if info.layers_offloaded:
        pytest.skip("this computer has a graphics card that llama.cpp uses")
    assert (info.device, info.layers, info.layers_offloaded) == ("CPU", 3, 0)
    assert "no layer of the model on a graphics card" in info.warnings[-1]


def test_a_known_checksum_is_believed_and_nothing_is_hashed(trying: Try, tiny: Path, tmp_path: Path) -> None:
    info = trying(Load(str(tiny), 512, 1, sha256="ab" * 32)).wait_until_loaded(20)
    assert info.sha256 == "ab" * 32
    assert not (tmp_path / "cache" / "model-hashes.json").exists()


def test_what_is_known_of_the_file_comes_back_with_what_the_loaded_model_shows(trying: Try, tiny: Path) -> None:
    known = Health("ending", "repaired", "The end was wrong.", "Nothing.", {"a": "b"})
    info = trying(Load(str(tiny), 512, 1, findings=(known,), warnings=("It may be slow.",))).wait_until_loaded(20)
    assert info.findings[0] == known and info.warnings == ("It may be slow.",)
    assert [one.name for one in info.findings[1:]] == ["vocabulary", "prompt", "stops"]
    assert {one.state for one in info.findings[1:]} == {"ok"}


def test_a_model_that_knows_where_answers_end_is_seen_to_stop(trying: Try) -> None:
    info = examined(trying(Load(str(DEMO_MODEL), 2048, 1)))
    assert finding(info, "answer").state == "ok" and "ended by itself" in finding(info, "answer").text


def test_a_question_does_not_wait_for_the_test_question(trying: Try, medium: Path) -> None:
    runtime = trying(Load(str(medium), 2048, 1))
    runtime.wait_until_loaded(20)
    asked = Request("a", (257, *[5] * 70), Sampling(max_tokens=2), 1)
    first, *_ = runtime.generate(asked)
    assert isinstance(first, Prefill)
    model = runtime.status().model
    assert model is not None and "a question came first" in finding(model, "answer").text


@pytest.mark.parametrize("error", [WeightsError("The folder cannot be used.", "Look."), OverflowError("too large")])
def test_whatever_goes_wrong_while_it_is_planned_nobody_waits_for_ever(trying: Try, error: Exception) -> None:
    def plan(found: Found) -> list[Load]:
        raise error

    with pytest.raises(RuntimeFailure, match=r"cannot be used|program made a mistake"):
        trying(plan=plan).wait_until_loaded(5)


def test_a_file_with_another_checksum_than_it_must_have_is_not_loaded(trying: Try, tiny: Path) -> None:
    with pytest.raises(ModelFileError, match=r"is not what its name says") as caught:
        trying(Load(str(tiny), 512, 1, must_be="ab" * 32)).wait_until_loaded(20)
    assert "remove this file" in caught.value.hint


def test_a_cache_that_cannot_be_is_not_called_a_lack_of_memory(trying: Try, tiny: Path) -> None:
    info = trying(Load(str(tiny), 512, 1, cache_type="q8_0"), Load(str(tiny), 512, 1)).wait_until_loaded(20)  # heads of 16 numbers
    assert "memory" not in info.backed_off[0] and "does not divide" in info.backed_off[0]


def test_a_file_that_says_it_was_trained_on_a_few_tokens_is_refused_and_no_process_dies(trying: Try, tmp_path: Path) -> None:
    few = write_shape(tmp_path / "few.gguf", Shape(64, 2, 4, 2, 128, context=40))
    with pytest.raises(ModelFileError, match="trained on 40 tokens"):
        trying(Load(str(few), 1024, 1)).wait_until_loaded(20)


def test_a_folder_whose_name_is_no_text_is_opened_all_the_same(trying: Try, tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "\udcff"
    folder.mkdir()
    (folder / "tiny.gguf").write_bytes(tiny.read_bytes())
    assert trying(Load(str(folder / "tiny.gguf"), 512, 1)).wait_until_loaded(20).context == 512
