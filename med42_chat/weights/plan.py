"""What fits on which computer, and how fast it would be. Pure: no file is opened and nothing is asked.

A plan says where a model's layers go, how much context it gets, what memory that takes and how many words a second to expect.
`ladder` lists the ways to run a model from the best to the most modest; the first that fits is the plan, and after a failed
load `back_off` goes on from there.

The figures were compared with llama.cpp 0.3.36 (tests/weights/test_memory.py holds them): weights as in the file, the cache of
every layer, the part of the work buffers that is really touched, and the tables of the vocabulary.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from med42_chat.gguf import Header
from med42_chat.weights.catalogue import Entry, Shape
from med42_chat.weights.hardware import Footprint, Hardware

CacheType = Literal["f16", "q8_0"]
Fit = Literal["yes", "crowded", "no"]

_CACHE_BYTES = {"f16": 2.0, "q8_0": 34 / 32}  # for one number
_BATCH = 512  # tokens that are read at once, which the work buffers are for
# Without flash attention, as a cache of 16 bits is used on the processor (runtime/llama.py), those of so many at a time are computed, with
# a score for each token of the context and each head, in both precisions: measured.
_SCORED, _SCORE_BYTES = 256, 6
_READ_AT_ONCE = 1024  # tokens, by an embedding model
_PROGRAM = 50_000_000  # bytes of the worker process before it holds a model
_TOKEN = 400  # bytes for each token of the vocabulary: its text, its number and its place in the tables
_DRIVER = 450_000_000  # bytes that a graphics driver takes for itself on each card, and that are better left free
_RESERVE = 2_000_000_000  # bytes that the system and a browser need beside the model
_RESERVE_SHARE = 0.12
# llama.cpp reports no speed for cards. They are built to read all their memory some 30 times a second; 25 promises no more than that.
_CARD_READS, _SLOWEST_CARD, _FASTEST_CARD = 25.0, 120e9, 750e9
_USUAL_BANDWIDTH = 20e9  # of a computer whose memory was not measured
_READ_SHARE = 0.75  # of the memory's speed that reaches the weights while a token is written, measured
_WORDS = 0.75  # of a token, in English
_CACHE_BLOCK = 32  # numbers that share a scale in a cache of eight bits
_CONTEXTS = (8192, 4096, 2048)
_CACHE_TYPES: tuple[CacheType, ...] = ("f16", "q8_0")
FIRST_CHOICE = "med42-v2"  # what this program is for
_AT_ONCE, _AT_ONCE_ON_CARDS = 2, 4  # answers: each takes a cache from other programs, and few share a computer without a card
_LARGE_LAYERS = 60  # more than these make a 70B
_LEAST_BITS, _GOOD_BITS, _MOST_BITS = 3.5, 4.5, 9.0  # for each weight: below, answers suffer; above, they no longer gain
_READING_SPEED = 6.0  # tokens a second
_LEAST_SPEED = 4.0  # below which the large model is no pleasure, however good
# ggml's tensor types that llama.cpp keeps a second, rearranged copy of, by what the processor can do.
_REARRANGED = {
    "AVX2": frozenset({2, 12, 20, 39}),  # Q4_0 Q4_K IQ4_NL MXFP4
    "AVX512": frozenset({10}),  # Q2_K
    "DOTPROD": frozenset({2, 8, 12, 13, 14, 20, 39}),  # and Q8_0 Q5_K Q6_K
    "MATMUL_INT8": frozenset({2, 8, 12, 13, 14}),
}


@dataclass(frozen=True, slots=True)
class Model:
    """What a plan needs to know of a model, whether it lies here or only stands in the catalogue. Sizes in bytes."""

    title: str
    weights: int
    shape: Shape
    context: int  # tokens it was trained on
    input_bytes: int  # the table that words are looked up in, which stays with the processor; 0 where one table serves for both
    output_bytes: int  # the table that words are chosen with
    copies: int = 0  # weights that llama.cpp rearranges for this processor, and then holds beside the mapped file
    id: str = ""

    @property
    def bits(self) -> float:
        """Bits for each weight, on average."""
        return self.weights * 8 / (_table_weights(self.shape) + self.shape.layers * _layer_weights(self.shape))

    @property
    def layer_bytes(self) -> int:
        """One layer's weights."""
        return (self.weights - self.input_bytes - self.output_bytes) // self.shape.layers


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes by what they are for. `host` is the computer's memory, `cards` that of all graphics cards together.

    `copies` are rearranged weights that lie beside the mapped file: the process is seen to hold them, and the file's pages
    that they stand for are given back when memory is short. They are no part of `host`.
    """

    host: int
    cards: int
    cache: int
    copies: int

    @property
    def seen(self) -> int:
        """What a task manager shows for the worker while memory is plentiful."""
        return self.host + self.copies


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run a model. `gpu_layers` as llama.cpp counts: the output is one more than the layers."""

    gpu_layers: int
    context: int
    cache_type: CacheType
    parallel: int = 1  # answers at once, each with a cache of its own


@dataclass(frozen=True, slots=True)
class Plan:
    """One model on one computer, and what to expect of it. Speeds are estimates."""

    model: Model
    way: Way
    memory: Memory
    fit: Fit  # 'crowded': other programs must be closed first
    tokens_per_s: float
    measured: bool  # the estimate rests on a measured speed and not on a usual one
    reason: str  # in words for the person

    @property
    def words_per_s(self) -> float:
        """English words a second."""
        return self.tokens_per_s * _WORDS

    @property
    def layers(self) -> int:
        """All there are to place, the output among them."""
        return self.model.shape.layers + 1


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The best choice, and one sentence that says why."""

    plan: Plan | None
    sentence: str


def of_entry(entry: Entry) -> Model:
    """A model that is only known from the catalogue. Its tables are taken to be quantised like the rest."""
    shape = entry.family.shape
    share = shape.vocabulary * shape.hidden / (_table_weights(shape) + shape.layers * _layer_weights(shape))
    size = round(entry.size_bytes * share)
    return Model(entry.title, entry.size_bytes, shape, entry.family.context, 0 if shape.one_table else size, size, id=entry.id)


def of_header(header: Header, features: Iterable[str] = (), title: str = "", more_bytes: int = 0, id: str = "") -> Model:
    """A model whose file lies here. `more_bytes` are those of a split file's other parts."""
    kinds = frozenset[int]().union(*(_REARRANGED.get(feature, frozenset()) for feature in features))
    shape = Shape(
        layers=max(header.block_count, 1),
        hidden=header.embedding_length,
        feed_forward=header.feed_forward,
        kv_heads=header.head_count_kv,
        head_size=max(header.key_length, header.value_length),
        vocabulary=header.vocabulary,
        one_table=not header.output_bytes,
    )
    return Model(
        title=title or header.name or header.path.stem,
        weights=header.size_bytes + more_bytes,
        shape=shape,
        context=header.context_length or _CONTEXTS[0],
        input_bytes=header.input_bytes if header.output_bytes else 0,
        output_bytes=header.output_bytes or header.input_bytes,
        copies=sum(size for kind, size in header.matrices if kind in kinds),
        id=id,
    )


def _table_weights(shape: Shape) -> int:
    return shape.vocabulary * shape.hidden * (1 if shape.one_table else 2)


def _layer_weights(shape: Shape) -> int:
    attention = 2 * shape.hidden * shape.hidden + 2 * shape.hidden * shape.kv_heads * shape.head_size
    return attention + 3 * shape.hidden * shape.feed_forward


def cache_bytes(shape: Shape, context: int, cache_type: CacheType) -> int:
    """The KV cache of all layers."""
    cells = min(context, shape.window + _BATCH) * shape.window_layers + context * (shape.layers - shape.window_layers)
    return round(cells * shape.kv_heads * shape.head_size * 2 * _CACHE_BYTES[cache_type])


def memory(model: Model, hardware: Hardware, way: Way, known: Footprint | None = None) -> Memory:
    """What this way of running takes. The output goes to the graphics cards first, then the layers from the last to the first.

    With `known`, caches and the cards' work buffers are what llama.cpp itself says.
    """
    shape = model.shape
    cache = way.parallel * (known.cache if known else cache_bytes(shape, way.context, way.cache_type))
    if way.gpu_layers > 0:
        placed = min(way.gpu_layers - 1, shape.layers)
        moved = model.output_bytes + placed * model.layer_bytes + cache * placed // shape.layers
        cards = moved + (known.cards_work if known else _reserved(shape) * max(len(hardware.graphics), 1))
    else:
        placed = moved = cards = 0
    host = model.weights + cache - moved + _worked(shape, way) + _PROGRAM + shape.vocabulary * _TOKEN
    return Memory(host, cards, cache, model.copies * (shape.layers - placed) // shape.layers)


def beside(header: Header) -> int:
    """Bytes of the computer's memory that an embedding model takes, whose process runs beside the one that answers."""
    model = of_header(header)
    kept = 0 if "bert" in header.architecture else cache_bytes(model.shape, _READ_AT_ONCE, "f16")  # what only reads keeps nothing
    return model.weights + kept + _touched(model.shape) + _PROGRAM + model.shape.vocabulary * _TOKEN


def _reserved(shape: Shape) -> int:
    """Work buffers as llama.cpp reserves them, mostly room for the choices after every token of a batch. A card gives all of it."""
    return 4 * _BATCH * max(shape.vocabulary + 2 * shape.hidden, 2 * shape.feed_forward + 4 * shape.hidden)


def _worked(shape: Shape, way: Way) -> int:
    """What of the work buffers is ever written in the computer's own memory, once the context is full."""
    if way.gpu_layers or way.cache_type != "f16":
        return _touched(shape)
    return _touched(shape, _SCORED) + _SCORE_BYTES * _SCORED * way.context * shape.hidden // shape.head_size


def _touched(shape: Shape, batch: int = _BATCH) -> int:
    """The same but for the scores: only the choices after the last token are asked for."""
    return 4 * batch * (2 * shape.feed_forward + 4 * shape.hidden) + 4 * shape.vocabulary


def make(model: Model, hardware: Hardware, context: int = _CONTEXTS[0], cache_type: CacheType | None = None) -> Plan:
    """The best way to run `model` here, or, where none fits, the most modest one with what it lacks.

    With `cache_type` if it is set, and if this model can have it.
    """
    if cache_type not in cache_types(model.shape):
        cache_type = None
    ways = list(dict.fromkeys(replace(way, cache_type=cache_type or way.cache_type) for way in ladder(model, hardware, context)))
    plans = (_planned(model, hardware, way) for way in ways)
    fitting = next((plan for plan in plans if plan.fit != "no"), None)
    return fitting or _planned(model, hardware, ways[-1])


def at_once(made: Plan, hardware: Hardware, wanted: int | None = None) -> Plan:
    """The same, with caches for several answers at once, as many as `wanted` or usual, where they fit without a squeeze."""
    most = wanted or (_AT_ONCE_ON_CARDS if made.way.gpu_layers == made.layers else _AT_ONCE)
    wider = (_planned(made.model, hardware, replace(made.way, parallel=count)) for count in range(most, 1, -1))
    return next((plan for plan in wider if plan.fit == "yes"), made)


def ladder(model: Model, hardware: Hardware, context: int = _CONTEXTS[0]) -> Iterator[Way]:
    """Ways to run `model`, the best first: all of it on the graphics cards, most of it there, none of it; then with less context."""
    widest = min(context, model.context)
    if hardware.graphics:
        everything = model.shape.layers + 1
        yield from (Way(everything, widest, cache_type) for cache_type in cache_types(model.shape))
        yield Way(_layers_that_fit(model, hardware, widest), widest, "f16")
    for size in (widest, *(size for size in _CONTEXTS if size < widest)):
        yield from (Way(0, size, cache_type) for cache_type in cache_types(model.shape))


def cache_types(shape: Shape) -> tuple[CacheType, ...]:
    """How the cache can be kept, the exact way first. llama.cpp halves only heads that its blocks of 32 numbers divide."""
    return _CACHE_TYPES if shape.head_size % _CACHE_BLOCK == 0 else _CACHE_TYPES[:1]


def back_off(way: Way, possible: Sequence[CacheType] = _CACHE_TYPES) -> Iterator[Way]:
    """What to try after loading failed in this way, each more modest than the last: one answer at a time, fewer layers on the cards,
    then less context.

    Estimates play no part: they have just been wrong. `possible` are the model's `cache_types`.
    """
    smallest = possible[-1]
    if way.parallel > 1:
        way = replace(way, parallel=1)
        yield way
    for share in (3, 2, 1, 0) if way.gpu_layers > 0 else ():
        yield replace(way, gpu_layers=way.gpu_layers * share // 4)
    if way.cache_type != smallest:
        yield replace(way, gpu_layers=0, cache_type=smallest)
    yield from (Way(0, size, smallest) for size in _CONTEXTS if size < way.context)


def freed(hardware: Hardware, model: Model, way: Way) -> Hardware:
    """The computer as it will be when `model`, which is loaded in this way, has made room for another.

    What is mapped of its file counts as free already.
    """
    taken = memory(model, hardware, way)
    host = taken.copies + (0 if way.gpu_layers else taken.cache)
    devices, left = [], taken.cards
    for device in hardware.devices:
        back = min(left, device.total - device.free) if device in hardware.graphics else 0
        devices.append(replace(device, free=device.free + back))
        left -= back
    return replace(hardware, memory_free=min(hardware.memory_free + host, hardware.memory_total), devices=tuple(devices))


def _layers_that_fit(model: Model, hardware: Hardware, context: int) -> int:
    fitting = (
        count
        for count in range(model.shape.layers, 0, -1)
        if memory(model, hardware, Way(count, context, "f16")).cards <= _cards_room(model, hardware)
    )
    return next(fitting, 0)


def _cards_room(model: Model, hardware: Hardware) -> int:
    """Bytes for a model on all graphics cards. Layers are not cut in two, so each further card leaves about half a layer empty."""
    room = sum(max(device.free - _DRIVER, 0) for device in hardware.graphics)
    return room - model.layer_bytes * max(len(hardware.graphics) - 1, 0) // 2


def _shared(hardware: Hardware) -> bool:
    return any(device.shared for device in hardware.graphics)


def confirmed(made: Plan, hardware: Hardware, known: Footprint) -> Plan:
    """The same plan with llama.cpp's own figures, where the file is here to be asked about."""
    return _planned(made.model, hardware, made.way, known)


def _planned(model: Model, hardware: Hardware, way: Way, known: Footprint | None = None) -> Plan:
    taken = memory(model, hardware, way, known)
    fit = _fit(model, hardware, taken)
    speed = _speed(model, hardware, way)
    plan = Plan(model, way, taken, fit, speed, hardware.bandwidth > 0 and (way.gpu_layers == 0 or _shared(hardware)), "")
    return replace(plan, reason=_reason(plan, hardware))


def _fit(model: Model, hardware: Hardware, taken: Memory) -> Fit:
    host = taken.host + (taken.cards if _shared(hardware) else 0)
    if host > room_for_models(hardware) or taken.cards > _cards_room(model, hardware):
        return "no"
    return "yes" if host <= free_for_models(hardware) else "crowded"


def room_for_models(hardware: Hardware) -> int:
    """Bytes of the computer's memory that a model may have, what the system and the embedding model need set aside."""
    return hardware.memory_total - max(_RESERVE, round(hardware.memory_total * _RESERVE_SHARE)) - hardware.aside


def free_for_models(hardware: Hardware) -> int:
    """Bytes that nobody has now, and the embedding model will not have."""
    return max(hardware.memory_free - hardware.aside, 0)


def _speed(model: Model, hardware: Hardware, way: Way) -> float:
    """Tokens a second: for each, all weights but the input table are read once, and half a cache on average."""
    own = (hardware.bandwidth or _USUAL_BANDWIDTH) * _READ_SHARE
    card = own if _shared(hardware) else _card_bandwidth(hardware) * _READ_SHARE
    read = model.weights - model.input_bytes + cache_bytes(model.shape, way.context, way.cache_type) // 2
    placed = max(way.gpu_layers - 1, 0) * model.layer_bytes + (model.output_bytes if way.gpu_layers else 0)
    moved = min(placed, read)
    return 1 / ((read - moved) / own + moved / card)


def _card_bandwidth(hardware: Hardware) -> float:
    smallest = min((device.total for device in hardware.graphics), default=0)
    return min(max(smallest * _CARD_READS, _SLOWEST_CARD), _FASTEST_CARD)


def _reason(plan: Plan, hardware: Hardware) -> str:
    if plan.fit == "no":
        return f"Needs {gigabytes(plan.memory.host + plan.memory.cards)} of memory; this computer can give a model {_offer(hardware)}."
    parts = [_where(plan, hardware), f"about {speed_in_words(plan)}"]
    if plan.fit == "crowded":
        free = f"{gigabytes(free_for_models(hardware))} are free{beside_in_words(hardware)}"
        parts.append(f"close other programs first: {gigabytes(plan.memory.host)} are needed and {free}")
    if plan.way.context < min(plan.model.context, _CONTEXTS[0]):
        parts.append(f"with a context of {plan.way.context:,} tokens instead of {min(plan.model.context, _CONTEXTS[0]):,}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _where(plan: Plan, hardware: Hardware) -> str:
    if plan.way.gpu_layers == 0:
        return "on the processor"
    names = ", ".join(dict.fromkeys(device.description or device.name for device in hardware.graphics))
    if plan.way.gpu_layers == plan.layers:
        return f"all of it on {names}"
    return f"{plan.way.gpu_layers} of {plan.layers} layers on {names}, the rest on the processor"


def _offer(hardware: Hardware) -> str:
    own = f"{gigabytes(max(room_for_models(hardware), 0))}{beside_in_words(hardware)}"
    if not hardware.graphics or _shared(hardware):
        return own
    return f"{own}, and {gigabytes(sum(device.free for device in hardware.graphics))} on graphics cards"


def beside_in_words(hardware: Hardware) -> str:
    """What follows a figure of what there is for a model, where not all of it is."""
    return " beside the embedding model" if hardware.aside else ""


def recommend(entries: Sequence[Entry], hardware: Hardware, context: int = _CONTEXTS[0]) -> Recommendation:
    """The best Med42 for this computer, and one sentence that says why. Only files whose every byte is known are recommended."""
    known = [entry for entry in entries if entry.hashed and entry.commit != "main" and entry.family.name.startswith(FIRST_CHOICE)]
    plans = [make(of_entry(entry), hardware, context) for entry in known]
    large = [plan for plan in plans if plan.model.shape.layers > _LARGE_LAYERS and plan.model.bits >= _LEAST_BITS]
    small = [plan for plan in plans if plan.model.shape.layers <= _LARGE_LAYERS]
    best = _best(large, _LEAST_SPEED) or _best(small, 0.0)
    return Recommendation(best, _sentence(best, large, small, hardware))


def _best(plans: Sequence[Plan], least_speed: float) -> Plan | None:
    """The largest file that still writes as fast as people read; else the fastest that has four bits a weight; else what fits."""
    fitting = [plan for plan in plans if plan.fit != "no" and plan.tokens_per_s >= least_speed and plan.model.bits <= _MOST_BITS]
    good = [plan for plan in fitting if plan.model.bits >= _GOOD_BITS]
    comfortable = [plan for plan in good if plan.tokens_per_s >= _READING_SPEED]
    if comfortable:
        return max(comfortable, key=lambda plan: (plan.way.context, plan.model.weights))
    if good:
        return max(good, key=lambda plan: (plan.way.context, plan.tokens_per_s))
    return max(fitting, key=lambda plan: (plan.way.context, plan.model.weights), default=None)


def _sentence(best: Plan | None, large: Sequence[Plan], small: Sequence[Plan], hardware: Hardware) -> str:
    if best is None:
        least = min((plan.memory.host + plan.memory.cards for plan in small), default=0)
        return f"No Med42 model fits: the smallest needs {gigabytes(least)}, and this computer can give a model {_offer(hardware)}."
    use = f"use {best.model.title} ({gigabytes(best.model.weights)}), about {speed_in_words(best)}"
    if best in large or not large:
        return f"{use[0].upper()}{use[1:]}; {_where(best, hardware)}."
    fitting = [plan for plan in large if plan.fit != "no"]
    if fitting:
        slow = speed_in_words(max(fitting, key=lambda plan: plan.tokens_per_s))
        return f"The 70B would write only about {slow} here: {use}."
    least = min(plan.memory.host + plan.memory.cards for plan in large)
    return f"The 70B needs {gigabytes(least)} or more, and this computer can give a model {_offer(hardware)}: {use}."


def speed_in_words(plan: Plan) -> str:
    """Such as '7 words a second'."""
    return f"{plan.words_per_s:.0f} words a second" if plan.words_per_s >= 2 else f"{plan.words_per_s * 60:.0f} words a minute"


def gigabytes(count: int) -> str:
    """Bytes in words, such as '4.9 GB'."""
    return f"{count / 1e9:.1f} GB" if count < 9.95e9 else f"{count / 1e9:.0f} GB"
