"""Files from a stick: known by what they hold, never by what they are called."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from med42_chat.errors import ModelFileError, WeightsError, WrongContent
from med42_chat.weights import importing, place
from med42_chat.weights.catalogue import Entry
from med42_chat.weights.importing import Checked, Imported, bring, check

Offered = Callable[..., Entry]


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


def brought(source: Path, entries: list[Entry], models: Path) -> list[Imported]:
    return [one for one in bring(source, entries, models) if isinstance(one, Imported)]


def checked(file: Path, entries: list[Entry]) -> Entry | None:
    steps = check(file, entries)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Checked = end.value
            return found.entry


def test_a_file_is_recognised_whatever_its_name(offered: Offered, model: bytes, models: Path, stick: Path) -> None:
    entry = offered(("original.gguf", model))
    (stick / "holiday pictures.gguf").write_bytes(model)
    assert brought(stick / "holiday pictures.gguf", [entry], models) == [Imported(entry, (models / "tiny-q4.gguf",))]
    assert (models / "tiny-q4.gguf").read_bytes() == model
    assert checked(models / "tiny-q4.gguf", [entry]) == entry


def test_a_name_that_lies_does_not_make_a_file_a_known_model(offered: Offered, model: bytes, models: Path, stick: Path) -> None:
    entry = offered(("original.gguf", model))
    (stick / "tiny-q4.gguf").write_bytes(model[:-1] + b"!")
    (done,) = brought(stick, [entry], models)
    assert done.entry is None
    assert "not in the catalogue" in done.warning
    assert done.files[0].name != "tiny-q4.gguf"
    assert not (models / "tiny-q4.gguf").exists()


def test_a_file_in_the_models_folder_that_bears_anothers_name_is_found_out(offered: Offered, model: bytes, models: Path) -> None:
    other = model[:-1] + b"!"
    entries = [offered(("a.gguf", model)), offered(("b.gguf", other), id="other")]
    (models / "tiny-q4.gguf").write_bytes(other)
    with pytest.raises(WrongContent, match=r"it is Tiny"):
        checked(models / "tiny-q4.gguf", entries)


def test_what_is_no_model_is_refused_with_a_reason(offered: Offered, model: bytes, models: Path, stick: Path) -> None:
    entry = offered(("original.gguf", model))
    for name, content, reason in [
        ("page.gguf", b"<html>sign in</html>", "web page"),
        ("cut.gguf", model[:-5000], "cut short"),
        ("pointer.gguf", b"version https://git-lfs.github.com/spec/v1", "pointer"),
        ("picture.gguf", b"\x89PNG....", "not a GGUF"),
    ]:
        (stick / name).write_bytes(content)
        with pytest.raises(ModelFileError, match=reason):
            brought(stick / name, [entry], models)
    assert list(models.glob("*.gguf")) == []


def test_pieces_are_joined_in_their_order_and_split_parts_get_matching_names(
    offered: Offered, model: bytes, models: Path, stick: Path
) -> None:
    cut = len(model) // 3
    joined = offered(("m.gguf.part1of2", model[:cut]), ("m.gguf.part2of2", model[cut:]), id="joined")
    split = offered(("s-00001-of-00002.gguf", model), ("s-00002-of-00002.gguf", b"GGUF rest"), id="split")
    for name, content in [("z.gguf.1", model[:cut]), ("a.gguf.2", model[cut:]), ("y.gguf", model), ("b.gguf", b"GGUF rest")]:
        (stick / name).write_bytes(content)
    done = brought(stick, [joined, split], models)
    assert [one.entry for one in done] == [joined, split]
    assert (models / "joined.gguf").read_bytes() == model
    assert (models / "split-00002-of-00002.gguf").read_bytes() == b"GGUF rest"
    assert checked(models / "joined.gguf", [joined, split]) in (joined, split)  # the split's first part has the same content here


def test_a_joined_file_that_changes_later_is_found_out(offered: Offered, model: bytes, models: Path, stick: Path) -> None:
    joined = offered(("m.gguf.part1of2", model[:900]), ("m.gguf.part2of2", model[900:]), id="joined")
    (stick / "m.gguf.part1of2").write_bytes(model[:900])
    (stick / "m.gguf.part2of2").write_bytes(model[900:])
    brought(stick, [joined], models)
    assert checked(models / "joined.gguf", [joined]) == joined
    (models / "joined.gguf").write_bytes(model[:-1] + b"!")
    with pytest.raises(WrongContent, match="another checksum"):
        checked(models / "joined.gguf", [joined])


def test_missing_parts_are_said_and_nothing_is_taken(offered: Offered, model: bytes, models: Path, stick: Path) -> None:
    joined = offered(("m.gguf.part1of2", model[:900]), ("m.gguf.part2of2", model[900:]))
    (stick / "m.gguf.part1of2").write_bytes(model[:900])
    with pytest.raises(WeightsError, match="1 of the 2 parts"):
        brought(stick, [joined], models)
    assert list(models.glob("*.gguf")) == []


def test_whole_models_are_taken_and_the_parts_of_another_are_said_to_be_incomplete(
    offered: Offered, model: bytes, models: Path, stick: Path
) -> None:
    other = model[:-1] + b"!"
    entries = [offered(("whole.gguf", model)), offered(("m.gguf.part1of2", other[:900]), ("m.gguf.part2of2", other[900:]), id="joined")]
    (stick / "a.gguf").write_bytes(model)
    (stick / "b.gguf.part1of2").write_bytes(other[:900])
    with pytest.raises(WeightsError, match="1 of the 2 parts"):
        brought(stick, entries, models)
    assert [file.name for file in models.glob("*.gguf")] == ["tiny-q4.gguf"]


def test_a_part_of_an_unknown_split_model_is_not_taken_alone(model: bytes, models: Path, stick: Path) -> None:
    (stick / "m-00001-of-00002.gguf").write_bytes(model)
    with pytest.raises(WeightsError, match="one part of a split model"):
        brought(stick, [], models)


def test_a_stick_that_is_not_there_or_holds_no_model_is_said_so(models: Path, stick: Path) -> None:
    with pytest.raises(WeightsError, match="nothing at"):
        brought(stick / "away", [], models)
    (stick / "letter.txt").write_text("hello")
    with pytest.raises(WeightsError, match="no model files"):
        brought(stick, [], models)


def test_a_copy_that_differs_never_gets_the_name(
    offered: Offered, model: bytes, models: Path, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = offered(("original.gguf", model))
    source = stick / "m.gguf"
    source.write_bytes(model)
    real = importing._appended

    def failing(path: Path, *rest: object) -> object:
        source.write_bytes(model[:-1] + b"!")  # as a failing stick gives other bytes at the second reading
        return real(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(importing, "_appended", failing)
    with pytest.raises(WrongContent, match="differs"):
        brought(source, [entry], models)
    assert list(models.glob("*.gguf")) == []


def test_what_is_removed_is_forgotten(offered: Offered, model: bytes, models: Path, stick: Path) -> None:
    (stick / "m.gguf").write_bytes(model)
    brought(stick, [offered(("original.gguf", model))], models)
    assert list(place.remembered(models)) == ["tiny-q4.gguf"]
    place.forget(models, ["tiny-q4.gguf"])
    assert place.remembered(models) == {}
    assert list(models.glob("*.gguf")) == []


@pytest.mark.parametrize("damage", ["", "[1]", "{"])
def test_a_damaged_memory_of_checksums_is_an_empty_one(models: Path, damage: str) -> None:
    (models / ".checksums.json").write_text(damage)
    assert place.remembered(models) == {}


def test_a_file_that_lies_in_the_models_folder_already_is_named_and_not_copied(offered: Offered, model: bytes, models: Path) -> None:
    entry = offered(("original.gguf", model))
    (models / "from the browser.gguf").write_bytes(model)
    node = (models / "from the browser.gguf").stat().st_ino
    assert brought(models / "from the browser.gguf", [entry], models) == [Imported(entry, (models / "tiny-q4.gguf",))]
    assert (models / "tiny-q4.gguf").stat().st_ino == node
    (models / "mine.gguf").write_bytes(model[:-1] + b"!")
    (done,) = brought(models / "mine.gguf", [entry], models)
    assert done.files == (models / "mine.gguf",)
    assert place.remembered(models)["mine.gguf"]


def test_half_a_copy_of_an_unknown_file_is_not_left_behind(offered: Offered, model: bytes, models: Path, stick: Path) -> None:
    entry = offered(("original.gguf", model))
    (stick / "mine.gguf").write_bytes(model[:-1] + b"!")
    steps = bring(stick / "mine.gguf", [entry], models)
    while not list((models / place.UNFINISHED).glob("_unknown-*/*.gguf")):
        next(steps)
    steps.close()  # type: ignore[attr-defined]  # it is a generator
    assert list((models / place.UNFINISHED).glob("_unknown-*/")) == []
    left = models / place.UNFINISHED / "_unknown-0123"
    left.mkdir()
    (left / "crashed.gguf").write_bytes(b"GGUF")
    brought(stick / "mine.gguf", [entry], models)
    assert not left.exists()


def test_a_check_says_what_it_compared_with(offered: Offered, model: bytes, models: Path) -> None:
    entry = offered(("original.gguf", model))
    for name, other, said in [
        ("tiny-q4.gguf", model, "The checksum is the catalogue's."),
        ("renamed.gguf", model, "This is Tiny, Q4_K_M. The checksum is the catalogue's."),
        ("mine.gguf", model[:-1] + b"!", "There was no checksum"),
    ]:
        (models / name).write_bytes(other)
        steps = check(models / name, [entry])
        with pytest.raises(StopIteration) as end:
            while True:
                next(steps)
        assert said in end.value.value.sentence


def test_an_unknown_file_that_was_checked_once_is_compared_with_itself(model: bytes, models: Path) -> None:
    (models / "mine.gguf").write_bytes(model)
    assert checked(models / "mine.gguf", []) is None
    assert place.known_checksum(models / "mine.gguf")
    (models / "mine.gguf").write_bytes(model[:-1] + b"!")
    assert place.known_checksum(models / "mine.gguf") == ""
    with pytest.raises(WrongContent, match="another checksum"):
        checked(models / "mine.gguf", [])


def test_a_stick_that_is_pulled_out_is_blamed_and_not_the_models_folder(offered: Offered, model: bytes, models: Path, stick: Path) -> None:
    entry = offered(("original.gguf", model))
    (stick / "m.gguf").write_bytes(model)
    steps = bring(stick / "m.gguf", [entry], models)
    while not isinstance(next(steps), importing.Recognised):
        pass
    (stick / "m.gguf").unlink()
    with pytest.raises(WeightsError, match=r"m\.gguf cannot be read") as caught:
        list(steps)
    assert "stick" in caught.value.hint


def test_a_wrong_file_that_has_the_name_already_gives_way_to_the_right_one(
    offered: Offered, model: bytes, models: Path, stick: Path
) -> None:
    entry = offered(("original.gguf", model))
    (models / "tiny-q4.gguf").write_bytes(model[:-1] + b"!")
    (stick / "original.gguf").write_bytes(model)
    brought(stick, [entry], models)
    assert (models / "tiny-q4.gguf").read_bytes() == model


def test_a_wrong_file_made_of_pieces_gives_way_too_and_a_right_one_is_not_copied_again(
    offered: Offered, model: bytes, models: Path, stick: Path
) -> None:
    half = len(model) // 2
    entry = offered(("m.gguf.part1of2", model[:half]), ("m.gguf.part2of2", model[half:]))
    (stick / "m.gguf.part1of2").write_bytes(model[:half])
    (stick / "m.gguf.part2of2").write_bytes(model[half:])
    (models / "tiny-q4.gguf").write_bytes(model[:-1] + b"!")
    brought(stick, [entry], models)
    assert (models / "tiny-q4.gguf").read_bytes() == model
    before = (models / "tiny-q4.gguf").stat()
    brought(stick, [entry], models)
    assert (models / "tiny-q4.gguf").stat().st_ino == before.st_ino


def test_an_unknown_file_in_the_models_folder_loses_the_name_of_a_known_one(offered: Offered, model: bytes, models: Path) -> None:
    entry = offered(("original.gguf", model))
    (models / "tiny-q4.gguf").write_bytes(model[:-1] + b"!")
    (done,) = brought(models, [entry], models)
    assert done.entry is None and done.files[0].exists()
    assert not (models / "tiny-q4.gguf").exists()


def test_what_a_mac_leaves_on_a_stick_is_no_model_and_no_error(offered: Offered, model: bytes, models: Path, stick: Path) -> None:
    entry = offered(("original.gguf", model))
    (stick / "original.gguf").write_bytes(model)
    (stick / "._original.gguf").write_bytes(b"\x00\x05\x16\x07Mac OS X")
    assert [one.entry for one in brought(stick, [entry], models)] == [entry]


@pytest.mark.parametrize(
    "name", ["\x1b[2J.gguf", "a\nb.gguf", "\udcff\udcfe.gguf", " demo.gguf", ".hidden.gguf", "ü" * 124 + ".gguf", "a'\"<b>.gguf"]
)
def test_an_unknown_file_gets_a_name_that_every_page_and_system_can_write(model: bytes, models: Path, stick: Path, name: str) -> None:
    (stick / name).write_bytes(model)
    (done,) = brought(stick / name, [], models)
    final = done.files[0].name
    assert final.encode() and final.isprintable() and final == final.strip() and not final.startswith(".")
    assert not set(final) & set("\\/:*?\"<>|'")
    assert (models / final).read_bytes() == model


def test_an_import_leaves_half_a_download_alone_whatever_its_entry_is_called(
    offered: Offered, model: bytes, models: Path, stick: Path
) -> None:
    half = models / place.UNFINISHED / "unknown-model" / "unknown-model.gguf"
    half.parent.mkdir(parents=True)
    half.write_bytes(model[:1000])
    (stick / "other.gguf").write_bytes(model)
    brought(stick, [offered(("o.gguf", model[:-1] + b"!"), id="unknown-model")], models)
    assert half.exists()


def test_two_programs_that_note_checksums_at_once_lose_none(models: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from med42_chat.weights.place import remember; d = Path(sys.argv[1])\n"
        "for number in range(20): name = f'{sys.argv[2]}{number}'; (d / name).touch(); remember(d, {name: 'ab' * 32})"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(models), name]) for name in ("a", "b")]
    assert [one.wait(30) for one in both] == [0, 0]
    assert len(place.remembered(models)) == 40
