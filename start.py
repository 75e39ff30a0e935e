"""Makes Med42 Chat ready on this computer, then starts it: python3 start.py

The first start makes `.venv` beside this file and installs into it what requirements.txt names, with llama.cpp as this computer
can use it best: CUDA, Metal or the CPU alone. A start after that installs nothing and asks nobody; it only starts the program.

Nothing but Python's own library is imported, because this runs before anything is installed; and nothing is written that Python 3.7
could not read, because an old Python should say what is wrong rather than show a syntax error. It contacts the package index that
pip is set up for and, for ready-made builds of llama.cpp, abetlen.github.io; with a folder `wheels` beside it, nobody.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import hashlib
import json
import os
import platform
import queue
import re
import shutil
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

OLDEST = (3, 11)
LLAMA = "llama-cpp-python"

# llama.cpp's parts that the program does not use. Without them a build takes minutes instead of a quarter of an hour.
LEFT_OUT = ("LLAVA_BUILD", "LLAMA_BUILD_TOOLS", "LLAMA_BUILD_EXAMPLES", "LLAMA_BUILD_TESTS", "LLAMA_BUILD_SERVER")
LEAN = tuple(f"-D{name}=OFF" for name in LEFT_OUT)

WHEELS = "https://abetlen.github.io/llama-cpp-python/whl/"

# llama-cpp-python 0.3.36's README: the CUDA versions with ready-made wheels, and the compute capabilities that each was built for.
CUDA_WHEELS = (
    ((13, 2), (7, 5), (99, 0)),
    ((13, 0), (7, 5), (99, 0)),
    ((12, 5), (6, 0), (99, 0)),
    ((12, 4), (6, 0), (99, 0)),
    ((12, 3), (6, 0), (99, 0)),
    ((12, 2), (6, 0), (99, 0)),
    ((12, 1), (6, 0), (99, 0)),
    ((11, 8), (6, 0), (8, 9)),
)

# A kit (`models export-kit`) holds packages of one kind of computer. This is its note on which.
KIT_CARD = "kit.json"

# Prints the version and whether this build can use a graphics card; fails where a library that the build needs is missing.
LOAD_CHECK = "import llama_cpp; print(llama_cpp.__version__, llama_cpp.llama_supports_gpu_offload())"

# Computes with a small model: llama.cpp that was compiled for another processor loads here, and dies at its first multiplication.
COMPUTE_CHECK = "import sys, llama_cpp; llama_cpp.Llama(sys.argv[1], n_ctx=64, verbose=False).eval([1, 2]); print('computed')"

TOO_OLD = """Med42 Chat needs Python 3.11 or newer, and this is Python {found}.
Get it from https://www.python.org/downloads/ (Debian and Ubuntu: sudo apt install python3 python3-venv), then start again."""

WHY_SOURCE = """  llama.cpp, which runs the model, now has to be compiled on this computer, because {why}.
  This takes {minutes} and happens once: the result is kept. Ctrl+C stops it, and starting again goes on from this step."""

NETWORK_HINT = """Is the network there? Behind a proxy, set HTTPS_PROXY first. Without a network, put the packages into a folder
'wheels' beside start.py (docs/install.md says how). Starting again repeats only what is missing."""

KIT_HINT = """The folder 'wheels' was made on another kind of computer ({processor}). Make the kit again on one like this, or take
the folder 'wheels' away and start with a network."""

DAMAGED_KIT_HINT = "'sha256sum --check --quiet SHA256SUMS' names what is damaged. Copy the kit again."

COMPILER_HINTS = {
    "Linux": "A C++ compiler is needed. Debian, Ubuntu: sudo apt install build-essential    Fedora: sudo dnf install gcc-c++ make",
    "Darwin": "A C++ compiler is needed. Run: xcode-select --install",
    "Windows": "A C++ compiler is needed: 'Build Tools for Visual Studio' from https://visualstudio.microsoft.com/downloads/,\n"
    "with the workload 'Desktop development with C++'.",
}


class SetupError(Exception):
    """`message` says what is wrong, `hint` what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


# What this computer is


@dataclass(frozen=True)
class Cuda:
    """An NVIDIA card that the driver can use: the newest CUDA that the driver runs, and the card's compute capability."""

    driver: tuple[int, int]
    capability: tuple[int, int]


@dataclass(frozen=True)
class Machine:
    """What decides the build: 'Linux', 'Darwin' or 'Windows'; the processor; the NVIDIA card; whether nvcc can compile for it."""

    system: str
    processor: str
    cuda: Cuda | None = None
    nvcc: bool = False


def find_cuda() -> Cuda | None:
    """Asks NVIDIA's driver itself, because nvidia-smi can be there without a usable card, and missing with one."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        return ask_driver(driver)
    except (OSError, AttributeError):  # no driver; a driver too old to know these functions
        return None


def ask_driver(driver: ctypes.CDLL) -> Cuda | None:
    """The first card, as the CUDA driver interface describes it; None when it sees no card."""
    count, version, device, major, minor = (ctypes.c_int() for _ in range(5))
    by_reference = ctypes.byref
    if driver.cuInit(0) or driver.cuDeviceGetCount(by_reference(count)) or not count.value:
        return None
    driver.cuDriverGetVersion(by_reference(version))  # 12040 is CUDA 12.4
    driver.cuDeviceGet(by_reference(device), 0)
    driver.cuDeviceGetAttribute(by_reference(major), 75, device)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
    driver.cuDeviceGetAttribute(by_reference(minor), 76, device)  # …_MINOR
    return Cuda((version.value // 1000, version.value % 1000 // 10), (major.value, minor.value))


# Which build of llama.cpp


@dataclass(frozen=True)
class Build:
    """One way to get llama.cpp. `how`: 'wheel' from `index`, 'source' with `flags` for CMake, 'folder' from wheels/."""

    accelerator: str
    how: str
    index: str = ""
    flags: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """As the person reads it."""
        name = {"cuda": "CUDA", "metal": "Metal", "cpu": "the CPU"}[self.accelerator]
        how = {"wheel": "ready-made", "source": "compiled here", "folder": "from the folder wheels"}[self.how]
        return f"llama.cpp for {name}, {how}"


def choose_builds(machine: Machine, wanted: str) -> tuple[Build, ...]:
    """The builds to try, best first; the first that loads is kept. `wanted`: auto, cpu, cuda, metal.

    'auto' ends with the CPU, which always works; a card that was asked for by name is never replaced silently.
    """
    offers = {"cpu": cpu_builds(machine), "cuda": cuda_builds(machine), "metal": metal_builds(machine)}
    if wanted != "auto":
        return offers[wanted]
    graphics = offers["cuda"] if machine.cuda else offers["metal"]
    return graphics + offers["cpu"]


def cuda_builds(machine: Machine) -> tuple[Build, ...]:
    """Ready-made for the driver's CUDA version, else compiled where the CUDA toolkit is installed."""
    index = cuda_index(machine.cuda) if machine.cuda else ""
    ready = (Build("cuda", "wheel", index),) if index else ()
    return ready + ((Build("cuda", "source", flags=("-DGGML_CUDA=on",)),) if machine.nvcc else ())


def cuda_index(cuda: Cuda) -> str:
    """The newest published wheels that this driver can run and that were built for this card; '' when there are none."""
    for version, oldest, newest in CUDA_WHEELS:
        if version <= cuda.driver and oldest <= cuda.capability <= newest:
            return WHEELS + "cu{}{}".format(*version)
    return ""


def metal_builds(machine: Machine) -> tuple[Build, ...]:
    """Metal is for Apple's own processors; on Intel Macs llama.cpp is faster without it."""
    if (machine.system, machine.processor) != ("Darwin", "arm64"):
        return ()
    return (Build("metal", "wheel", WHEELS + "metal"), Build("metal", "source", flags=("-DGGML_METAL=on",)))


def cpu_builds(machine: Machine) -> tuple[Build, ...]:
    """Always there. On a Mac llama.cpp would take Metal in unless told not to."""
    flags = ("-DGGML_METAL=OFF",) if machine.system == "Darwin" else ()
    return (Build("cpu", "wheel", WHEELS + "cpu"), Build("cpu", "source", flags=flags))


def from_folder(builds: Sequence[Build]) -> tuple[Build, ...]:
    """The same accelerators in the same order, each from wheels/ and nowhere else."""
    return tuple(dict.fromkeys(Build(build.accelerator, "folder") for build in builds))


def accelerator_wanted(environment: Mapping[str, str]) -> str:
    """MED42_ACCELERATOR, or 'auto'."""
    wanted = environment.get("MED42_ACCELERATOR", "auto").lower()
    if wanted not in ("auto", "cpu", "cuda", "metal"):
        raise SetupError(f"MED42_ACCELERATOR is '{wanted}'.", "It can be auto, cpu, cuda or metal.")
    return wanted


def cmake_arguments(build: Build, environment: Mapping[str, str]) -> str:
    """The person's own CMAKE_ARGS first, ours after them."""
    return " ".join([*environment.get("CMAKE_ARGS", "").split(), *LEAN, *build.flags])


def build_environment(build: Build, environment: Mapping[str, str], cache: Path) -> dict[str, str]:
    """The environment for pip. A build with flags of its own gets a cache of its own.

    pip keeps a compiled wheel under its source's address and takes no notice of CMAKE_ARGS: from one cache it would hand out
    yesterday's CPU build as today's CUDA build.
    """
    if build.how != "source":
        return dict(environment)
    arguments = cmake_arguments(build, environment)
    own_cache = {} if arguments == " ".join(LEAN) else {"PIP_CACHE_DIR": str(cache / f"pip-{fingerprint(arguments)[:8]}")}
    return {**environment, "CMAKE_ARGS": arguments, **own_cache}


def pip_options(build: Build, wheels: Path) -> list[str]:
    """What pip is told beside the package's name."""
    return {
        "wheel": ["--only-binary", LLAMA, "--extra-index-url", build.index],
        "source": ["--verbose"],  # lets the compiler's own count of steps through
        "folder": ["--no-index", "--find-links", str(wheels)],
    }[build.how]


def reachable(address: str, timeout_s: float = 3.0) -> bool:
    """Whether anybody answers there. In a thread of its own, because looking up a name has no time limit."""
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(answers_at(address, timeout_s)), daemon=True)
    asking.start()
    asking.join(timeout_s)
    return bool(answers and answers[0])


def answers_at(address: str, timeout_s: float) -> bool:
    """A certificate that Python itself cannot check counts as an answer: pip brings its own and checks again."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=timeout_s):
            return True
    except urllib.error.URLError as error:
        return isinstance(error.reason, ssl.SSLError)
    except OSError:
        return False


# What is installed already


def fingerprint(*parts: str) -> str:
    """One short name for exactly these texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def pins(requirements: str) -> list[str]:
    """The 'name==version' of each line, without the reasons."""
    lines = (line.split("#")[0].strip() for line in requirements.splitlines())
    return [line for line in lines if line]


def split_pins(requirements: str) -> tuple[list[str], str]:
    """Everything but llama-cpp-python, and llama-cpp-python."""
    every = pins(requirements)
    llama = next(pin for pin in every if pin.startswith(LLAMA + "=="))
    return [pin for pin in every if pin != llama], llama


@dataclass(frozen=True)
class Folder:
    """The program's folder and where things lie in it."""

    root: Path

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The virtual environment's interpreter."""
        return self.venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def stamp(self) -> Path:
        """What was installed; it goes when the virtual environment goes."""
        return self.venv / "med42.json"

    @property
    def cache(self) -> Path:
        """For the lock, the log, and pip's caches of builds with flags of their own."""
        return self.root / ".cache"

    @property
    def log(self) -> Path:
        """Everything that pip and the compiler said during the last set-up."""
        return self.cache / "setup.log"

    @property
    def wheels(self) -> Path:
        """Packages for an installation without a network, where the person put them."""
        return self.root / "wheels"

    @property
    def kit(self) -> dict[str, str]:
        """Which computers the wheels are for, where a kit's note says so. Raises SetupError for a note that is damaged."""
        try:
            card = json.loads((self.wheels / KIT_CARD).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            card = None
        if not isinstance(card, dict) or any(not isinstance(card.get(name), str) for name in this_python()):
            raise SetupError(f"The kit did not arrive whole: {self.wheels / KIT_CARD} is damaged.", DAMAGED_KIT_HINT)
        return card

    @property
    def trial_model(self) -> Path:
        """The smallest model there is, to compute with."""
        return self.root / "models" / "demo" / "med42-chat-demo.gguf"

    def text(self, name: str) -> str:
        """One of the lists of packages."""
        return (self.root / name).read_text(encoding="utf-8")

    def venv_version(self) -> tuple[int, ...]:
        """The Python of the virtual environment, without starting it; () where there is none, or one that is gone."""
        try:
            configuration = (self.venv / "pyvenv.cfg").read_text(encoding="utf-8")
        except OSError:
            return ()
        found = re.search(r"^version(?:_info)? *= *(\d+)\.(\d+)", configuration, re.MULTILINE)
        # `exists` follows links: a Python that was updated away leaves one that points nowhere.
        return tuple(map(int, found.groups())) if found and self.python.exists() else ()

    def installed(self) -> dict[str, str]:
        """Part → fingerprint of what was installed for it; empty when nothing certain is known."""
        try:
            content = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def record(self, part: str, mark: str) -> None:
        """Notes that a part is complete, in one step: an interruption leaves the old note or the new one."""
        new = self.stamp.with_suffix(".new")
        new.write_text(json.dumps({**self.installed(), part: mark}, indent=1), encoding="utf-8")
        new.replace(self.stamp)


def wanted_marks(folder: Folder, accelerator: str, dev: bool) -> dict[str, str]:
    """Part → fingerprint of everything that its installation depends on, in the order of installation."""
    version = ".".join(map(str, folder.venv_version()))
    packages, llama = split_pins(folder.text("requirements.txt"))
    constraints = folder.text("constraints.txt")
    marks = {"packages": fingerprint(version, constraints, *packages), "llama": fingerprint(version, llama, accelerator)}
    if dev:
        marks["dev"] = fingerprint(version, constraints, folder.text("requirements-dev.txt"))
    return marks


def missing_parts(wanted: Mapping[str, str], installed: Mapping[str, str]) -> list[str]:
    """The parts that are not installed as wanted."""
    return [part for part, mark in wanted.items() if installed.get(part) != mark]


# Running a command with one line of progress


def steps_done(line: str) -> int | None:
    """Percent, from a line of ninja ('[12/345] Building…') or make ('[ 42%] Building…'); None from any other line."""
    counted = re.search(r"^\s*\[(\d+)/(\d+)\]", line)
    if counted and int(counted[2]):
        return 100 * int(counted[1]) // int(counted[2])
    percent = re.search(r"^\s*\[\s*(\d+)%\]", line)
    return int(percent[1]) if percent else None


def clock(seconds: float) -> str:
    """Minutes and seconds: 2:05."""
    return "{}:{:02d}".format(*divmod(int(seconds), 60))


class ProgressLine:
    """One line that is rewritten in place; where nobody watches (a log), a new line twice a minute at most."""

    def __init__(self, title: str, screen: IO[str]) -> None:
        self._screen = screen
        self._begin(title)

    def _begin(self, title: str) -> None:
        self._title = title
        self._began = self._written = time.monotonic()
        self._percent: int | None = None
        self._shown = ""

    def update(self, percent: int | None = None) -> None:
        """Shows the time and, once a percentage is known, the percentage."""
        self._percent = self._percent if percent is None else percent
        if self._screen.isatty():
            self._write("")
        elif time.monotonic() - self._written >= 30:
            self._written = time.monotonic()
            self._write("\n")

    def turn_to(self, title: str, notice: str) -> None:
        """Says the notice and begins a line for what comes now."""
        self.finish("")
        self._screen.write(notice + "\n")
        self._begin(title)

    def finish(self, result: str) -> None:
        """The last state of the line."""
        self._write(f" {result}\n")

    def _write(self, end: str) -> None:
        """Rewrites the line, unless it would look the same: a compiler's warnings come by the thousand."""
        percent = "" if self._percent is None else f" {self._percent:3d} %"
        text = f"  {self._title}{percent}  {clock(time.monotonic() - self._began)}{end.rstrip()}"
        if end or text != self._shown:
            self._screen.write(("\r" + text.ljust(79) if self._screen.isatty() else text) + ("\n" if end else ""))
            self._screen.flush()
        self._shown = text


@dataclass(frozen=True)
class Command:
    """A command line with what is shown about it. `notice` is said when the output shows that something is compiled."""

    title: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    notice: str = ""


# pip's words at the moment when it really has to compile. Not said any earlier: pip may hold the finished result from another day.
COMPILING_BEGINS = "Building wheels for collected packages"


class CommandFailed(Exception):
    """A command ended with an error; `lines` are its last ones."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = list(lines)


def run_command(command: Command) -> None:
    """Runs it to its end with a line of progress; everything it says goes into the log."""
    line = ProgressLine(command.title, sys.stdout)
    tail: deque[str] = deque(maxlen=30)
    with command.log.open("a", encoding="utf-8", buffering=1) as log, ended(open_process(command)) as process:
        for text in output_lines(process):
            if text is not None:
                log.write(text + "\n")
                tail.append(text)
            if command.notice and text and text.startswith(COMPILING_BEGINS):
                line.turn_to("Compiling llama.cpp", command.notice)
            line.update(steps_done(text or ""))
    line.finish("done" if process.returncode == 0 else "failed")
    if process.returncode:
        raise CommandFailed(list(tail))


def open_process(command: Command) -> subprocess.Popen[str]:
    """Its words of both kinds in one stream, as UTF-8 whatever the console speaks."""
    return subprocess.Popen(
        command.arguments,
        env=dict(command.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Leaves no process behind. After Ctrl+C, which the process gets too, it has ten seconds to tidy up."""
    try:
        yield process
        process.wait()
    except BaseException:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        process.kill()
        process.wait()
        raise


def output_lines(process: subprocess.Popen[str]) -> Iterator[str | None]:
    """Each line as it comes, and None twice a second while none comes."""
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=pump, args=(process.stdout, lines), daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=0.5)
        except queue.Empty:
            yield None
            continue
        if line is None:
            return
        yield line


def pump(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    """From a pipe into a queue; None at the end."""
    for line in stream:
        lines.put(line.rstrip())
    lines.put(None)


# The set-up itself


class World:
    """Everything outside the folder that a set-up has to do with. Tests put a recorder in its place."""

    def machine(self) -> Machine:
        """The computer that this runs on."""
        return Machine(platform.system(), platform.machine(), find_cuda(), shutil.which("nvcc") is not None)

    def answers(self, address: str) -> bool:
        """Whether anybody answers at a web address."""
        return reachable(address)

    def run(self, command: Command) -> None:
        """Carries out a command before the person's eyes. Raises CommandFailed."""
        run_command(command)

    def ask(self, arguments: Sequence[str], environment: Mapping[str, str]) -> str:
        """What a short command prints; '' when it fails."""
        done = subprocess.run(arguments, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else ""


class Setup:
    """One set-up of one folder."""

    def __init__(self, folder: Folder, environment: Mapping[str, str], world: World) -> None:
        self._folder = folder
        self._environment = quiet_pip(environment)
        self._world = world
        self._accelerator = accelerator_wanted(environment)

    def bring_about(self, dev: bool = False, again: bool = False) -> None:
        """Installs what is missing and nothing else; `again` looks at the computer anew and replaces llama.cpp."""
        if not again and not self._missing(dev):
            return
        check_kit(self._folder.kit, this_python())
        with alone(self._folder.cache / "setup.lock"):
            self._folder.log.unlink(missing_ok=True)
            self._make_venv()
            if again:
                self._folder.record("llama", "")
            for part in self._missing(dev):
                self._install(part, again)
                self._folder.record(part, wanted_marks(self._folder, self._accelerator, dev)[part])
        print("Med42 Chat is set up.", flush=True)

    def _missing(self, dev: bool) -> list[str]:
        if self._folder.venv_version() < OLDEST:
            return ["venv"]
        return missing_parts(wanted_marks(self._folder, self._accelerator, dev), self._folder.installed())

    def _make_venv(self) -> None:
        """A new virtual environment unless a sound one is there: one whose making was interrupted has no pip."""
        if self._folder.venv_version() >= OLDEST and self._ask("-m", "pip", "--version"):
            return
        print("Setting up Med42 Chat in the folder .venv. This happens once and takes about a gigabyte.", flush=True)
        pip = next(self._folder.wheels.glob("pip-*.whl"), None)
        making = (sys.executable, "-m", "venv", "--clear", *(["--without-pip"] if pip else []), str(self._folder.venv))
        try:
            self._world.run(Command("A Python of its own", making, self._environment, self._folder.log))
            if pip:  # Debian's Python has no pip to put in, unless python3-venv was installed, which takes a network
                bringing = (str(self._folder.python), str(pip / "pip"), "install", "--no-index", str(pip))
                self._world.run(Command("pip", bringing, self._environment, self._folder.log))
        except CommandFailed as error:
            hint = "Debian, Ubuntu: sudo apt install python3-venv. Others: install Python from https://www.python.org/downloads/"
            raise SetupError(self._failure("Python could not make a virtual environment.", error), hint) from error

    def _install(self, part: str, again: bool) -> None:
        packages, llama = split_pins(self._folder.text("requirements.txt"))
        if part == "packages":
            self._install_packages("Packages", *packages)
        elif part == "dev":
            self._install_packages("Packages for tests", "--requirement", str(self._folder.root / "requirements-dev.txt"))
        else:
            self._install_llama(llama, again)

    def _install_packages(self, title: str, *what: str) -> None:
        offline = pip_options(Build("cpu", "folder"), self._folder.wheels) if self._offline else []
        try:
            self._pip(title, self._environment, *offline, *what)
        except CommandFailed as error:
            raise SetupError(self._failure("The packages could not be installed.", error), NETWORK_HINT) from error

    def _install_llama(self, pin: str, again: bool) -> None:
        """Tries one build after the other until one loads, and says what the person loses by it."""
        machine = self._world.machine()
        builds = choose_builds(machine, self._accelerator)
        failures: list[str] = []
        for build in from_folder(builds) if self._offline else builds:
            failure = "" if self._loads(build, pin) and not again else self._try(build, pin)
            if not failure:
                self._mention_card(build, machine, failures)
                return
            failures.append(failure)
        raise no_build(self._accelerator, machine, failures, self._folder.kit)

    def _try(self, build: Build, pin: str) -> str:
        """Installs a build. Returns why it cannot be used, or '' when it can."""
        if build.how == "wheel" and not self._world.answers(f"{build.index}/{LLAMA}/"):
            return f"{build.title}: {build.index} does not answer"
        self._ask("-m", "pip", "uninstall", "--yes", LLAMA)  # pip would take another build of the same version for this one
        environment = build_environment(build, self._environment, self._folder.cache)
        try:
            self._pip(build.title, environment, *pip_options(build, self._folder.wheels), pin, notice=source_notice(build))
        except CommandFailed as error:
            return self._failure(f"{build.title}: it could not be installed.", error)
        if not self._loads(build, pin):
            return f"{build.title}: it was installed, but does not load on this computer"
        return "" if self._computes(build) else f"{build.title}: it loads, but this computer's processor cannot run it"

    def _loads(self, build: Build, pin: str) -> bool:
        """Whether what is installed is this version for this accelerator, and finds the libraries that it needs."""
        said = self._ask("-c", LOAD_CHECK).split()
        return said[-2:] == [pin.split("==")[1], str(build.accelerator != "cpu")]

    def _computes(self, build: Build) -> bool:
        """Whether a build from elsewhere runs on this processor. One that pip chose or compiled for it does."""
        model = self._folder.trial_model
        return build.how != "folder" or not model.exists() or "computed" in self._ask("-c", COMPUTE_CHECK, str(model))

    def _mention_card(self, build: Build, machine: Machine, failures: Sequence[str]) -> None:
        idle_card = machine.cuda is not None or bool(metal_builds(machine))
        if idle_card and build.accelerator == "cpu" and self._accelerator == "auto":
            print(no_graphics(machine, failures), flush=True)

    @property
    def _offline(self) -> bool:
        return self._folder.wheels.is_dir()

    def _failure(self, message: str, error: CommandFailed) -> str:
        return "\n".join([message, *(f"    {line}" for line in error.lines), f"    (all of it: {self._folder.log})"])

    def _pip(self, title: str, environment: Mapping[str, str], *arguments: str, notice: str = "") -> None:
        constraints = ("--constraint", str(self._folder.root / "constraints.txt"))
        command = (str(self._folder.python), "-m", "pip", "install", *constraints, *arguments)
        self._world.run(Command(title, command, environment, self._folder.log, notice))

    def _ask(self, *arguments: str) -> str:
        return self._world.ask((str(self._folder.python), *arguments), self._environment)


def quiet_pip(environment: Mapping[str, str]) -> dict[str, str]:
    """pip shall not look for a newer pip, and not ask questions that nobody sees."""
    return {**environment, "PYTHONUTF8": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def source_notice(build: Build) -> str:
    """Why, how long, how often; '' for a build that comes ready-made."""
    if build.how != "source":
        return ""
    why = "no ready-made build for it can be reached" if build.accelerator == "cpu" else "no ready-made build works on it"
    minutes = "20 to 60 minutes" if build.accelerator == "cuda" else "4 to 10 minutes on two cores, longer on a busy computer,"
    return WHY_SOURCE.format(why=why, minutes=minutes)


def no_graphics(machine: Machine, failures: Sequence[str]) -> str:
    """That the card stays unused, and why: a person who bought one must not have to guess."""
    lines = ["  Note: the graphics card of this computer will NOT be used; answers come from the CPU, more slowly. Why:"]
    lines += [f"    - {failure.splitlines()[0]}" for failure in failures if "the CPU" not in failure.splitlines()[0]]
    if machine.cuda and not cuda_index(machine.cuda):
        lines.append("    - there is no ready-made build for this card and its driver: a newer driver may help")
    if machine.cuda and not machine.nvcc:
        lines.append("    - it cannot be compiled here either: NVIDIA's CUDA toolkit (nvcc) is not installed")
    return "\n".join([*lines, "    After a change, run: python3 start.py --again"])


def this_python() -> dict[str, str]:
    """What a kit must be made for, to be of use here."""
    return {"python": "{}.{}".format(*sys.version_info), "system": platform.system(), "processor": platform.machine()}


def check_kit(kit: Mapping[str, str], here: Mapping[str, str]) -> None:
    """Refuses a kit for another kind of computer, before anything is made. Without a note the wheels are taken as they are."""
    if kit and any(kit.get(name) != value for name, value in here.items()):
        raise SetupError(
            "This kit is for {system} on {processor} with Python {python}.".format(**kit)
            + " Here it is {system} on {processor} with Python {python}.".format(**here),
            "With another Python that is here: make run PYTHON=python{}. Otherwise make the kit again on a computer like this one.".format(
                kit.get("python")
            ),
        )


def no_build(accelerator: str, machine: Machine, failures: Sequence[str], kit: Mapping[str, str]) -> SetupError:
    """Nothing that was tried, or allowed, works."""
    if not failures:
        needs = {"cuda": "an NVIDIA card with its driver, or the CUDA toolkit (nvcc)", "metal": "a Mac with an Apple processor"}
        return SetupError(
            f"MED42_ACCELERATOR={accelerator} needs {needs[accelerator]}, and there is none here.", "Leave it out, or set cpu."
        )
    if kit:
        return SetupError("\n".join(failures), KIT_HINT.format(processor=kit.get("processor", "")))
    hint = COMPILER_HINTS.get(machine.system, COMPILER_HINTS["Linux"])
    return SetupError("llama.cpp, which runs the model, could not be installed.\n" + "\n".join(failures), f"{hint}\n{NETWORK_HINT}")


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """One set-up at a time: a second double-click waits, instead of installing into the same folder at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        if not try_lock(handle):
            print("Another start is setting up Med42 Chat already; waiting for it.", flush=True)
            while not try_lock(handle):
                time.sleep(1)
        yield


def try_lock(handle: IO[str]) -> bool:
    """Takes the lock unless somebody has it. The system gives it back when the process ends, however it ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


# The front door


def start_app(folder: Folder, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The program itself, in this process's place where the system can do that, so that its signals and exit status are its own."""
    command = [str(folder.python), str(folder.root / "app.py"), *arguments]
    child = {**environment, "PYTHONUTF8": "1"}
    if os.name != "nt":
        os.execve(command[0], command, child)
    process = subprocess.Popen(command, env=child)
    while True:
        with contextlib.suppress(KeyboardInterrupt):  # the program gets Ctrl+C as well, and ends in its own time
            return process.wait()


def read_arguments(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Ours, and everything else, which is for app.py."""
    parser = argparse.ArgumentParser(
        prog="start.py",
        description="Sets Med42 Chat up on this computer where that is needed, then starts it.",
        epilog="Every other option goes to the program: --port, --host, --model, --home, --no-browser.",
        allow_abbrev=False,
    )
    parser.add_argument("--setup", action="store_true", help="set up only, don't start")
    parser.add_argument("--dev", action="store_true", help="also install what the tests need")
    parser.add_argument(
        "--again", action="store_true", help="choose and install llama.cpp anew (after a change of graphics card or driver)"
    )
    return parser.parse_known_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Exit status 0 when all is well, 1 when it cannot be set up, 130 after Ctrl+C; the program's own when it ran."""
    if sys.version_info < OLDEST:
        print(TOO_OLD.format(found=platform.python_version()), file=sys.stderr)
        return 1
    options, others = read_arguments(arguments)
    folder = Folder(Path(__file__).resolve().parent)
    try:
        Setup(folder, os.environ, World()).bring_about(options.dev, options.again)
    except SetupError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}\nhint: {folder.root} must be writable and have three gigabytes of room.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What is installed stays; starting again goes on from here.", file=sys.stderr)
        return 130
    return 0 if options.setup else start_app(folder, others, os.environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
