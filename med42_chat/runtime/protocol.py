"""What a runtime is to the rest of the program, whoever runs the model: a worker process here, a server elsewhere.

Knows nothing of llama.cpp, pipes or HTTP.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from med42_chat.records import FinishReason, Health, ModelInfo, Sampling, Timings, Turn, Usage

CacheType = Literal["f16", "q8_0", "q4_0"]


@dataclass(frozen=True, slots=True)
class Device:
    """One device as ggml reports it. Memory in bytes; a device that shares the computer's memory reports that."""

    name: str
    description: str
    kind: str  # 'cpu', 'gpu', 'igpu', 'accel'
    backend: str  # 'CUDA', 'Metal', 'Vulkan', 'CPU' …
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class Found:
    """What llama.cpp finds on this computer: the devices, and what it uses of the processor, such as 'AVX2'."""

    devices: tuple[Device, ...] = ()
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Override:
    """A value that is used in the place of the model file's. `key` is GGUF's name for it; texts have at most 127 bytes."""

    key: str
    value: bool | int | float | str


@dataclass(frozen=True, slots=True)
class Load:
    """One way to load a model file. `note` says in a sentence what it gives up against the way before; empty in the first.

    `gpu_layers` as llama.cpp counts: the output is one more than the layers. `findings` and `warnings` are what is known of the
    file and of this computer beforehand; they come back in the ModelInfo.
    """

    file: str
    context: int  # tokens, for each of the answers that are made at once
    threads: int | None = None  # None: as many as there are physical cores
    gpu_layers: int = 0
    cache_type: CacheType = "f16"
    overrides: tuple[Override, ...] = ()
    note: str = ""
    sha256: str = ""  # where it is known, so that gigabytes need not be read for it
    must_be: str = ""  # the checksum of the model that the file's name stands for; one with another is not loaded
    findings: tuple[Health, ...] = ()
    warnings: tuple[str, ...] = ()
    demonstration: bool = False
    parallel: int = 1  # answers that are made at once; each has a KV cache of its own
    tune: bool = False  # whether it is found out by a trial, once, how the model is best run on this computer


@dataclass(frozen=True, slots=True)
class Request:
    """One answer to be generated from `prompt` (token ids, exactly one BOS at the start where the model has one).

    `id` is the caller's, unique among running requests; it is what `cancel` names. `seed` is 0 to 2**32 - 2. The answer can only be
    a text of `grammar` (GBNF, its first rule is `root`); without one it is free. With `log_probabilities` the end tells how likely the
    chosen tokens were, where the runtime can tell. What is read and written for a `conversation` may be kept, so that its next request
    need not read it again; of a request without one nothing is.
    """

    id: str
    prompt: tuple[int, ...]
    sampling: Sampling
    seed: int
    grammar: str = ""
    log_probabilities: bool = False
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where what was read and written for conversations is kept between two starts, and under which key (32 bytes as hexadecimal text).

    At most `limit` bytes lie there. Several programs may not use one folder at once.
    """

    folder: str
    key: str = field(repr=False)
    limit: int


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits. `position` counts those that must end before it begins.

    `progress` (0 to 1) is the loading, if that is why, or the reading of what is kept of its conversation ('fetching').
    """

    reason: Literal["loading", "queue", "restarting", "fetching"]
    position: int = 0
    progress: float = 0.0


@dataclass(frozen=True, slots=True)
class Prefill:
    """`done` of `total` prompt tokens are in the KV cache (reused ones included)."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Text:
    """Whole characters, in order. Their concatenation is the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of a request. `detail` says in plain words what went wrong when `reason` is 'died' or 'failed', `hint` what to do.

    `together`: some of it was computed in one go with other answers, so alone other tokens may come out of the same request.
    `log_probabilities` are those of the answer's tokens in the model's own distribution, before any sampling: natural logarithms.
    """

    reason: FinishReason
    usage: Usage
    timings: Timings
    detail: str = ""
    together: bool = False
    log_probabilities: tuple[float, ...] = ()
    hint: str = ""


RuntimeEvent = Queued | Prefill | Text | Finished


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """The runtime at this moment. `error` and `hint` are set when `state` is 'failed' (nothing will load without the person).

    'changing' is what those say who put one runtime in the place of another, while the first one ends.
    """

    state: Literal["loading", "ready", "busy", "restarting", "failed", "closed", "changing"]
    progress: float = 0.0
    waiting: int = 0
    model: ModelInfo | None = None
    error: str = ""
    hint: str = ""


class Runtime(Protocol):
    """Every method may be called from any thread."""

    def status(self) -> RuntimeStatus:
        """The state now; never blocks."""
        ...

    def wait_until_loaded(self, timeout_s: float | None = None) -> ModelInfo:
        """Blocks until a model is there. Raises RuntimeFailure's kinds when it cannot be loaded, or when time is up."""
        ...

    def count(self, turns: Sequence[Turn]) -> list[int]:
        """Tokens that each turn takes inside a prompt, its header and end included. Waits for the model like the above."""
        ...

    def encode(self, turns: Sequence[Turn]) -> tuple[int, ...]:
        """The exact prompt: BOS, every turn, and the header of the assistant's answer. Text in turns never becomes control tokens.

        A last turn of the assistant's stays open: the model goes on in it.
        """
        ...

    def generate(self, request: Request) -> Iterator[RuntimeEvent]:
        """Events as they happen, ending with exactly one Finished; raises nothing. Closing the iterator cancels the request."""
        ...

    def cancel(self, request_id: str) -> None:
        """Stops a request within a second, prefill included; its iterator ends with Finished("cancelled"). Unknown ids do nothing."""
        ...

    def forget(self, conversation: str) -> None:
        """Nothing that was read or written for this conversation is kept from here on. Does not wait for that."""
        ...

    def close(self) -> None:
        """Ends the runtime and leaves no process behind."""
        ...
