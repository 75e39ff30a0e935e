from pathlib import Path

import pytest

from med42_chat import settings
from med42_chat.errors import SettingsError


def test_the_command_line_beats_the_environment_and_the_environment_beats_the_file(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("port = 1\ntemperature = 0.1\ntop_k = 7\n")
    read = settings.read({"home": str(tmp_path), "port": "3"}, {"MED42_PORT": "2", "MED42_TEMPERATURE": "0.2"})
    assert (read.port, read.sampling.temperature, read.sampling.top_k) == (3, 0.2, 7)


def test_the_defaults_are_those_of_the_model_card(tmp_path: Path) -> None:
    sampling = settings.read({"home": str(tmp_path)}, {}).sampling
    assert (sampling.temperature, sampling.top_k, sampling.top_p, sampling.repeat_penalty) == (0.4, 150, 0.75, 1.0)


@pytest.mark.parametrize(
    ("name", "text"),
    [("port", "abc"), ("port", "70000"), ("temperature", "nan"), ("top_p", "2"), ("browser", "perhaps"), ("context", "1"), ("seed", "-1")],
)
def test_a_value_that_cannot_be_used_is_named_with_its_place_and_what_it_must_be(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.read({"home": str(tmp_path)}, {f"MED42_{name.upper()}": text})
    assert name in caught.value.message and text in caught.value.message and "environment" in caught.value.message
    assert caught.value.hint.startswith("It must be")


def test_a_typing_error_in_the_file_offers_the_near_miss(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("temprature = 0.1\n")
    with pytest.raises(SettingsError, match="temprature") as caught:
        settings.read({"home": str(tmp_path)}, {})
    assert "temperature" in caught.value.hint


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("port = = 3")
    with pytest.raises(SettingsError, match=r"settings\.toml"):
        settings.read({"home": str(tmp_path)}, {})


def test_foreign_variables_are_not_ours(tmp_path: Path) -> None:
    settings.read({"home": str(tmp_path)}, {"MED42_REQUIRE_BROWSER": "1"})


def test_a_passphrase_never_shows_in_a_printed_setting(tmp_path: Path) -> None:
    assert "secret" not in repr(settings.read({"home": str(tmp_path)}, {"MED42_PASSPHRASE": "secret"}))


def test_without_weights_the_demonstration_model_is_taken_and_known_as_such(tmp_path: Path) -> None:
    chosen = settings.model_file(settings.read({"home": str(tmp_path), "models": str(tmp_path)}, {}))
    assert settings.is_demonstration(chosen)


def test_med42_is_preferred_over_other_weights_and_later_parts_are_no_models(tmp_path: Path) -> None:
    for name in ("aaa.gguf", "Llama3-Med42-8B.Q4_K_M.gguf", "Med42-70B-00002-of-00002.gguf"):
        (tmp_path / name).touch()
    chosen = settings.model_file(settings.read({"home": str(tmp_path), "models": str(tmp_path)}, {}))
    assert chosen.name == "Llama3-Med42-8B.Q4_K_M.gguf" and not settings.is_demonstration(chosen)


def test_a_model_that_was_asked_for_is_never_replaced_by_another(tmp_path: Path) -> None:
    (tmp_path / "other.gguf").touch()
    chosen = settings.model_file(settings.read({"home": str(tmp_path), "models": str(tmp_path), "model": "missing.gguf"}, {}))
    assert chosen == tmp_path / "missing.gguf"
