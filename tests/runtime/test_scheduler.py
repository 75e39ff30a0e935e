import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from med42_chat.errors import RuntimeFailure
from med42_chat.records import Sampling
from med42_chat.runtime.context import Part
from med42_chat.runtime.protocol import Finished, Prefill, Queued, Request, RuntimeEvent, Text
from med42_chat.runtime.scheduler import Scheduler
from tests.runtime.asking import ending, text

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
        part, length = self.context.places[place]
        assert self.context.held[part.sequence][:length] == [*self.request.prompt, *self.given]
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
    costs: dict[int, float] = field(default_factory=dict)
    parts: list[list[Part]] = field(default_factory=list)  # of every decode
    places: list[tuple[Part, int]] = field(default_factory=list)  # where can be sampled, and how many tokens stand before
    copies: list[tuple[int, int, int]] = field(default_factory=list)
    interruptions: int = 0
    broken: bool = False
    whole: bool = False  # it can forget a sequence, but no end of one
    refuses: bool = False  # to take back what it gave
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
        self.places = [(part, part.position + len(part.tokens) - later) for part in parts for later in range(part.guessed, -1, -1)]
        for part in parts:
            self.held[part.sequence] += part.tokens
        return True

    def forget(self, sequence: int, position: int) -> None:
        if self.whole and 0 < position < len(self.held[sequence]):
            raise RuntimeFailure("It cannot be cut.", "Choose another.")
        del self.held[sequence][position:]

    def copy(self, source: int, target: int, length: int) -> None:
        assert source != target and length <= len(self.held[source])
        self.held[target] = list(self.held[source])
        self.forget(target, length)
        self.copies.append((source, target, length))

    def state_size(self, sequence: int) -> int:
        return 4 * len(self.held[sequence])

    def state(self, sequence: int) -> bytearray:
        return bytearray(array.array("i", self.held[sequence]).tobytes())

    def restore(self, sequence: int, state: bytearray) -> None:
        self.held[sequence] = list(array.array("i", bytes(state)))
        if self.refuses:
            raise RuntimeFailure("It does not fit.", "Take another.")

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


def started(context: ScriptedContext, *asked: Request) -> tuple[Scheduler, list[tuple[str, RuntimeEvent]]]:
    """A scheduler that has read all their prompts but for the first decode of each."""
    scheduler = Scheduler(context)
    events = [event for one in asked for event in scheduler.submit(one)]
    return scheduler, events


def sequences_of(context: ScriptedContext) -> list[set[int]]:
    return [{part.sequence for part in parts} for parts in context.parts]


def test_answers_are_written_in_the_same_decodes_and_each_gets_its_own_tokens() -> None:
    context = ScriptedContext(sequences=2, scripts={"a": [1] * 6, "b": [2] * 6}, pieces={1: b"a", 2: b"b"})
    scheduler, queued = started(context, request("a", range(5)), request("b", range(50, 58)))
    assert queued == []
    events = run(scheduler)
    assert (text(of(events, "a")), text(of(events, "b"))) == ("aaaaaa", "bbbbbb")
    assert sequences_of(context).count({0, 1}) == 5
    assert all(ending(of(events, name)).together for name in "ab")


def test_an_answer_that_was_written_alone_says_so_though_another_prompt_was_read_meanwhile() -> None:
    context = ScriptedContext(sequences=2, scripts={"a": [1] * 3, "b": []})
    scheduler, _ = started(context, request("a", range(5)), request("b", range(100, 190)))
    events = run(scheduler)
    assert not ending(of(events, "a")).together and not ending(of(events, "b")).together


def test_a_long_prompt_is_read_in_short_pieces_while_another_answer_is_written_and_in_long_ones_after_it() -> None:
    context = ScriptedContext(sequences=2, batch=16, beside=4, scripts={"a": [1] * 5, "b": [2]})
    scheduler, _ = started(context, request("a", range(5)), request("b", range(100, 160)))
    run(scheduler)
    # By turns, until the first has written its five and the token that ends it.
    assert context.decoded == [5, *[1, 4] * 4, 1, 16, 16, 12, 1]


def test_the_rest_of_a_prompt_is_never_too_short_to_come_out_alike() -> None:
    for length in range(1, 60):
        context = ScriptedContext(sequences=2, batch=16, beside=8, grain=4, least=8, scripts={"a": [1] * 30})
        scheduler, _ = started(context, request("a", range(9)), request("b", range(100, 100 + length)))
        run(scheduler)
        pieces = [len(part.tokens) for parts in context.parts for part in parts if part.sequence == 1 and len(parts) == 1]
        assert sum(pieces) == length
        assert all(piece >= min(8, length) for piece in pieces)


def test_the_third_of_two_waits_and_begins_when_one_has_ended() -> None:
    context = ScriptedContext(sequences=2, scripts={"a": [1], "b": [1] * 9, "c": [1]})
    scheduler, queued = started(context, request("a", [1]), request("b", [2]), request("c", [3]), request("d", [4]))
    assert queued == [("c", Queued("queue", 1)), ("d", Queued("queue", 2))]
    events = run(scheduler)
    assert Queued("queue", 1) in of(events, "d")
    ends = [name for name, event in events if isinstance(event, Finished)]
    assert ends.index("c") < ends.index("b")


def test_a_failing_decode_gives_up_all_that_were_in_it_and_only_those() -> None:
    context = ScriptedContext(sequences=3, beside=4, script=[1] * 50)
    scheduler, _ = started(context, request("a", range(9)), request("b", range(9)), request("c", range(200, 260)))
    events: list[tuple[str, RuntimeEvent]] = []
    while len(context.samplers) < 2 or not context.parts[-1][1:]:
        events += scheduler.step()
    scheduler.step()  # a piece of the third
    context.broken = True
    events += scheduler.step()
    context.broken = False
    assert [ending(of(events, name)).reason for name in "ab"] == ["failed", "failed"]
    assert ending(of(run(scheduler), "c")).usage.completion_tokens == 50
    scheduler.submit(request("d", range(9)))
    assert ending(of(run(scheduler), "d")).usage.cached_tokens == 0


def test_a_prompt_whose_reading_fails_leaves_the_answers_beside_it_alone() -> None:
    context = ScriptedContext(sequences=2, beside=4, script=[1] * 20)
    scheduler, _ = started(context, request("a", range(9)), request("b", range(200, 260)))
    events = scheduler.step() + scheduler.step()
    context.broken = True
    while not of(events, "b") or not isinstance(of(events, "b")[-1], Finished):
        context.broken = scheduler._has_read is False  # the next decode is a piece of the prompt
        events += scheduler.step()
    context.broken = False
    events += run(scheduler)
    assert (ending(of(events, "a")).reason, ending(of(events, "b")).reason) == ("stop", "failed")
    assert text(of(events, "a")) == "x" * 20


def test_another_conversation_with_the_same_beginning_takes_a_copy_and_costs_nobody_his_cache() -> None:
    context = ScriptedContext(sequences=2)
    scheduler, system = Scheduler(context), list(range(40))
    for name, own, cached in (("a", 100, 0), ("b", 300, 40), ("a2", 100, 100), ("b2", 300, 100)):
        scheduler.submit(request(name, [*system, *range(own, own + 60), *([7] * name.count("2"))]))
        assert ending(of(run(scheduler), name)).usage.cached_tokens == cached
    assert context.copies == [(0, 1, 40)]


def test_the_conversation_that_was_left_longest_ago_makes_room() -> None:
    context = ScriptedContext(sequences=3)
    scheduler = Scheduler(context)

    def cached(first: int) -> int:
        scheduler.submit(request("a", [first] * 50))
        return ending(of(run(scheduler), "a")).usage.cached_tokens

    assert [cached(first) for first in (1, 2, 3, 1, 4, 1, 3, 2)] == [0, 0, 0, 49, 0, 49, 49, 0]


def test_a_beginning_too_short_to_be_worth_a_copy_is_read() -> None:
    context = ScriptedContext(sequences=2)
    scheduler = Scheduler(context)
    for own in (100, 300):
        scheduler.submit(request("a", [0, *range(own, own + 60)]))
        assert ending(of(run(scheduler), "a")).usage.cached_tokens == 0
    assert context.copies == []


def test_a_model_whose_memory_cannot_be_cut_reads_everything_again() -> None:
    context = ScriptedContext(sequences=2, whole=True, script=[1] * 5)
    scheduler = Scheduler(context)
    for own in (100, 100, 300):
        scheduler.submit(request("a", [*range(40), *range(own, own + 60)]))
        finished = ending(of(run(scheduler), "a"))
        assert (finished.reason, finished.usage.cached_tokens) == ("stop", 0)


def test_a_prompt_is_begun_from_one_that_is_just_being_answered() -> None:
    context = ScriptedContext(sequences=2, script=[1] * 30)
    scheduler, _ = started(context, request("a", range(60)))
    for _ in range(8):
        scheduler.step()
    scheduler.submit(request("b", range(60)))
    events = run(scheduler)
    assert ending(of(events, "b")).usage.cached_tokens == 59
    assert text(of(events, "b")) == "x" * 30


def test_the_same_prompt_asked_for_four_times_at_once_is_read_once() -> None:
    context = ScriptedContext(sequences=4, script=[1] * 10)
    names = "abcd"
    scheduler, _ = started(context, *(request(name, range(200)) for name in names))
    events = run(scheduler)
    assert [ending(of(events, name)).usage.cached_tokens for name in names] == [0, 199, 199, 199]
    assert all(text(of(events, name)) == "x" * 10 for name in names)


def test_log_probabilities_are_told_of_every_token_where_they_were_asked_for() -> None:
    context = ScriptedContext(sequences=2, script=[1, 2, 3])
    asked = Request("a", (1, 2), Sampling(max_tokens=10), 1, log_probabilities=True)
    scheduler, _ = started(context, asked, request("b", [4]))
    events = run(scheduler)
    assert ending(of(events, "a")).log_probabilities == (-0.1, -0.2, -0.3)
    assert ending(of(events, "b")).log_probabilities == ()


class Watched:
    """A scheduler's context and what has been promised of it, looked at after every step."""

    def __init__(self, context: ScriptedContext) -> None:
        self.context, self.scheduler = context, Scheduler(context)
        self.events: list[tuple[str, RuntimeEvent]] = []
        self.steps_since: dict[str, int] = {}  # the last token of each answer that is being written
        self.order: list[str] = []  # in which they came
        self.decoded = 0  # tokens, those apart that are read again while nobody waits

    def submit(self, asked: Request) -> None:
        self.order.append(asked.id)
        self.events += self.scheduler.submit(asked)

    def step(self) -> None:
        before, writing, idle = len(self.context.parts), self._given(), self.scheduler.idle
        self.events += self.scheduler.step()
        assert len(self.context.parts) <= before + 1
        if len(self.context.parts) > before:
            self._look(self.context.parts[-1], writing)
            self.decoded += 0 if idle else self.context.decoded[-1]

    def _look(self, parts: list[Part], before: dict[str, int]) -> None:
        assert len(parts) == 1 or all(len(part.tokens) == 1 for part in parts)  # a piece of a prompt is always alone
        now = self._given()
        for name, count in now.items():
            waited = self.steps_since.get(name, 0) + 1
            self.steps_since[name] = 0 if count != before.get(name) else waited
            assert waited <= 2, "another's prompt held an answer up for longer than one piece"

    def _given(self) -> dict[str, int]:
        return {one.request.id: len(one.given) for one in self.context.samplers if not one.closed}


lengths = st.lists(st.tuples(st.integers(1, 70), st.integers(1, 25), st.integers(0, 3)), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(asked=lengths, sequences=st.integers(1, 4), rule=st.sampled_from([(1, 1), (4, 8)]), data=st.data())
def test_whoever_asks_is_answered_in_his_turn_whatever_others_ask_stop_or_interrupt(
    asked: list[tuple[int, int, int]], sequences: int, rule: tuple[int, int], data: st.DataObject
) -> None:
    context = ScriptedContext(sequences, 64, beside=8, grain=rule[0], least=rule[1], script=[1] * 20)
    watched, cancelled = Watched(context), set()
    for number, (length, limit, kind) in enumerate(asked):
        watched.submit(request(str(number), [kind, *[index % 3 for index in range(length - 1)]], limit))
        for _ in range(data.draw(st.integers(0, 6), label="steps")):
            context.interruptions = data.draw(st.integers(0, 1), label="interruptions")
            watched.step()
        if data.draw(st.integers(0, 4), label="cancel") == 0:
            name = str(data.draw(st.integers(0, number), label="whom"))
            cancelled.add(name)
            watched.events += watched.scheduler.cancel(name)
    context.interruptions = 0
    most = 2 * sum(length + limit for length, limit, _ in asked) + 10
    while watched.scheduler.busy and most:
        watched.step()
        most -= 1
    assert not watched.scheduler.busy, "it never ends"
    _check_ends(watched, asked, cancelled)


def _check_ends(watched: Watched, asked: list[tuple[int, int, int]], cancelled: set[str]) -> None:
    assert all(sampler.closed for sampler in watched.context.samplers)
    begun = list(dict.fromkeys(name for name, event in watched.events if isinstance(event, Prefill)))
    assert begun == [name for name in watched.order if name in begun], "somebody was overtaken"
    if not cancelled:
        ends = [finished for _, finished in watched.events if isinstance(finished, Finished) and finished.reason != "failed"]
        written = sum(one.usage.completion_tokens - (one.reason == "length") for one in ends)
        assert watched.decoded == written + sum(one.usage.prompt_tokens - one.usage.cached_tokens for one in ends)
    for number, (length, limit, _) in enumerate(asked):
        finished, words = ending(of(watched.events, str(number))), text(of(watched.events, str(number)))
        assert len(words) == finished.usage.completion_tokens
        if length > 64:
            assert finished.reason == "failed"
        elif str(number) not in cancelled:
            assert (finished.reason, len(words)) == ("stop", 20) if min(limit, 65 - length) > 20 else finished.reason == "length"


repeating = st.lists(st.integers(0, 3), min_size=1, max_size=25).map(lambda part: part * 3)


@settings(max_examples=150, deadline=None)
@given(prompts=st.lists(repeating, min_size=1, max_size=3), data=st.data(), rule=st.sampled_from([(1, 1), (4, 8)]))
def test_with_guesses_an_answer_has_the_same_tokens_text_and_end_and_every_place_that_is_sampled_is_confirmed(
    prompts: list[list[int]], data: st.DataObject, rule: tuple[int, int]
) -> None:
    limits = [data.draw(st.integers(1, 60)) for _ in prompts]
    scripts = {str(number): data.draw(st.just(prompt) | repeating) for number, prompt in enumerate(prompts)}
    ends = []
    for costs in ({}, {4: 1.1, 16: 1.5}):
        context = ScriptedContext(len(prompts), 90, 32, 24, *rule, scripts=scripts, costs=costs, pieces={n: b"%d" % n for n in range(4)})
        asked = [request(str(number), prompt, limit) for number, (prompt, limit) in enumerate(zip(prompts, limits, strict=True))]
        scheduler, events = started(context, *asked)
        events += run(scheduler)
        finished = [ending(of(events, one.id)) for one in asked]
        texts = [text(of(events, one.id)) for one in asked]
        ends.append([(words, end.reason, end.usage.completion_tokens) for words, end in zip(texts, finished, strict=True)])
        assert all(sampler.closed for sampler in context.samplers)
        assert costs or not any(end.usage.guessed_tokens for end in finished)
    assert ends[0] == ends[1]


def test_an_answer_that_copies_takes_fewer_decodes_and_nothing_wrong_stays_in_the_cache() -> None:
    prompt = [*range(100, 160), 1, 2]
    copied = [*range(100, 150), 5, 6, *range(110, 150)]
    decodes = []
    for costs in ({}, {8: 1.5}):
        context = ScriptedContext(script=list(copied), batch=64, costs=costs)
        scheduler = Scheduler(context)
        scheduler.submit(request("a", prompt))
        finished = ending(of(run(scheduler), "a"))
        assert context.held[0] == [*prompt, *copied]
        decodes.append(len(context.parts))
    assert finished.usage.guessed_tokens > 60
    assert decodes[1] < decodes[0] / 3


def test_where_one_of_two_has_nothing_to_copy_no_guesses_are_put_beside_it() -> None:
    prompt = [*range(100, 160)]
    context = ScriptedContext(2, batch=64, beside=64, scripts={"a": prompt, "b": [*range(300, 420)]}, costs={8: 1.5})
    scheduler, _ = started(context, request("a", prompt), request("b", [7, 8, 9], 110))
    run(scheduler)
    assert all(len(part.tokens) == 1 for parts in context.parts if len(parts) == 2 for part in parts)
    context = ScriptedContext(2, batch=64, beside=64, scripts={"a": prompt, "b": prompt}, costs={8: 1.5})
    scheduler, _ = started(context, request("a", prompt), request("b", [*prompt, 7]))
    run(scheduler)
    together = [parts for parts in context.parts if len(parts) == 2]
    assert {len(parts[0].tokens) - len(parts[1].tokens) for parts in together} == {0}
    assert max(len(parts[0].tokens) for parts in together) == 8


def test_an_interruption_of_a_decode_with_guesses_loses_nothing() -> None:
    prompt = [*range(100, 160)]
    context = ScriptedContext(script=list(prompt), batch=64, costs={8: 1.5})
    scheduler = Scheduler(context)
    scheduler.submit(request("a", prompt))
    while scheduler.busy:
        context.interruptions = 1
        scheduler.step()
        scheduler.step()
    assert context.held[0] == prompt * 2


def test_a_cancelled_answer_leaves_no_guesses_behind() -> None:
    prompt = [*range(100, 160)]
    context = ScriptedContext(script=list(prompt), batch=64, costs={8: 1.5})
    scheduler = Scheduler(context)
    scheduler.submit(request("a", prompt))
    for _ in range(12):
        scheduler.step()
    scheduler.cancel("a")
    assert context.held[0] == (prompt * 2)[: len(context.held[0])]
