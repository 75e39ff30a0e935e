"""What llama.cpp finds on this computer: `python -m med42_chat.runtime.probe`, which prints one JSON object.

A process of its own, because a broken graphics driver can take down whoever asks it. Standard input may hold a JSON object
{"file", "context", "cache_type", "gpu_layers"}: then the answer also says what memory llama.cpp would take for that model.
For that it loads the file without weights (`no_alloc`), which takes a moment even for 70B.

llama.cpp's C interface has the loading, but not the call that reads the sizes back: that one returns a C++ map. So the caches
and work buffers are taken from llama.cpp's log, and the weights, which it logs as 0 here, are counted by `weights.plan` from the file.
"""

import ctypes
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp as native

from med42_chat.runtime.protocol import Device

_KINDS = ("cpu", "gpu", "igpu", "accel")  # ggml_backend_dev_type by number
_CACHE_TYPES = {"f16": native.GGML_TYPE_F16, "q8_0": native.GGML_TYPE_Q8_0, "q4_0": native.GGML_TYPE_Q4_0}
_BATCH = 512  # tokens; as the worker sets it, for it decides the size of the work buffers
_MIB = 1 << 20


class Ggml:
    """The few functions of ggml that the binding leaves out."""

    def __init__(self) -> None:
        # Asked through llama's library, because a wheel holds ggml's files several times over and loading another copy would
        # bring another, empty list of devices. Windows alone does not look into what a library is linked against.
        folder = Path(native.__file__).parent / "lib"
        found = sorted(folder.glob("ggml*.dll")) if sys.platform == "win32" else []
        self._libraries = [native._lib, *(ctypes.CDLL(str(path)) for path in found)]

    def call(self, name: str, result: Any, *arguments: Any) -> Any:
        """Calls ggml's function `name`. Raises AttributeError when no library of this build has it."""
        function = next((getattr(library, name) for library in self._libraries if hasattr(library, name)), None)
        if function is None:
            raise AttributeError(name)
        function.restype = result
        return function(*arguments)

    def text(self, name: str, handle: ctypes.c_void_p) -> str:
        """What a function says of `handle` in words."""
        return (self.call(name, ctypes.c_char_p, handle) or b"").decode(errors="replace")

    def devices(self) -> Iterator[Device]:
        """Every device of every backend that this build has and this computer answers to."""
        for index in range(self.call("ggml_backend_dev_count", ctypes.c_size_t)):
            handle = ctypes.c_void_p(self.call("ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t(index)))
            yield self._device(handle)

    def _device(self, handle: ctypes.c_void_p) -> Device:
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("ggml_backend_dev_memory", None, handle, ctypes.byref(free), ctypes.byref(total))
        kind = self.call("ggml_backend_dev_type", ctypes.c_int, handle)
        backend = ctypes.c_void_p(self.call("ggml_backend_dev_backend_reg", ctypes.c_void_p, handle))
        return Device(
            name=self.text("ggml_backend_dev_name", handle),
            description=self.text("ggml_backend_dev_description", handle),
            kind=_KINDS[kind] if 0 <= kind < len(_KINDS) else "accel",
            backend=self.text("ggml_backend_reg_name", backend) if backend.value else "",
            free=free.value,
            total=total.value,
        )


def features() -> list[str]:
    """The processor's abilities that this build of llama.cpp uses, such as 'AVX2'."""
    text = (native.llama_print_system_info() or b"").decode(errors="replace")
    return re.findall(r"(\w+) = [1-9]", text)


class Log:
    """Keeps what llama.cpp says while a model is loaded without its weights."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._callback = native.llama_log_callback(lambda level, text, data: self.lines.append(text.decode(errors="replace")))
        native.llama_log_set(self._callback, None)

    def sizes(self, what: str) -> dict[str, int]:
        """Bytes by device in lines such as 'CUDA0 compute buffer size = 258.50 MiB'."""
        found = re.findall(rf"(\S+) +{what} buffer size = +([\d.]+) MiB", "".join(self.lines))
        return {device: round(float(size) * _MIB) for device, size in found}

    def cache_bytes(self) -> int:
        """Bytes of the whole KV cache."""
        found = re.findall(r"llama_kv_cache\w*: size = +([\d.]+) MiB", "".join(self.lines))
        return round(sum(map(float, found)) * _MIB)

    def devices(self) -> dict[str, int]:
        """How many layers were put on each device, the output among them."""
        assigned = re.findall(r"load_tensors: layer +\d+ assigned to device ([^,]+),", "".join(self.lines))
        return {device: assigned.count(device) for device in dict.fromkeys(assigned)}

    def problem(self) -> str:
        """The last line that sounds like one."""
        return next((line.strip() for line in reversed(self.lines) if "error" in line or "failed" in line), "no reason given")


def memory(file: str, context: int, cache_type: str, gpu_layers: int) -> dict[str, Any]:
    """What llama.cpp would take: bytes of the KV cache, of the work buffers by device, and layers by device. {"error"} if it cannot."""
    log = Log()
    native.llama_backend_init()
    model = native.llama_model_load_from_file(os.fsencode(file), _model_params(gpu_layers))
    if not model:
        return {"error": log.problem()}
    opened = native.llama_init_from_model(model, _context_params(context, _CACHE_TYPES[cache_type]))
    if not opened:
        return {"error": log.problem()}
    return {
        "cache": log.cache_bytes(),
        "work": log.sizes("compute"),
        "output": sum(log.sizes("output").values()),
        "layers": log.devices(),
    }


def _model_params(gpu_layers: int) -> Any:
    params = native.llama_model_default_params()
    params.no_alloc = True
    params.load_mode = native.LLAMA_LOAD_MODE_NONE  # a mapped file cannot be combined with no_alloc: llama.cpp would abort
    params.n_gpu_layers = gpu_layers
    return params


def _context_params(context: int, cache_type: int) -> Any:
    params = native.llama_context_default_params()
    params.n_ctx = context
    params.n_batch = params.n_ubatch = _BATCH
    params.type_k = params.type_v = cache_type
    return params


def main() -> None:
    """Answers the question on standard input, if there is one."""
    question = json.loads(sys.stdin.read() or "{}")
    answer = {"devices": [asdict(device) for device in Ggml().devices()], "features": features()}
    if question:
        answer["memory"] = memory(question["file"], question["context"], question["cache_type"], question["gpu_layers"])
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
