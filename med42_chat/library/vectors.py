"""Vectors of passages: how they are kept, and which point most nearly where a question's does. Pure.

The only file that knows numpy, and it asks for it late: who searches by words alone pays nothing for it.
"""

from collections.abc import Collection, Sequence
from typing import Any

_LARGEST = 127  # what a signed byte holds


def packed(vector: Sequence[float]) -> bytes:
    """A signed byte for each dimension, in proportion to the largest: only the direction counts, and is kept to within a percent or so."""
    most = max(map(abs, vector), default=0.0) or 1.0
    return bytes(round(value / most * _LARGEST) & 0xFF for value in vector)


class Matrix:
    """Packed vectors of one model by the ids of their passages, ready to be compared: four bytes a dimension."""

    def __init__(self, rows: Sequence[tuple[int, bytes]]) -> None:
        import numpy

        size = len(rows[0][1]) if rows else 0
        values = numpy.frombuffer(b"".join(data for _, data in rows), numpy.int8).astype(numpy.float32).reshape(len(rows), size)
        lengths = numpy.linalg.norm(values, axis=1, keepdims=True)
        self._numpy: Any = numpy
        self._ids = numpy.array([id for id, _ in rows], numpy.int64)
        self._values = values / numpy.maximum(lengths, 1.0)

    def nearest(self, vector: Sequence[float], limit: int, among: Collection[int] | None = None) -> list[int]:
        """The ids of the passages whose vectors are nearest to this one of length 1, the nearest first; of `among` only, where given."""
        numpy = self._numpy
        if not len(self._ids) or limit < 1:
            return []
        near = self._values @ numpy.asarray(vector, numpy.float32)
        if among is not None:
            near[~numpy.isin(self._ids, list(among))] = -numpy.inf
        first = numpy.argpartition(-near, min(limit, len(near)) - 1)[:limit]
        order = first[numpy.lexsort((self._ids[first], -near[first]))]
        return [int(self._ids[place]) for place in order if near[place] > -numpy.inf]
