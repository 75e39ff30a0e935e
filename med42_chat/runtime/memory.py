"""Does a model fit into this computer's memory? Pure: the figures come in, a warning or an error goes out."""

from med42_chat.errors import ModelTooLarge
from med42_chat.gguf import Header

_OVERHEAD = 400 << 20  # bytes for llama.cpp's work buffers and the process itself
_RESERVE = 512 << 20  # bytes that the rest of the computer needs at the very least


def memory_needed(header: Header, context: int) -> int:
    """Bytes for the weights, the KV cache of `context` tokens and the work on them, all of it on the processor."""
    return header.size_bytes + header.kv_bytes(context) + _OVERHEAD


def check_memory(header: Header, context: int, total: int, available: int) -> tuple[str, ...]:
    """Warnings in plain words. Raises ModelTooLarge when not even the whole memory (`total` bytes) would do."""
    needed = memory_needed(header, context)
    if needed > total - _RESERVE:
        raise ModelTooLarge(
            f"The model {header.path.name} needs about {_gb(needed)} of memory, and this computer has {_gb(total)}.",
            "Choose a smaller model (8B instead of 70B) or a stronger quantisation (Q4_K_M), or set a smaller context.",
        )
    if needed > available:
        return (
            f"The model needs about {_gb(needed)} of memory and {_gb(available)} are free: it may be slow. Closing other programs helps.",
        )
    return ()


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
