"""The embedding model in the settings, as a person chooses and tries one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Site
from tests.shapes import write_shape

pytestmark = pytest.mark.browser


@pytest.fixture
def page(page: Any, site: Site, tmp_path: Path) -> Iterator[Any]:
    """The open page of a program whose models folder holds one file, which is no embedding model."""
    write_shape(tmp_path / "chat.gguf")
    before = site.services.settings
    site.services.settings = replace(before, models=tmp_path)
    yield page
    (before.home / "settings.toml").unlink(missing_ok=True)
    site.services.meaning.use(None)
    site.services.settings = before


def test_a_file_that_is_no_embedding_model_is_told_when_it_is_tried_and_none_takes_the_button_away(page: Any) -> None:
    page.click('#header [data-do="settings"]')
    page.select_option("#set-embedding", "chat.gguf")
    page.click('#settings [data-act="meaning"]')
    page.wait_for_function("document.querySelector('#said-meaning')?.classList.contains('bad')")
    said = page.inner_text("#said-meaning")
    assert "too small to tell" in said or "not an embedding model" in said
    page.select_option("#set-embedding", "")
    page.wait_for_selector('#settings [data-act="meaning"]', state="detached")
    assert page.inner_text("#said-embedding") == "Saved."
    page.click("#settings [data-close]")
