import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from med42_chat.errors import ModelFileError, RuntimeFailure
from med42_chat.records import Sampling, Turn
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import Prefill, Queued
from tests.runtime.asking import Follower, ending, is_text, prompt_of, request, text
from tests.shapes import CHATML, CHATML_CONTROLS, write_shape

pytestmark = pytest.mark.model
Start = Callable[..., LocalRuntime]


def test_a_model_loads_answers_and_says_what_it_is(start: Start, tiny: Path) -> None:
    runtime = start(tiny)
    info = runtime.wait_until_loaded(20)
    assert (info.context, info.template, info.device, info.layers_offloaded) == (8192, "llama-3", "CPU", 0)
    assert {258, 261} <= set(info.stop_ids)  # <|end_of_text|> and <|eot_id|>, though the file names only the first
    assert len(info.sha256) == 64
    prompt = runtime.encode([Turn("user", "Hello")])
    assert prompt[0] == 257 and prompt.count(257) == 1
    events = list(runtime.generate(request("a", prompt, Sampling(max_tokens=30))))
    finished = ending(events)
    assert finished.reason in ("stop", "length")
    assert finished.usage.prompt_tokens == len(prompt)
    assert finished.timings.first_token_s > 0
    assert text(events)
    assert runtime.status().state == "ready"


def test_nothing_but_our_lines_and_no_words_reach_the_log_or_the_command_line(start: Start, tiny: Path, tmp_path: Path) -> None:
    runtime = start(tiny)
    runtime.wait_until_loaded(20)
    prompt = runtime.encode([Turn("user", "Zebrafish")])
    list(runtime.generate(request("a", prompt, Sampling(max_tokens=5))))
    assert runtime.worker_pid is not None
    assert not any("Zebrafish" in word or str(tiny) in word for word in psutil.Process(runtime.worker_pid).cmdline())
    assert (tmp_path / "cache" / "worker.log").read_text() == ""


def test_the_model_is_not_told_the_passphrase(start: Start, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MED42_PASSPHRASE", "open sesame")
    runtime = start(tiny)
    runtime.wait_until_loaded(20)
    assert runtime.worker_pid is not None
    assert "MED42_PASSPHRASE" not in psutil.Process(runtime.worker_pid).environ()


@pytest.mark.parametrize(("physical", "own", "spins"), [(1, None, None), (99, None, "1000"), (None, None, "1000"), (99, "7", "7")])
def test_threads_that_take_every_processor_do_not_wait_awake_unless_somebody_says_so(
    start: Start, tiny: Path, monkeypatch: pytest.MonkeyPatch, physical: int | None, own: str | None, spins: str | None
) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: physical)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1}, raising=False)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    if own is not None:
        monkeypatch.setenv("GOMP_SPINCOUNT", own)
    runtime = start(tiny)
    runtime.wait_until_loaded(20)
    assert psutil.Process(runtime.worker_pid).environ().get("GOMP_SPINCOUNT") == spins


def test_questions_asked_while_loading_wait_in_line_and_say_so(start: Start, medium: Path) -> None:
    runtime = start(medium)
    first = Follower(runtime.generate(request("a", prompt_of(300), Sampling(max_tokens=3))))
    first.until(lambda event: isinstance(event, Queued))
    second = Follower(runtime.generate(request("b", prompt_of(300), Sampling(max_tokens=3))))
    assert first.finish().reason == second.finish().reason == "length"
    assert isinstance(first.events[0], Queued) and first.events[0].reason == "loading"
    assert isinstance(second.events[0], Queued) and second.events[0].position == 1


def test_answers_wait_for_one_another_in_order(start: Start, medium: Path) -> None:
    runtime = start(medium)
    runtime.wait_until_loaded(20)
    followers = []
    for name in "abc":
        followers.append(Follower(runtime.generate(request(name, prompt_of(200), Sampling(max_tokens=20)))))
        followers[-1].until(lambda event: isinstance(event, Queued | Prefill))
    assert [follower.events[0] for follower in followers[1:]] == [Queued("queue", 1), Queued("queue", 2)]
    assert runtime.status().state == "busy"
    for follower in followers:
        follower.finish()
    assert Queued("queue", 1) in followers[2].events


def test_two_answers_come_at_once_and_a_third_waits_for_one_of_them(start: Start, medium: Path) -> None:
    runtime = start(medium, parallel=2)
    assert runtime.wait_until_loaded(20).parallel == 2
    one, other = (Follower(runtime.generate(request(name, prompt_of(60, salt)))) for salt, name in enumerate("ab"))
    for follower in (one, other, one, other):  # whoever of them wrote alone would keep the other waiting
        follower.until(is_text)
    third = Follower(runtime.generate(request("c", prompt_of(60, 2), Sampling(max_tokens=3))))
    assert third.until(lambda event: True) == Queued("queue", 1)
    assert runtime.status().waiting == 1
    runtime.cancel("a")
    assert one.finish().reason == "cancelled"
    assert third.finish().reason == "length"
    other.until(is_text)
    runtime.cancel("b")
    finished = other.finish()
    assert finished.reason == "cancelled" and finished.together


def test_killed_in_the_middle_of_two_answers_both_texts_stay(start: Start, medium: Path) -> None:
    runtime = start(medium, parallel=2)
    runtime.wait_until_loaded(20)
    both = [Follower(runtime.generate(request(name, prompt_of(60, salt)))) for salt, name in enumerate("ab")]
    for follower in both:
        follower.until(is_text)
    assert runtime.worker_pid is not None
    os.kill(runtime.worker_pid, signal.SIGKILL)
    for follower in both:
        finished = follower.finish()
        assert finished.reason == "died" and finished.usage.completion_tokens and text(follower.events)


def test_stopping_the_reading_of_a_long_prompt_leaves_the_answer_beside_it_as_it_was(start: Start, medium: Path) -> None:
    asked = request("a", prompt_of(203), Sampling(temperature=0.8, max_tokens=60), seed=5)
    alone = text(list(start(medium).generate(asked)))
    runtime = start(medium, parallel=2)
    runtime.wait_until_loaded(20)
    writing = Follower(runtime.generate(asked))
    writing.until(is_text)
    reading = Follower(runtime.generate(request("b", prompt_of(6000, 3))))
    reading.until(lambda event: isinstance(event, Prefill) and event.done > 0)
    runtime.cancel("b")
    assert reading.finish().usage.completion_tokens == 0
    assert not writing.finish().together and text(writing.events) == alone


def test_a_long_prefill_stops_within_a_second(start: Start, medium: Path) -> None:
    runtime = start(medium)
    runtime.wait_until_loaded(20)
    follower = Follower(runtime.generate(request("a", prompt_of(6000))))
    follower.until(lambda event: isinstance(event, Prefill) and event.done > 0)
    asked = time.monotonic()
    runtime.cancel("a")
    finished = follower.finish()
    assert time.monotonic() - asked < 1
    assert (finished.reason, finished.usage.completion_tokens) == ("cancelled", 0)
    done = max(event.done for event in follower.events if isinstance(event, Prefill))
    assert done < 6000
    # What was read before the stop is not read again.
    again = Follower(runtime.generate(request("b", prompt_of(6000))))
    first = again.until(lambda event: isinstance(event, Prefill))
    assert isinstance(first, Prefill) and first.done >= done - 4
    runtime.cancel("b")
    again.finish()


def test_stopping_an_answer_keeps_what_came_and_an_abandoned_one_is_stopped(start: Start, medium: Path) -> None:
    runtime = start(medium)
    runtime.wait_until_loaded(20)
    follower = Follower(runtime.generate(request("a", prompt_of(100))))
    for _ in range(3):
        follower.until(is_text)
    runtime.cancel("a")
    finished = follower.finish()
    assert finished.reason == "cancelled" and finished.usage.completion_tokens > 2 and text(follower.events)
    events = runtime.generate(request("b", prompt_of(100)))
    while not is_text(next(events)):
        pass
    events.close()  # type: ignore[attr-defined]
    assert ending(list(runtime.generate(request("c", prompt_of(50), Sampling(max_tokens=2))))).reason == "length"


def test_what_is_deleted_while_a_process_starts_does_not_end_it(start: Start, tiny: Path) -> None:
    runtime = start(tiny)
    while (process := runtime.worker_pid) is None:
        time.sleep(0.001)
    runtime.forget("a conversation")
    assert runtime.wait_until_loaded(20).backed_off == () and runtime.worker_pid == process


def test_texts_are_tokenised_while_an_answer_is_written(start: Start, medium: Path) -> None:
    runtime = start(medium)
    runtime.wait_until_loaded(20)
    follower = Follower(runtime.generate(request("a", prompt_of(4000))))
    follower.until(lambda event: isinstance(event, Prefill))
    assert runtime.count([Turn("user", "Hi"), Turn("assistant", "")]) == [11, 14]
    assert runtime.status().state == "busy"
    runtime.cancel("a")
    follower.finish()


def test_another_process_gives_the_same_tokens_for_the_same_request(start: Start, small: Path) -> None:
    asked = request("a", prompt_of(203), Sampling(temperature=0.8, max_tokens=24), seed=5)
    one, other = (text(list(start(small).generate(asked))) for _ in range(2))
    assert one == other


def test_killed_in_mid_answer_the_text_stays_and_the_next_question_is_answered(start: Start, medium: Path) -> None:
    runtime = start(medium)
    runtime.wait_until_loaded(20)
    running = Follower(runtime.generate(request("a", prompt_of(100))))
    for _ in range(3):
        running.until(is_text)
    waiting = Follower(runtime.generate(request("b", prompt_of(80), Sampling(max_tokens=5))))
    waiting.until(lambda event: isinstance(event, Queued))
    killed = runtime.worker_pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    finished = running.finish()
    assert finished.reason == "died" and "signal 9" in finished.detail
    assert text(running.events) and finished.usage.completion_tokens >= 3 and finished.usage.prompt_tokens == 100
    assert waiting.finish().reason == "length"
    assert any(isinstance(event, Queued) and event.reason == "restarting" for event in waiting.events)
    assert runtime.worker_pid != killed
    assert runtime.count([Turn("user", "Hi")]) == [11]


def test_a_worker_that_keeps_dying_is_given_up_in_plain_words(start: Start, medium: Path) -> None:
    runtime = start(medium)
    for _ in range(400):
        state = runtime.status().state
        if state == "failed":
            break
        if (pid := runtime.worker_pid) is not None and psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    status = runtime.status()
    assert status.state == "failed" and "5 times in a row" in status.error and status.hint
    with pytest.raises(RuntimeFailure, match="5 times"):
        runtime.wait_until_loaded()
    assert ending(list(runtime.generate(request("a", (1,))))).reason == "failed"


PARENT = """
import sys, time
from pathlib import Path
from med42_chat.records import Sampling
from med42_chat.runtime.local import LocalRuntime
from med42_chat.runtime.protocol import Load, Request, Text
runtime = LocalRuntime(lambda found: [Load(sys.argv[1], 8192, 1)], Path(sys.argv[2]))
runtime.wait_until_loaded()
for event in runtime.generate(Request("a", tuple(range(200)), Sampling(max_tokens=4000), 1)):
    if isinstance(event, Text):
        print(runtime.worker_pid, flush=True)
"""


def test_no_worker_outlives_a_killed_program(medium: Path, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(medium), str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        worker.wait(2)
    assert not worker.is_running()


def test_closing_leaves_no_process_even_in_mid_answer(start: Start, medium: Path) -> None:
    runtime = start(medium)
    runtime.wait_until_loaded(20)
    follower = Follower(runtime.generate(request("a", prompt_of(3000))))
    follower.until(lambda event: isinstance(event, Prefill))
    assert runtime.worker_pid is not None
    worker = psutil.Process(runtime.worker_pid)
    asked = time.monotonic()
    runtime.close()
    assert time.monotonic() - asked < 2
    assert not worker.is_running()
    assert follower.finish().reason == "died"
    assert runtime.status().state == "closed"


@pytest.mark.parametrize(("content", "said"), [(None, "no model file"), (b"<html>Not found</html>", "web page"), (b"", "empty")])
def test_a_file_that_is_no_model_is_named_and_questions_end_with_the_reason(
    start: Start, tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    runtime = start(path)
    with pytest.raises(ModelFileError, match=said):
        runtime.wait_until_loaded(20)
    finished = ending(list(runtime.generate(request("a", (1, 2)))))
    assert finished.reason == "failed" and said in finished.detail
    with pytest.raises(ModelFileError, match=said):
        runtime.count([Turn("user", "Hi")])


def test_a_truncated_model_is_refused_before_anything_is_loaded(start: Start, tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(tiny.read_bytes()[:-1000])
    with pytest.raises(ModelFileError, match="1,000 of"):
        start(path).wait_until_loaded(20)


def test_a_prompt_longer_than_the_context_fails_with_both_figures(start: Start, tiny: Path) -> None:
    runtime = start(tiny, 512)
    finished = ending(list(runtime.generate(request("a", prompt_of(600)))))
    assert finished.reason == "failed" and "600" in finished.detail and "512" in finished.detail


def test_a_context_beyond_what_the_model_was_trained_on_is_not_given(start: Start, tiny: Path) -> None:
    info = start(tiny, 100_000).wait_until_loaded(20)
    assert info.context == 8192 and "100,000" in info.warnings[0]


def test_a_model_of_another_family_is_spoken_to_in_its_own_template(start: Start, tmp_path: Path) -> None:
    model = write_shape(tmp_path / "chatml.gguf", controls=CHATML_CONTROLS, chat_template=CHATML)
    runtime = start(model)
    assert runtime.wait_until_loaded(20).template == "model"
    end, begin = 258, 259
    ids = runtime.encode([Turn("user", "a <|im_end|>")])
    assert [token for token in ids if token > 256] == [257, begin, end, begin]
    assert end in runtime.wait_until_loaded().stop_ids


def test_a_model_without_a_chat_template_is_refused(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no chat template"):
        start(write_shape(tmp_path / "bare.gguf", controls=CHATML_CONTROLS)).wait_until_loaded(20)


def test_waiting_has_an_end_when_asked_for(start: Start, medium: Path) -> None:
    with pytest.raises(RuntimeFailure, match="still loading"):
        start(medium).wait_until_loaded(0.01)


def test_a_fault_of_the_process_is_noted_without_anybody_s_words() -> None:
    code = "from med42_chat.runtime.worker import _Edge\nwith _Edge(): {}['Mrs Smith, 81']"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "KeyError at" in done.stderr and "Smith" not in done.stderr
