"""The models folder as the page sees it: which models there are, what fits, and what is being done with each.

`Models` returns at once from everything; downloads go on in processes, the rest in threads. Nothing is opened, measured or fetched
before somebody asks. The command line does its work through the same functions, without threads.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from med42_chat.errors import CatalogueError, Med42Error, ModelFileError, NotFound, WeightsError
from med42_chat.gguf import read_header
from med42_chat.weights import catalogue, hardware, importing, inventory, plan
from med42_chat.weights.catalogue import Entry, Family
from med42_chat.weights.download import Download, Order
from med42_chat.weights.hardware import Hardware
from med42_chat.weights.importing import Imported, Recognised
from med42_chat.weights.inventory import CATALOGUE, Item, State
from med42_chat.weights.place import UNFINISHED, check_room, disk_errors
from med42_chat.weights.plan import Plan, Recommendation, Way, gigabytes
from med42_chat.weights.progress import Meter, Progress

Kind = Literal["download", "import", "verify", "remove"]
Step = Progress | Recognised
Steps = Generator[Step, None, str]  # what it returns is said to the person in the end

_END_S = 10.0  # how long closing waits for a thread that is in the middle of a file
_DOING = {"download": "fetched", "import": "imported", "verify": "verified", "remove": "removed"}
_UNFORESEEN = "This ended with a fault of the program."


@dataclass(frozen=True, slots=True)
class Work:
    """What is being done, or was done last, with one model. Bytes, bytes a second, seconds.

    `id` is the entry's id, a file's name, or for an import the name of what is imported; `entry` is the entry whose files come
    out of an import, as soon as that is known. `phase` is a Progress's state. `message` and `hint` are an error's words, what is
    waited for, or what came out.
    """

    id: str
    kind: Kind
    state: Literal["waiting", "running", "stopped", "failed", "done"] = "waiting"
    phase: str = ""
    done: int = 0
    total: int = 0
    speed: float = 0.0
    left_s: float | None = None
    message: str = ""
    hint: str = ""
    entry: str = ""

    @property
    def active(self) -> bool:
        """Whether it has not ended yet."""
        return self.state in ("waiting", "running")


@dataclass(frozen=True, slots=True)
class Card:
    """One model: what it is, how much of it is here, how it would run, and what is being done with it.

    `id` is the entry's, or the name of a file that no entry knows. `plan` is None until the hardware is measured. `fault` says
    why a file that is here cannot be used. `work` may be an import's, whose id is another: stop it by `work.id`.
    """

    id: str
    title: str
    family: Family | None
    entry: Entry | None
    files: tuple[Path, ...]
    size_bytes: int
    state: State
    fetched: int
    plan: Plan | None = None
    recommended: bool = False
    work: Work | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it at one moment. Until the computer is measured, `hardware` is None and `advice`, what to use here, is empty.

    Of the hardware, what is free on the disk is as of now, since each download changes it.
    """

    cards: Sequence[Card]
    works: Sequence[Work]
    hardware: Hardware | None = None
    advice: str = ""


class _Planner:
    """Plans for one state of the hardware, each made once."""

    def __init__(self, here: Hardware, context: int) -> None:
        self.here = here
        self.context = context
        self._made: dict[tuple[object, ...], tuple[Plan | None, str]] = {}
        self._advice: tuple[Sequence[Entry], Recommendation] | None = None

    def plan(self, item: Item) -> tuple[Plan | None, str]:
        """The plan, or why the file that is here cannot be used."""
        try:
            states = [file.stat() for file in item.files]
        except FileNotFoundError:  # removed a moment ago
            return None, ""
        key = (item.id, item.state, *((state.st_size, state.st_mtime_ns) for state in states))
        if key not in self._made:
            self._made[key] = self._make(item)
        return self._made[key]

    def _make(self, item: Item) -> tuple[Plan | None, str]:
        try:
            return plan.make(inventory.model_of(item, self.here.features), self.here, self.context), ""
        except ModelFileError as error:
            return None, f"{error.message} {error.hint}"

    def advice(self, entries: Sequence[Entry]) -> Recommendation:
        """What to use here."""
        if self._advice is None or self._advice[0] is not entries:
            self._advice = entries, plan.recommend(entries, self.here, self.context)
        return self._advice[1]


@dataclass(slots=True)
class _Task:
    """A work with what drives it. Everything in it is guarded by the lock of its Models, `stopped` and `interrupt` apart."""

    work: Work
    steps: Callable[["_Task"], Steps]
    missing: int = 0  # bytes that a download still has to bring
    thread: threading.Thread | None = None
    stopped: threading.Event = field(default_factory=threading.Event)
    interrupt: Callable[[], None] | None = None  # ends what would not notice `stopped` by itself


class Models:
    """The models of one folder. `context` is the number of tokens that plans are made for, `aside` the bytes of memory that the
    embedding model needs; both may be changed at any time.

    `in_use` gives the file that answers or is being loaded, `loaded` how it was loaded: what that takes is free for the next model.

    Raises CatalogueError from whatever needs the catalogue while a person's own `catalogue.toml` cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        own_catalogue: Path,
        context: int = 8192,
        in_use: Callable[[], Path | None] = lambda: None,
        loaded: Callable[[], Way | None] = lambda: None,
        read_hardware: Callable[[Path], Hardware] = hardware.read,
        aside: int = 0,
    ) -> None:
        self.folder = folder
        self.context = context
        self.aside = aside
        self._own = own_catalogue
        self._in_use = in_use
        self._loaded = loaded
        self._read_hardware = read_hardware
        self._changing = threading.Condition()
        self._entries: tuple[int, tuple[Entry, ...]] | None = None  # with the own catalogue's time
        self._hardware: Hardware | None = None
        self._planner: _Planner | None = None
        self._measuring: threading.Thread | None = None
        self._provisional = False  # what was measured is to be measured again when somebody looks
        self._tasks: dict[str, _Task] = {}
        self._line: deque[_Task] = deque()  # downloads, the running one first
        self._count = 0
        self._seen: tuple[int, ...] = ()  # when the folder and the own catalogue changed last
        self._closed = False

    # Looking

    def entries(self) -> tuple[Entry, ...]:
        """The catalogue, a person's own entries included; read again when those change. Raises CatalogueError."""
        changed = _time_of(self._own)
        with self._changing:
            if self._entries is None or self._entries[0] != changed:
                self._entries = changed, catalogue.read(CATALOGUE, self._own)
            return self._entries[1]

    def overview(self) -> Overview:
        """Everything that there is to be seen. Raises WeightsError for a folder that cannot be read."""
        entries = self.entries()
        with self._changing:
            planner, here, works = self._current_planner(), self._hardware, self.works()
        advice = planner.advice(entries) if planner else None
        best = advice.plan if advice else None
        by_model = {work.entry or work.id: work for work in works}
        found = [_card(item, planner, best, by_model.get(item.id)) for item in inventory.items(entries, self.folder)]
        now = here and replace(here, disk_free=hardware.disk_free(self.folder))
        return Overview(sorted(found, key=_rank), works, now, advice.sentence if advice else "")

    def cards(self) -> Sequence[Card]:
        """The catalogue's entries, the recommended one and then what fits first, and behind them the files that no entry knows."""
        return self.overview().cards

    def works(self) -> list[Work]:
        """Everything that is being done, or has ended and was not dismissed, in the order of its beginning."""
        with self._changing:
            return [task.work for task in self._tasks.values()]

    def changed(self) -> int:
        """A number that grows with every change that could be seen, one that another program makes in the folder too."""
        places = (self.folder, self.folder / UNFINISHED, self._own)
        seen = tuple(map(_time_of, places))
        with self._changing:
            if seen != self._seen:
                self._seen, self._count = seen, self._count + 1
            return self._count

    def measure(self, anew: bool = False) -> None:
        """Looks at the hardware, in a thread, unless that was done or is being done."""
        with self._changing:
            running = self._measuring is not None and self._measuring.is_alive()
            if running or self._closed or (self._planner is not None and not anew and not self._provisional):
                return
            self._measuring = threading.Thread(target=self._measure, name="measure", daemon=True)
            self._measuring.start()

    def _measure(self) -> None:
        # A model that is only being loaded takes part of the memory by now, and nobody knows how much.
        self._provisional = self._in_use() is not None and self._loaded() is None
        here = replace(self._read_hardware(self.folder), aside=self.aside)
        planner = _Planner(self._with_room(here), self.context)
        with suppress(CatalogueError):  # is said where the cards are asked for
            for item in inventory.items(self.entries(), self.folder):
                planner.plan(item)  # here and not in `cards`, which must be quick: a large header takes a tenth of a second
        with self._changing:
            self._hardware, self._planner = here, planner
            self._count += 1

    def _with_room(self, here: Hardware) -> Hardware:
        """The computer as it is without the model that is loaded now, for which each of the others would be loaded."""
        file, way = self._in_use(), self._loaded()
        if file is None or way is None:
            return here
        try:
            return plan.freed(here, plan.of_header(read_header(file), here.features), way)
        except ModelFileError:
            return here

    def _current_planner(self) -> _Planner | None:
        with self._changing:
            made = self._planner
            if made is not None and (made.context, made.here.aside) != (self.context, self.aside):
                self._planner = _Planner(replace(made.here, aside=self.aside), self.context)
            return self._planner

    # Doing

    def get(self, id: str) -> None:
        """Fetches an entry, or goes on with one. Raises NotFound, DiskFull, and WeightsError where it is being worked on."""
        entry = catalogue.find(self.entries(), id)
        item = inventory.find(entry.id, self.entries(), self.folder)
        if item is None or item.state == "here":
            raise WeightsError(f"{entry.title} is here already.", "It can be used as it is.")
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        work = Work(entry.id, "download", phase="asking", done=item.fetched, total=entry.size_bytes)
        with self._changing:
            self._refuse_busy(entry.id)
            missing = max(entry.size_bytes - item.fetched, 0)
            check_room(self.folder, missing + sum(task.missing for task in self._line))
            task = _Task(work, lambda task: self._fetching(task, entry), missing)
            self._line.append(task)
            self._begin(task)

    def bring(self, source: Path) -> None:
        """Imports a file or a folder. What is wrong with it is said by the work, whose id is the source's name."""
        with suppress(RuntimeError):  # '~' before the name of somebody whom this computer does not know
            source = source.expanduser()
        if not source.is_absolute():  # a page has no folder that one could begin from
            raise WeightsError("That is no whole path.", "Such as /media/stick/model.gguf, or E:\\model.gguf on Windows.")
        with disk_errors(source):  # a name may be too long, a folder nobody's to look into
            if not source.exists():
                raise WeightsError(f"There is nothing at {source}.", "Check the path; for a stick, that it is plugged in.")
            importing.refuse_used(source, self.folder, self._in_use())
        self._start(Work(source.name or str(source), "import", phase="checking"), lambda task: self._bringing(source))

    def verify(self, id: str) -> None:
        """Reads a model's files again and compares them. Raises NotFound."""
        files = inventory.files_of(id, self.entries(), self.folder)
        total = sum(file.stat().st_size for file in files)
        self._start(Work(id, "verify", phase="checking", total=total), lambda task: self._verifying(files))

    def remove(self, id: str) -> None:
        """Removes a model, finished or not. Raises NotFound, and WeightsError for the one in use or one that is being worked on."""
        item = inventory.find(id, self.entries(), self.folder)
        if item is None or item.state == "absent":
            raise NotFound(f"Nothing of '{id}' is here.", "")
        self._refuse_used(item)
        self._start(Work(id, "remove", total=item.fetched), lambda task: self._removing(item))

    def _refuse_used(self, item: Item) -> None:
        used = self._in_use()
        if used is not None and used.exists() and any(file.exists() and file.samefile(used) for file in item.files):
            raise WeightsError(f"{item.title} is in use.", "Use another model first; then this one can be removed.")

    def stop(self, id: str) -> None:
        """Stops what is being done with a model; what has come of it stays. Does nothing where nothing is being done."""
        with self._changing:
            task = self._tasks.get(id)
            if task is None or not task.work.active:
                return
            task.stopped.set()
            interrupt = task.interrupt
            self._changing.notify_all()
        if interrupt is not None:
            interrupt()

    def dismiss(self, id: str) -> None:
        """Forgets what came out of a work that has ended."""
        with self._changing:
            if id in self._tasks and not self._tasks[id].work.active:
                del self._tasks[id]
                self._count += 1

    def close(self) -> None:
        """Ends everything; what has come stays and can be gone on with."""
        with self._changing:
            self._closed = True
            tasks = list(self._tasks.values())
        for task in tasks:
            self.stop(task.work.id)
        for task in tasks:
            if task.thread is not None:
                task.thread.join(_END_S)

    def _start(self, work: Work, steps: Callable[[_Task], Steps]) -> None:
        with self._changing:
            self._refuse_busy(work.id)
            self._begin(_Task(work, steps))

    def _refuse_busy(self, id: str) -> None:
        if self._closed:
            raise WeightsError("The program is ending.", "Start it again.")
        for task in self._tasks.values():
            if task.work.active and id in (task.work.id, task.work.entry):
                raise WeightsError(f"{id} is being {_DOING[task.work.kind]} at this moment.", "Wait for it, or stop it first.")

    def _begin(self, task: _Task) -> None:
        self._tasks.pop(task.work.id, None)  # the newest stands last
        self._tasks[task.work.id] = task
        self._count += 1
        task.thread = threading.Thread(target=self._run, args=(task,), name=f"{task.work.kind} {task.work.id}", daemon=True)
        task.thread.start()

    def _run(self, task: _Task) -> None:
        """One work to its end, in its thread."""
        ended = replace(task.work, state="failed", message=_UNFORESEEN, hint="The log says where.")
        try:
            said = self._drive(task)
            ended = replace(task.work, state="stopped" if said is None else "done", message=said or "", hint="", speed=0.0, left_s=None)
        except Med42Error as error:
            state: Literal["stopped", "failed"] = "stopped" if task.stopped.is_set() else "failed"
            words = ("", "") if task.stopped.is_set() else (error.message, error.hint)
            ended = replace(task.work, state=state, message=words[0], hint=words[1], speed=0.0, left_s=None)
        finally:
            with self._changing:
                if task in self._line:
                    self._line.remove(task)
                self._show(task, ended)
                self._changing.notify_all()

    def _drive(self, task: _Task) -> str | None:
        """What came out, or None when it was stopped."""
        if not self._own_turn(task):
            return None
        meter = Meter()
        with closing(task.steps(task)) as steps:
            while not task.stopped.is_set():
                try:
                    step = next(steps)
                except StopIteration as end:
                    said: str = end.value
                    return said
                with self._changing:
                    self._show(task, _moved(task.work, step, meter))
        return None

    def _own_turn(self, task: _Task) -> bool:
        """Waits until a download is the first in the line; False when it was stopped before."""
        with self._changing:
            self._changing.wait_for(lambda: task.stopped.is_set() or task not in self._line or self._line[0] is task)
            if not task.stopped.is_set():
                self._show(task, replace(task.work, state="running"))
            return not task.stopped.is_set()

    def _show(self, task: _Task, work: Work) -> None:
        if task.work != work:
            task.work = work
            task.missing = max(work.total - work.done, 0) if task.missing else 0
            self._count += 1

    # Each kind of work

    def _fetching(self, task: _Task, entry: Entry) -> Steps:
        running = Download(Order(entry.id, str(CATALOGUE), str(self._own), str(self.folder)))
        try:
            task.interrupt = running.stop
            yield from running
        finally:
            running.stop()
        compared = "every byte is right" if entry.hashed else "agrees with what the server says of it; the catalogue has no checksum"
        return f"{entry.title} is here, and {compared}."

    def _bringing(self, source: Path) -> Steps:
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        said = []
        for step in importing.bring(source, self.entries(), self.folder, self._in_use()):
            if isinstance(step, Imported):
                said.append(f"{step.entry.title if step.entry else step.files[0].name} is here. {step.warning}".strip())
            else:
                yield step
        return " ".join(said)

    def _verifying(self, files: Sequence[Path]) -> Steps:
        said = ""
        for file in files:
            checked = yield from importing.check(file, self.entries())
            said = checked.sentence
        return said

    def _removing(self, item: Item) -> Steps:
        yield from ()
        self._refuse_used(item)  # once more: it may have been taken into use meanwhile
        freed = inventory.remove(item.id, self.entries(), self.folder)
        return f"{gigabytes(freed)} are free again."


def _time_of(place: Path) -> int:
    """When a file or folder changed last; 0 where there is none, or none that can be asked: whoever reads it says why."""
    with suppress(OSError):
        return place.stat().st_mtime_ns
    return 0


def _card(item: Item, planner: _Planner | None, best: Plan | None, work: Work | None) -> Card:
    made, fault = planner.plan(item) if planner else (None, "")
    return Card(
        id=item.id,
        title=item.title,
        family=item.entry.family if item.entry else None,
        entry=item.entry,
        files=item.files,
        size_bytes=item.size_bytes,
        state=item.state,
        fetched=item.fetched,
        plan=made,
        recommended=best is not None and best.model.id == item.id,
        work=work,
        fault=fault,
    )


def _rank(card: Card) -> tuple[int, ...]:
    """Sorting is stable: within a rank, the catalogue's order stays."""
    fits = {"yes": 0, "crowded": 1, "no": 2}
    return card.entry is None, not card.recommended, fits[card.plan.fit] if card.plan else 3


def _moved(work: Work, step: Step, meter: Meter) -> Work:
    """The work after one more step."""
    if isinstance(step, Recognised):
        return replace(work, entry=step.entry.id)
    # Before the server has answered, a download does not say yet from where it goes on.
    done = max(step.done, work.done) if step.state in ("asking", "waiting") else step.done
    now = meter.progress(step.state, done, step.total, step.note)
    return replace(work, phase=now.state, done=now.done, total=now.total, speed=now.bytes_per_s, left_s=now.seconds_left, message=now.note)
