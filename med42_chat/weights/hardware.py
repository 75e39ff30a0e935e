"""What this computer has: memory, processor, graphics devices as llama.cpp reports them, disk, and how fast its memory is.

`read` asks and measures, in about a second and a half; everything else here is a value. The devices come from
`med42_chat.runtime.probe` in a process of its own: a driver that crashes there costs the devices, not the program.
"""

import ctypes
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_PROBE = "med42_chat.runtime.probe"
_PROBE_S = 60.0  # seconds; a graphics driver may take long at its first call, and one that hangs must not hang us
_SCANNED = 128 << 20  # bytes read to measure the memory's speed: more than any processor's cache
_SCAN_S, _SCANS = 0.12, 4  # the fastest of several scans counts: another program may be busy during one of them


@dataclass(frozen=True, slots=True)
class Device:
    """A graphics device or accelerator, as ggml reports it. Memory in bytes."""

    name: str
    description: str
    kind: str  # 'gpu', 'igpu' (shares the computer's memory), 'accel'
    backend: str  # 'CUDA', 'MTL' (Apple's Metal), 'Vulkan' …
    free: int
    total: int

    @property
    def shared(self) -> bool:
        """Whether its memory is the computer's own. Apple's devices call themselves GPUs all the same."""
        return self.kind == "igpu" or self.backend in ("MTL", "Metal")


@dataclass(frozen=True, slots=True)
class Hardware:
    """This computer, as far as a model's speed and fit depend on it. Sizes in bytes, `bandwidth` in bytes a second (0: not measured)."""

    memory_total: int
    memory_free: int
    disk_free: int
    processor: str
    cores: int
    features: tuple[str, ...] = ()  # what llama.cpp uses of the processor, such as 'AVX2'
    devices: tuple[Device, ...] = ()
    bandwidth: float = 0.0
    note: str = ""  # why the devices are not known, in words for the person
    aside: int = 0  # bytes of the memory that the embedding model needs beside the one that answers

    @property
    def graphics(self) -> tuple[Device, ...]:
        """The devices that layers can be put on. As in llama.cpp, built-in ones count only where there are no others."""
        cards = tuple(device for device in self.devices if device.kind == "gpu" and device.total > 0)
        return cards or tuple(device for device in self.devices if device.kind == "igpu" and device.total > 0)


@dataclass(frozen=True, slots=True)
class Footprint:
    """What llama.cpp says a model would take. Bytes; `work` by device; `layers` by device, the output among them."""

    cache: int
    work: dict[str, int]
    layers: dict[str, int]

    @property
    def cards_work(self) -> int:
        """Work buffers on graphics cards; those named after a host are in the computer's own memory."""
        return sum(size for name, size in self.work.items() if name != "CPU" and not name.endswith("_Host"))


def read(models: Path, measure: bool = True) -> Hardware:
    """This computer now; `models` is the folder whose disk counts. Never raises: what cannot be found out is left empty, with a note."""
    total, free = memory()
    cores = usable_cores()
    found, note = ask_probe()
    devices = tuple(Device(**device) for device in found.get("devices", ()) if device["kind"] != "cpu")
    return Hardware(
        memory_total=total,
        memory_free=free,
        disk_free=disk_free(models),
        processor=processor_name(found.get("devices", ())),
        cores=cores,
        features=tuple(found.get("features", ())),
        devices=devices,
        bandwidth=measure_bandwidth(cores) if measure else 0.0,
        note=note or overlooked(devices),
    )


def memory(groups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> tuple[int, int]:
    """Bytes of memory that this process may use, and how many of them are free. A container may have far less than the computer."""
    whole = psutil.virtual_memory()
    total, free = int(whole.total), int(whole.available)
    for group in _groups(groups, own):
        try:
            most = int((group / "memory.max").read_text())
            used = int((group / "memory.current").read_text()) - _file_pages((group / "memory.stat").read_text())
        except (OSError, ValueError):  # no limit here: the word 'max', or no such file
            continue
        total, free = min(total, most), min(free, max(most - used, 0))
    return total, free


def _groups(groups: Path, own: Path) -> tuple[Path, ...]:
    """The control groups that this process is in, the innermost first; none where the system has no such thing."""
    try:
        inside = next(line[3:] for line in own.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return ()
    innermost = groups / inside.lstrip("/")
    return (innermost, *(place for place in innermost.parents if place.is_relative_to(groups)))


def _file_pages(statistics: str) -> int:
    """Bytes of files that are kept in memory, and given back when they are needed for something else."""
    return next((int(line.split()[1]) for line in statistics.splitlines() if line.startswith("file ")), 0)


def overlooked(devices: Sequence[Device]) -> str:
    """A note where the computer seems to have a card that llama.cpp does not report: it must not be slow without a word."""
    if any(device.kind in ("gpu", "igpu") for device in devices) or not (card := signs_of_a_card()):
        return ""
    return f"This computer seems to have {card}, but this llama.cpp was built without it, or its driver is missing: the processor is used."


def signs_of_a_card() -> str:
    """What a card leaves behind in a system, whether llama.cpp can use it or not; empty where nothing is seen."""
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "an Apple graphics processor"
    if Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        return "an NVIDIA card"
    return "an AMD card" if Path("/sys/module/amdgpu").exists() else ""


def footprint(file: Path, context: int, cache_type: str = "f16", gpu_layers: int = 0) -> Footprint | None:
    """What llama.cpp itself says that `file` would take; None where it cannot say. Loads no weights."""
    found, _ = ask_probe({"file": str(file), "context": context, "cache_type": cache_type, "gpu_layers": gpu_layers})
    memory = found.get("memory", {"error": ""})
    return None if "error" in memory else Footprint(memory["cache"], memory["work"], memory["layers"])


def ask_probe(question: dict[str, Any] | None = None) -> tuple[dict[str, Any], str]:
    """The probe's answer, and a note where there is none because its process crashed or hung."""
    try:
        done = subprocess.run(
            # -P: a file in the current folder must not stand in for a module.
            [sys.executable, "-P", "-m", _PROBE],
            input=json.dumps(question) if question else "",
            capture_output=True,
            text=True,
            timeout=_PROBE_S,
            env=_environment(),
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        answer = None
    if not isinstance(answer, dict):
        return {}, "llama.cpp could not look for graphics cards: its test ended early. A driver may be damaged; the processor is used."
    return answer, ""


def _environment() -> dict[str, str]:
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    # Without our settings, of which one is the passphrase: the process may read a stranger's file.
    others = {name: value for name, value in os.environ.items() if not name.startswith("MED42_")}
    return {**others, "PYTHONPATH": os.pathsep.join(paths), "GGML_NO_BACKTRACE": "1"}


def usable_cores() -> int:
    """Physical cores that this process may use: the threads that llama.cpp runs best with."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(psutil.cpu_count(logical=False) or usable, usable)


def processor_name(devices: Iterable[dict[str, Any]]) -> str:
    """The processor's name as ggml knows it, else as Python does."""
    found = next((device["description"] for device in devices if device["kind"] == "cpu"), "")
    return found.strip() or platform.processor() or platform.machine()


def disk_free(folder: Path) -> int:
    """Bytes free where `folder` is or will be."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), Path.cwd())
    return shutil.disk_usage(there).free


def measure_bandwidth(threads: int) -> float:
    """Bytes a second that `threads` threads read from memory together; 0 where it cannot be measured.

    libc's memchr looks for a byte that is not there, which is reading and nothing else, as fast as the processor can; ctypes
    lets the other threads run meanwhile. Writing a token is just that: every weight is read once.
    """
    try:
        scan = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None).memchr
    except (OSError, AttributeError):
        return 0.0
    scan.argtypes, scan.restype = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t), ctypes.c_void_p
    block = ctypes.create_string_buffer(_SCANNED)
    ctypes.memset(block, 1, _SCANNED)  # pages that were never written are all the same one, and would be read from the cache
    share = _SCANNED // threads
    starts = [ctypes.addressof(block) + index * share for index in range(threads)]
    return max(_scanned(lambda start: scan(start, 2, share), starts) * share for _ in range(_SCANS))


def _scanned(scan: Callable[[int], object], starts: Sequence[int]) -> float:
    """How often a second `scan` gets through, called with each of `starts` by a thread of its own."""
    begun = time.perf_counter()
    counts = [0] * len(starts)

    def work(index: int) -> None:
        while time.perf_counter() - begun < _SCAN_S:
            scan(starts[index])
            counts[index] += 1

    workers = [threading.Thread(target=work, args=(index,)) for index in range(len(starts))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - begun)
