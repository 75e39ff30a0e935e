"""Frozen values as plain JSON and back, without loss: what a field may hold is read from its type, and nothing else is let in.

Knows what records are made of: text, numbers, `Literal`, what may be None, tuples, frozen sets, and dataclasses of these.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_MOST_BITS = 63  # of a whole number that a database takes
_SHOWN = 40  # characters of a name that somebody else has given


class Unfit(ValueError):
    """What is wrong with a value, and where it stands: 'messages[3].role: user or assistant is wanted'."""


def pack(value: Any) -> Any:
    """The value as what JSON has: dataclasses as objects, tuples as lists, sets as lists in order."""
    if is_dataclass(value):
        return {field.name: pack(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, frozenset):
        return sorted(pack(one) for one in value)
    if isinstance(value, tuple | list):
        return [pack(one) for one in value]
    return value


def unpack(kind: Any, value: Any, place: str) -> Any:
    """A value of the type `kind` from what `pack` made of it. `place` is what it is called where it does not fit. Raises Unfit."""
    if is_dataclass(kind):
        return _record(kind, value, place)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return _one_of(arguments, value, place)
    if origin in (Union, UnionType):
        return None if value is None and NoneType in arguments else unpack(_other_than_none(arguments), value, place)
    if origin is tuple and arguments[-1] is not ...:
        return _pair(arguments, value, place)
    if origin in (tuple, frozenset):
        return origin(unpack(arguments[0], one, f"{place}[{at}]") for at, one in enumerate(_list(value, place)))
    return _PLAIN[kind](value, place)


@cache
def _types(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _record(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise Unfit(f"{place}: an object is wanted")
    types = _types(kind)
    if unknown := next((name for name in value if name not in types), None):
        raise Unfit(f"{place}: '{unknown[:_SHOWN]}' is not known")
    needed = (field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING)
    if missing := next((name for name in needed if name not in value), None):
        raise Unfit(f"{place}: '{missing}' is missing")
    return kind(**{name: unpack(types[name], one, f"{place}.{name}") for name, one in value.items()})


def _one_of(allowed: tuple[Any, ...], value: Any, place: str) -> Any:
    if not isinstance(value, str) or value not in allowed:
        raise Unfit(f"{place}: one of {', '.join(map(repr, allowed))} is wanted")
    return value


def _other_than_none(kinds: tuple[Any, ...]) -> Any:
    (kind,) = (one for one in kinds if one is not NoneType)
    return kind


def _pair(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    found = _list(value, place)
    if len(found) != len(kinds):
        raise Unfit(f"{place}: a list of {len(kinds)} is wanted")
    return tuple(unpack(kind, one, f"{place}[{at}]") for at, (kind, one) in enumerate(zip(kinds, found, strict=True)))


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise Unfit(f"{place}: a list is wanted")
    return value


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise Unfit(f"{place}: a text is wanted")
    return value


def _flag(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise Unfit(f"{place}: true or false is wanted")
    return value


def _whole(value: Any, place: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value.bit_length() > _MOST_BITS:
        raise Unfit(f"{place}: a whole number is wanted")
    return value


def _number(value: Any, place: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise Unfit(f"{place}: a number is wanted")
    return float(value)


_PLAIN: Mapping[Any, Callable[[Any, str], Any]] = {str: _text, bool: _flag, int: _whole, float: _number}
