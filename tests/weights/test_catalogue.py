"""The catalogue that is shipped, and how strictly catalogues are read."""

import re
from pathlib import Path

import pytest

from med42_chat.errors import CatalogueError, NotFound
from med42_chat.weights import catalogue
from med42_chat.weights.catalogue import Entry
from med42_chat.weights.inventory import CATALOGUE
from med42_chat.weights.plan import of_entry
from tests.weights.toml import FAMILY

FILE = """
[[file]]
id = "mine"
family = "tiny"
repository = "me/mine"
commit = "{commit}"
part = [{{ name = "m.gguf", bytes = 10, sha256 = "{sha}" }}]
"""
GOOD = FAMILY.format(name="tiny") + FILE.format(commit="a" * 40, sha="b" * 64)


@pytest.fixture(scope="module")
def shipped() -> tuple[Entry, ...]:
    return catalogue.read(CATALOGUE)


def test_both_sizes_of_med42_their_bases_the_first_med42_and_newer_models_are_in_it(shipped: tuple[Entry, ...]) -> None:
    families = {entry.family.name for entry in shipped}
    assert {"med42-v2-8b", "med42-v2-70b", "llama-3-8b", "llama-3-70b", "med42-v1-70b", "medgemma-27b", "medpsy-4b"} <= families
    usual = catalogue.find(shipped, "med42-8b-q4_k_m")
    assert usual.parts[0].sha256.startswith("08858c3ad67e3e33")
    assert usual.size_bytes == 4_920_734_464


def test_every_entry_is_pinned_or_says_that_it_is_not(shipped: tuple[Entry, ...]) -> None:
    for entry in shipped:
        assert entry.hashed == (entry.caution == "")
        assert entry.pinned or "Nothing pins" in entry.caution
    assert sum(entry.hashed for entry in shipped) >= 40


def test_every_size_fits_the_models_shape_and_quantisation(shipped: tuple[Entry, ...]) -> None:
    """A wrong digit in a size or a shape shows as an impossible number of bits a weight."""
    for entry in shipped:
        digits = re.search(r"\d+", entry.quantisation)
        assert digits is not None
        assert -0.2 <= of_entry(entry).bits - int(digits[0]) <= 1.45, entry.id


def test_the_8bs_card_says_that_it_lost_to_its_base(shipped: tuple[Entry, ...]) -> None:
    family = catalogue.find(shipped, "med42-8b-q4_k_m").family
    base = next(entry.family for entry in shipped if entry.family.name == family.baseline)
    elo = {score.test: score.value for score in family.scores}["Clinical Elo"], {s.test: s.value for s in base.scores}["Clinical Elo"]
    assert elo == (924, 1352)
    assert "lost to it" in family.about


def test_files_of_the_same_name_in_two_repositories_do_not_meet(shipped: tuple[Entry, ...]) -> None:
    names = [name for entry in shipped for name in entry.file_names]
    assert len(names) == len(set(names))


def test_a_near_miss_is_offered(shipped: tuple[Entry, ...]) -> None:
    with pytest.raises(NotFound) as caught:
        catalogue.find(shipped, "med42-8b-q4km")
    assert "med42-8b-q4_k_m" in caught.value.hint


def test_entries_of_ones_own_come_along_and_may_use_the_shipped_families(tmp_path: Path) -> None:
    own = tmp_path / "catalogue.toml"
    own.write_text(FILE.format(commit="main", sha="b" * 64).replace("tiny", "llama-3-8b"))
    entry = catalogue.find(catalogue.read(CATALOGUE, own), "mine")
    assert entry.own
    assert entry.family.title == "Llama 3 8B Instruct"
    assert catalogue.read(CATALOGUE, tmp_path / "none.toml") == catalogue.read(CATALOGUE)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "mine"', 'id = "Mine!"', "'id' is 'Mine!'"),
        ('id = "mine"', "", "'id' is missing"),
        ('family = "tiny"', 'family = "huge"', "names 'huge'"),
        ('repository = "me/mine"', 'repository = "../../etc"', "'repository'"),
        ("a" * 40, "a" * 39, "'commit'"),
        ("b" * 64, "b" * 63, "'sha256'"),
        ("bytes = 10", 'bytes = "10"', "'bytes' must be a whole number"),
        ("bytes = 10", "bytes = 0", "above 0"),
        ("bytes = 10", "gb = nan", "'gb' must be a number"),
        ("m.gguf", "../m.gguf", "not a path inside"),
        ("m.gguf", "m.bin", "one .gguf file"),
        ("m.gguf", "m.gguf.part1of2", "all the parts"),
        ("sha256 =", "sha265 =", "'sha265' is not a field"),
        ("layers = 2", "layers = true", "'layers' must be a whole number"),
        ('template = "llama-3"', 'template = "llama"', "'template'"),
        ("[[file]]", "[file]", "no list of tables"),
        ("[[file]]", "[[files]]", "a table 'files'"),
        ("[[file]]", "[[file", "cannot be read"),
        ('title = "Tiny"', 'title = ""', "'title' must be text"),
        ('title = "Tiny"', 'title = "Tiny"\nscores = [{ test = "T", value = 1, source = "x" }]', r"no \[source.x\]"),
    ],
)
def test_what_cannot_be_used_is_named_by_file_entry_and_field(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "catalogue.toml"
    file.write_text(GOOD)
    catalogue.read(file)
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(CatalogueError, match=said) as caught:
        catalogue.read(file)
    assert str(file) in caught.value.message
    assert caught.value.hint


def test_an_id_or_a_family_may_stand_only_once(tmp_path: Path) -> None:
    file, own = tmp_path / "catalogue.toml", tmp_path / "own.toml"
    file.write_text(GOOD)
    own.write_text(GOOD.split("[[file]]")[0])
    with pytest.raises(CatalogueError, match="exists already"):
        catalogue.read(file, own)
    own.write_text("[[file]]" + GOOD.split("[[file]]")[1])
    with pytest.raises(CatalogueError, match="stands twice"):
        catalogue.read(file, own)
