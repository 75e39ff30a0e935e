from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from med42_chat.errors import RuntimeFailure
from med42_chat.records import Sampling
from med42_chat.runtime.context import Part
from med42_chat.runtime.protocol import Finished, Prefill, Queued, Request, RuntimeEvent, Text
from med42_chat.runtime.scheduler import Scheduler

STOP = 9000


@dataclass
class ScriptedSampler:
    context: "ScriptedContext"
    request: Request
    tokens: list[int]
    given: list[int] = field(default_factory=list)
    closed: bool = False

    def sample(self, place: int) -> int:
        """Only ever asked behind its own prompt and the tokens that it gave."""
        assert self.context.held[self.context.parts[-1][place].sequence] == [*self.request.prompt, *self.given]
        self.given.append(self.tokens.pop(0) if self.tokens else STOP)
        return self.given[-1]

    def close(self) -> None:
        assert not self.closed
        self.closed = True


@dataclass
class ScriptedContext:
    """Holds tokens as the real one does, and refuses what the real one could not do. Token n writes the bytes of `pieces[n]`."""

    sequences: int = 1
    size: int = 1000
    batch: int = 16
    beside: int = 16
    grain: int = 1
    least: int = 1
    script: list[int] = field(default_factory=list)
    scripts: dict[str, list[int]] = field(default_factory=dict)  # of single requests
    pieces: dict[int, bytes] = field(default_factory=dict)
    stop_ids: frozenset[int] = frozenset({STOP})
    parts: list[list[Part]] = field(default_factory=list)  # of every decode
    copies: list[tuple[int, int, int]] = field(default_factory=list)
    interruptions: int = 0
    broken: bool = False
    samplers: list[ScriptedSampler] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.held: list[list[int]] = [[] for _ in range(self.sequences)]

    @property
    def decoded(self) -> list[int]:
        """The length of every decode."""
        return [sum(len(part.tokens) for part in parts) for parts in self.parts]

    def decode(self, parts: Sequence[Part]) -> bool:
        assert 0 < sum(len(part.tokens) for part in parts) <= self.batch
        assert len({part.sequence for part in parts}) == len(parts)
        assert all(part.position == len(self.held[part.sequence]) for part in parts)
        assert all(0 < len(part.tokens) <= self.size - part.position for part in parts)
        if self.broken:
            for part in parts:
                self.held[part.sequence].append(-1)  # what a failed decode leaves is not known
            raise RuntimeFailure("It broke.", "Mend it.")
        if self.interruptions:
            self.interruptions -= 1
            return False
        self.parts.append(list(parts))
        for part in parts:
            self.held[part.sequence] += part.tokens
        return True

    def forget(self, sequence: int, position: int) -> None:
        del self.held[sequence][position:]

    def copy(self, source: int, target: int, length: int) -> None:
        assert source != target and length <= len(self.held[source])
        self.held[target] = self.held[source][:length]
        self.copies.append((source, target, length))

    def sampler(self, request: Request) -> ScriptedSampler:
        script = self.scripts.get(request.id, self.script)
        self.samplers.append(ScriptedSampler(self, request, list(script)))
        return self.samplers[-1]

    def log_probability(self, place: int, token: int) -> float:
        return -token / 10

    def piece(self, token: int) -> bytes:
        return self.pieces.get(token, b"x")


class Clock:
    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def request(name: str, prompt: Sequence[int], max_tokens: int = 100) -> Request:
    return Request(name, tuple(prompt), Sampling(max_tokens=max_tokens), 1)


def run(scheduler: Scheduler) -> list[tuple[str, RuntimeEvent]]:
    events = []
    while scheduler.busy:
        events += scheduler.step()
    return events


def of(events: list[tuple[str, RuntimeEvent]], name: str) -> list[RuntimeEvent]:
    return [event for owner, event in events if owner == name]


def text(events: list[RuntimeEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def ending(events: list[RuntimeEvent]) -> Finished:
    assert [type(event) for event in events].count(Finished) == 1
    assert isinstance(events[-1], Finished)
    return events[-1]


def test_a_prompt_is_read_in_pieces_and_the_answer_ends_at_a_stop_token_that_is_not_shown() -> None:
    context = ScriptedContext(script=[1, 2, STOP], pieces={1: b"Hello ", 2: b"you"})
    scheduler = Scheduler(context)
    scheduler.submit(request("a", range(40)))
    events = of(run(scheduler), "a")
    assert [event for event in events if isinstance(event, Prefill)] == [Prefill(0, 40), Prefill(16, 40), Prefill(32, 40), Prefill(40, 40)]
    assert text(events) == "Hello you"
    finished = ending(events)
    assert (finished.reason, finished.usage.prompt_tokens, finished.usage.cached_tokens, finished.usage.completion_tokens) == (
        "stop",
        40,
        0,
        2,
    )
    assert context.samplers[0].closed


def test_the_first_text_comes_at_once_and_later_text_is_gathered() -> None:
    scheduler = Scheduler(ScriptedContext(script=[1] * 50), Clock(0.001))
    scheduler.submit(request("a", range(4)))
    texts = [event.text for event in of(run(scheduler), "a") if isinstance(event, Text)]
    assert texts[0] == "x"
    assert sum(map(len, texts)) == 50
    assert len(texts) <= 4


def test_an_answer_ends_at_its_limit_and_at_the_context_s_end() -> None:
    for size, limit, expected in ((1000, 5, 5), (20, 100, 11)):
        scheduler = Scheduler(ScriptedContext(size=size, script=[1] * 200))
        scheduler.submit(request("a", range(10), limit))
        finished = ending(of(run(scheduler), "a"))
        assert (finished.reason, finished.usage.completion_tokens) == ("length", expected)


def test_characters_stay_whole_across_tokens_and_what_never_comes_whole_is_marked() -> None:
    data = "é€😀".encode()
    pieces = {index: data[index : index + 1] for index in range(len(data))}
    scheduler = Scheduler(ScriptedContext(script=list(range(len(data))), pieces=pieces), Clock(1))
    scheduler.submit(request("a", range(4)))
    texts = [event.text for event in of(run(scheduler), "a") if isinstance(event, Text)]
    assert texts == ["é", "€", "😀"]
    scheduler.submit(request("b", range(4), max_tokens=8))
    assert text(of(run(scheduler), "b")) == "é€\N{REPLACEMENT CHARACTER}"


def test_those_who_wait_know_their_place_and_hear_when_it_changes() -> None:
    scheduler = Scheduler(ScriptedContext(script=[1] * 3))
    submitted = [event for name in "abc" for event in scheduler.submit(request(name, range(5)))]
    assert submitted == [("b", Queued("queue", 1)), ("c", Queued("queue", 2))]
    events = run(scheduler)
    assert Queued("queue", 1) in of(events, "c")
    assert [name for name, event in events if isinstance(event, Finished)] == ["a", "b", "c"]


def test_cancelling_one_that_waits_moves_the_others_up() -> None:
    scheduler = Scheduler(ScriptedContext(script=[1] * 3))
    for name in "abc":
        scheduler.submit(request(name, range(5)))
    scheduler.step()
    events = scheduler.cancel("b")
    assert ending(of(events, "b")).reason == "cancelled"
    assert of(events, "c") == [Queued("queue", 1)]
    assert scheduler.cancel("unknown") == []


def test_cancelling_while_reading_or_writing_keeps_what_came() -> None:
    for steps, expected in ((1, ""), (4, "xx")):
        context = ScriptedContext(script=[1] * 50)
        scheduler = Scheduler(context, Clock(0.001))
        scheduler.submit(request("a", range(40)))
        events = [event for _ in range(steps) for event in scheduler.step()] + scheduler.cancel("a")
        assert ending(of(events, "a")).reason == "cancelled"
        assert text(of(events, "a")) == expected


def test_an_interruption_that_was_meant_for_another_request_loses_nothing() -> None:
    context = ScriptedContext(script=[1, 2, 3], pieces={1: b"a", 2: b"b", 3: b"c"})
    scheduler = Scheduler(context)
    scheduler.submit(request("a", range(20)))
    events = []
    while scheduler.busy:
        context.interruptions = 2
        for _ in range(3):
            events += scheduler.step()
    assert text(of(events, "a")) == "abc"


def test_a_failing_decode_ends_the_answer_with_its_words_and_nothing_stale_is_reused() -> None:
    context = ScriptedContext(script=[1])
    scheduler = Scheduler(context)
    scheduler.submit(request("a", range(20)))
    run(scheduler)
    context.broken = True
    scheduler.submit(request("b", range(30)))
    finished = ending(of(run(scheduler), "b"))
    assert (finished.reason, finished.detail) == ("failed", "It broke. Mend it.")
    context.broken = False
    scheduler.submit(request("c", range(20)))
    assert ending(of(run(scheduler), "c")).usage.cached_tokens == 0


def test_what_cannot_be_answered_is_refused_in_plain_words() -> None:
    scheduler = Scheduler(ScriptedContext(size=50))
    for bad in (request("a", ()), request("a", range(51)), request("a", range(5), max_tokens=0)):
        finished = ending(of(scheduler.submit(bad), "a"))
        assert finished.reason == "failed" and finished.detail
    assert not scheduler.busy
    scheduler.submit(request("a", range(50)))
    assert ending(of(run(scheduler), "a")).reason == "stop"


def test_a_finished_answer_is_read_again_in_idle_time_so_that_the_next_question_need_not() -> None:
    context = ScriptedContext(grain=4, least=8, script=[1] * 19)
    scheduler = Scheduler(context)
    scheduler.submit(request("a", range(100, 130)))
    run(scheduler)
    conversation = [*range(100, 130), *[1] * 19, *range(200, 212)]
    scheduler.submit(request("b", conversation))
    assert scheduler.idle is False
    # 28 tokens of the first prompt are whole grains; of the 21 after them two pieces of 8 are read again.
    assert ending(of(run(scheduler), "b")).usage.cached_tokens == 44


prompts = st.lists(st.integers(0, 2), min_size=1, max_size=60)


@settings(max_examples=200, deadline=None)
@given(
    asked=st.lists(st.tuples(prompts, st.integers(1, 12), st.booleans()), min_size=1, max_size=6),
    script=st.lists(st.integers(0, 2), max_size=15),
    rule=st.sampled_from([(1, 1), (4, 8), (3, 7)]),
)
def test_reuse_is_counted_as_it_is_and_every_prompt_ends_the_same_way(
    asked: list[tuple[list[int], int, bool]], script: list[int], rule: tuple[int, int]
) -> None:
    context = ScriptedContext(size=64, grain=rule[0], least=rule[1], script=script)
    scheduler = Scheduler(context)
    for number, (prompt, limit, patient) in enumerate(asked):
        name, before = str(number), sum(context.decoded)
        scheduler.submit(request(name, prompt, limit))
        events: list[RuntimeEvent] = []
        while not events or not isinstance(events[-1], Finished):
            events += of(scheduler.step(), name)
        usage = ending(events).usage
        written = max(usage.completion_tokens - (ending(events).reason == "length"), 0)
        assert sum(context.decoded) - before == len(prompt) - usage.cached_tokens + written
        assert text(events) == "x" * usage.completion_tokens
        # The logits that are sampled come from a piece that ends like the one of an unshared prompt.
        assert usage.cached_tokens % rule[0] == 0 and (usage.cached_tokens == 0 or len(prompt) - usage.cached_tokens >= rule[1])
        while patient and scheduler.busy:
            scheduler.step()
    assert all(sampler.closed for sampler in context.samplers)
