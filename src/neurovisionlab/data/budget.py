"""Memory that this process may still allocate: of the machine, its cgroups, its own limits.

The limit of a container is that of a cgroup. It does not show in the machine's free memory, and a
process that exceeds it is killed without a message.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

_OWN = Path("/proc/self")


class _GroupFiles(NamedTuple):
    """File names of a version of cgroups, and names in its statistics."""

    limits: tuple[str, ...]
    usage: str
    cache: tuple[str, ...]
    mapped: str


_V1 = _GroupFiles(
    ("memory.limit_in_bytes",),
    "memory.usage_in_bytes",
    ("total_inactive_file", "total_active_file"),
    "total_mapped_file",
)
# above `high` nothing is killed, but everything nearly stops
_V2 = _GroupFiles(
    ("memory.max", "memory.high"),
    "memory.current",
    ("inactive_file", "active_file"),
    "file_mapped",
)


def available_bytes(own: Path = _OWN) -> int:
    """Return the bytes that this process can allocate now; 0 if there are none.

    The minimum of the machine's free memory, the remainder of each memory cgroup above the process
    (version 1 or 2; its file cache counts as free unless mapped), and the remainders of the limits
    on address space and data.

    Args:
        own: the system's folder about this process.
    """
    left = (*_left_by_groups(own), *_left_by_own_limits(own))
    return max(0, min((psutil.virtual_memory().available, *left)))


def _left_by_groups(own: Path) -> Iterator[int]:
    """Yield the remainder of each cgroup, from the process's own up to the mount point."""
    for names, mount, group in _groups(own):
        folder = mount / group
        while True:
            yield from _left_by(folder, names)
            if folder == mount:
                break
            folder = folder.parent


def _left_by(folder: Path, names: _GroupFiles) -> Iterator[int]:
    usage = _number(folder / names.usage)
    limits = [limit for name in names.limits if (limit := _number(folder / name)) is not None]
    if usage is None or not limits:
        return
    pairs = [line.split() for line in _lines(folder / "memory.stat")]
    stat = {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
    cache = sum(stat.get(name, 0) for name in names.cache) - stat.get(names.mapped, 0)
    yield min(limits) - usage + max(0, cache)


def _groups(own: Path) -> Iterator[tuple[_GroupFiles, Path, str]]:
    """Yield (file names, mount point, path below it) of each memory cgroup."""
    paths: dict[_GroupFiles, str] = {}
    for line in _lines(own / "cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            paths[_V2] = path
        elif "memory" in controllers.split(","):
            paths[_V1] = path
    for line in _lines(own / "mountinfo"):
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        is_v1 = kind[0] == "cgroup" and "memory" in kind[2].split(",")
        names = _V1 if is_v1 else _V2
        if (is_v1 or kind[0] == "cgroup2") and names in paths:
            below = _below(_unescaped(fields[3]), paths[names])
            yield names, Path(_unescaped(fields[4])), below


def _below(root: str, path: str) -> str:
    """Return a cgroup's path below a mount of `root`; in a container it may lie outside."""
    pieces, above = [[one for one in text.split("/") if one] for text in (path, root)]
    if ".." in pieces or pieces[: len(above)] != above:
        return ""
    return "/".join(pieces[len(above) :])


def _unescaped(text: str) -> str:
    r"""Return a path from the list of mounts, where a space is written as \040."""
    for code in ("040", "011", "012", "134"):
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text


def _left_by_own_limits(own: Path) -> Iterator[int]:
    """Yield the remainders of the limits on address space and data, where the system sets them."""
    pages = " ".join(_lines(own / "statm")).split()
    if len(pages) < 6 or not all(one.isdigit() for one in pages):
        return
    for limit, used in ((resource.RLIMIT_AS, pages[0]), (resource.RLIMIT_DATA, pages[5])):
        most, _ = resource.getrlimit(limit)
        if most != resource.RLIM_INFINITY:
            yield most - int(used) * resource.getpagesize()


def _number(path: Path) -> int | None:
    text = " ".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None  # else "max", or a missing file


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
