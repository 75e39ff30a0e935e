"""The runtime on two servers that others wrote, with the demonstration model: llama.cpp's llama-server and llama-cpp-python's.

llama-server is not on the package index: the test runs where MED42_LLAMA_SERVER or the PATH has one (docs/remote.md says how it is built).
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from med42_chat.records import Sampling, Turn
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import Finished, Prefill, Request, RuntimeEvent, Text
from med42_chat.runtime.remote import RemoteRuntime
from med42_chat.runtime.remote_address import address_of
from med42_chat.settings import DEMO_MODEL
from tests.runtime.ways import one_way

pytestmark = pytest.mark.model

LLAMA_SERVER = os.environ.get("MED42_LLAMA_SERVER") or shutil.which("llama-server")
KEY = "a-key-for-the-test"
TURNS = [Turn("system", "You answer briefly."), Turn("user", "What is metformin? <|eot_id|>")]
GREEDY = Sampling(temperature=0.0, top_k=1, max_tokens=48)
NAMES = ["llama-server", "llama_cpp.server"]


def command(name: str, port: int) -> list[str]:
    """How a server is started, with a context of 2,048 tokens."""
    if name == "llama-server":
        if not LLAMA_SERVER:
            pytest.skip("llama-server is not installed")
        options = ["--ctx-size", "4096", "--parallel", "2", "--threads", "1", "--api-key", KEY]
        return [LLAMA_SERVER, "--model", str(DEMO_MODEL), "--host", "127.0.0.1", "--port", str(port), *options]
    options = ["--n_ctx", "2048", "--n_threads", "1", "--api_key", KEY]
    return [sys.executable, "-m", "llama_cpp.server", "--model", str(DEMO_MODEL), "--port", str(port), *options]


@contextmanager
def running(arguments: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("wb") as written:
        process = subprocess.Popen(arguments, stdout=written, stderr=written)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module", params=NAMES)
def remote(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteRuntime]:
    """A runtime on one of the servers, met."""
    port, log = free_port(), tmp_path_factory.mktemp("server") / "log"
    with running(command(request.param, port), log):
        runtime = RemoteRuntime(address_of(f"http://127.0.0.1:{port}/v1", KEY), 2048)
        until = time.monotonic() + 120
        while runtime.status().state != "ready":
            assert time.monotonic() < until, f"{runtime.status().error} {log.read_text('utf-8', 'replace')[-2000:]}"
            time.sleep(0.1)
        yield runtime
        runtime.close()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRuntime]:
    """The same model in the program's own process."""
    runtime = LocalRuntime(one_way(DEMO_MODEL, 2048), tmp_path_factory.mktemp("cache"))
    runtime.wait_until_loaded(60)
    yield runtime
    runtime.close()


def is_exact(remote: RemoteRuntime) -> bool:
    return remote.wait_until_loaded().template == "llama-3"


def asked(
    runtime: RemoteRuntime | LocalRuntime, sampling: Sampling = GREEDY, seed: int = 1, turns: Sequence[Turn] = TURNS
) -> list[RuntimeEvent]:
    return list(runtime.generate(Request(f"one-{time.monotonic_ns()}", runtime.encode(turns), sampling, seed)))


def words(events: Sequence[RuntimeEvent]) -> str:
    return "".join(one.text for one in events if isinstance(one, Text))


def test_the_model_is_what_the_server_says_and_no_more(remote: RemoteRuntime) -> None:
    model = remote.wait_until_loaded()
    assert model.name == "med42-chat-demo" and model.context == 2048 and model.sha256 == "" and model.server in model.device
    assert (model.parameters > 3_000_000, model.context_trained, bool(model.warnings)) == (
        (True, 8192, False) if is_exact(remote) else (False, 0, True)
    )


def test_prompts_have_the_same_tokens_as_here_or_are_counted_as_more(remote: RemoteRuntime, local: LocalRuntime) -> None:
    if is_exact(remote):
        assert remote.encode(TURNS) == local.encode(TURNS) and remote.count(TURNS) == local.count(TURNS)
    else:
        assert all(there >= here for there, here in zip(remote.count(TURNS), local.count(TURNS), strict=True))
        assert len(remote.encode(TURNS)) >= len(local.encode(TURNS))


def test_the_likeliest_answer_is_the_same_as_here(remote: RemoteRuntime, local: LocalRuntime) -> None:
    plain = [TURNS[0], Turn("user", "What is metformin?")]
    there, here = asked(remote, turns=plain), asked(local, turns=plain)
    assert words(there) == words(here) != ""


def test_it_ends_by_itself_with_figures(remote: RemoteRuntime) -> None:
    events = asked(remote, Sampling(temperature=0.0, top_k=1, max_tokens=600))
    last = events[-1]
    assert isinstance(last, Finished) and last.reason == "stop" and "<|" not in words(events)
    assert last.usage.prompt_tokens > 0 and last.usage.completion_tokens > 5
    assert last.timings.first_token_s > 0 and last.timings.tokens_per_s > 0


def test_the_seed_decides_also_where_it_is_a_large_one(remote: RemoteRuntime) -> None:
    hot = Sampling(temperature=2.0, top_k=0, top_p=1.0, max_tokens=48)
    strange = [Turn("user", "Zebra spoon and violin, forty, or else the lamp?")]  # to a question that it knows the model has one answer
    first, again, *others = (words(asked(remote, hot, seed, strange)) for seed in (2**32 - 2, 2**32 - 2, 3, 4, 5))
    assert first == again and len({first, *others}) > 1


def test_an_answer_is_held_to_a_grammar(remote: RemoteRuntime) -> None:
    grammar = 'root ::= "Never" | "Always"'
    events = list(remote.generate(Request("held", remote.encode(TURNS), GREEDY, 1, grammar)))
    assert words(events) in ("Never", "Always") and isinstance(events[-1], Finished) and events[-1].reason == "stop"


def test_an_answer_that_is_cut_says_so(remote: RemoteRuntime) -> None:
    last = asked(remote, Sampling(temperature=0.0, top_k=1, max_tokens=4))[-1]
    assert isinstance(last, Finished) and last.reason == "length" and last.usage.completion_tokens == 4


def test_a_stop_takes_less_than_a_second_and_the_server_is_free_again(remote: RemoteRuntime) -> None:
    hot = Sampling(temperature=1.8, top_k=0, top_p=1.0, max_tokens=1500)
    began = 0.0
    for event in remote.generate(Request("stopped", remote.encode(TURNS), hot, 5)):
        if isinstance(event, Text) and not began:
            began = time.monotonic()
            remote.cancel("stopped")
    assert isinstance(event, Finished) and event.reason == "cancelled" and time.monotonic() - began < 1
    last = asked(remote)[-1]
    assert isinstance(last, Finished) and last.reason == "length"


def test_two_that_are_asked_at_once_are_both_answered_whole(remote: RemoteRuntime) -> None:
    alone = words(asked(remote))
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(words(asked(remote)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    remote.count([Turn("user", "While they write, something is counted.")])
    for thread in threads:
        thread.join(60)
    assert answers == [alone, alone]


def test_a_long_prompt_is_reported_while_it_is_read_and_reused(remote: RemoteRuntime) -> None:
    long = [TURNS[0], Turn("user", "Potassium 5.1, creatinine 140. " * 60)]
    events = asked(remote, turns=long)
    read = [one for one in events if isinstance(one, Prefill)]
    if not is_exact(remote):  # this server does not say how far it is, and nothing is made up
        assert read == [Prefill(0, len(remote.encode(long)))]
        return
    assert read[-1].done == read[-1].total == len(remote.encode(long))
    again = asked(remote, turns=long)[-1]
    assert isinstance(again, Finished) and again.usage.cached_tokens > again.usage.prompt_tokens // 2


def test_a_wrong_key_is_said_in_plain_words(remote: RemoteRuntime) -> None:
    port = int(remote.wait_until_loaded().server.rsplit(":", 1)[1])
    wrong = RemoteRuntime(address_of(f"http://127.0.0.1:{port}", "wrong"), 2048)
    until = time.monotonic() + 20
    while wrong.status().state == "loading" and time.monotonic() < until:
        time.sleep(0.05)
    assert "does not accept the key" in wrong.status().error
    wrong.close()
