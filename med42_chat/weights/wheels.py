"""Packages as wheels again, made from what is installed here: for a computer that has no network to get them from.

An installed package lists its files in RECORD; a wheel is those files in an archive. So no network and no cache is needed, and the
other computer gets the very files that run here, a llama.cpp that was compiled here among them. Commands are left out: pip makes
those of entry points anew, and the program calls none.
"""

import base64
import hashlib
import io
import os
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from csv import writer
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution
from pathlib import Path, PurePath

from packaging.requirements import Requirement

from med42_chat.errors import WeightsError

_OF_THIS_INSTALLATION = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
_SPEED = 1  # of compression: the best takes four times as long and saves a tenth
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # so that the same files give the same archive


def pins(requirements: str) -> list[str]:
    """The lines of a list of packages, without the reasons."""
    lines = (line.partition("#")[0].strip() for line in requirements.splitlines())
    return [line for line in lines if line]


def needed(wanted: Iterable[str]) -> list[Distribution]:
    """The installed packages that `wanted` names, and everything that these need, by name. Raises WeightsError where one is missing."""
    open_ends = [one for one in map(Requirement, wanted) if one.marker is None or one.marker.evaluate()]
    seen: set[tuple[str, frozenset[str]]] = set()
    found: dict[str, Distribution] = {}
    while open_ends:
        one = open_ends.pop()
        key = (_normal(one.name), frozenset(one.extras))
        if key not in seen:
            seen.add(key)
            found[key[0]] = _installed(one)
            open_ends += _needs(found[key[0]], key[1])
    return [found[name] for name in sorted(found)]


def _installed(wanted: Requirement) -> Distribution:
    try:
        found = distribution(wanted.name)
    except PackageNotFoundError:
        found = None
    if found is None or not wanted.specifier.contains(found.version, prereleases=True):
        has = f"{found.version} is" if found else "it is not"
        raise WeightsError(f"The program needs {wanted}, and {has} installed.", "Start the program once with start.py, which installs it.")
    return found


def _needs(package: Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    for text in package.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in (extras or {""})):
            yield requirement


def size(package: Distribution) -> int:
    """Bytes of its files as they are installed."""
    return sum(path.stat().st_size for _, path in _files(package))


def pack(package: Distribution, folder: Path) -> Path:
    """Writes the package's wheel into `folder`. Raises WeightsError for one that was not installed by pip."""
    file = folder / f"{_stem(package)}-{_tag(package.read_text('WHEEL') or '')}.whl"
    record = f"{_info(package)}/RECORD"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_SPEED) as archive:
        lines = [_added(archive, name, path) for name, path in _files(package)]
        archive.writestr(_entry(record, 0o644), _table([*lines, (record, "", "")]))
    return file


def _stem(package: Distribution) -> str:
    return _info(package).removesuffix(".dist-info")


def _added(archive: zipfile.ZipFile, name: str, path: Path) -> tuple[str, str, str]:
    """Puts a file into the archive; gives its line of RECORD."""
    data, mode = path.read_bytes(), path.stat().st_mode
    archive.writestr(_entry(name, mode), data, zipfile.ZIP_DEFLATED, _SPEED)
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return name, f"sha256={digest}", str(len(data))


def _entry(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _LONG_AGO)
    entry.external_attr = (0o100000 | mode & 0o777) << 16
    return entry


def _table(lines: Iterable[tuple[str, str, str]]) -> str:
    text = io.StringIO()
    writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _files(package: Distribution) -> list[tuple[str, Path]]:
    """What belongs to the package, by its name in the archive."""
    stem = _stem(package)  # once: each look at a package's files reads RECORD
    kept = ((_name(file, stem), Path(str(file.locate()))) for file in package.files or ())
    return sorted((name, path) for name, path in kept if name and path.is_file())


def _name(file: PackagePath, stem: str) -> str:
    """Empty for what is not packed: compiled modules, commands, and notes on this installation."""
    if file.suffix == ".pyc" or (file.name in _OF_THIS_INSTALLATION and file.parent.suffix == ".dist-info"):
        return ""
    if ".." not in file.parts:
        return file.as_posix()
    inside = PurePath(os.path.relpath(str(file.locate()), sys.prefix))  # outside of the packages' folder, but of this environment
    return "" if inside.parts[0] in ("bin", "Scripts", "..") else f"{stem}.data/data/{inside.as_posix()}"


def _info(package: Distribution) -> str:
    """The folder with what the package says of itself."""
    described = (file for file in package.files or () if file.name == "METADATA" and file.parent.suffix == ".dist-info")
    if (found := next(described, None)) is None:
        name = package.metadata["Name"]
        raise WeightsError(f"{name} was not installed by pip, and cannot be packed.", "Start the program once with start.py.")
    return found.parent.as_posix()


def _tag(wheel: str) -> str:
    """Such as 'cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64', of the tags in a WHEEL file."""
    tags = [line.partition(":")[2].strip().split("-") for line in wheel.splitlines() if line.startswith("Tag:")]
    return "-".join(".".join(sorted(set(column))) for column in zip(*tags, strict=True))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
