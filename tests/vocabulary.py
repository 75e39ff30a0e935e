"""The real Llama-3 vocabulary for tests and benchmarks: it comes out of llama-cpp-python's source package, once."""

import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

NAME = "ggml-vocab-llama-bpe.gguf"
FOLDER = Path(__file__).parents[1] / ".cache" / "llama3"


def llama3_vocabulary() -> Path:
    """The vocabulary file, fetched with pip where it is missing. Raises RuntimeError when it cannot be had."""
    path = FOLDER / NAME
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            _extract(download(Path(folder)), Path(folder) / NAME)
            (Path(folder) / NAME).replace(path)
    return path


def download(folder: Path) -> Path:
    """The source package in `folder`. Raises RuntimeError when it cannot be had."""
    wanted = f"llama-cpp-python=={version('llama-cpp-python')}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--dest", str(folder), wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = list(folder.glob("*.tar.gz"))
    if not archives:
        raise RuntimeError(f"The source package {wanted}, which holds the Llama-3 vocabulary, could not be fetched:\n{done.stderr[-2000:]}")
    return archives[0]


def _extract(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as package:
        for member in package:
            if member.name.endswith(f"/models/{NAME}"):
                source = package.extractfile(member)
                assert source is not None
                target.write_bytes(source.read())
                return
    raise RuntimeError(f"{archive.name} holds no {NAME} any more")
