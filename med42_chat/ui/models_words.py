"""What the Models page says in a line: how far something is, what this computer has, what a model runs on. Pure."""

from med42_chat.records import ModelInfo
from med42_chat.weights.hardware import Hardware
from med42_chat.weights.models import Work
from med42_chat.weights.plan import gigabytes
from med42_chat.words import Words


def work_in_words(words: Words, work: Work, is_quiet: bool = False) -> str:
    """How far something is, in a line: what is being done, how much of it is there, how fast, how long still; or that nothing comes."""
    if work.state == "waiting":
        return words("models.in_line")
    if work.phase == "waiting":
        return work.message
    doing = words(f"models.{work.kind}_{work.phase}" if work.phase in ("fetching", "copying", "checking") else f"models.{work.kind}_begins")
    if not work.total or work.phase == "asking":
        return doing
    parts = [words("models.so_far", done=size(work.done), whole=size(work.total))]
    if is_quiet:
        return f"{doing}: {parts[0]} · {words('models.quiet')}"
    if work.speed:
        parts.append(words("models.a_second", speed=_megabytes(work.speed)))
    if work.left_s is not None:
        parts.append(_left(words, work.left_s))
    return f"{doing}: {' · '.join(parts)}"


def size(count: int) -> str:
    """Bytes in words, such as '243 MB' or '4.9 GB'."""
    return gigabytes(count) if count >= 995_000_000 else _megabytes(count)


def computer(words: Words, here: Hardware) -> str:
    """Memory and processor, in a line."""
    text = words(
        "models.computer",
        total=gigabytes(here.memory_total),
        free=gigabytes(here.memory_free),
        processor=here.processor,
        cores=words("models.cores", n=here.cores),
    )
    return f"{text}, {words('models.bandwidth', speed=gigabytes(round(here.bandwidth)))}" if here.bandwidth else text


def graphics(words: Words, here: Hardware) -> str:
    """Graphics cards and disk, in a line."""
    cards = [
        words("models.card", name=one.description or one.name, backend=one.backend, total=gigabytes(one.total), free=gigabytes(one.free))
        for one in here.graphics
    ]
    found = "; ".join(cards) if cards else words("models.no_card")
    return f"{found} · {words('models.disk', free=gigabytes(here.disk_free))}"


def where(words: Words, model: ModelInfo) -> str:
    """What a loaded model really runs on."""
    if model.server:
        return model.device
    if not model.layers_offloaded:
        return words("models.on_processor", n=model.threads)
    return words("models.on_card", device=model.device, n=model.layers_offloaded, layers=model.layers)


def _megabytes(count: float) -> str:
    return f"{count / 1e6:.0f} MB" if count >= 9.95e6 else f"{count / 1e6:.1f} MB"


def _left(words: Words, seconds: float) -> str:
    if seconds > 5400:
        return words("models.left_hours", n=round(seconds / 3600, 1))
    if seconds > 90:
        return words("models.left_minutes", n=round(seconds / 60))
    return words("models.left_seconds", n=max(round(seconds), 1))
