"""Catalogues of one's own that hold nonsense: each is a sentence that names the place, and none takes the program down."""

from pathlib import Path

import pytest

from med42_chat.errors import CatalogueError
from med42_chat.weights import catalogue, inventory, plan
from med42_chat.weights.hardware import Device, Hardware
from med42_chat.weights.inventory import CATALOGUE

GOOD = """
[family.mine]
title = "Mine"
licence = "none"
context = 8192
shape = { layers = 2, hidden = 64, feed_forward = 128, kv_heads = 2, head_size = 16, vocabulary = 256 }

[[file]]
id = "mine"
family = "mine"
repository = "some/one"
part = [{ name = "mine.gguf", gb = 1.5 }]
"""
CARD = Hardware(16 << 30, 12 << 30, 1 << 40, "a processor", 8, devices=(Device("CUDA0", "Card", "gpu", "CUDA", 8 << 30, 8 << 30),))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("layers = 2", "layers = 99999999999999999999"),
        ("hidden = 64", f"hidden = {'9' * 400}"),
        ("vocabulary = 256", f"vocabulary = {'9' * 400}"),
        ("context = 8192", f"context = {'9' * 400}"),
        ("gb = 1.5", "gb = 1e308"),
        ("gb = 1.5", f"bytes = {'9' * 400}"),
        ("gb = 1.5", "gb = 1e-12"),
        ("vocabulary = 256", "vocabulary = 256, window_layers = 3, window = 512"),
        ('id = "mine"', f'id = "{"m" * 300}"'),
        ('name = "mine.gguf"', f'name = "{"m" * 4000}.gguf"'),
        ('title = "Mine"', 'title = "Mine\\u001b[2J"'),
        ('title = "Mine"', f'title = "{"M" * 100000}"'),
    ],
)
def test_nonsense_is_named_and_whatever_is_read_can_be_planned(tmp_path: Path, old: str, new: str) -> None:
    own = tmp_path / "catalogue.toml"
    assert old in GOOD
    own.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(CatalogueError, match=r"mine|file number|mmm"):
        entries = catalogue.read(CATALOGUE, own)
        for item in inventory.items(entries, tmp_path):
            plan.make(inventory.model_of(item, ()), CARD)
        plan.recommend(entries, CARD)


def test_two_entries_never_share_a_file(tmp_path: Path) -> None:
    own = tmp_path / "catalogue.toml"
    parts = ", ".join(f'{{ name = "m-0000{number}-of-00002.gguf", gb = 1 }}' for number in (1, 2))
    split = f'\n[[file]]\nid = "a"\nfamily = "mine"\nrepository = "some/one"\npart = [{parts}]\n'
    own.write_text(GOOD.replace('id = "mine"', 'id = "a-00001-of-00002"') + split)
    with pytest.raises(CatalogueError, match="a-00001-of-00002"):
        catalogue.read(CATALOGUE, own)
