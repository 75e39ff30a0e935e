"""`models list|plan|get|import|check|remove|export-kit` without a screen. Functions take the parsed options and the settings, and print.

With `--json` the result is one JSON value on standard output. How far something is goes to standard error, as it is for people.
"""

import sys
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from med42_chat import __version__
from med42_chat.commands.common import Command, tell
from med42_chat.errors import ModelFileError, NotFound
from med42_chat.gguf import read_header
from med42_chat.settings import DEMONSTRATION, Settings, is_demonstration, named_model
from med42_chat.terminal import say_json
from med42_chat.weights import catalogue, hardware, health, importing, inventory, kit, plan
from med42_chat.weights.catalogue import Entry
from med42_chat.weights.download import Download, Order
from med42_chat.weights.importing import Imported
from med42_chat.weights.inventory import CATALOGUE, Item, own_catalogue
from med42_chat.weights.place import disk_errors
from med42_chat.weights.plan import Plan, gigabytes
from med42_chat.weights.progress import Progress

_STATES = {
    "asking": "asking what the file is",
    "fetching": "fetching",
    "copying": "copying",
    "waiting": "waiting",
    "checking": "checking",
    "done": "done",
}
_FITS = {"yes": "fits", "crowded": "fits when other programs are closed", "no": "does not fit"}

Event = TypeVar("Event")
Result = TypeVar("Result")


def add_commands(command: Command) -> None:
    """Makes the subcommands of `models`."""
    command("list", list_, "model files that the program knows, and which of them are here")
    planned = command("plan", plan_, "what this computer has, and how well a model would run here")
    planned.add_argument("id", nargs="?", help="of one model; without it, all")
    command("get", get_, "fetch a model, or go on with one").add_argument("id")
    command("import", import_, "take a model from a file or a folder, such as a stick").add_argument("path", type=Path)
    command("check", check_, "read a model that is here again, and look for faults").add_argument("id", help="or a file")
    kitted = command("export-kit", export_kit, "program, packages and a model in one folder, for a computer without a network")
    kitted.add_argument("folder", type=Path, metavar="DIR", help="a new folder, such as one on a stick")
    # Not `--model`'s usual place, which the settings would be read from.
    kitted.add_argument("--model", dest="id", metavar="ID", help="a model that is here, or 'demonstration'; by default the one in use")
    command("remove", remove_, "remove a model, finished or not").add_argument("id", help="or the name of a file in the models folder")


def entries(chosen: Settings) -> tuple[Entry, ...]:
    """The catalogue, a person's own entries included."""
    return catalogue.read(CATALOGUE, own_catalogue(chosen))


def list_(options: Any, chosen: Settings) -> None:
    """Every entry with its size and state, and the files in the models folder that no entry knows."""
    found = inventory.items(entries(chosen), chosen.models)
    if options.json:
        say_json([_listed(item) for item in found])
        return
    for item in found:
        state = "" if item.state == "absent" else item.state
        mark = " *" if item.entry and not item.entry.hashed else ""
        title = item.title if item.entry else "not in the catalogue"
        print(f"{item.id:32} {gigabytes(item.size_bytes):>8}  {state:12} {title}{mark}")
    print("* without a checksum in the catalogue: checked only against what the server says")


def _listed(item: Item) -> dict[str, Any]:
    files = [str(file) for file in item.files]
    here = {"size_bytes": item.size_bytes, "state": item.state, "fetched_bytes": item.fetched, "files": files}
    if item.entry is None:
        return {"id": None, "file": item.id, "known": False, **here}
    return {**asdict(item.entry), "title": item.title, "caution": item.entry.caution, "known": True, **here}


def plan_(options: Any, chosen: Settings) -> None:
    """This computer, the recommendation, and a plan for one model or for each."""
    known = entries(chosen)
    here = replace(hardware.read(chosen.models), aside=inventory.set_aside(chosen))
    if options.id:
        plans = [confirmed(_asked(options.id, chosen), chosen, here)]
    else:
        plans = [made for item in inventory.items(known, chosen.models) if (made := _planned_if_whole(item, chosen, here))]
    advice = plan.recommend(known, here, chosen.context)
    if options.json:
        best = advice.plan.model.id if advice.plan else None
        say_json({"hardware": asdict(here), "recommended": best, "sentence": advice.sentence, "plans": [_planned(one) for one in plans]})
        return
    for line in (*_hardware_lines(here), "", advice.sentence, ""):
        print(line)
    for one in plans:
        print(f"{one.model.id:32} {_FITS[one.fit]}: {one.reason}")


def confirmed(item: Item, chosen: Settings, here: hardware.Hardware) -> Plan:
    """The plan for one model, confirmed by llama.cpp where the file is here, which takes a second. Raises ModelFileError."""
    made = plan.make(inventory.model_of(item, here.features), here, chosen.context)
    if item.state != "here":
        return made
    known = hardware.footprint(item.files[0], made.way.context, made.way.cache_type, made.way.gpu_layers)
    return plan.confirmed(made, here, known) if known else made


def _planned_if_whole(item: Item, chosen: Settings, here: hardware.Hardware) -> Plan | None:
    try:
        return plan.make(inventory.model_of(item, here.features), here, chosen.context)
    except ModelFileError as error:
        _say(f"{item.id}: {error.message}")
        return None


def _asked(id: str, chosen: Settings) -> Item:
    """The entry or the unknown file of that name. Raises NotFound with the nearest entry."""
    known = entries(chosen)
    return inventory.find(id, known, chosen.models) or inventory.of_entry(catalogue.find(known, id), chosen.models)


def _planned(one: Plan) -> dict[str, Any]:
    more = {"layers": one.layers, "words_per_s": round(one.words_per_s, 2), "needed_bytes": one.memory.host + one.memory.cards}
    return {**asdict(one), **more, "id": one.model.id}


def _hardware_lines(here: hardware.Hardware) -> Iterator[str]:
    speed = f", read at {here.bandwidth / 1e9:.0f} GB a second" if here.bandwidth else ""
    yield f"Processor  {here.processor}, {here.cores} cores, {' '.join(here.features)}"
    yield f"Memory     {gigabytes(here.memory_total)}, {gigabytes(here.memory_free)} of it free{speed}"
    if here.aside:
        yield f"           {gigabytes(here.aside)} of it for the embedding model"
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
    tell(options, {"id": entry.id, "files": files}, f"{entry.title} is here: {files[0]}")


def import_(options: Any, chosen: Settings) -> None:
    """Imports a file or a folder."""
    with disk_errors(chosen.models):
        chosen.models.mkdir(parents=True, exist_ok=True)
    steps = importing.bring(options.path.expanduser(), entries(chosen), chosen.models, named_model(chosen))
    done = [one for one in _told(steps) if isinstance(one, Imported)]
    listed = [
        {"id": one.entry.id if one.entry else None, "files": [str(file) for file in one.files], "warning": one.warning} for one in done
    ]
    lines = [f"{one.entry.title if one.entry else one.files[0].name} is here: {one.files[0]}\n{one.warning}".strip() for one in done]
    tell(options, {"imported": listed}, "\n".join(lines))


def check_(options: Any, chosen: Settings) -> int:
    """Reads files again and looks at the first one's header; 1 where something is wrong that the program cannot repair."""
    known = entries(chosen)
    files = inventory.files_of(options.id, known, chosen.models)
    checked, *_ = [_outcome(importing.check(file, known)) for file in files]
    found = health.examine(read_header(files[0]))
    if options.json:
        id = checked.entry.id if checked.entry else None
        say_json({"files": [str(file) for file in files], "id": id, "compared": checked.sentence, **asdict(found)})
    else:
        print(f"{files[0].name}: {checked.entry.title if checked.entry else 'not in the catalogue'}. {checked.sentence}")
        for finding in found.findings:
            print(f"{finding.state:9} {finding.name:13} {finding.text}{' ' + finding.hint if finding.hint else ''}")
    return int(any(finding.state == "error" for finding in found.findings))


def remove_(options: Any, chosen: Settings) -> None:
    """Removes an entry's files, or one file that no entry knows."""
    freed = inventory.remove(options.id, entries(chosen), chosen.models)
    tell(options, {"removed": options.id, "bytes": freed}, f"Removed {options.id}: {gigabytes(freed)} are free again.")


def export_kit(options: Any, chosen: Settings) -> None:
    """Makes a folder from which `make run` works without a network."""
    model = _for_the_kit(options.id, chosen)
    features = hardware.ask_probe()[0].get("features", ())
    made = _outcome(kit.export(options.folder.expanduser(), model, features, __version__))
    told = f"{made.folder} is ready: {made.files} files, {gigabytes(made.size_bytes)}. README-KIT.txt in it says what to do."
    lacks = "" if made.model else "\nThe only model in it is the demonstration. With --model ID, a model that is here goes along."
    tell(options, {**asdict(made), "folder": str(made.folder)}, told + lacks)


def _for_the_kit(id: str | None, chosen: Settings) -> Item | None:
    """The model that was asked for, or the one in use; None for the demonstration, which is part of the program. Raises NotFound."""
    known, named = entries(chosen), named_model(chosen)
    if id == DEMONSTRATION or (id is None and named is not None and is_demonstration(named)):
        return None
    if id is not None:
        inventory.files_of(id, known, chosen.models)
        return inventory.find(id, known, chosen.models)
    if named is None:
        return inventory.first_choice(known, chosen.models)
    return next((item for item in inventory.items(known, chosen.models) if named in item.files), None) or _outside(named)


def _outside(file: Path) -> Item:
    """A model that does not lie in the models folder. Raises NotFound."""
    if not file.is_file():
        raise NotFound(f"The model in use, {file}, is not here.", "Name another one with --model; 'models list' shows what there is.")
    return Item(file.name, None, (file,), "here", file.stat().st_size)


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


def _say(line: str) -> None:
    print(line, file=sys.stderr)
