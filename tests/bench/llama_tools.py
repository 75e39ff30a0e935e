"""llama.cpp's own programs, against which the bench measures. `python -m tests.bench.llama_tools` builds them, once (`make bench-peers`).

They come out of the source package of the very llama-cpp-python that is installed, and they run on its libraries: both sides compute
with the same machine code, whatever it was compiled for. Seen on Linux; elsewhere they may run on libraries of their own.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import llama_cpp

from tests.vocabulary import download

FOLDER = Path(__file__).parents[2] / ".cache" / "peers" / version("llama-cpp-python")
_PROGRAMS = ("llama-bench", "llama-batched-bench", "llama-server")
_LEFT_OUT = ("BUILD_TESTS", "BUILD_EXAMPLES", "BUILD_APP", "BUILD_UI", "USE_PREBUILT_UI", "OPENSSL")
_START_S = 120.0


def built() -> bool:
    """Whether all of them are there."""
    return all(_program(name).exists() for name in _PROGRAMS)


def build() -> None:
    """Fetches the source with pip, and compiles it: a quarter of an hour on two cores. Raises RuntimeError where something is missing."""
    if lacking := [tool for tool in ("cmake", "c++") if not shutil.which(tool)]:
        raise RuntimeError(f"To build llama.cpp's programs this computer lacks {' and '.join(lacking)}.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    source = _source()
    off = [f"-DLLAMA_{name}=OFF" for name in _LEFT_OUT]
    # Without a path to libraries of their own in the programs, those that they are given count.
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=ON", "-DCMAKE_SKIP_RPATH=ON", *off]
    subprocess.run(["cmake", "-S", str(source), "-B", str(FOLDER / "build"), *options], check=True)
    cores = str(os.cpu_count() or 1)
    subprocess.run(["cmake", "--build", str(FOLDER / "build"), "--parallel", cores, "--target", *_PROGRAMS], check=True)


def bench(model: Path, threads: int, *options: str) -> float:
    """Tokens per second by llama-bench: of one test, once, after a warming up."""
    (test,) = json.loads(_output("llama-bench", model, threads, "--repetitions", "1", "--output", "json", *options))
    return float(test["avg_ts"])


def batched(model: Path, threads: int, *options: str) -> float:
    """Seconds that llama-batched-bench takes for one test, prompts and answers."""
    lines = _output("llama-batched-bench", model, threads, "--output-format", "jsonl", *options).splitlines()
    return float(next(json.loads(line) for line in lines if line.startswith("{"))["t"])


@contextmanager
def server(model: Path, threads: int, *options: str) -> Iterator[str]:
    """The address of a running llama-server."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = _command("llama-server", model, threads, "--host", "127.0.0.1", "--port", str(port), *options)
    with (FOLDER / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=_environment(), stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait(health: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _START_S
    while True:
        try:
            with urllib.request.urlopen(health):
                return
        except urllib.error.URLError as error:  # nobody listens yet, or the model is being loaded
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"llama-server does not start; see {FOLDER / 'server.log'}") from error
        time.sleep(0.1)


def _source() -> Path:
    source = FOLDER / "source"
    if not source.exists():
        with tarfile.open(download(FOLDER)) as package:
            package.extractall(FOLDER / "unpacking", filter="data")
        (unpacked,) = (FOLDER / "unpacking").iterdir()
        unpacked.replace(source)
    return source / "vendor" / "llama.cpp"


def _output(name: str, model: Path, threads: int, *options: str) -> str:
    command = _command(name, model, threads, *options)
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def _command(name: str, model: Path, threads: int, *options: str) -> list[str]:
    return [str(_program(name)), "--model", str(model), "--threads", str(threads), *options]


def _program(name: str) -> Path:
    return FOLDER / "build" / "bin" / name


def _environment() -> dict[str, str]:
    libraries = os.pathsep.join(map(str, (Path(llama_cpp.__file__).parent / "lib", FOLDER / "build" / "bin")))
    return {**os.environ, "LD_LIBRARY_PATH": libraries, "DYLD_LIBRARY_PATH": libraries}


if __name__ == "__main__":
    try:
        build()
    except (RuntimeError, subprocess.CalledProcessError) as failure:
        sys.exit(str(failure))
