"""What is found out about this computer, and what happens where the finding out goes wrong."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from med42_chat.gguf import read_header
from med42_chat.weights import hardware, plan
from tests import shapes
from tests.shapes import Shape
from tests.vocabulary import llama3_vocabulary
from tests.weights.sparse import write_sparse

MIB = 1 << 20


@pytest.mark.model
def test_this_computer_is_described(tmp_path: Path) -> None:
    here = hardware.read(tmp_path / "not" / "yet" / "there")
    assert here.memory_total == psutil.virtual_memory().total
    assert 0 < here.memory_free <= here.memory_total
    assert here.processor and here.cores >= 1 and here.features
    assert here.devices or here.note == "" or "seems to have" in here.note
    assert here.disk_free > 0
    assert 0.5e9 < here.bandwidth < 2e12
    assert all(device.kind != "cpu" for device in here.devices)


@pytest.mark.model
def test_llama_cpp_says_what_a_model_would_take_and_loads_no_weights(tmp_path: Path) -> None:
    model = write_sparse(tmp_path / "8b.gguf", Shape(4096, 32, 32, 8, 14336, quantised=True), llama3_vocabulary())
    found = hardware.footprint(model, 8192)
    assert found is not None
    assert found.cache == plan.cache_bytes(plan.of_header(read_header(model)).shape, 8192, "f16") == 1 << 30
    assert 256 * MIB < sum(found.work.values()) < 400 * MIB
    assert sum(found.layers.values()) == 33
    smaller = hardware.footprint(model, 4096, "q8_0")
    assert smaller is not None and smaller.cache == (1 << 30) * 17 // 64


@pytest.mark.model
def test_a_file_that_llama_cpp_cannot_read_has_no_footprint(tmp_path: Path) -> None:
    (tmp_path / "not.gguf").write_bytes(b"nothing")
    assert hardware.footprint(tmp_path / "not.gguf", 8192) is None


def test_a_driver_that_takes_the_probe_down_costs_the_devices_and_not_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crash.py").write_text("import os; os.abort()")
    monkeypatch.setattr(hardware, "_PROBE", "crash")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    here = hardware.read(tmp_path, measure=False)
    assert here.devices == ()
    assert "driver" in here.note
    assert here.memory_total > 0


def test_a_driver_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hang.py").write_text("import time; time.sleep(60)")
    monkeypatch.setattr(hardware, "_PROBE", "hang")
    monkeypatch.setattr(hardware, "_PROBE_S", 0.5)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert hardware.ask_probe()[1]


def test_a_card_that_llama_cpp_does_not_report_is_not_passed_over_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "signs_of_a_card", lambda: "an NVIDIA card")
    assert "an NVIDIA card" in hardware.overlooked(())
    assert hardware.overlooked((hardware.Device("CUDA0", "a card", "gpu", "CUDA", 1, 1),)) == ""
    monkeypatch.setattr(hardware, "signs_of_a_card", lambda: "")
    assert hardware.overlooked(()) == ""


@pytest.mark.model
def test_the_probe_answers_without_a_question() -> None:
    done = subprocess.run([sys.executable, "-m", "med42_chat.runtime.probe"], input="", capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert [device["kind"] for device in answer["devices"]].count("cpu") == 1
    assert "memory" not in answer


def test_shapes_of_the_smallest_kind_are_read(tmp_path: Path) -> None:
    model = plan.of_header(read_header(shapes.write_shape(tmp_path / "tiny.gguf")))
    assert model.shape.layers == 2
    assert model.layer_bytes > 0


def test_a_container_has_no_more_memory_than_it_was_given(tmp_path: Path) -> None:
    inner = tmp_path / "groups" / "machine" / "box"
    inner.mkdir(parents=True)
    (tmp_path / "own").write_text("1:name=systemd:/elsewhere\n0::/machine/box\n")
    (inner / "memory.max").write_text("max\n")
    for name, text in [("max", "3000000"), ("current", "2500000"), ("stat", "anon 500000\nfile 1500000\nslab 1\n")]:
        (inner.parent / f"memory.{name}").write_text(text)
    assert hardware.memory(tmp_path / "groups", tmp_path / "own") == (3_000_000, 2_000_000)
    whole = psutil.virtual_memory().total
    assert hardware.memory(tmp_path / "nothing", tmp_path / "own")[0] == whole
    assert hardware.memory(tmp_path / "groups", tmp_path / "nothing")[0] == whole
