"""The front door: which build of llama.cpp, what is installed when, and what a person reads when it fails."""

import ast
import http.server
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

import start
from start import Build, Command, CommandFailed, Cuda, Folder, Machine, Setup, SetupError, World

ROOT = Path(start.__file__).parent
LINUX = Machine("Linux", "x86_64")
APPLE = Machine("Darwin", "arm64")
RTX = Cuda(driver=(12, 8), capability=(8, 6))

posix = pytest.mark.skipif(os.name == "nt", reason="process groups are POSIX")


# Which build


def test_a_computer_without_a_card_gets_the_ready_made_cpu_build_and_else_compiles_it() -> None:
    assert start.choose_builds(LINUX, "auto") == (Build("cpu", "wheel", start.WHEELS + "cpu"), Build("cpu", "source"))


@pytest.mark.parametrize(
    ("driver", "capability", "index"),
    [
        ((12, 8), (8, 6), "cu125"),  # newer than any published 12.x: the newest of them runs on it
        ((12, 4), (8, 6), "cu124"),
        ((12, 0), (8, 6), "cu118"),  # no 12.0 is published
        ((12, 0), (9, 0), ""),  # 11.8 knows no card this new, and the driver runs nothing newer
        ((13, 1), (12, 0), "cu130"),
        ((13, 2), (6, 1), "cu125"),  # CUDA 13 dropped this card
        ((11, 4), (8, 0), ""),
        ((13, 2), (5, 2), ""),
    ],
)
def test_the_newest_cuda_build_that_driver_and_card_can_run_is_chosen(
    driver: tuple[int, int], capability: tuple[int, int], index: str
) -> None:
    assert start.cuda_index(Cuda(driver, capability)) == (start.WHEELS + index if index else "")


def test_an_nvidia_card_is_tried_ready_made_then_compiled_then_left_unused() -> None:
    machine = Machine("Linux", "x86_64", RTX, nvcc=True)
    builds = start.choose_builds(machine, "auto")
    assert [(build.accelerator, build.how) for build in builds] == [
        ("cuda", "wheel"),
        ("cuda", "source"),
        ("cpu", "wheel"),
        ("cpu", "source"),
    ]
    assert builds[1].flags == ("-DGGML_CUDA=on",)


def test_without_the_cuda_toolkit_nothing_is_compiled_for_cuda() -> None:
    assert [build.how for build in start.cuda_builds(Machine("Linux", "x86_64", RTX))] == ["wheel"]


def test_an_accelerator_asked_for_by_name_is_never_replaced_by_the_cpu() -> None:
    machine = Machine("Linux", "x86_64", RTX, nvcc=True)
    assert {build.accelerator for build in start.choose_builds(machine, "cuda")} == {"cuda"}
    assert {build.accelerator for build in start.choose_builds(APPLE, "metal")} == {"metal"}
    assert {build.accelerator for build in start.choose_builds(machine, "cpu")} == {"cpu"}


def test_apple_processors_get_metal_and_intel_macs_do_not() -> None:
    assert [build.accelerator for build in start.choose_builds(APPLE, "auto")] == ["metal", "metal", "cpu", "cpu"]
    intel = start.choose_builds(Machine("Darwin", "x86_64"), "auto")
    assert intel[-1] == Build("cpu", "source", flags=("-DGGML_METAL=OFF",))


def test_an_unknown_accelerator_is_named_with_what_it_could_be() -> None:
    with pytest.raises(SetupError, match="'rocm'") as caught:
        start.accelerator_wanted({"MED42_ACCELERATOR": "ROCm"})
    assert "auto, cpu, cuda or metal" in caught.value.hint


def test_cmake_arguments_of_the_person_are_kept_and_ours_follow() -> None:
    arguments = start.cmake_arguments(Build("cuda", "source", flags=("-DGGML_CUDA=on",)), {"CMAKE_ARGS": "-DMINE=1  -DTOO=2"}).split()
    assert arguments == ["-DMINE=1", "-DTOO=2", *start.LEAN, "-DGGML_CUDA=on"]


def test_only_a_build_with_flags_of_its_own_leaves_pips_own_cache(tmp_path: Path) -> None:
    plain = start.build_environment(Build("cpu", "source"), {}, tmp_path)
    cuda = start.build_environment(Build("cuda", "source", flags=("-DGGML_CUDA=on",)), {}, tmp_path)
    mine = start.build_environment(Build("cpu", "source"), {"CMAKE_ARGS": "-DMINE=1"}, tmp_path)
    assert "PIP_CACHE_DIR" not in plain
    assert cuda["PIP_CACHE_DIR"] != mine["PIP_CACHE_DIR"]


class FakeDriver:
    """CUDA's driver interface with `cards` of capability 8.9 under CUDA 12.4."""

    def __init__(self, cards: int) -> None:
        self.cards = cards

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return 0 if self.cards else 100  # CUDA_ERROR_NO_DEVICE

    def cuDeviceGetCount(self, count: object) -> int:  # noqa: N802
        return self._give(count, self.cards)

    def cuDriverGetVersion(self, version: object) -> int:  # noqa: N802
        return self._give(version, 12040)

    def cuDeviceGet(self, device: object, number: int) -> int:  # noqa: N802
        return self._give(device, number)

    def cuDeviceGetAttribute(self, value: object, attribute: int, device: object) -> int:  # noqa: N802
        return self._give(value, {75: 8, 76: 9}[attribute])

    @staticmethod
    def _give(reference: object, value: int) -> int:
        reference._obj.value = value  # type: ignore[attr-defined]
        return 0


def test_the_driver_is_asked_for_its_version_and_the_cards_capability() -> None:
    assert start.ask_driver(FakeDriver(cards=1)) == Cuda((12, 4), (8, 9))  # type: ignore[arg-type]


def test_a_driver_without_a_card_counts_as_no_card() -> None:
    assert start.ask_driver(FakeDriver(cards=0)) is None  # type: ignore[arg-type]


# Is anybody there


def test_an_address_that_never_answers_costs_the_time_limit_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert not start.reachable(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout_s=0.3)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(("status", "answer"), [(200, True), (404, False)])
def test_an_address_is_reachable_only_when_the_page_is_there(status: int, answer: bool) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert start.reachable(f"http://127.0.0.1:{server.server_port}/") is answer


# Progress


@pytest.mark.parametrize(
    ("line", "percent"),
    [
        ("  [35/140] /usr/bin/c++ -O3", 25),
        ("[140/140] Linking", 100),
        ("  [ 42%] Building CXX object", 42),
        ("  Collecting gradio", None),
        ("warning: array[3/4] is odd", None),
        ("[1/0]", None),
    ],
)
def test_the_compilers_steps_become_a_percentage(line: str, percent: int | None) -> None:
    assert start.steps_done(line) == percent


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_stays_on_one_line_and_repeats_nothing() -> None:
    screen = Terminal()
    line = start.ProgressLine("Compiling", screen)
    for _ in range(1000):
        line.update(50)
    line.finish("done")
    assert screen.getvalue().count("\n") == 1
    assert screen.getvalue().count("\r") < 5
    assert "Compiling  50 %  0:00 done" in screen.getvalue()


def test_a_log_gets_no_carriage_returns() -> None:
    screen = io.StringIO()
    line = start.ProgressLine("Packages", screen)
    line.update(50)
    line.finish("done")
    assert screen.getvalue() == "  Packages  50 %  0:00 done\n"


def python_command(code: str, log: Path, notice: str = "") -> Command:
    return Command("Trying", (sys.executable, "-c", code), os.environ, log, notice)


def test_a_failed_command_keeps_its_last_thirty_lines_and_logs_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandFailed) as caught:
        start.run_command(python_command("import sys; [print('line', n) for n in range(40)]; sys.exit(3)", tmp_path / "log"))
    assert caught.value.lines == [f"line {n}" for n in range(10, 40)]
    assert len((tmp_path / "log").read_text().splitlines()) == 40
    assert "failed" in capsys.readouterr().out


def test_the_reason_for_compiling_is_said_only_when_compiling_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start.run_command(python_command("print('Using cached wheel')", tmp_path / "log", notice="Compiling takes long."))
    assert "takes long" not in capsys.readouterr().out
    code = f"print({start.COMPILING_BEGINS!r} + ': llama-cpp-python')"
    start.run_command(python_command(code, tmp_path / "log", notice="Compiling takes long."))
    assert "Compiling takes long.\n  Compiling llama.cpp" in capsys.readouterr().out


@posix
def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    inner = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    outer = (
        "import os, signal, sys; from pathlib import Path; import start\n"
        # a job in the background of a script ignores Ctrl-C, and so would everything that it starts
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"start.run_command(start.Command('x', (sys.executable, '-c', {inner!r}), os.environ, Path({str(tmp_path / 'log')!r})))"
    )
    process = subprocess.Popen([sys.executable, "-c", outer], cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL)
    log = tmp_path / "log"
    deadline = time.monotonic() + 20
    while not (log.exists() and log.read_text()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=20) != 0
    pid = int(log.read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# What is installed when


class Recorder(World):
    """A world in which pip always works, unless a word of its command line is in `broken`.

    What is installed loads, unless its command line had a word of `dead`; `gpu` is what it then says of graphics cards.
    """

    def __init__(
        self, machine: Machine = LINUX, online: bool = True, broken: Sequence[str] = (), dead: Sequence[str] = (), gpu: bool = False
    ) -> None:
        self.commands: list[Command] = []
        self.asked: list[str] = []
        self._machine, self._online, self._broken, self._dead, self._gpu = machine, online, broken, dead, gpu
        self.installed = False

    def machine(self) -> Machine:
        return self._machine

    def answers(self, address: str) -> bool:
        self.asked.append(address)
        return self._online

    def run(self, command: Command) -> None:
        self.commands.append(command)
        line = " ".join(command.arguments)
        for word in self._broken:
            if word in line:
                raise CommandFailed(["collecting", f"error near {word}"])
        if start.LLAMA + "==" in line:
            self.installed = not any(word in line for word in self._dead)

    def ask(self, arguments: Sequence[str], environment: Mapping[str, str]) -> str:
        if "pip" in arguments:
            self.installed = self.installed and "uninstall" not in arguments
            return "pip 26"
        return f"ggml says hello\n1.0 {self._gpu}\n" if self.installed else ""

    @property
    def titles(self) -> list[str]:
        return [command.title for command in self.commands]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with a sound virtual environment, and nothing installed in it."""
    (tmp_path / "requirements.txt").write_text("gradio==6.0  # the page\nllama-cpp-python==1.0  # the model\n")
    (tmp_path / "requirements-dev.txt").write_text("pytest==9.0\n")
    (tmp_path / "constraints.txt").write_text("gradio==6.0\n")
    folder = Folder(tmp_path)
    folder.python.parent.mkdir(parents=True)
    folder.python.symlink_to(sys.executable)
    (folder.venv / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n")
    return folder


def test_a_second_start_runs_nothing_and_asks_nobody(folder: Folder) -> None:
    Setup(folder, {}, Recorder()).bring_about()
    second = Recorder()
    Setup(folder, {}, second).bring_about()
    assert second.commands == []
    assert second.asked == []


def test_packages_come_before_llama_and_llama_is_not_among_them(folder: Folder) -> None:
    world = Recorder()
    Setup(folder, {}, world).bring_about()
    assert world.titles == ["Packages", "llama.cpp for the CPU, ready-made"]
    assert world.commands[0].arguments[-1] == "gradio==6.0"
    assert "--constraint" in world.commands[0].arguments
    assert world.commands[1].arguments[-5:] == (
        "--only-binary",
        start.LLAMA,
        "--extra-index-url",
        start.WHEELS + "cpu",
        "llama-cpp-python==1.0",
    )


def test_without_the_ready_made_builds_address_it_is_compiled_with_a_word_on_why_and_how_long(folder: Folder) -> None:
    world = Recorder(online=False)
    Setup(folder, {}, world).bring_about()
    compiling = world.commands[-1]
    assert compiling.title == "llama.cpp for the CPU, compiled here"
    assert compiling.environment["CMAKE_ARGS"] == " ".join(start.LEAN)
    assert "4 to 10 minutes" in compiling.notice
    assert "happens once" in compiling.notice


def test_an_interrupted_set_up_goes_on_where_it_was(folder: Folder) -> None:
    class Interrupted(Recorder):
        def run(self, command: Command) -> None:
            super().run(command)
            if "llama" in command.title:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Setup(folder, {}, Interrupted()).bring_about()
    second = Recorder()
    Setup(folder, {}, second).bring_about()
    assert second.titles == ["llama.cpp for the CPU, ready-made"]


def test_what_is_installed_already_is_not_installed_again_when_only_the_note_of_it_is_lost(folder: Folder) -> None:
    Setup(folder, {}, Recorder()).bring_about()
    folder.stamp.write_text("{ torn")
    second = Recorder()
    second.installed = True
    Setup(folder, {}, second).bring_about()
    assert second.titles == ["Packages"]


def test_again_replaces_llama_and_nothing_else(folder: Folder) -> None:
    Setup(folder, {}, Recorder()).bring_about()
    second = Recorder()
    second.installed = True
    Setup(folder, {}, second).bring_about(again=True)
    assert second.titles == ["llama.cpp for the CPU, ready-made"]


def test_a_build_that_installs_but_does_not_load_is_followed_by_the_next(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    world = Recorder(Machine("Linux", "x86_64", RTX), dead=["cu125"])  # as when CUDA's own libraries are missing
    Setup(folder, {}, world).bring_about()
    assert world.titles[1:] == ["llama.cpp for CUDA, ready-made", "llama.cpp for the CPU, ready-made"]
    said = capsys.readouterr().out
    assert "graphics card of this computer will NOT be used" in said
    assert "llama.cpp for CUDA, ready-made: it was installed, but does not load" in said
    assert "nvcc) is not installed" in said


def test_a_cuda_build_that_finds_no_card_does_not_count_as_cuda(folder: Folder) -> None:
    with pytest.raises(SetupError, match="does not load"):
        Setup(folder, {"MED42_ACCELERATOR": "cuda"}, Recorder(Machine("Linux", "x86_64", RTX), gpu=False)).bring_about()


def test_a_card_that_is_used_is_not_complained_about(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    Setup(folder, {}, Recorder(Machine("Linux", "x86_64", RTX), gpu=True)).bring_about()
    assert "NOT be used" not in capsys.readouterr().out


def test_a_person_who_asked_for_the_cpu_hears_nothing_of_the_idle_card(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    Setup(folder, {"MED42_ACCELERATOR": "cpu"}, Recorder(Machine("Linux", "x86_64", RTX))).bring_about()
    assert "NOT be used" not in capsys.readouterr().out


def test_cuda_without_card_and_toolkit_is_refused_by_name(folder: Folder) -> None:
    with pytest.raises(SetupError, match="MED42_ACCELERATOR=cuda needs an NVIDIA card"):
        Setup(folder, {"MED42_ACCELERATOR": "cuda"}, Recorder()).bring_about()


def test_a_build_that_fails_everywhere_shows_its_last_lines_and_names_the_compiler_to_get(folder: Folder) -> None:
    with pytest.raises(SetupError) as caught:
        Setup(folder, {}, Recorder(broken=["llama-cpp-python=="])).bring_about()
    assert "error near llama-cpp-python==" in caught.value.message
    assert "build-essential" in caught.value.hint
    assert "llama" not in folder.installed()


def test_packages_that_cannot_be_installed_point_to_the_network_and_the_folder_of_wheels(folder: Folder) -> None:
    with pytest.raises(SetupError) as caught:
        Setup(folder, {}, Recorder(broken=["gradio"])).bring_about()
    assert "error near gradio" in caught.value.message
    assert "HTTPS_PROXY" in caught.value.hint
    assert "wheels" in caught.value.hint


def test_with_a_folder_of_wheels_nobody_is_asked(folder: Folder) -> None:
    folder.wheels.mkdir()
    world = Recorder()
    Setup(folder, {}, world).bring_about(dev=True)
    assert world.asked == []
    assert len(world.commands) == 3
    assert all("--no-index" in command.arguments for command in world.commands)


def test_wheels_with_a_pip_among_them_need_no_pip_of_the_system(folder: Folder) -> None:
    folder.wheels.mkdir()
    (folder.wheels / "pip-26.3-py3-none-any.whl").touch()
    (folder.venv / "pyvenv.cfg").unlink()

    class Maker(Recorder):
        def run(self, command: Command) -> None:
            super().run(command)
            if "venv" in command.arguments:
                (folder.venv / "pyvenv.cfg").write_text("version = 3.11.7\n")

    world = Maker()
    Setup(folder, {}, world).bring_about()
    assert world.titles[:2] == ["A Python of its own", "pip"]
    assert "--without-pip" in world.commands[0].arguments
    assert world.commands[1].arguments[1].endswith("pip-26.3-py3-none-any.whl/pip")
    assert "--no-index" in world.commands[1].arguments


def kit(folder: Folder, **card: str) -> None:
    """A note on the computers that the wheels are for: this one, but for `card`."""
    folder.wheels.mkdir()
    (folder.wheels / start.KIT_CARD).write_text(json.dumps({**start.this_python(), **card}))


def test_a_kit_for_another_python_or_computer_is_refused_before_anything_is_made(folder: Folder) -> None:
    kit(folder, python="3.99")
    world = Recorder()
    with pytest.raises(SetupError, match=r"with Python 3\.99") as caught:
        Setup(folder, {}, world).bring_about()
    assert "python3.99" in caught.value.hint
    assert world.commands == []
    start.check_kit(start.this_python(), start.this_python())
    start.check_kit({}, start.this_python())


def test_a_kit_whose_llama_dies_on_this_processor_says_that_it_is_for_another(folder: Folder) -> None:
    kit(folder)
    folder.trial_model.parent.mkdir(parents=True)
    folder.trial_model.touch()

    class Another(Recorder):
        def ask(self, arguments: Sequence[str], environment: Mapping[str, str]) -> str:
            return "" if start.COMPUTE_CHECK in arguments else super().ask(arguments, environment)

    with pytest.raises(SetupError, match="processor cannot run it") as caught:
        Setup(folder, {}, Another()).bring_about()
    assert "another kind of computer" in caught.value.hint
    assert "llama" not in folder.installed()


@pytest.mark.model
def test_the_trial_computes_with_the_demonstration_model() -> None:
    done = subprocess.run(
        [sys.executable, "-c", start.COMPUTE_CHECK, str(Folder(ROOT).trial_model)], capture_output=True, text=True, check=False
    )
    assert "computed" in done.stdout


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (("requirements.txt", "gradio==6.1\nllama-cpp-python==1.0\n"), ["packages"]),
        (("requirements.txt", "gradio==6.0\nllama-cpp-python==1.1\n"), ["llama"]),
        (("requirements.txt", "gradio==6.0  # other words\nllama-cpp-python==1.0\n"), []),
        (("constraints.txt", "gradio==6.1\n"), ["packages", "dev"]),
        (("requirements-dev.txt", "pytest==9.1\n"), ["dev"]),
        ((".venv/pyvenv.cfg", "version = 3.12.1\n"), ["packages", "llama", "dev"]),
        ((".venv/pyvenv.cfg", "version = 3.11.9\n"), []),
    ],
)
def test_a_change_repeats_only_the_parts_that_depend_on_it(folder: Folder, change: tuple[str, str], parts: list[str]) -> None:
    before = start.wanted_marks(folder, "auto", dev=True)
    (folder.root / change[0]).write_text(change[1])
    assert start.missing_parts(start.wanted_marks(folder, "auto", dev=True), before) == parts


def test_another_accelerator_repeats_llama_alone(folder: Folder) -> None:
    assert start.missing_parts(start.wanted_marks(folder, "cpu", False), start.wanted_marks(folder, "cuda", False)) == ["llama"]


def test_a_virtual_environment_whose_python_is_gone_is_made_anew(folder: Folder) -> None:
    Setup(folder, {}, Recorder()).bring_about()
    folder.python.unlink()
    folder.python.symlink_to(folder.root / "removed-by-an-update")
    assert folder.venv_version() == ()

    class Maker(Recorder):
        def run(self, command: Command) -> None:
            super().run(command)
            if "venv" in command.arguments:
                folder.stamp.unlink()
                folder.python.unlink()
                folder.python.symlink_to(sys.executable)

    world = Maker()
    Setup(folder, {}, world).bring_about()
    assert world.titles == ["A Python of its own", "Packages", "llama.cpp for the CPU, ready-made"]


def test_the_lock_keeps_a_second_set_up_out_until_the_first_is_done(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("a") as other:
        with start.alone(path):
            assert not start.try_lock(other)
        assert start.try_lock(other)


# The front door


def test_options_of_the_program_go_to_the_program() -> None:
    options, others = start.read_arguments(["--again", "--port", "7000", "--no-browser", "--set"])
    assert options.again
    assert not options.setup
    assert others == ["--port", "7000", "--no-browser", "--set"]


def test_an_old_python_is_told_what_is_needed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(start, "OLDEST", (99, 0))
    assert start.main([]) == 1
    assert "needs Python 3.11 or newer" in capsys.readouterr().err


def test_an_old_python_can_read_the_file_and_needs_no_package_for_it() -> None:
    tree = ast.parse((ROOT / "start.py").read_text(encoding="utf-8"), feature_version=(3, 7))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def wheel(folder: Path, name: str, version: str, module: str, code: str) -> None:
    """A package that pip can install, by hand."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{module}.py", code)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module")
def small_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The real start.py, with a program of two small packages whose wheels lie beside it."""
    root = tmp_path_factory.mktemp("program")
    (root / "start.py").write_bytes((ROOT / "start.py").read_bytes())
    (root / "app.py").write_text("import page, sys; print('running', sys.flags.utf8_mode, *sys.argv[1:])")
    (root / "requirements.txt").write_text("page==2.0  # shows\nllama-cpp-python==1.0  # runs\n")
    (root / "constraints.txt").write_text("page==2.0\n")
    (root / "requirements-dev.txt").write_text("")
    (root / "wheels").mkdir()
    wheel(root / "wheels", "page", "2.0", "page", "")
    llama = "__version__ = '1.0'\ndef llama_supports_gpu_offload(): return False\n"
    wheel(root / "wheels", "llama_cpp_python", "1.0", "llama_cpp", llama)
    yield root


# An index that refuses every connection: whoever asks it fails.
NOBODY = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "", "PIP_RETRIES": "0"}


def run_start(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **NOBODY, "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run([sys.executable, "start.py", *arguments], cwd=root, env=environment, capture_output=True, text=True, timeout=120)


def test_a_real_set_up_from_wheels_needs_no_network_and_the_next_start_no_pip(small_program: Path) -> None:
    first = run_start(small_program, "--port", "7000")
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines()[-1] == "running 1 --port 7000"
    assert "once" in first.stdout

    (small_program / "wheels").rename(small_program / "gone")  # from here on pip could only fail
    began = time.monotonic()
    second = run_start(small_program, "--port", "7001")
    assert time.monotonic() - began < 3
    assert second.stdout == "running 1 --port 7001\n"

    (small_program / "requirements-dev.txt").write_text("nowhere==1.0\n")
    third = run_start(small_program, "--setup", "--dev")
    assert third.returncode == 1
    assert "error: The packages could not be installed." in third.stderr
    assert "hint: Is the network there?" in third.stderr
    assert "Traceback" not in third.stderr


# What stands beside the code


def names_and_versions(name: str) -> dict[str, str]:
    pairs = (pin.partition(";")[0].split("==") for pin in start.pins((ROOT / name).read_text(encoding="utf-8")))
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in pairs}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_direct_dependency_is_pinned_for_a_reason_and_the_constraints_agree(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w-]+==[\w.]+(; [^#]+)? +# .{10,}", line)] == []
    constraints = names_and_versions("constraints.txt")
    assert {package: constraints.get(package) for package in names_and_versions(name)} == names_and_versions(name)


def test_the_notice_holds_the_sentence_that_the_licence_asks_for() -> None:
    licence = (ROOT / "assets/licences/llama3-LICENSE.txt").read_text(encoding="utf-8")
    asked = re.search(r"“Notice” text file[^“]*“([^”]+)”", licence)
    assert asked
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert asked[1] in notice
    assert "Built with Meta Llama 3" in notice


def test_the_page_on_installing_names_every_option_and_variable() -> None:
    page = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    code = (ROOT / "start.py").read_text(encoding="utf-8")
    words = set(re.findall(r'"(--[a-z]+)", action=', code)) | {"MED42_ACCELERATOR", "CMAKE_ARGS", "HTTPS_PROXY"}
    assert {"--setup", "--dev", "--again"} <= words
    assert {word for word in words if word not in page} == set()


def test_the_double_click_files_call_start_and_agree_on_the_oldest_python() -> None:
    oldest = "({}, {})".format(*start.OLDEST)
    for name in ("start.bat", "start.command"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert oldest in text
        assert "start.py" in text
        assert "https://www.python.org/downloads/" in text
    assert b"\r\n" in (ROOT / "start.bat").read_bytes()  # cmd.exe misses labels in files without them
    if os.name != "nt":
        assert os.access(ROOT / "start.command", os.X_OK)


def test_the_stamp_survives_being_read_by_a_person(folder: Folder) -> None:
    folder.record("packages", "a")
    folder.record("llama", "b")
    assert json.loads(folder.stamp.read_text()) == {"packages": "a", "llama": "b"}


@pytest.mark.parametrize(
    "note", ["", "[]", "{", '{"python": 3}', '{"python": "3.99"}', "\u00ff", '{"python": null, "system": {}, "processor": []}']
)
def test_a_damaged_note_on_what_a_kit_is_for_is_said(folder: Folder, note: str) -> None:
    folder.wheels.mkdir()
    (folder.wheels / start.KIT_CARD).write_bytes(note.encode("latin-1"))
    with pytest.raises(SetupError) as caught:
        Setup(folder, {}, Recorder()).bring_about()
    assert "SHA256SUMS" in caught.value.hint or "Python 3.99" in caught.value.message
