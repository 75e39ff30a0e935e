"""Downloads in processes of their own, and networks that stand in the way."""

import datetime
import ipaddress
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from huggingface_hub.utils import close_session

from med42_chat.errors import ConnectionLost, DownloadFailed
from med42_chat.weights import download, hardware
from med42_chat.weights.catalogue import Entry
from med42_chat.weights.download import Download, Order, stay_offline
from med42_chat.weights.fetch import fetch
from med42_chat.weights.hub import Hub
from med42_chat.weights.place import UNFINISHED
from tests.weights.hub import Fault, State, address
from tests.weights.toml import write_catalogue

Offered = Callable[..., Entry]
NAME = "tiny.Q4_K_M.gguf"


@pytest.fixture
def order(server: State, offered: Offered, model: bytes, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Order:
    """An order for a process that finds the hub by HF_ENDPOINT, given by one that is told to stay offline."""
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    for name in ("HF_HUB_OFFLINE", "HF_HUB_OFFLINE_BY_MED42"):
        monkeypatch.setenv(name, "")  # so that what comes now is taken back
        monkeypatch.delenv(name)
    stay_offline()
    entry = offered((NAME, model))
    return Order(entry.id, str(write_catalogue(tmp_path / "catalogue.toml", entry)), "", str(models))


def test_a_download_says_how_it_goes_and_ends_with_the_file(order: Order, model: bytes, models: Path) -> None:
    states = [progress.state for progress in Download(order)]
    assert states[0] == "asking"
    assert states[-1] == "done"
    assert (models / "tiny-q4.gguf").read_bytes() == model


def test_what_came_last_before_a_silence_is_told_and_lies_on_the_disk(order: Order, server: State, models: Path) -> None:
    server.faults.append(Fault("stall", at=100_000))
    running = Download(order)
    assert any((one.state, one.done) == ("fetching", 100_000) for one in running)
    running.stop()
    assert (models / UNFINISHED / "tiny-q4" / "tiny-q4.gguf").stat().st_size == 100_000


def test_one_that_is_stopped_or_killed_goes_on_where_it_was(order: Order, server: State, model: bytes, models: Path) -> None:
    for at, end in ((50_000, Download.stop), (70_000, lambda one: one._popen.kill())):
        server.faults.append(Fault("stall", at=at))
        running = Download(order)
        unfinished = models / UNFINISHED / "tiny-q4" / "tiny-q4.gguf"
        before = unfinished.stat().st_size if unfinished.exists() else 0
        deadline = time.monotonic() + 20
        while (not unfinished.exists() or unfinished.stat().st_size < before + at) and time.monotonic() < deadline:
            time.sleep(0.02)
        end(running)
        with pytest.raises(ConnectionLost, match="stopped"):
            list(running)
    server.sent = 0
    assert list(Download(order))[-1].state == "done"
    assert server.sent == len(model) - 120_000
    assert (models / "tiny-q4.gguf").read_bytes() == model


def test_what_goes_wrong_there_is_raised_here(order: Order, server: State) -> None:
    server.refusals[address(NAME)] = (403, "GatedRepo")
    with pytest.raises(DownloadFailed, match="accept its terms") as caught:
        list(Download(order))
    assert "HF_TOKEN" in caught.value.hint


def test_of_two_processes_one_fetches_and_the_other_says_so(order: Order, server: State, model: bytes, models: Path) -> None:
    server.faults.append(Fault("stall", at=70_000))
    first = iter(Download(order))
    while next(first).state != "fetching":
        pass
    with pytest.raises(DownloadFailed, match="already"):
        list(Download(order))
    server.released.set()
    assert list(first)[-1].state == "done"
    assert (models / "tiny-q4.gguf").read_bytes() == model


def test_a_download_ends_when_nobody_listens_any_more(order: Order, server: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    server.faults.extend([Fault("status", status=429, headers=(("Retry-After", "0"),))] * 1000)
    child = subprocess.Popen(
        [sys.executable, "-m", "med42_chat.weights.download"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(json.dumps(asdict(order)) + "\n")
    child.stdin.flush()
    assert "asking" in child.stdout.readline()
    child.stdout.close()
    assert child.wait(15) == 0


def test_a_download_ends_at_once_with_the_program_that_wanted_it(order: Order, server: State, model: bytes) -> None:
    server.faults.append(Fault("stall", at=100_000))
    first = Download(order)
    while next(iter(first)).state != "fetching":
        pass
    assert first._popen.stdin is not None
    first._popen.stdin.close()  # as the system does when a program dies
    assert first._popen.wait(5) == 0
    assert list(Download(order))[-1].state == "done"


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Something else than a hub, on a port of its own."""
    server = HTTPServer(("127.0.0.1", 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


class Proxy(BaseHTTPRequestHandler):
    """A proxy that wants a password."""

    def do_CONNECT(self) -> None:
        self.send_response(407)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def fresh_session() -> Iterator[None]:
    """huggingface_hub keeps its client, and with it what the environment said when it was made."""
    close_session()
    yield
    close_session()


@pytest.mark.usefixtures("fresh_session")
def test_a_proxy_that_lets_nothing_through_is_named(offered: Offered, model: bytes, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(Proxy) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        with pytest.raises(DownloadFailed, match="proxy") as caught:
            list(fetch(offered((NAME, model)), models, Hub("https://hub.example"), sleep=lambda _: None))
    assert "HTTPS_PROXY" in caught.value.hint


@pytest.mark.usefixtures("fresh_session")
def test_a_certificate_from_nobody_is_named(offered: Offered, model: bytes, models: Path, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path / "certificate.pem"))
    with answering(BaseHTTPRequestHandler, context) as port, pytest.raises(DownloadFailed, match="certificate") as caught:
        list(fetch(offered((NAME, model)), models, Hub(f"https://127.0.0.1:{port}"), sleep=lambda _: None))
    assert "SSL_CERT_FILE" in caught.value.hint


def self_signed(path: Path) -> Path:
    """A certificate that nobody has vouched for, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "inspector")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def test_what_a_server_may_write_as_it_likes_is_no_fault_of_the_program(order: Order, server: State) -> None:
    server.faults.extend([Fault("status", status=429, headers=(("Retry-After", "\xb2"),))] * 9)
    first = iter(Download(order))
    while (said := next(first)).state != "waiting":
        pass
    assert "wants a pause" in said.note
    first.close()  # type: ignore[attr-defined]  # it is a generator


def test_a_fault_of_the_program_is_not_called_a_stop(order: Order) -> None:
    with pytest.raises(DownloadFailed, match="fault of the program"):
        list(Download(replace(order, folder="\0")))


@pytest.mark.parametrize("environment", [download._environment, hardware._environment])
def test_no_helper_process_learns_the_passphrase(environment: Callable[[], dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MED42_PASSPHRASE", "a secret")
    assert "a secret" not in environment().values()


def test_a_person_s_own_word_that_nothing_is_fetched_holds(order: Order, server: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE_BY_MED42")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    stay_offline()
    with pytest.raises(DownloadFailed, match="HF_HUB_OFFLINE"):
        list(Download(order))
    assert server.asked == []
