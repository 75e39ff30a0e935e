"""Which model is loaded, and in which ways that is tried: what `weights` knows of files and of this computer, in the runtime's words.
Or on which server it runs.

The two rooms don't know each other; here they meet. Nothing is loaded here.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from med42_chat.errors import CatalogueError, ModelTooLarge
from med42_chat.gguf import read_header
from med42_chat.records import Health, ModelInfo
from med42_chat.runtime.embedder import Embedder, LocalEmbedder
from med42_chat.runtime.protocol import Found, Load, Override
from med42_chat.runtime.remote_address import KEY, Address, address_of
from med42_chat.settings import DEMO_MODEL, Settings, embedding_model, is_demonstration, named_model
from med42_chat.weights import catalogue, hardware, health, inventory, plan
from med42_chat.weights.catalogue import Entry
from med42_chat.weights.hardware import Hardware
from med42_chat.weights.importing import checksum
from med42_chat.weights.inventory import CATALOGUE, Item, own_catalogue
from med42_chat.weights.place import known_checksum
from med42_chat.weights.plan import Plan, Way, gigabytes


def model_file(settings: Settings) -> Path:
    """The model to load: the one that was named, else a Med42 of the catalogue that is here, else the demonstration model.

    A file that only calls itself Med42 is loaded when a person chooses it, and not before.
    """
    if (named := named_model(settings)) is not None:
        return named
    item = inventory.first_choice(_entries(settings), settings.models)
    return item.files[0] if item else DEMO_MODEL


def ways_to_load(settings: Settings, found: Found) -> tuple[Load, ...]:
    """The ways to load the model on this computer, the planned one first, then those for when memory was short after all.

    Raises ModelFileError for a file that is no whole model, and ModelTooLarge where not even the most modest way would fit.
    """
    file = model_file(settings)
    header = read_header(file)
    item = _item(file, settings)
    here = _hardware(found, settings)
    made = _planned(settings, inventory.model_of(item, found.features), here)
    examined = health.examine(header)
    first = Load(
        file=str(file),
        context=made.way.context,
        threads=settings.threads,
        gpu_layers=made.way.gpu_layers,
        cache_type=made.way.cache_type,
        overrides=tuple(Override(one.key, one.value) for one in examined.overrides),
        sha256=known_checksum(file),
        must_be=checksum(file, item.entry) if item.entry else "",
        findings=tuple(Health(one.name, one.state, one.text, one.hint) for one in examined.findings),
        warnings=tuple(_warnings(settings, made, here)),
        demonstration=is_demonstration(file),
        parallel=made.way.parallel,
        tune=not is_demonstration(file),  # which is fast enough as it is, and is there for a first look: nobody should wait for it
    )
    return first, *_more_modest(first, made)


def server_of(settings: Settings, environment: Mapping[str, str] = os.environ) -> Address | None:
    """The server that runs the model, None where it runs on this computer. Raises SettingsError where it may not be spoken with.

    Its key comes from the environment and from nowhere else: the settings are shown, and lie in a file.
    """
    if not settings.runtime:
        return None
    return address_of(settings.runtime, environment.get(KEY, "").strip(), settings.runtime_insecure)


def open_embedder(settings: Settings) -> Embedder | None:
    """The embedding model that was named, which loads when it is first needed; None where none was."""
    file = embedding_model(settings)
    return LocalEmbedder(file, settings.threads or hardware.usable_cores(), settings.home / "cache") if file else None


def way_of(model: ModelInfo | None) -> Way | None:
    """How a model was really loaded, in a plan's words; None while none is, or where it takes nothing of this computer."""
    if model is None or model.server:
        return None
    return Way(model.layers_offloaded, model.context, "f16" if model.cache_type == "f16" else "q8_0", max(model.parallel, 1))


def _entries(settings: Settings) -> tuple[Entry, ...]:
    try:
        return catalogue.read(CATALOGUE, own_catalogue(settings))
    except CatalogueError:  # a mistake in a person's own catalogue is said on the Models page, and keeps no model from loading
        return catalogue.read(CATALOGUE)


def _item(file: Path, settings: Settings) -> Item:
    """The file with what belongs to it, wherever it lies."""
    here = (item for item in inventory.items(_entries(settings), file.parent) if item.files and item.files[0] == file)
    return next(here, None) or Item(file.name, None, (file,), "here", file.stat().st_size)


def _hardware(found: Found, settings: Settings) -> Hardware:
    """This computer at this moment. No speed is measured: it plays no part in what fits."""
    total, free = hardware.memory()
    devices = tuple(hardware.Device(**asdict(device)) for device in found.devices if device.kind != "cpu")
    return Hardware(
        memory_total=total,
        memory_free=free,
        disk_free=0,
        processor="",
        cores=hardware.usable_cores(),
        features=found.features,
        devices=devices,
        note=hardware.overlooked(devices),
        aside=inventory.set_aside(settings),
    )


def _planned(settings: Settings, model: plan.Model, here: Hardware) -> Plan:
    """The plan, with the number of layers on the graphics cards that a person has set, be it wise or not."""
    made = plan.make(model, here, settings.context, settings.kv_type)
    if made.fit == "no" and made.memory.host > plan.free_for_models(here):
        raise ModelTooLarge(
            f"{model.title} does not fit into this computer. {made.reason}",
            "Choose a smaller model (8B instead of 70B) or a stronger quantisation (Q4_K_M).",
        )
    if settings.gpu_layers is None:
        return plan.at_once(made, here, settings.parallel)
    forced = replace(made, way=replace(made.way, gpu_layers=min(settings.gpu_layers, made.layers)))
    return plan.at_once(forced, here, settings.parallel)


def _warnings(settings: Settings, made: Plan, here: Hardware) -> Iterator[str]:
    """What a person should know before the model is loaded. A card that stays unused must never go unsaid."""
    if settings.kv_type not in (None, *plan.cache_types(made.model.shape)):
        yield "The conversation's memory keeps its 16 bits: llama.cpp cannot halve that of this model."
    wanted = min(settings.context, made.model.context)
    if made.way.context < wanted:
        yield f"The context is {made.way.context:,} tokens instead of {wanted:,}: there is no memory for more."
    if settings.parallel is not None and made.way.parallel < settings.parallel:
        yield f"Answers made at once: {made.way.parallel} instead of {settings.parallel}; there is no memory for more."
    if made.fit != "yes":
        yield (
            f"The model needs {gigabytes(made.memory.host)} of the {gigabytes(plan.free_for_models(here))} of memory that are free"
            f"{plan.beside_in_words(here)}, "
            "which leaves little to other programs: it may be slow. Closing them helps."
        )
    if settings.gpu_layers == 0 or made.way.gpu_layers > 0:
        return
    if here.graphics:
        names = ", ".join(device.description or device.name for device in here.graphics)
        free = gigabytes(sum(device.free for device in here.graphics))
        yield f"No layer is on the graphics card ({names}), which has {free} free: the model runs on the processor, which is slower."
    elif here.note:
        yield here.note


def _more_modest(first: Load, made: Plan) -> Iterator[Load]:
    before = made.way
    for way in dict.fromkeys(plan.back_off(made.way, plan.cache_types(made.model.shape))):
        yield replace(
            first,
            context=way.context,
            gpu_layers=way.gpu_layers,
            cache_type=way.cache_type,
            parallel=way.parallel,
            note=_note(way, before, made.layers),
        )
        before = way


def _note(way: Way, before: Way, layers: int) -> str:
    """What `way` gives up against the one before, in a sentence."""
    parts = []
    if way.parallel != before.parallel:
        parts.append("one question is answered at a time")
    if way.gpu_layers != before.gpu_layers:
        on_cards = f"{way.gpu_layers} of {layers} layers are on the graphics card instead of {before.gpu_layers}"
        parts.append(on_cards if way.gpu_layers else "the whole model is on the processor, which is slower")
    if way.cache_type != before.cache_type:
        parts.append("the conversation's memory takes half the room")
    if way.context != before.context:
        parts.append(f"the context is {way.context:,} tokens instead of {before.context:,}")
    text = ", ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""
