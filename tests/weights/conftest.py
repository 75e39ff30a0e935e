"""A small model file, a hub that has it, and entries that name it."""

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from med42_chat.weights.catalogue import Entry, Family, Part, Shape
from tests import shapes
from tests.weights.hub import COMMIT, REPOSITORY, State, address, hub
from tests.weights.sparse import write_sparse

FAMILY = Family("tiny", "Tiny", "nobody", "none", "", 8192, "llama-3", "", Shape(2, 64, 128, 2, 16, 256), ())


@pytest.fixture(autouse=True)
def a_network_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this computer, no token of whoever runs the tests, and not the offline mode that serving the page switches on."""
    for name in ("HF_ENDPOINT", "HF_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole model file, with weights that no two places have in common."""
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    write_sparse(path, shapes.TINY, tokenizer__chat_template="{{ messages }}", tokenizer__ggml__eos_token_id=3)
    data = path.read_bytes()
    return data[:-200_000] + random.Random(1).randbytes(200_000)  # the header is far shorter than what is left


@pytest.fixture
def server() -> Iterator[State]:
    with hub() as state:
        yield state


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The models folder."""
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def offered(server: State) -> Callable[..., Entry]:
    """Puts files on the hub, and gives the entry that names them."""

    def make(*files: tuple[str, bytes], hashed: bool = True, exact: bool = True, id: str = "tiny-q4") -> Entry:
        server.files |= {address(name): data for name, data in files}
        parts = tuple(Part(name, len(data), exact, hashlib.sha256(data).hexdigest() if hashed else "") for name, data in files)
        return Entry(id, FAMILY, "Q4_K_M", REPOSITORY, COMMIT, parts)

    return make
