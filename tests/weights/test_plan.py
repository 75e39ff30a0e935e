"""Plans for computers that are not here."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from med42_chat.gguf import read_header
from med42_chat.weights import catalogue, plan
from med42_chat.weights.catalogue import Entry
from med42_chat.weights.hardware import Device, Footprint, Hardware
from med42_chat.weights.inventory import CATALOGUE
from med42_chat.weights.plan import Way
from tests.shapes import Shape
from tests.vocabulary import llama3_vocabulary
from tests.weights.sparse import write_sparse

GB = 10**9
GIB = 1 << 30


def computer(memory_gib: float, *devices: Device, bandwidth: float = 25e9, free: float = 0.8) -> Hardware:
    total = int(memory_gib * GIB)
    return Hardware(total, int(total * free), 500 * GB, "a processor", 4, ("AVX2",), devices, bandwidth)


def card(gib: float, name: str = "CUDA0", backend: str = "CUDA") -> Device:
    return Device(name, f"{gib:.0f} GB card", "gpu", backend, int(gib * GIB * 0.97), int(gib * GIB))


SMALL = computer(8)
APPLE = computer(16, Device("MTL0", "Apple M2", "gpu", "MTL", int(10.7 * GIB), int(10.7 * GIB)), bandwidth=90e9)
CUDA = computer(32, card(24), bandwidth=40e9)
WORKSTATION = computer(128, card(48), card(48, "CUDA1"), bandwidth=80e9)
LAPTOP = computer(16, card(4), bandwidth=35e9)
ALL = [SMALL, APPLE, CUDA, WORKSTATION, LAPTOP]


@pytest.fixture(scope="module")
def entries() -> tuple[Entry, ...]:
    return catalogue.read(CATALOGUE)


@pytest.fixture(scope="module")
def usual(entries: tuple[Entry, ...]) -> plan.Model:
    return plan.of_entry(catalogue.find(entries, "med42-8b-q4_k_m"))


@pytest.fixture(scope="module")
def large(entries: tuple[Entry, ...]) -> plan.Model:
    return plan.of_entry(catalogue.find(entries, "med42-70b-q4_k_s"))


def test_eight_gigabytes_without_a_card_run_the_8b_on_the_processor(usual: plan.Model) -> None:
    made = plan.make(usual, SMALL)
    assert (made.way.gpu_layers, made.way.context, made.fit) == (0, 8192, "yes")
    assert 6.0 * GB < made.memory.host < 6.8 * GB
    assert 2 < made.tokens_per_s < 6


def test_an_apple_takes_all_layers_and_counts_its_memory_once(usual: plan.Model) -> None:
    made = plan.make(usual, APPLE)
    assert made.way.gpu_layers == made.layers == 33
    assert made.measured
    crowded = plan.make(usual, replace(APPLE, memory_free=5 * GIB))
    assert crowded.fit == "crowded"
    assert "close other programs" in crowded.reason


def test_a_card_of_24_gigabytes_takes_the_whole_8b_and_only_a_part_of_the_70b(usual: plan.Model, large: plan.Model) -> None:
    assert plan.make(usual, CUDA).way == Way(33, 8192, "f16")
    partly = plan.make(large, CUDA)
    assert 30 < partly.way.gpu_layers < 50
    assert partly.fit == "yes"
    assert f"{partly.way.gpu_layers} of 81 layers" in partly.reason
    assert partly.memory.cards < 24 * GIB
    assert partly.tokens_per_s < plan.make(usual, CUDA).tokens_per_s


def test_two_cards_of_48_gigabytes_take_the_whole_70b(large: plan.Model) -> None:
    made = plan.make(large, WORKSTATION)
    assert made.way == Way(81, 8192, "f16")
    assert made.memory.cards > 42 * GB
    assert not made.measured


def test_a_card_of_four_gigabytes_takes_some_layers_of_the_8b(usual: plan.Model) -> None:
    made = plan.make(usual, LAPTOP)
    assert 5 < made.way.gpu_layers < 30
    assert made.tokens_per_s > plan.make(usual, replace(LAPTOP, devices=())).tokens_per_s


def test_a_built_in_card_counts_only_where_there_is_no_other() -> None:
    inside = Device("Vulkan1", "inside", "igpu", "Vulkan", 8 * GIB, 8 * GIB)
    assert computer(16, inside).graphics == (inside,)
    assert computer(16, inside, card(4)).graphics == (card(4),)
    assert computer(16, Device("BLAS", "BLAS", "accel", "BLAS", 0, 0)).graphics == ()


def test_what_does_not_fit_says_what_it_needs_and_what_there_is(large: plan.Model) -> None:
    made = plan.make(large, SMALL)
    assert made.fit == "no"
    assert "Needs 4" in made.reason and "6.6 GB" in made.reason


def test_a_smaller_context_is_taken_before_giving_up_and_said(usual: plan.Model) -> None:
    made = plan.make(usual, computer(7))
    assert made.way.context < 8192
    assert f"{made.way.context:,} tokens instead of 8,192" in made.reason


def test_no_plan_gives_more_context_than_the_model_was_trained_on(entries: tuple[Entry, ...]) -> None:
    first = plan.of_entry(catalogue.find(entries, "med42-v1-70b-q4_0"))
    assert plan.make(first, WORKSTATION).way.context == 4096


@pytest.mark.parametrize("hardware", ALL)
def test_each_rung_of_the_ladder_takes_no_more_memory_than_there_is_layers_and_context_for(hardware: Hardware, usual: plan.Model) -> None:
    ways = list(plan.ladder(usual, hardware))
    assert ways[-1] == Way(0, 2048, "q8_0")
    for before, after in pairwise(ways):
        assert (before.gpu_layers, before.context) >= (after.gpu_layers, after.context) or after.gpu_layers == 0


def test_after_a_failed_load_each_way_is_more_modest_and_the_last_is_the_processor_with_little_context() -> None:
    ways = [Way(33, 8192, "f16"), *plan.back_off(Way(33, 8192, "f16"))]
    assert [way.gpu_layers for way in ways] == [33, 24, 16, 8, 0, 0, 0, 0]
    assert [way.context for way in ways] == [8192] * 6 + [4096, 2048]
    assert list(plan.back_off(Way(0, 2048, "q8_0"))) == []


@pytest.mark.parametrize("hardware", ALL)
def test_the_recommended_model_fits_and_is_one_whose_bytes_are_known(hardware: Hardware, entries: tuple[Entry, ...]) -> None:
    advice = plan.recommend(entries, hardware)
    assert advice.plan is not None
    assert advice.plan.fit != "no"
    chosen = catalogue.find(entries, advice.plan.model.id)
    assert chosen.hashed and chosen.commit != "main"
    assert advice.plan.model.title in advice.sentence
    assert "words a" in advice.sentence


def test_the_sentences_say_what_a_clinician_needs(entries: tuple[Entry, ...]) -> None:
    small = plan.recommend(entries, SMALL).sentence
    assert small.startswith("The 70B needs 32 GB or more, and this computer can give a model 6.6 GB: use Med42-v2 8B, Q4_K_M (4.9 GB)")
    assert "Use Med42-v2 70B" in plan.recommend(entries, WORKSTATION).sentence
    assert "Med42-v2 8B, Q8_0" in plan.recommend(entries, CUDA).sentence
    assert "would write only about" in plan.recommend(entries, computer(128)).sentence
    nothing = plan.recommend(entries, computer(3))
    assert nothing.plan is None
    assert nothing.sentence.startswith("No Med42 model fits: the smallest needs 3")


def test_a_file_that_is_here_gives_the_same_figures_as_its_entry_within_a_twentieth(tmp_path: Path, usual: plan.Model) -> None:
    whole = Shape(4096, 32, 32, 8, 14336, quantised=True)
    here = plan.of_header(read_header(write_sparse(tmp_path / "8b.gguf", whole, llama3_vocabulary())), ("AVX2",))
    there = replace(usual, weights=here.weights)
    for way in (Way(0, 8192, "f16"), Way(20, 8192, "q8_0"), Way(33, 4096, "f16")):
        exact, guessed = plan.memory(here, CUDA, way), plan.memory(there, CUDA, way)
        assert guessed.host + guessed.cards == pytest.approx(exact.host + exact.cards, rel=0.05)
    assert here.bits == pytest.approx(there.bits)


def test_rearranged_copies_are_those_that_the_processor_wants(tmp_path: Path) -> None:
    header = read_header(write_sparse(tmp_path / "m.gguf", Shape(1024, 8, 16, 4, 2816, quantised=True), llama3_vocabulary()))
    four_bits = sum(size for kind, size in header.matrices if kind == 12)
    everything = sum(size for _, size in header.matrices)
    assert plan.of_header(header).copies == 0
    assert plan.of_header(header, ("AVX2", "AVX512")).copies == four_bits
    assert plan.of_header(header, ("NEON", "DOTPROD")).copies == everything
    assert plan.memory(plan.of_header(header, ("AVX2",)), CUDA, Way(9, 8192, "f16")).copies == 0


def test_a_model_that_looks_back_only_a_little_way_needs_less_cache(entries: tuple[Entry, ...]) -> None:
    shape = catalogue.find(entries, "medgemma-27b-q4_k_m").family.shape
    assert plan.cache_bytes(shape, 8192, "f16") < plan.cache_bytes(replace(shape, window_layers=0), 8192, "f16") / 2
    assert plan.cache_bytes(shape, 1024, "f16") == plan.cache_bytes(replace(shape, window_layers=0), 1024, "f16")


def test_llama_cpps_own_figures_replace_the_estimates(large: plan.Model) -> None:
    made = plan.make(large, WORKSTATION)
    known = Footprint(2 * GIB, {"CUDA0": GIB, "CUDA1": GIB, "CUDA_Host": GIB, "CPU": GIB}, {"CUDA0": 40, "CUDA1": 41})
    exact = plan.confirmed(made, WORKSTATION, known)
    assert exact.way == made.way
    assert exact.memory.cache == 2 * GIB
    assert exact.memory.cards == large.output_bytes + 80 * large.layer_bytes + 2 * GIB + 2 * GIB


def test_a_memory_that_was_not_measured_is_taken_as_slow(usual: plan.Model) -> None:
    assert not plan.make(usual, replace(SMALL, bandwidth=0.0)).measured
    assert plan.make(usual, replace(SMALL, bandwidth=0.0)).tokens_per_s < plan.make(usual, SMALL).tokens_per_s


def test_what_the_loaded_model_takes_is_free_for_the_next_one(usual: plan.Model) -> None:
    way = Way(usual.shape.layers + 1, 8192, "f16")
    taken = plan.memory(usual, CUDA, way).cards
    (device,) = CUDA.devices
    full = replace(CUDA, devices=(replace(device, free=device.free - taken),))
    assert plan.freed(full, usual, way).devices == CUDA.devices
    assert plan.freed(CUDA, usual, way).devices[0].free <= device.total
    on_processor = Way(0, 8192, "f16")
    back = plan.freed(SMALL, usual, on_processor).memory_free - SMALL.memory_free
    assert back == min(plan.memory(usual, SMALL, on_processor).cache + usual.copies, SMALL.memory_total - SMALL.memory_free)


def test_as_many_answers_are_made_at_once_as_have_room_and_the_first_of_them_costs_nothing_more(usual: plan.Model) -> None:
    roomy = replace(SMALL, memory_total=32 * GB, memory_free=16 * GB)
    alone = plan.make(usual, roomy)
    assert plan.at_once(alone, roomy).way == replace(alone.way, parallel=2)
    assert plan.at_once(alone, roomy).memory.host == alone.memory.host + alone.memory.cache
    full = replace(roomy, memory_free=alone.memory.host + alone.memory.cache - 1)
    assert plan.at_once(alone, full) == alone
    on_card, (device,) = plan.at_once(plan.make(usual, CUDA), CUDA), CUDA.devices
    assert on_card.way.parallel == 4
    tight = replace(CUDA, devices=(replace(device, free=on_card.memory.cards + plan._DRIVER - 1),))
    assert plan.at_once(plan.make(usual, tight), tight).way == replace(on_card.way, parallel=3)


def test_the_embedding_models_memory_is_no_room_for_another_and_that_is_said(usual: plan.Model, large: plan.Model) -> None:
    beside = replace(SMALL, aside=GB)
    assert plan.room_for_models(beside) == plan.room_for_models(SMALL) - GB
    assert plan.make(usual, SMALL).fit == "yes"
    tight = replace(SMALL, aside=SMALL.memory_free - plan.make(usual, SMALL).memory.host + 1)
    assert plan.make(usual, tight).way != plan.make(usual, SMALL).way
    assert "beside the embedding model" in plan.make(large, beside).reason and "beside" not in plan.make(large, SMALL).reason
    crowded = plan.make(usual, replace(beside, memory_free=2 * GB))
    assert crowded.fit == "crowded" and "1.0 GB are free beside the embedding model" in crowded.reason
    assert plan.free_for_models(replace(SMALL, aside=SMALL.memory_total)) == 0


def test_two_cards_get_back_what_each_can_hold(large: plan.Model) -> None:
    way = Way(large.shape.layers + 1, 8192, "f16")
    empty = replace(WORKSTATION, devices=tuple(replace(one, free=0) for one in WORKSTATION.devices))
    taken = plan.memory(large, empty, way).cards
    assert sum(one.free for one in plan.freed(empty, large, way).devices) == min(taken, sum(one.total for one in empty.devices))


def test_when_a_load_failed_several_answers_at_once_are_given_up_first(usual: plan.Model) -> None:
    wide = Way(usual.shape.layers + 1, 8192, "f16", 4)
    first, *rest = plan.back_off(wide)
    assert first == replace(wide, parallel=1)
    assert rest == list(plan.back_off(first))


def test_a_cache_that_llama_cpp_cannot_halve_is_not_planned_halved(usual: plan.Model) -> None:
    odd = replace(usual, shape=replace(usual.shape, head_size=80))
    assert {way.cache_type for way in plan.ladder(odd, WORKSTATION)} == {"f16"}
    assert plan.make(odd, WORKSTATION, cache_type="q8_0").way.cache_type == "f16"
    assert [(way.context, way.cache_type) for way in plan.back_off(Way(0, 8192, "f16"), plan.cache_types(odd.shape))] == [
        (4096, "f16"),
        (2048, "f16"),
    ]
