"""Six states of the page against pictures of how they looked when somebody last found them right.

MED42_PICTURES=new pytest tests/browser/test_pictures.py       takes them anew: look at them before they are committed

The pictures are small, and the comparison looks at areas rather than points: another version of Chromium draws letters a little
differently, and that is no finding. What moved, vanished, or changed its colour is.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageFilter

from tests.browser.conftest import Site
from tests.browser.test_accessibility import TIDY, Stage, conversation, drawer, empty, evidence, presets, settings

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parent / "pictures"
SMALL = 480  # pixels of width, at most
CLEAR = 24  # of 255: a point differs that is this far off in a colour
TILE = 20  # points of width and height
FEW = 0.18  # share of a tile's points that may differ: a button that is gone takes more, letters drawn a little differently take less
# Times, seeds and the model's speed differ from day to day.
VARYING = ".entry .when, .answer .figures, #evidence .record dd { visibility: hidden !important }"

STATES: dict[str, tuple[Callable[[Stage], None], tuple[int, int], str]] = {
    "empty-wide-light": (empty, (1440, 900), "light"),
    "conversation-wide-dark": (evidence, (1440, 900), "dark"),
    "conversation-laptop-light": (conversation, (1024, 768), "light"),
    "settings-laptop-dark": (settings("look"), (1024, 768), "dark"),
    "presets-phone-light": (presets, (390, 844), "light"),
    "list-phone-dark": (drawer, (390, 844), "dark"),
}


@pytest.fixture(scope="module")
def opened_with() -> dict[str, Any]:
    return {"reduced_motion": "reduce", "locale": "en-GB", "timezone_id": "UTC"}


def small(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    width = min(SMALL, picture.width * 2 // 3)
    return picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.BOX)


def taken(page: Any, pause_ms: int) -> Image.Image:
    """How the page looks after a while."""
    page.wait_for_timeout(pause_ms)
    return small(page.screenshot(animations="disabled", style=VARYING))


def differing(one: Image.Image, other: Image.Image) -> float:
    """The share of points that differ clearly, in the tile where it is largest; 1 for pictures of another size."""
    if one.size != other.size:
        return 1.0
    # A point is compared with the best of its neighbours: a line that falls between two points is drawn on either.
    a, b = (np.asarray(picture, dtype=np.int16) for picture in (one, other))
    shifts = [np.abs(a - np.roll(b, (down, right), axis=(0, 1))).max(axis=2) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    differs = np.min(shifts, axis=0) > CLEAR
    height, width = (size - size % TILE for size in differs.shape)
    tiles = differs[:height, :width].reshape(height // TILE, TILE, width // TILE, TILE)
    return float(tiles.mean(axis=(1, 3)).max())


@pytest.mark.parametrize("name", STATES)
def test_the_page_looks_as_it_did(page: Any, site: Site, name: str, tmp_path: Path) -> None:
    state, (width, height), theme = STATES[name]
    stage, store = Stage(page, site), site.services.store.conversations
    for one in store.recent(100):
        store.delete(one.id)
    page.evaluate("med42.refreshList()")
    page.set_viewport_size({"width": width, "height": height})
    stage.look(theme=theme)
    state(stage)
    page.evaluate("document.fonts.ready.then(() => 0)")
    page.mouse.move(0, 0)
    kept = PICTURES / f"{name}.png"
    seen = tmp_path / kept.name
    if os.environ.get("MED42_PICTURES") == "new":
        taken(page, 3000).quantize(128).save(kept, optimize=True)
    for pause_ms in (300, 1000, 3000, 6000):  # some of it comes a moment later
        now = taken(page, pause_ms)
        share = differing(now, Image.open(kept).convert("RGB"))
        if share <= FEW:
            break
    now.save(seen)
    page.evaluate(TIDY)
    assert share <= FEW, f"{share:.0%} of a part of the page differ from {kept}; it looks like {seen} now"


@pytest.mark.parametrize("name", STATES)
def test_the_comparison_finds_what_moved_or_vanished_and_not_how_letters_are_drawn(name: str) -> None:
    kept = Image.open(PICTURES / f"{name}.png").convert("RGB")
    width, height = kept.size
    without_end = kept.copy()
    without_end.paste(kept.getpixel((width // 2, int(height * 0.8))), (0, int(height * 0.85), width, height))
    assert differing(ImageChops.offset(kept, 0, 4), kept) > FEW
    assert differing(without_end, kept) > FEW
    assert differing(kept.filter(ImageFilter.GaussianBlur(0.5)), kept) < FEW
    assert differing(ImageChops.offset(kept, 1, 0), kept) < FEW
