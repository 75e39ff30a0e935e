"""Which model is taken, and in which ways it would be loaded on computers that exist only as values."""

import os
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from med42_chat.errors import ModelFileError, ModelTooLarge
from med42_chat.loading import CATALOGUE, model_file, ways_to_load
from med42_chat.runtime.protocol import Device, Found, Load, Override
from med42_chat.settings import DEMO_MODEL, Settings
from med42_chat.weights import catalogue, hardware
from med42_chat.weights.place import remember
from tests.embedding_shapes import Sizes, write_embedding
from tests.shapes import Shape
from tests.vocabulary import llama3_vocabulary
from tests.weights.sparse import write_sparse

GB = 1_000_000_000
ONE_B = Shape(2048, 16, 32, 8, 8192, quantised=True)  # 0.96 GB of weights, 0.27 GB of cache
PROCESSOR = Found((Device("CPU", "a processor", "cpu", "CPU", 32 * GB, 32 * GB),), ("AVX2",))
MED42 = next(entry for entry in catalogue.read(CATALOGUE) if entry.family.name == "med42-v2-8b" and len(entry.parts) == 1)


def with_card(free: int) -> Found:
    return replace(PROCESSOR, devices=(*PROCESSOR.devices, Device("CUDA0", "Some Card", "gpu", "CUDA", free, free)))


@pytest.fixture(scope="session")
def one_b(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("one_b") / "one_b.gguf"
    return write_sparse(path, ONE_B, llama3_vocabulary(), general__name="one b", tokenizer__ggml__eos_token_id=128001)


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    (tmp_path / "models").mkdir()
    return Settings(home=tmp_path / "home", models=tmp_path / "models")


@pytest.fixture(autouse=True)
def computer(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Memory as a test sets it: 16 GB, 12 of them free."""
    memory = SimpleNamespace(total=16 * GB, available=12 * GB)
    monkeypatch.setattr(hardware, "memory", lambda: (memory.total, memory.available))
    monkeypatch.setattr(hardware, "signs_of_a_card", lambda: "")
    return memory


class TestWhichModel:
    def test_without_weights_it_is_the_demonstration(self, chosen: Settings) -> None:
        assert model_file(chosen) == DEMO_MODEL

    def test_a_file_that_only_calls_itself_med42_is_not_taken_unless_it_was_chosen(self, chosen: Settings) -> None:
        for name in ("Llama3-Med42-8B.Q4_K_M.gguf", "aaa.gguf", "med42.gguf"):
            (chosen.models / name).touch()
        assert model_file(chosen) == DEMO_MODEL
        assert model_file(replace(chosen, model="med42.gguf")) == chosen.models / "med42.gguf"

    def test_med42_of_the_catalogue_is_taken_and_other_models_of_it_are_not(self, chosen: Settings) -> None:
        other = next(entry for entry in catalogue.read(CATALOGUE) if not entry.family.name.startswith("med42"))
        (chosen.models / other.file_names[0]).touch()
        assert model_file(chosen) == DEMO_MODEL
        (chosen.models / MED42.file_names[0]).touch()
        assert model_file(chosen) == chosen.models / MED42.file_names[0]

    def test_a_mistake_in_a_person_s_own_catalogue_keeps_no_model_from_loading(self, chosen: Settings) -> None:
        chosen.home.mkdir()
        (chosen.home / "catalogue.toml").write_text("[[file]\n")
        (chosen.models / MED42.file_names[0]).touch()
        assert model_file(chosen) == chosen.models / MED42.file_names[0]


class TestWays:
    @pytest.fixture
    def chosen(self, chosen: Settings, one_b: Path) -> Settings:
        return replace(chosen, model=str(one_b))

    def first(self, settings: Settings, found: Found = PROCESSOR) -> Load:
        return ways_to_load(settings, found)[0]

    def test_on_a_processor_context_is_what_is_given_up_bit_by_bit(self, chosen: Settings) -> None:
        first, second, *rest = ways_to_load(chosen, PROCESSOR)
        assert (first.parallel, second.parallel, second.note) == (2, 1, "One question is answered at a time.")
        assert replace(second, parallel=2, note="") == first
        assert (first.context, first.gpu_layers, first.cache_type, first.note, first.warnings) == (8192, 0, "f16", "", ())
        assert [(way.context, way.cache_type) for way in rest] == [(8192, "q8_0"), (4096, "q8_0"), (2048, "q8_0")]
        assert rest[1].note == "The context is 4,096 tokens instead of 8,192."
        assert all(way.parallel == 1 and way.file == first.file and way.findings == first.findings for way in rest)

    def test_on_a_card_layers_are_given_up_first(self, chosen: Settings) -> None:
        first, second, *rest = ways_to_load(chosen, with_card(24 * GB))
        assert (first.gpu_layers, first.warnings, first.parallel) == (17, (), 4)
        assert (second.gpu_layers, second.parallel) == (17, 1)
        assert [way.gpu_layers for way in rest] == [12, 8, 4, 0, 0, 0, 0]
        assert rest[0].note == "12 of 17 layers are on the graphics card instead of 17."
        assert "the whole model is on the processor" in rest[3].note.lower()

    def test_a_small_card_gets_what_fits(self, chosen: Settings) -> None:
        assert 0 < self.first(chosen, with_card(1_600_000_000)).gpu_layers < 17

    def test_a_card_that_stays_unused_is_said(self, chosen: Settings) -> None:
        way = self.first(chosen, with_card(500_000_000))
        assert way.gpu_layers == 0 and "Some Card" in way.warnings[0] and "0.5 GB free" in way.warnings[0]

    def test_a_card_that_llama_cpp_does_not_know_is_said_too(self, chosen: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hardware, "signs_of_a_card", lambda: "an NVIDIA card")
        assert "an NVIDIA card" in self.first(chosen).warnings[0]
        assert self.first(replace(chosen, gpu_layers=0)).warnings == ()

    def test_what_a_person_has_set_is_done(self, chosen: Settings) -> None:
        assert self.first(replace(chosen, gpu_layers=0), with_card(24 * GB)).gpu_layers == 0
        assert self.first(replace(chosen, gpu_layers=5), with_card(500_000_000)).gpu_layers == 5
        assert self.first(replace(chosen, gpu_layers=10_000), with_card(24 * GB)).gpu_layers == 17
        assert self.first(replace(chosen, kv_type="q8_0")).cache_type == "q8_0"
        assert self.first(replace(chosen, kv_type="q8_0"), with_card(24 * GB)).gpu_layers == 17
        assert self.first(replace(chosen, context=1024, threads=3)).context == 1024
        assert self.first(replace(chosen, parallel=1)).parallel == 1
        assert self.first(replace(chosen, parallel=3)).parallel == 3

    def test_more_answers_at_once_than_memory_holds_are_fewer_and_that_is_said(self, chosen: Settings) -> None:
        way = self.first(replace(chosen, parallel=16), with_card(3 * GB))
        assert way.parallel < 16
        assert f"Answers made at once: {way.parallel} instead of 16; there is no memory for more." in way.warnings
        assert self.first(replace(chosen, threads=3)).threads == 3

    def test_a_model_that_cannot_fit_is_refused_with_figures_and_a_way_out(self, chosen: Settings, computer: SimpleNamespace) -> None:
        computer.total, computer.available = 3 * GB, GB
        with pytest.raises(ModelTooLarge, match=r"Needs 1\.\d GB of memory; this computer can give a model 1\.0 GB") as caught:
            ways_to_load(chosen, PROCESSOR)
        assert "smaller" in caught.value.hint

    def test_what_fits_into_the_memory_that_is_free_is_loaded_even_if_that_leaves_less_than_it_should(
        self, chosen: Settings, computer: SimpleNamespace
    ) -> None:
        computer.total = computer.available = GB
        way = self.first(replace(chosen, model="demonstration"))
        assert "leaves little" in way.warnings[-1]

    def test_where_memory_is_taken_by_others_that_is_said(self, chosen: Settings, computer: SimpleNamespace) -> None:
        computer.available = GB
        assert "of the 1.0 GB of memory that are free" in self.first(chosen).warnings[0]

    def test_an_embedding_model_has_its_memory_too(self, chosen: Settings, computer: SimpleNamespace, tmp_path: Path) -> None:
        computer.available = 1_850_000_000
        file = write_embedding(tmp_path / "embedding.gguf", sizes=Sizes(384, 6, 12, 1536, 512))  # takes 0.1 GB
        assert not self.first(chosen).warnings
        warning = self.first(replace(chosen, embedding=str(file))).warnings[0]
        assert re.search(r"of the 1\.\d GB of memory that are free beside the embedding model,", warning)
        file.write_bytes(b"no model")
        assert not self.first(replace(chosen, embedding=str(file))).warnings

    def test_a_context_that_had_to_shrink_is_said(self, chosen: Settings, computer: SimpleNamespace) -> None:
        computer.total = computer.available = 3_250_000_000
        way = self.first(chosen)
        assert way.context < 8192 and f"{way.context:,} tokens instead of 8,192" in way.warnings[0]

    def test_a_faulty_file_is_loaded_with_the_right_values_and_the_repair_is_said(self, chosen: Settings) -> None:
        way = self.first(chosen)
        assert Override("tokenizer.ggml.eos_token_id", 128009) in way.overrides
        assert "repaired" in {one.state for one in way.findings}

    def test_a_file_that_is_no_model_is_named(self, chosen: Settings, tmp_path: Path) -> None:
        (tmp_path / "page.gguf").write_text("<html>")
        with pytest.raises(ModelFileError, match="web page"):
            ways_to_load(replace(chosen, model=str(tmp_path / "page.gguf")), PROCESSOR)

    def test_a_checksum_that_is_known_from_the_download_is_passed_on_until_the_file_changes(self, chosen: Settings, one_b: Path) -> None:
        assert self.first(chosen).sha256 == ""
        copy = chosen.models / "copy.gguf"
        copy.symlink_to(one_b)
        remember(chosen.models, {"copy.gguf": "ab" * 32})
        chosen = replace(chosen, model="copy.gguf")
        assert self.first(chosen).sha256 == "ab" * 32
        os.utime(one_b, ns=(1, 1))  # an older file in its place, such as one that was copied with its time
        assert self.first(chosen).sha256 == ""

    def test_the_demonstration_is_marked(self, chosen: Settings) -> None:
        assert self.first(replace(chosen, model="demonstration")).demonstration
        assert not self.first(chosen).demonstration


class TestWrongFiles:
    def test_a_file_that_only_bears_a_known_name_is_loaded_under_no_circumstances(self, chosen: Settings, one_b: Path) -> None:
        (chosen.models / MED42.file_names[0]).symlink_to(one_b)
        way = ways_to_load(chosen, PROCESSOR)[0]
        assert way.must_be == MED42.parts[0].sha256

    def test_a_file_that_nobody_knows_may_hold_anything(self, chosen: Settings, one_b: Path) -> None:
        (chosen.models / "mine.gguf").symlink_to(one_b)
        assert ways_to_load(replace(chosen, model="mine.gguf"), PROCESSOR)[0].must_be == ""

    def test_a_bare_name_means_the_models_folder_wherever_the_program_is_started(
        self, chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (chosen.models / "mine.gguf").touch()
        (tmp_path / "mine.gguf").touch()
        (tmp_path / "other.gguf").touch()
        monkeypatch.chdir(tmp_path)
        assert model_file(replace(chosen, model="mine.gguf")) == chosen.models / "mine.gguf"
        assert model_file(replace(chosen, model="other.gguf")).resolve() == tmp_path / "other.gguf"
        assert model_file(replace(chosen, model="./mine.gguf")).resolve() == tmp_path / "mine.gguf"
