"""The picture of the house in docs/architecture.md, held against the code: who may import whom, and who knows which library."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "med42_chat"

# Lowest first. A file may import from floors below its own and from its own room (the folder it is in).
FLOORS = [
    {"__init__", "__version__"},
    {"records", "errors"},
    {"events", "settings", "markup", "gguf", "presets", "words", "children", "private", "aside"},
    {"prompt", "terminal", "gbnf"},
    {"runtime", "weights", "store", "library", "checks"},  # rooms side by side: none knows another
    {"lookup", "loading", "reference", "export", "meaning", "quoting", "filling", "reciting", "resume"},
    {"holding"},
    {"answering", "condition"},
    {"chat"},
    {"jobs", "bin", "adding", "exporting", "styles"},
    {"services"},
    {"ui"},
    {"guard", "window", "pages"},
    {"web"},
    {"serve"},
    {"commands"},
    {"__main__"},
]
# Knowing these libraries is one room's business.
ONLY = {
    "llama_cpp": ("runtime/llama.py", "runtime/llama_batch.py", "runtime/embedding.py", "runtime/probe.py"),
    "numpy": ("library/vectors.py", "runtime/llama.py", "runtime/llama_batch.py"),
    "huggingface_hub": ("weights/",),
    "httpx2": ("weights/hub.py", "runtime/remote_http.py"),
    "sqlcipher3": ("store/",),
    "sqlite_utils": ("store/",),
    "sqlite3": ("store/",),
    "keyring": ("store/",),
    "gradio": ("ui/", "web.py"),
    "markdown": ("markup/",),
    "pypdfium2": ("library/",),
    "typst": ("export/pdf.py",),
    "pypdf": ("export/pdf.py",),
    "docx": ("export/",),
    "lxml": ("export/",),
    "citeproc": ("export/csl.py",),
    "starlette": ("guard.py", "web.py", "pages.py", "ui/"),
    "uvicorn": ("web.py", "serve.py"),
}


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """The top-level name that a file belongs to: 'store' for store/keys.py, 'chat' for chat.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports name their whole path"
            yield node.module or ""
            if node.module == "med42_chat":
                yield from (f"med42_chat.{alias.name}" for alias in node.names)


def floor(name: str) -> int:
    return next(level for level, names in enumerate(FLOORS) if name in names)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_from_below_and_from_its_own_room(path: Path) -> None:
    own = room(path)
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "med42_chat" and len(parts) > 1 and parts[1] != own:
            assert floor(parts[1]) < floor(own), f"{own} must not import {module}"


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_library_is_known_only_where_it_is_somebodys_business(path: Path) -> None:
    place = path.relative_to(PACKAGE).as_posix()
    for module in imports(path):
        allowed = ONLY.get(module.split(".")[0], (place,))
        assert any(place.startswith(one) for one in allowed), f"{place} must not know {module}"


def test_no_two_files_import_each_other_in_a_ring() -> None:
    known = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files()}
    graph = {name: {module for module in imports(path) if module in known and module != "med42_chat"} for name, path in known.items()}
    while leaves := [name for name, needs in graph.items() if not needs]:
        graph = {name: needs - set(leaves) for name, needs in graph.items() if name not in leaves}
    assert graph == {}


def test_nothing_changes_state_of_a_module() -> None:
    for path in [*files(), ROOT / "app.py"]:
        assert not any(isinstance(node, ast.Global) for node in ast.walk(ast.parse(path.read_text("utf-8")))), path


def test_the_core_starts_without_gradio_and_without_llama_cpp() -> None:
    code = (
        "import sys, med42_chat.__main__, med42_chat.services; "
        "print([name for name in ('gradio', 'llama_cpp', 'numpy', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_front_door_stays_a_few_dozen_lines() -> None:
    assert len((ROOT / "app.py").read_text("utf-8").splitlines()) <= 50
