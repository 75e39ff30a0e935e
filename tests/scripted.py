"""A runtime that says what a test tells it to: real code behind runtime.protocol.Runtime, without a model.

Its tokens are words: a turn costs its words and two more, and a prompt costs BOS and the answer's header on top.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from med42_chat.errors import RuntimeFailure
from med42_chat.records import ModelInfo, Timings, Turn, Usage
from med42_chat.runtime.protocol import Finished, Prefill, Request, RuntimeEvent, RuntimeStatus, Text

MODEL = ModelInfo(
    name="Scripted model",
    path="scripted.gguf",
    sha256="5c" * 32,
    size_bytes=1,
    architecture="llama",
    quantization="none",
    parameters=1,
    vocabulary=1,
    context_trained=8192,
    context=8192,
    template="llama-3",
    stop_ids=(2,),
    device="CPU",
    layers=1,
    layers_offloaded=0,
    threads=1,
    build="test",
    load_s=0.0,
)


@dataclass
class ScriptedRuntime:
    """Answers with `answers` in turn (the last one again and again), piece by piece; keeps every request in `requests`.

    `gate`, where given, holds each piece back until it is set, so that a test can look at an answer in its middle.
    """

    answers: list[list[str]] = field(default_factory=lambda: [["Yes", ", ", "it is."]])
    model: ModelInfo | None = MODEL
    reason: str = "stop"
    detail: str = ""
    hint: str = ""
    gate: threading.Event | None = None
    state: str = "ready"
    failure: RuntimeFailure | None = None
    requests: list[Request] = field(default_factory=list)
    encoded: list[list[Turn]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._cancelled: set[str] = set()

    def status(self) -> RuntimeStatus:
        return RuntimeStatus(self.state, 1.0, 0, self.model)  # type: ignore[arg-type]

    def wait_until_loaded(self, timeout_s: float | None = None) -> ModelInfo:
        if self.failure:
            raise self.failure
        assert self.model is not None
        return self.model

    def count(self, turns: Sequence[Turn]) -> list[int]:
        return [len(turn.text.split()) + 2 for turn in turns]

    def encode(self, turns: Sequence[Turn]) -> tuple[int, ...]:
        self.encoded.append(list(turns))
        open_answer = bool(turns) and turns[-1].role == "assistant"  # its own header is the answer's, and it has no end
        return tuple(range(sum(self.count(turns)) + (0 if open_answer else 2)))

    def generate(self, request: Request) -> Iterator[RuntimeEvent]:
        self.requests.append(request)
        pieces = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        usage, timings = Usage(len(request.prompt), 0, len(pieces)), Timings(0.1, 50.0)
        yield Prefill(len(request.prompt), len(request.prompt))
        for piece in pieces:
            while self.gate and not self.gate.wait(0.01) and request.id not in self._cancelled:
                pass
            if request.id in self._cancelled:
                yield Finished("cancelled", usage, timings)
                return
            yield Text(piece)
        yield Finished(self.reason, usage, timings, self.detail, hint=self.hint)  # type: ignore[arg-type]

    def cancel(self, request_id: str) -> None:
        self._cancelled.add(request_id)

    def forget(self, conversation: str) -> None:
        self.forgotten.append(conversation)

    def close(self) -> None:
        self.state = "closed"
