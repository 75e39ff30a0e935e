"""Catalogues in the making."""

from pathlib import Path

from med42_chat.weights.catalogue import Entry, Part

FAMILY = """
[family.{name}]
title = "Tiny"
licence = "none"
context = 8192
template = "llama-3"
shape = {{ layers = 2, hidden = 64, feed_forward = 128, kv_heads = 2, head_size = 16, vocabulary = 256 }}
"""


def _part(part: Part) -> str:
    sha256 = f', sha256 = "{part.sha256}"' if part.sha256 else ""
    return f'{{ name = "{part.name}", bytes = {part.size_bytes}{sha256} }}'


def write_catalogue(path: Path, *entries: Entry) -> Path:
    """A catalogue with `entries`, all of one family."""
    text = FAMILY.format(name=entries[0].family.name)
    for entry in entries:
        parts = ", ".join(_part(part) for part in entry.parts)
        text += f"""
[[file]]
id = "{entry.id}"
family = "{entry.family.name}"
repository = "{entry.repository}"
commit = "{entry.commit}"
part = [{parts}]
"""
    path.write_text(text, "utf-8")
    return path
