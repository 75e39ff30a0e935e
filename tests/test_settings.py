import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med42_chat import settings
from med42_chat.errors import SettingsError

_TYPED = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


def test_the_command_line_beats_the_environment_and_the_environment_beats_the_file(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("port = 1\ntemperature = 0.1\ntop_k = 7\n")
    read = settings.read({"home": str(tmp_path), "port": "3"}, {"MED42_PORT": "2", "MED42_TEMPERATURE": "0.2"})
    assert (read.port, read.sampling.temperature, read.sampling.top_k) == (3, 0.2, 7)


def test_the_defaults_are_those_of_the_model_card(tmp_path: Path) -> None:
    sampling = settings.read({"home": str(tmp_path)}, {}).sampling
    assert (sampling.temperature, sampling.top_k, sampling.top_p, sampling.repeat_penalty) == (0.4, 150, 0.75, 1.0)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "abc"),
        ("port", "70000"),
        ("temperature", "nan"),
        ("top_p", "2"),
        ("keyring", "perhaps"),
        ("window", "door"),
        ("language", "xx"),
        ("text_size", "89"),
        ("context", "1"),
        ("seed", "-1"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_place_and_what_it_must_be(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.read({"home": str(tmp_path)}, {f"MED42_{name.upper()}": text})
    assert name in caught.value.message and text in caught.value.message and "environment" in caught.value.message
    assert caught.value.hint.startswith("It must be")


@pytest.mark.parametrize(("name", "text"), [("runtime", "htps://me:secret@ward-gpu.example"), ("passphrase", "secret\0")])
def test_a_password_in_a_value_that_cannot_be_used_is_not_repeated(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        settings.read({"home": str(tmp_path)}, {f"MED42_{name.upper()}": text})
    assert name in refused.value.message and "secret" not in str(refused.value)


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


def test_a_model_that_was_asked_for_is_never_replaced_by_another(tmp_path: Path) -> None:
    (tmp_path / "other.gguf").touch()
    chosen = settings.named_model(settings.read({"home": str(tmp_path), "models": str(tmp_path), "model": "missing.gguf"}, {}))
    assert chosen == tmp_path / "missing.gguf"


def test_where_no_model_was_asked_for_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "Llama3-Med42-8B.Q4_K_M.gguf").touch()
    assert settings.named_model(settings.read({"home": str(tmp_path), "models": str(tmp_path)}, {})) is None


def test_later_parts_of_a_split_file_are_no_models(tmp_path: Path) -> None:
    for name in ("b-00001-of-00002.gguf", "b-00002-of-00002.gguf", "a.gguf"):
        (tmp_path / name).touch()
    found = settings.model_files(settings.read({"home": str(tmp_path), "models": str(tmp_path)}, {}))
    assert [file.name for file in found] == ["a.gguf", "b-00001-of-00002.gguf"]


class TestChanging:
    def test_a_changed_value_stands_in_the_file_beside_the_comments_and_lines_that_were_there(self) -> None:
        before = "# our ward\nport = 7000\ntemperature = 0.4  # the card\n"
        after = settings.edited(before, {"temperature": "0.2", "model": 'a "b"\\c.gguf'})
        assert after.startswith("# our ward\nport = 7000\n")
        assert tomllib.loads(after) == {"port": 7000, "temperature": 0.2, "model": 'a "b"\\c.gguf'}

    def test_an_empty_value_is_the_default_again(self, tmp_path: Path) -> None:
        (tmp_path / "settings.toml").write_text("temperature = 0.1\n")
        read = settings.read({"home": str(tmp_path)}, {})
        assert settings.changed(read, {"temperature": ""}).sampling.temperature == 0.4
        assert settings.edited("temperature = 0.1\n", {"temperature": ""}) == ""

    @given(st.dictionaries(st.sampled_from(["model", "passphrase", "host"]), st.text(_TYPED, min_size=1)))
    def test_whatever_was_typed_is_read_again_from_the_file(self, values: dict[str, str]) -> None:
        kept = {name: text.strip() for name, text in values.items() if text.strip()}
        read = {name: str(value) for name, value in tomllib.loads(settings.edited("# a\nport = 1\n", values)).items()}
        assert read == {"port": "1", **kept}

    def test_a_value_that_cannot_be_used_is_told_for_its_field(self) -> None:
        told = settings.faults({"temperature": "9", "top_p": "0.5", "seed": "", "context": "many"})
        assert set(told) == {"temperature", "context"}
        assert told["temperature"].startswith("It must be a number from 0 to 2")

    def test_what_the_environment_has_set_cannot_be_changed_in_the_page(self, tmp_path: Path) -> None:
        read = settings.read({"home": str(tmp_path)}, {"MED42_SEED": "7"})
        assert read.places == {"home": "command line", "seed": "environment"}
        with pytest.raises(SettingsError, match="environment"):
            settings.changed(read, {"seed": "8"})

    def test_the_demonstration_model_can_be_asked_for_where_med42_lies_too(self, tmp_path: Path) -> None:
        (tmp_path / "med42.gguf").touch()
        read = settings.read({"home": str(tmp_path), "models": str(tmp_path), "model": "demonstration"}, {})
        assert settings.named_model(read) == settings.DEMO_MODEL


@pytest.mark.parametrize(
    ("line", "told"),
    [('home = "/elsewhere"', "in that folder itself"), ('model = "a\\u0000b"', "GGUF file"), ('host = "\\u0000"', "address")],
)
def test_what_the_file_cannot_set_is_said(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "settings.toml").write_text(line)
    with pytest.raises(SettingsError) as caught:
        settings.read({"home": str(tmp_path)}, {})
    assert told in f"{caught.value.message} {caught.value.hint}"


def test_bytes_that_are_no_text_are_no_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="model"):
        settings.read({"home": str(tmp_path), "model": "/models/\udcff.gguf"}, {})
