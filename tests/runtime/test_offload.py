"""Where a model really is, as llama.cpp's log tells it. The lines are in the form of its source; no card was there to say them."""

from types import SimpleNamespace

import pytest

from med42_chat.runtime import llama
from med42_chat.runtime.protocol import Device, Found, Load
from med42_chat.runtime.worker import _card_warnings, _places

DEBUG, INFO, WARNING, ERROR = 1, 2, 3, 4
CARDS = Found(tuple(Device(f"CUDA{number}", "Some Card", "gpu", "CUDA", 1, 1) for number in range(2)))


def log_of(*lines: tuple[int, str]) -> llama.Log:
    log = llama.Log()
    for level, line in lines:
        log._take(level, f"{line}\n".encode(), None)
    return log


def assigned(device: str, *layers: int) -> list[tuple[int, str]]:
    return [(DEBUG, f"load_tensors: layer {layer:3d} assigned to device {device}, is_swa = 0") for layer in layers]


def test_layers_are_counted_where_they_were_put() -> None:
    log = log_of(*assigned("CPU", 0, 1), *assigned("CUDA0", 2, 3, 4), *assigned("CUDA1", 5))
    assert log.layers == {"CPU": 2, "CUDA0": 3, "CUDA1": 1}


def test_a_line_that_promises_layers_on_a_card_is_not_believed() -> None:
    """A build for graphics cards writes it on a computer that has none."""
    log = log_of((INFO, "load_tensors: offloaded 33/33 layers to GPU"), *assigned("CPU", *range(33)))
    assert set(log.layers) == {"CPU"}


def test_the_cache_is_of_the_type_that_was_allotted() -> None:
    line = "llama_kv_cache: size =  544.00 MiB (  8192 cells,  32 layers,  1/1 seqs), K (q8_0):  272.00 MiB, V (q8_0):  272.00 MiB"
    assert log_of((INFO, line)).cache_type == "q8_0"


@pytest.mark.parametrize(
    ("line", "short"),
    [
        ("ggml_backend_cuda_buffer_type_alloc_buffer: allocating 4685.30 MiB on device 0: cudaMalloc failed: out of memory", True),
        ("llama_model_load: error loading model: unable to allocate CUDA0 buffer", True),
        ("ggml_vulkan: Device memory allocation of size 4912898304 failed: ErrorOutOfDeviceMemory", True),
        ("llama_model_load: error loading model: missing tensor 'blk.2.attn_norm.weight'", False),
        ("llama_model_load: error loading model: unknown model architecture: 'future'", False),
    ],
)
def test_want_of_memory_is_told_from_a_damaged_file(line: str, short: bool) -> None:
    log = log_of((ERROR, line))
    assert log.short_of_memory == short and log.last() == line.partition(": ")[2]


def test_devices_are_named_as_people_know_them() -> None:
    model = SimpleNamespace(offloaded={"CUDA0": 20, "CUDA1": 13})
    assert _places(model, CARDS) == "CUDA0 (Some Card), CUDA1 (Some Card)"  # type: ignore[arg-type]
    assert _places(SimpleNamespace(offloaded={}), CARDS) == "CPU"  # type: ignore[arg-type]


def test_only_a_card_that_was_to_be_used_and_is_not_gives_a_warning() -> None:
    on_card, on_none = SimpleNamespace(offloaded={"CUDA0": 33}), SimpleNamespace(offloaded={})
    assert _card_warnings(Load("a.gguf", 8192, gpu_layers=33), on_card) == ()  # type: ignore[arg-type]
    assert _card_warnings(Load("a.gguf", 8192, gpu_layers=0), on_none) == ()  # type: ignore[arg-type]
    assert "no layer" in _card_warnings(Load("a.gguf", 8192, gpu_layers=33), on_none)[0]  # type: ignore[arg-type]


@pytest.mark.model
def test_on_this_computer_every_layer_is_accounted_for(medium: object) -> None:
    log = llama.Log()
    model = llama.load(Load(str(medium), 512, 1), log, lambda _: None)
    assert sum(log.layers.values()) == model.layers
