"""The program with its model on a server: what is asked and kept, and that every place where it matters says where words are sent."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from med42_chat import services as opening
from med42_chat.__main__ import main
from med42_chat.condition import examine
from med42_chat.errors import SettingsError
from med42_chat.export.evidence import evidence_rows
from med42_chat.records import Attachment, Message
from med42_chat.services import Services
from med42_chat.settings import ASSETS, PROJECT, Settings
from med42_chat.ui import composer, evidence, header
from med42_chat.ui.about import About, SafeUse
from med42_chat.ui.desk import Desk
from med42_chat.ui.greeting import Greeting
from med42_chat.ui.models_view import Sheet, Situation
from med42_chat.words import read_words
from tests.runtime.servers import DONE, Scripted, event, serving
from tests.ui.fakes import services

WORDS = read_words(ASSETS / "words" / "en.toml")
HERE = (
    "nothing leaves it",
    "Nothing is sent anywhere",
    "What never leaves this computer",
    "sends nothing anywhere",
    "answers on this computer",
)


@pytest.fixture
def server() -> Iterator[Scripted]:
    scripted = Scripted("vllm")
    with serving(scripted):
        yield scripted


@pytest.fixture
def opened(server: Scripted, home: Path) -> Iterator[Services]:
    """The services of a start with --runtime."""
    settings = Settings(home=home, keyring=False, runtime=server.url)
    with closing(opening.open_services(settings)) as one:
        yield one


def answered(opened: Services, question: str = "Metformin with eGFR 25?") -> Message:
    id = opened.store.conversations.create().id
    job = opened.jobs.start(id, question, attachments=[Attachment("letter.txt", "Creatinine 190.")])
    job.join(20)
    return job.state().answer


def host(server: Scripted) -> str:
    return server.url.removeprefix("http://")


class TestAnAnswer:
    def test_it_is_kept_with_where_it_came_from(self, opened: Services, server: Scripted) -> None:
        message = answered(opened)
        assert message.status == "complete" and message.text == "Yes, it is." and message.evidence is not None
        assert message.evidence.device == f"server {host(server)} (vLLM 0.11.0)"
        assert message.evidence.model == "m42-health/Llama3-Med42-70B" and message.evidence.model_sha256 == ""
        assert message.evidence.usage.prompt_tokens == 321 and not message.evidence.demonstration

    def test_its_evidence_names_the_server_on_the_page_and_on_paper_and_what_is_not_known_is_left_out(
        self, opened: Services, server: Scripted
    ) -> None:
        message = answered(opened)
        rows = {row.name: row.value for row in evidence_rows(WORDS, message, "")}
        assert host(server) in rows[WORDS("evidence.device")] and WORDS("export.file") not in rows and WORDS("export.build") not in rows
        html = evidence.record(WORDS, message)
        assert host(server) in html and WORDS("evidence.seed") in html and "llama-cpp-python" not in html

    def test_one_that_breaks_off_is_kept_and_says_why(self, opened: Services, server: Scripted) -> None:
        server.steps = ("Half an", " answer")
        message = answered(opened)
        assert (message.text, message.status) == ("Half an answer", "interrupted")
        assert message.evidence is not None and "broke the answer off" in " ".join(message.evidence.notes)

    def test_a_server_that_is_not_there_is_named_and_the_question_is_kept(self, home: Path) -> None:
        with closing(opening.open_services(Settings(home=home, keyring=False, runtime="http://127.0.0.1:9"))) as one:
            message = answered(one)
            assert message.status == "failed" and message.evidence is not None and "127.0.0.1:9 refuses" in " ".join(message.evidence.notes)
            assert one.store.conversations.branch(message.conversation_id)[0].text == "Metformin with eGFR 25?"

    def test_the_key_comes_from_the_environment_and_is_kept_nowhere(
        self, server: Scripted, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.key = "sk-ward-0815"
        monkeypatch.setenv("MED42_RUNTIME_KEY", "sk-ward-0815\n")
        with closing(opening.open_services(Settings(home=home, keyring=False, runtime=server.url))) as one:
            message = answered(one)
            lines = examine(one.settings, one.store, one.key, one.runtime)
        assert message.status == "complete"
        assert "0815" not in repr((message, lines, one.settings)) and all(b"0815" not in file.read_bytes() for file in _files(home))


class TestWhereItIsSaid:
    def test_the_head_of_every_page(self, server: Scripted) -> None:
        html = header.build(WORDS, host(server)).html_template
        assert f"Sent to {host(server)}" in html and 'class="outward"' in html
        assert 'class="outward"' not in header.build(WORDS).html_template

    def test_no_part_of_the_page_says_that_nothing_leaves_this_computer(self, opened: Services, server: Scripted) -> None:
        desk = Desk(opened, WORDS)
        for said in self._texts(opened, desk):
            assert host(server) in said and not any(one in said for one in HERE)

    def test_and_all_say_so_where_the_model_runs_here(self, home: Path) -> None:
        with closing(services(home)) as one:
            for said in self._texts(one, Desk(one, WORDS)):
                assert any(claim in said for claim in HERE)

    def _texts(self, opened: Services, desk: Desk) -> list[str]:
        safe_use, about = SafeUse(desk), About(desk, [])
        safe_use.build()
        greeting = Greeting(opened, WORDS, ASSETS / "examples.toml", ASSETS / "library")
        return [composer._template(WORDS, opened.server), safe_use.component.html_template, about.html(), greeting.html()]

    def test_the_models_page_says_where_the_model_runs_and_gives_no_figures_of_a_file(self, opened: Services, server: Scripted) -> None:
        opened.runtime.wait_until_loaded(10)
        now = Situation([], [], None, "", opened.runtime.status(), opened.in_use, opened.is_demonstration())
        html = Sheet(WORDS, now).parts()["now"]
        assert host(server) in html and "8,192 tokens" in html and "GB" not in html and "File" not in html

    def test_check(self, opened: Services, server: Scripted) -> None:
        lines = {line.name: line for line in examine(opened.settings, opened.store, opened.key, opened.runtime)}
        network = lines["network"]
        assert host(server) in network.text and "within this computer" in network.text and network.state == "warning"
        assert lines["model"].text.startswith("m42-health/Llama3-Med42-70B, context 8,192 tokens, on the server")

    def test_no_model_of_this_computer_counts_as_the_one_in_use(self, opened: Services) -> None:
        assert opened.in_use is None and not opened.is_demonstration()


class TestWhoDecides:
    @pytest.mark.parametrize("name", ["runtime", "runtime_model", "runtime_insecure"])
    def test_nothing_in_a_page_can_send_words_elsewhere(self, opened: Services, name: str) -> None:
        with pytest.raises(SettingsError, match="not changed from here"):
            opened.apply({name: "https://elsewhere.example"})

    def test_no_model_of_this_computer_takes_the_servers_place(self, opened: Services) -> None:
        with pytest.raises(SettingsError, match="runs on"):
            opened.use("demonstration")

    def test_another_context_is_used_from_the_next_answer_on(self, opened: Services) -> None:
        opened.runtime.wait_until_loaded(10)
        opened.apply({"context": "2048"})
        assert opened.runtime.wait_until_loaded(10).context == 2048


class TestCommands:
    @pytest.fixture(autouse=True)
    def surroundings(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MED42_HOME", str(home))
        monkeypatch.setenv("MED42_KEYRING", "off")
        monkeypatch.setattr("sys.stdin", io.StringIO(""))

    def test_ask(self, server: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["ask", "May I?", "--runtime", f"{server.url}/v1", "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["text"] == "Yes, it is." and host(server) in said["evidence"]["device"]

    def test_tokens_are_the_servers(self, server: Scripted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps([{"role": "user", "content": "Hi"}])))
        assert main(["tokens", "--runtime", server.url, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["tokens"][0] == 1000

    def test_a_server_beyond_this_computer_without_tls_is_refused_before_anything_is_opened(
        self, home: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["ask", "May I?", "--runtime", "http://ward-gpu.example:8000"]) == 1
        assert "unencrypted" in capsys.readouterr().err and not home.exists()

    def test_one_that_may_be_spoken_with_so_is_not(self, server: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
        server.steps = (event("Yes.", reason="stop"), DONE)
        assert main(["ask", "May I?", "--runtime", server.url, "--runtime-insecure", "--runtime-model", server.models[0]["id"]]) == 0
        assert "Yes." in capsys.readouterr().out


def test_no_other_address_is_spoken_to_nor_any_name_looked_up(server: Scripted, home: Path) -> None:
    program = (
        "import sys; seen, ways = [], ('socket.connect', 'socket.getaddrinfo');"
        "sys.addaudithook(lambda name, given: name in ways and seen.append(given));"
        "from med42_chat.__main__ import main;"
        f"status = main(['ask', 'May I?', '--home', {str(home)!r}, '--runtime', {server.url!r}]);"
        "print({tuple(one[1][:2]) if isinstance(one[1], tuple) else one[:2] for one in seen}, status)"
    )
    surroundings = {**os.environ, "MED42_KEYRING": "off", "HTTPS_PROXY": "http://192.0.2.1:3128", "HTTP_PROXY": "http://192.0.2.1:3128"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PROJECT, env=surroundings)
    name, port = host(server).split(":")
    assert done.stdout.splitlines()[-1] == str({(name, int(port))}) + " 0", done.stdout + done.stderr


def test_without_it_no_client_for_servers_is_even_loaded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "med42_chat.runtime.remote", raising=False)
    with closing(services(home)) as one:
        opening.open_runtime(replace(one.settings, model="nothing.gguf")).close()
    assert "med42_chat.runtime.remote" not in sys.modules


def _files(folder: Path) -> Iterator[Any]:
    return (file for file in folder.rglob("*") if file.is_file())
