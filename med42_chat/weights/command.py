"""`models list|plan|get|import|check|remove` without a screen. Each function takes the parsed options and the settings, and prints.

With `--json` the result is one JSON value on standard output. How far something is goes to standard error, as it is for people.
"""

import argparse
import json
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from med42_chat.errors import Med42Error, NotFound
from med42_chat.gguf import read_header
from med42_chat.settings import PROJECT, Settings, is_demonstration
from med42_chat.weights import catalogue, hardware, health, importing, plan
from med42_chat.weights.catalogue import Entry
from med42_chat.weights.download import Download, Order
from med42_chat.weights.importing import Imported
from med42_chat.weights.place import UNFINISHED, discard, disk_errors, forget, installed
from med42_chat.weights.plan import Plan, gigabytes
from med42_chat.weights.progress import Progress

CATALOGUE = PROJECT / "models" / "catalogue.toml"
_STATES = {
    "asking": "asking what the file is",
    "fetching": "fetching",
    "waiting": "waiting",
    "checking": "checking",
    "done": "done",
}
_FITS = {"yes": "fits", "crowded": "fits when other programs are closed", "no": "does not fit"}

Event = TypeVar("Event")
Result = TypeVar("Result")


def add_commands(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Gives `parser` the subcommands; `common` holds the options that every command takes."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Any, Settings], int | None], text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text, parents=[common])
        made.set_defaults(run=run)
        return made

    command("list", list_, "model files that the program knows, and which of them are here")
    planned = command("plan", plan_, "what this computer has, and how well a model would run here")
    planned.add_argument("id", nargs="?", help="of one model; without it, all")
    command("get", get_, "fetch a model, or go on with one").add_argument("id")
    command("import", import_, "take a model from a file or a folder, such as a stick").add_argument("path", type=Path)
    command("check", check_, "read a model that is here again, and look for faults").add_argument("id", help="or a file")
    command("remove", remove_, "remove a model, finished or not").add_argument("id", help="or the name of a file in the models folder")


def entries(chosen: Settings) -> tuple[Entry, ...]:
    """The catalogue, a person's own entries included."""
    return catalogue.read(CATALOGUE, own_catalogue(chosen))


def own_catalogue(chosen: Settings) -> Path:
    """Where a person's own entries stand."""
    return chosen.home / "catalogue.toml"


def list_(options: Any, chosen: Settings) -> None:
    """Every entry with its size and state, and the files in the models folder that no entry knows."""
    known, unknown = entries(chosen), unknown_files(chosen)
    if options.json:
        _print_json([*(_listed(entry, chosen) for entry in known), *({"file": path.name, "known": False} for path in unknown)])
        return
    for entry in known:
        print(
            f"{entry.id:32} {gigabytes(entry.size_bytes):>8}  {state(entry, chosen.models):12} {entry.title}{'' if entry.hashed else ' *'}"
        )
    for path in unknown:
        print(f"{path.name:32} {gigabytes(path.stat().st_size):>8}  {'here':12} not in the catalogue")
    print("* without a checksum in the catalogue: checked only against what the server says")


def state(entry: Entry, folder: Path) -> str:
    """'here', 'unfinished' or nothing."""
    if installed(entry, folder):
        return "here"
    return "unfinished" if any((folder / UNFINISHED / entry.id).glob("*.gguf")) else ""


def unknown_files(chosen: Settings) -> list[Path]:
    """Model files in the models folder whose names are no entry's."""
    names = {name for entry in entries(chosen) for name in entry.file_names}
    return sorted(path for path in chosen.models.glob("*.gguf") if path.name not in names)


def _listed(entry: Entry, chosen: Settings) -> dict[str, Any]:
    more = {"title": entry.title, "size_bytes": entry.size_bytes, "caution": entry.caution, "known": True}
    return {**asdict(entry), **more, "state": state(entry, chosen.models)}


def plan_(options: Any, chosen: Settings) -> None:
    """This computer, the recommendation, and a plan for one model or for each."""
    known = entries(chosen)
    asked = [catalogue.find(known, options.id)] if options.id else list(known)
    here = hardware.read(chosen.models)
    plans = [planned(entry, chosen, here, ask=bool(options.id)) for entry in asked]
    advice = plan.recommend(known, here, chosen.context)
    if options.json:
        best = advice.plan.model.id if advice.plan else None
        _print_json({"hardware": asdict(here), "recommended": best, "sentence": advice.sentence, "plans": [_planned(one) for one in plans]})
        return
    for line in (*_hardware_lines(here), "", advice.sentence, ""):
        print(line)
    for one in plans:
        print(f"{one.model.id:32} {_FITS[one.fit]}: {one.reason}")


def planned(entry: Entry, chosen: Settings, here: hardware.Hardware, ask: bool) -> Plan:
    """The plan for one entry; `ask` has llama.cpp confirm it where the file is here, which takes a second."""
    made = plan.make(model_of(entry, chosen, here), here, chosen.context)
    if not ask or not installed(entry, chosen.models):
        return made
    known = hardware.footprint(chosen.models / entry.file_names[0], made.way.context, made.way.cache_type, made.way.gpu_layers)
    return plan.confirmed(made, here, known) if known else made


def model_of(entry: Entry, chosen: Settings, here: hardware.Hardware) -> plan.Model:
    """What a plan needs of an entry: from the file where it is here, which is exact, else from the catalogue."""
    files = [chosen.models / name for name in entry.file_names]
    if not installed(entry, chosen.models):
        return plan.of_entry(entry)
    more = sum(file.stat().st_size for file in files[1:])
    model = plan.of_header(read_header(files[0]), here.features, entry.title, more, entry.id)
    near = entry.family.shape  # a header says how far layers look back in a way of each architecture's own
    return replace(model, shape=replace(model.shape, window_layers=near.window_layers, window=near.window))


def _planned(one: Plan) -> dict[str, Any]:
    more = {"layers": one.layers, "words_per_s": round(one.words_per_s, 2), "needed_bytes": one.memory.host + one.memory.cards}
    return {**asdict(one), **more, "id": one.model.id}


def _hardware_lines(here: hardware.Hardware) -> Iterator[str]:
    speed = f", read at {here.bandwidth / 1e9:.0f} GB a second" if here.bandwidth else ""
    yield f"Processor  {here.processor}, {here.cores} cores, {' '.join(here.features)}"
    yield f"Memory     {gigabytes(here.memory_total)}, {gigabytes(here.memory_free)} of it free{speed}"
    for device in here.devices:
        room = f"{gigabytes(device.free)} of {gigabytes(device.total)} free"
        yield f"Graphics   {device.name} ({device.backend}): {device.description}, {room}"
    if not here.devices:
        yield f"Graphics   {here.note or 'none that this llama.cpp can use'}"
    yield f"Disk       {gigabytes(here.disk_free)} free for models"


def get_(options: Any, chosen: Settings) -> None:
    """Fetches an entry, saying first what it is and under which licence."""
    entry = catalogue.find(entries(chosen), options.id)
    for line in (
        f"{entry.title}, {gigabytes(entry.size_bytes)} from {entry.repository}",
        f"Licence: {entry.family.licence}",
        entry.caution,
    ):
        if line:
            _say(line)
    download = Download(Order(entry.id, str(CATALOGUE), str(own_catalogue(chosen)), str(chosen.models)))
    try:
        _told(download)
    finally:
        download.stop()
    files = [str(chosen.models / name) for name in entry.file_names]
    _result(options, {"id": entry.id, "files": files}, f"{entry.title} is here: {files[0]}")


def import_(options: Any, chosen: Settings) -> None:
    """Imports a file or a folder."""
    with disk_errors(chosen.models):
        chosen.models.mkdir(parents=True, exist_ok=True)
    done = [one for one in _told(importing.bring(options.path.expanduser(), entries(chosen), chosen.models)) if isinstance(one, Imported)]
    listed = [
        {"id": one.entry.id if one.entry else None, "files": [str(file) for file in one.files], "warning": one.warning} for one in done
    ]
    lines = [f"{one.entry.title if one.entry else one.files[0].name} is here: {one.files[0]}\n{one.warning}".strip() for one in done]
    _result(options, {"imported": listed}, "\n".join(lines))


def check_(options: Any, chosen: Settings) -> int:
    """Reads files again and looks at the first one's header; 1 where something is wrong that the program cannot repair."""
    files = _files(options.id, chosen)
    known = entries(chosen)
    meant, *_ = [_outcome(importing.check(file, known)) for file in files]
    found = health.examine(read_header(files[0]))
    if options.json:
        _print_json({"files": [str(file) for file in files], "id": meant.id if meant else None, **asdict(found)})
    else:
        print(f"{files[0].name}: {meant.title if meant else 'not in the catalogue'}, complete and readable")
        for finding in found.findings:
            print(f"{finding.state:9} {finding.name:13} {finding.text}{' ' + finding.hint if finding.hint else ''}")
    return int(any(finding.state == "error" for finding in found.findings))


def remove_(options: Any, chosen: Settings) -> None:
    """Removes an entry's files, or one file that no entry knows."""
    entry = next((entry for entry in entries(chosen) if entry.id == options.id), None)
    names = entry.file_names if entry else tuple(file.name for file in _files(options.id, chosen))
    here = [chosen.models / name for name in names if (chosen.models / name).exists()]
    freed = sum(file.stat().st_size for file in here) + (discard(chosen.models, entry.id) if entry else 0)
    if not freed:
        raise NotFound(f"Nothing of '{options.id}' is here.", "'models list' shows what there is.")
    forget(chosen.models, [file.name for file in here])
    _result(options, {"removed": options.id, "bytes": freed}, f"Removed {options.id}: {gigabytes(freed)} are free again.")


def _files(name: str, chosen: Settings) -> list[Path]:
    """The files of an entry that is here, or one file in the models folder. Raises NotFound."""
    entry = next((entry for entry in entries(chosen) if entry.id == name), None)
    files = [chosen.models / one for one in entry.file_names] if entry else [chosen.models / Path(name).name]
    if missing := [file for file in files if not file.is_file()]:
        raise NotFound(f"{missing[0]} is not here.", "'models list' shows what there is; 'models get' fetches.")
    if is_demonstration(files[0]):
        raise Med42Error("The demonstration model belongs to the program.", "It is not checked or removed from here.")
    return files


class _Teller:
    """Writes how far something is: over and over on one line of a terminal, once for each tenth elsewhere."""

    def __init__(self) -> None:
        self._said = ""

    def tell(self, event: object) -> None:
        """Writes a Progress; anything else is not for it."""
        if not isinstance(event, Progress):
            return
        if sys.stderr.isatty():
            print(f"\r{_line(event):<100.100}", end="\n" if event.state == "done" else "", file=sys.stderr, flush=True)
        elif (brief := f"{event.state} {event.done * 10 // max(event.total, 1)}") != self._said:
            self._said = brief
            _say(_line(event))


def _told(events: Iterable[Event]) -> list[Event]:
    """All events, each told as it comes."""
    teller, seen = _Teller(), []
    for event in events:
        teller.tell(event)
        seen.append(event)
    return seen


def _outcome(steps: Generator[Progress, None, Result]) -> Result:
    """What `steps` returns in the end."""
    teller = _Teller()
    while True:
        try:
            teller.tell(next(steps))
        except StopIteration as end:
            result: Result = end.value
            return result


def _line(progress: Progress) -> str:
    percent = f"{progress.done / max(progress.total, 1):.0%} of {gigabytes(progress.total)}"
    speed = f", {progress.bytes_per_s / 1e6:.1f} MB a second" if progress.bytes_per_s else ""
    left = f", {_time(progress.seconds_left)} left" if progress.seconds_left is not None else ""
    return f"{_STATES[progress.state]}: {progress.note or percent + speed + left}"


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds > 5400 else f"{seconds / 60:.0f} minutes" if seconds > 90 else f"{seconds:.0f} seconds"


def _result(options: Any, value: dict[str, Any], text: str) -> None:
    if options.json:
        _print_json(value)
    else:
        print(text)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))
