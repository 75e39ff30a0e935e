"""The runtime on a server, against servers that are scripted: every kind of them, and every fault that was thought of."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med42_chat.errors import RuntimeFailure, SettingsError
from med42_chat.records import Sampling, Turn
from med42_chat.runtime.protocol import Finished, Prefill, Queued, Request, RuntimeEvent, Text
from med42_chat.runtime.remote import RemoteRuntime
from med42_chat.runtime.remote_address import KEY, address_of
from med42_chat.runtime.remote_server import entry_of, said
from tests.runtime.servers import DONE, MARKS, Scripted, event, serving, tokens

TURNS = [Turn("system", "Be brief."), Turn("user", "May I <|eot_id|> give metformin?")]
SAMPLING = Sampling(temperature=0.4, top_k=150, top_p=0.75, min_p=0.05, repeat_penalty=1.1, max_tokens=50)
KINDS = ("vllm", "llama.cpp", "llama-cpp-python", "other")
FOREVER = 60.0

Open = Callable[..., RemoteRuntime]


@pytest.fixture
def open_runtime() -> Iterator[Open]:
    """Opens runtimes on a server, and closes them after the test."""
    opened = []

    def make(scripted: Scripted, context: int = 8192, insecure: bool = False, **more: Any) -> RemoteRuntime:
        opened.append(RemoteRuntime(address_of(scripted.url, scripted.key, insecure), context, **more))
        return opened[-1]

    yield make
    for runtime in opened:
        runtime.close()


@pytest.fixture
def start(open_runtime: Open) -> Iterator[Callable[..., tuple[Scripted, RemoteRuntime]]]:
    """Starts a scripted server, and a runtime on it."""
    running = []

    def make(kind: str = "vllm", context: int = 8192, model: str = "", silence_s: float = 600.0, **script: Any) -> Any:
        scripted = Scripted(kind, **script)
        running.append(serving(scripted))
        running[-1].__enter__()
        return scripted, open_runtime(scripted, context, model=model, silence_s=silence_s)

    yield make
    for server in running:
        server.__exit__(None, None, None)


def asked(runtime: RemoteRuntime, id: str = "one", sampling: Sampling = SAMPLING, turns: list[Turn] = TURNS) -> list[RuntimeEvent]:
    """Everything that happens when these turns are sent."""
    return list(runtime.generate(Request(id, runtime.encode(turns), sampling, seed=7)))


def words(events: list[RuntimeEvent]) -> str:
    return "".join(one.text for one in events if isinstance(one, Text))


def end(events: list[RuntimeEvent]) -> Finished:
    assert [isinstance(one, Finished) for one in events].count(True) == 1 and isinstance(events[-1], Finished)
    return events[-1]


class TestTheAddress:
    @pytest.mark.parametrize(
        ("url", "host"),
        [
            ("https://ward-gpu.example:8000", "ward-gpu.example:8000"),
            ("https://ward-gpu.example/v1/", "ward-gpu.example:443"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://localhost", "localhost:80"),
            ("http://[::1]:8080/v1", "[::1]:8080"),
        ],
    )
    def test_one_that_may_be_spoken_with_is_named_by_host_and_port(self, url: str, host: str) -> None:
        address = address_of(url)
        assert address.host == host and not address.url.endswith(("/", "/v1"))
        assert address.way == ("encrypted" if url.startswith("https") else "within this computer")

    @pytest.mark.parametrize("url", ["http://ward-gpu.example:8000", "http://192.168.0.5", "http://127.0.0.1.example"])
    def test_one_beyond_this_computer_without_tls_is_refused_and_it_is_said_why(self, url: str) -> None:
        with pytest.raises(SettingsError, match="unencrypted"):
            address_of(url)
        assert address_of(url, insecure=True).way == "open"

    @pytest.mark.parametrize(
        "url", ["ward-gpu:8000", "ftp://a.example", "https://", "https://a.example/?x=1", "https://a:b", "https://a b.example"]
    )
    def test_what_is_no_address_is_refused(self, url: str) -> None:
        with pytest.raises(SettingsError, match="is not the address"):
            address_of(url)

    def test_a_password_in_it_is_refused_because_addresses_are_shown(self) -> None:
        with pytest.raises(SettingsError, match="password") as refused:
            address_of("https://me:secret@ward-gpu.example")
        assert KEY in refused.value.hint and "secret" not in str(refused.value)

    @pytest.mark.parametrize("url", ["ftp://me:secret@a.example", "https://me:sec@ret@a b.example", "https://a.example/?key=secret"])
    def test_nor_is_one_repeated_where_the_address_is_mistyped_besides(self, url: str) -> None:
        with pytest.raises(SettingsError, match=r"example' is not the address|example/' is not the address") as refused:
            address_of(url)
        assert "sec" not in str(refused.value)

    def test_a_key_is_not_shown_with_it_and_one_with_a_line_break_is_refused(self) -> None:
        assert "sk-12" not in repr(address_of("https://a.example", "sk-12"))
        with pytest.raises(SettingsError):
            address_of("https://a.example", "sk-12\nX-Header: 1")


class TestMeetingAServer:
    def test_vllm_says_its_model_and_context_and_takes_exact_prompts(self, start: Any) -> None:
        scripted, runtime = start("vllm")
        model = runtime.wait_until_loaded(5)
        assert (model.name, model.context, model.template) == ("m42-health/Llama3-Med42-70B", 8192, "llama-3")
        assert model.device == f"server {model.server} (vLLM 0.11.0)" and scripted.url.endswith(model.server)
        assert model.sha256 == model.quantization == model.build == model.cache_type == ""

    def test_llama_cpp_says_its_model_and_the_context_of_one_conversation(self, start: Any) -> None:
        model = start("llama.cpp")[1].wait_until_loaded(5)
        assert (model.name, model.context, model.parameters, model.quantization) == ("med42-v2-8b", 4096, 8030261312, "Q8_0")
        assert "llama.cpp b6000-abc" in model.device and not model.warnings

    def test_a_context_larger_than_wanted_is_not_used_whole(self, start: Any) -> None:
        assert start("vllm", context=2048)[1].wait_until_loaded(5).context == 2048

    @pytest.mark.parametrize("kind", ["llama-cpp-python", "other"])
    def test_what_a_server_does_not_say_is_said_to_be_unknown(self, start: Any, kind: str) -> None:
        model = start(kind, context=3000)[1].wait_until_loaded(5)
        assert model.context == 3000 and any("does not say how large its context is: 3,000" in one for one in model.warnings)
        assert model.template == "server" and model.parameters == 0

    def test_what_another_kind_of_server_is_not_told_stands_in_the_evidence_of_its_answers(self, start: Any) -> None:
        device = start("other")[1].wait_until_loaded(5).device
        assert "not told: top_k, min_p, repeat_penalty" in device and "estimated" in device

    def test_one_whose_tokeniser_is_not_let_through_is_taken_for_any_other(self, start: Any) -> None:
        scripted, runtime = start("vllm", hidden=("/tokenize",))
        assert end(asked(runtime)).reason == "stop" and scripted.asked("/v1/chat/completions")

    def test_of_several_models_one_must_be_named(self, start: Any) -> None:
        two = [{"id": "a", "owned_by": "vllm", "max_model_len": 4096}, {"id": "b", "owned_by": "vllm", "max_model_len": 2048}]
        with pytest.raises(RuntimeFailure, match="2 models") as failed:
            start(models=two)[1].wait_until_loaded(5)
        assert "a, b" in failed.value.hint
        assert start(models=two, model="b")[1].wait_until_loaded(5).name == "b"

    def test_a_model_that_is_not_there_is_named_with_those_that_are(self, start: Any) -> None:
        with pytest.raises(RuntimeFailure, match="no model called c") as failed:
            start(model="c")[1].wait_until_loaded(5)
        assert "Llama3-Med42-70B" in failed.value.hint

    def test_nothing_of_a_persons_is_sent_before_something_is_asked(self, start: Any) -> None:
        scripted, runtime = start("llama.cpp")
        runtime.wait_until_loaded(5)
        sent = {str(body.get("content")) for body in scripted.asked("/tokenize")}
        assert sent <= {"", "\n\n", "system", "user", "assistant", *MARKS}


class TestPrompts:
    @pytest.mark.parametrize("kind", ["vllm", "llama.cpp"])
    def test_they_are_the_ids_of_llama_3s_form_and_words_never_become_control_tokens(self, start: Any, kind: str) -> None:
        scripted, runtime = start(kind)
        prompt = runtime.encode(TURNS)
        start_id, end_id, eot = MARKS["<|start_header_id|>"], MARKS["<|end_header_id|>"], MARKS["<|eot_id|>"]

        def turn(role: str, text: str) -> list[int]:
            return [start_id, *tokens(role), end_id, *tokens("\n\n"), *tokens(text, special=False), eot]

        whole = [MARKS["<|begin_of_text|>"], *turn("system", TURNS[0].text), *turn("user", TURNS[1].text)]
        assert list(prompt) == [*whole, start_id, *tokens("assistant"), end_id, *tokens("\n\n")]
        assert runtime.count(TURNS) == [len(turn(one.role, one.text)) for one in TURNS]
        list(runtime.generate(Request("one", prompt, SAMPLING, 1)))
        assert scripted.asked("/v1/completions")[0]["prompt"] == list(prompt)

    @pytest.mark.parametrize("kind", ["llama-cpp-python", "other"])
    def test_where_ids_are_not_taken_the_turns_are_sent_and_counted_rather_too_high(self, start: Any, kind: str) -> None:
        scripted, runtime = start(kind)
        counts, prompt = runtime.count(TURNS), runtime.encode(TURNS)
        assert sum(counts) + len(runtime.encode([])) == len(prompt)
        if kind == "llama-cpp-python":
            assert all(count > len(tokens(turn.text)) for count, turn in zip(counts, TURNS, strict=True))
        list(runtime.generate(Request("one", prompt, SAMPLING, 1)))
        sent = scripted.asked("/v1/chat/completions")[0]["messages"]
        assert sent == [{"role": turn.role, "content": turn.text} for turn in TURNS]

    def test_prompts_of_other_turns_are_told_apart_and_the_first_ones_are_forgotten_and_not_mixed_up(self, start: Any) -> None:
        _, runtime = start("other")
        first = runtime.encode([Turn("user", "0")])
        assert len({runtime.encode([Turn("user", str(at))]) for at in range(100)}) == 100
        last = end(list(runtime.generate(Request("one", first, SAMPLING, 1))))
        assert last.reason == "failed" and "Ask again" in last.hint

    def test_a_text_is_counted_by_the_server_once(self, start: Any) -> None:
        scripted, runtime = start("vllm")
        runtime.count(TURNS)
        before = len(scripted.seen)
        runtime.count(TURNS)
        runtime.encode(TURNS)
        assert len(scripted.seen) == before

    def test_an_answer_that_has_begun_is_gone_on_with_where_the_server_can(self, start: Any) -> None:
        begun = [*TURNS, Turn("assistant", "Yes, but")]
        _, runtime = start("vllm")
        assert list(runtime.encode(begun))[-8:] == tokens("Yes, but")
        with pytest.raises(RuntimeFailure, match="cannot go on"):
            start("other")[1].encode(begun)


class TestAnswers:
    @pytest.mark.parametrize("kind", KINDS)
    def test_they_come_piece_by_piece_with_the_servers_own_figures(self, start: Any, kind: str) -> None:
        _, runtime = start(kind)
        events = asked(runtime)
        last = end(events)
        assert words(events) == "Yes, it is." and last.reason == "stop" and last.detail == ""
        assert (last.usage.prompt_tokens, last.usage.cached_tokens, last.usage.completion_tokens) == (321, 300, 3)
        assert last.timings.first_token_s > 0 and last.timings.tokens_per_s > 0
        assert runtime.status().state == "ready" and runtime.status().waiting == 0

    def test_what_the_server_does_not_count_is_counted_here(self, start: Any) -> None:
        _, runtime = start(steps=("a", "b", 0.05, "c", event(reason="stop"), DONE))
        last = end(asked(runtime))
        assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (len(runtime.encode(TURNS)), 3)
        assert 0 < last.timings.tokens_per_s < 60

    def test_the_servers_own_speed_and_progress_are_passed_on(self, start: Any) -> None:
        progress = event(prompt_progress={"total": 90, "processed": 30, "cache": 0})
        _, runtime = start("llama.cpp", steps=(progress, "a", event(reason="stop", timings={"predicted_per_second": 12.5}), DONE))
        events = asked(runtime)
        assert Prefill(30, 90) in events and end(events).timings.tokens_per_s == 12.5

    @pytest.mark.parametrize(
        ("kind", "names"),
        [
            ("vllm", {"top_k": 150, "min_p": 0.05, "repetition_penalty": 1.1}),
            ("llama.cpp", {"top_k": 150, "min_p": 0.05, "repeat_penalty": 1.1}),
            ("llama-cpp-python", {"top_k": 150, "min_p": 0.05, "repeat_penalty": 1.1}),
            ("other", {}),
        ],
    )
    def test_each_kind_is_told_in_its_own_names_how_to_choose_the_next_token(self, start: Any, kind: str, names: dict[str, Any]) -> None:
        scripted, runtime = start(kind)
        asked(runtime)
        sent = (scripted.asked("/v1/completions") or scripted.asked("/v1/chat/completions"))[0]
        every = {"temperature": 0.4, "top_p": 0.75, "max_tokens": 50, "seed": 7, "stream": True}
        assert {**every, **names}.items() <= sent.items() and sent["model"] == scripted.models[0]["id"]
        assert {"top_k", "min_p", "repeat_penalty", "repetition_penalty"} & sent.keys() == names.keys()

    def test_every_token_may_be_chosen_in_vllms_words_too(self, start: Any) -> None:
        scripted, runtime = start("vllm")
        asked(runtime, sampling=replace(SAMPLING, top_k=0))
        assert scripted.asked("/v1/completions")[0]["top_k"] == -1

    @pytest.mark.parametrize("kind", KINDS)
    def test_an_answer_is_held_to_a_grammar_or_not_given(self, start: Any, kind: str) -> None:
        scripted, runtime = start(kind)
        last = end(list(runtime.generate(Request("one", runtime.encode(TURNS), SAMPLING, 1, 'root ::= "Yes"'))))
        sent = scripted.asked("/v1/completions") + scripted.asked("/v1/chat/completions")
        if kind in ("llama.cpp", "llama-cpp-python"):
            assert last.reason == "stop" and sent[0]["grammar"] == 'root ::= "Yes"'
        else:
            assert last.reason == "failed" and "cannot hold" in last.detail and sent == []

    def test_an_answer_cut_at_its_length_says_so(self, start: Any) -> None:
        assert end(asked(start(steps=("a", event(reason="length"), DONE))[1])).reason == "length"

    def test_a_character_whose_bytes_come_one_by_one_and_half_a_character_are_no_harm(self, start: Any) -> None:
        whole = 'data: {"choices":[{"text":"µ🩺"}]}\r\n\r\n'.encode()
        half = b'data: {"choices":[{"text":"\\ud83e"}]}\n\n'
        _, runtime = start(steps=(*(whole[at : at + 1] for at in range(len(whole))), half, event(reason="stop"), DONE))
        assert words(asked(runtime)) == "µ🩺?"

    def test_comments_that_keep_the_connection_open_are_passed_over(self, start: Any) -> None:
        _, runtime = start(steps=(b": ping\n\n", b"event: x\nid: 3\n", "a", b":\n\n", event(reason="stop"), DONE))
        assert words(asked(runtime)) == "a"

    def test_two_come_at_once(self, start: Any) -> None:
        both = threading.Barrier(2, timeout=5)
        _, runtime = start(steps=(both.wait, "a", event(reason="stop"), DONE))
        ends: list[Finished] = []
        threads = [threading.Thread(target=lambda id=id: ends.append(end(asked(runtime, id)))) for id in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert [one.reason for one in ends] == ["stop", "stop"]

    def test_a_server_that_does_one_thing_at_a_time_is_never_asked_for_a_second(self, start: Any) -> None:
        scripted, runtime = start("llama-cpp-python", steps=("a", 0.3, event(reason="stop"), DONE))
        first, prompt = runtime.generate(Request("one", runtime.encode(TURNS), SAMPLING, 1)), runtime.encode([Turn("user", "x")])
        while not isinstance(next(first), Text):
            pass
        counted = len(scripted.asked("/extras/tokenize/count"))
        runtime.count([Turn("user", "something new")])
        second = list(runtime.generate(Request("two", prompt, SAMPLING, 1)))
        assert second[0] == Queued("queue", 1) and end(second).reason == end(list(first)).reason == "stop"
        assert scripted.most_at_once == 1 and len(scripted.asked("/extras/tokenize/count")) == counted


class TestStopping:
    @pytest.mark.parametrize("steps", [(FOREVER,), ("a", FOREVER)], ids=["while it reads", "while it writes"])
    def test_it_takes_less_than_a_second_and_the_server_notices(self, start: Any, steps: tuple[Any, ...]) -> None:
        scripted, runtime = start(steps=steps)
        prompt, events, began = runtime.encode(TURNS), [], 0.0
        for one in runtime.generate(Request("one", prompt, SAMPLING, 1)):
            events.append(one)
            if not began and isinstance(one, Text if len(steps) > 1 else Prefill):
                began = time.monotonic()
                runtime.cancel("one")
        assert time.monotonic() - began < 1 and end(events).reason == "cancelled"
        assert scripted.gone.wait(2) or len(steps) == 1
        assert runtime.status().state == "ready"

    def test_whoever_leaves_the_iterator_closes_the_connection(self, start: Any) -> None:
        scripted, runtime = start(steps=("a", FOREVER))
        events = runtime.generate(Request("one", runtime.encode(TURNS), SAMPLING, 1))
        while not isinstance(next(events), Text):
            pass
        events.close()
        assert scripted.gone.wait(2)

    def test_closing_the_runtime_ends_everything_and_leaves_no_thread(self, start: Any) -> None:
        before = threading.active_count()
        _, runtime = start(steps=("a", FOREVER))
        events = runtime.generate(Request("one", runtime.encode(TURNS), SAMPLING, 1))
        while not isinstance(next(events), Text):
            pass
        runtime.close()
        assert end(list(events)).reason == "cancelled" and runtime.status().state == "closed"
        with pytest.raises(RuntimeFailure, match="no longer in use"):
            runtime.encode(TURNS)
        assert end(list(runtime.generate(Request("two", (1,), SAMPLING, 1)))).reason == "failed"
        names = [thread.name for thread in threading.enumerate()]
        assert "remote" not in names and "server" not in names and threading.active_count() <= before + 3

    def test_a_request_that_nobody_knows_is_not_stopped(self, start: Any) -> None:
        start()[1].cancel("nobody")


_NAMES = st.sampled_from(
    ["choices", "text", "delta", "content", "finish_reason", "usage", "prompt_tokens", "timings", "predicted_per_second", "data", "id"]
)
NESTED = b"data: " + b"[" * 100_000 + b"\n\n"
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "it drops the connection": ({"steps": ()}, "broke the answer off"),
    "garbage": ({"steps": (b"data: {nonsense\n\n",)}, "what no such server says"),
    "no event": ({"steps": (b"data: [1, 2]\n\n",)}, "what no such server says"),
    "an event of another form": ({"steps": (b'data: {"choices": "x"}\n\n',)}, "what no such server says"),
    "figures that are none": ({"steps": (event(usage={"prompt_tokens": -1}),)}, "what no such server says"),
    "speed without end": ({"steps": (b'data: {"timings": {"predicted_per_second": 1e999}}\n\n',)}, "what no such server says"),
    "bytes that are no text": ({"steps": (b"data: \xff\xfe\n\n",)}, "what no such server says"),
    "a line without end": ({"steps": (b"data: " + b"x" * (3 << 20),)}, "what no such server says"),
    "nested without end": ({"steps": (NESTED,)}, "what no such server says"),
    "a web page": ({"headers": {"Content-Type": "text/html"}, "steps": (b"<html>",)}, "what no such server says"),
    "packed": ({"headers": {"Content-Encoding": "gzip"}, "steps": (b"\x1f\x8b",)}, "what no such server says"),
    "an error as an event": ({"steps": (b'data: {"error": {"message": "out of memory", "code": 500}}\n\n',)}, "It says: out of memory"),
    "an error as an event of the older form": ({"steps": (b'error: {"message": "no slot"}\n\n',)}, "It says: no slot"),
    "done without a reason": ({"steps": (DONE,)}, "ended the answer before its end"),
    "a reason of its own": ({"steps": (event(reason="abort"), DONE)}, "before its end (abort)"),
    "silence": ({"steps": (FOREVER,), "silence_s": 0.3}, "does not answer"),
    "400": ({"statuses": {"/v1/completions": 400}}, "refuses the request (400). It says: no t now"),
    "401": ({"statuses": {"/v1/completions": 401}}, "wants a key"),
    "404": ({"statuses": {"/v1/completions": 404}}, "does not have what was asked for"),
    "429": ({"statuses": {"/v1/completions": 429}}, "busy"),
    "500": ({"statuses": {"/v1/completions": 500}}, "has failed (500)"),
    "503": ({"statuses": {"/v1/completions": 503}}, "still loading"),
    "sent on": ({"statuses": {"/v1/completions": 307}, "headers": {"Location": "http://192.0.2.1/"}}, "sends on to another address"),
    "too long": (
        {"statuses": {"/v1/completions": 400}, "body": b'{"message": "maximum context length is 4096 tokens"}'},
        "does not fit into the context",
    ),
}


class TestFaults:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_each_ends_the_answer_once_in_plain_words(self, start: Any, fault: str) -> None:
        script, said = FAULTS[fault]
        last = end(asked(start(**script)[1]))
        assert last.reason == "failed" and said in last.detail and last.timings.first_token_s == 0
        assert last.hint and last.hint not in last.detail

    def test_what_came_before_is_kept_and_the_answer_counts_as_interrupted(self, start: Any) -> None:
        events = asked(start(steps=("Half an", " answer"))[1])
        assert words(events) == "Half an answer" and end(events).reason == "died" and end(events).usage.completion_tokens == 2

    def test_one_that_writes_for_ever_is_cut_at_the_length_that_was_asked_for(self, start: Any) -> None:
        def for_ever() -> None:
            raise ConnectionResetError

        scripted, runtime = start(steps=(*("word ",) * 60, FOREVER, for_ever))
        events = asked(runtime)
        assert end(events).reason == "length" and words(events).count("word") == SAMPLING.max_tokens + 1 and scripted.gone.wait(2)

    def test_pieces_larger_than_any_token_count_as_many(self, start: Any) -> None:
        events = asked(start(steps=("x" * 20_000, FOREVER))[1])
        assert end(events).reason == "length"

    def test_the_servers_own_words_are_shown_short_and_without_control_characters(self, start: Any) -> None:
        body = b'{"error": {"message": "' + b"\\u001b[31mwrong " * 200 + b'"}}'
        detail = end(asked(start(statuses={"/v1/completions": 400}, body=body)[1])).detail
        assert len(detail) < 500 and detail.isprintable()

    def test_a_server_that_is_not_there_is_looked_for_until_it_is(self, open_runtime: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("med42_chat.runtime.remote._FIRST_PAUSE_S", 0.05)
        scripted = Scripted()
        with serving(scripted) as url:
            port = int(url.rsplit(":", 1)[1])
        runtime = open_runtime(scripted)
        with pytest.raises(RuntimeFailure, match="refuses connections"):
            runtime.wait_until_loaded(5)
        assert runtime.status().state == "failed" and "port" in runtime.status().hint
        with serving(scripted, port):
            _wait(lambda: runtime.status().state == "ready")
            assert end(asked(runtime)).reason == "stop"

    def test_a_server_that_goes_and_comes_back_is_found_again(self, open_runtime: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("med42_chat.runtime.remote._FIRST_PAUSE_S", 0.05)
        scripted = Scripted()
        with serving(scripted) as url:
            runtime = open_runtime(scripted)
            prompt = runtime.encode(TURNS)
        last = end(list(runtime.generate(Request("one", prompt, SAMPLING, 1))))
        assert last.reason == "failed" and ("refuses" in last.detail or "broke" in last.detail)
        with serving(scripted, int(url.rsplit(":", 1)[1])):
            _wait(lambda: runtime.status().state == "ready")
            assert end(asked(runtime)).reason == "stop"

    def test_another_model_in_the_place_of_the_one_that_was_met_does_not_answer_in_its_name(self, start: Any) -> None:
        scripted, runtime = start()
        runtime.wait_until_loaded(5)
        scripted.models[0] = {**scripted.models[0], "root": "/models/another"}
        last = end(asked(runtime))
        assert last.reason == "failed" and "another model" in last.detail and not scripted.asked("/v1/completions")
        _wait(lambda: runtime.status().state == "ready")
        assert end(asked(runtime)).reason == "stop"

    def test_a_model_that_is_gone_is_looked_for_again_and_the_next_question_goes_to_what_is_there(self, start: Any) -> None:
        scripted, runtime = start()
        runtime.wait_until_loaded(5)
        scripted.models[0] = {**scripted.models[0], "id": "another"}
        last = end(asked(runtime))
        assert last.reason == "failed" and "no model called m42-health/Llama3-Med42-70B" in last.detail
        assert end(asked(runtime)).reason == "stop" and runtime.wait_until_loaded(5).name == "another"

    def test_one_that_does_not_count_in_time_keeps_nobody_waiting(self, start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        scripted, runtime = start()
        runtime.wait_until_loaded(5)
        monkeypatch.setattr("med42_chat.runtime.remote_http._ANSWER_S", 0.2)
        monkeypatch.setattr(scripted, "says", lambda path, body: time.sleep(1))
        with pytest.raises(RuntimeFailure, match="does not answer"):
            runtime.count([Turn("user", "Something new.")])

    def test_a_mistake_of_the_program_while_it_meets_a_server_leaves_nobody_waiting(
        self, start: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("med42_chat.runtime.remote_meeting.entry_of", lambda *given: 1 / 0)
        with pytest.raises(RuntimeFailure, match="made a mistake"):
            start()[1].wait_until_loaded(5)

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": [{"name": 1}]}', b'{"data": 3}', b"\xff"])
    def test_what_is_no_such_server_is_told_apart_from_one(self, start: Any, body: bytes) -> None:
        runtime = start(raw={"/v1/models": body})[1]
        with pytest.raises(RuntimeFailure, match="no such server"):
            runtime.wait_until_loaded(5)

    @pytest.mark.parametrize("path", ["/version", "/tokenize"])
    @pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"tokens": "x"}', b'{"tokens": [-1]}'])
    def test_a_server_that_says_nonsense_of_itself_is_no_harm(self, start: Any, path: str, body: bytes) -> None:
        runtime = start(raw={path: body})[1]
        if path == "/version":
            assert end(asked(runtime)).reason == "stop"
        else:
            with pytest.raises(RuntimeFailure, match="no such server"):
                runtime.wait_until_loaded(5)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)


class TestAnythingAtAll:
    @given(_JSON)
    def test_an_event_is_understood_or_refused_and_its_text_can_be_written_down(self, event: Any) -> None:
        with suppress(ValueError):
            found = said(event)
            found.text.encode()
            assert found.speed >= 0 and isinstance(found.reason, str)

    @given(_JSON, st.sampled_from(["", "a"]))
    def test_a_list_of_models_is_understood_or_refused(self, listed: Any, wanted: str) -> None:
        with suppress(RuntimeFailure):
            assert entry_of(listed, wanted, "a.example:1")["id"] is not None or not wanted


class TestTheKey:
    def test_it_goes_along_with_every_request(self, start: Any) -> None:
        scripted, runtime = start(key="sk-secret")
        assert end(asked(runtime)).reason == "stop"
        assert all(headers.get("Authorization") == "Bearer sk-secret" for _, headers, _ in scripted.seen)
        assert "sk-secret" not in repr(runtime.status())

    def test_a_wrong_one_is_said_and_not_tried_again_and_again(self, open_runtime: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("med42_chat.runtime.remote._FIRST_PAUSE_S", 0.02)
        scripted = Scripted(key="right")
        with serving(scripted):
            runtime = open_runtime(replace(scripted, key="wrong", seen=[]))
            with pytest.raises(RuntimeFailure, match="does not accept the key") as refused:
                runtime.wait_until_loaded(5)
            time.sleep(0.2)
            assert KEY in refused.value.hint and "wrong" not in refused.value.message and len(scripted.seen) == 1


class TestTheWay:
    def test_no_proxy_of_the_environment_is_spoken_to(self, start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        assert end(asked(start()[1])).reason == "stop"

    def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent(self, open_runtime: Open, certificate: Path) -> None:
        scripted = Scripted()
        with serving(scripted, tls=_tls(certificate)):
            runtime = open_runtime(scripted)
            with pytest.raises(RuntimeFailure, match="cannot prove that it is the server"):
                runtime.wait_until_loaded(5)
        assert scripted.seen == []

    def test_one_that_this_computer_trusts_is_spoken_with(
        self, open_runtime: Open, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        scripted = Scripted()
        with serving(scripted, tls=_tls(certificate)):
            runtime = open_runtime(scripted)
            assert end(asked(runtime)).reason == "stop" and not runtime.wait_until_loaded().warnings

    def test_one_that_everybody_can_read_along_with_is_warned_of(self, start: Any, open_runtime: Open) -> None:
        scripted, _ = start()
        scripted.url = scripted.url.replace("127.0.0.1", "0.0.0.0")  # also this computer, by an address that could be anybody's
        runtime = open_runtime(scripted, insecure=True)
        assert any("everybody on the way can read it" in one for one in runtime.wait_until_loaded(10).warnings)

    def test_certificates_that_cannot_be_read_are_said_to_be_that(
        self, open_runtime: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
        with pytest.raises(SettingsError, match="SSL_CERT_FILE"):
            open_runtime(Scripted(url="https://127.0.0.1:9"))

    def test_a_server_without_tls_behind_an_address_with_it_is_said_to_be_that(self, open_runtime: Open) -> None:
        scripted = Scripted()
        with serving(scripted) as url:
            runtime = open_runtime(replace(scripted, url=url.replace("http:", "https:")))
            with pytest.raises(RuntimeFailure, match=r"does not speak TLS|broke"):
                runtime.wait_until_loaded(5)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ward")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path_factory.mktemp("tls") / "ward.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return file


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _wait(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)
